"""Progress of long work: one live line with rate and ETA on a terminal, a plain line now and then otherwise."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")

PLAIN_INTERVAL_S = 10.0
LIVE_INTERVAL_S = 0.1


def _clock(seconds: float) -> str:
    seconds = round(seconds)
    return (
        f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        if seconds >= 3600
        else (f"{seconds // 60}:{seconds % 60:02d}")
    )


def progress(iterable: Iterable[T], total: int | None = None, label: str = "", unit: str = "items") -> Iterator[T]:
    """Yield from `iterable` and report on standard error how far it is.

    Parameters
    ----------
    iterable : iterable
        What is worked through; an item counts as done when the next one is asked for.
    total : int, optional
        Number of items; taken from ``len(iterable)`` when it has one. Without it no ETA is shown.
    label, unit : str
        What is being done, and what is counted.
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    stream = sys.stderr
    live = stream.isatty()
    start = last = time.monotonic()
    done = 0

    def line() -> str:
        elapsed = max(time.monotonic() - start, 1e-9)
        rate = done / elapsed
        text = f"{label}: {done}" + (f"/{total}" if total else "") + f" {unit}, {rate:.3g} {unit}/s"
        if total and 0 < done < total:
            text += f", ETA {_clock((total - done) / rate)}"
        return text

    for item in iterable:
        yield item
        done += 1
        now = time.monotonic()
        if now - last >= (LIVE_INTERVAL_S if live else PLAIN_INTERVAL_S):
            last = now
            stream.write(f"\r\033[K{line()}" if live else f"{line()}\n")
            stream.flush()
    if live:
        stream.write(f"\r\033[K{line()}, {_clock(time.monotonic() - start)}\n")
        stream.flush()
