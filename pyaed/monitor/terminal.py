"""What `pyaed monitor` shows: lines of text from a state, and a terminal that they are drawn on."""

import shutil
import sys
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from pyaed.text import printable

SPECTROGRAM_ROWS, EVENT_ROWS = 10, 6
BLOCKS = " ▏▎▍▌▋▊▉█"
FLOOR_DB = -90.0
# Dark to bright in the 256 colours of a terminal.
COLOURS = (16, 17, 18, 19, 54, 90, 126, 162, 198, 203, 209, 215, 221, 227, 230)
RESET, BOLD, CLEAR_LINE = "\x1b[0m", "\x1b[1m", "\x1b[K"


@dataclass
class State:
    """What is known at a moment.

    Attributes
    ----------
    title : str
    class_names : tuple of str
    seconds : float
        Heard so far.
    level, peak : float
        dB of full scale: of the last blocks, and the highest of the last seconds.
    columns : deque of ndarray
        Log-mel frames, oldest first; empty where the PCM stays on the board.
    scores : ndarray, shape (n_classes,)
        The model's last answer.
    decision : int
        Class that is detected, -1 for none.
    events : list of dict
        'onset', 'offset' in seconds, 'class', 'score', 'ended', oldest first.
    busy : float or None
        Part of real time that the board computes.
    lost_samples, lost_events, dropped_packets, patches : int
    """

    title: str
    class_names: tuple[str, ...]
    seconds: float = 0.0
    level: float = FLOOR_DB
    peak: float = FLOOR_DB
    columns: deque[npt.NDArray[np.float32]] = field(default_factory=lambda: deque(maxlen=400))
    scores: npt.NDArray[np.float32] | None = None
    decision: int = -1
    events: list[dict[str, Any]] = field(default_factory=list)
    busy: float | None = None
    lost_samples: int = 0
    lost_events: int = 0
    dropped_packets: int = 0
    patches: int = 0


def bar(part: float, width: int) -> str:
    """Return a bar of `width` columns that is filled to `part` (0 to 1) in eighths of a column."""
    eighths = round(min(max(part, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (BLOCKS[rest] if rest else "")).ljust(width)


def spectrogram(columns: Collection[npt.NDArray[np.float32]], width: int, rows: int = SPECTROGRAM_ROWS) -> list[str]:
    """Return the newest `width` columns as rows of coloured blanks, high frequencies first."""
    if not len(columns):
        return []
    image = np.array(list(columns)[-width:], np.float64).T[::-1]
    image = np.stack([part.max(axis=0) for part in np.array_split(image, min(rows, len(image)))])
    low, high = np.percentile(image, 5), image.max()
    shade = np.clip((image - low) / max(high - low, 1e-6), 0, 1) * (len(COLOURS) - 1)
    lines = []
    for row in shade.round().astype(int):
        cells = "".join(f"\x1b[48;5;{COLOURS[value]}m " for value in row)
        lines.append(cells + RESET)
    return lines


def event_line(event: dict[str, Any]) -> str:
    """Return an event for a person."""
    end = f"{event['offset']:8.2f} s" if event["ended"] else "   goes on"
    return f"{event['onset']:8.2f} s to {end}  {printable(event['class'])}  {event['score']:.1%}"


def draw(state: State, width: int = 80) -> list[str]:
    """Return the lines of the whole screen."""
    names = [printable(name) for name in state.class_names]
    label = max([len(name) for name in names] + [8])
    room = max(10, width - label - 10)
    detected = names[state.decision] if state.decision >= 0 else "-"
    meter = bar((state.level - FLOOR_DB) / -FLOOR_DB, room)
    lines = [
        f"{BOLD}{printable(state.title)[: width - 12]}{RESET}  {state.seconds:7.1f} s",
        f"{'level':{label}} {meter} {state.level:6.1f} dBFS",
        *spectrogram(state.columns, width - 1),
        "",
    ]
    scores = state.scores if state.scores is not None else np.zeros(len(state.class_names))
    for i, name in enumerate(names):
        mark = BOLD if i == state.decision else ""
        lines.append(f"{mark}{name:{label}} {bar(float(scores[i]), room)} {scores[i]:6.1%}{RESET}")
    busy = "" if state.busy is None else f", busy {state.busy:.1%} of real time"
    lines += [
        "",
        f"detected now: {detected}   peak {state.peak:.1f} dBFS, {state.patches} patches{busy}",
        f"lost samples {state.lost_samples}, lost events {state.lost_events}, dropped packets {state.dropped_packets}",
        "",
        *(event_line(event)[: width - 1] for event in state.events[-EVENT_ROWS:]),
    ]
    return lines


class Screen:
    """Draws states over each other on a terminal; elsewhere prints each event once, when it has ended.

    A context manager: the cursor is given back whatever happens.
    """

    def __init__(self, stream: TextIO | None = None):
        self._stream = stream or sys.stdout
        self._live = self._stream.isatty()
        self._told = 0

    def __enter__(self) -> "Screen":
        if self._live:
            self._stream.write("\x1b[?25l\x1b[2J")
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._stream.write("\x1b[?25h\n")
            self._stream.flush()

    def show(self, state: State) -> None:
        """Show a state."""
        if self._live:
            size = shutil.get_terminal_size()
            lines = draw(state, size.columns)[: max(1, size.lines - 1)]
            self._stream.write("\x1b[H" + "".join(f"{line}{CLEAR_LINE}\r\n" for line in lines) + "\x1b[J")
        else:
            ended = [event for event in state.events if event["ended"]]
            for event in ended[self._told :]:
                self._stream.write(event_line(event) + "\n")
            self._told = len(ended)
        self._stream.flush()
