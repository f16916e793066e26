"""The reader and the lowering refuse what they cannot express, and only ever with a UserError."""

import functools
import random

import numpy as np
import pytest
from graphs import random_graph
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from networks import residual_network
from tflite_builder import build, tensor

from pyaed.errors import UserError
from pyaed.nn import Engine, compile_graph, read_metadata_buffer, read_tflite


@functools.cache
def network() -> bytes:
    return residual_network(metadata={"pyaed": b'{"format_version": 1}', "other": b""})


def read_and_run(content: bytes) -> None:
    """Do all that a model file goes through; only UserError may come out."""
    try:
        read_metadata_buffer(content)
        program = compile_graph(read_tflite(content))
        if program.macs < 10**6 and program.arena_size < 10**6:
            Engine(program, workers=1).run(np.zeros((1, *program.input.shape[1:]), program.input.dtype))
    except UserError as error:
        assert len(str(error)) > 10  # noqa: PT017


def test_reads_a_graph_and_its_metadata(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(network())
    graph = read_tflite(path)
    assert graph.name == "net"
    assert graph.tensors[0].name == "patch"
    assert graph.tensors[0].shape == (1, 12, 10, 1)
    assert [o.name for o in graph.operators][:3] == ["QUANTIZE", "TRANSPOSE", "PAD"]
    assert read_metadata_buffer(path) == b'{"format_version": 1}'
    assert read_metadata_buffer(path, "other") == b""
    assert read_metadata_buffer(path, "absent") is None


def test_operators_that_nobody_reads_fall_away():
    kinds = [row["kind"] for row in compile_graph(read_tflite(network())).table()]
    assert "RELU6" not in kinds
    assert "RESHAPE" not in kinds


def test_shape_arithmetic_before_a_reshape_falls_away():
    """What Keras emits for Flatten with a free batch size: SHAPE and friends feed only the shape of a RESHAPE."""
    tensors = [
        tensor((1, 2, 3), scale=0.1),
        tensor((1,), "int32"),
        tensor((1, 6), scale=0.1),
    ]
    content = build(tensors, [("DEQUANTIZE", [0], [1], {}), ("RESHAPE", [0, 1], [2], {})])
    program = compile_graph(read_tflite(content))
    assert program.nodes == ()
    x = np.arange(6, dtype=np.int8)[np.newaxis]
    assert (Engine(program).run(x.reshape(1, 2, 3)) == x).all()


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\0" * 64, b"PK\3\4" + b"\0" * 60])
def test_not_a_model(content):
    with pytest.raises(UserError, match="not a TensorFlow Lite model"):
        read_tflite(content)


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"cannot read the model .*absent\.tflite"):
        read_tflite(tmp_path / "absent.tflite")


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, len(network()) - 1), st.integers(1, 255)), min_size=1, max_size=4))
def test_flipped_bytes_give_user_errors(flips):
    content = bytearray(network())
    for position, mask in flips:
        content[position] ^= mask
    read_and_run(bytes(content))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 29), st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(1, 255)), min_size=1, max_size=4))
def test_flipped_bytes_of_random_graphs(seed, flips):
    content = bytearray(random_graph(random.Random(seed)))
    for position, mask in flips:
        content[position % len(content)] ^= mask
    read_and_run(bytes(content))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(network()) - 1))
@example(8)
def test_truncated_files_give_user_errors(length):
    read_and_run(network()[:length])


def unary(name, x, y, options=None, more=()):
    return build([x, *more, y], [(name, [0, *range(1, 1 + len(more))], [1 + len(more)], options or {})])


WINDOW = dict(strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1)
REFUSED = {
    "operator": (
        unary("LOG_SOFTMAX", tensor((1, 4), scale=1), tensor((1, 4), scale=1, name="logs")),
        r"LOG_SOFTMAX computing 'logs' int8 \[1, 4\]: operator not supported",
    ),
    "type": (
        unary("RELU", tensor((1, 4), "int16", 1), tensor((1, 4), "int16", 1, name="y")),
        r"RELU computing 'y' int16 \[1, 4\]: tensor 't0' int16 \[1, 4\]: type not supported here \(supported: int8\)",
    ),
    "float convolution": (
        unary("CONV_2D", tensor((1, 4, 4, 1), "float32"), tensor((1, 4, 4, 1), "float32"), WINDOW,
              [tensor((1, 1, 1, 1), "float32", data=[1])]),
        r"CONV_2D computing 't2' float32 \[1, 4, 4, 1\]: .*type not supported here",
    ),
    "batch": (
        unary("CONV_2D", tensor((2, 4, 4, 1), scale=1), tensor((2, 4, 4, 1), scale=1), WINDOW,
              [tensor((1, 1, 1, 1), scale=1, data=[1])]),
        "shapes do not fit or are not supported",
    ),
    "groups": (
        unary("CONV_2D", tensor((1, 4, 4, 4), scale=1), tensor((1, 4, 4, 2), scale=1), WINDOW,
              [tensor((2, 1, 1, 3), scale=1, data=[1] * 6)]),
        r"weights 't1' int8 \[2, 1, 1, 3\] do not fit the 4 channels of 't0' int8 \[1, 4, 4, 4\]",
    ),
    "batches": (
        unary("BATCH_TO_SPACE_ND", tensor((4, 2, 2, 1), scale=1), tensor((1, 4, 4, 1), scale=1, name="joined"), {},
              [tensor((2,), "int32", data=[2, 2]), tensor((2, 2), "int32", data=[[0, 0], [0, 0]])]),
        r"BATCH_TO_SPACE_ND computing 'joined' int8 \[1, 4, 4, 1\]: supported only as the end of SPACE_TO_BATCH_ND",
    ),
    "batches of a computed loop": (
        build([tensor((1, 4, 4, 1), scale=1), tensor((2,), "int32", data=[2, 2]), tensor((2, 2), "int32", data=[[0, 0]] * 2),
               tensor((1, 4, 4, 1), scale=1), tensor((1, 4, 4, 1), scale=1)],
              [("RESHAPE", [3, 1], [3], {}), ("BATCH_TO_SPACE_ND", [3, 1, 2], [4], {})]),
        "supported only as the end of SPACE_TO_BATCH_ND",
    ),
    "maximum of two scales": (
        unary("MAXIMUM", tensor((1, 4), scale=1), tensor((1, 4), scale=1), {}, [tensor((1, 4), scale=2, data=[1] * 4)]),
        "quantized differently",
    ),
    "weights that are computed": (
        unary("FULLY_CONNECTED", tensor((1, 4), scale=1), tensor((1, 1), scale=1), {}, [tensor((1, 4), scale=1)]),
        "has to be a constant",
    ),
    "weights with a zero point": (
        unary("FULLY_CONNECTED", tensor((1, 1), scale=1), tensor((1, 1), scale=1), {},
              [tensor((1, 1), scale=1, zero_point=3, data=[1])]),
        "zero points of 0",
    ),
    "fused activation": (
        unary("FULLY_CONNECTED", tensor((1, 1), scale=1), tensor((1, 1), scale=1), {"fusedActivationFunction": 4},
              [tensor((1, 1), scale=1, data=[1])]),
        "fused activation TANH is not supported",
    ),
    "output size": (
        unary("CONV_2D", tensor((1, 4, 4, 1), scale=1), tensor((1, 9, 4, 1), scale=1), WINDOW,
              [tensor((1, 1, 1, 1), scale=1, data=[1])]),
        "output size 9 where 4 follows",
    ),
    "no scale": (
        unary("LOGISTIC", tensor((1, 4)), tensor((1, 4), scale=1 / 256, zero_point=-128)),
        "expected one scale, it has 0",
    ),
    "zero point out of range": (
        unary("LOGISTIC", tensor((1, 4), scale=1, zero_point=200), tensor((1, 4), scale=1)),
        "zero point 200 is out of range",
    ),
    "reduced axes apart": (
        unary("MEAN", tensor((2, 3, 4, 5), scale=1), tensor((2, 4), scale=1), {},
              [tensor((2,), "int32", data=[1, 3])]),
        "not neighbours",
    ),
    "sums beyond 30 bits": (
        unary("CONV_2D", tensor((1, 1, 1, 1), scale=1), tensor((1, 1, 1, 1), scale=2**-24), WINDOW,
              [tensor((1, 1, 1, 1), scale=1, data=[127])]),
        "beyond 30 bits",
    ),
    "products beyond 32 bits": (
        unary("FULLY_CONNECTED", tensor((1, 1), scale=1), tensor((1, 1), scale=2**-24), {},
              [tensor((1, 1), scale=1, data=[127])]),
        "beyond 32 bits",
    ),
    "softmax scale": (
        unary("SOFTMAX", tensor((1, 4), scale=1), tensor((1, 4), scale=1 / 128), {"beta": 1.0}),
        "scale 1/256",
    ),
    "nothing to reduce": (
        unary("MEAN", tensor((1, 0, 4), scale=1), tensor((1, 4), scale=1), {}, [tensor((1,), "int32", data=[1])]),
        "is empty",
    ),
    "shift of zero sums": (
        unary("CONV_2D", tensor((1, 1, 1, 1), scale=1), tensor((1, 1, 1, 1), scale=2**-40), WINDOW,
              [tensor((1, 1, 1, 1), scale=1, data=[0])]),
        "beyond 30 bits",
    ),
    "softmax of nearly equal values": (
        unary("SOFTMAX", tensor((1, 4), scale=1e-8), tensor((1, 4), scale=1 / 256, zero_point=-128), {"beta": 1.0}),
        "has to be above 2\\^-26",
    ),
    "missing producer": (
        build([tensor((1, 4), scale=1), tensor((1, 4), scale=1), tensor((1, 4), scale=1)], [("RELU", [1], [2], {})]),
        "nothing computes 't1'",
    ),
    "order": (
        build([tensor((1, 4), scale=1), tensor((1, 4), scale=1), tensor((1, 4), scale=1)],
              [("RELU", [1], [2], {}), ("RELU", [0], [1], {})]),
        "reads a tensor before it is computed",
    ),
    "a window of 2^31 samples": (
        unary("DEPTHWISE_CONV_2D", tensor((1, 4, 4, 1), scale=1), tensor((1, 4, 4, 1), scale=1),
              dict(strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=2**31 - 1, depthMultiplier=1, padding=0),
              [tensor((1, 1, 2, 1), scale=1, data=[1, 1])]),
        "dilation 2147483647: a window that reaches too far",
    ),
    "values that are no numbers": (
        unary("GELU", tensor((1, 4), scale=3e38), tensor((1, 4), scale=1)),
        "lead to values that are no numbers",
    ),
    "a padding value of no numbers": (
        unary("PADV2", tensor((1, 1), scale=1), tensor((1, 1), scale=1), {},
              [tensor((2, 2), "int32", data=[[0, 0], [0, 0]]), tensor((0,), scale=1, data=[])]),
        "shapes do not fit|has to be a constant",
    ),
    "a padding value in float": (
        unary("PADV2", tensor((1, 1), scale=1), tensor((1, 1), scale=1), {},
              [tensor((2, 2), "int32", data=[[0, 0], [0, 0]]), tensor((1,), "float32", scale=1, data=[0])]),
        "type not supported here",
    ),
    "a permutation of many axes": (
        unary("TRANSPOSE", tensor((1, 4), scale=1), tensor((1, 4), scale=1, name="n" * 5_000), {},
              [tensor((5_000,), "int32", data=[1] * 5_000)]),
        r"^.{0,450}\(50.. characters\): permutation \[1, 1.{0,420}\(\d+ characters\)$",
    ),
    "five dimensions": (
        unary("RELU", tensor((1, 1, 2, 2, 2), scale=1), tensor((1, 1, 2, 2, 2), scale=1)),
        "expected 1 to 4 dimensions",
    ),
}  # fmt: skip


def test_a_stride_that_is_never_taken_does_not_overflow():
    window = WINDOW | {"strideH": 2**31 - 1, "strideW": 2**31 - 1}
    weights = tensor((3, 1, 1, 3), scale=1, data=[1] * 9)
    content = unary("CONV_2D", tensor((1, 4, 5, 3), scale=1), tensor((1, 1, 1, 3), scale=1), window, [weights])
    (node,) = compile_graph(read_tflite(content)).nodes
    assert (node.params["stride_h"], node.params["stride_w"]) == (4, 5)


def test_a_dilation_between_nothing_does_not_overflow():
    window = WINDOW | {"dilationHFactor": 2**31 - 1, "dilationWFactor": 2**31 - 1}
    weights = tensor((3, 1, 1, 3), scale=1, data=[1] * 9)
    content = unary("CONV_2D", tensor((1, 4, 5, 3), scale=1), tensor((1, 4, 5, 3), scale=1), window, [weights])
    (node,) = compile_graph(read_tflite(content)).nodes
    assert (node.params["dilation_h"], node.params["dilation_w"]) == (1, 1)


def test_a_shape_computed_with_a_divisor_of_zero_stays_as_the_file_has_it():
    """RESHAPE to (0, -1), where the file computes the shape."""
    constants = [tensor((2,), "int32", data=[0, -1]), tensor((2,), "int32", data=[0, 0])]
    tensors = [tensor((1, 6), scale=1), *constants, tensor((2,), "int32"), tensor((2, 3), scale=1)]
    content = build(tensors, [("ADD", [1, 2], [3], {}), ("RESHAPE", [0, 3], [4], {})])
    assert compile_graph(read_tflite(content)).nodes == ()


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_what_is_wrong(case):
    content, message = REFUSED[case]
    with pytest.raises(UserError, match=message):
        compile_graph(read_tflite(content))


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (np.zeros((1, 9, 10, 1), np.float32), r"a batch of shape \[1, 9, 10, 1\], expected \[N, 12, 10, 1\]"),
        (np.zeros((12, 10), np.float32), "a batch of shape"),
        (np.zeros((1, 12, 10, 1), np.int32), "a batch of int32, expected float32"),
        (np.float32(0), "a batch of shape"),
    ],
)
def test_wrong_batches(batch, message):
    with pytest.raises(UserError, match=message):
        Engine(network()).run(batch)


def test_values_that_are_not_finite_are_refused():
    content = build([tensor((1, 2), scale=1), tensor((1, 2), scale=1)], [("RELU", [0], [1], {})])
    with pytest.raises(UserError, match="not finite"):
        Engine(content).run(np.array([[1, np.nan]], np.float32))


def test_messages_about_absurd_shapes_are_short():
    shape = tuple(range(100_000, 101_000))
    content = build([tensor(shape, scale=1), tensor((1, 4), scale=1)], [("RELU", [0], [1], {})])
    with pytest.raises(
        UserError, match=r"damaged TensorFlow Lite model \(tensor .* has the shape \[100000, "
    ) as refused:
        read_tflite(content)
    assert len(str(refused.value)) < 1000
