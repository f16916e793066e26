"""Convolutions and fully connected layers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pyaed.nn.graph import Graph, Operator, Tensor
from pyaed.nn.lowering.common import (
    ACCUMULATOR_LIMIT,
    Fields,
    Step,
    affine,
    check_rescale,
    constant,
    expect_shape,
    factor,
    fused_range,
    input_tensor,
    operand,
    output_tensor,
    refuse,
    window_fields,
)
from pyaed.nn.lowering.scratch import scratch_bytes
from pyaed.nn.quantize import nearly_constant, quantize_multiplier


def _pack(rows: np.ndarray) -> np.ndarray:
    """Interleave int8 weights [channels][depth] as [channels / 4][depth][4], zero channels at the end."""
    channels, depth = rows.shape
    padded = np.zeros((-(-channels // 4) * 4, depth), np.int8)
    padded[:channels] = rows
    return np.ascontiguousarray(padded.reshape(-1, 4, depth).transpose(0, 2, 1)).reshape(-1)


def _pack_quads(rows: np.ndarray) -> np.ndarray:
    """Interleave int8 weights [channels][depth] as [channels / 4][depth / 4][4][4], zeros at both ends."""
    channels, depth = rows.shape
    padded = np.zeros((-(-channels // 4) * 4, -(-depth // 4) * 4), np.int8)
    padded[:channels, :depth] = rows
    return np.ascontiguousarray(padded.reshape(len(padded) // 4, 4, -1, 4).transpose(0, 2, 1, 3)).reshape(-1)


def _table4(values: npt.ArrayLike, dtype: npt.DTypeLike) -> np.ndarray:
    """Return a per-channel table, padded with zeros to a multiple of 4 channels."""
    values = np.asarray(values)
    table = np.zeros(-(-len(values) // 4) * 4, dtype)
    table[: len(values)] = values
    return table


@dataclass(frozen=True)
class _Channels:
    """The sums of a layer's channels: where they begin, and how far the products may move them."""

    folded: npt.NDArray[np.int64]  # the bias, with the input's zero point folded in
    low: npt.NDArray[np.int64]  # smallest sum
    high: npt.NDArray[np.int64]  # largest sum
    bounds: npt.NDArray[np.int64]  # the widest sum on the way: the folded bias and any part of the products
    reals: list[float]  # scale factors


def _channels(graph: Graph, op: Operator, x: Tensor, y: Tensor, rows: np.ndarray, axis: int) -> _Channels:
    """Return the sums of a layer with the weights `rows` [channels][depth]."""
    channels = len(rows)
    w = operand(graph, op, 1)
    if (len(w.scales) > 1 and w.axis != axis) or len(w.scales) not in (1, channels) or w.zero_points.any():
        refuse(graph, op, f"weights {w}: expected one scale, or one per output channel, and zero points of 0")
    (x_scale, x_zero), (y_scale, _) = affine(graph, op, x), affine(graph, op, y)
    bias = np.zeros(channels, np.int64)
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        data = constant(graph, op, 2, ("int32",))
        expect_shape(graph, op, data.size == channels, operand(graph, op, 2))
        bias = data.astype(np.int64).reshape(-1)
    wide = rows.astype(np.int64)
    folded = bias - x_zero * wide.sum(axis=1)
    positive, negative = np.maximum(wide, 0).sum(axis=1), np.minimum(wide, 0).sum(axis=1)
    reals = [float(x_scale) * float(s) / float(y_scale) for s in np.broadcast_to(w.scales, channels)]
    return _Channels(
        folded,
        folded + 127 * negative - 128 * positive,
        folded + 127 * positive - 128 * negative,
        np.abs(folded) + 128 * np.abs(wide).sum(axis=1),
        reals,
    )


def _common_fields(graph: Graph, op: Operator, y: Tensor, rows: np.ndarray) -> Fields:
    low, high = fused_range(graph, op, y)
    zero_point = affine(graph, op, y)[1]
    return {"output_zero_point": zero_point, "act_min": low, "act_max": high, "weights": _pack_quads(rows)}


def _rescaled_channels(graph: Graph, op: Operator, x: Tensor, y: Tensor, rows: np.ndarray, axis: int) -> Fields:
    """Return the tables of a convolution: `_common_fields` with biases and fixed-point scale factors."""
    channels = _channels(graph, op, x, y, rows, axis)
    params = _common_fields(graph, op, y, rows)
    clamp = (params["output_zero_point"], params["act_min"], params["act_max"])
    factors, folded, bounds = [], channels.folded.copy(), channels.bounds
    full_relu = clamp == (-128, -128, 127)
    for c, real in enumerate(channels.reals):
        # The fast rounding is that of a factor with a shift: a layer that can have it keeps it.
        multiplier, shift = quantize_multiplier(real) if full_relu else factor(op, real)
        if bounds[c] >= ACCUMULATOR_LIMIT and shift <= 0:
            found = nearly_constant(int(channels.low[c]), int(channels.high[c]), multiplier, shift, clamp)
            if found is not None:
                offset, multiplier, shift = found
                bounds[c] += abs(folded[c] + offset) - abs(folded[c])
                folded[c] += offset
        check_rescale(graph, op, int(bounds[c]), shift)
        factors.append((multiplier, shift))
    return params | {
        "bias": _table4(folded, np.int32),
        "fast_rounding": int(full_relu and all(-22 <= shift <= -1 for _, shift in factors)),
        "input_zero_point": affine(graph, op, x)[1],
        "multiplier": _table4([m for m, _ in factors], np.int32),
        "shift": _table4([s for _, s in factors], np.int8),
    }


def convolution(graph: Graph, op: Operator) -> Step:
    """Lower CONV_2D or DEPTHWISE_CONV_2D."""
    x, y = input_tensor(graph, op), output_tensor(graph, op)
    return convolve(graph, op, x, y, lambda kernel: window_fields(graph, op, x, y, kernel))


def convolve(graph: Graph, op: Operator, x: Tensor, y: Tensor, window_of: Callable[[tuple[int, int]], Fields]) -> Step:
    """Lower the convolution `op` between two maps; ``window_of((height, width))`` gives the fields of its window."""
    w = constant(graph, op, 1, ("int8",))
    expect_shape(graph, op, w.ndim == 4 and w.size > 0, operand(graph, op, 1))
    window = window_of(w.shape[1:3])
    in_c, out_c = x.shape[3], y.shape[3]
    if op.name == "DEPTHWISE_CONV_2D":
        expect_shape(graph, op, w.shape[0] == 1 and w.shape[3] == out_c and out_c % in_c == 0, x, y)
        rows, groups, axis = w.reshape(-1, out_c).T, in_c, 3
    else:
        expect_shape(graph, op, w.shape[0] == out_c, x, y)
        groups = in_c // w.shape[3]
        if in_c % w.shape[3] or out_c % groups:
            refuse(graph, op, f"weights {operand(graph, op, 1)} do not fit the {in_c} channels of {x}")
        rows, axis = w.reshape(out_c, -1), 0
    if groups == 1:  # also a depthwise one of one channel
        return _conv_step(graph, op, x, y, window, rows, axis)
    if groups == in_c:
        return _depthwise_step(graph, op, x, y, window, rows, axis)
    return _grouped_step(graph, op, x, y, window, rows, groups)


def _conv_step(graph: Graph, op: Operator, x: Tensor, y: Tensor, window: Fields, rows: np.ndarray, axis: int) -> Step:
    depth = rows.shape[1]
    params = window | {"in_c": x.shape[3], "out_c": y.shape[3], "depth_multiplier": 1}
    params |= _rescaled_channels(graph, op, x, y, rows, axis)
    pointwise = depth == x.shape[3] and not (window["pad_top"] or window["pad_left"])
    kernel = "aed_pointwise_s8" if pointwise else "aed_conv_s8"
    params["tile"], scratch = scratch_bytes(kernel, params, params["out_h"])
    in_place = pointwise and x.size == y.size and window["stride_h"] == window["stride_w"] == 1
    return Step(
        op.name,
        kernel,
        {"input": x.index},
        y.index,
        params,
        scratch=scratch,
        macs=y.size * depth,
        in_place=("input",) if in_place else (),
    )


def _grouped_step(
    graph: Graph, op: Operator, x: Tensor, y: Tensor, window: Fields, rows: np.ndarray, groups: int
) -> Step:
    out_c, depth = rows.shape
    params = window | {"in_c": x.shape[3], "out_c": out_c, "depth_multiplier": 1, "group_in_c": x.shape[3] // groups}
    params |= _rescaled_channels(graph, op, x, y, rows, axis=0)

    def filled(table: np.ndarray) -> np.ndarray:
        """Fill every group of channels up to a multiple of 4."""
        grouped = table[:out_c].reshape(groups, out_c // groups, -1)
        grouped = np.pad(grouped, ((0, 0), (0, -grouped.shape[1] % 4), (0, 0)))
        return grouped.reshape(-1, grouped.shape[2])

    params |= {key: filled(params[key]).reshape(-1) for key in ("bias", "multiplier", "shift")}
    params["weights"] = _pack_quads(filled(rows))
    return Step(op.name, "aed_grouped_conv_s8", {"input": x.index}, y.index, params, scratch=depth, macs=y.size * depth)


def _depthwise_step(
    graph: Graph, op: Operator, x: Tensor, y: Tensor, window: Fields, rows: np.ndarray, axis: int
) -> Step:
    in_c, out_c, taps = x.shape[3], y.shape[3], rows.shape[1]
    params = window | {"in_c": in_c, "out_c": out_c, "depth_multiplier": out_c // in_c}
    params |= _rescaled_channels(graph, op, x, y, rows, axis) | {"weights": _pack(rows)}
    params["tile"], scratch = scratch_bytes("aed_depthwise_s8", params, params["out_h"])
    in_place: tuple[str, ...] = ()
    plain = (params["stride_h"], params["stride_w"], params["dilation_h"], params["dilation_w"]) == (1, 1, 1, 1)
    if plain and x.shape == y.shape and params["tile"] in (0, params["out_h"]):
        in_place = ("input",)
        # The portable loop needs copies of the input's rows then.
        scratch = max(scratch, 4 * taps + in_c + params["kernel_h"] * params["in_w"] * in_c)
    return Step(op.name, "aed_depthwise_s8", {"input": x.index}, y.index, params, scratch, y.size * taps, in_place)


def fully_connected(graph: Graph, op: Operator) -> Step:
    x, y = input_tensor(graph, op), output_tensor(graph, op)
    w = constant(graph, op, 1, ("int8",))
    if op.options["weights_format"] != 0:
        refuse(graph, op, "shuffled weights are not supported")
    expect_shape(graph, op, w.ndim == 2 and w.shape[1] > 0 and x.size % w.shape[1] == 0, x, operand(graph, op, 1))
    out_c, depth = w.shape
    rows = x.size // depth
    expect_shape(graph, op, y.size == rows * out_c, x, y)
    channels = _channels(graph, op, x, y, w, axis=0)
    for bound, real in zip(channels.bounds, channels.reals):
        # Multiplied in binary64: the sum has to be an int32, and so has the product.
        if bound >= 1 << 31 or bound * real >= ACCUMULATOR_LIMIT:
            refuse(graph, op, f"sums can reach {bound}, times {real} in the output's steps: beyond 32 bits")
    params = _common_fields(graph, op, y, w)
    params |= {"bias": _table4(channels.folded, np.int32), "scale": _table4(channels.reals, np.float64)}
    params |= {"rows": rows, "depth": depth, "out_c": out_c}
    return Step(op.name, "aed_fully_connected_s8", {"input": x.index}, y.index, params, macs=y.size * depth)
