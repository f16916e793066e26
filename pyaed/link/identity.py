"""What a board says: about itself, and about a patch. A board is not trusted: what it says is checked here."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyaed.link.messages import Values, protocol

#: Code of input_type and output_type -> NumPy type
DTYPES: dict[int, np.dtype[Any]] = {
    m.value: np.dtype(m.name).newbyteorder("<") for m in protocol().enum("element_type").values
}

#: What a board may announce, lowest and highest: far above any image's, so that nothing runs or grows without end.
BOUNDS = {
    "n_classes": (0, 1024),
    "n_nodes": (0, 1 << 11),
    "sample_rate": (1, 1 << 20),
    "hop_length": (1, 1 << 20),
    "n_mels": (1, 1 << 12),
    "patch_length": (1, 1 << 16),
    "input_size": (1, 1 << 26),
    "output_size": (1, 1 << 26),
    "counter_denominator": (1, 1 << 32),
    "unknown_threshold": (0.0, 1.0),
    "input_scale": (1e-30, 1e30),
    "output_scale": (1e-30, 1e30),
}
MAX_NAME = 300  # characters; node names may be long


def wrong_identity(fields: Values) -> str | None:
    """Return what is wrong with the reply to `identify`, None when it can be."""
    for key in ("input_type", "output_type"):
        if fields[key] not in DTYPES:
            return f"{key} {fields[key]}; known are {sorted(DTYPES)}"
    for key, (low, high) in BOUNDS.items():
        if not low <= fields[key] <= high:
            return f"{key} {fields[key]}, expected {low} to {high}"
    if not -1 <= fields["garbage_class"] < fields["n_classes"]:
        return f"garbage_class {fields['garbage_class']} of {fields['n_classes']} classes"
    for side in ("input", "output"):
        shape = [d for d in fields[f"{side}_dims"] if d]
        dtype, size = DTYPES[fields[f"{side}_type"]], fields[f"{side}_size"]
        if math.prod(shape) * dtype.itemsize != size:
            return f"{side} {shape} {dtype} in {size} bytes"
    return next((f"{key} {wrong}" for key, text in fields.items() if (wrong := wrong_name(text))), None)


def wrong_name(text: object) -> str | None:
    """Return why a text from a board is not shown, None when it may be (or is no text)."""
    if not isinstance(text, str):
        return None
    if not text.isprintable():
        return f"{text[:40]!a} with characters that a terminal would act on"
    return f"of {len(text)} characters, at most {MAX_NAME}" if len(text) > MAX_NAME else None


def wrong_classes(n_classes: int, values: npt.NDArray[np.float32], *indices: int) -> str | None:
    """Return what is wrong with scores and class indices (-1: none), None when they can be.

    Parameters
    ----------
    n_classes : int
    values : ndarray of float32
        One a class, or none at all.
    *indices : int
    """
    if len(values) not in (0, n_classes):
        return f"{len(values)} probabilities for {n_classes} classes"
    if not np.isfinite(values).all():
        return "probabilities that are not finite"
    return next((f"class {i} of {n_classes}" for i in indices if not -1 <= i < n_classes), None)


@dataclass(frozen=True)
class Identity:
    """What the device says about itself: the fields of the reply to `identify`, and the names."""

    fields: Values
    class_names: tuple[str, ...]
    node_names: tuple[str, ...]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["fields"][name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def input_dtype(self) -> np.dtype[Any]:
        return DTYPES[self.input_type]

    @property
    def output_dtype(self) -> np.dtype[Any]:
        return DTYPES[self.output_type]

    @property
    def input_quantization(self) -> tuple[float, int]:
        return self.input_scale, self.input_zero_point

    @property
    def output_quantization(self) -> tuple[float, int]:
        return self.output_scale, self.output_zero_point

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(d for d in self.input_dims if d)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return tuple(d for d in self.output_dims if d)


@dataclass(frozen=True)
class Detection:
    """The device's answer to one patch.

    Attributes
    ----------
    patch : int
        Index of the patch in the clip.
    top_class : int
        Class with the highest probability.
    decision : int
        `top_class`, or -1: below the unknown threshold, or the garbage class.
    probabilities : ndarray of float32, shape (n_classes,)
    """

    patch: int
    top_class: int
    decision: int
    probabilities: npt.NDArray[np.float32]
