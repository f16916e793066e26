"""What each stage and layer costs on the board: instructions on the emulator, cycles on a chip; never time."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyaed.errors import UserError
from pyaed.link.board import Board

#: The counter's own reading and the timer's grain may shift a count by so much.
CALIBRATION_TOLERANCE = 1e-3

#: The clocks are compared over so long, at least: the board's has a grain of 0.1 s.
CLOCK_SECONDS = 10.0

#: Clocks further apart than this are told about: two grains, and what a serial port takes.
CLOCK_TOLERANCE = 0.03


@dataclass(frozen=True)
class Row:
    """One stage or layer.

    Attributes
    ----------
    stage : str
        'front end' (per frame), 'quantize' (per patch), 'inference' (per patch) or 'node' (part of inference).
    name : str
    kind : str
        Operator of a node, else ''.
    count, minimum, maximum : int
        Median and ends over the runs, in the benchmark's unit.
    share : float or None
        Part of its whole: of 'front end' or 'inference', 0 to 1.
    macs : int or None
        Multiply-accumulates.
    """

    stage: str
    name: str
    kind: str
    count: int
    minimum: int
    maximum: int
    share: float | None
    macs: int | None = None

    @property
    def per_mac(self) -> float | None:
        return self.count / self.macs if self.macs else None


@dataclass(frozen=True)
class Benchmark:
    """Counts of one image on one board.

    Attributes
    ----------
    unit : str
        'instructions' (emulator) or 'cycles' (chip).
    board, model : str
    runs : int
    rows : list of Row
    per_patch : int
        Counts that a new patch costs altogether: its new frames, quantization, inference.
    counters : dict
        Link counters and stack, see `Board.device_counters`.
    patch_seconds : float
        From one patch to the next in real time.
    flash, ram : int
        Bytes that the image takes.
    clock_hz : int
        What the board says its core runs at; 0 on an emulator.
    clock_error : float or None
        How much faster the board's clock is than the host's, relative; None where it has no clock.
    cache : (int, int)
        Hits and misses of the instruction cache in one inference; zeros where there is none.
    """

    unit: str
    board: str
    model: str
    runs: int
    rows: list[Row]
    per_patch: int
    counters: dict[str, int]
    patch_seconds: float
    flash: int
    ram: int
    clock_hz: int
    clock_error: float | None
    cache: tuple[int, int]

    def inference_seconds(self) -> float | None:
        """Return the measured time of one inference, or None where nothing but instructions was counted."""
        if self.unit != "cycles" or not self.clock_hz:
            return None
        return next(row.count for row in self.rows if row.stage == "inference") / self.clock_hz

    def duty(self) -> float | None:
        """Return the part of real time that the core computes when it listens, or None as above."""
        if self.unit != "cycles" or not self.clock_hz:
            return None
        return self.per_patch / self.clock_hz / self.patch_seconds

    def table(self) -> list[dict[str, Any]]:
        """Return the rows as dicts whose count columns carry the unit's name."""
        return [
            {
                "stage": row.stage,
                "name": row.name,
                "kind": row.kind,
                self.unit: row.count,
                f"{self.unit} min": row.minimum,
                f"{self.unit} max": row.maximum,
                "share": row.share,
                "MACs": row.macs,
                f"{self.unit} per MAC": row.per_mac,
            }
            for row in self.rows
        ]


def benchmark(board: Board, patch_hop: int, nodes: list[dict[str, Any]] | None = None, runs: int = 1) -> Benchmark:
    """Count each stage and node on the board.

    Parameters
    ----------
    board : Board
        To a board, or to an emulator that was started with ``icount=True``.
    patch_hop : int
        Frames from one patch to the next.
    nodes : list of dict, optional
        ``pyaed.nn.Program.table()`` of the deployed model: adds operators and MACs.
    runs : int
        Repetitions; medians are reported. On the emulator one is enough: it is deterministic.

    Returns
    -------
    Benchmark

    Raises
    ------
    UserError
        When the counter does not count what it says, as on an emulator without ``icount``.
    """
    identity = board.identify()
    if nodes is not None and tuple(n["name"] for n in nodes) != identity.node_names:
        raise UserError("the board runs another model than the one given: their nodes differ; deploy it first")
    if runs < 1:
        raise UserError(f"benchmark runs: {runs}; expected at least 1")
    samples = []
    clock_at_start = _clock(board)
    for _ in range(runs):
        samples.append(board.benchmark())
        wanted, found = identity.calibration_count, samples[-1]["calibration"]
        if wanted and abs(found - wanted) > CALIBRATION_TOLERANCE * wanted:
            raise UserError(
                f"{identity.board} counts {found:,} for a loop of {wanted:,} {identity.counter_unit}: its counter shows something "
                "else; an emulator must be started with icount (QEMU's -icount shift=6)"
            )

    def row(stage: str, name: str, values: list[int], whole: int, kind: str = "", macs: int | None = None) -> Row:
        count = int(np.median(values))
        return Row(stage, name, kind, count, min(values), max(values), count / whole if whole else None, macs)

    def values(key: str) -> list[int]:
        return [s[key] for s in samples]

    frame, inference = int(np.median(values("frame"))), int(np.median(values("inference")))
    rest = [s["frame"] - s["fft"] - s["mel"] for s in samples]
    macs = sum(n["macs"] for n in nodes) if nodes else None
    rows = [
        row("front end", "one frame", values("frame"), frame),
        row("front end", "  window, FFT, magnitude", values("fft"), frame),
        row("front end", "  mel bands, logarithm", values("mel"), frame),
        row("front end", "  buffer", rest, frame),
        row("quantize", "one patch", values("quantize"), 0),
        row("inference", "one patch", values("inference"), inference, macs=macs),
    ]
    for i, name in enumerate(identity.node_names):
        info = nodes[i] if nodes else {}
        counts = [s["nodes"][i] for s in samples]
        rows.append(row("node", name, counts, inference, info.get("kind", ""), info.get("macs") or None))
    per_patch = patch_hop * frame + int(np.median(values("quantize"))) + inference
    return Benchmark(
        unit=identity.counter_unit,
        board=identity.board,
        model=identity.model_name,
        runs=runs,
        rows=rows,
        per_patch=per_patch,
        counters=board.device_counters(),
        patch_seconds=patch_hop * identity.hop_length / identity.sample_rate,
        flash=identity.flash_used,
        ram=identity.ram_used,
        clock_hz=board.state()["clock_hz"],
        clock_error=_clock_error(board, clock_at_start),
        cache=(samples[-1]["cache_hits"], samples[-1]["cache_misses"]),
    )


def _clock(board: Board) -> tuple[float, int]:
    """Return the host's seconds and the board's milliseconds of about the same moment."""
    before = time.monotonic()
    uptime = board.state()["uptime_ms"]
    return (before + time.monotonic()) / 2, uptime


def _clock_error(board: Board, start: tuple[float, int]) -> float | None:
    """Return how much faster the board's clock runs than the host's since `start`, or None when it stands still."""
    time.sleep(max(0.0, start[0] + CLOCK_SECONDS - time.monotonic()) if board.state()["clock_hz"] else 0)
    now, uptime = _clock(board)
    passed = (uptime - start[1]) % 2**32 / 1000
    return passed / (now - start[0]) - 1 if passed else None
