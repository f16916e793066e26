"""From graph operators to kernel calls: one function per TensorFlow Lite operator, all of them in the table LOWERINGS.

A function returns a Step (call this kernel with these numbers) or a View (the output is the input's memory under another
shape). What it cannot express exactly it refuses with the operator, the tensor and the reason.
"""

import math
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from pyaed.errors import UserError
from pyaed.nn.graph import Graph, Operator, Tensor
from pyaed.nn.quantize import activation_range, quantize_multiplier, rescale, round_half_away

#: Kernel -> its parameter struct in nn_c/include/aed_nn_kernels.h.
KERNELS = {
    "aed_conv_s8": "aed_conv_params",
    "aed_pointwise_s8": "aed_conv_params",
    "aed_depthwise_s8": "aed_conv_params",
    "aed_chain_s8": "aed_chain_params",
    "aed_fully_connected_s8": "aed_dense_params",
    "aed_average_pool_s8": "aed_pool_params",
    "aed_max_pool_s8": "aed_pool_params",
    "aed_mean_s8": "aed_mean_params",
    "aed_add_s8": "aed_binary_params",
    "aed_mul_s8": "aed_binary_params",
    "aed_pad_8": "aed_pad_params",
    "aed_transpose_8": "aed_transpose_params",
    "aed_lut_8": "aed_lut_params",
    "aed_softmax_s8": "aed_softmax_params",
    "aed_quantize_f32_s8": "aed_affine_params",
    "aed_quantize_f32_u8": "aed_affine_params",
    "aed_dequantize_s8_f32": "aed_affine_params",
    "aed_dequantize_u8_f32": "aed_affine_params",
}

#: Widened inputs of a convolution on the Cortex-M33, in bytes: of one tile of pixels (larger ones follow where the arena
#: has room for them), and of four channels of a depthwise layer.
TILE_BYTES = 8192
PLANE_BYTES = 16384

#: Accumulators stay below this, see aed_rescale in nn_c/src/aed_nn_math.h.
ACCUMULATOR_LIMIT = 1 << 30


@dataclass(frozen=True)
class Step:
    """One kernel call before the memory plan: arena offsets are still tensors."""

    operator: str
    kernel: str
    reads: dict[str, int]  # parameter field -> tensor index
    output: int  # tensor index
    params: dict  # the other parameter fields
    scratch: int = 0  # bytes
    macs: int = 0  # multiply-accumulates
    in_place: tuple[str, ...] = field(default=())  # fields of `reads` whose memory the output may take over
    stages: tuple["Step", ...] = ()  # of a chain (pyaed/nn/chain.py)
    buffers: tuple[int, ...] = ()  # of a chain: where in its scratch memory each stage but the last writes


@dataclass(frozen=True)
class View:
    """The output is the input's memory."""

    source: int
    output: int


def lower(graph: Graph, operator: Operator) -> Step | View:
    """Turn one operator into a Step or a View, or raise UserError naming operator, tensor and shape."""
    if operator.name not in LOWERINGS:
        refuse(graph, operator, f"operator not supported (supported: {', '.join(sorted(LOWERINGS))})")
    if len(operator.outputs) != 1 or not operator.inputs or operator.inputs[0] < 0:
        refuse(graph, operator, "expected at least one input and exactly one output")
    return LOWERINGS[operator.name](graph, operator)


def refuse(graph: Graph, operator: Operator, reason: str) -> NoReturn:
    """Raise the UserError of an operator that cannot be expressed."""
    outputs = ", ".join(str(graph.tensors[i]) for i in operator.outputs) or "nothing"
    raise UserError(f"{graph.name}: {operator.name} computing {outputs}: {reason}")


# --- what the operators have in common ---------------------------------------------------------------------------------


def _input(graph: Graph, op: Operator, dtypes: tuple[str, ...] = ("int8",), position: int = 0) -> Tensor:
    """Return a computed input of one of the given dtypes."""
    tensor = _operand(graph, op, position)
    if tensor.data is not None:
        refuse(graph, op, f"input {tensor} is a constant")
    _expect_type(graph, op, tensor, dtypes)
    if tensor.size == 0:
        refuse(graph, op, f"input {tensor} is empty")
    return tensor


def _operand(graph: Graph, op: Operator, position: int) -> Tensor:
    if position >= len(op.inputs) or op.inputs[position] < 0:
        refuse(graph, op, f"input {position} is missing")
    return graph.tensors[op.inputs[position]]


def _output(graph: Graph, op: Operator, dtypes: tuple[str, ...] = ("int8",)) -> Tensor:
    tensor = graph.tensors[op.outputs[0]]
    _expect_type(graph, op, tensor, dtypes)
    if tensor.size == 0:
        refuse(graph, op, "the output is empty")
    return tensor


def _expect_type(graph: Graph, op: Operator, tensor: Tensor, dtypes: tuple[str, ...]) -> None:
    if tensor.dtype not in dtypes:
        refuse(graph, op, f"tensor {tensor}: type not supported here (supported: {', '.join(dtypes)})")


def _constant(graph: Graph, op: Operator, position: int, dtypes: tuple[str, ...]) -> np.ndarray:
    tensor = _operand(graph, op, position)
    _expect_type(graph, op, tensor, dtypes)
    if tensor.data is None:
        refuse(graph, op, f"input {tensor} has to be a constant")
    return tensor.data


def _affine(graph: Graph, op: Operator, tensor: Tensor) -> tuple[np.float32, int]:
    """Return (scale, zero_point) of a per-tensor quantized tensor."""
    if len(tensor.scales) != 1:
        refuse(graph, op, f"tensor {tensor}: expected one scale, it has {len(tensor.scales)}")
    info = np.iinfo(tensor.dtype)
    zero_point = int(tensor.zero_points[0])
    if not info.min <= zero_point <= info.max:
        refuse(graph, op, f"tensor {tensor}: zero point {zero_point} is out of range")
    return tensor.scales[0], zero_point


def _same_affine(graph: Graph, op: Operator, x: Tensor, y: Tensor) -> None:
    if _affine(graph, op, x) != _affine(graph, op, y):
        refuse(graph, op, f"input {x} and output are quantized differently")


def _activation(graph: Graph, op: Operator, y: Tensor) -> tuple[int, int]:
    activation = op.options.get("activation", "NONE")
    if activation not in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1"):
        refuse(graph, op, f"fused activation {activation} is not supported")
    return activation_range(activation, *_affine(graph, op, y))


def _check_rescale(graph: Graph, op: Operator, bound: int, shift: int) -> None:
    """Refuse a layer whose sums (up to `bound` in magnitude) could leave the range that aed_rescale is exact in."""
    if shift > 29 or bound << max(0, shift) >= ACCUMULATOR_LIMIT:
        refuse(graph, op, f"sums can reach {bound} at a scale factor of 2^{shift}: beyond 30 bits")


def _expect_shape(graph: Graph, op: Operator, ok: bool, *tensors: Tensor) -> None:
    if not ok:
        refuse(graph, op, f"shapes do not fit or are not supported: {', '.join(str(t) for t in tensors)}")


def _window(graph: Graph, op: Operator, x: Tensor, y: Tensor, kernel: tuple[int, int]) -> dict:
    """Return sizes, strides, dilations and top/left padding of a window operator on NHWC maps with N = 1."""
    _expect_shape(graph, op, len(x.shape) == len(y.shape) == 4 and x.shape[0] == y.shape[0] == 1, x, y)
    o = op.options
    result, pads = {}, []
    for axis, letter in ((0, "h"), (1, "w")):
        size, out, k = x.shape[axis + 1], y.shape[axis + 1], kernel[axis]
        stride, dilation = o[f"stride_{letter}"], o.get(f"dilation_{letter}", 1)
        if k < 1 or stride < 1 or dilation < 1:
            refuse(graph, op, f"kernel {k}, stride {stride}, dilation {dilation}: each has to be at least 1")
        extent = (k - 1) * dilation + 1
        expected = -(-size // stride) if o["padding"] == "SAME" else (size - extent + stride) // stride
        if out != expected:
            refuse(graph, op, f"output size {out} where {expected} follows from {x}")
        pads.append(max((out - 1) * stride + extent - size, 0) // 2)
        result |= {f"in_{letter}": size, f"out_{letter}": out, f"kernel_{letter}": k, f"stride_{letter}": stride}
        if f"dilation_{letter}" in o:
            result[f"dilation_{letter}"] = dilation
    return result | {"pad_top": pads[0], "pad_left": pads[1]}


def _four(shape: tuple[int, ...], fill: int = 1) -> list[int]:
    return [fill] * (4 - len(shape)) + list(shape)


def _strides(shape: tuple[int, ...]) -> list[int]:
    return [math.prod(shape[i + 1 :]) for i in range(len(shape))]


# --- convolutions ------------------------------------------------------------------------------------------------------


def _pack(rows: np.ndarray) -> np.ndarray:
    """Interleave int8 weights [channels][depth] as [channels / 4][depth][4], zero channels at the end."""
    channels, depth = rows.shape
    padded = np.zeros((-(-channels // 4) * 4, depth), np.int8)
    padded[:channels] = rows
    return np.ascontiguousarray(padded.reshape(-1, 4, depth).transpose(0, 2, 1)).reshape(-1)


def _table4(values, dtype: type) -> np.ndarray:
    """Return a per-channel table, padded with zeros to a multiple of 4 channels."""
    values = np.asarray(values)
    table = np.zeros(-(-len(values) // 4) * 4, dtype)
    table[: len(values)] = values
    return table


def _channels(
    graph: Graph, op: Operator, x: Tensor, y: Tensor, rows: np.ndarray, axis: int
) -> tuple[dict, list[float]]:
    """Return what layers with the weights `rows` [channels][depth] share, and the real scale factor of each channel."""
    channels = len(rows)
    w = _operand(graph, op, 1)
    if (len(w.scales) > 1 and w.axis != axis) or len(w.scales) not in (1, channels) or w.zero_points.any():
        refuse(graph, op, f"weights {w}: expected one scale, or one per output channel, and zero points of 0")
    (x_scale, x_zero), (y_scale, y_zero) = _affine(graph, op, x), _affine(graph, op, y)
    bias = np.zeros(channels, np.int64)
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        data = _constant(graph, op, 2, ("int32",))
        _expect_shape(graph, op, data.size == channels, _operand(graph, op, 2))
        bias = data.astype(np.int64).reshape(-1)
    wide = rows.astype(np.int64)
    folded = bias - x_zero * wide.sum(axis=1)
    # The widest sum on the way: the folded bias and any part of the products.
    bounds = np.abs(folded) + 128 * np.abs(wide).sum(axis=1)
    reals = [float(x_scale) * float(s) / float(y_scale) for s in np.broadcast_to(w.scales, channels)]
    for bound, real in zip(bounds, reals):
        _check_rescale(graph, op, int(bound), math.frexp(real)[1])
    low, high = _activation(graph, op, y)
    params = {
        "output_zero_point": y_zero,
        "act_min": low,
        "act_max": high,
        "weights": _pack(rows),
        "bias": _table4(folded, np.int32),
    }
    return params, reals


def _rescaled_channels(graph: Graph, op: Operator, x: Tensor, y: Tensor, rows: np.ndarray, axis: int) -> dict:
    """Return the tables of a convolution: `_channels` with fixed-point scale factors."""
    params, reals = _channels(graph, op, x, y, rows, axis)
    factors = [quantize_multiplier(real) for real in reals]
    full_relu = (params["act_min"], params["act_max"], params["output_zero_point"]) == (-128, 127, -128)
    return params | {
        "fast_rounding": int(full_relu and all(-22 <= shift <= -1 for _, shift in factors)),
        "input_zero_point": _affine(graph, op, x)[1],
        "multiplier": _table4([m for m, _ in factors], np.int32),
        "shift": _table4([s for _, s in factors], np.int8),
    }


def _conv_2d(graph: Graph, op: Operator) -> Step:
    x, y = _input(graph, op), _output(graph, op)
    w = _constant(graph, op, 1, ("int8",))
    _expect_shape(graph, op, w.ndim == 4, _operand(graph, op, 1))
    out_c, kernel_h, kernel_w, in_c = w.shape
    window = _window(graph, op, x, y, (kernel_h, kernel_w))
    if in_c != x.shape[3]:
        refuse(graph, op, f"grouped convolution: {in_c} weights for the {x.shape[3]} channels of {x}")
    _expect_shape(graph, op, y.shape[3] == out_c, x, y)
    return _conv_step(graph, op, x, y, window, w.reshape(out_c, -1), axis=0)


def _conv_step(graph: Graph, op: Operator, x: Tensor, y: Tensor, window: dict, rows: np.ndarray, axis: int) -> Step:
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


def _depthwise_conv_2d(graph: Graph, op: Operator) -> Step:
    x, y = _input(graph, op), _output(graph, op)
    w = _constant(graph, op, 1, ("int8",))
    _expect_shape(graph, op, w.ndim == 4 and w.shape[0] == 1, _operand(graph, op, 1))
    _, kernel_h, kernel_w, out_c = w.shape
    window = _window(graph, op, x, y, (kernel_h, kernel_w))
    in_c = x.shape[3]
    _expect_shape(graph, op, in_c > 0 and y.shape[3] == out_c and out_c % in_c == 0, x, y)
    rows = w.reshape(-1, out_c).T
    if in_c == 1:  # every output channel reads the one input channel: an ordinary convolution
        return _conv_step(graph, op, x, y, window, rows, axis=3)
    params = window | {"in_c": in_c, "out_c": out_c, "depth_multiplier": out_c // in_c}
    params |= _rescaled_channels(graph, op, x, y, rows, axis=3)
    taps = kernel_h * kernel_w
    params["tile"], scratch = scratch_bytes("aed_depthwise_s8", params, params["out_h"])
    in_place: tuple[str, ...] = ()
    plain = (params["stride_h"], params["stride_w"], params["dilation_h"], params["dilation_w"]) == (1, 1, 1, 1)
    if plain and x.shape == y.shape and params["tile"] in (0, params["out_h"]):
        in_place = ("input",)
        # The portable loop needs copies of the input's rows then.
        scratch = max(scratch, 4 * taps + in_c + kernel_h * params["in_w"] * in_c)
    return Step(op.name, "aed_depthwise_s8", {"input": x.index}, y.index, params, scratch, y.size * taps, in_place)


def scratch_bytes(kernel: str, p: dict, out_rows: int, tile: int | None = None) -> tuple[int, int]:
    """Return the field `tile` of a convolution, and the scratch memory it needs when it computes `out_rows` rows at a time.

    The portable kernels and those of the Cortex-M33 make do with the same memory. `tile` asks for a certain number of
    pixels, for kernels that are not depthwise.
    """
    taps = p["kernel_h"] * p["kernel_w"]
    if kernel != "aed_depthwise_s8":
        # Widened weights of four channels, widened pixels of a tile, and two gathered windows.
        depth = taps * p["in_c"]
        pixel_bytes = 8 * -(-depth // 4)
        tile = tile or max(2, min(TILE_BYTES // pixel_bytes, 64, out_rows * p["out_w"] + 1) // 2 * 2)
        return tile, (4 + tile) * pixel_bytes + (0 if kernel == "aed_pointwise_s8" else 2 * depth)
    portable = 4 * taps + p["in_c"]
    fits = (p["kernel_h"], p["kernel_w"], p["dilation_h"], p["dilation_w"], p["depth_multiplier"]) == (3, 3, 1, 1, 1)
    if not fits or p["in_c"] % 4 or p["stride_w"] > 2:
        return 0, portable
    # Four widened channels of the input rows.
    columns = -(-p["out_w"] // 2) + 1 if p["stride_w"] == 1 else p["out_w"] + 1

    def planes(rows: int) -> int:
        return 16 * columns * ((rows - 1) * p["stride_h"] + 3)

    tile = out_rows
    while tile > 1 and planes(tile) > PLANE_BYTES:
        tile -= 1
    return tile, max(portable, planes(tile))


def _fully_connected(graph: Graph, op: Operator) -> Step:
    x, y = _input(graph, op), _output(graph, op)
    w = _constant(graph, op, 1, ("int8",))
    if op.options["weights_format"] != 0:
        refuse(graph, op, "shuffled weights are not supported")
    _expect_shape(graph, op, w.ndim == 2 and w.shape[1] > 0 and x.size % w.shape[1] == 0, x, _operand(graph, op, 1))
    out_c, depth = w.shape
    rows = x.size // depth
    _expect_shape(graph, op, y.size == rows * out_c, x, y)
    params, reals = _channels(graph, op, x, y, w, axis=0)
    params |= {"rows": rows, "depth": depth, "out_c": out_c, "scale": _table4(reals, np.float64)}
    return Step(op.name, "aed_fully_connected_s8", {"input": x.index}, y.index, params, macs=y.size * depth)


# --- pools and means ---------------------------------------------------------------------------------------------------


def _pool(kernel: str):
    def lower_pool(graph: Graph, op: Operator) -> Step:
        x, y = _input(graph, op), _output(graph, op)
        params = _window(graph, op, x, y, (op.options["kernel_h"], op.options["kernel_w"]))
        _expect_shape(graph, op, x.shape[3] == y.shape[3], x, y)
        _same_affine(graph, op, x, y)
        low, high = _activation(graph, op, y)
        params |= {"channels": x.shape[3], "act_min": low, "act_max": high}
        return Step(op.name, kernel, {"input": x.index}, y.index, params)

    return lower_pool


def _reduction(graph: Graph, op: Operator, x: Tensor, y: Tensor) -> tuple[int, int, int] | None:
    """Return (outer, reduce, inner) with x as [outer][reduce][inner]; None when there are no axes."""
    rank = len(x.shape)
    axes = [int(a) for a in _constant(graph, op, 1, ("int32",)).reshape(-1)]
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
    _expect_shape(graph, op, y.size == outer * inner, x, y)
    return outer, reduce, inner


def _mean(graph: Graph, op: Operator) -> Step | View:
    x, y = _input(graph, op), _output(graph, op)
    (x_scale, x_zero), (y_scale, y_zero) = _affine(graph, op, x), _affine(graph, op, y)
    sizes = _reduction(graph, op, x, y)
    if sizes is None:
        return View(x.index, y.index)
    outer, reduce, inner = sizes
    multiplier, shift = quantize_multiplier(float(x_scale) / float(y_scale))
    # The division by the number of elements goes into the multiplier, truncated.
    extra = min(reduce.bit_length() - 1, 32, 31 + shift)
    multiplier, shift = (multiplier << extra) // reduce, shift - extra
    _check_rescale(graph, op, 255 * reduce, shift)
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


def _reduce_max(graph: Graph, op: Operator) -> Step | View:
    x, y = _input(graph, op), _output(graph, op)
    _same_affine(graph, op, x, y)
    sizes = _reduction(graph, op, x, y)
    if sizes is None:
        return View(x.index, y.index)
    outer, reduce, inner = sizes
    # A max pool over a map of outer * reduce rows and one column, in windows of `reduce` rows.
    params = {"in_h": outer * reduce, "out_h": outer, "kernel_h": reduce, "stride_h": reduce}
    params |= dict.fromkeys(("in_w", "out_w", "kernel_w", "stride_w"), 1)
    params |= {"channels": inner, "pad_top": 0, "pad_left": 0, "act_min": -128, "act_max": 127}
    return Step(op.name, "aed_max_pool_s8", {"input": x.index}, y.index, params)


# --- elementwise -------------------------------------------------------------------------------------------------------


def _binary(graph: Graph, op: Operator, kernel: str, factors) -> Step:
    """Lower ADD or MUL; ``factors(graph, op, scale_a, scale_b, scale_out)`` gives the multipliers and shifts."""
    y = _output(graph, op)
    operands = [_operand(graph, op, i) for i in (0, 1)]
    _expect_shape(graph, op, max(len(t.shape) for t in (*operands, y)) <= 4, *operands, y)
    dims = _four(y.shape)
    params: dict = {"dims": dims}
    reads, in_place = {}, []
    for letter, name, tensor in zip("ab", ("input", "input_b"), operands):
        _expect_type(graph, op, tensor, ("int8",))
        shape = _four(tensor.shape)
        _expect_shape(graph, op, all(s in (1, d) for s, d in zip(shape, dims)), *operands, y)
        strides = _strides(tuple(shape))
        params[f"strides_{letter}"] = [0 if s == 1 else stride for s, stride in zip(shape, strides)]
        params[f"zero_point_{letter}"] = _affine(graph, op, tensor)[1]
        params[f"constant_{letter}"] = None if tensor.data is None else tensor.data.reshape(-1)
        if tensor.data is None:
            reads[name] = tensor.index
            if tensor.size == y.size:
                in_place.append(name)
    if not reads:
        refuse(graph, op, "both inputs are constants")
    scales = [_affine(graph, op, t)[0] for t in (*operands, y)]
    low, high = _activation(graph, op, y)
    params |= {"output_zero_point": _affine(graph, op, y)[1], "act_min": low, "act_max": high}
    params |= factors(graph, op, *scales)
    return Step(op.name, kernel, reads, y.index, params, in_place=tuple(in_place))


def _add_factors(graph: Graph, op: Operator, a: np.float32, b: np.float32, out: np.float32) -> dict:
    with np.errstate(over="ignore"):
        twice = float(np.float32(2) * max(a, b))
        real = twice / float(np.float32(1 << 20) * out)
    if not 0 < real < 1:
        refuse(graph, op, f"the output scale {out} is too small for the input scales {a} and {b}")
    result = dict(zip(("multiplier", "shift"), quantize_multiplier(real)))
    for letter, scale in (("a", a), ("b", b)):
        result |= dict(zip((f"multiplier_{letter}", f"shift_{letter}"), quantize_multiplier(float(scale) / twice)))
    return result


def _mul_factors(graph: Graph, op: Operator, a: np.float32, b: np.float32, out: np.float32) -> dict:
    with np.errstate(over="ignore", under="ignore"):
        real = float(a * b / out)
    if not math.isfinite(real):
        refuse(graph, op, f"the scales {a}, {b} and {out} do not fit together")
    multiplier, shift = quantize_multiplier(real)
    _check_rescale(graph, op, 255 * 255, shift)
    return {"multiplier": multiplier, "shift": shift} | dict.fromkeys(
        ("multiplier_a", "shift_a", "multiplier_b", "shift_b"), 0
    )


def _add(graph: Graph, op: Operator) -> Step:
    return _binary(graph, op, "aed_add_s8", _add_factors)


def _mul(graph: Graph, op: Operator) -> Step:
    return _binary(graph, op, "aed_mul_s8", _mul_factors)


def _table(graph: Graph, op: Operator, x: Tensor, y: Tensor, values) -> Step:
    """Lower any function of one byte: ``values(q)`` maps the 256 quantized inputs to quantized outputs."""
    _expect_shape(graph, op, x.size == y.size, x, y)
    info = np.iinfo(y.dtype)
    table = np.zeros(256, np.uint8)
    levels = np.arange(np.iinfo(x.dtype).min, np.iinfo(x.dtype).max + 1)
    table[levels & 0xFF] = np.clip(values(levels), info.min, info.max).astype(np.int64) & 0xFF
    params = {"n": x.size, "table": table}
    return Step(op.name, "aed_lut_8", {"input": x.index}, y.index, params, in_place=("input",))


def _rescaled(graph: Graph, op: Operator, levels: np.ndarray, x_zero: int, y_zero: int, real: float) -> np.ndarray:
    if not math.isfinite(real):
        refuse(graph, op, "the scales of input and output do not fit together")
    multiplier, shift = quantize_multiplier(real)
    _check_rescale(graph, op, 510, shift)
    return np.array([rescale(int(q) - x_zero, multiplier, shift) + y_zero for q in levels])


def _relu(activation: str):
    def lower_relu(graph: Graph, op: Operator) -> Step:
        x, y = _input(graph, op), _output(graph, op)
        (x_scale, x_zero), (y_scale, y_zero) = _affine(graph, op, x), _affine(graph, op, y)
        with np.errstate(over="ignore", under="ignore"):
            real = float(x_scale / y_scale)
        low, high = activation_range(activation, y_scale, y_zero)
        return _table(
            graph, op, x, y, lambda levels: np.clip(_rescaled(graph, op, levels, x_zero, y_zero, real), low, high)
        )

    return lower_relu


def _leaky_relu(graph: Graph, op: Operator) -> Step:
    x, y = _input(graph, op), _output(graph, op)
    (x_scale, x_zero), (y_scale, y_zero) = _affine(graph, op, x), _affine(graph, op, y)
    with np.errstate(over="ignore", under="ignore"):
        slope = float(x_scale * np.float32(op.options["alpha"]) / y_scale)
        identity = float(x_scale / y_scale)
    if slope < 0:
        refuse(graph, op, f"the slope {op.options['alpha']} is negative")

    def values(levels: np.ndarray) -> np.ndarray:
        below = _rescaled(graph, op, levels, x_zero, y_zero, slope)
        return np.where(levels < x_zero, below, _rescaled(graph, op, levels, x_zero, y_zero, identity))

    return _table(graph, op, x, y, values)


def _hard_swish(graph: Graph, op: Operator) -> Step:
    """x * relu6(x + 3) / 6 in 16-bit fixed point, with the roundings of the reference kernel."""
    x, y = _input(graph, op), _output(graph, op)
    (x_scale, x_zero), (y_scale, y_zero) = _affine(graph, op, x), _affine(graph, op, y)
    with np.errstate(over="ignore", under="ignore"):
        fine = np.float32(1 / 128) * x_scale
        factors = [float(fine / y_scale), float(fine / np.float32(3 / 32768))]
    if not all(math.isfinite(f) for f in factors):
        refuse(graph, op, "the scales of input and output do not fit together")
    (out, out_shift), (gate, gate_shift) = (quantize_multiplier(f) for f in factors)
    if out_shift > 0:
        refuse(graph, op, f"the output scale {y_scale} is too small for the input scale {x_scale}")
    if (
        out_shift < -15 or gate_shift < -15
    ):  # the reference kernel shifts 16-bit values so far that nothing of them is left
        refuse(graph, op, f"the scales of input ({x_scale}) and output ({y_scale}) lie beyond 16-bit fixed point")
    out, gate = (min((m + (1 << 15)) >> 16, 32767) for m in (out, gate))

    def shift_right(v: int, n: int) -> int:  # to nearest, ties away from zero
        return (v + (v >> 31) + (1 << n >> 1)) >> n if n else v

    def value(level: int) -> int:
        wide = (level - x_zero) * 128
        gated = wide
        if gate_shift > 0:
            gated = _int16(gated << (gate_shift - 1))
        gated = _high_half(gated * gate, rounded=True)
        gated = _int16(gated << 1) if gate_shift > 0 else shift_right(gated, -gate_shift)
        gated = (gated + (1 << 15)) >> 1
        scaled = _high_half(wide * out, rounded=True)
        return shift_right(_high_half(gated * scaled, rounded=False), -out_shift) + y_zero

    return _table(graph, op, x, y, lambda levels: np.array([value(int(q)) for q in levels]))


def _int16(v: int) -> int:
    return max(-32768, min(32767, v))


def _high_half(product: int, rounded: bool) -> int:
    """Return a product of two int16 divided by 2^15: to nearest with ties up, or cut off towards zero."""
    if rounded:
        product += (1 << 14) if product >= 0 else 1 - (1 << 14)
    return _int16(abs(product) // 32768 * (1 if product >= 0 else -1))


def _logistic(graph: Graph, op: Operator) -> Step:
    x, y = _input(graph, op), _output(graph, op)
    (x_scale, x_zero), (y_scale, y_zero) = _affine(graph, op, x), _affine(graph, op, y)
    _expect_unit_output(graph, op, y)

    def values(levels: np.ndarray) -> np.ndarray:
        one = np.float32(1)
        with np.errstate(over="ignore"):
            real = one / (one + _exp_f32(-(x_scale * (levels - x_zero).astype(np.float32))))
            return round_half_away(real * (one / y_scale)) + y_zero

    return _table(graph, op, x, y, values)


def _expect_unit_output(graph: Graph, op: Operator, y: Tensor) -> None:
    if _affine(graph, op, y) != (np.float32(1 / 256), -128):
        refuse(graph, op, "an int8 output in [0, 1) has to have the scale 1/256 and the zero point -128")


def _exp_f32(x: np.ndarray) -> np.ndarray:
    """exp of float32 values, rounded from binary64."""
    with np.errstate(over="ignore", under="ignore"):
        return np.exp(x.astype(np.float64)).astype(np.float32)


def _softmax(graph: Graph, op: Operator) -> Step:
    x, y = _input(graph, op), _output(graph, op)
    _expect_shape(graph, op, x.shape == y.shape and len(x.shape) > 0, x, y)
    x_scale, _ = _affine(graph, op, x)
    _expect_unit_output(graph, op, y)
    depth = x.shape[-1]
    if depth > 4095:
        refuse(graph, op, f"{depth} values in a row, at most 4095 are supported")
    # Exponents get 5 integer and 26 fraction bits.
    real = min(float(op.options["beta"]) * float(x_scale) * 2.0**26, 2.0**31 - 1)
    if not real > 1:
        refuse(graph, op, f"the input scale {x_scale} times beta {op.options['beta']} has to be above 2^-26")
    multiplier, shift = quantize_multiplier(real)
    params = {
        "rows": x.size // depth,
        "depth": depth,
        "multiplier": multiplier,
        "left_shift": shift,
        "diff_min": -((31 << 26) >> shift),
    }
    return Step(op.name, "aed_softmax_s8", {"input": x.index}, y.index, params)


def _quantize(graph: Graph, op: Operator) -> Step:
    x = _input(graph, op, ("float32", "int8", "uint8"))
    y = _output(graph, op, ("int8", "uint8"))
    _expect_shape(graph, op, x.size == y.size, x, y)
    y_scale, y_zero = _affine(graph, op, y)
    if x.dtype == "float32":
        kernel = {"int8": "aed_quantize_f32_s8", "uint8": "aed_quantize_f32_u8"}[y.dtype]
        params = {"n": x.size, "scale": y_scale, "zero_point": y_zero}
        return Step(op.name, kernel, {"input": x.index}, y.index, params)
    x_scale, x_zero = _affine(graph, op, x)
    real = float(x_scale) / float(y_scale)
    return _table(graph, op, x, y, lambda levels: _rescaled(graph, op, levels, x_zero, y_zero, real))


def _dequantize(graph: Graph, op: Operator) -> Step:
    x, y = _input(graph, op, ("int8", "uint8")), _output(graph, op, ("float32",))
    _expect_shape(graph, op, x.size == y.size, x, y)
    scale, zero_point = _affine(graph, op, x)
    kernel = {"int8": "aed_dequantize_s8_f32", "uint8": "aed_dequantize_u8_f32"}[x.dtype]
    return Step(op.name, kernel, {"input": x.index}, y.index, {"n": x.size, "scale": scale, "zero_point": zero_point})


# --- movements ---------------------------------------------------------------------------------------------------------


def _view(graph: Graph, op: Operator) -> View:
    x = _input(graph, op, ("int8", "uint8", "float32"))
    y = _output(graph, op, (x.dtype,))
    _expect_shape(graph, op, x.size == y.size, x, y)
    return View(x.index, y.index)


def _pad(graph: Graph, op: Operator) -> Step | View:
    x = _input(graph, op, ("int8", "uint8"))
    y = _output(graph, op, (x.dtype,))
    _same_affine(graph, op, x, y)
    pads = _constant(graph, op, 1, ("int32", "int64"))
    rank = len(x.shape)
    ok = pads.shape == (rank, 2) and rank <= 4 and (pads >= 0).all() and len(y.shape) == rank
    _expect_shape(graph, op, bool(ok), x, _operand(graph, op, 1))
    _expect_shape(graph, op, all(y.shape[i] == x.shape[i] + int(pads[i].sum()) for i in range(rank)), x, y)
    value = _affine(graph, op, y)[1]
    if op.name == "PADV2":
        fill = _operand(graph, op, 2)
        if _affine(graph, op, fill) != _affine(graph, op, y):
            refuse(graph, op, f"the padding value {fill} is quantized differently")
        value = int(_constant(graph, op, 2, (x.dtype,)).reshape(-1)[0])
    if not pads.any():
        return View(x.index, y.index)
    params = {
        "in_dims": _four(x.shape),
        "before": _four(tuple(int(p) for p in pads[:, 0]), fill=0),
        "out_dims": _four(y.shape),
        "value": value,
    }
    return Step(op.name, "aed_pad_8", {"input": x.index}, y.index, params)


def _transpose(graph: Graph, op: Operator) -> Step | View:
    x = _input(graph, op, ("int8", "uint8"))
    y = _output(graph, op, (x.dtype,))
    order = [int(a) for a in _constant(graph, op, 1, ("int32",)).reshape(-1)]
    rank = len(x.shape)
    if sorted(order) != list(range(rank)):
        refuse(graph, op, f"permutation {order} of {x}")
    _expect_shape(graph, op, y.shape == tuple(x.shape[a] for a in order), x, y)
    strides = _strides(x.shape)
    kept = [a for a in order if x.shape[a] != 1]
    if kept == sorted(kept):
        return View(x.index, y.index)
    _expect_shape(graph, op, len(kept) <= 4, x, y)
    params = {
        "dims": _four(tuple(x.shape[a] for a in kept)),
        "strides": _four(tuple(strides[a] for a in kept), fill=0),
    }
    return Step(op.name, "aed_transpose_8", {"input": x.index}, y.index, params)


#: TensorFlow Lite operator -> lowering.
LOWERINGS = {
    "ADD": _add,
    "AVERAGE_POOL_2D": _pool("aed_average_pool_s8"),
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "DEQUANTIZE": _dequantize,
    "EXPAND_DIMS": _view,
    "FULLY_CONNECTED": _fully_connected,
    "HARD_SWISH": _hard_swish,
    "LEAKY_RELU": _leaky_relu,
    "LOGISTIC": _logistic,
    "MAX_POOL_2D": _pool("aed_max_pool_s8"),
    "MEAN": _mean,
    "MUL": _mul,
    "PAD": _pad,
    "PADV2": _pad,
    "QUANTIZE": _quantize,
    "REDUCE_MAX": _reduce_max,
    "RELU": _relu("RELU"),
    "RELU6": _relu("RELU6"),
    "RELU_N1_TO_1": _relu("RELU_N1_TO_1"),
    "RESHAPE": _view,
    "SOFTMAX": _softmax,
    "SQUEEZE": _view,
    "TRANSPOSE": _transpose,
}
