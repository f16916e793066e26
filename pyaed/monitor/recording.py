"""The board's microphone as a WAV file, with the figures that tell whether it is set up well."""

from pathlib import Path

import numpy as np

from pyaed.errors import UserError
from pyaed.files import write_wav
from pyaed.link.board import Board
from pyaed.link.health import say as say_health


def level(pcm: np.ndarray) -> tuple[float, float]:
    """Return mean (root of the mean square around the average) and peak level of int16 samples in dB of full scale."""
    x = pcm.astype(np.float64) / 32768
    floor = 1e-9
    rms = np.sqrt(np.mean((x - x.mean()) ** 2)) if len(x) else 0.0
    peak = np.max(np.abs(x)) if len(x) else 0.0
    return float(20 * np.log10(max(rms, floor))), float(20 * np.log10(max(peak, floor)))


def record(path: str | Path, port: str, baudrate: int = 115200, seconds: float = 2.0) -> str:
    """Record to a WAV file (the model's rate, int16, mono).

    Parameters
    ----------
    path : path
        Ends in .wav.
    port : str
        As `Board` takes it.
    baudrate : int
    seconds : float

    Returns
    -------
    str
        Level and counters, for a person.

    Raises
    ------
    UserError
        When the file is no WAV, the time is none, or the board can't record.
    """
    path = Path(path)
    if path.suffix.lower() != ".wav":
        raise UserError(f"{path}: a recording is a .wav file")
    if not 0 < seconds <= 3600:
        raise UserError(f"seconds: {seconds}; expected more than 0, at most 3600")
    with Board(port, baudrate) as board:
        say_health(board)
        rate = board.identify().sample_rate  # what its model hears
        pcm, counters = board.record(round(seconds * rate), rate)
    write_wav(path, pcm, rate)
    rms, peak = level(pcm)
    words = ", ".join(f"{name} {value}" for name, value in counters.items())
    return f"{path}: {len(pcm) / rate:.2f} s, level {rms:.1f} dBFS, peak {peak:.1f} dBFS, average {pcm.mean():.0f}; {words}"
