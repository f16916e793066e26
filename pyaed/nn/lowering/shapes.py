"""Operators that move values without computing."""

import math
from collections.abc import Callable
from types import EllipsisType

import numpy as np

from pyaed.nn.graph import Graph, Operator
from pyaed.nn.lowering.common import (
    Lowering,
    Step,
    View,
    affine,
    constant,
    expect_shape,
    four,
    input_tensor,
    operand,
    output_tensor,
    refuse,
    same_affine,
)

MAX_INPUTS = 16  # AED_CONCAT_INPUTS in nn_c/include/aed_nn_kernels.h


def view(graph: Graph, op: Operator) -> View:
    x = input_tensor(graph, op, ("int8", "uint8", "float32"))
    y = output_tensor(graph, op, (x.dtype,))
    expect_shape(graph, op, x.size == y.size, x, y)
    return View(x.index, y.index)


def pad(graph: Graph, op: Operator) -> Step | View:
    x = input_tensor(graph, op, ("int8", "uint8"))
    y = output_tensor(graph, op, (x.dtype,))
    same_affine(graph, op, x, y)
    pads = constant(graph, op, 1, ("int32", "int64"))
    rank = len(x.shape)
    ok = pads.shape == (rank, 2) and rank <= 4 and (pads >= 0).all() and len(y.shape) == rank
    expect_shape(graph, op, bool(ok), x, operand(graph, op, 1))
    expect_shape(graph, op, all(y.shape[i] == x.shape[i] + int(pads[i].sum()) for i in range(rank)), x, y)
    value = affine(graph, op, y)[1]
    if op.name == "PADV2":
        fill = operand(graph, op, 2)
        if affine(graph, op, fill) != affine(graph, op, y):
            refuse(graph, op, f"the padding value {fill} is quantized differently")
        values = constant(graph, op, 2, (x.dtype,))
        expect_shape(graph, op, values.size == 1, fill)
        value = int(values.reshape(-1)[0])
    if not pads.any():
        return View(x.index, y.index)
    params = {
        "in_dims": four(x.shape),
        "before": four(tuple(int(p) for p in pads[:, 0]), fill=0),
        "out_dims": four(y.shape),
        "value": value,
    }
    return Step(op.name, "aed_pad_8", {"input": x.index}, y.index, params)


def concatenation(graph: Graph, op: Operator) -> Step:
    """Lower CONCATENATION, and PACK, whose axis is a new one."""
    y = output_tensor(graph, op, ("int8", "uint8"))
    inputs = [input_tensor(graph, op, (y.dtype,), i) for i in range(len(op.inputs))]
    if len(inputs) > MAX_INPUTS:
        refuse(graph, op, f"{len(inputs)} inputs, at most {MAX_INPUTS} are supported")
    for x in inputs:
        same_affine(graph, op, x, y)
    if op.options.get("activation", "NONE") != "NONE":
        refuse(graph, op, f"fused activation {op.options['activation']} is not supported")
    rank, axis = len(y.shape), op.options["axis"]
    expect_shape(graph, op, -rank <= axis < rank, y)
    axis %= rank
    if op.name == "PACK":
        ok = len(inputs) == y.shape[axis] and {x.shape for x in inputs} == {(*y.shape[:axis], *y.shape[axis + 1 :])}
    else:
        ok = all(x.shape[:axis] + x.shape[axis + 1 :] == y.shape[:axis] + y.shape[axis + 1 :] for x in inputs)
        ok = ok and all(len(x.shape) == rank for x in inputs) and sum(x.shape[axis] for x in inputs) == y.shape[axis]
    expect_shape(graph, op, ok, *inputs, y)
    outer = math.prod(y.shape[:axis])
    sizes = [x.size // outer for x in inputs] + [0] * (MAX_INPUTS - len(inputs))
    reads = {f"inputs[{i}]": x.index for i, x in enumerate(inputs)}
    params = {"n_inputs": len(inputs), "outer": outer, "sizes": sizes}
    return Step(op.name, "aed_concat_8", reads, y.index, params)


def movement(move: Callable[[Graph, Operator, np.ndarray], np.ndarray]) -> Lowering:
    """Return the lowering of an operator whose output is a strided view of its input.

    ``move(graph, op, array)`` does to an array what the operator does, in numpy, without a copy.
    """

    def lower_movement(graph: Graph, op: Operator) -> Step | View:
        x = input_tensor(graph, op, ("int8", "uint8"))
        y = output_tensor(graph, op, (x.dtype,))
        same_affine(graph, op, x, y)
        whole = np.empty(x.shape, np.uint8)
        moved = move(graph, op, whole)
        expect_shape(graph, op, moved.size == y.size and _bare(moved.shape) == _bare(y.shape), x, y)
        first = moved.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
        merged: list[tuple[int, int]] = []
        for size, stride in zip(moved.shape, moved.strides):
            if size != 1 and merged and merged[-1][1] == size * stride:
                merged[-1] = (merged[-1][0] * size, stride)
            elif size != 1:
                merged.append((size, stride))
        if x.size == y.size and merged in ([], [(x.size, 1)]):
            return View(x.index, y.index)
        if len(merged) > 4:
            refuse(graph, op, f"a movement of {x} in {len(merged)} independent dimensions, at most 4 are supported")
        params = {
            "first": first,
            "dims": four(tuple(size for size, _ in merged)),
            "strides": four(tuple(stride for _, stride in merged), fill=0),
        }
        return Step(op.name, "aed_strided_8", {"input": x.index}, y.index, params)

    return lower_movement


def _bare(shape: tuple[int, ...]) -> list[int]:
    return [d for d in shape if d != 1]


def _axes(graph: Graph, op: Operator, position: int, length: int | None = None) -> list[int]:
    values = [int(v) for v in constant(graph, op, position, ("int32", "int64")).reshape(-1)]
    if length not in (None, len(values)):
        refuse(graph, op, f"{operand(graph, op, position)}: expected {length} values")
    return values


def transpose(graph: Graph, op: Operator, x: np.ndarray) -> np.ndarray:
    order = _axes(graph, op, 1)
    if sorted(order) != list(range(x.ndim)):
        refuse(graph, op, f"permutation {order} of a tensor of {x.ndim} dimensions")
    moved: np.ndarray = x.transpose(order)
    return moved


def cut(graph: Graph, op: Operator, x: np.ndarray) -> np.ndarray:
    begin, size = _axes(graph, op, 1, x.ndim), _axes(graph, op, 2, x.ndim)
    ends = [d if s == -1 else b + s for b, s, d in zip(begin, size, x.shape)]
    if any(not 0 <= b < e <= d for b, e, d in zip(begin, ends, x.shape)):
        refuse(graph, op, f"begin {begin} and size {size} of the shape {list(x.shape)}")
    part: np.ndarray = x[tuple(slice(b, e) for b, e in zip(begin, ends))]
    return part


def strided_slice(graph: Graph, op: Operator, x: np.ndarray) -> np.ndarray:
    begin = _axes(graph, op, 1)
    end, steps = (_axes(graph, op, i, len(begin)) for i in (2, 3))

    def masked(name: str, i: int) -> bool:
        return bool(op.options[f"{name}_mask"] >> i & 1)

    index: list[int | slice | EllipsisType | None] = []
    for i, (b, e, step) in enumerate(zip(begin, end, steps)):
        if masked("ellipsis", i):
            index.append(...)
        elif masked("new_axis", i):
            index.append(np.newaxis)
        elif masked("shrink_axis", i):
            index.append(b)
        elif step == 0:
            refuse(graph, op, "a stride is 0")
        else:
            index.append(slice(None if masked("begin", i) else b, None if masked("end", i) else e, step))
    if ... not in index:
        index.append(...)  # makes a view of one element an array too
    try:
        part: np.ndarray = x[tuple(index)]
    except IndexError as error:
        refuse(graph, op, f"slice {begin} to {end} of the shape {list(x.shape)}: {error}")
    return part
