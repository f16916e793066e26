"""Elementwise operators of two operands, with broadcasting."""

import math
from collections.abc import Callable

import numpy as np

from pyaed.nn.graph import Graph, Operator, Tensor
from pyaed.nn.lowering.common import (
    Fields,
    Lowering,
    Step,
    affine,
    check_rescale,
    expect_shape,
    expect_type,
    factor,
    four,
    fused_range,
    operand,
    output_tensor,
    refuse,
    same_affine,
    strides_of,
)
from pyaed.nn.quantize import quantize_multiplier


def binary(kernel: str, fields: Callable[[Graph, Operator, Tensor, Tensor, Tensor], Fields]) -> Lowering:
    """Return the lowering to a kernel of two operands; ``fields(graph, op, a, b, y)`` gives what depends on the scales."""

    def lower_binary(graph: Graph, op: Operator) -> Step:
        y = output_tensor(graph, op)
        operands = a, b = operand(graph, op, 0), operand(graph, op, 1)
        expect_shape(graph, op, max(len(t.shape) for t in (*operands, y)) <= 4, *operands, y)
        dims = four(y.shape)
        params: Fields = {"dims": dims}
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
        low, high = fused_range(graph, op, y)
        params |= {"output_zero_point": affine(graph, op, y)[1], "act_min": low, "act_max": high}
        params |= fields(graph, op, a, b, y)
        return Step(op.name, kernel, reads, y.index, params, in_place=tuple(in_place))

    return lower_binary


def sum_fields(graph: Graph, op: Operator, *tensors: Tensor) -> Fields:
    """Return the factors of a sum or a difference."""
    return _common_scale(graph, op, tensors, lambda twice, out: twice / float(np.float32(1 << 20) * out))


def squared_difference_fields(graph: Graph, op: Operator, *tensors: Tensor) -> Fields:
    """Return the factors of the square of a difference."""
    return _common_scale(graph, op, tensors, lambda twice, out: twice * twice / float(np.float32(1 << 14) * out))


def _common_scale(
    graph: Graph, op: Operator, tensors: tuple[Tensor, ...], output: Callable[[float, np.float32], float]
) -> Fields:
    """Return the factors that bring both operands to twice the larger scale, and ``output(that, output scale)``."""
    a, b, out = (affine(graph, op, t)[0] for t in tensors)
    with np.errstate(over="ignore"):
        twice = float(np.float32(2) * max(a, b))
        real = output(twice, out)
    if not 0 < real < 1:
        refuse(graph, op, f"the output scale {out} is too small for the input scales {a} and {b}")
    result = dict(zip(("multiplier", "shift"), quantize_multiplier(real)))
    for letter, scale in (("a", a), ("b", b)):
        result |= dict(zip((f"multiplier_{letter}", f"shift_{letter}"), quantize_multiplier(float(scale) / twice)))
    return result


def product_fields(graph: Graph, op: Operator, *tensors: Tensor) -> Fields:
    """Return the factor of a product."""
    a, b, out = (affine(graph, op, t)[0] for t in tensors)
    with np.errstate(over="ignore", under="ignore"):
        return _factor(graph, op, float(a * b / out), 255 * 255, "multiplier", "shift")


def prelu_fields(graph: Graph, op: Operator, *tensors: Tensor) -> Fields:
    """Return the factors of negative inputs (times the slope) and of the others."""
    a, _, out = (affine(graph, op, t)[0] for t in tensors)
    with np.errstate(over="ignore", under="ignore"):
        identity = _factor(graph, op, float(a / out), 255, "multiplier_a", "shift_a")
    return identity | product_fields(graph, op, *tensors)


def _factor(graph: Graph, op: Operator, real: float, bound: int, *names: str) -> Fields:
    if not math.isfinite(real):
        refuse(graph, op, "the scales of inputs and output do not fit together")
    multiplier, shift = factor(op, real)
    check_rescale(graph, op, bound, shift)
    return dict(zip(names, (multiplier, shift)))


def choice_fields(graph: Graph, op: Operator, a: Tensor, b: Tensor, y: Tensor) -> Fields:
    """Quantized values are compared as they are: they need one scale."""
    for tensor in (a, b):
        same_affine(graph, op, tensor, y)
    return {"output_zero_point": 0}
