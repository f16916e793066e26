"""Reading .onnx files: what is refused, and with which message; budgets; damaged files."""

import resource
import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.onnx_builder import Builder, residual_network

from pyaed import nn
from pyaed.errors import UserError
from pyaed.nn.onnx import is_quantized, load, wire
from pyaed.nn.onnx.model import parse


def small() -> Builder:
    b = Builder()
    x = b.fake(b.input((1, 2, 3, 4)))
    w, scales = b.weights(np.ones((2, 2, 1, 1)))
    b.last = b.fake(b.op("Conv", x, w, b.bias(np.ones(2), 0.05, scales), kernel_shape=[1, 1]), 0.1)
    return b


def written(tmp_path, proto: onnx.ModelProto, name: str = "m.onnx"):
    path = tmp_path / name
    path.write_bytes(proto.SerializeToString())
    return path


def refused(path, match: str) -> None:
    with pytest.raises(UserError, match=match) as error:
        load(path)
    assert len(str(error.value).splitlines()) == 1


def test_a_free_batch_is_one(tmp_path):
    b = residual_network(batch="N")
    model = load(b.write(tmp_path / "m.onnx", b.last))
    assert model.shapes["patch"] == (1, 1, 16, 12)
    assert model.shapes[b.last] == (1, 3)
    assert not model.quantized


def test_shapes_that_a_graph_computes(tmp_path):
    """Shape, Gather, Concat in front of a Reshape, as exporters write `x.view(x.size(0), -1)`: constants once the batch is known."""
    b = Builder()
    x = b.fake(b.input(("N", 2, 3, 4)))
    first = b.op("Gather", b.op("Shape", x), b.constant(0, np.int64), axis=0)
    shape = b.op("Concat", b.op("Unsqueeze", first, b.constant([0], np.int64)), b.constant([-1], np.int64), axis=0)
    path = b.write(tmp_path / "m.onnx", b.fake(b.op("Reshape", x, b.op("Cast", shape, to=TensorProto.INT64))))
    model = load(path)
    assert {node.op_type for node in model.proto.graph.node} == {"QuantizeLinear", "DequantizeLinear", "Reshape"}
    assert nn.read_model(path).outputs
    assert nn.Engine(path).program.output.shape == (1, 24)


def test_operators_of_others(tmp_path):
    b = small()
    b.nodes.append(helper.make_node("Sparkle", [b.last], ["s"], domain="my.ops"))
    refused(
        written(tmp_path, b.model("s")),
        r"m\.onnx: Sparkle computing 's': a custom operator of 'my\.ops'; expected ONNX's own",
    )
    b = small()
    last = b.op("Convv", b.last)
    refused(
        written(tmp_path, b.model(last)),
        r"Convv computing 'Convv_\d+_\d+': no operator of opset 17 \(did you mean 'Conv'\?\)",
    )
    b = small()
    last = b.op("If", b.last, then_branch=b.model(b.last).graph, else_branch=b.model(b.last).graph)
    refused(written(tmp_path, b.model(last)), "If computing .*: control flow is not supported")


def test_an_opset_that_is_not_known(tmp_path):
    b = small()
    proto = b.model(b.last)
    proto.opset_import[0].version = 999
    refused(
        written(tmp_path, proto),
        r"version 999 of ONNX's operators \(opset\), the installed package onnx .* knows 1 to \d+",
    )


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (("N", 1, "mels", 12), "input 'patch' has the dynamic size mels; expected fixed sizes"),
        ((8, 1, 16, 12), "input 'patch' takes batches of 8; expected 1 or a free batch"),
        ((1, 1, 0, 12), "input 'patch' has a size of 0"),
        ((1, 1, 1 << 40, 12), "input 'patch' has a size of"),
    ],
)
def test_dynamic_shapes(shape, message, tmp_path):
    b = residual_network(batch=shape[0], shape=shape[1:])
    refused(b.write(tmp_path / "m.onnx", b.last), message)


def test_a_shape_that_depends_on_values(tmp_path):
    b = Builder()
    refused(
        b.write(tmp_path / "m.onnx", b.op("NonZero", b.input((1, 4))), dtype=TensorProto.INT64),
        r"NonZero computing 'NonZero_\d+_\d+': its shape is dynamic",
    )


def external(tmp_path, location: str, length: str = "24", offset: str = "0"):
    b = Builder()
    x = b.input((1, 6))
    last = b.op("Add", x, b.constant(np.arange(6)))
    proto = b.model(last)
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("length", length), ("offset", offset)):
        tensor.external_data.add(key=key, value=value)
    folder = tmp_path / "model"
    folder.mkdir(exist_ok=True)
    return written(folder, proto)


def test_data_beside_the_model(tmp_path):
    path = external(tmp_path, "weights.bin", offset="8")
    (path.parent / "weights.bin").write_bytes(b"........" + np.arange(6, dtype=np.float32).tobytes())
    model = load(path)
    np.testing.assert_array_equal(numpy_helper.to_array(model.proto.graph.initializer[0]), np.arange(6))


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "link", "", "a\0b"])
def test_data_outside_of_the_models_folder(location, tmp_path):
    """Also behind a link; the file that it leads to is there."""
    (tmp_path / "secret").write_bytes(bytes(64))
    path = external(tmp_path, location)
    if location == "link":
        (path.parent / "link").symlink_to(tmp_path / "secret")
    refused(path, r"tensor 'c_\d+_\d+' has its data in '.*', outside of the model's folder; expected a file beside it")


@pytest.mark.parametrize(("length", "offset"), [("24", "1"), ("25", "0"), ("-5", "0"), ("x", "0"), ("24", "-1")])
def test_data_that_is_not_there(length, offset, tmp_path):
    path = external(tmp_path, "weights.bin", length, offset)
    refused(path, "which is not there or too short")
    (path.parent / "weights.bin").write_bytes(bytes(24))
    refused(path, "which is not there or too short")


def test_fewer_values_than_the_shape_says(tmp_path):
    b = small()
    proto = b.model(b.last)
    proto.graph.initializer[0].dims.extend([7])
    refused(written(tmp_path, proto), r"tensor 'c_\d+_\d+' is damaged")
    proto.graph.initializer[0].dims.extend([1 << 40])
    refused(written(tmp_path, proto), r"tensor 'c_\d+_\d+' has the shape .*at most 67108864 values are read")


def test_a_name_with_two_values(tmp_path):
    b = small()
    b.nodes.append(helper.make_node("Relu", [b.last], ["patch"]))
    refused(written(tmp_path, b.model(b.last)), "Relu computing 'patch': 'patch' has a value already")


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (field(7, field(1, b"") * 600_000), "more than 524288 nodes, names and sizes"),
        (field(7, field(5, field(7, bytes(40 << 20)))), "its numbers take more than 268435456 bytes"),
        (field(25, b""), "field 25 of its ModelProto: functions, training graphs"),
        (field(7, b"\x0a\x7f"), "not an ONNX model, or damaged"),
        (b"PK\x03\x04" + bytes(100), "not an ONNX model, or damaged"),
        (b"", "not an ONNX model, or damaged"),
    ],
    ids=["nodes", "numbers", "functions", "cut", "zip", "empty"],
)
def test_budgets_before_parsing(content, message, tmp_path):
    """Small files that a parser would make gigabytes of."""
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    refused(path, message)
    assert time.monotonic() - start < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10  # KiB


def test_nested_messages(tmp_path):
    content = b""
    for _ in range(20):
        content = field(1, field(5, field(6, content)))
    path = tmp_path / "m.onnx"
    path.write_bytes(field(7, content))
    refused(path, "nested more than 16 deep")


def test_a_real_model_is_within_the_budget():
    """The counting reads the fields that the package has: as many levels, none that it would refuse."""
    b = residual_network()
    wire.check(b.model(b.last).SerializeToString(), "m")


@pytest.mark.parametrize("seed", range(6))
def test_damaged_files(seed, tmp_path):
    """Bytes changed, cut out and put in: a result or one message, in bounded time."""
    rng = np.random.default_rng(seed)
    b = small() if seed % 2 else residual_network()
    good = b.model(b.last).SerializeToString()
    path = tmp_path / "m.onnx"
    read, messages = 0, []
    for _ in range(60):
        content = bytearray(good)
        for _ in range(rng.integers(1, 6)):
            at = int(rng.integers(len(content)))
            kind = rng.integers(3)
            if kind == 0:
                content[at] = int(rng.integers(256))
            elif kind == 1:
                del content[at : at + int(rng.integers(1, 40))]
            else:
                content[at:at] = rng.bytes(int(rng.integers(1, 20)))
            if not content:
                break
        path.write_bytes(bytes(content))
        try:
            nn.Engine(path)
            read += 1
        except UserError as error:
            messages.append(str(error))
    assert read < 60
    assert all(len(message.splitlines()) == 1 for message in messages)


def test_kinds_of_models(tmp_path):
    b = residual_network()
    assert not is_quantized(b.write(tmp_path / "f.onnx", b.last))
    with pytest.raises(UserError, match=r"f\.onnx: a float model; the engine computes int8: quantize it first"):
        nn.read_onnx(tmp_path / "f.onnx")
    b = small()
    assert is_quantized(b.write(tmp_path / "q.onnx", b.last))
    b = Builder()
    x = b.quantize(b.input((1, 4)), 0.1)
    one = [b.constant(0.1), b.constant(0, np.int8)]
    y = b.op("QLinearMatMul", x, *one, b.constant(np.ones((4, 3)), np.int8), *one, *one)
    path = b.write(tmp_path / "o.onnx", b.dequantize(y, 0.1))
    with pytest.raises(
        UserError, match=r"QLinearMatMul computing '.*': a model of quantized operators; expected the form QDQ"
    ):
        nn.read_onnx(path)


def test_an_engine_model_is_named_after_its_file(tmp_path):
    b = small()
    path = b.write(tmp_path / "siren.onnx", b.last)
    program = nn.Engine(path).program
    assert program.name == "siren"
    assert program.hash == parse(path)[1]
