"""A lowered and planned network: what the C emitter prints and the host engine runs."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyaed.errors import UserError, shorten
from pyaed.nn.chain import stage_fields
from pyaed.nn.depth_first import ARENA_LIMIT, fit
from pyaed.nn.free_batch import with_fixed_batch
from pyaed.nn.graph import Graph, read_tflite
from pyaed.nn.lowering import Fields, Step, View, lower
from pyaed.nn.memory import assign, fold_pads
from pyaed.nn.onnx import read_onnx
from pyaed.nn.plan import Block

#: The largest network that is accepted: far above what a microcontroller computes, within seconds of a host.
MAX_ARENA = 1 << 27  # bytes
MAX_MACS = 1 << 36  # of one inference

IO_TYPES = {"int8": "AED_NN_INT8", "uint8": "AED_NN_UINT8", "float32": "AED_NN_FLOAT32"}


@dataclass(frozen=True)
class Value:
    """A tensor with its place in the arena."""

    tensor: int  # index in the graph
    name: str
    offset: int  # bytes
    shape: tuple[int, ...]
    dtype: str
    scale: float  # 1.0 for float32
    zero_point: int  # 0 for float32

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Stage:
    """One layer of a chain: a C function, the fields of its parameter struct and those of aed_chain_stage."""

    kernel: str
    params: Fields
    fields: Fields


@dataclass(frozen=True)
class Node:
    """One kernel call."""

    name: str  # of the tensor it computes; of several joined by ';' the first
    operator: str  # TensorFlow Lite's name, for example CONV_2D
    kernel: str  # C function
    params: Fields  # of the kernel's parameter struct; a chain's has a list of Stages
    output: Value
    macs: int  # multiply-accumulates
    weights_bytes: int  # const tables in flash


@dataclass(frozen=True)
class Program:
    """A network ready to run or to print: nodes in order over one arena."""

    name: str
    hash: str  # hex SHA-256 of the model file
    nodes: tuple[Node, ...]
    input: Value
    output: Value
    arena_size: int  # bytes
    blocks: tuple[tuple[Block, int], ...]  # memory plan: (block, offset)

    @property
    def weights_bytes(self) -> int:
        """Bytes of all const tables."""
        return sum(node.weights_bytes for node in self.nodes)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(node.macs for node in self.nodes)

    def table(self) -> list[dict[str, Any]]:
        """Return one row per node: name, kind, kernel, shape of the output, macs, weights_bytes, offset."""
        return [
            {
                "name": node.name,
                "kind": node.operator,
                "kernel": node.kernel,
                "shape": node.output.shape,
                "macs": node.macs,
                "weights_bytes": node.weights_bytes,
                "offset": node.output.offset,
            }
            for node in self.nodes
        ]


ModelSource = str | os.PathLike[str] | bytes | Graph | Program


def compile_graph(graph: Graph, arena_limit: int | None = ARENA_LIMIT) -> Program:
    """Lower every operator that the output depends on, and plan the arena.

    Parameters
    ----------
    graph : Graph, from ``read_tflite`` or ``read_onnx``
    arena_limit : int or None
        Bytes. Where the arena would be larger, layers are executed depth-first in bands of rows: the cheapest way that keeps
        the limit, or that with the smallest arena. It is no promise: other layers may need more. None: every layer is a node
        of its own.

    Returns
    -------
    Program

    Raises
    ------
    UserError
        An operator, type or shape is not supported; the message names operator, tensor and shape. Or the network is larger
        than `MAX_ARENA` or `MAX_MACS`.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise UserError(
            f"{graph.name}: {len(graph.inputs)} inputs and {len(graph.outputs)} outputs, expected one of each"
        )
    graph = with_fixed_batch(graph)
    steps, views = lower_all(graph)
    steps = fold_pads(graph, steps, views)
    return place(graph, fit(graph, steps, views, arena_limit), views)


def load(source: ModelSource) -> Program:
    """Return the Program of a Program, a Graph, a ``.tflite`` or ``.onnx`` path, or a ``.tflite``'s content."""
    if isinstance(source, Program):
        return source
    return compile_graph(source if isinstance(source, Graph) else read_model(source))


def read_model(source: str | os.PathLike[str] | bytes) -> Graph:
    """Read a quantized model: a path that ends with ``.onnx`` by `read_onnx`, everything else by `read_tflite`."""
    if isinstance(source, (str, os.PathLike)) and os.fspath(source).endswith(".onnx"):
        return read_onnx(source)
    return read_tflite(source)


def lower_all(graph: Graph) -> tuple[list[Step], dict[int, int]]:
    """Lower what the output needs. Operators whose results only feed shapes (SHAPE, PACK ...) fall away."""
    producers: dict[int, int] = {}
    for number, operator in enumerate(graph.operators):
        for index in operator.outputs:
            if index in producers or index in graph.inputs or graph.tensors[index].data is not None:
                raise UserError(
                    f"{graph.name}: {operator.name} writes {graph.tensors[index]}, which has a value already"
                )
            producers[index] = number
    lowered: dict[int, Step | View] = {}
    wanted = [graph.outputs[0]]
    while wanted:
        index = wanted.pop()
        if index in graph.inputs:
            continue
        if index not in producers:
            raise UserError(f"{graph.name}: nothing computes {graph.tensors[index]}")
        number = producers[index]
        if number not in lowered:
            item = lowered[number] = lower(graph, graph.operators[number])
            sources = [item.source] if isinstance(item, View) else list(item.reads.values())
            if any(producers.get(source, -1) >= number for source in sources):
                raise UserError(f"{graph.name}: {graph.operators[number].name} reads a tensor before it is computed")
            wanted += sources
    steps: list[Step] = []
    views: dict[int, int] = {}
    for number in sorted(lowered):
        item = lowered[number]
        if isinstance(item, View):
            views[item.output] = views.get(item.source, item.source)
        else:
            steps.append(item)
    return steps, views


def place(graph: Graph, steps: list[Step], views: dict[int, int]) -> Program:
    """Return the Program of lowered steps: every tensor and scratch area has its place in the arena."""
    layout = assign(graph, steps, views)
    for needed, limit, unit in (
        (layout.size, MAX_ARENA, "bytes of memory"),
        (sum(step.macs for step in steps), MAX_MACS, "multiply-accumulates"),
    ):
        if needed > limit:
            raise UserError(f"{graph.name}: an inference takes {needed} {unit}; at most {limit} are accepted")

    def value(index: int) -> Value:
        tensor = graph.tensors[index]
        if tensor.dtype not in IO_TYPES:
            raise UserError(f"{graph.name}: tensor {tensor}: type not supported (supported: {', '.join(IO_TYPES)})")
        quantized = tensor.dtype != "float32"
        if quantized and len(tensor.scales) != 1:
            raise UserError(f"{graph.name}: tensor {tensor}: expected one scale, it has {len(tensor.scales)}")
        if quantized and not np.iinfo(tensor.dtype).min <= tensor.zero_points[0] <= np.iinfo(tensor.dtype).max:
            raise UserError(f"{graph.name}: tensor {tensor}: zero point {tensor.zero_points[0]} is out of range")
        return Value(
            index,
            tensor.name,
            layout.place(index),
            tensor.shape,
            tensor.dtype,
            float(tensor.scales[0]) if quantized else 1.0,
            int(tensor.zero_points[0]) if quantized else 0,
        )

    nodes = []
    for number, step in enumerate(steps):
        params = step.placed(layout.place)
        params |= {"output": layout.place(step.output)} | step.params
        if number in layout.scratch:
            params["scratch"] = layout.scratch[number]
        if step.stages:
            fields = stage_fields(step, params["input"], params["output"], params["scratch"], layout.place)
            params = step.params | {"stages": [Stage(*f) for f in fields]}
        nodes.append(
            Node(
                graph.tensors[step.output].name.split(";")[0],
                step.operator,
                step.kernel,
                params,
                value(step.output),
                step.macs,
                _table_bytes(params),
            )
        )
    source, target = value(graph.inputs[0]), value(graph.outputs[0])
    for end in (source, target):
        if not 1 <= len(end.shape) <= 4 or end.size == 0:
            raise UserError(
                f"{graph.name}: '{end.name}' has the shape {shorten(str(list(end.shape)))}, expected 1 to 4 dimensions"
            )
    return Program(graph.name, graph.hash, tuple(nodes), source, target, layout.size, layout.blocks)


def _table_bytes(params: Mapping[str, Any]) -> int:
    tables = sum(v.nbytes for v in params.values() if isinstance(v, np.ndarray))
    return tables + sum(_table_bytes(stage.params) for stage in params.get("stages", ()))
