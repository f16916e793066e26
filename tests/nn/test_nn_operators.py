"""Every operator, in random shapes and quantizations, equals TensorFlow Lite's reference kernel in every byte."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tflite_builder import Reference, build, differences, tensor

from pyaed.errors import UserError
from pyaed.nn import Engine

ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}
PADDINGS = {"SAME": 0, "VALID": 1}

sizes = st.integers(1, 9)
channels = st.integers(1, 11)
seeds = st.integers(0, 2**32 - 1)
zero_points = st.integers(-128, 127)
activations = st.sampled_from(sorted(ACTIVATIONS.values()))
#: Scales over many powers of two, with random and with empty fractions.
scales = st.one_of(
    st.floats(-8, 2).map(lambda e: np.float32(2.0**e)),
    st.integers(-8, 2).map(lambda e: np.float32(2.0**e)),
)

many = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
few = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


def check(content: bytes, seed: int) -> None:
    """Compare random inputs and the two extremes, layer by layer."""
    engine, reference = Engine(content), Reference(content)
    shape, dtype = reference.input["shape"], reference.input["dtype"]
    random = np.random.default_rng(seed)
    if dtype == np.float32:
        end = engine.program.output
        spread = random.normal(0, 200, shape) * end.scale
        ties = (random.integers(-300, 300, shape) + 0.5) * end.scale
        inputs = [spread.astype(np.float32), ties.astype(np.float32)]
    else:
        info = np.iinfo(dtype)
        inputs = [random.integers(info.min, info.max + 1, shape).astype(dtype) for _ in range(2)]
        inputs += [np.full(shape, info.min, dtype), np.full(shape, info.max, dtype)]
    for x in inputs:
        assert differences(engine, reference, x) == []


def weights(random: np.random.Generator, shape: tuple, n: int, axis: int, per_channel: bool) -> dict:
    scale = (2.0 ** random.uniform(-9, -3, n if per_channel else 1)).astype(np.float32)
    return tensor(shape, scale=scale, axis=axis, data=random.integers(-127, 128, shape))


def output_scale(random: np.random.Generator, x_scale: np.float32, w: dict, depth: int) -> np.float32:
    """A scale that the sums fill to a random degree: from all within a few steps to nearly all saturated."""
    typical = float(x_scale) * float(np.max(w["scale"])) * 73 * 73 * depth**0.5
    return np.float32(typical / 2.0 ** random.uniform(1, 9))


def ties(random: np.random.Generator, x_scale, w: dict, y_scale, n: int) -> np.ndarray:
    """Biases that lie near rounding ties of the output, where the ways to round differ."""
    real = float(x_scale) * np.broadcast_to(w["scale"], n).astype(np.float64) / float(y_scale)
    bias = (random.integers(-200, 200, n) + 0.5) / real + random.integers(-1, 2, n)
    return np.clip(np.rint(bias), -(2**24), 2**24).astype(np.int32)


@many
@given(
    sizes, sizes, channels, channels, st.tuples(*[st.integers(1, 4)] * 2), st.tuples(*[st.integers(1, 3)] * 4),
    st.sampled_from(sorted(PADDINGS)), st.sampled_from([0, 1, 1, 2, 3]), st.booleans(), activations, scales, zero_points,
    zero_points, seeds,
)  # fmt: skip
def test_conv_2d(h, w, in_c, out_c, kernel, steps, padding, groups, per_channel, activation, scale, zx, zy, seed):
    """`groups` 0: depthwise."""
    random = np.random.default_rng(seed)
    (kernel_h, kernel_w), (sh, sw, dh, dw) = kernel, steps
    if dh > 1 or dw > 1:
        sh = sw = 1
    depthwise = groups == 0
    if depthwise:
        multiplier = 1 + out_c % 3
        out_c = in_c * multiplier
    else:
        in_c, out_c = in_c * groups, out_c * groups
    extent_h, extent_w = (kernel_h - 1) * dh + 1, (kernel_w - 1) * dw + 1
    if padding == "VALID":
        h, w = max(h, extent_h), max(w, extent_w)
        out = (h - extent_h) // sh + 1, (w - extent_w) // sw + 1
    else:
        out = -(-h // sh), -(-w // sw)
    options = dict(
        padding=PADDINGS[padding], strideH=sh, strideW=sw, dilationHFactor=dh, dilationWFactor=dw,
        fusedActivationFunction=activation,
    )  # fmt: skip
    if depthwise:
        options["depthMultiplier"] = multiplier
        kernel_tensor = weights(random, (1, kernel_h, kernel_w, out_c), out_c, 3, per_channel)
        depth = kernel_h * kernel_w
    else:
        kernel_tensor = weights(random, (out_c, kernel_h, kernel_w, in_c // groups), out_c, 0, per_channel)
        depth = kernel_h * kernel_w * in_c // groups
    y_scale = output_scale(random, scale, kernel_tensor, depth)
    bias = ties(random, scale, kernel_tensor, y_scale, out_c)
    bias_tensor = tensor((out_c,), "int32", scale * kernel_tensor["scale"], data=bias)
    content = build(
        [
            tensor((1, h, w, in_c), scale=scale, zero_point=zx),
            kernel_tensor,
            bias_tensor,
            tensor((1, *out, out_c), scale=y_scale, zero_point=zy),
        ],
        [("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", [0, 1, 2], [3], options)],
    )
    check(content, seed)


@many
@given(
    st.integers(1, 5), st.integers(1, 70), channels, st.booleans(), st.booleans(), activations, scales, zero_points,
    zero_points, seeds,
)  # fmt: skip
def test_fully_connected(rows, depth, out_c, per_channel, has_bias, activation, scale, zx, zy, seed):
    random = np.random.default_rng(seed)
    w = weights(random, (out_c, depth), out_c, 0, per_channel)
    y_scale = output_scale(random, scale, w, depth)
    tensors = [tensor((rows, depth), scale=scale, zero_point=zx), w]
    if has_bias:
        bias = ties(random, scale, w, y_scale, out_c)
        tensors.append(tensor((out_c,), "int32", scale * w["scale"], data=bias))
    tensors.append(tensor((rows, out_c), scale=y_scale, zero_point=zy))
    inputs = list(range(len(tensors) - 1))
    operator = ("FULLY_CONNECTED", inputs, [len(tensors) - 1], dict(fusedActivationFunction=activation))
    check(build(tensors, [operator]), seed)


@many
@given(
    st.sampled_from(["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"]), st.booleans(), st.floats(-20, 2), scales, seeds
)  # fmt: skip
def test_rounding_near_ties(name, per_channel, exponent, scale, seed):
    """The input contributes nothing: the biases alone put every output within a few units of a rounding tie."""
    random = np.random.default_rng(seed)
    n = 64
    spatial = () if name == "FULLY_CONNECTED" else (1, 1)
    depthwise = name == "DEPTHWISE_CONV_2D"
    w = weights(random, (1, 1, 1, n) if depthwise else (n, *spatial, 4), n, 3 if depthwise else 0, per_channel)
    w["data"] = np.zeros(w["shape"], np.int8)
    y_scale = np.float32(float(scale) * float(np.max(w["scale"])) * 2.0 ** random.choice([-exponent, -round(exponent)]))
    tensors = [
        tensor((1, *spatial, n if depthwise else 4), scale=scale),
        w,
        tensor((n,), "int32", scale * w["scale"], data=ties(random, scale, w, y_scale, n)),
        tensor((1, *spatial, n), scale=y_scale),
    ]
    options = {} if not spatial else dict(strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1)
    check(build(tensors, [(name, [0, 1, 2], [3], options)]), seed)


@many
@given(
    st.sampled_from(["AVERAGE_POOL_2D", "MAX_POOL_2D"]), sizes, sizes, channels, st.tuples(*[st.integers(1, 4)] * 2),
    st.tuples(*[st.integers(1, 3)] * 2), st.sampled_from(sorted(PADDINGS)), activations, scales, zero_points, seeds,
)  # fmt: skip
def test_pool(name, h, w, c, kernel, strides, padding, activation, scale, zero_point, seed):
    (kh, kw), (sh, sw) = kernel, strides
    if padding == "VALID":
        h, w = max(h, kh), max(w, kw)
        out = (h - kh) // sh + 1, (w - kw) // sw + 1
    else:
        out = -(-h // sh), -(-w // sw)
    options = dict(
        padding=PADDINGS[padding], strideH=sh, strideW=sw, filterHeight=kh, filterWidth=kw,
        fusedActivationFunction=activation,
    )  # fmt: skip
    content = build(
        [
            tensor((1, h, w, c), scale=scale, zero_point=zero_point),
            tensor((1, *out, c), scale=scale, zero_point=zero_point),
        ],
        [(name, [0], [1], options)],
    )
    check(content, seed)


@many
@given(
    st.sampled_from(["MEAN", "REDUCE_MAX"]), st.tuples(sizes, sizes, channels),
    st.sampled_from([(1, 2), (2, 1), (1,), (2,), (3,), (1, 2, 3), (2, 3), (-1,)]),
    st.booleans(), scales, scales, zero_points, zero_points, seeds,
)  # fmt: skip
def test_reduction(name, dims, axes, keep, sx, sy, zx, zy, seed):
    if name == "REDUCE_MAX":
        sy, zy = sx, zx
    shape = (1, *dims)
    reduced = {a % 4 for a in axes}
    out = [1 if i in reduced else d for i, d in enumerate(shape)]
    if not keep:
        out = [d for i, d in enumerate(shape) if i not in reduced]
    content = build(
        [
            tensor(shape, scale=sx, zero_point=zx),
            tensor((len(axes),), "int32", data=axes),
            tensor(out, scale=sy, zero_point=zy),
        ],
        [(name, [0, 1], [2], dict(keepDims=keep))],
    )
    check(content, seed)


@many
@given(
    st.sampled_from(["ADD", "SUB", "MUL"]), st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data(), activations,
    scales, scales, scales, st.tuples(*[zero_points] * 3), st.booleans(), seeds,
)  # fmt: skip
def test_add_sub_and_mul(name, dims, data, activation, sa, sb, sy, zeros, swap, seed):
    random = np.random.default_rng(seed)
    other = [d if data.draw(st.booleans()) else 1 for d in dims][data.draw(st.integers(0, len(dims) - 1)) :]
    if name != "MUL":  # TensorFlow Lite aborts on a smaller output scale
        sy = max(sy, np.float32(max(sa, sb) / 2**16))
    constant = random.integers(-128, 128, other)
    content = build(
        [
            tensor(dims, scale=sa, zero_point=zeros[0]),
            tensor(other, scale=sb, zero_point=zeros[1], data=constant),
            tensor(dims, scale=sy, zero_point=zeros[2]),
        ],
        [(name, [1, 0] if swap else [0, 1], [2], dict(fusedActivationFunction=activation))],
    )
    check(content, seed)


@many
@given(
    st.sampled_from(["ADD", "SUB", "MUL", "SQUARED_DIFFERENCE", "PRELU", "MINIMUM", "MAXIMUM"]),
    scales,
    scales,
    scales,
    scales,
    seeds,
)
def test_two_computed_tensors(name, sx, sa, sb, sy, seed):
    random = np.random.default_rng(seed)
    zeros = random.integers(-128, 128, 3)
    sy = max(sy, np.float32(max(sa, sb) / 2**16))
    if name == "SQUARED_DIFFERENCE":  # TensorFlow Lite aborts on a smaller output scale
        sy = max(sy, np.float32(max(sa, sb) ** 2 / 2**11))
    if name in ("MINIMUM", "MAXIMUM"):  # one quantization for all
        sa, sb, zeros = sy, sy, np.repeat(zeros[:1], 3)
    shape = (1, 4, 3, 5)
    content = build(
        [
            tensor(shape, scale=sx),
            tensor(shape, scale=sa, zero_point=zeros[0]),
            tensor(shape, scale=sb, zero_point=zeros[1]),
            tensor(shape, scale=sy, zero_point=zeros[2]),
        ],
        [("QUANTIZE", [0], [1], {}), ("QUANTIZE", [0], [2], {}), (name, [1, 2], [3], {})],
    )
    check(content, seed)


@many
@given(st.sampled_from(["MINIMUM", "MAXIMUM", "PRELU"]), st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data(),
       scales, scales, scales, st.tuples(*[zero_points] * 3), st.booleans(), seeds)  # fmt: skip
def test_choices_and_prelu(name, dims, data, sx, sa, sy, zeros, swap, seed):
    random = np.random.default_rng(seed)
    other = [d if data.draw(st.booleans()) else 1 for d in dims][data.draw(st.integers(0, len(dims) - 1)) :]
    if name != "PRELU":
        sx, sa, zeros = sy, sy, (zeros[2],) * 3
    content = build(
        [
            tensor(dims, scale=sx, zero_point=zeros[0]),
            tensor(other, scale=sa, zero_point=zeros[1], data=random.integers(-128, 128, other)),
            tensor(dims, scale=sy, zero_point=zeros[2]),
        ],
        [(name, [1, 0] if swap and name != "PRELU" else [0, 1], [2], {})],
    )
    check(content, seed)


@many
@given(
    st.booleans(), st.tuples(sizes, sizes), channels, st.tuples(*[st.integers(1, 3)] * 2), st.tuples(*[st.integers(1, 3)] * 2),
    st.booleans(), st.tuples(*[st.integers(0, 2)] * 4), scales, zero_points, zero_points, seeds,
)  # fmt: skip
def test_convolutions_between_batches(depthwise, size, c, kernel, block, same, extra, scale, zx, zy, seed):
    """SPACE_TO_BATCH_ND, convolution, BATCH_TO_SPACE_ND: TensorFlow's form of a dilated convolution."""
    random = np.random.default_rng(seed)
    pads, crops, inner, outer, out = [], [], [], [], []
    for axis in (0, 1):
        d, k, b = size[axis], kernel[axis], block[axis]
        before = (k - 1) * b // 2 + extra[axis]
        total = max(-(-(d + before) // b), k) * b
        pads.append([before, total - d - before])
        inner.append(total // b)
        outer.append(total // b if same else total // b - k + 1)
        room = outer[-1] * b
        crops.append([min(extra[axis], room - 1), min(extra[2 + axis], room - 1 - min(extra[axis], room - 1))])
        out.append(room - sum(crops[-1]))
    shape = (1, *kernel, c) if depthwise else (c, *kernel, c)
    w = weights(random, shape, c, 3 if depthwise else 0, True)
    y_scale = output_scale(random, scale, w, kernel[0] * kernel[1] * (1 if depthwise else c))
    n = block[0] * block[1]
    content = build(
        [
            tensor((1, *size, c), scale=scale, zero_point=zx),
            tensor((2,), "int32", data=block),
            tensor((2, 2), "int32", data=pads),
            tensor((2, 2), "int32", data=crops),
            w,
            tensor((c,), "int32", data=ties(random, scale, w, y_scale, c)),
            tensor((n, *inner, c), scale=scale, zero_point=zx),
            tensor((n, *outer, c), scale=y_scale, zero_point=zy),
            tensor((1, *out, c), scale=y_scale, zero_point=zy),
        ],
        [
            ("SPACE_TO_BATCH_ND", [0, 1, 2], [6], {}),
            ("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", [6, 4, 5], [7],
             dict(padding=0 if same else 1, strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1)
             | (dict(depthMultiplier=1) if depthwise else {})),
            ("BATCH_TO_SPACE_ND", [7, 1, 3], [8], {}),
        ],
    )  # fmt: skip
    check(content, seed)


@many
@given(st.integers(1, 40), scales, zero_points, st.sampled_from([0.5, 1.0, 2.0]), seeds)
def test_softmax(depth, scale, zero_point, beta, seed):
    """Many rows: a softmax in another arithmetic agrees in all but a few outputs in a million."""
    content = build(
        [
            tensor((2000, depth), scale=scale, zero_point=zero_point),
            tensor((2000, depth), scale=1 / 256, zero_point=-128),
        ],
        [("SOFTMAX", [0], [1], dict(beta=beta))],
    )
    check(content, seed)


@many
@given(
    st.sampled_from(["LOGISTIC", "TANH", "GELU", "RELU", "RELU6", "RELU_N1_TO_1", "QUANTIZE", "DEQUANTIZE"]), scales, scales,
    zero_points, zero_points, seeds,
)  # fmt: skip
def test_unary(name, sx, sy, zx, zy, seed):
    """All 256 input values."""
    y = tensor((1, 256), scale=sy, zero_point=zy)
    if name == "LOGISTIC":
        y = tensor((1, 256), scale=1 / 256, zero_point=-128)
    if name == "DEQUANTIZE":
        y = tensor((1, 256), "float32")
    options = dict(approximate=bool(seed % 2)) if name == "GELU" else {}
    content = build([tensor((1, 256), scale=sx, zero_point=zx), y], [(name, [0], [1], options)])
    engine, reference = Engine(content), Reference(content)
    assert differences(engine, reference, np.arange(-128, 128, dtype=np.int8).reshape(1, 256)) == []


@many
@given(st.floats(0, 4, width=32), scales, scales, zero_points, zero_points)
def test_leaky_relu(alpha, sx, sy, zx, zy):
    """All 256 input values."""
    tensors = [tensor((1, 256), scale=sx, zero_point=zx), tensor((1, 256), scale=sy, zero_point=zy)]
    content = build(tensors, [("LEAKY_RELU", [0], [1], dict(alpha=alpha))])
    engine, reference = Engine(content), Reference(content)
    assert differences(engine, reference, np.arange(-128, 128, dtype=np.int8).reshape(1, 256)) == []


@settings(many, max_examples=200)
@given(scales, scales, zero_points, zero_points)
def test_hard_swish(sx, sy, zx, zy):
    """All 256 input values."""
    sy = min(max(sy, sx / np.float32(100)), sx * np.float32(256))  # beyond is refused; a smaller one by both
    tensors = [tensor((1, 256), scale=sx, zero_point=zx), tensor((1, 256), scale=sy, zero_point=zy)]
    content = build(tensors, [("HARD_SWISH", [0], [1], {})])
    engine, reference = Engine(content), Reference(content)
    assert differences(engine, reference, np.arange(-128, 128, dtype=np.int8).reshape(1, 256)) == []


def test_hard_swish_beyond_16_bits_is_refused():
    tensors = [tensor((1, 256), scale=np.float32(1 / 256)), tensor((1, 256), scale=np.float32(4.0))]
    with pytest.raises(UserError, match=r"HARD_SWISH.*beyond 16-bit"):
        Engine(build(tensors, [("HARD_SWISH", [0], [1], {})]))


@few
@given(scales, scales, zero_points, st.integers(0, 255), seeds)
def test_uint8_and_float_ends(sx, sy, zx, zy, seed):
    """uint8 -> int8 -> uint8, float32 -> int8 -> float32 and float32 -> uint8."""
    chains = [
        [tensor((1, 256), "uint8", sx, zy), tensor((1, 256), "int8", sx, zy - 128), tensor((1, 256), "uint8", sy, zy)],
        [tensor((1, 256), "float32"), tensor((1, 256), "int8", sx, zx), tensor((1, 256), "float32")],
    ]
    for tensors in chains:
        last = "DEQUANTIZE" if tensors[2]["dtype"] == "float32" else "QUANTIZE"
        content = build(tensors, [("QUANTIZE", [0], [1], {}), (last, [1], [2], {})])
        check(content, seed)
    check(build([tensor((1, 64), "float32"), tensor((1, 64), "uint8", sy, zy)], [("QUANTIZE", [0], [1], {})]), seed)
