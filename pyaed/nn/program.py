"""A lowered and planned network: what the C emitter prints and the host engine runs."""

import math
from dataclasses import dataclass, replace

import numpy as np

from pyaed.errors import UserError
from pyaed.nn.chain import MAX_STAGES, chain, runs
from pyaed.nn.graph import Graph, read_tflite
from pyaed.nn.lowering import Step, View, lower, scratch_bytes
from pyaed.nn.plan import Block, pack

IO_TYPES = {"int8": "AED_NN_INT8", "uint8": "AED_NN_UINT8", "float32": "AED_NN_FLOAT32"}


#: Bytes of arena from which on convolutions are executed depth-first.
ARENA_LIMIT = 100 * 1024


@dataclass(frozen=True)
class Value:
    """A tensor with its place in the arena."""

    tensor: int  # index in the .tflite file
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
    """One convolution of a chain: a C function and the fields of its parameter struct."""

    kernel: str
    params: dict


@dataclass(frozen=True)
class Node:
    """One kernel call."""

    name: str  # of the tensor it computes; of several joined by ';' the first
    operator: str  # TensorFlow Lite's name, for example CONV_2D
    kernel: str  # C function
    params: (
        dict  # fields of the kernel's parameter struct: int, float, list of int, array (const table), None, or Stages
    )
    output: Value
    macs: int  # multiply-accumulates
    weights_bytes: int  # const tables in flash


@dataclass(frozen=True)
class Program:
    """A network ready to run or to print: nodes in order over one arena."""

    name: str
    hash: str  # hex SHA-256 of the .tflite file
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

    def table(self) -> list[dict]:
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


def compile_graph(graph: Graph, arena_limit: int | None = ARENA_LIMIT) -> Program:
    """Lower every operator that the output depends on, and plan the arena.

    Parameters
    ----------
    graph : Graph, from ``read_tflite``
    arena_limit : int or None
        Bytes. Where the arena would be larger, a run of convolutions is executed depth-first in bands of rows: the shortest
        run and the widest bands that keep the limit, or those with the smallest arena. It is no promise: other layers may
        need more. None: every layer is a node of its own.

    Returns
    -------
    Program

    Raises
    ------
    UserError
        An operator, type or shape is not supported; the message names operator, tensor and shape.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise UserError(
            f"{graph.name}: {len(graph.inputs)} inputs and {len(graph.outputs)} outputs, expected one of each"
        )
    steps, views = _lower_all(graph)
    program = _plan(graph, steps, views)
    if arena_limit is not None and program.arena_size > arena_limit:
        steps, program = _depth_first(graph, steps, views, program, arena_limit)
    return _with_large_tiles(graph, steps, views, program)


def _with_large_tiles(graph: Graph, steps: list[Step], views: dict[int, int], program: Program) -> Program:
    """Let convolutions widen their weights as rarely as the arena permits without growing."""
    steps = list(steps)
    for i, step in enumerate(steps):
        if step.kernel not in ("aed_conv_s8", "aed_pointwise_s8"):
            continue
        p = step.params
        pixels = p["out_h"] * p["out_w"]
        for parts in range(1, -(-pixels // p["tile"])):
            tile = -(-pixels // (2 * parts)) * 2
            _, size = scratch_bytes(step.kernel, p, p["out_h"], tile)
            larger = replace(step, params=p | {"tile": tile}, scratch=size)
            if size > program.arena_size:
                continue
            other = _plan(graph, [*steps[:i], larger, *steps[i + 1 :]], views)
            if other.arena_size <= program.arena_size:
                steps[i], program = larger, other
                break
    return program


def _depth_first(
    graph: Graph, steps: list[Step], views: dict[int, int], whole: Program, limit: int
) -> tuple[list[Step], Program]:
    """Try the chains that contain the fullest moment of the plan; return the steps and the program of the best."""
    in_use = [sum(b.size for b, _ in whole.blocks if b.first <= i <= b.last) for i in range(len(steps))]
    peak = in_use.index(max(in_use))
    readers: dict[int, int] = {}
    for index in [graph.outputs[0], *views.values(), *(i for step in steps for i in step.reads.values())]:
        readers[index] = readers.get(index, 0) + 1
    best = (steps, whole)
    for first, last in runs(steps, readers):
        if not first <= peak <= last:
            continue
        spans = [(i, j) for i in range(first, peak + 1) for j in range(max(peak, i + 1), last + 1)]
        for i, j in sorted(spans, key=lambda span: span[1] - span[0]):
            if j - i >= MAX_STAGES:
                continue
            for band in _bands(steps[j].params["out_h"]):
                joined = [*steps[:i], chain(steps[i : j + 1], band), *steps[j + 1 :]]
                program = _plan(graph, joined, views)
                if program.arena_size < best[1].arena_size:
                    best = (joined, program)
                if program.arena_size <= limit:
                    return joined, program
    return best


def _bands(rows: int) -> list[int]:
    """Return band heights to try, widest first: a half of the rows, a third, ..., one row."""
    return sorted({-(-rows // parts) for parts in range(2, rows + 1)}, reverse=True)


def load(source) -> Program:
    """Return the Program of a Program, a Graph, or a ``.tflite`` path or content."""
    if isinstance(source, Program):
        return source
    return compile_graph(source if isinstance(source, Graph) else read_tflite(source))


def _lower_all(graph: Graph) -> tuple[list[Step], dict[int, int]]:
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
    steps, views = [], {}
    for number in sorted(lowered):
        item = lowered[number]
        if isinstance(item, View):
            views[item.output] = views.get(item.source, item.source)
        else:
            steps.append(item)
    return steps, views


def _plan(graph: Graph, steps: list[Step], views: dict[int, int]) -> Program:
    def root(index: int) -> int:
        return views.get(index, index)

    last = {root(graph.inputs[0]): -1}
    for number, step in enumerate(steps):
        last[step.output] = number
        for index in step.reads.values():
            last[root(index)] = number
    last[root(graph.outputs[0])] = len(steps)

    # An elementwise node takes over the memory of an operand that nobody reads afterwards.
    owner = {graph.inputs[0]: graph.inputs[0]}
    spans = {graph.inputs[0]: [-1, last[graph.inputs[0]]]}
    for number, step in enumerate(steps):
        heir = step.output
        for name in step.in_place:
            source = root(step.reads[name])
            if last[source] == number and _bytes(graph, source) == _bytes(graph, step.output):
                heir = owner[source]
                break
        owner[step.output] = heir
        spans.setdefault(heir, [number, number])[1] = last[step.output]
    keys = list(spans)
    blocks = [Block(graph.tensors[k].name, _bytes(graph, k), *spans[k]) for k in keys]
    scratched = [number for number, step in enumerate(steps) if step.scratch]
    blocks += [Block(f"scratch of {graph.tensors[steps[n].output].name}", steps[n].scratch, n, n) for n in scratched]
    offsets, arena_size = pack(blocks)
    place = dict(zip(keys, offsets))
    scratch = dict(zip(scratched, offsets[len(keys) :]))

    def value(index: int) -> Value:
        tensor = graph.tensors[index]
        if tensor.dtype not in IO_TYPES:
            raise UserError(f"{graph.name}: tensor {tensor}: type not supported (supported: {', '.join(IO_TYPES)})")
        quantized = tensor.dtype != "float32"
        if quantized and len(tensor.scales) != 1:
            raise UserError(f"{graph.name}: tensor {tensor}: expected one scale, it has {len(tensor.scales)}")
        return Value(
            index,
            tensor.name,
            place[owner[root(index)]],
            tensor.shape,
            tensor.dtype,
            float(tensor.scales[0]) if quantized else 1.0,
            int(tensor.zero_points[0]) if quantized else 0,
        )

    nodes = []
    for number, step in enumerate(steps):
        params = {field: place[owner[root(index)]] for field, index in step.reads.items()}
        params |= {"output": place[owner[step.output]]} | step.params
        if number in scratch:
            params["scratch"] = scratch[number]
        if step.stages:
            params = step.params | {"stages": _stages(step, params["input"], params["output"], scratch[number])}
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
    ends = [value(graph.inputs[0]), value(graph.outputs[0])]
    for end in ends:
        if not 1 <= len(end.shape) <= 4 or end.size == 0:
            raise UserError(f"{graph.name}: '{end.name}' has the shape {list(end.shape)}, expected 1 to 4 dimensions")
    return Program(graph.name, graph.hash, tuple(nodes), *ends, arena_size, tuple(zip(blocks, offsets)))


def _stages(step: Step, source: int, target: int, scratch: int) -> list[Stage]:
    """Return the stages of a chain with their arena offsets."""
    ends = [source, *(scratch + offset for offset in step.buffers), target]
    return [
        Stage(
            stage.kernel,
            stage.params | {"input": ends[i], "output": ends[i + 1], "scratch": scratch + stage.params["scratch"]},
        )
        for i, stage in enumerate(step.stages)
    ]


def _table_bytes(params: dict) -> int:
    tables = sum(v.nbytes for v in params.values() if isinstance(v, np.ndarray))
    return tables + sum(_table_bytes(stage.params) for stage in params.get("stages", ()))


def _bytes(graph: Graph, index: int) -> int:
    tensor = graph.tensors[index]
    return tensor.size * (4 if tensor.dtype == "float32" else 1)
