"""The kernels for the Cortex-M33, on the emulated core, equal the portable ones on the host in every byte of every layer."""

import os
import random
import shutil

import numpy as np
import pytest
from graphs import inputs, random_graph
from networks import convolution_stack, residual_network
from support.m33_engine import checksum, execute, run
from tflite_builder import build, tensor

from pyaed.nn import Engine, compile_graph, read_tflite
from pyaed.sources import source_root

#: How many random graphs; PYAED_GRAPHS_M33=500 is the long run.
GRAPHS = int(os.environ.get("PYAED_GRAPHS_M33", "40"))

PUBLISHED = [
    "st_model_zoo/yamnet_256_64x96_tl_int8.tflite",
    "st_model_zoo/miniresnet_1stacks_64x50_tl_int8.tflite",
    "mlperf_tiny/kws_ref_model.tflite",
    "mlperf_tiny/pretrainedResnet_quant.tflite",
]


@pytest.fixture(autouse=True, scope="module")
def tools():
    for name in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(name) is None:
            pytest.fail(f"{name} is missing: `make test` installs it")


def random_layer(seed: int) -> bytes:
    """One convolution of a random kind: half of them end in a ReLU at zero point -128, where rounding takes a short cut."""
    numbers = np.random.default_rng(seed)
    depthwise = bool(numbers.integers(2))
    h, w = (int(v) for v in numbers.integers(1, 13, 2))
    c = int(numbers.choice([1, 2, 3, 4, 5, 8, 12, 16, 20]))
    kernel = [(3, 3), (3, 3), (1, 1), (1, 1), tuple(numbers.integers(1, 6, 2).tolist())][numbers.integers(5)]
    strides = [(1, 1), (1, 1), (2, 2), (2, 2), (1, 2), (2, 1), (3, 3)][numbers.integers(7)]
    dilation = 2 if strides == (1, 1) and numbers.random() < 0.15 else 1
    n = c * int(numbers.choice([1, 1, 1, 2])) if depthwise else int(numbers.choice([1, 3, 4, 7, 8, 13, 16]))
    sizes = []
    same = bool(numbers.integers(2)) or any(d < (k - 1) * dilation + 1 for d, k in zip((h, w), kernel))
    for size, k, stride in zip((h, w), kernel, strides):
        sizes.append(-(-size // stride) if same else (size - (k - 1) * dilation - 1) // stride + 1)
    shape = (1, *kernel, n) if depthwise else (n, *kernel, c)
    depth = kernel[0] * kernel[1] * (1 if depthwise else c)
    data = numbers.choice([-127, 127], shape) if numbers.random() < 0.2 else numbers.integers(-127, 128, shape)
    # Sums stay below 2^24 or so; the factor decides how far they spread over the output's range.
    scale = (2.0 ** numbers.uniform(-3, 1, n) / np.sqrt(depth) / 60).astype(np.float32)
    if numbers.random() < 0.1:
        scale *= np.float32(2.0 ** numbers.integers(-18, 8))
    relu = bool(numbers.integers(2))
    zero = -128 if relu else int(numbers.integers(-128, 128))
    activation = int(numbers.choice([0, 1])) if relu else int(numbers.integers(0, 4))
    tensors = [
        tensor(
            (1, h, w, c), scale=0.5, zero_point=int(numbers.choice([-128, 127, 0, int(numbers.integers(-128, 128))]))
        ),
        tensor(shape, scale=scale, axis=3 if depthwise else 0, data=data),
        tensor((n,), "int32", data=numbers.integers(-3000, 3000, n)),
        tensor((1, *sizes, n), scale=0.5, zero_point=zero),
    ]
    options = dict(strideH=strides[0], strideW=strides[1], dilationHFactor=dilation, dilationWFactor=dilation)
    options |= dict(padding=0 if same else 1, fusedActivationFunction=activation)
    return build(tensors, [("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", [0, 1, 2], [3], options)])


def assert_equal(contents: list, n: int = 2, flags: tuple[str, ...] = ()) -> list[Engine]:
    engines = [Engine(content, workers=1) for content in contents]
    jobs = [(engine.program, inputs(engine.program.input, n, seed)) for seed, engine in enumerate(engines)]
    result = run(jobs, flags)
    for number, (engine, (program, batch), runs) in enumerate(zip(engines, jobs, result.runs)):
        for x, once in zip(batch, runs):
            layers = engine.run_layers(x[0])
            wrong = [name for (name, y), seen in zip(layers, once.checksums) if checksum(y.tobytes()) != seen]
            assert wrong == [], f"model {number}: {program.nodes[0].params}"
            assert once.output.tobytes() == engine.run(x)[0].tobytes()
    return engines


def test_the_short_rounding_equals_the_long_one(tmp_path):
    root = source_root()
    boards = root / "firmware" / "boards"
    folders = [root / "nn_c" / "include", root / "dsp_c" / "include", boards, boards / "common"]
    sources = [root / "nn_c" / "tests" / "m33_rescale.c", *sorted((boards / "mps2_an505").glob("*.c"))]
    sources += sorted((boards / "common").glob("*.c"))
    execute(sources, folders, tmp_path / "m33.elf", tmp_path / "out")


@pytest.mark.parametrize("block", range(2))
def test_random_convolutions(block):
    engines = assert_equal([random_layer(1000 * block + i) for i in range(60)])
    params = [e.program.nodes[0].params for e in engines]
    assert {p["fast_rounding"] for p in params} == {0, 1}
    assert {min(p["tile"], 1) for p in params} == {0, 1}


def test_random_graphs():
    """One half as they are, one half in the smallest arena."""
    graphs = [read_tflite(random_graph(random.Random(seed))) for seed in range(GRAPHS)]
    programs = [compile_graph(graph, (None, 0)[number % 2]) for number, graph in enumerate(graphs)]
    for first in range(0, GRAPHS, 100):
        assert_equal(programs[first : first + 100])


def test_a_residual_network():
    assert_equal([residual_network()])


def test_chains():
    programs = [compile_graph(read_tflite(convolution_stack(seed)), arena_limit=0) for seed in range(20)]
    assert sum(node.kernel == "aed_chain_s8" for program in programs for node in program.nodes) > 10
    assert_equal(programs)


def test_portable_kernels_on_the_core():
    assert_equal([*(random_layer(5000 + i) for i in range(15)), residual_network()], flags=("-DAED_PORTABLE",))


@pytest.mark.parametrize("optimization", ["-O0", "-Os", "-O3"])
def test_other_optimization_levels(optimization):
    assert_equal([random_layer(7000 + i) for i in range(15)], flags=(optimization,))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models(shared, name):
    assert_equal([(shared / "pretrained" / name).read_bytes()])
