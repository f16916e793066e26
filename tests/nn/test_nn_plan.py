"""The memory plan: nothing that is in use shares a byte with anything else in use."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from networks import residual_network
from tflite_builder import build, tensor

from pyaed.nn import compile_graph, read_tflite
from pyaed.nn.plan import ALIGNMENT, Block, pack

blocks = st.lists(
    st.tuples(st.integers(1, 100), st.integers(-1, 12), st.integers(0, 6)).map(
        lambda t: Block("b", t[0], t[1], t[1] + t[2])
    ),
    max_size=16,
)


def assert_valid(placed: list[tuple[Block, int]], total: int) -> None:
    for i, (a, at) in enumerate(placed):
        assert at % ALIGNMENT == 0
        assert 0 <= at <= at + a.size <= total
        for b, other in placed[:i]:
            together = a.first <= b.last and b.first <= a.last
            assert not together or at + a.size <= other or other + b.size <= at


@given(blocks)
def test_blocks_in_use_together_do_not_overlap(blocks):
    offsets, total = pack(blocks)
    assert_valid(list(zip(blocks, offsets)), total)


@given(blocks)
def test_total_is_between_the_busiest_moment_and_the_sum(blocks):
    _, total = pack(blocks)
    busiest = max((sum(b.size for b in blocks if b.first <= t <= b.last) for t in range(-1, 20)), default=0)
    assert busiest <= total <= sum(-(-b.size // ALIGNMENT) * ALIGNMENT for b in blocks)


def test_plan_of_a_network():
    program = compile_graph(read_tflite(residual_network()))
    assert_valid(list(program.blocks), program.arena_size)
    assert sum(b.name.startswith("scratch") for b, _ in program.blocks) == 3
    rows = program.table()
    assert sum(row["macs"] for row in rows) == program.macs > 0
    assert sum(row["weights_bytes"] for row in rows) == program.weights_bytes > 0


def test_views_and_elementwise_nodes_take_no_memory():
    shapes = [(1, 64), (1, 8, 8, 1), (1, 8, 8, 1), (1, 8, 8, 1), (64,)]
    tensors = [tensor(s, scale=0.1) for s in shapes]
    tensors.insert(1, tensor((4,), "int32", data=np.array([1, 8, 8, 1])))
    operators = [
        ("RESHAPE", [0, 1], [2], {}),
        ("RELU", [2], [3], {}),
        ("ADD", [3, 3], [4], {}),
        ("SQUEEZE", [4], [5], {}),
    ]
    program = compile_graph(read_tflite(build(tensors, operators)))
    assert program.arena_size == 64
    assert program.input.offset == program.output.offset == 0


def test_an_operand_that_is_still_needed_is_not_overwritten():
    tensors = [tensor((1, 64), scale=0.1) for _ in range(3)]
    operators = [("RELU", [0], [1], {}), ("ADD", [0, 1], [2], {})]
    program = compile_graph(read_tflite(build(tensors, operators)))
    assert program.arena_size == 128
