"""Elementwise operators of two operands, with broadcasting."""

import math

import numpy as np

from pyaed.nn.graph import Graph, Operator
from pyaed.nn.lowering.common import (
    Step,
    affine,
    check_rescale,
    expect_shape,
    expect_type,
    four,
    fused_range,
    operand,
    output_tensor,
    refuse,
    strides_of,
)
from pyaed.nn.quantize import quantize_multiplier


def _binary(graph: Graph, op: Operator, kernel: str, factors) -> Step:
    """Lower ADD or MUL; ``factors(graph, op, scale_a, scale_b, scale_out)`` gives the multipliers and shifts."""
    y = output_tensor(graph, op)
    operands = [operand(graph, op, i) for i in (0, 1)]
    expect_shape(graph, op, max(len(t.shape) for t in (*operands, y)) <= 4, *operands, y)
    dims = four(y.shape)
    params: dict = {"dims": dims}
    reads, in_place = {}, []
    for letter, name, tensor in zip("ab", ("input", "input_b"), operands):
        expect_type(graph, op, tensor, ("int8",))
        shape = four(tensor.shape)
        expect_shape(graph, op, all(s in (1, d) for s, d in zip(shape, dims)), *operands, y)
        strides = strides_of(tuple(shape))
        params[f"strides_{letter}"] = [0 if s == 1 else stride for s, stride in zip(shape, strides)]
        params[f"zero_point_{letter}"] = affine(graph, op, tensor)[1]
        params[f"constant_{letter}"] = None if tensor.data is None else tensor.data.reshape(-1)
        if tensor.data is None:
            reads[name] = tensor.index
            if tensor.size == y.size:
                in_place.append(name)
    if not reads:
        refuse(graph, op, "both inputs are constants")
    scales = [affine(graph, op, t)[0] for t in (*operands, y)]
    low, high = fused_range(graph, op, y)
    params |= {"output_zero_point": affine(graph, op, y)[1], "act_min": low, "act_max": high}
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
    check_rescale(graph, op, 255 * 255, shift)
    return {"multiplier": multiplier, "shift": shift} | dict.fromkeys(
        ("multiplier_a", "shift_a", "multiplier_b", "shift_b"), 0
    )


def add(graph: Graph, op: Operator) -> Step:
    return _binary(graph, op, "aed_add_s8", _add_factors)


def mul(graph: Graph, op: Operator) -> Step:
    return _binary(graph, op, "aed_mul_s8", _mul_factors)
