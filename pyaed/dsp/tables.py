"""Window, twiddle and mel tables: computed in float64, rounded once to float32, the same bytes for host and device."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pyaed.dsp.spec import CLIP_MAXIMUM, FULL_SCALE, FeatureSpec
from pyaed.errors import UserError

Doubles = npt.NDArray[np.float64]

LOG_OFFSET = 1e-4
SMALLEST_DB_MEL = 1e-10  # librosa's amin: keeps the logarithm of a host-only, clip-relative scale finite


@dataclass(frozen=True)
class Tables:
    """What `aed_frontend_config` points to; `floor`, `offset` and `log_scale` are its scalars."""

    window: npt.NDArray[np.float32]  # (window_length rounded up to even,)
    twiddle: npt.NDArray[np.float32]  # (pairs, 2): cos, -sin
    rfft_twiddle: npt.NDArray[np.float32]  # (pairs, 2): cos, -sin
    order: npt.NDArray[np.uint16]  # (blocks of the last stage,)
    mel_start: npt.NDArray[np.uint16]  # (n_mels,)
    mel_count: npt.NDArray[np.uint16]  # (n_mels,)
    mel_weight: npt.NDArray[np.float32]  # (sum of counts,)
    dct: npt.NDArray[np.float32]  # (n_mfcc, n_mels)
    floor: float
    offset: float
    log_scale: float

    def arrays(self) -> list[np.ndarray]:
        """Return every table, and the scalars as one float32 array, in a fixed order."""
        scalars = np.array([self.floor, self.offset, self.log_scale], np.float32)
        return [
            self.window,
            self.twiddle,
            self.rfft_twiddle,
            self.order,
            self.mel_start,
            self.mel_count,
            self.mel_weight,
            self.dct,
            scalars,
        ]


def make_window(name: str, length: int) -> Doubles:
    """Return a periodic window, float64 (length,): a sum of cosines, rectangular with none.

    The coefficients are the classical ones (hann 0.5/0.5, hamming 0.54/0.46, blackman 0.42/0.5/0.08), as in
    ``scipy.signal.get_window``.
    """
    coefficients = {
        "hann": (0.5, 0.5),
        "hamming": (0.54, 0.46),
        "blackman": (0.42, 0.5, 0.08),
        "rectangular": (1.0,),
    }[name]
    phase = 2 * np.pi * np.arange(length) / length
    terms: list[Doubles] = [(-1) ** k * c * np.cos(k * phase) for k, c in enumerate(coefficients)]
    return sum(terms[1:], terms[0])


def hz_to_mel(hz: npt.ArrayLike, htk: bool) -> Doubles:
    """Convert Hz to mel: ``2595 log10(1 + f / 700)`` (HTK) or Slaney's linear-then-logarithmic scale (Auditory Toolbox)."""
    hz = np.asarray(hz, np.float64)
    if htk:
        return 2595.0 * np.log10(1.0 + hz / 700.0)
    linear = hz / (200.0 / 3)
    with np.errstate(divide="ignore"):
        return np.where(hz >= 1000.0, 15.0 + np.log(np.maximum(hz, 1e-12) / 1000.0) / (np.log(6.4) / 27.0), linear)


def mel_to_hz(mel: npt.ArrayLike, htk: bool) -> Doubles:
    """Invert :func:`hz_to_mel`."""
    mel = np.asarray(mel, np.float64)
    if htk:
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    return np.where(mel >= 15.0, 1000.0 * np.exp(np.log(6.4) / 27.0 * (mel - 15.0)), mel * (200.0 / 3))


def mel_filters(spec: FeatureSpec) -> Doubles:
    """Return the triangular filter bank, float64 (n_mels, n_fft / 2 + 1), with librosa's definition of the triangles."""
    limits = hz_to_mel([spec.fmin, spec.fmax], spec.htk)
    centres = mel_to_hz(np.linspace(limits[0], limits[1], spec.n_mels + 2), spec.htk)
    bins = np.arange(spec.n_fft // 2 + 1) * (spec.sample_rate / spec.n_fft)
    ramps = centres[:, None] - bins[None, :]
    widths = np.diff(centres)
    rising = -ramps[:-2] / widths[:-1, None]
    falling = ramps[2:] / widths[1:, None]
    filters: Doubles = np.maximum(0.0, np.minimum(rising, falling))
    if spec.norm == "slaney":
        filters *= (2.0 / (centres[2:] - centres[:-2]))[:, None]
    return filters


def _pairs(angle: Doubles) -> npt.NDArray[np.float32]:
    return np.stack([np.cos(angle), -np.sin(angle)], axis=-1).reshape(-1, 2).astype(np.float32)


def dct_matrix(n: int) -> Doubles:
    """Return the orthonormal DCT-II, float64 (n, n): row c holds ``cos(pi c (2 m + 1) / 2 n)``, scaled to length 1."""
    c, m = np.arange(n)[:, None], np.arange(n)[None, :]
    matrix: Doubles = np.cos(np.pi * c * (2 * m + 1) / (2 * n)) * np.sqrt(2 / n)
    matrix[0] /= np.sqrt(2)
    return matrix


def fft_tables(
    n_fft: int,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.uint16]]:
    """Return the tables `twiddle`, `rfft_twiddle` and `order` of ``aed_frontend_config``, in the order in which C reads them."""
    n = n_fft // 2
    radix = 4 if n & 0x55555555 else 2  # of the last stage
    twiddle, quarter = [], n // 4
    while quarter >= radix:
        twiddle.append(_pairs(2 * np.pi * np.arange(quarter)[:, None] * np.arange(1, 4) / (4 * quarter)))
        quarter //= 4
    blocks = n // radix
    rfft_twiddle = _pairs(2 * np.pi * (np.arange(blocks // 2 + 1)[:, None] + blocks * np.arange(radix)) / n_fft)
    order, rest, size = np.zeros(blocks, np.int64), np.arange(blocks), blocks
    while size > 1:
        order, rest, size = 4 * order + rest % 4, rest // 4, size // 4
    return np.concatenate(twiddle), rfft_twiddle, (2 * radix * order).astype(np.uint16)


def make_tables(spec: FeatureSpec) -> Tables:
    """Make all tables of a specification.

    Raises
    ------
    UserError
        When a mel band covers no FFT bin: its feature would be a constant.
    """
    window = make_window(spec.window, spec.window_length)
    filters = mel_filters(spec)
    empty = np.flatnonzero(filters.max(axis=1) <= 0.0)
    if len(empty):
        raise UserError(
            f"feature_extraction: mel band {empty[0]} of {spec.n_mels} covers no bin of the {spec.n_fft}-point FFT; "
            f"use fewer n_mels, a larger n_fft or a higher fmin"
        )
    floor, offset, log_scale = 0.0, LOG_OFFSET, 1.0
    if spec.to_db:
        if spec.db_reference == FULL_SCALE:
            # A sine of amplitude 1 has the magnitude sum(window) / 2 in its bin.
            reference = (window.sum() / 2) ** spec.power * filters.max()
        else:
            reference = 1.0 if spec.db_reference == CLIP_MAXIMUM else float(spec.db_reference)
        filters = filters / reference
        decibels = 20.0 / spec.power
        floor = SMALLEST_DB_MEL if spec.db_reference == CLIP_MAXIMUM else 10.0 ** (-spec.top_db / decibels)
        offset, log_scale = 0.0, decibels / np.log(10.0)
        # dB = (20 / power) log10(mel): amplitudes with power 1, energies with power 2
    start, count, weight = [], [], []
    for row in filters:
        used = np.flatnonzero(row)
        start.append(used[0])
        count.append(used[-1] - used[0] + 1)
        weight.append(row[used[0] : used[-1] + 1])
    twiddle, rfft_twiddle, order = fft_tables(spec.n_fft)
    return Tables(
        # 2^-15 makes samples -1 .. 1; the other half is the factor 1/2 of the real transform.
        window=np.pad(window * 2.0**-16, (0, len(window) % 2)).astype(np.float32),
        twiddle=twiddle,
        rfft_twiddle=rfft_twiddle,
        order=order,
        mel_start=np.array(start, np.uint16),
        mel_count=np.array(count, np.uint16),
        mel_weight=np.concatenate(weight).astype(np.float32),
        dct=dct_matrix(spec.n_mels)[: spec.n_mfcc].astype(np.float32),
        floor=float(np.float32(floor)),
        offset=float(np.float32(offset)),
        log_scale=float(np.float32(log_scale)),
    )
