"""What a board says: about itself, and about a patch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyaed.link.messages import Values, protocol

#: Code of input_type and output_type -> NumPy type
DTYPES: dict[int, np.dtype[Any]] = {
    m.value: np.dtype(m.name).newbyteorder("<") for m in protocol().enum("element_type").values
}


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
