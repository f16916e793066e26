"""Operators that move values without computing."""

from pyaed.nn.graph import Graph, Operator
from pyaed.nn.lowering.common import (
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
    strides_of,
)


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
        value = int(constant(graph, op, 2, (x.dtype,)).reshape(-1)[0])
    if not pads.any():
        return View(x.index, y.index)
    params = {
        "in_dims": four(x.shape),
        "before": four(tuple(int(p) for p in pads[:, 0]), fill=0),
        "out_dims": four(y.shape),
        "value": value,
    }
    return Step(op.name, "aed_pad_8", {"input": x.index}, y.index, params)


def transpose(graph: Graph, op: Operator) -> Step | View:
    x = input_tensor(graph, op, ("int8", "uint8"))
    y = output_tensor(graph, op, (x.dtype,))
    order = [int(a) for a in constant(graph, op, 1, ("int32",)).reshape(-1)]
    rank = len(x.shape)
    if sorted(order) != list(range(rank)):
        refuse(graph, op, f"permutation {order} of {x}")
    expect_shape(graph, op, y.shape == tuple(x.shape[a] for a in order), x, y)
    strides = strides_of(x.shape)
    kept = [a for a in order if x.shape[a] != 1]
    if kept == sorted(kept):
        return View(x.index, y.index)
    expect_shape(graph, op, len(kept) <= 4, x, y)
    params = {
        "dims": four(tuple(x.shape[a] for a in kept)),
        "strides": four(tuple(strides[a] for a in kept), fill=0),
    }
    return Step(op.name, "aed_transpose_8", {"input": x.index}, y.index, params)
