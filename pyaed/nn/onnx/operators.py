"""What the engine reads of ONNX: one function per operator, all of them in the table OPERATORS."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pyaed.nn.onnx import movements, windows
from pyaed.nn.onnx.functions import FUNCTIONS, Real, table
from pyaed.nn.onnx.node import Fixed, Held, Node
from pyaed.nn.onnx.shapes import opset
from pyaed.nn.onnx.translate import INT8, UNIT, Reader, Translator

_BINARY = {"Add": "ADD", "Sub": "SUB", "Mul": "MUL", "Min": "MINIMUM", "Max": "MAXIMUM", "PRelu": "PRELU"}
_WITH_NUMBER: dict[str, Callable[[Any, Any], Any]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Min": np.minimum, "Max": np.maximum,
}  # fmt: skip


def quantize(t: Translator, node: Node) -> None:
    name, made = node.inputs[0], node.outputs[0]
    if name in t.constants:
        t.fixed[made] = _quantized_constant(t, node, t.constants[name])
        return
    if t.model.dtypes[made] not in INT8:
        t.refuse(node, f"quantization to {t.model.dtypes[made]}; expected int8 or uint8")
    held = t.requantized(t.read(node), t.parameters(node), name)
    t.held[made] = held
    t.files.setdefault(held.index, (made, held.order))


def dequantize(t: Translator, node: Node) -> None:
    name, made = node.inputs[0], node.outputs[0]
    if name in t.fixed:
        t.fixed[made] = t.fixed[name]
    elif name in t.constants:
        t.fixed[made] = _constant(t, node, t.constants[name])
    else:
        held = t.read(node)
        if t.parameters(node) != t.affine(held.index):
            t.refuse(node, "its scale or zero point is not that of what it reads")
        t.held[made] = held


def _scales(
    t: Translator, node: Node, data: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], int]:
    scale = node.constant(1)
    if scale is None:
        t.refuse(node, "its scale has to be a constant")
    scales, (zeros, _) = t.checked_scale(node, scale), t.zero_points(node)
    axis = int(node.attribute("axis", 1)) % max(1, data.ndim) if len(scales) > 1 else 0
    if len(zeros) == 1 < len(scales):
        zeros = np.repeat(zeros, len(scales))
    if len(zeros) != len(scales) or (len(scales) > 1 and (not data.ndim or data.shape[axis] != len(scales))):
        t.refuse(node, f"{len(scales)} scales and {len(zeros)} zero points for the shape {list(data.shape)}")
    return scales, zeros, axis


def _constant(t: Translator, node: Node, data: npt.NDArray[Any]) -> Fixed:
    scales, zeros, axis = _scales(t, node, data)
    if data.dtype == np.uint8:
        return Fixed((data.astype(np.int16) - 128).astype(np.int8), scales, zeros - 128, axis)
    if data.dtype not in (np.int8, np.int32):
        t.refuse(node, f"a constant of {data.dtype.name}; expected int8, uint8 or (a bias) int32")
    return Fixed(data, scales, zeros, axis)


def _quantized_constant(t: Translator, node: Node, data: npt.NDArray[Any]) -> Fixed:
    """Return a float constant as its QuantizeLinear makes it."""
    scales, zeros, axis = _scales(t, node, data)
    dtype = t.model.dtypes[node.outputs[0]]
    if dtype not in INT8:
        t.refuse(node, f"a constant of {dtype}; expected int8 or uint8")
    shape = [1] * data.ndim
    if len(scales) > 1:
        shape[axis] = len(scales)
    with np.errstate(all="ignore"):
        steps = np.rint(data.astype(np.float32) / scales.reshape(shape)) + zeros.reshape(shape)
    info = np.iinfo(dtype)
    return _constant(t, node, np.clip(np.nan_to_num(steps), info.min, info.max).astype(dtype))


def function(t: Translator, node: Node) -> None:
    """A function of one number, and those right behind it that nothing quantizes in between."""
    _apply(t, node, t.read(node), lambda x: FUNCTIONS[node.type](x, node))


def _apply(t: Translator, node: Node, x: Held, first: Callable[[Real], Real]) -> None:
    steps, last, name = [first], node, node.outputs[0]
    while t.quantization(name) is None and name not in t.model.outputs and len(t.uses.get(name, ())) == 1:
        behind = t.uses[name][0]
        if behind.type not in FUNCTIONS:
            break
        steps.append(lambda v, behind=behind: FUNCTIONS[behind.type](v, behind))  # type: ignore[misc]
        last, name = behind, behind.outputs[0]
        t.done.add(name)
    given, affine = t.affine(x.index), t.quantization(name)
    if affine is None and last.type == "Sigmoid":
        affine = UNIT
    elif affine is None and len(steps) == 1 and node.type == "Relu":
        affine = given  # what is left has its input's steps
    if affine is None:
        t.refuse(last, f"its output '{name}' stays float; expected a QuantizeLinear behind it (op_types_to_quantize)")

    def whole(v: Real) -> Real:
        with np.errstate(all="ignore"):
            for step in steps:
                v = np.asarray(step(v), np.float32)
        return v

    made = t.tensor(name, t.stored(x), affine)
    t.emit("TABLE", [x.index], made, values=table(whole, given, affine), function=last.type)
    t.held[name] = Held(made, x.order)


def softmax(t: Translator, node: Node) -> None:
    x = t.read(node)
    shape = t.shape(node.inputs[0])
    old = opset(t.model.proto) < 13
    axis = int(node.attribute("axis", 1 if old else -1)) % len(shape)
    if old and any(n != 1 for n in shape[axis + 1 :]):
        t.refuse(node, f"over several dimensions from {axis} on (opset below 13); expected one")
    order = (*(a for a in x.order if a != axis), axis)
    x = t.arranged(x, order)
    made = t.tensor(node.outputs[0], t.stored(x), UNIT)
    t.keep(node, Held(t.emit("SOFTMAX", [x.index], made, beta=1.0), order))


def binary(t: Translator, node: Node) -> None:
    """Two operands, of which one may be a constant: a single number makes it a function of the other."""
    if len(node.inputs) != 2:
        t.refuse(node, f"{len(node.inputs)} inputs; expected 2")
    first, second = (_number(t, name) for name in node.inputs)
    if node.type in _WITH_NUMBER and (first is None) != (second is None):
        compute = _WITH_NUMBER[node.type]
        if first is None:
            _apply(t, node, t.read(node), lambda x: compute(x, second))
        else:
            _apply(t, node, t.read(node, 1), lambda x: compute(first, x))
        return
    if node.type not in _BINARY:
        t.refuse(node, "expected one number as its divisor")
    computed = [name in t.held for name in node.inputs]
    if not any(computed):
        t.read(node)  # says what is missing
    rank = len(t.shape(node.outputs[0]))
    helds = {i: _widened(t, t.read(node, i), rank) for i in range(2) if computed[i]}
    order = max(helds.values(), key=lambda held: t.tensors[held.index].size).order
    operands = []
    for i in range(2):
        if i in helds:
            operands.append(t.arranged(helds[i], order).index)
            continue
        fixed = t.read_fixed(node, i)
        data = fixed.data.reshape((1,) * (rank - fixed.data.ndim) + fixed.data.shape).transpose(order)
        if fixed.data.dtype != np.int8 or len(fixed.scales) != 1:
            t.refuse(node, f"the constant '{node.inputs[i]}': expected int8 with one scale")
        affine = (fixed.scales[0], int(fixed.zeros[0]))
        operands.append(t.tensor(node.inputs[i], data.shape, affine, data=data))
    if node.type in ("Min", "Max"):
        affine = t.quantization(t.clamped(node.outputs[0])[0]) or t.affine(operands[0])
        if any(t.tensors[i].data is not None for i in operands):
            t.refuse(node, "a constant of several numbers is not supported here")
        operands = [t.requantized(Held(i, order), affine).index for i in operands]
    t.write(node, _BINARY[node.type], operands, order)


def _number(t: Translator, name: str) -> np.float32 | None:
    """Return a constant of one number, quantized or not; None for everything else."""
    found = t.fixed[name].real if name in t.fixed else t.constants.get(name)
    return np.float32(found.reshape(-1)[0]) if found is not None and found.size == 1 else None


def _widened(t: Translator, held: Held, rank: int) -> Held:
    """Return a tensor with dimensions of 1 in front."""
    more = rank - len(held.order)
    if not more:
        return held
    order = (*range(more), *(axis + more for axis in held.order))
    return t.viewed(held, (1,) * more + t.stored(held), order)


#: What only moves elements: quantizing behind it is quantizing before it.
MOVEMENTS: dict[str, Reader] = {
    "Cast": movements.alias,
    "Dropout": movements.alias,
    "Flatten": movements.reshape,
    "Identity": movements.alias,
    "Reshape": movements.reshape,
    "Slice": movements.slice_,
    "Split": movements.split,
    "Squeeze": movements.reshape,
    "Transpose": movements.transpose,
    "Unsqueeze": movements.reshape,
}
#: ONNX operator -> what reads it.
OPERATORS: dict[str, Reader] = {
    **MOVEMENTS,
    **dict.fromkeys(FUNCTIONS, function),
    **dict.fromkeys((*_BINARY, *_WITH_NUMBER), binary),
    "AveragePool": windows.pool,
    "Concat": movements.concat,
    "Conv": windows.convolution,
    "DequantizeLinear": dequantize,
    "Gemm": windows.matrix_product,
    "GlobalAveragePool": movements.mean_or_max,
    "GlobalMaxPool": movements.mean_or_max,
    "MatMul": windows.matrix_product,
    "MaxPool": windows.pool,
    "Pad": movements.pad,
    "QuantizeLinear": quantize,
    "ReduceMax": movements.mean_or_max,
    "ReduceMean": movements.mean_or_max,
    "Softmax": softmax,
}
