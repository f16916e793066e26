"""The files that ST's audio application wants of a model: window and mel filters, and what it is told about the model."""

from pathlib import Path
from typing import Any

import numpy as np

from pyaed.artefact import ModelMetadata
from pyaed.codegen import c_initializer, c_template
from pyaed.dsp import FeatureSpec, FrontEnd
from pyaed.dsp.tables import make_window, mel_filters
from pyaed.errors import UserError
from pyaed.files import atomic_path, write_text

#: What the application's front end raises a mel value to before its logarithm: the smallest normal float32.
ST_FLOOR = float(np.finfo(np.float32).tiny)

#: File -> template.
_FILES = {
    "user_mel_tables.h": "st_user_mel_tables.h.j2",
    "user_mel_tables.c": "st_user_mel_tables.c.j2",
    "ai_model_config.h": "st_ai_model_config.h.j2",
}


def check_suits(spec: FeatureSpec) -> None:
    """Refuse features that the application's front end does not compute.

    Raises
    ------
    UserError
        Naming the setting.
    """
    for wrong, text in (
        (
            spec.sample_rate not in (16000, 48000),
            f"preprocessing.target_rate: {spec.sample_rate}; its microphone has 16000 or 48000 Hz",
        ),
        (spec.n_fft & (spec.n_fft - 1), f"feature_extraction.n_fft: {spec.n_fft}; it transforms powers of two"),
        (spec.power not in (1, 2), f"feature_extraction.power: {spec.power:g}; it knows 1 and 2"),
        (spec.n_mfcc, f"feature_extraction.n_mfcc: {spec.n_mfcc}; it has no cepstral coefficients"),
        (
            spec.fmin != int(spec.fmin) or spec.fmax != int(spec.fmax),
            "feature_extraction.fmin, fmax: it takes whole numbers of Hz",
        ),
    ):
        if wrong:
            raise UserError(f"ST's application can't compute these features: {text}")


def write_st_application(name: str, spec: FeatureSpec, metadata: ModelMetadata, folder: Path) -> list[Path]:
    """Write ``user_mel_tables.h``, ``user_mel_tables.c`` and ``ai_model_config.h``.

    Parameters
    ----------
    name : str
        The model's.
    spec : FeatureSpec
    metadata : ModelMetadata
        Class names in the order of the outputs, unknown threshold.
    folder : Path
        Is replaced as a whole.

    Raises
    ------
    UserError
        See `check_suits`.
    """
    check_suits(spec)
    filters = mel_filters(spec)
    used = [np.flatnonzero(row) for row in filters]
    values = {
        "window": _table("user_win", "float32_t", make_window(spec.window, spec.window_length).astype(np.float32)),
        "weights": _table(
            "user_melFiltersLut",
            "float32_t",
            np.concatenate([row[i] for row, i in zip(filters, used)]).astype(np.float32),
        ),
        "starts": _table("user_melFiltersStartIndices", "uint32_t", np.array([i[0] for i in used], np.uint16)),
        "stops": _table("user_melFiltersStopIndices", "uint32_t", np.array([i[-1] for i in used], np.uint16)),
        "n_mels": spec.n_mels,
        "spec": spec,
        "name": name,
        "class_names": metadata.class_names,
        "threshold": metadata.unknown_class_threshold,
    }
    with atomic_path(folder) as place:
        place.mkdir()
        for file, template in _FILES.items():
            write_text(place / file, c_template(template).render(values))
    return [folder / file for file in _FILES]


def _table(name: str, kind: str, array: np.ndarray) -> dict[str, Any]:
    return {"name": name, "type": kind, "size": array.size, "rows": c_initializer(array)}


def st_front_end(spec: FeatureSpec) -> FrontEnd:
    """Return a front end with the application's floor instead of the offset that models are trained with.

    The rest of its arithmetic (CMSIS-DSP's transform) is not imitated: differences of some last bits.
    """
    front_end = FrontEnd(spec)
    front_end.config.floor, front_end.config.offset = ST_FLOOR, 0.0
    return front_end
