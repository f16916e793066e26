"""Depth-first execution: bands of rows give the bytes that whole maps give, in less memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import convolution_stack, random_network, residual_network
from test_nn_plan import assert_valid
from tflite_builder import Reference, differences

from pyaed.nn import Engine, compile_graph, read_tflite
from pyaed.nn.chain import chain, geometry, runs
from pyaed.nn.memory import fold_pads, readers
from pyaed.nn.program import lower_all, place


def assert_same(content: bytes, program, whole, seed: int) -> None:
    engine, reference = Engine(program, workers=1), Engine(whole, workers=1)
    shape = program.input.shape
    batch = np.random.default_rng(seed).integers(-128, 128, (2, *shape[1:])).astype(np.int8)
    assert engine.run(batch).tobytes() == reference.run(batch).tobytes()
    assert differences(engine, Reference(content), batch[0]) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.data())
def test_any_run_in_any_bands(seed, data):
    content = convolution_stack(seed)
    graph = read_tflite(content)
    steps, views = lower_all(graph)
    first = data.draw(st.integers(0, len(steps) - 2))
    last = data.draw(st.integers(first + 1, len(steps) - 1))
    rows = [data.draw(st.integers(1, step.params["out_h"])) for step in steps[first : last + 1]]
    joined = chain(steps[first : last + 1], rows, data.draw(st.integers(0, 4096)))
    program = place(graph, [*steps[:first], joined, *steps[last + 1 :]], views)
    assert_valid(list(program.blocks), program.arena_size)
    assert program.macs == compile_graph(graph, None).macs
    assert_same(content, program, compile_graph(graph, None), seed)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.data())
def test_pools_paddings_and_sums_in_chains(seed, data):
    content = random_network(seed)
    graph = read_tflite(content)
    steps, views = lower_all(graph)
    steps = fold_pads(graph, steps, views) if data.draw(st.booleans()) else steps
    joined, at = [], 0
    for first, last in runs(steps, readers(graph, steps, views)):
        first += steps[first].kernel == "aed_add_s8"
        if first < last:
            rows = [data.draw(st.integers(1, geometry(step).out_h)) for step in steps[first : last + 1]]
            joined += [*steps[at:first], chain(steps[first : last + 1], rows, 1024)]
            at = last + 1
    program = place(graph, [*joined, *steps[at:]], views)
    assert_valid(list(program.blocks), program.arena_size)
    assert_same(content, program, compile_graph(graph, None), seed)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_smallest_arena(seed):
    content = convolution_stack(seed)
    whole, banded = (compile_graph(read_tflite(content), limit) for limit in (None, 0))
    assert banded.arena_size <= whole.arena_size
    assert banded.weights_bytes == whole.weights_bytes
    assert_same(content, banded, whole, seed)


def test_a_tensor_with_two_readers_stays_whole():
    whole, banded = (compile_graph(read_tflite(residual_network()), limit) for limit in (None, 0))
    names = {node.name for node in whole.nodes} - {node.name for node in banded.nodes}
    # The max pool's output feeds both branches, whose ends meet in the ADD: nothing there may be joined.
    assert banded.arena_size <= whole.arena_size
    assert names
    assert all("CONV" in node.operator or "POOL" in node.operator for node in whole.nodes if node.name in names)


@pytest.mark.parametrize("name", ["yamnet_256_64x96_tl_int8", "miniresnet_1stacks_64x50_tl_int8"])
def test_published_models_in_little_memory(shared, name):
    content = (shared / "pretrained" / "st_model_zoo" / f"{name}.tflite").read_bytes()
    graph = read_tflite(content)
    whole = compile_graph(graph, None)
    for limit in (100 * 1024, 56 * 1024, 48 * 1024):
        program = compile_graph(graph, limit)
        assert program.arena_size <= limit
        assert_same(content, program, whole, limit)


@pytest.mark.parametrize("limit", [0, 1000])
def test_no_limit_is_a_promise(limit):
    program = compile_graph(read_tflite(residual_network()), limit)
    assert program.arena_size > 0
