"""Which tensors of a network need memory of their own, when, and where it lies."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from pyaed.nn.graph import Graph
from pyaed.nn.lowering import Step
from pyaed.nn.plan import Block, pack


@dataclass(frozen=True)
class Layout:
    """A placed network."""

    blocks: tuple[tuple[Block, int], ...]  # (block, offset)
    size: int  # bytes
    place: Callable[[int], int]  # arena offset of a tensor
    scratch: dict[int, int]  # number of a step -> arena offset of its scratch memory


def assign(graph: Graph, steps: list[Step], views: dict[int, int]) -> Layout:
    """Place every tensor and scratch area in the arena."""
    owners, spans = _owners(graph, steps, views)
    scratched = [number for number, step in enumerate(steps) if step.scratch]
    blocks = _blocks(graph, steps, spans)
    offsets, size = pack(blocks)
    at = dict(zip(spans, offsets))
    scratch = dict(zip(scratched, offsets[len(spans) :]))

    def place(index: int) -> int:
        owner, offset = owners[views.get(index, index)]
        return at[owner] + offset

    return Layout(tuple(zip(blocks, offsets)), size, place, scratch)


def blocks_of(graph: Graph, steps: list[Step], views: dict[int, int]) -> list[Block]:
    """Return the memory that the steps need, without places."""
    return _blocks(graph, steps, _owners(graph, steps, views)[1])


def _blocks(graph: Graph, steps: list[Step], spans: dict[int, list[int]]) -> list[Block]:
    blocks = [Block(graph.tensors[k].name, size, first, last) for k, (first, last, size) in spans.items()]
    return blocks + [
        Block(f"scratch of {graph.tensors[step.output].name}", step.scratch, n, n)
        for n, step in enumerate(steps)
        if step.scratch
    ]


def _owners(
    graph: Graph, steps: list[Step], views: dict[int, int]
) -> tuple[dict[int, tuple[int, int]], dict[int, list[int]]]:
    """Return (owner, offset) of each tensor: whose memory it lives in; and [first step, last step, bytes] of each owner."""

    def root(index: int) -> int:
        return views.get(index, index)

    last = {root(graph.inputs[0]): -1}
    for number, step in enumerate(steps):
        last[step.output] = number
        for index in step.reads.values():
            last[root(index)] = number
    last[root(graph.outputs[0])] = len(steps)

    # A node that may do so takes over the memory of an operand that nobody reads afterwards.
    owners = {graph.inputs[0]: (graph.inputs[0], 0)}
    spans = {graph.inputs[0]: [-1, last[graph.inputs[0]], _bytes(graph, graph.inputs[0])]}
    for number, step in enumerate(steps):
        size = _bytes(graph, step.output)
        for name in step.in_place:
            source = root(step.reads[name])
            taken, owner = _bytes(graph, source), owners[source][0]
            others = [index for index in step.reads.values() if index != step.reads[name]]
            if last[source] != number or (step.stages and source in map(root, others)):
                continue
            if step.stages:
                # A chain writes behind the rows that it has read: its output begins `lead` bytes before its input.
                if (
                    owners[source] == (source, 0)
                    and spans[source][2] == taken
                    and step.lead < min(size, size + taken - 1)
                ):
                    owners[source] = (source, step.lead)
                    owners[step.output] = (source, 0)
                    spans[source] = [spans[source][0], last[step.output], max(step.lead + taken, size)]
                    break
            elif taken == size:
                owners[step.output] = owners[source]
                spans[owner][1] = last[step.output]
                break
        if step.output not in owners:
            owners[step.output] = (step.output, 0)
            spans[step.output] = [number, last[step.output], size]
    return owners, spans


def readers(graph: Graph, steps: list[Step], views: dict[int, int]) -> dict[int, int]:
    """Return how often each tensor is read."""
    result: dict[int, int] = {}
    for index in [graph.outputs[0], *views.values(), *(i for step in steps for i in step.reads.values())]:
        result[index] = result.get(index, 0) + 1
    return result


def fold_pads(graph: Graph, steps: list[Step], views: dict[int, int]) -> list[Step]:
    """Drop each PAD of rows and columns whose only reader is a window that can do the padding itself.

    Convolutions count what lies outside their input as its zero point, a max pool leaves it out: padding with the zero
    point, or with the lowest value, changes nothing.
    """
    count = readers(graph, steps, views)
    producers = {step.output: step for step in steps}
    dropped, result = set(), []
    for step in steps:
        pad = producers.get(step.reads.get("input", -1))
        p = step.params
        neutral = -128 if step.kernel == "aed_max_pool_s8" else p.get("input_zero_point")
        if (
            step.kernel in ("aed_conv_s8", "aed_depthwise_s8", "aed_max_pool_s8")
            and pad is not None
            and pad.kernel == "aed_pad_8"
            and graph.tensors[pad.output].dtype == "int8"
            and count[pad.output] == 1
            and pad.params["value"] == neutral
            and pad.params["out_dims"][1:3] == [p["in_h"], p["in_w"]]
            and all(pad.params["in_dims"][i] == pad.params["out_dims"][i] for i in (0, 3))
        ):
            _, above, left, _ = pad.params["before"]
            _, in_h, in_w, _ = pad.params["in_dims"]
            sizes = {"in_h": in_h, "in_w": in_w, "pad_top": p["pad_top"] + above, "pad_left": p["pad_left"] + left}
            step = replace(step, reads=pad.reads, params=p | sizes)
            dropped.add(pad.output)
        result.append(step)
    return [step for step in result if step.output not in dropped]


def _bytes(graph: Graph, index: int) -> int:
    tensor = graph.tensors[index]
    return tensor.size * (4 if tensor.dtype == "float32" else 1)
