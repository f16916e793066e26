"""Channels that hardly change beside a bias of up to 2^30, as converters write them for weights near 0."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.m33_engine import run
from tflite_builder import Reference, build, differences, tensor

from pyaed.nn import Engine
from pyaed.nn.quantize import nearly_constant, quantize_multiplier, rescale

WINDOW = dict(padding=0, strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1)


@given(
    st.floats(2.0**-24, 2.0**-19), st.integers(-(1 << 31) + (1 << 22), (1 << 31) - (1 << 22)), st.integers(0, 1 << 20),
    st.integers(-128, 127), st.sampled_from([(-128, 127), (0, 127), (-3, 64)]), st.integers(0, 1 << 32),
)  # fmt: skip
def test_every_sum_gives_the_same_output(real, low, reach, zero, clamp, seed):
    """Also at the ends of the range and around the step in it."""
    multiplier, shift = quantize_multiplier(real)
    found = nearly_constant(low, low + reach, multiplier, shift, (zero, *clamp))

    def outputs(sums, multiplier, shift):
        return [min(max(rescale(int(x), multiplier, shift) + zero, clamp[0]), clamp[1]) for x in sums]

    ends = outputs([low, low + reach], multiplier, shift)
    if found is None:
        assert ends[1] - ends[0] > 1
        return
    offset, other, moved = found
    sums = np.random.default_rng(seed).integers(low, low + reach, 50, endpoint=True)
    rises = np.flatnonzero(np.diff(outputs(np.sort(sums), multiplier, shift)))
    step = [int(np.sort(sums)[i]) + d for i in rises for d in range(-3, 4)]
    sums = [low, low + reach, *sums, *(x for x in step if low <= x <= low + reach)]
    expected = outputs(sums, multiplier, shift)
    assert expected == outputs([int(x) + offset for x in sums], other, moved)
    assert all(abs(int(x) + offset) < 1 << 30 for x in sums)
    assert -31 <= moved <= 0


def layer(kind: str, seed: int) -> bytes:
    """One layer of 8 channels, half of them dead, their values around the steps of the output."""
    random = np.random.default_rng(seed)
    channels, scale, out_scale = 8, 0.02, 0.05
    shape = {
        "pointwise": (8, 1, 1, 8), "3x3": (8, 3, 3, 8), "grouped": (8, 3, 3, 2), "depthwise": (1, 3, 3, 8), "dense": (8, 8),
    }[kind]  # fmt: skip
    axis = 3 if kind == "depthwise" else 0
    values = random.integers(-127, 128, shape)
    dead = np.arange(channels) % 2 == 0
    reals = np.where(dead, 2.0 ** random.uniform(-24, -22, channels), 2.0**-9)
    steps = random.integers(-200, 260, channels) + 0.5
    limit = (1 << 30) + (1 << 29)
    bias = np.where(dead, np.clip(steps / reals, -limit, limit), random.integers(-2000, 2000, channels)).astype(
        np.int64
    )
    weight_scales = (reals * out_scale / scale).astype(np.float32)
    x_shape = (1, 8) if kind == "dense" else (1, 5, 4, 8)
    y_shape = (1, 8) if kind == "dense" else (1, 5, 4, 8)
    zero = int(random.choice([-128, 0, 7]))
    options = dict(weightsFormat=0) if kind == "dense" else dict(WINDOW)
    options["fusedActivationFunction"] = int(random.integers(0, 2))
    if kind == "depthwise":
        options["depthMultiplier"] = 1
    name = {"depthwise": "DEPTHWISE_CONV_2D", "dense": "FULLY_CONNECTED"}.get(kind, "CONV_2D")
    tensors = [
        tensor(x_shape, scale=scale, zero_point=-5),
        tensor(shape, scale=weight_scales, axis=axis, data=values),
        tensor((channels,), "int32", data=bias),
        tensor(y_shape, scale=out_scale, zero_point=zero),
    ]
    return build(tensors, [(name, [0, 1, 2], [3], options)])


@pytest.mark.parametrize("kind", ["pointwise", "3x3", "grouped", "depthwise", "dense"])
def test_layers_with_dead_channels(kind):
    for seed in range(12):
        content = layer(kind, seed)
        engine, reference = Engine(content), Reference(content)
        shape = engine.program.input.shape
        random = np.random.default_rng(seed)
        batch = [random.integers(-128, 128, shape), np.full(shape, -128), np.full(shape, 127)]
        for x in batch:
            assert differences(engine, reference, x[0].astype(np.int8)) == []


def test_dead_channels_on_the_core():
    engines = [Engine(layer(kind, 3)) for kind in ("pointwise", "3x3", "grouped", "depthwise", "dense")]
    random = np.random.default_rng(0)
    batches = [random.integers(-128, 128, (2, *engine.program.input.shape)).astype(np.int8) for engine in engines]
    found = run([(engine.program, batch) for engine, batch in zip(engines, batches)])
    assert [once.output.tobytes() for runs in found.runs for once in runs] == [
        engine.run(x).tobytes() for engine, batch in zip(engines, batches) for x in batch
    ]


@pytest.mark.parametrize(
    "name",
    ["02-dead-channel/dead_pw_1e-05", "02-dead-channel/dead_fc_b5_1e-3", "15-free-batch-dense/dense_3d"],
)
def test_cases(shared, name):
    content = (shared / "cases" / f"{name}.tflite").read_bytes()
    engine, reference = Engine(content), Reference(content)
    random = np.random.default_rng(0)
    for x in random.integers(-128, 128, (5, *engine.program.input.shape[1:])).astype(np.int8):
        assert differences(engine, reference, x) == []
