"""Time-domain preprocessing: silence removal, lengthening, int16."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pyaed.data.decode import Remark, read_sound
from pyaed.dsp import to_int16
from pyaed.errors import UserError, nearest

# Every key that shapes the samples, with the default that holds when a section leaves it out.
PREPROCESSING_DEFAULTS: dict[str, Any] = {
    "target_rate": 16000,
    "min_length": 1.0,
    "max_length": 10.0,
    "top_db": 60.0,
    "frame_length": 3200,
    "hop_length": 3200,
    "trim_last_second": False,
    "lengthen": "after",
}
AMIN = 1e-5**2  # power below which librosa.amplitude_to_db clips


def preprocessing_settings(preprocessing: object) -> dict[str, Any]:
    """Return the settings as a plain dict with every key of `PREPROCESSING_DEFAULTS`.

    Parameters
    ----------
    preprocessing : mapping or object
        Settings as keys or attributes: `target_rate` in Hz; `min_length`, `max_length` in seconds or None; `top_db` in
        dB below the loudest frame, or None to keep silence; `frame_length`, `hop_length` in samples;
        `trim_last_second`; `lengthen` ('before' or 'after' silence removal).

    Raises
    ------
    UserError
        For a value out of range.
    """
    settings = {
        key: preprocessing.get(key, default)
        if isinstance(preprocessing, Mapping)
        else getattr(preprocessing, key, default)
        for key, default in PREPROCESSING_DEFAULTS.items()
    }
    for key in ("target_rate", "frame_length", "hop_length"):
        value = settings[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 1 or value != int(value):
            raise UserError(f"preprocessing.{key} is {value!r}; expected a whole number of at least 1")
        settings[key] = int(value)
    for key in ("min_length", "max_length", "top_db"):
        value = settings[key]
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
            raise UserError(f"preprocessing.{key} is {value!r}; expected a number of at least 0, or None")
        settings[key] = float(value)
    low, high = settings["min_length"], settings["max_length"]
    if high is not None and (high <= 0 or (low is not None and low > high)):
        raise UserError(f"preprocessing.max_length is {high:g} s; expected more than 0 and at least min_length ({low})")
    settings["trim_last_second"] = bool(settings["trim_last_second"])
    if settings["lengthen"] not in ("before", "after"):
        raise UserError(
            f"preprocessing.lengthen is {settings['lengthen']!r}; expected 'before' or 'after'"
            f"{nearest(settings['lengthen'], ('before', 'after'))}"
        )
    return settings


def non_silent_intervals(
    audio: npt.NDArray[np.float32], top_db: float, frame_length: int, hop_length: int
) -> npt.NDArray[np.intp]:
    """Find the stretches that are less than `top_db` below the loudest frame, as librosa.effects.split 0.11 does.

    A frame's level is the RMS of `frame_length` samples around a multiple of `hop_length` (zeros beyond the ends). The
    operations and their order follow librosa's in float32, so that intervals are equal and not merely close.

    Parameters
    ----------
    audio : ndarray of float, shape (n_samples,)
        Mono sound.
    top_db : float
        Threshold in dB below the loudest frame.
    frame_length, hop_length : int
        In samples.

    Returns
    -------
    ndarray of int, shape (n_intervals, 2)
        First sample and the one after the last. A clip of pure zeros is one interval: nothing is quieter than its peak.
    """
    padded = np.pad(audio, frame_length // 2)
    if len(padded) < frame_length:
        return np.empty((0, 2), dtype=np.intp)
    frames = np.lib.stride_tricks.sliding_window_view(padded, frame_length).T[:, ::hop_length]
    rms = np.sqrt(np.mean(np.square(frames, dtype=np.float32), axis=-2))
    peak = np.max(rms)
    db = 10.0 * np.log10(np.maximum(AMIN, np.square(rms)))
    db -= 10.0 * np.log10(np.maximum(AMIN, peak**2))
    loud = np.concatenate(([False], db > -top_db, [False]))
    edges = np.flatnonzero(loud[1:] != loud[:-1]) * hop_length
    return np.minimum(edges, len(audio)).reshape(-1, 2)


def preprocess(audio: npt.NDArray[np.float32], rate: int, preprocessing: object) -> npt.NDArray[np.int16]:
    """Cut, remove silence, lengthen and round to int16.

    The order is that of ST's zoo: cut to `max_length`; repeat to `min_length` if `lengthen` is 'before'; join the
    stretches that aren't silent; with `trim_last_second` cut to whole seconds (a clip under one second is kept);
    repeat to `min_length` if `lengthen` is 'after'. Repeating stops exactly at `min_length`.

    Parameters
    ----------
    audio : ndarray of float32, shape (n_samples,)
        Mono sound, full scale 1.0.
    rate : int
        Its sample rate in Hz.
    preprocessing : mapping or object
        See `preprocessing_settings`.

    Returns
    -------
    ndarray of int16, shape (n,)
    """
    settings = preprocessing_settings(preprocessing)
    shortest = int((settings["min_length"] or 0) * rate)
    if settings["max_length"] is not None:
        audio = audio[: int(settings["max_length"] * rate)]
    if settings["lengthen"] == "before":
        audio = _repeat(audio, shortest)
    if settings["top_db"] is not None:
        intervals = non_silent_intervals(audio, settings["top_db"], settings["frame_length"], settings["hop_length"])
        audio = np.concatenate([audio[:0], *(audio[start:end] for start, end in intervals)])
    if settings["trim_last_second"] and len(audio) >= rate:
        audio = audio[: len(audio) // rate * rate]
    if settings["lengthen"] == "after":
        audio = _repeat(audio, shortest)
    return to_int16(audio)


class Pcm(NamedTuple):
    """A clip as features are computed of it: `samples` int16 (n,), and what reading it changed."""

    samples: npt.NDArray[np.int16]
    remarks: tuple[Remark, ...]


def load_pcm(path: str | os.PathLike[str], preprocessing: object) -> npt.NDArray[np.int16]:
    """Decode and preprocess one clip; `read_pcm` also says what that changed about the sound.

    Returns
    -------
    ndarray of int16, shape (n,)
        At `target_rate`.

    Raises
    ------
    UserError
        When the clip can't be decoded or is silent throughout.
    """
    return read_pcm(path, preprocessing).samples


def read_pcm(path: str | os.PathLike[str], preprocessing: object) -> Pcm:
    """Decode and preprocess one clip, with the remarks of `pyaed.data.decode`."""
    settings = preprocessing_settings(preprocessing)
    sound = read_sound(path, settings["target_rate"], settings["max_length"])
    pcm = preprocess(sound.audio, settings["target_rate"], settings)
    if not pcm.any():
        raise UserError(f"{path} is silent: {why_silent(sound.remarks)}")
    return Pcm(pcm, sound.remarks)


def why_silent(remarks: Sequence[Remark]) -> str:
    """Say why nothing is left of a clip."""
    if any(remark.kind == "cancelling" for remark in remarks):
        return "its channels are of opposite sign and cancel in the mono mix; keep one of them"
    return "no sample reaches one step of 16 bits"


def _repeat(audio: npt.NDArray[np.float32], n_samples: int) -> npt.NDArray[np.float32]:
    return np.resize(audio, n_samples) if 0 < len(audio) < n_samples else audio
