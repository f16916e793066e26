"""Which layers are executed depth-first, and in bands of how many rows: the cheapest way that keeps the arena small."""

from dataclasses import replace

from pyaed.nn.chain import CONVOLUTIONS, MAX_STAGES, chain, geometry, runs
from pyaed.nn.graph import Graph
from pyaed.nn.lowering import Step, scratch_bytes
from pyaed.nn.lowering.scratch import TILE_BYTES
from pyaed.nn.memory import blocks_of, readers
from pyaed.nn.plan import Block, pack

#: Bytes of arena from which on layers are executed depth-first.
ARENA_LIMIT = 100 * 1024

#: What is tried: rows at a time (of stages whose successors need as many for one row of theirs), bytes for a tile.
ROWS = (1, 2, 4, 8, 16)
BUDGETS = (1 << 10, 3 << 9, 1 << 11, 3 << 10, 1 << 12, 3 << 11, 1 << 13, 3 << 12, 1 << 14)


def fit(graph: Graph, steps: list[Step], views: dict[int, int], limit: int | None) -> list[Step]:
    """Return the steps with layers joined to chains until the arena keeps the limit or nothing makes it smaller.

    The fullest moment of the plan decides: of all chains that contain it, the cheapest that keep the limit is taken, or
    that with the smallest arena; then the next fullest moment.
    """
    usual = _size(graph, steps, views)
    small = [_with_budget(step, BUDGETS[2]) for step in steps]
    if limit is None or usual <= limit:
        return _with_large_tiles(graph, small, views, usual)
    size = _size(graph, small, views)
    while steps and size > limit:
        best = _best_chain(graph, small, views, size, limit)
        if best is None:
            break
        small = best
        size = _size(graph, small, views)
    return _with_large_tiles(graph, small, views, max(size, min(usual, limit)))


def _best_chain(graph: Graph, steps: list[Step], views: dict[int, int], size: int, limit: int) -> list[Step] | None:
    """Return the steps with one more chain around the fullest moment, None when that makes the arena no smaller."""
    live = _live(blocks_of(graph, steps, views), len(steps))
    peak = live.index(max(live))
    best, result = (size, 0.0), None
    for first, last in runs(steps, readers(graph, steps, views)):
        if not first <= peak <= last:
            continue
        spans = [
            (i, j) for i in range(first, peak + 1) for j in range(max(peak, i + 1), min(last, i + MAX_STAGES - 1) + 1)
        ]
        for i, j in sorted(spans, key=lambda span: span[1] - span[0]):
            if steps[i].kernel == "aed_add_s8":
                continue
            around = [*steps[:i], None, *steps[j + 1 :]]
            for rows, budget in _settings(steps[i : j + 1]):
                joined = chain(steps[i : j + 1], rows, budget)
                price = _price(joined)
                if best[0] <= limit and price >= best[1]:
                    continue
                around[i] = joined
                blocks = blocks_of(graph, around, views)
                if max(_live(blocks, len(around))) > max(best[0], limit):
                    continue
                score = (max(pack(blocks)[1], limit), price)
                if score < best:
                    best, result = score, list(around)
    return result


def _settings(stages: list[Step]):
    """Yield (rows of each stage, bytes for tiles), the most frugal first."""
    maps = [geometry(stage) for stage in stages]
    natural, needed = [], 1
    for m in reversed(maps):
        natural.insert(0, needed)
        needed *= m.stride
    seen = set()
    for most in ROWS:
        for scale in (1, 2, 4):
            rows = tuple(min(most, scale * n, m.out_h) for n, m in zip(natural, maps))
            if rows not in seen:
                seen.add(rows)
                for budget in BUDGETS:
                    yield list(rows), budget


def _price(joined: Step) -> float:
    """Estimate the instructions that a chain takes on a Cortex-M33 on top of what its layers take anyway."""
    total = 0.0
    for i, (stage, band) in enumerate(zip(joined.stages, joined.bands)):
        p, m = stage.params, geometry(stage)
        rows = band["rows"]
        times = -(-m.out_h // rows)
        if i + 1 < len(joined.stages):  # rows that make room
            total += 0.5 * times * (band["capacity"] - rows) * m.out_row
        if stage.kernel == "aed_depthwise_s8":
            if p["tile"] > 0:
                channels, read = p["out_c"], (rows - 1) * m.stride + m.window
                total += times * channels * (100 + 2.2 * p["in_w"] * read)
                if p["stride_w"] == 1 and rows % 2:
                    total += times * channels * 17 * p["out_w"]
        elif stage.kernel in CONVOLUTIONS:
            tiles = times * -(-rows * p["out_w"] // p["tile"])
            total += tiles * p["out_c"] * (0.9 * p["kernel_h"] * p["kernel_w"] * p["in_c"] + 15)
    return total


def _with_budget(step: Step, budget: int) -> Step:
    """Return a convolution with tiles of so many bytes."""
    if step.kernel not in ("aed_conv_s8", "aed_pointwise_s8"):
        return step
    tile, size = scratch_bytes(step.kernel, step.params, step.params["out_h"], budget)
    return replace(step, params=step.params | {"tile": tile}, scratch=size)


def _with_large_tiles(graph: Graph, steps: list[Step], views: dict[int, int], size: int) -> list[Step]:
    """Let convolutions widen their weights as rarely as an arena of `size` bytes permits."""
    steps = list(steps)
    for i, step in enumerate(steps):
        for budget in sorted({*(b << shift for b in BUDGETS for shift in (0, 4)), TILE_BYTES}, reverse=True):
            larger = _with_budget(step, budget)
            if larger.scratch <= step.scratch:
                break
            if larger.scratch <= size and _size(graph, [*steps[:i], larger, *steps[i + 1 :]], views) <= size:
                steps[i] = larger
                break
    return steps


def _size(graph: Graph, steps: list[Step], views: dict[int, int]) -> int:
    return pack(blocks_of(graph, steps, views))[1]


def _live(blocks: list[Block], n: int) -> list[int]:
    """Return the bytes in use at each step."""
    change = [0] * (n + 2)
    for block in blocks:
        change[max(block.first, 0)] += block.size
        change[min(block.last, n - 1) + 1] -= block.size
    result = []
    for step in range(n):
        result.append((result[-1] if result else 0) + change[step])
    return result
