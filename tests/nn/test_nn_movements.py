"""Operators that move values, in random shapes, equal TensorFlow Lite's reference kernels in every byte."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_nn_operators import check, few, many, scales, seeds, zero_points
from tflite_builder import build, tensor

from pyaed.errors import UserError
from pyaed.nn import Engine


@few
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=4),
       st.booleans(), scales, zero_points, seeds)  # fmt: skip
def test_pad(dims, with_value, scale, zero_point, seed):
    shape = [d for d, _, _ in dims]
    pads = [[b, a] for _, b, a in dims]
    tensors = [
        tensor(shape, scale=scale, zero_point=zero_point),
        tensor((len(dims), 2), "int32", data=pads),
    ]
    if with_value:
        value = np.random.default_rng(seed).integers(-128, 128)
        tensors.append(tensor((1,), scale=scale, zero_point=zero_point, data=[value]))
    tensors.append(tensor([sum(d) for d in dims], scale=scale, zero_point=zero_point))
    inputs = list(range(len(tensors) - 1))
    check(build(tensors, [("PADV2" if with_value else "PAD", inputs, [len(tensors) - 1], {})]), seed)


@few
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4).flatmap(
    lambda d: st.tuples(st.just(d), st.permutations(range(len(d))))), scales, zero_points, seeds)  # fmt: skip
def test_transpose(shape_and_order, scale, zero_point, seed):
    shape, order = shape_and_order
    content = build(
        [
            tensor(shape, scale=scale, zero_point=zero_point),
            tensor((len(order),), "int32", data=order),
            tensor([shape[a] for a in order], scale=scale, zero_point=zero_point),
            tensor([shape[a] for a in order], scale=scale, zero_point=0),
        ],
        [("TRANSPOSE", [0, 1], [2], {}), ("QUANTIZE", [2], [3], {})],
    )
    check(content, seed)


@few
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=4), scales,
       zero_points, seeds)  # fmt: skip
def test_slice(dims, scale, zero_point, seed):
    shape = [d for d, _, _ in dims]
    begin = [min(b, d - 1) for d, b, _ in dims]
    size = [-1 if not s else min(s, d - b) for (d, _, s), b in zip(dims, begin)]
    out = [d - b if s == -1 else s for d, b, s in zip(shape, begin, size)]
    content = build(
        [
            tensor(shape, scale=scale, zero_point=zero_point),
            tensor((len(dims),), "int32", data=begin),
            tensor((len(dims),), "int32", data=size),
            tensor(out, scale=scale, zero_point=zero_point),
        ],
        [("SLICE", [0, 1, 2], [3], {})],
    )
    check(content, seed)


@many
@given(
    st.lists(st.tuples(*[st.integers(1, 6)] * 2, *[st.integers(-7, 7)] * 2, st.sampled_from([-2, -1, 1, 1, 2, 3]),
                       st.booleans(), st.booleans(), st.integers(0, 3)), min_size=1, max_size=4),
    scales, zero_points, seeds,
)  # fmt: skip
def test_strided_slice(dims, scale, zero_point, seed):
    shape, begin, end, steps, index, masks = [], [], [], [], [], [0, 0, 0]
    for i, (d, _, b, e, step, no_begin, no_end, shrink) in enumerate(dims):
        gone = shrink == 0 and len(dims) > 1 and i > 0
        if gone:
            b, step = b % d - d * (b < 0), 1
            e = b + 1
        elif len(range(d)[slice(None if no_begin else b, None if no_end else e, step)]) == 0:
            no_begin = no_end = True
        masks = [m | bool(on) << i for m, on in zip(masks, (no_begin and not gone, no_end and not gone, gone))]
        shape.append(d)
        begin.append(b)
        end.append(e)
        steps.append(step)
        index.append(b if gone else slice(None if no_begin else b, None if no_end else e, step))
    out = np.zeros(shape)[tuple(index)].shape
    n = (len(dims),)
    content = build(
        [
            tensor(shape, scale=scale, zero_point=zero_point),
            *(tensor(n, "int32", data=values) for values in (begin, end, steps)),
            tensor(out, scale=scale, zero_point=zero_point),
        ],
        [("STRIDED_SLICE", [0, 1, 2, 3], [4], dict(zip(("beginMask", "endMask", "shrinkAxisMask"), masks)))],
    )
    check(content, seed)


def moved_inputs(shapes, scale, zero_point, random) -> tuple[list, list]:
    """Return tensors and operators that give several tensors of these shapes: sums of the input with constants."""
    tensors, operators = [tensor((1,), scale=scale, zero_point=zero_point)], []
    for shape in shapes:
        tensors.append(tensor(shape, scale=scale, data=random.integers(-128, 128, shape)))
        tensors.append(tensor(shape, scale=scale, zero_point=zero_point))
        operators.append(("ADD", [0, len(tensors) - 2], [len(tensors) - 1], {}))
    return tensors, operators


@many
@given(st.sampled_from(["CONCATENATION", "PACK"]), st.lists(st.integers(1, 4), min_size=1, max_size=4),
       st.integers(0, 4), st.booleans(), st.integers(1, 5), scales, zero_points, seeds)  # fmt: skip
def test_concatenation(name, dims, axis, negative, n, scale, zero_point, seed):
    random = np.random.default_rng(seed)
    pack = name == "PACK"
    dims = dims[:3] if pack else dims
    rank = len(dims) + pack
    axis %= rank
    shapes = [list(dims) for _ in range(n)]
    if pack:
        out = [*dims[:axis], n, *dims[axis:]]
        options = dict(valuesCount=n)
    else:
        for shape in shapes:
            shape[axis] = int(random.integers(1, 5))
        out, options = [*dims], {}
        out[axis] = sum(shape[axis] for shape in shapes)
    tensors, operators = moved_inputs(shapes, scale, zero_point, random)
    inputs = [operator[2][0] for operator in operators]
    tensors.append(tensor(out, scale=scale, zero_point=zero_point))
    operators.append((name, inputs, [len(tensors) - 1], options | dict(axis=axis - rank if negative else axis)))
    check(build(tensors, operators), seed)


def concatenated(n: int, scale: float = 1.0, activation: int = 0) -> bytes:
    tensors = [tensor((1, 4), scale=1.0), tensor((1, 4 * n), scale=scale, name="joined")]
    options = dict(axis=1, fusedActivationFunction=activation)
    return build(tensors, [("CONCATENATION", [0] * n, [1], options)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (concatenated(2, scale=0.5), r"CONCATENATION computing 'joined' int8 \[1, 8\]: .*quantized differently"),
        (concatenated(17), "17 inputs, at most 16"),
        (concatenated(2, activation=1), "fused activation RELU is not supported"),
    ],
)
def test_concatenations_that_are_refused(content, message):
    with pytest.raises(UserError, match=message):
        Engine(content)


@pytest.mark.parametrize(
    ("begin", "size", "message"),
    [([0, 3], [1, 2], "begin .* and size"), ([0], [1], "expected 2 values"), ([0, -1], [1, 1], "begin .* and size")],
)
def test_slices_that_are_refused(begin, size, message):
    tensors = [tensor((1, 4), scale=1.0), tensor((len(begin),), "int32", data=begin)]
    tensors += [tensor((len(size),), "int32", data=size), tensor((1, 2), scale=1.0)]
    with pytest.raises(UserError, match=message):
        Engine(build(tensors, [("SLICE", [0, 1, 2], [3], {})]))


def test_a_slice_of_one_value():
    tensors = [tensor((5,), scale=1.0), *(tensor((1,), "int32", data=[v]) for v in (-2, 0, 1)), tensor((), scale=1.0)]
    tensors.append(tensor((1,), scale=1.0))
    operators = [("STRIDED_SLICE", [0, 1, 2, 3], [4], dict(shrinkAxisMask=1)), ("RESHAPE", [4], [5], {})]
    check(build(tensors, operators), 0)


def test_five_independent_dimensions_are_refused():
    shape = (2, 2, 2, 2, 2)
    tensors = [tensor((32,), scale=1.0), tensor((5,), "int32", data=shape), tensor(shape, scale=1.0)]
    tensors += [tensor((5,), "int32", data=(4, 3, 2, 1, 0)), tensor(shape, scale=1.0)]
    with pytest.raises(UserError, match="5 independent dimensions"):
        Engine(build(tensors, [("RESHAPE", [0, 1], [2], {}), ("TRANSPOSE", [2, 3], [4], {})]))
