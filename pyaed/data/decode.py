"""Sound files to mono float32 at one rate."""

import os

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from pyaed.errors import UserError

RATES = (1000, 768000)  # what a sample rate may plausibly be; a wild value would make the resampler's output huge


def decode(path: str | os.PathLike[str], target_rate: int, max_seconds: float | None = None) -> npt.NDArray[np.float32]:
    """Decode a wav, flac, ogg or mp3 file, mix it to mono and resample it with soxr HQ.

    Parameters
    ----------
    path : path
        The file.
    target_rate : int
        Sample rate of the result in Hz.
    max_seconds : float, optional
        Decode no more than this much from the start.

    Returns
    -------
    ndarray of float32, shape (n_samples,)
        Full scale is 1.0; ``n_samples = ceil(n_native * target_rate / native_rate)``, as librosa.load gives it.

    Raises
    ------
    UserError
        When the file can't be read, holds no samples or holds values that aren't finite.
    """
    if not os.path.isfile(path):
        raise UserError(f"cannot decode {path}: no such file")
    try:
        with soundfile.SoundFile(os.fspath(path)) as file:
            rate = file.samplerate
            if not RATES[0] <= rate <= RATES[1]:
                raise UserError(f"{path}: sample rate {rate} Hz is outside {RATES[0]} to {RATES[1]} Hz")
            frames = -1 if max_seconds is None else int(max_seconds * rate)
            audio = file.read(frames, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        reason = str(error).removeprefix(f"Error opening {os.fspath(path)!r}: ")
        raise UserError(f"cannot decode {path}: {reason.rstrip('.')} (wav, flac, ogg and mp3 are read)") from error
    if not len(audio):
        raise UserError(f"{path} holds no samples")
    if not np.isfinite(audio).all():
        raise UserError(f"{path} holds samples that are not finite numbers")
    audio = audio[:, 0] if audio.shape[1] == 1 else audio.mean(axis=1)
    if rate == target_rate:
        return np.ascontiguousarray(audio)
    n_samples = int(np.ceil(len(audio) * (target_rate / rate)))
    resampled = soxr.resample(np.ascontiguousarray(audio), rate, target_rate, quality="HQ")[:n_samples]
    return np.pad(resampled, (0, n_samples - len(resampled))) if len(resampled) < n_samples else resampled
