"""Depth-first execution: layers that run one after the other in bands of rows, so that the maps between them never exist
whole (kernel aed_chain_s8)."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from pyaed.nn.lowering import Fields, Step, scratch_bytes

MAX_STAGES = 24  # AED_CHAIN_STAGES in nn_c/include/aed_nn_kernels.h
CONVOLUTIONS = ("aed_conv_s8", "aed_pointwise_s8", "aed_depthwise_s8")
POOLS = ("aed_average_pool_s8", "aed_max_pool_s8")


@dataclass(frozen=True)
class Geometry:
    """How a layer's rows depend on those of its input: row r reads from r * stride - pad on, `window` of them."""

    in_h: int
    out_h: int
    in_row: int  # bytes
    out_row: int
    window: int
    stride: int
    pad: int

    def first(self, row: int) -> int:
        """Return the first input row of an output row; below 0 in the padding."""
        return row * self.stride - self.pad


def geometry(step: Step) -> Geometry | None:
    """Return how a step's rows depend on each other, None for a step that cannot be a stage."""
    p = step.params
    if step.kernel in CONVOLUTIONS or step.kernel in POOLS:
        channels = (p["in_c"], p["out_c"]) if step.kernel in CONVOLUTIONS else (p["channels"], p["channels"])
        extent = (p["kernel_h"] - 1) * p.get("dilation_h", 1) + 1
        rows = (p["in_w"] * channels[0], p["out_w"] * channels[1])
        return Geometry(p["in_h"], p["out_h"], *rows, extent, p["stride_h"], p["pad_top"])
    if step.kernel == "aed_pad_8" and p["in_dims"][0] == p["out_dims"][0] == 1:
        (_, in_h, in_w, in_c), (_, out_h, out_w, out_c) = p["in_dims"], p["out_dims"]
        return Geometry(in_h, out_h, in_w * in_c, out_w * out_c, 1, 1, p["before"][1])
    if step.kernel == "aed_add_s8" and len(step.reads) == 2 and p["dims"][0] == 1:
        _, h, w, c = p["dims"]
        whole = [h * w * c, w * c, c, 1]
        same = all(d == 1 or (a == b == s) for d, a, b, s in zip(p["dims"], p["strides_a"], p["strides_b"], whole))
        return Geometry(h, h, w * c, w * c, 1, 1, 0) if same else None
    return None


def stage_geometry(step: Step) -> Geometry:
    """Return the geometry of a step that can be a stage."""
    found = geometry(step)
    if found is None:
        raise ValueError(f"{step.kernel} cannot be a stage of a chain")
    return found


def chain(stages: list[Step], rows: list[int], budget: int) -> Step:
    """Join layers into one step.

    Parameters
    ----------
    stages : list of Step
        2 to MAX_STAGES of them; each reads the output of the one before, which nobody else does.
    rows : list of int
        Output rows that each stage computes at a time.
    budget : int
        Bytes that a tile of a convolution may take; small tiles are slower. At least two pixels are taken.

    Returns
    -------
    Step whose scratch memory holds the buffers between the stages, then what the stages themselves need.
    """
    maps = tuple(stage_geometry(stage) for stage in stages)
    source = stages[0].reads["input"]
    sums = tuple(s for s, stage in enumerate(stages) if s > 0 and source in stage.reads.values())
    capacity, lead = simulate(maps, tuple(rows), sums)
    buffers, end = [], 0
    for rows_of, held in zip(maps, capacity):
        buffers.append(end)
        end += -(-held * rows_of.out_row // 4) * 4
    joined, bands, scratch = [], [], 0
    others: dict[str, int] = {}
    for number, stage in enumerate(stages):
        params = stage.params
        if stage.kernel in CONVOLUTIONS:
            tile, size = scratch_bytes(stage.kernel, params, min(rows[number], maps[number].out_h), budget)
            params = params | {"tile": tile, "scratch": end}
            scratch = max(scratch, size)
        if stage.kernel == "aed_add_s8":
            own = _linked(stage, stages[number - 1].output)
            others |= {f"other{number}": index for field, index in stage.reads.items() if field != own}
        joined.append(replace(stage, params=params))
        bands.append({"rows": rows[number], "capacity": [*capacity, 0][number]})
    return Step(
        f"CHAIN of {len(stages)}",
        "aed_chain_s8",
        stages[0].reads | others,
        stages[-1].output,
        {"n_stages": len(stages)},
        scratch=end + scratch,
        macs=sum(stage.macs for stage in stages),
        in_place=("input",),
        lead=-(-lead // 4) * 4,
        stages=tuple(joined),
        bands=tuple(bands),
        buffers=tuple(buffers),
    )


def stage_fields(
    step: Step, source: int, target: int, scratch: int, place: Callable[[int], int]
) -> list[tuple[str, Fields, Fields]]:
    """Return (kernel, fields of its parameter struct, fields of aed_chain_stage) of each stage of a chain.

    Parameters
    ----------
    step : Step, from `chain`
    source, target, scratch : arena offsets of the chain's input, output and scratch memory
    place : arena offset of a tensor
    """
    ends = [source, *(scratch + offset for offset in step.buffers), target]
    result = []
    for i, (stage, band) in enumerate(zip(step.stages, step.bands)):
        params = dict.fromkeys(stage.reads, 0) | {"output": 0} | stage.params
        if stage.kernel == "aed_add_s8":
            own = _linked(stage, step.stages[i - 1].output)
            params |= {field: place(index) for field, index in stage.reads.items() if field != own}
        if "scratch" in params:
            params["scratch"] += scratch
        fields = {"kind": _kind(stage, own if stage.kernel == "aed_add_s8" else "input")}
        fields |= {"input": ends[i], "output": ends[i + 1]} | asdict(stage_geometry(stage)) | band
        result.append((stage.kernel, params, fields))
    return result


def _linked(stage: Step, source: int) -> str:
    """Return the field through which a stage reads the stage before."""
    return next(field for field, index in stage.reads.items() if index == source)


def _kind(stage: Step, own: str) -> str:
    if stage.kernel == "aed_add_s8":
        return "AED_STAGE_ADD_A" if own == "input" else "AED_STAGE_ADD_B"
    return {"aed_pad_8": "AED_STAGE_PAD", **dict.fromkeys(POOLS, "AED_STAGE_POOL")}.get(stage.kernel, "AED_STAGE_CONV")


@functools.lru_cache(maxsize=512)
def simulate(maps: tuple[Geometry, ...], rows: tuple[int, ...], sums: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """Follow aed_chain_s8; its steps are as many as `n_bands`.

    Parameters
    ----------
    maps, rows : of the stages
    sums : tuple of int
        Stages that read the chain's input as well.

    Returns
    -------
    (capacities, lead) : the most rows that the buffer behind each stage but the last has to hold; and how many bytes
        before the input the output may begin so that no row is overwritten that is read later.
    """
    last = len(maps) - 1
    out_h = [m.out_h for m in maps]
    done, held, lead = [0] * len(maps), [0] * last, 0
    # Of each stage: the end of the input rows that its next rows read; and the first of them, which the buffer must keep.
    needed = [_needed(m, 0, n) for m, n in zip(maps, rows)]
    first = [max(m.first(0), 0) for m in maps]
    s = last
    while done[last] < out_h[last]:
        s = min(s + 1, last)
        while s > 0 and done[s - 1] < needed[s]:
            s -= 1
        n = min(rows[s], out_h[s] - done[s])
        m = maps[s]
        if s < last:
            held[s] = max(held[s], done[s] - min(first[s + 1], done[s]) + n)
        else:
            unread = maps[0].in_h if done[0] == out_h[0] else first[0]
            unread = min([unread, *(done[k] for k in sums)])
            lead = max(lead, (done[s] + n) * m.out_row - unread * maps[0].in_row)
        done[s] += n
        needed[s] = _needed(m, done[s], rows[s])
        first[s] = max(m.first(done[s]), 0)
    return tuple(held), lead


def _needed(m: Geometry, done: int, rows: int) -> int:
    """Return the end of the input rows that a stage's next rows read."""
    return min(m.first(min(done + rows, m.out_h) - 1) + m.window, m.in_h)


def n_bands(maps: Sequence[Geometry], rows: Sequence[int]) -> int:
    """Return how many steps a chain takes: each stage computes so many rows at a time."""
    return sum(-(-m.out_h // n) for m, n in zip(maps, rows))


def runs(steps: list[Step], readers: dict[int, int]) -> list[tuple[int, int]]:
    """Return (first, last) of the longest runs of steps that could form a chain; `readers` counts who reads a tensor."""
    result, first = [], 0
    maps = [geometry(step) for step in steps]
    for i, step in enumerate(steps):
        before = steps[i - 1]
        here, above = maps[i], maps[i - 1]
        linked = (
            i > first
            and here is not None
            and above is not None
            and (here.in_h, here.in_row) == (above.out_h, above.out_row)
            and list(step.reads.values()).count(before.output) == 1
            and readers.get(before.output) == 1
            and not (i - 1 == first and before.kernel == "aed_add_s8")
        )
        if not linked:
            if i - 1 > first:
                result.append((first, i - 1))
            first = i
    if len(steps) - 1 > first:
        result.append((first, len(steps) - 1))
    return result
