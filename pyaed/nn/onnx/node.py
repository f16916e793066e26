"""An operator of an ``.onnx`` file, and what its tensors are on the way to a Graph."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import onnx

Order = tuple[int, ...]  # which of the file's dimensions each stored one is
Affine = tuple[np.float32, int]  # scale and zero point, of int8


@dataclass(frozen=True)
class Held:
    """A computed tensor of the file: which tensor of the graph holds it, and in which order of its dimensions."""

    index: int
    order: Order


@dataclass(frozen=True)
class Fixed:
    """A quantized constant: int8 (a bias: int32) in the file's order, with its scales."""

    data: npt.NDArray[Any]
    scales: npt.NDArray[np.float32]
    zeros: npt.NDArray[np.int64]
    axis: int

    @property
    def real(self) -> npt.NDArray[np.float64]:
        """The values it stands for."""
        shape = [1] * self.data.ndim
        if len(self.scales) > 1:
            shape[self.axis] = len(self.scales)
        scales, zeros = self.scales.astype(np.float64).reshape(shape), self.zeros.reshape(shape)
        return np.asarray((self.data.astype(np.int64) - zeros) * scales if shape else (self.data - zeros) * scales)


class Node:
    """One operator of the file."""

    def __init__(self, proto: "onnx.NodeProto", constants: dict[str, npt.NDArray[Any]]):
        import onnx

        self.proto, self.constants = proto, constants
        self.type: str = proto.op_type
        self.inputs, self.outputs = list(proto.input), list(proto.output)
        self.attributes = {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}

    def attribute(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)

    def constant(self, position: int) -> npt.NDArray[Any] | None:
        """The value of a constant input; None where it is left out or computed."""
        return self.constants.get(self.inputs[position]) if position < len(self.inputs) else None

    def has(self, position: int) -> bool:
        return position < len(self.inputs) and bool(self.inputs[position])

    def integers(self, name: str, position: int) -> list[int] | None:
        """Return what is an attribute in older opsets and a constant input in newer ones."""
        if name in self.attributes:
            return [int(v) for v in np.atleast_1d(self.attributes[name])]
        found = self.constant(position)
        return None if found is None else [int(v) for v in found.reshape(-1)]

    def bounds(self) -> tuple[np.float32, np.float32]:
        """Lowest and highest value of a Clip."""
        result = []
        for position, (name, default) in enumerate((("min", -np.inf), ("max", np.inf)), 1):
            given = self.constant(position)
            value = self.attribute(name, default) if given is None else given.reshape(-1)[0]
            result.append(np.float32(value))
        return result[0], result[1]


def constant_of(proto: "onnx.NodeProto") -> npt.NDArray[Any] | None:
    import onnx

    for attribute in proto.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if attribute.name == "value":
            return onnx.numpy_helper.to_array(value)
        if attribute.name in ("value_float", "value_floats"):
            return np.array(value, np.float32)
        if attribute.name in ("value_int", "value_ints"):
            return np.array(value, np.int64)
    return None
