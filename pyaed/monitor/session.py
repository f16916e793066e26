"""A board (or its emulator) that listens, watched from the host: its microphone, or a file streamed as if it were one."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pyaed.files import write_text, write_wav
from pyaed.link import live
from pyaed.link.board import Board
from pyaed.monitor.terminal import FLOOR_DB, State

BLOCK_SECONDS = 0.1
PEAK_SECONDS = 3.0
RECENT = 3  # blocks that the picture's newest column is made of
FULL_SCALE_SQUARE = 1 << 30


def play(
    board: Board, pcm: npt.NDArray[np.int16], settings_crc: int | None, real_time: bool = True
) -> Iterator[npt.NDArray[np.int16] | None]:
    """Stream PCM to the board's detector, block by block; yield each block when the board has taken it.

    Parameters
    ----------
    board : Board
    pcm : ndarray of int16
        At the model's rate.
    settings_crc : int or None
        See `pyaed.link.live.listen`.
    real_time : bool
        As a microphone would; otherwise as fast as the board takes it.
    """
    rate = board.identify().sample_rate
    block = round(rate * BLOCK_SECONDS)
    live.listen(board, live.LINK, live.DETECTIONS | live.PATCHES, settings_crc)
    start = time.monotonic()
    for position in range(0, len(pcm), block):
        if real_time:
            time.sleep(max(0.0, start + (position + block) / rate - time.monotonic()))
        live.stream(board, pcm[position : position + block], position)
        yield pcm[position : position + block]
    live.listen(board, live.OFF)
    yield None


def listen(board: Board, seconds: float | None, settings_crc: int | None) -> Iterator[npt.NDArray[np.int16] | None]:
    """Let the board listen to its microphone; yield whenever something may have come, until the time is over."""
    live.listen(board, live.MICROPHONE, live.DETECTIONS | live.PATCHES, settings_crc)
    end = None if seconds is None else time.monotonic() + seconds
    try:
        while end is None or time.monotonic() < end:
            board.wait_for_events(BLOCK_SECONDS)
            yield None
    finally:
        live.listen(board, live.OFF)
    yield None


class Monitor:
    """Turns what a board sends into a `State`, and keeps it in files.

    Parameters
    ----------
    board : Board
    title : str
    log_mel : callable or None
        PCM -> frames (n, n_mels), for the picture of streamed sound.
    record : path, optional
        Folder that gets ``events.jsonl`` and, of streamed sound, ``monitor.wav``.
    """

    def __init__(
        self,
        board: Board,
        title: str,
        log_mel: Callable[[np.ndarray], np.ndarray] | None = None,
        record: Path | None = None,
    ):
        identity = board.identify()
        self.state = State(title, identity.class_names)
        self._board, self._log_mel, self._record = board, log_mel, record
        self._rate, self._hop = identity.sample_rate, identity.hop_length
        self._ticks = identity.counter_numerator / identity.counter_denominator
        clock = board.state()["clock_hz"]
        self._clock = clock if identity.counter_unit == "cycles" and clock else None
        self._seen = 0
        self._levels: list[tuple[float, float]] = []
        self._blocks: list[np.ndarray] = []
        self._last_patch = 0

    def take(self, block: np.ndarray | None) -> State:
        """Take a block of streamed PCM (or None) and the events that came with it."""
        state = self.state
        if block is not None:
            self._blocks.append(block)
            if self._record is None:
                del self._blocks[:-RECENT]
            state.seconds += len(block) / self._rate
            self._level(float(np.mean(block.astype(np.float64) ** 2)) if len(block) else 0.0)
            if self._log_mel is not None:
                recent = np.concatenate(self._blocks[-RECENT:])
                frames = self._log_mel(recent)
                if len(frames):
                    new = max(1, len(block) // self._hop)
                    state.columns.append(frames[-new:].max(axis=0))
        events = self._board.events
        for name, fields in events[self._seen :]:
            if name == "patch":
                self._patch(fields)
            elif name == "detection":
                self._detection(fields)
        self._seen = len(events)
        state.lost_events = self._board.events_lost
        state.dropped_packets = self._board.counters.dropped + self._board.device_dropped
        return state

    def _level(self, square: float) -> None:
        level = 10 * np.log10(max(square / FULL_SCALE_SQUARE, 10 ** (FLOOR_DB / 10)))
        now = self.state.seconds
        self._levels = [(at, value) for at, value in self._levels if at > now - PEAK_SECONDS] + [(now, level)]
        self.state.level, self.state.peak = level, max(value for _, value in self._levels)

    def _patch(self, fields: dict[str, Any]) -> None:
        state = self.state
        state.patches = fields["patch"] + 1
        state.decision = fields["decision"]
        state.lost_samples = fields["lost"]
        scores = np.asarray(fields["scores"], np.float32)
        state.scores = scores if len(scores) else np.zeros(len(state.class_names), np.float32)
        passed = (fields["position"] - self._last_patch) % 2**32 / self._rate
        self._last_patch = fields["position"]
        if self._clock and passed:
            state.busy = fields["busy"] * self._ticks / self._clock / passed
        if not self._blocks:  # the sound stays on the board: its own figures
            state.seconds = fields["position"] / self._rate
            self._level(float(fields["level"]))

    def _detection(self, fields: dict[str, Any]) -> None:
        event = {
            "onset": round(fields["onset"] / self._rate, 3),
            "offset": round(fields["offset"] / self._rate, 3),
            "class": self.state.class_names[fields["class_index"]],
            "score": round(fields["score"], 6),
            "ended": bool(fields["ended"]),
        }
        events = self.state.events
        for i, earlier in enumerate(events):
            if not earlier["ended"] and (earlier["onset"], earlier["class"]) == (event["onset"], event["class"]):
                events[i] = event
                return
        events.append(event)

    def close(self) -> list[Path]:
        """Write the recording; return its files. An event that the board has not ended is kept as such."""
        if self._record is None:
            return []
        lines = "".join(json.dumps(event) + "\n" for event in self.state.events)
        events = write_text(self._record / "events.jsonl", lines)
        if not self._blocks:
            return [events]
        return [events, write_wav(self._record / "monitor.wav", np.concatenate(self._blocks), self._rate)]
