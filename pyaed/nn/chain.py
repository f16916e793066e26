"""Depth-first execution: layers that run one after the other in bands of rows, so that the maps between them never exist
whole (kernel aed_chain_s8)."""

from collections.abc import Callable
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
    maps = [stage_geometry(stage) for stage in stages]
    source = stages[0].reads["input"]
    sums = [s for s, stage in enumerate(stages) if s > 0 and source in stage.reads.values()]
    capacity, lead = simulate(maps, rows, sums)
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


def simulate(maps: list[Geometry], rows: list[int], sums: list[int]) -> tuple[list[int], int]:
    """Follow aed_chain_s8.

    Parameters
    ----------
    maps, rows : of the stages
    sums : list of int
        Stages that read the chain's input as well.

    Returns
    -------
    (capacities, lead) : the most rows that the buffer behind each stage but the last has to hold; and how many bytes
        before the input the output may begin so that no row is overwritten that is read later.
    """
    last = len(maps) - 1
    done, held, lead = [0] * len(maps), [0] * last, 0
    while done[last] < maps[last].out_h:
        s = last
        while s > 0:
            m = maps[s]
            row = done[s] + min(rows[s], m.out_h - done[s]) - 1
            if done[s - 1] >= min(m.first(row) + m.window, m.in_h):
                break
            s -= 1
        n = min(rows[s], maps[s].out_h - done[s])
        if s < last:
            keep = min(max(maps[s + 1].first(done[s + 1]), 0), done[s])
            held[s] = max(held[s], done[s] - keep + n)
        else:
            m = maps[0]
            unread = m.in_h if done[0] == m.out_h else max(m.first(done[0]), 0)
            unread = min([unread, *(done[k] for k in sums)])
            lead = max(lead, (done[s] + n) * maps[s].out_row - unread * m.in_row)
        done[s] += n
    return held, lead


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
