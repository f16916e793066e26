"""Pools, means and maxima."""

import math

from pyaed.nn.graph import Graph, Operator, Tensor
from pyaed.nn.lowering.common import (
    Lowering,
    Step,
    View,
    affine,
    check_rescale,
    constant,
    expect_shape,
    fused_range,
    input_tensor,
    output_tensor,
    refuse,
    rounded_once,
    same_affine,
    window_fields,
)
from pyaed.nn.quantize import quantize_multiplier


def pool(kernel: str) -> Lowering:
    def lower_pool(graph: Graph, op: Operator) -> Step:
        x, y = input_tensor(graph, op), output_tensor(graph, op)
        params = window_fields(graph, op, x, y, (op.options["kernel_h"], op.options["kernel_w"]))
        expect_shape(graph, op, x.shape[3] == y.shape[3], x, y)
        same_affine(graph, op, x, y)
        low, high = fused_range(graph, op, y)
        params |= {"channels": x.shape[3], "act_min": low, "act_max": high}
        return Step(op.name, kernel, {"input": x.index}, y.index, params)

    return lower_pool


def _reduction(graph: Graph, op: Operator, x: Tensor, y: Tensor) -> tuple[int, int, int] | None:
    """Return (outer, reduce, inner) with x as [outer][reduce][inner]; None when there are no axes."""
    rank = len(x.shape)
    axes = [int(a) for a in constant(graph, op, 1, ("int32",)).reshape(-1)]
    if any(not -rank <= a < rank for a in axes):
        refuse(graph, op, f"axes {axes} of {x}")
    if not axes:
        return None
    reduced = {a % rank for a in axes}
    # Runs of dimensions that are kept or reduced together; dimensions of 1 belong to either.
    runs: list[tuple[bool, int]] = []
    for axis, size in enumerate(x.shape):
        if size != 1:
            gone = axis in reduced
            if runs and runs[-1][0] == gone:
                runs[-1] = (gone, runs[-1][1] * size)
            else:
                runs.append((gone, size))
    if sum(gone for gone, _ in runs) > 1:
        refuse(graph, op, f"axes {axes} of {x} are not neighbours")
    at = next((i for i, (gone, _) in enumerate(runs) if gone), len(runs))
    outer = math.prod(size for _, size in runs[:at])
    reduce = runs[at][1] if at < len(runs) else 1
    inner = math.prod(size for _, size in runs[at + 1 :])
    expect_shape(graph, op, y.size == outer * inner, x, y)
    return outer, reduce, inner


def mean(graph: Graph, op: Operator) -> Step | View:
    x, y = input_tensor(graph, op), output_tensor(graph, op)
    (x_scale, x_zero), (y_scale, y_zero) = affine(graph, op, x), affine(graph, op, y)
    sizes = _reduction(graph, op, x, y)
    if sizes is None:
        return View(x.index, y.index)
    outer, reduce, inner = sizes
    real = float(x_scale) / float(y_scale)
    multiplier, shift = quantize_multiplier(real)
    # The division by the number of elements goes into the multiplier, truncated.
    extra = min(reduce.bit_length() - 1, 32, 31 + shift)
    multiplier, shift = rounded_once(op, real / reduce) or ((multiplier << extra) // reduce, shift - extra)
    check_rescale(graph, op, 255 * reduce, shift)
    params = {
        "outer": outer,
        "reduce": reduce,
        "inner": inner,
        "input_zero_point": x_zero,
        "output_zero_point": y_zero,
        "multiplier": multiplier,
        "shift": shift,
    }
    return Step(op.name, "aed_mean_s8", {"input": x.index}, y.index, params)


def reduce_max(graph: Graph, op: Operator) -> Step | View:
    x, y = input_tensor(graph, op), output_tensor(graph, op)
    same_affine(graph, op, x, y)
    sizes = _reduction(graph, op, x, y)
    if sizes is None:
        return View(x.index, y.index)
    outer, reduce, inner = sizes
    # A max pool over a map of outer * reduce rows and one column, in windows of `reduce` rows.
    params = {"in_h": outer * reduce, "out_h": outer, "kernel_h": reduce, "stride_h": reduce}
    params |= dict.fromkeys(("in_w", "out_w", "kernel_w", "stride_w"), 1)
    params |= {"channels": inner, "pad_top": 0, "pad_left": 0, "act_min": -128, "act_max": 127}
    return Step(op.name, "aed_max_pool_s8", {"input": x.index}, y.index, params)
