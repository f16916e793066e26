"""The front end's tables as C, for a firmware image."""

from pathlib import Path

from pyaed.codegen import c_float, c_initializer, c_template
from pyaed.dsp.frontend import TABLE_TYPES, FrontEnd, config_values
from pyaed.dsp.identity import CMSIS, feature_hash, frontend_revision
from pyaed.dsp.spec import FeatureSpec
from pyaed.dsp.tables import make_tables
from pyaed.files import write_text


def write_c(spec: FeatureSpec, folder: str | Path) -> list[Path]:
    """Write ``aed_features.c`` and ``aed_features.h`` into `folder`.

    They define ``const aed_frontend_config aed_features``, the specification's hash and the size of a stream.

    Raises
    ------
    UserError
        When the specification can't exist on a device.
    """
    from pyaed.dsp._dsp import lib

    spec.check_deployable()
    tables = make_tables(spec)
    front_end = FrontEnd(spec)
    scalars = {
        name: c_float(value) if isinstance(value, float) else str(value) if name == "first_sample" else f"{value}U"
        for name, value in config_values(spec, tables).items()
    }
    arrays = [
        {
            "name": name,
            "type": ctype.split()[0],
            "size": getattr(tables, name).size,
            "rows": c_initializer(getattr(tables, name)),
        }
        for name, ctype in TABLE_TYPES.items()
        if getattr(tables, name).size
    ]
    values = {
        "hash": feature_hash(spec),
        "cmsis": frontend_revision() > CMSIS,
        "settings": spec.to_dict(),
        "scalars": scalars,
        "arrays": arrays,
        "stream_size": int(lib.aed_stream_size(front_end.config)),
    }
    return [
        write_text(Path(folder) / name, c_template(f"{name}.j2").render(values))
        for name in ("aed_features.c", "aed_features.h")
    ]
