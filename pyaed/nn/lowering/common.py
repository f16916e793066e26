"""What the lowerings have in common: their results, their checks, the geometry of windows."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from pyaed.errors import UserError, shorten
from pyaed.nn.graph import Graph, Operator, Tensor
from pyaed.nn.quantize import activation_range, quantize_multiplier

#: Accumulators stay below this, see aed_rescale in nn_c/src/aed_nn_math.h.
ACCUMULATOR_LIMIT = 1 << 30
REACH = 1 << 30  # of a window over a map, which the kernels count in 32 bits
QUANTIZED = ("int8", "uint8", "int16", "int32")  # what a scale and a zero point may belong to

#: Fields of a C struct by name, as the kernel has them: int, float, list of int, array (const table) or None.
Fields = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One kernel call before the memory plan: arena offsets are still tensors."""

    operator: str
    kernel: str
    reads: dict[str, int]  # parameter field -> tensor index
    output: int  # tensor index
    params: Fields  # the other parameter fields
    scratch: int = 0  # bytes
    macs: int = 0  # multiply-accumulates
    in_place: tuple[str, ...] = field(default=())  # fields of `reads` whose memory the output may take over
    stages: tuple["Step", ...] = ()  # of a chain (pyaed/nn/chain.py)
    bands: tuple[Fields, ...] = ()  # of a chain: the fields `rows` and `capacity` of each stage
    buffers: tuple[int, ...] = ()  # of a chain: where in its scratch memory each stage but the last writes
    lead: int = 0  # bytes by which the output begins before the input whose memory it takes over (`in_place`)

    def placed(self, place: Callable[[int], int]) -> Fields:
        """Return the fields of `reads` with arena offsets; inputs[0], inputs[1] ... become the list inputs."""
        fields: Fields = {}
        for name, index in self.reads.items():
            stem, bracket, _ = name.partition("[")
            if bracket:
                fields.setdefault(stem, []).append(place(index))
            else:
                fields[name] = place(index)
        return fields


@dataclass(frozen=True)
class View:
    """The output is the input's memory."""

    source: int
    output: int


Lowering = Callable[[Graph, Operator], Step | View]


def refuse(graph: Graph, operator: Operator, reason: str) -> NoReturn:
    """Raise the UserError of an operator that cannot be expressed."""
    outputs = ", ".join(str(graph.tensors[i]) for i in operator.outputs) or "nothing"
    raise UserError(f"{graph.name}: {operator.name} computing {shorten(outputs)}: {shorten(reason)}")


def input_tensor(graph: Graph, op: Operator, dtypes: tuple[str, ...] = ("int8",), position: int = 0) -> Tensor:
    """Return a computed input of one of the given dtypes."""
    tensor = operand(graph, op, position)
    if tensor.data is not None:
        refuse(graph, op, f"input {tensor} is a constant")
    expect_type(graph, op, tensor, dtypes)
    if tensor.size == 0:
        refuse(graph, op, f"input {tensor} is empty")
    return tensor


def operand(graph: Graph, op: Operator, position: int) -> Tensor:
    """Return an input, computed or constant."""
    if position >= len(op.inputs) or op.inputs[position] < 0:
        refuse(graph, op, f"input {position} is missing")
    return graph.tensors[op.inputs[position]]


def output_tensor(graph: Graph, op: Operator, dtypes: tuple[str, ...] = ("int8",)) -> Tensor:
    """Return the output, of one of the given dtypes."""
    tensor = graph.tensors[op.outputs[0]]
    expect_type(graph, op, tensor, dtypes)
    if tensor.size == 0:
        refuse(graph, op, "the output is empty")
    return tensor


def expect_type(graph: Graph, op: Operator, tensor: Tensor, dtypes: tuple[str, ...]) -> None:
    """Refuse a tensor of another dtype."""
    if tensor.dtype not in dtypes:
        hint = ": a float model has to be quantized to int8 first" if tensor.dtype == "float32" else ""
        refuse(graph, op, f"tensor {tensor}: type not supported here (supported: {', '.join(dtypes)}){hint}")


def constant(graph: Graph, op: Operator, position: int, dtypes: tuple[str, ...]) -> np.ndarray:
    """Return the data of a constant input."""
    tensor = operand(graph, op, position)
    expect_type(graph, op, tensor, dtypes)
    if tensor.data is None:
        refuse(graph, op, f"input {tensor} has to be a constant")
    return tensor.data


def affine(graph: Graph, op: Operator, tensor: Tensor) -> tuple[np.float32, int]:
    """Return (scale, zero_point) of a per-tensor quantized tensor."""
    if len(tensor.scales) != 1:
        refuse(graph, op, f"tensor {tensor}: expected one scale, it has {len(tensor.scales)}")
    expect_type(graph, op, tensor, QUANTIZED)
    info = np.iinfo(tensor.dtype)
    zero_point = int(tensor.zero_points[0])
    if not info.min <= zero_point <= info.max:
        refuse(graph, op, f"tensor {tensor}: zero point {zero_point} is out of range")
    return tensor.scales[0], zero_point


def same_affine(graph: Graph, op: Operator, x: Tensor, y: Tensor) -> None:
    """Refuse input and output that are quantized differently."""
    if affine(graph, op, x) != affine(graph, op, y):
        refuse(graph, op, f"input {x} and output are quantized differently")


def fused_range(graph: Graph, op: Operator, y: Tensor) -> tuple[int, int]:
    """Return the clamp (low, high) of the fused activation."""
    activation = op.options.get("activation", "NONE")
    if activation not in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1"):
        refuse(graph, op, f"fused activation {activation} is not supported")
    return activation_range(activation, *affine(graph, op, y))


def factor(op: Operator, real: float) -> tuple[int, int]:
    """Return the fixed-point factor (multiplier, shift) of an operator's results.

    TensorFlow Lite's rounds twice: to `-shift` more bits, then to the output's steps. Operators that are `rounded_once` (those of
    ONNX) get one without a shift where that leaves 19 bits and more of the factor.
    """
    return rounded_once(op, real) or quantize_multiplier(real)


def rounded_once(op: Operator, real: float) -> tuple[int, int] | None:
    """Return the factor without a shift; None where the operator isn't one of these, or it would be too coarse."""
    if op.options.get("rounded_once") and 2.0**-12 <= real < 1:
        return math.floor(real * (1 << 31) + 0.5), 0
    return None


def check_rescale(graph: Graph, op: Operator, bound: int, shift: int) -> None:
    """Refuse a layer whose sums (up to `bound` in magnitude) could leave the range that aed_rescale is exact in."""
    if shift > 29 or bound << max(0, shift) >= ACCUMULATOR_LIMIT:
        refuse(graph, op, f"sums can reach {bound} at a scale factor of 2^{shift}: beyond 30 bits")


def expect_shape(graph: Graph, op: Operator, ok: bool, *tensors: Tensor) -> None:
    """Refuse the tensors unless `ok`."""
    if not ok:
        refuse(graph, op, f"shapes do not fit or are not supported: {', '.join(str(t) for t in tensors)}")


def window_fields(graph: Graph, op: Operator, x: Tensor, y: Tensor, kernel: tuple[int, int]) -> Fields:
    """Return sizes, strides, dilations and top/left padding of a window operator on NHWC maps with N = 1."""
    expect_shape(graph, op, len(x.shape) == len(y.shape) == 4 and x.shape[0] == y.shape[0] == 1, x, y)
    o = op.options
    result: Fields = {}
    pads: list[int] = []
    for axis, letter in ((0, "h"), (1, "w")):
        size, out, k = x.shape[axis + 1], y.shape[axis + 1], kernel[axis]
        stride, dilation = o[f"stride_{letter}"], o.get(f"dilation_{letter}", 1)
        if k < 1 or stride < 1 or dilation < 1:
            refuse(graph, op, f"kernel {k}, stride {stride}, dilation {dilation}: each has to be at least 1")
        extent = (k - 1) * dilation + 1
        if (out - 1) * stride + extent >= REACH:
            refuse(graph, op, f"kernel {k}, stride {stride}, dilation {dilation}: a window that reaches too far")
        expected = -(-size // stride) if o["padding"] == "SAME" else (size - extent + stride) // stride
        if out != expected:
            refuse(graph, op, f"output size {out} where {expected} follows from {x}")
        if out == 1:
            stride = min(stride, size)  # no step is taken, but kernels multiply with it
        pads.append(max((out - 1) * stride + extent - size, 0) // 2)
        result |= {f"in_{letter}": size, f"out_{letter}": out, f"kernel_{letter}": k, f"stride_{letter}": stride}
        if f"dilation_{letter}" in o:
            result[f"dilation_{letter}"] = dilation if k > 1 else 1  # likewise
    return result | {"pad_top": pads[0], "pad_left": pads[1]}


def four(shape: tuple[int, ...], fill: int = 1) -> list[int]:
    """Return a shape of four dimensions, those in front filled."""
    return [fill] * (4 - len(shape)) + list(shape)


def strides_of(shape: tuple[int, ...]) -> list[int]:
    """Return the strides of a dense tensor, in elements."""
    return [math.prod(shape[i + 1 :]) for i in range(len(shape))]
