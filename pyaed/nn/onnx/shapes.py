"""Shapes and types of a model's tensors, as they follow from its inputs; what the file says of them doesn't count."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from pyaed.errors import UserError
from pyaed.nn.graph import MAX_ELEMENTS
from pyaed.text import first_line, printable

if TYPE_CHECKING:
    import onnx

STANDARD = ("", "ai.onnx")  # the domain of ONNX's own operators
MAX_FOLDED = 64  # values of a shape that is computed
#: Operators that compute shapes.
_SHAPES = (
    "Shape", "Size", "Gather", "Concat", "Unsqueeze", "Squeeze", "Slice", "Cast", "Add", "Sub", "Mul", "Div", "Reshape",
    "ReduceProd", "Identity", "ConstantOfShape", "Range",
)  # fmt: skip


def opset(proto: "onnx.ModelProto") -> int:
    """Return the version of ONNX's own operators that a model uses; 0 where it names none."""
    return max((entry.version for entry in proto.opset_import if entry.domain in STANDARD), default=0)


def shown(node: "onnx.NodeProto") -> str:
    """Return an operator for a message: what it is, and what it computes."""
    return f"{printable(node.op_type)} computing '{printable(', '.join(node.output)[:200])}'"


def infer(proto: "onnx.ModelProto", source: str) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Return shape and type of every tensor; operators that compute shapes become constants in the model.

    Raises
    ------
    UserError
        A shape is not fixed or has more than `MAX_ELEMENTS` values, or the graph is damaged.
    """
    import onnx

    del proto.graph.value_info[:]
    for value in proto.graph.output:
        value.type.tensor_type.ClearField("shape")
    shapes: dict[str, tuple[int, ...]] = {}
    for _ in range(len(_SHAPES)):
        with guarded(source):
            inferred = onnx.shape_inference.infer_shapes(proto, data_prop=True)
        values = [*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output]
        shapes = {v.name: shape for v in values if (shape := _shape(v)) is not None}
        dtypes = {v.name: _dtype(v.type.tensor_type.elem_type) for v in values}
        if not _fold(proto, source, shapes):
            break
    for tensor in proto.graph.initializer:
        shapes[tensor.name], dtypes[tensor.name] = tuple(tensor.dims), _dtype(tensor.data_type)
    for node in proto.graph.node:
        for name in node.output:
            if name and name not in shapes:
                raise UserError(
                    f"{source}: {shown(node)}: its shape is dynamic; expected one that follows from the input's"
                )
            if name and math.prod(shapes[name]) > MAX_ELEMENTS:
                raise UserError(
                    f"{source}: {shown(node)}: the shape {list(shapes[name])[:8]}; at most {MAX_ELEMENTS} values are accepted"
                )
    for name in (value.name for value in proto.graph.output):
        if name not in shapes:
            raise UserError(f"{source}: nothing computes the output '{printable(name[:200])}'")
    proto.graph.ClearField("value_info")
    proto.graph.value_info.extend(inferred.graph.value_info)
    for value, known in zip(proto.graph.output, inferred.graph.output):
        value.CopyFrom(known)
    return shapes, dtypes


def _shape(value: "onnx.ValueInfoProto") -> tuple[int, ...] | None:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape") or any(size.WhichOneof("value") != "dim_value" for size in tensor.shape.dim):
        return None
    shape = tuple(size.dim_value for size in tensor.shape.dim)
    return shape if all(n >= 0 for n in shape) else None


def _dtype(number: int) -> str:
    import onnx

    try:
        return str(onnx.helper.tensor_dtype_to_np_dtype(number).name)
    except KeyError:
        return "undefined"


def _fold(proto: "onnx.ModelProto", source: str, shapes: dict[str, tuple[int, ...]]) -> bool:
    """Replace operators that compute shapes by what they compute; tell whether there were any."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    known = {t.name: t for t in proto.graph.initializer if math.prod(t.dims) <= MAX_FOLDED}
    values = {name: onnx.numpy_helper.to_array(tensor) for name, tensor in known.items()}
    left, changed = [], False
    for node in proto.graph.node:
        result: np.ndarray | None = None
        if node.op_type == "Constant" and node.domain in STANDARD and node.attribute[0].HasField("t"):
            result = onnx.numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type == "Shape" and not node.attribute and node.input[0] in shapes:
            result = np.array(shapes[node.input[0]], np.int64)
        elif node.op_type in _SHAPES and _is_small(node, values, shapes):
            with guarded(source), np.errstate(all="ignore"):
                (found,) = ReferenceEvaluator(_alone(node, values, opset(proto))).run(None, {})
                result = np.asarray(found)
        if result is None or len(node.output) != 1:
            left.append(node)
            continue
        changed = True
        values[node.output[0]] = np.asarray(result)
        proto.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(result), node.output[0]))
    if changed:
        del proto.graph.node[:]
        proto.graph.node.extend(left)
    return changed


def _is_small(node: "onnx.NodeProto", values: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> bool:
    """Tell whether an operator computes whole numbers, few of them, of constants alone."""
    if not node.input or not all(name in values for name in node.input):
        return False
    if any(values[name].size > MAX_FOLDED or values[name].dtype.kind not in "iu" for name in node.input):
        return False
    known = shapes.get(node.output[0]) if node.output else None
    if known is None and node.op_type in ("ConstantOfShape", "Range"):
        return False
    return known is None or math.prod(known) <= MAX_FOLDED


def _alone(node: "onnx.NodeProto", values: dict[str, Any], version: int) -> "onnx.ModelProto":
    """Return a model of one operator and its constants."""
    from onnx import helper, numpy_helper

    constants = [numpy_helper.from_array(np.asarray(values[name]), name) for name in dict.fromkeys(node.input)]
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output]
    graph = helper.make_graph([node], "shape", [], outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)])


@contextmanager
def guarded(source: str) -> Iterator[None]:
    """Turn whatever the package onnx raises on a damaged graph into one UserError."""
    try:
        yield
    except (UserError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise UserError(f"{source}: its graph is damaged: {first_line(error)}") from error
