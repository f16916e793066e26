"""Dilated convolutions in the form that TensorFlow gives those of a free batch size.

SPACE_TO_BATCH_ND deals the map's rows and columns out to maps of a batch, an ordinary convolution runs over them, and
BATCH_TO_SPACE_ND puts them together again. The three are one convolution with a dilation.
"""

from dataclasses import replace

import numpy as np

from pyaed.nn.graph import Graph, Operator
from pyaed.nn.lowering.common import (
    Fields,
    Step,
    constant,
    expect_shape,
    input_tensor,
    output_tensor,
    refuse,
    same_affine,
)
from pyaed.nn.lowering.convolutions import convolve

_VIEWS = ("RESHAPE", "EXPAND_DIMS", "SQUEEZE")


def batch_to_space(graph: Graph, op: Operator) -> Step:
    y = output_tensor(graph, op)
    conv = _before(graph, op)
    start = _before(graph, conv) if conv is not None and conv.name in ("CONV_2D", "DEPTHWISE_CONV_2D") else None
    if conv is None or start is None or start.name != "SPACE_TO_BATCH_ND":
        refuse(graph, op, "supported only as the end of SPACE_TO_BATCH_ND, a convolution, BATCH_TO_SPACE_ND")
    x = input_tensor(graph, start)
    same_affine(graph, start, x, input_tensor(graph, conv))
    same_affine(graph, op, output_tensor(graph, conv), y)
    block, pads = (constant(graph, start, i, ("int32", "int64")) for i in (1, 2))
    other, crops = (constant(graph, op, i, ("int32", "int64")) for i in (1, 2))
    n = block.size
    ok = block.shape == other.shape == (n,) and pads.shape == crops.shape == (n, 2) and n in (1, 2)
    ok = ok and bool((pads >= 0).all() and (crops >= 0).all())
    ok = ok and len(x.shape) == len(y.shape) == n + 2 and bool((block == other).all() and (block > 0).all())
    inner = graph.tensors[conv.inputs[0]].shape
    expect_shape(graph, op, ok and len(inner) == 4 and inner[0] in (1, int(block.prod())), x, y)
    if n == 1:  # one-dimensional: height or width is 1
        at = 0 if inner[2] == 1 else 1
        x, y = (replace(t, shape=(1, *([1] * at), t.shape[1], *([1] * (1 - at)), t.shape[2])) for t in (x, y))
        block = np.insert(block, 1 - at, 1)
        pads, crops = (np.insert(t, 1 - at, 0, axis=0) for t in (pads, crops))
    expect_shape(graph, op, x.shape[0] == y.shape[0] == 1, x, y)

    def window(kernel: tuple[int, int]) -> Fields:
        o = conv.options
        if {o["stride_h"], o["stride_w"], o["dilation_h"], o["dilation_w"]} != {1}:
            refuse(graph, op, f"{conv.name} between batches has strides or a dilation of its own")
        result: Fields = {}
        same = o["padding"] == "SAME"
        for axis, letter in ((0, "h"), (1, "w")):
            k, dilation = kernel[axis], int(block[axis])
            size, out = x.shape[axis + 1], y.shape[axis + 1]
            before, after = (int(p) for p in pads[axis])
            cut, rest = (int(p) for p in crops[axis])
            padded, full = size + before + after, inner[axis + 1] - (0 if same else k - 1)
            top = before + (k - 1) // 2 * dilation * same - cut
            ok = padded == inner[axis + 1] * dilation and out == full * dilation - cut - rest and top >= 0
            expect_shape(graph, op, ok, x, y)
            result |= {f"in_{letter}": size, f"out_{letter}": out, f"kernel_{letter}": k, f"stride_{letter}": 1}
            result |= {f"dilation_{letter}": dilation if k > 1 else 1, ("pad_top", "pad_left")[axis]: top}
        return result

    return convolve(graph, conv, x, y, window)


def _before(graph: Graph, op: Operator) -> Operator | None:
    """Return the operator that computes the first input, views left out."""
    number = next(i for i, other in enumerate(graph.operators) if other is op)
    for other in reversed(graph.operators[:number]):
        if op.inputs and op.inputs[0] in other.outputs:
            if other.name not in _VIEWS:
                return other
            op = other
    return None
