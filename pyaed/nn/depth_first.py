"""Which layers are executed depth-first, and in bands of how many rows: the cheapest way that keeps the arena small."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from pyaed.nn.chain import CONVOLUTIONS, MAX_STAGES, chain, geometry, n_bands, runs, stage_geometry
from pyaed.nn.graph import Graph
from pyaed.nn.lowering import Step, scratch_bytes
from pyaed.nn.lowering.scratch import TILE_BYTES
from pyaed.nn.memory import blocks_of, readers
from pyaed.nn.plan import Block, pack

#: Bytes of arena from which on layers are executed depth-first.
ARENA_LIMIT = 56 * 1024

#: What is tried: rows at a time (of stages whose successors need as many for one row of theirs), bytes for a tile.
ROWS = (1, 2, 4, 8, 16)
SPANS = 3  # chains whose rows are refined
BUDGETS = (1 << 10, 3 << 9, 1 << 11, 3 << 10, 1 << 12, 3 << 11, 1 << 13, 3 << 12, 1 << 14)

#: Steps that a search may take: bands of rows that are followed, and layers whose memory is packed. The published models
#: take up to 292,000.
MAX_SEARCH = 1_000_000

log = logging.getLogger(__name__)


@dataclass
class _Allowance:
    """The steps of a search."""

    left: int
    exceeded: bool = False

    def take(self, steps: int) -> bool:
        """Take so many; say whether there were so many left."""
        if steps > self.left:
            self.exceeded = True
            return False
        self.left -= steps
        return True


class Attempt(NamedTuple):
    """One way to join layers."""

    score: tuple[float, float]  # bytes of arena, at least the limit; price
    rows: list[int]  # of each stage
    budget: int  # bytes for a tile
    steps: list[Step]  # all of the network's


def fit(graph: Graph, steps: list[Step], views: dict[int, int], limit: int | None) -> list[Step]:
    """Return the steps with layers joined to chains until the arena keeps the limit or nothing makes it smaller.

    The fullest moment of the plan decides: of all chains that contain it, the cheapest that keep the limit is taken, or
    that with the smallest arena; then the next fullest moment. A search of more than `MAX_SEARCH` steps stops with what
    it has found, and a warning.
    """
    allowance = _Allowance(MAX_SEARCH)
    usual = _size(graph, steps, views)
    small = [_with_budget(step, BUDGETS[2]) for step in steps]
    if limit is None or usual <= limit:
        target = usual
    else:
        size = _size(graph, small, views)
        while small and size > limit:
            best = _best_chain(graph, small, views, size, limit, allowance)
            if best is None:
                break
            small = best
            size = _size(graph, small, views)
        target = max(size, min(usual, limit))
    found = _with_large_tiles(graph, small, views, target, allowance)
    if allowance.exceeded:
        log.warning(
            "%s: the search for a small and fast memory plan stopped after %d steps; the model may need less memory or time",
            graph.name,
            MAX_SEARCH,
        )
    return found


def _best_chain(
    graph: Graph, steps: list[Step], views: dict[int, int], size: int, limit: int, allowance: _Allowance
) -> list[Step] | None:
    """Return the steps with one more chain around the fullest moment, None when that makes the arena no smaller."""
    live = _live(blocks_of(graph, steps, views), len(steps))
    peak = live.index(max(live))
    maps = [geometry(step) for step in steps]
    effort = _effort(steps)
    tried: set[tuple[int, int, tuple[int, ...], int]] = set()

    def attempt(i: int, j: int, rows: list[int], budget: int, best: tuple[float, float]) -> Attempt | None:
        """Join the layers from i to j; return it where it is better than the score `best`."""
        key = (i, j, tuple(rows), budget)
        # The best only gets better: what lost against it need not be tried again.
        bands = n_bands([m for m in maps[i : j + 1] if m], rows)
        if key in tried or not allowance.take(bands + effort):
            return None
        tried.add(key)
        joined = chain(steps[i : j + 1], rows, budget)
        price = _price(joined)
        if best[0] <= limit and price >= best[1]:
            return None
        around = [*steps[:i], joined, *steps[j + 1 :]]
        blocks = blocks_of(graph, around, views)
        if max(_live(blocks, len(around))) > max(best[0], limit):
            return None
        score = (max(pack(blocks)[1], limit), price)
        return Attempt(score, rows, budget, around) if score < best else None

    found: list[tuple[int, int, Attempt]] = []
    for first, last in runs(steps, readers(graph, steps, views)):
        if first <= peak <= last:
            first, last = max(first, peak + 1 - MAX_STAGES), min(last, peak - 1 + MAX_STAGES)
            spans = [(i, j) for i in range(first, peak + 1) for j in range(max(peak, i + 1), last + 1)]
            for i, j in sorted(spans, key=lambda span: span[1] - span[0]):
                if j - i >= MAX_STAGES or steps[i].kernel == "aed_add_s8":
                    continue
                # A longer chain is of interest only where a shorter one of the same does not keep the limit.
                inside = [f[2].score for f in found if i <= f[0] and f[1] <= j]
                if inside and min(inside)[0] <= limit:
                    continue
                here: Attempt | None = None
                for rows, budget in _settings(steps[i : j + 1]):
                    here = attempt(i, j, rows, budget, here.score if here else (size, 0.0)) or here
                if here is not None:
                    found.append((i, j, here))
    if not found:
        return None
    found.sort(key=lambda f: f[2].score)
    refined = [_climb(steps[i : j + 1], partial(attempt, i, j), here) for i, j, here in found[:SPANS]]
    return min(refined, key=lambda f: f.score).steps


def _climb(
    stages: list[Step], attempt: Callable[[list[int], int, tuple[float, float]], Attempt | None], best: Attempt
) -> Attempt:
    """Change the rows of one stage after the other, and the tiles, as long as that is better."""
    changes: tuple[Callable[[int], int], ...] = (lambda n: 2 * n, lambda n: n + 1, lambda n: -(-n // 2))
    tallest = [stage_geometry(stage).out_h for stage in stages]
    improved = True
    while improved:
        improved = False
        for s in range(len(stages)):
            for change in changes:
                rows, budget = best.rows, best.budget
                n = min(change(rows[s]), tallest[s])
                if n == rows[s]:
                    continue
                better = attempt([*rows[:s], n, *rows[s + 1 :]], budget, best.score)
                for other in BUDGETS if better is None and n > rows[s] else ():
                    better = better or attempt([*rows[:s], n, *rows[s + 1 :]], other, best.score)
                if better is not None:
                    best, improved = better, True
        for budget in BUDGETS:
            better = attempt(best.rows, budget, best.score)
            if better is not None:
                best, improved = better, True
    return best


def _settings(stages: list[Step]) -> Iterator[tuple[list[int], int]]:
    """Yield (rows of each stage, bytes for tiles), the most frugal first."""
    maps = [stage_geometry(stage) for stage in stages]
    natural: list[int] = []
    needed = 1
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
    maps = [stage_geometry(stage) for stage in joined.stages]
    blocks = [-(-m.out_h // band["rows"]) for m, band in zip(maps, joined.bands)]
    for i, (stage, m, band) in enumerate(zip(joined.stages, maps, joined.bands)):
        p, rows, times = stage.params, band["rows"], blocks[i]
        total += 300 * times
        if i > 0:  # rows of the stage before that are needed again make room for new ones
            total += 0.6 * min(times, blocks[i - 1]) * max(m.window - m.stride, 0) * m.in_row
        if stage.kernel == "aed_depthwise_s8":
            if p["tile"] > 0:
                lines = -(-rows // 2) + 1 if m.stride == 1 else rows + 1
                total += times * p["out_c"] * (110 + lines * (50 + 4.5 * p["in_w"]))
        elif stage.kernel in CONVOLUTIONS:
            tiles = times * -(-rows * p["out_w"] // p["tile"])
            total += tiles * p["out_c"] * (0.75 * p["kernel_h"] * p["kernel_w"] * p["in_c"] + 25)
    return total


def _with_budget(step: Step, budget: int) -> Step:
    """Return a convolution with tiles of so many bytes."""
    if step.kernel not in ("aed_conv_s8", "aed_pointwise_s8"):
        return step
    tile, size = scratch_bytes(step.kernel, step.params, step.params["out_h"], budget)
    return replace(step, params=step.params | {"tile": tile}, scratch=size)


def _with_large_tiles(
    graph: Graph, steps: list[Step], views: dict[int, int], size: int, allowance: _Allowance
) -> list[Step]:
    """Let convolutions widen their weights as rarely as an arena of `size` bytes permits."""
    steps = list(steps)
    for i, step in enumerate(steps):
        for budget in sorted({*(b << shift for b in BUDGETS for shift in (0, 4)), TILE_BYTES}, reverse=True):
            larger = _with_budget(step, budget)
            if larger.scratch <= step.scratch:
                break
            if larger.scratch > size:
                continue
            if not allowance.take(_effort(steps)):
                return steps
            if _size(graph, [*steps[:i], larger, *steps[i + 1 :]], views) <= size:
                steps[i] = larger
                break
    return steps


def _effort(steps: list[Step]) -> int:
    """Return what it takes to plan the memory of so many layers: a place is sought between all others."""
    return len(steps) + len(steps) ** 2 // 8


def _size(graph: Graph, steps: list[Step], views: dict[int, int]) -> int:
    return pack(blocks_of(graph, steps, views))[1]


def _live(blocks: list[Block], n: int) -> list[int]:
    """Return the bytes in use at each step."""
    change = [0] * (n + 2)
    for block in blocks:
        change[max(block.first, 0)] += block.size
        change[min(block.last, n - 1) + 1] -= block.size
    result: list[int] = []
    for step in range(n):
        result.append((result[-1] if result else 0) + change[step])
    return result
