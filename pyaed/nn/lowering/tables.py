"""Functions of one byte as tables of 256, softmax, and the ends of a model."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pyaed.nn.graph import Graph, Operator, Tensor
from pyaed.nn.lowering.common import (
    Lowering,
    Step,
    affine,
    check_rescale,
    expect_shape,
    input_tensor,
    output_tensor,
    refuse,
)
from pyaed.nn.quantize import activation_range, quantize_multiplier, rescale, round_half_away

Levels = npt.NDArray[np.int64]  # quantized values
Real = npt.NDArray[np.float32]


def table(
    graph: Graph, op: Operator, x: Tensor, y: Tensor, values: Callable[[Levels], Levels | npt.NDArray[np.float64]]
) -> Step:
    """Lower any function of one byte: ``values(q)`` maps the 256 quantized inputs to quantized outputs."""
    expect_shape(graph, op, x.size == y.size, x, y)
    info = np.iinfo(y.dtype)
    table = np.zeros(256, np.uint8)
    levels = np.arange(np.iinfo(x.dtype).min, np.iinfo(x.dtype).max + 1, dtype=np.int64)
    table[levels & 0xFF] = np.clip(values(levels), info.min, info.max).astype(np.int64) & 0xFF
    params = {"n": x.size, "table": table}
    return Step(op.name, "aed_lut_8", {"input": x.index}, y.index, params, in_place=("input",))


def _rescaled(graph: Graph, op: Operator, levels: Levels, x_zero: int, y_zero: int, real: float) -> Levels:
    if not math.isfinite(real):
        refuse(graph, op, "the scales of input and output do not fit together")
    multiplier, shift = quantize_multiplier(real)
    check_rescale(graph, op, 510, shift)
    return np.array([rescale(int(q) - x_zero, multiplier, shift) + y_zero for q in levels])


def relu(activation: str) -> Lowering:
    def lower_relu(graph: Graph, op: Operator) -> Step:
        x, y = input_tensor(graph, op), output_tensor(graph, op)
        (x_scale, x_zero), (y_scale, y_zero) = affine(graph, op, x), affine(graph, op, y)
        with np.errstate(over="ignore", under="ignore"):
            real = float(x_scale / y_scale)
        low, high = activation_range(activation, y_scale, y_zero)
        return table(
            graph, op, x, y, lambda levels: np.clip(_rescaled(graph, op, levels, x_zero, y_zero, real), low, high)
        )

    return lower_relu


def leaky_relu(graph: Graph, op: Operator) -> Step:
    x, y = input_tensor(graph, op), output_tensor(graph, op)
    (x_scale, x_zero), (y_scale, y_zero) = affine(graph, op, x), affine(graph, op, y)
    with np.errstate(over="ignore", under="ignore"):
        slope = float(x_scale * np.float32(op.options["alpha"]) / y_scale)
        identity = float(x_scale / y_scale)
    if slope < 0:
        refuse(graph, op, f"the slope {op.options['alpha']} is negative")

    def values(levels: Levels) -> Levels:
        below = _rescaled(graph, op, levels, x_zero, y_zero, slope)
        return np.where(levels < x_zero, below, _rescaled(graph, op, levels, x_zero, y_zero, identity))

    return table(graph, op, x, y, values)


def hard_swish(graph: Graph, op: Operator) -> Step:
    """x * relu6(x + 3) / 6 in 16-bit fixed point, with the roundings of the reference kernel."""
    x, y = input_tensor(graph, op), output_tensor(graph, op)
    (x_scale, x_zero), (y_scale, y_zero) = affine(graph, op, x), affine(graph, op, y)
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

    return table(graph, op, x, y, lambda levels: np.array([value(int(q)) for q in levels]))


def _int16(v: int) -> int:
    return max(-32768, min(32767, v))


def _high_half(product: int, rounded: bool) -> int:
    """Return a product of two int16 divided by 2^15: to nearest with ties up, or cut off towards zero."""
    if rounded:
        product += (1 << 14) if product >= 0 else 1 - (1 << 14)
    return _int16(abs(product) // 32768 * (1 if product >= 0 else -1))


def of_float(function: Callable[[Real, Operator], Real], unit_output: bool = False) -> Lowering:
    """Return the lowering of a function that the reference kernel computes in float32, with the output's scale inverted.

    `unit_output`: the reference kernel takes only the scale 1/256 and the zero point -128.
    """

    def lower_function(graph: Graph, op: Operator) -> Step:
        x, y = input_tensor(graph, op), output_tensor(graph, op)
        (x_scale, x_zero), (y_scale, y_zero) = affine(graph, op, x), affine(graph, op, y)
        if unit_output:
            _expect_unit_output(graph, op, y)

        def values(levels: Levels) -> npt.NDArray[np.float64]:
            with np.errstate(over="ignore", invalid="ignore"):
                real = function(x_scale * (levels - x_zero).astype(np.float32), op)
                steps = real * (np.float32(1) / y_scale)
            if np.isnan(steps).any():
                refuse(graph, op, f"the scales {x_scale:.3g} and {y_scale:.3g} lead to values that are no numbers")
            return round_half_away(steps) + y_zero

        return table(graph, op, x, y, values)

    return lower_function


def logistic(x: Real, _: Operator) -> Real:
    y: Real = np.float32(1) / (np.float32(1) + _exp_f32(-x))
    return y


def tanh(x: Real, _: Operator) -> Real:
    return np.tanh(x.astype(np.float64)).astype(np.float32)


def gelu(x: Real, op: Operator) -> Real:
    """x times the normal distribution's cumulative function, or its approximation by a hyperbolic tangent."""
    wide = x.astype(np.float64)
    if op.options["approximate"]:
        share = 1 + np.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3))
    else:
        share = np.array([1 + math.erf(v * math.sqrt(0.5)) for v in wide])
    y: Real = (0.5 * wide * share).astype(np.float32)
    return y


def _expect_unit_output(graph: Graph, op: Operator, y: Tensor) -> None:
    if affine(graph, op, y) != (np.float32(1 / 256), -128):
        refuse(graph, op, "an int8 output in [0, 1) has to have the scale 1/256 and the zero point -128")


def _exp_f32(x: Real) -> Real:
    """exp of float32 values, rounded from binary64."""
    with np.errstate(over="ignore", under="ignore"):
        return np.exp(x.astype(np.float64)).astype(np.float32)


def softmax(graph: Graph, op: Operator) -> Step:
    x, y = input_tensor(graph, op), output_tensor(graph, op)
    expect_shape(graph, op, x.shape == y.shape and len(x.shape) > 0, x, y)
    x_scale, _ = affine(graph, op, x)
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


def quantize(graph: Graph, op: Operator) -> Step:
    x = input_tensor(graph, op, ("float32", "int8", "uint8"))
    y = output_tensor(graph, op, ("int8", "uint8"))
    expect_shape(graph, op, x.size == y.size, x, y)
    y_scale, y_zero = affine(graph, op, y)
    if x.dtype == "float32":
        kernel = {"int8": "aed_quantize_f32_s8", "uint8": "aed_quantize_f32_u8"}[y.dtype]
        params = {"n": x.size, "scale": y_scale, "zero_point": y_zero}
        return Step(op.name, kernel, {"input": x.index}, y.index, params)
    x_scale, x_zero = affine(graph, op, x)
    real = float(x_scale) / float(y_scale)
    return table(graph, op, x, y, lambda levels: _rescaled(graph, op, levels, x_zero, y_zero, real))


def dequantize(graph: Graph, op: Operator) -> Step:
    x, y = input_tensor(graph, op, ("int8", "uint8")), output_tensor(graph, op, ("float32",))
    expect_shape(graph, op, x.size == y.size, x, y)
    scale, zero_point = affine(graph, op, x)
    kernel = {"int8": "aed_dequantize_s8_f32", "uint8": "aed_dequantize_u8_f32"}[x.dtype]
    return Step(op.name, kernel, {"input": x.index}, y.index, {"n": x.size, "scale": scale, "zero_point": zero_point})


def given(graph: Graph, op: Operator) -> Step:
    """Lower TABLE, no operator of TensorFlow Lite: a function whose 256 values the reader has computed."""
    x, y = input_tensor(graph, op), output_tensor(graph, op)
    return table(graph, op, x, y, lambda levels: np.asarray(op.options["values"])[levels + 128])
