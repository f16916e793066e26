"""Work and memory that a model file asks for are bounded, and what stops early says so."""

import flatbuffers
import numpy as np
import pytest
from networks import convolution_stack
from tflite_builder import build, tensor

from pyaed.errors import UserError
from pyaed.nn import compile_graph, depth_first, graph, program, read_tflite


def pointwise_stack(rows: int, n_layers: int) -> bytes:
    """Layers of one channel on a map of many rows: a few hundred bytes a layer, whatever the rows."""
    weights, shape = tensor((1, 1, 1, 1), scale=0.1, data=[1]), (1, rows, 1, 1)
    tensors, operators = [tensor(shape, scale=1.0)], []
    options = dict(strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1)
    for _ in range(n_layers):
        x = len(tensors) - 1
        tensors += [weights, tensor(shape, scale=1.0)]
        operators.append(("CONV_2D", [x, x + 1], [x + 2], options))
    return build(tensors, operators)


@pytest.fixture
def effort(monkeypatch):
    """The steps that searches have taken, one entry a search."""
    searches = []

    class Counted(depth_first._Allowance):
        def __init__(self, left):
            super().__init__(left)
            searches.append(self)

    monkeypatch.setattr(depth_first, "_Allowance", Counted)
    return lambda: [depth_first.MAX_SEARCH - search.left for search in searches]


@pytest.mark.parametrize(("rows", "n_layers"), [(4_000_000, 3), (16, 400)])
def test_a_search_stops_and_says_so(rows, n_layers, caplog, effort):
    planned = compile_graph(read_tflite(pointwise_stack(rows, n_layers)), 0)
    assert "the search for a small and fast memory plan stopped after" in caplog.text
    assert max(effort()) <= depth_first.MAX_SEARCH
    assert planned.arena_size >= rows


def test_a_search_that_stopped_keeps_what_it_has_found(caplog, monkeypatch):
    content = read_tflite(convolution_stack(1))
    whole, best = (compile_graph(content, limit).arena_size for limit in (None, 0))
    sizes = []
    for steps in (0, 1_000, 10_000, 100_000):
        monkeypatch.setattr(depth_first, "MAX_SEARCH", steps)
        sizes.append(compile_graph(content, 0).arena_size)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] <= whole
    assert sizes[-1] == best < sizes[0]
    assert f"stopped after {1_000} steps" in caplog.text


@pytest.mark.parametrize("name", ["yamnet_256_64x96_tl_int8", "miniresnet_1stacks_64x50_tl_int8"])
def test_published_models_are_searched_whole(shared, name, caplog, effort):
    compile_graph(read_tflite(shared / "pretrained" / "st_model_zoo" / f"{name}.tflite"))
    assert caplog.text == ""
    assert 0 < max(effort()) < depth_first.MAX_SEARCH / 3


def test_a_model_of_four_million_rows(shared, caplog):
    planned = compile_graph(read_tflite(shared / "cases" / "17-hostile" / "rows_4m.tflite"))
    assert planned.arena_size < program.MAX_ARENA
    assert "rows_4m: the search" in caplog.text


def test_more_memory_or_work_than_any_microcontroller_has():
    maps = [tensor((1, graph.MAX_ELEMENTS), scale=0.1) for _ in range(5)]
    sums = [("RELU", [0], [1], {}), ("RELU", [0], [2], {}), ("ADD", [1, 2], [3], {}), ("ADD", [0, 3], [4], {})]
    with pytest.raises(UserError, match=f"takes {3 << 26} bytes of memory; at most {1 << 27} are accepted"):
        compile_graph(read_tflite(build(maps, sums)))
    x, y = tensor((1, 1 << 13, 1 << 12, 1), scale=1.0), tensor((1, 1 << 13, 1 << 12, 1), scale=1.0)
    options = dict(strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1)
    kernel = tensor((1, 64, 64, 1), scale=0.001, data=np.ones(64 * 64))
    with pytest.raises(UserError, match=f"takes {1 << 37} multiply-accumulates"):
        compile_graph(read_tflite(build([x, kernel, y], [("CONV_2D", [0, 1], [2], options)])))


def test_what_is_stored_once_is_not_read_without_end():
    from tensorflow.lite.python import schema_py_generated as schema

    weights = tensor((1, 100_000), scale=1.0, data=np.ones(100_000))
    content = build([tensor((1, 100_000), scale=1.0), weights, *[tensor((1, 1), scale=1e6)] * 30], [])
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for number, other in enumerate(model.subgraphs[0].tensors[1:]):
        other.shape, other.buffer = [1, 100_000], model.subgraphs[0].tensors[1].buffer
        other.name = f"weights {number}"

    def read(n_tensors):
        model.subgraphs[0].tensors = model.subgraphs[0].tensors[:n_tensors]
        model.subgraphs[0].outputs = [n_tensors - 1]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return read_tflite(bytes(builder.Output()))

    with pytest.raises(UserError, match="referred to more than 16 times"):
        read(32)
    assert len(read(8).tensors) == 8


@pytest.mark.parametrize(("kind", "limit"), [("tensors", "MAX_TENSORS"), ("operators", "MAX_OPERATORS")])
def test_members_are_counted_before_they_are_read(kind, limit, monkeypatch):
    tensors = [tensor((1, 4), scale=1.0) for _ in range(12)]
    content = build(tensors, [("RELU", [i], [i + 1], {}) for i in range(11)])
    monkeypatch.setattr(graph, limit, 10)
    read = []
    monkeypatch.setattr(graph, f"_{kind.removesuffix('s')}", lambda *args: read.append(args))
    with pytest.raises(UserError, match=r"a vector of 1[12] members, at most 10 are read"):
        read_tflite(content)
    assert read == []


def test_a_file_without_end(monkeypatch):
    monkeypatch.setattr(graph, "MAX_BYTES", 1 << 20)
    with pytest.raises(UserError, match=r"the model /dev/zero has more than 1048576 bytes"):
        read_tflite("/dev/zero")
