"""Shapes of a graph that was converted with a free batch: what it computes from the batch's size follows with 1.

Converters write such a graph with operators that compute shapes (SHAPE, STRIDED_SLICE, PACK ...), and 1 for every size that they
do not know.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pyaed.nn.graph import MAX_ELEMENTS, Graph, Operator

#: Most values that a computed shape may have on its way.
MAX_VALUES = 64

Values = dict[int, np.ndarray]

#: Operators whose output has the shape of their (broadcast) inputs.
_ELEMENTWISE = (
    "ADD", "SUB", "MUL", "QUANTIZE", "DEQUANTIZE", "RELU", "RELU6", "LEAKY_RELU", "PRELU", "LOGISTIC", "TANH", "HARD_SWISH",
    "ELU", "GELU", "SOFTMAX", "MINIMUM", "MAXIMUM",
)  # fmt: skip


def with_fixed_batch(graph: Graph) -> Graph:
    """Return the graph with the shapes that follow from its input's, where the file computes shapes; else the graph.

    An operator that computes a shape in a way that is not known here leaves the file's shape, which the lowering checks.
    """
    computed = {i for op in graph.operators if op.name == "RESHAPE" and len(op.inputs) > 1 for i in op.inputs[1:2]}
    if all(i < 0 or graph.tensors[i].data is not None for i in computed):
        return graph
    shapes = [tensor.shape for tensor in graph.tensors]
    values: Values = {t.index: t.data for t in graph.tensors if t.data is not None and t.data.dtype.kind == "i"}
    for op in graph.operators:
        try:
            _infer(graph, op, shapes, values)
        except (IndexError, ValueError, TypeError, KeyError, ArithmeticError):
            continue
    tensors = tuple(
        tensor if shape == tensor.shape else dataclasses.replace(tensor, shape=shape)
        for tensor, shape in zip(graph.tensors, shapes)
    )
    return dataclasses.replace(graph, tensors=tensors)


def _infer(graph: Graph, op: Operator, shapes: list[tuple[int, ...]], values: Values) -> None:
    """Note what an operator computes: the value of a shape, or the shape of a map."""
    (y,) = op.outputs
    if op.name == "SHAPE":
        values[y] = np.array(shapes[op.inputs[0]], np.int64)
    elif op.name in _COMPUTING and all(i in values and values[i].size <= MAX_VALUES for i in op.inputs):
        found = np.asarray(_COMPUTING[op.name](op, [values[i].astype(np.int64) for i in op.inputs]), np.int64)
        if found.size <= MAX_VALUES:
            values[y] = found
    elif graph.tensors[y].data is None and op.name in (*_ELEMENTWISE, "RESHAPE", "FULLY_CONNECTED"):
        shape = _shape(op, shapes, values)
        if shape is not None and all(n > 0 for n in shape) and len(shape) <= 8 and math.prod(shape) <= MAX_ELEMENTS:
            shapes[y] = shape


def _shape(op: Operator, shapes: list[tuple[int, ...]], values: Values) -> tuple[int, ...] | None:
    given = shapes[op.inputs[0]]
    if op.name == "RESHAPE":
        if op.inputs[1] not in values:
            return None
        target = [int(n) for n in values[op.inputs[1]].reshape(-1)]
        known = math.prod(n for n in target if n != -1)
        return tuple(math.prod(given) // known if n == -1 else n for n in target)
    if op.name == "FULLY_CONNECTED":
        units, depth = shapes[op.inputs[1]]
        # Of the rank that the file gives; its leading sizes may be unknown.
        return (*given[:-1], units) if given[-1] == depth and len(given) == len(shapes[op.outputs[0]]) else (
            math.prod(given) // depth, units,
        )  # fmt: skip
    if op.name in ("QUANTIZE", "DEQUANTIZE") or len(op.inputs) == 1:
        return given
    return tuple(int(n) for n in np.broadcast_shapes(*(shapes[i] for i in op.inputs)))


def _strided_slice(op: Operator, given: list[np.ndarray]) -> Any:
    x, begin, end, step = given
    o = op.options
    if o["ellipsis_mask"] or o["new_axis_mask"] or x.ndim != 1 or len(begin) != 1:
        raise ValueError("a slice that no shape needs")
    if o["shrink_axis_mask"]:
        return x[int(begin[0])]
    first = None if o["begin_mask"] else int(begin[0])
    return x[first : None if o["end_mask"] else int(end[0]) : int(step[0])]


#: Operators on shapes, and what they compute.
_COMPUTING: dict[str, Callable[[Operator, list[np.ndarray]], Any]] = {
    "STRIDED_SLICE": _strided_slice,
    "PACK": lambda op, given: np.stack(given, axis=op.options["axis"]),
    "CONCATENATION": lambda op, given: np.concatenate(given, axis=op.options["axis"]),
    "GATHER": lambda op, given: given[0][given[1]],
    "REDUCE_PROD": lambda op, given: given[0].prod(axis=tuple(int(i) for i in given[1].reshape(-1))),
    "MUL": lambda op, given: given[0] * given[1],
    "ADD": lambda op, given: given[0] + given[1],
    "SUB": lambda op, given: given[0] - given[1],
    "CAST": lambda op, given: given[0],
    "RESHAPE": lambda op, given: given[0].reshape(given[1]),
    "EXPAND_DIMS": lambda op, given: np.expand_dims(given[0], int(given[1])),
    "SQUEEZE": lambda op, given: given[0].squeeze(),
}
