"""Sound files to mono float32 at one rate, and what that changed about the sound."""

import logging
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from pyaed.data.budgets import MAX_SAMPLES, MAX_SOUND_BYTES
from pyaed.data.clips import listing
from pyaed.data.containers import cut_off
from pyaed.errors import UserError

log = logging.getLogger(__name__)

RATES = (1000, 768000)  # what a sample rate may plausibly be; a wild value would make the resampler's output huge
FLOATS = ("FLOAT", "DOUBLE")
INT16_SCALE = 32768
HOT = 2.0  # peak of a float file up to which it is taken to be full scale 1.0, with too much gain
LEAST_INT16_PEAK = 256.0  # peak from which samples that are not whole numbers are taken to be in the scale of 16 bits
CANCELLED = 0.1  # power of the mix, of what channels without relation would leave
LATE_S = 0.05  # decoders round the length of a stream by less
CLIPPED_SHARE = 1e-3  # share of a clip's samples at or beyond the limit that is worth a word
BLOCK = 1 << 18
UNKNOWN_LENGTH = (1 << 63) - 1  # of a stream whose header doesn't say it, for libsndfile
DAMAGED = (39, 158)  # libsndfile's codes for a FLAC stream that ends before its length, or within a frame

#: What reading may change about a sound, and what a set's line in the log says of it.
REMARKS = {
    "scaled": "hold floats in the scale of 16-bit integers; they are multiplied by 1/32768",
    "overload": "go beyond full scale; what is beyond is clipped",
    "overshoot": f"go beyond full scale in less than {CLIPPED_SHARE:.1%} of their samples; what is beyond is clipped",
    "cancelling": "have channels of opposite sign, which cancel in the mono mix",
    "one-sided": "have a channel without sound, so that the mono mix is quieter",
    "truncated": "are cut off: they announce more sound than there is; what is there is used",
}


class Remark(NamedTuple):
    """`kind`, a key of `REMARKS`, and the figures of one file."""

    kind: str
    detail: str


class Sound(NamedTuple):
    """A decoded file: `audio` float32 (n_samples,), mono at the wanted rate; `native` float32 (n_native, n_channels)."""

    audio: npt.NDArray[np.float32]
    native: npt.NDArray[np.float32]
    remarks: tuple[Remark, ...]


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
        When the file can't be read, holds no samples, holds values that aren't finite, or is in no known scale.
    """
    return read_sound(path, target_rate, max_seconds).audio


def read_sound(path: str | os.PathLike[str], target_rate: int, max_seconds: float | None = None) -> Sound:
    """Decode as `decode` does, and say what was changed.

    Floats are taken to have full scale 1.0 up to a peak of 2. Beyond, they are in the scale of 16-bit integers when all
    are whole numbers or the peak is 256 at least, up to 65,536; a file in any other scale is refused.

    Returns
    -------
    Sound
    """
    if not os.path.isfile(path):
        raise UserError(f"cannot decode {path}: no such file")
    if os.path.getsize(path) > MAX_SOUND_BYTES:
        raise UserError(f"{path}: a sound file of more than {MAX_SOUND_BYTES} bytes is not read")
    remarks = []
    # Bytes, for names that are no UTF-8; Windows' names are text.
    name = os.fspath(path) if os.name == "nt" else os.fsencode(path)
    try:
        missing = cut_off(path)
        with soundfile.SoundFile(name) as file:
            rate = file.samplerate
            if not RATES[0] <= rate <= RATES[1]:
                raise UserError(f"{path}: sample rate {rate} Hz is outside {RATES[0]} to {RATES[1]} Hz")
            if file.frames == UNKNOWN_LENGTH:
                raise UserError(
                    f"{path}: its header doesn't say how long it is, as of a file that was written into a pipe; convert it to wav"
                )
            frames = file.frames if max_seconds is None else min(file.frames, int(max_seconds * rate))
            scaled = file.subtype in FLOATS and _in_int16_scale(path, file)
            native = _read(path, file, frames, max(file.channels, target_rate / rate))
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        reason = str(error).removeprefix(f"Error opening {name!r}: ")
        if getattr(error, "code", None) in DAMAGED:
            reason = "the file is damaged or cut off"
        raise UserError(f"cannot decode {path}: {reason.rstrip('.')} (wav, flac, ogg and mp3 are read)") from error
    if missing is None and frames - len(native) > LATE_S * rate:
        missing = f"{len(native) / rate:.2f} of {frames / rate:.2f} s are there"
    if not len(native):
        raise UserError(f"{path} holds no samples" + (f": {missing}" if missing else ""))
    if not np.isfinite(native).all():
        raise UserError(f"{path} holds samples that are not finite numbers")
    if missing:
        remarks.append(Remark("truncated", missing))
    if scaled:
        remarks.append(Remark("scaled", f"peak {_peak(native):.6g}"))
        native *= np.float32(1 / INT16_SCALE)
    audio = native[:, 0] if native.shape[1] == 1 else native.mean(axis=1)
    if native.shape[1] > 1:
        remarks += _mixed(native, audio)
    if rate != target_rate:
        n_samples = int(np.ceil(len(audio) * (target_rate / rate)))
        audio = soxr.resample(np.ascontiguousarray(audio), rate, target_rate, quality="HQ")[:n_samples]
        audio = np.pad(audio, (0, n_samples - len(audio))) if len(audio) < n_samples else audio
    peak = _peak(audio)
    if peak > 1:
        share = beyond(audio)
        kind = "overload" if share > CLIPPED_SHARE else "overshoot"
        remarks.append(Remark(kind, f"peak {peak:.3g}, {share:.2%} of the samples"))
    return Sound(np.ascontiguousarray(audio), native, tuple(remarks))


def _read(
    path: str | os.PathLike[str], file: soundfile.SoundFile, frames: int, weight: float
) -> npt.NDArray[np.float32]:
    """Return up to `frames` frames, (n, n_channels); memory is taken for what is there, not for what is announced.

    `weight`: values that a frame becomes, in the file or at the wanted rate.
    """
    most, blocks, n = int(MAX_SAMPLES / weight), list[npt.NDArray[np.float32]](), 0
    if frames > most:
        raise _too_long(path, file, frames, most)
    while n < frames:
        wanted = min(BLOCK, frames - n)
        blocks.append(file.read(wanted, dtype="float32", always_2d=True))
        n += len(blocks[-1])
        if n > most:
            raise _too_long(path, file, n, most)
        if len(blocks[-1]) < wanted:
            break
    return (
        np.concatenate(blocks) if len(blocks) > 1 else blocks[0] if blocks else np.zeros((0, file.channels), np.float32)
    )


def _too_long(path: str | os.PathLike[str], file: soundfile.SoundFile, frames: int, most: int) -> UserError:
    rate, channels = file.samplerate, file.channels
    return UserError(
        f"{path}: {frames / rate:.0f} s of {channels} channels at {rate} Hz are more than is read at once, "
        f"{most / rate:.0f} s of them; cut it into parts, or let preprocessing.max_length cut it"
    )


def say_remarks(label: str, remarks: Mapping[str, Sequence[Remark]]) -> None:
    """Log one line for every kind of remark about a set.

    Parameters
    ----------
    label : str
        What the set is called.
    remarks : mapping
        Name of every clip of the set -> its remarks.
    """
    for kind, text in REMARKS.items():
        found = [f"{name} ({r.detail})" for name, own in remarks.items() for r in own if r.kind == kind]
        if found:
            level = logging.INFO if kind == "overshoot" else logging.WARNING
            log.log(level, "%s: %d of %d clips %s: %s", label, len(found), len(remarks), text, listing(found))


def beyond(audio: npt.NDArray[np.float32]) -> float:
    """Return the share of samples that become a limit of int16 by being cut."""
    return float(np.count_nonzero(np.abs(audio) > 1) / max(1, len(audio)))


def _peak(samples: npt.NDArray[np.float32]) -> float:
    return max(float(samples.max(initial=0)), -float(samples.min(initial=0)))


def _in_int16_scale(path: str | os.PathLike[str], file: soundfile.SoundFile) -> bool:
    """Decide about the scale of floats by the whole file, however much of it is used."""
    peak, whole = 0.0, True
    for block in file.blocks(BLOCK, dtype="float32", always_2d=True):
        peak = max(peak, _peak(np.nan_to_num(block, posinf=0, neginf=0)))
        whole = whole and bool((block == np.rint(block)).all())
    file.seek(0)
    if peak < HOT or (peak == HOT and not whole):
        return False
    if peak <= 2 * INT16_SCALE and (whole or peak >= LEAST_INT16_PEAK):
        return True
    raise UserError(
        f"{path} holds floats to +-{peak:.6g}; expected full scale 1.0, or 32768 as of 16-bit integers: scale the file"
    )


def _mixed(native: npt.NDArray[np.float32], mix: npt.NDArray[np.float32]) -> list[Remark]:
    """Compare channels with their mean."""
    n = native.shape[1]
    powers = np.einsum("ij,ij->j", native, native) / len(native)
    power, least = float(np.dot(mix, mix)) / len(mix), 0.25 / INT16_SCALE**2
    silent = int(np.count_nonzero(powers < least))
    loudest = float(powers.max())
    if loudest < least:
        return []
    lost = f"{min(200.0, 10 * np.log10(loudest / max(power, 1e-30))):.0f} dB quieter than its loudest channel"
    if n * power < CANCELLED * powers.mean():
        return [Remark("cancelling", f"the mix is {lost}")]
    return [Remark("one-sided", f"{silent} of {n} channels, the mix is {lost}")] if silent else []
