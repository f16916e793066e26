"""The front end's tables as C, for a firmware image."""

from pathlib import Path

import numpy as np

from pyaed.dsp.frontend import TABLE_TYPES, FrontEnd, config_values
from pyaed.dsp.identity import CMSIS, feature_hash, frontend_revision
from pyaed.dsp.spec import FeatureSpec
from pyaed.dsp.tables import make_tables
from pyaed.files import write_text
from pyaed.sources import c_templates


def c_float(value: float) -> str:
    """Return a float32 as a C literal that reads back to the same bits."""
    return f"{float(np.float32(value)).hex()}F"


def c_values(array: np.ndarray, per_line: int = 8) -> str:
    """Return an array's values as the inside of a C initializer."""
    texts = [c_float(v) for v in array.ravel()] if array.dtype == np.float32 else [f"{v}U" for v in array.ravel()]
    return ",\n".join("  " + ", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line))


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
    environment = c_templates()
    scalars = {
        name: c_float(value) if isinstance(value, float) else str(value) if name == "first_sample" else f"{value}U"
        for name, value in config_values(spec, tables).items()
    }
    arrays = [
        {
            "name": name,
            "type": ctype.split()[0],
            "size": getattr(tables, name).size,
            "text": c_values(getattr(tables, name)),
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
        write_text(Path(folder) / name, environment.get_template(f"{name}.j2").render(values))
        for name in ("aed_features.c", "aed_features.h")
    ]
