"""A small synthetic sound set, made from a seed: for the demo, the tests and a first try without any data.

Eight classes differ in time structure as well as in pitch. Every clip varies in level, length, pitch, tempo, timbre,
background noise and reverberation, and some hold a faint event of another class.
"""

import csv
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pyaed.dsp import to_int16
from pyaed.errors import UserError
from pyaed.files import atomic_path, wav_bytes

N_FOLDS = 5
RATES, RATE_SHARES = (16000, 22050, 44100), (0.7, 0.15, 0.15)
LENGTH_S = (0.8, 4.0)
PEAK_DB = (-24.0, -2.0)
SNR_DB = (12.0, 32.0)
DISTRACTOR_SHARE, DISTRACTOR_DB = 0.25, (-30.0, -18.0)

Rng = np.random.Generator
Signal = npt.NDArray[np.float64]


def _time(n: int, rate: int) -> Signal:
    return np.arange(n) / rate


def _normal(sound: Signal, measured: Signal) -> Signal:
    """Scale a sound so that its `measured` part has RMS 1."""
    scaled: Signal = sound / max(np.sqrt(np.mean(measured**2)), 1e-12)
    return scaled


def _noise(rng: Rng, n: int, exponent: float) -> Signal:
    """Noise whose power falls as 1/f**exponent, RMS 1."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum *= np.maximum(np.arange(len(spectrum)), 1) ** (-exponent / 2)
    noise = np.fft.irfft(spectrum, n)
    return _normal(noise, noise)


def _band_noise(rng: Rng, n: int, rate: int, low: float, high: float) -> Signal:
    spectrum = np.fft.rfft(rng.standard_normal(n))
    frequency = np.fft.rfftfreq(n, 1 / rate)
    spectrum *= 1 / (1 + (low / np.maximum(frequency, 1)) ** 4) / (1 + (frequency / high) ** 4)
    noise = np.fft.irfft(spectrum, n)
    return _normal(noise, noise)


def _edges(n: int, rate: int, attack_s: float, release_s: float) -> Signal:
    """Envelope that rises and falls linearly."""
    t = _time(n, rate)
    return np.clip(np.minimum(t / attack_s, (n / rate - t) / release_s), 0, 1)


def _place(out: Signal, event: Signal, start_s: float, rate: int) -> None:
    start = int(start_s * rate)
    part = event[: max(0, len(out) - start)]
    out[start : start + len(part)] += part


def _onsets(rng: Rng, seconds: float, period_s: float, jitter: float) -> Signal:
    """Times of a rhythm; the first falls into the first quarter second or period, so that every clip has one."""
    first = rng.uniform(0, min(period_s, 0.25))
    times = first + period_s * np.arange(int(seconds / period_s) + 1)
    return np.clip(times + rng.uniform(-jitter, jitter, len(times)) * period_s, 0, seconds)


def _tone(rng: Rng, phase: Signal, brightness: float) -> Signal:
    """A few harmonics over a phase in cycles."""
    harmonics = (brightness ** (k - 1) * np.sin(2 * np.pi * (k * phase + rng.uniform())) for k in range(1, 5))
    return sum(harmonics, np.zeros(len(phase)))


def alarm(rng: Rng, n: int, rate: int) -> Signal:
    """Beeps of one or two constant pitches in a strict rhythm."""
    out = np.zeros(n)
    period, duty = rng.uniform(0.18, 0.5), rng.uniform(0.3, 0.6)
    pitch = rng.uniform(1000, 2600)
    pitches = (pitch, pitch * rng.choice([1.0, 1.0, 1.2]))
    brightness = rng.uniform(0.05, 0.5)
    m = int(period * duty * rate)
    for i, start in enumerate(_onsets(rng, n / rate, period, 0)):
        _place(out, _tone(rng, pitches[i % 2] * _time(m, rate), brightness) * _edges(m, rate, 0.005, 0.01), start, rate)
    return out


def siren(rng: Rng, n: int, rate: int) -> Signal:
    """One continuous tone that glides up and down."""
    low = rng.uniform(350, 900)
    high = low * rng.uniform(1.8, 2.8)
    t = _time(n, rate)
    swing = 0.5 - 0.5 * np.cos(2 * np.pi * (t / rng.uniform(0.6, 2.5) + rng.uniform()))
    phase = np.cumsum(low * (high / low) ** swing) / rate
    return _tone(rng, phase, rng.uniform(0.1, 0.6))


def chirps(rng: Rng, n: int, rate: int) -> Signal:
    """Groups of short high sweeps."""
    out = np.zeros(n)
    low, high = rng.uniform(1800, 3500), rng.uniform(3000, 6500)
    if rng.uniform() < 0.5:
        low, high = high, low
    duration, gap = rng.uniform(0.06, 0.15), rng.uniform(0.02, 0.08)
    m = int(duration * rate)
    sweep = np.sin(2 * np.pi * np.cumsum(np.linspace(low, high, m)) / rate) * np.hanning(m)
    for start in _onsets(rng, n / rate, rng.uniform(0.3, 0.9), 0.3):
        for i in range(rng.integers(2, 6)):
            _place(out, sweep * rng.uniform(0.6, 1), start + i * (duration + gap), rate)
    return out


def knocks(rng: Rng, n: int, rate: int) -> Signal:
    """Groups of dull, quickly damped blows."""
    out = np.zeros(n)
    pitch, decay = rng.uniform(100, 450), rng.uniform(0.015, 0.06)
    m = int(8 * decay * rate)
    t = _time(m, rate)
    tempo = rng.uniform(0.1, 0.3)
    for group in _onsets(rng, n / rate, rng.uniform(0.8, 1.6), 0.2):
        for i in range(rng.integers(2, 6)):
            tuned = pitch * rng.uniform(0.95, 1.05)
            blow = sum(np.sin(2 * np.pi * tuned * ratio * t) / ratio for ratio in (1, 1.6, 2.3))
            blow += 0.5 * rng.standard_normal(m) * np.exp(-t / 0.004)
            _place(out, blow * np.exp(-t / decay) * rng.uniform(0.6, 1), group + i * tempo, rate)
    return out


def clock(rng: Rng, n: int, rate: int) -> Signal:
    """Sharp, bright ticks in a strict rhythm, every second one duller."""
    out = np.zeros(n)
    pitch, decay = rng.uniform(1500, 4500), rng.uniform(0.003, 0.012)
    m = int(10 * decay * rate)
    t = _time(m, rate)
    for i, start in enumerate(_onsets(rng, n / rate, rng.uniform(0.2, 0.6), 0)):
        tuned = pitch * (1.0 if i % 2 else rng.uniform(0.7, 0.95))
        tick = np.sin(2 * np.pi * tuned * t) + 0.6 * np.sin(2 * np.pi * 1.51 * tuned * t)
        _place(out, tick * np.exp(-t / decay), start, rate)
    return out


def engine(rng: Rng, n: int, rate: int) -> Signal:
    """A low, steady, rough hum whose speed drifts."""
    t = _time(n, rate)
    drift = rng.uniform(0, 0.12) * np.sin(2 * np.pi * (rng.uniform(0.1, 0.6) * t + rng.uniform()))
    speed = rng.uniform(35, 110) * (1 + drift)
    phase = np.cumsum(speed) / rate
    falloff = rng.uniform(0.6, 1.3)
    harmonics = (
        rng.uniform(0.3, 1) * k**-falloff * np.sin(2 * np.pi * (k * phase + rng.uniform())) for k in range(1, 25)
    )
    hum: Signal = sum(harmonics, np.zeros(n)) * (1 + rng.uniform(0.1, 0.6) * np.sin(np.pi * phase))
    return hum + rng.uniform(0.05, 0.4) * _noise(rng, n, 1)


def noise_bursts(rng: Rng, n: int, rate: int) -> Signal:
    """Puffs of noise with pauses."""
    out = np.zeros(n)
    low = rng.uniform(200, 2000)
    high = min(low * rng.uniform(2, 6), 7000)
    duration = rng.uniform(0.08, 0.35)
    for start in _onsets(rng, n / rate, duration * rng.uniform(1.6, 3.0), 0.15):
        m = int(duration * rng.uniform(0.7, 1.3) * rate)
        _place(out, _band_noise(rng, m, rate, low, high) * _edges(m, rate, 0.01, rng.uniform(0.03, 0.2)), start, rate)
    return out


def wind(rng: Rng, n: int, rate: int) -> Signal:
    """Noise that never pauses and swells slowly."""
    low = rng.uniform(100, 800)
    gust = 1 + 0.5 * np.sin(2 * np.pi * (rng.uniform(0.15, 0.6) * _time(n, rate) + rng.uniform()))
    return _band_noise(rng, n, rate, low, low * rng.uniform(2, 6)) * gust


CLASSES: dict[str, Callable[[Rng, int, int], Signal]] = {
    f.__name__: f for f in (alarm, chirps, clock, engine, knocks, noise_bursts, siren, wind)
}


def _level(sound: Signal) -> Signal:
    """Scale to RMS 1 over the loudest tenth of the samples, so that sparse events and steady ones are alike."""
    loudest = np.sort(np.abs(sound))[-max(1, len(sound) // 10) :]
    return _normal(sound, loudest)


def _reverberate(rng: Rng, sound: Signal, rate: int) -> Signal:
    tail_s, wet = rng.uniform(0.05, 0.5), rng.uniform(0, 0.4)
    m = int(tail_s * rate)
    tail = rng.standard_normal(m) * np.exp(-6.9 * _time(m, rate) / tail_s)
    tail *= wet / np.sqrt(np.sum(tail**2))
    tail[0] += 1
    size = 1 << (len(sound) + m).bit_length()
    return np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)[: len(sound)]


def render(category: str, rng: Rng) -> tuple[npt.NDArray[np.int16], int]:
    """Make one clip.

    Parameters
    ----------
    category : str
        A key of `CLASSES`.
    rng : numpy.random.Generator
        Decides everything else.

    Returns
    -------
    (ndarray of int16, int)
        Samples and sample rate.
    """
    rate = int(rng.choice(RATES, p=RATE_SHARES))
    n = int(rng.uniform(*LENGTH_S) * rate)
    sound = _level(CLASSES[category](rng, n, rate))
    if rng.uniform() < DISTRACTOR_SHARE:
        other = str(rng.choice([name for name in CLASSES if name != category]))
        sound += 10 ** (rng.uniform(*DISTRACTOR_DB) / 20) * _level(CLASSES[other](rng, n, rate))
    sound = _reverberate(rng, sound, rate)
    sound += 10 ** (-rng.uniform(*SNR_DB) / 20) * 0.5 * _noise(rng, n, rng.uniform(0, 1.6))
    sound *= 10 ** (rng.uniform(*PEAK_DB) / 20) / np.max(np.abs(sound))
    return to_int16(sound), rate


def noise(rng: Rng, n: int) -> npt.NDArray[np.int16]:
    """Return random noise, int16 (n,), of any colour from white to brown and any level from silence to full scale."""
    sound = _noise(rng, n, rng.uniform(0, 2))
    return to_int16(sound / np.abs(sound).max() * 10 ** (rng.uniform(-90, 0) / 20))


def write_dataset(folder: str | os.PathLike[str], seed: int = 0, n_clips: int = 200) -> Path:
    """Write the set in ESC format: ``audio/*.wav`` (16 bits) and ``meta/synthetic.csv`` (filename, fold, category).

    The same seed gives the same bytes. Classes and folds are balanced; `folder` is replaced as a whole.

    Parameters
    ----------
    folder : path
        Where to write.
    seed : int
        Of every choice.
    n_clips : int
        Number of clips.

    Returns
    -------
    Path
        The CSV file.

    Raises
    ------
    UserError
        When `folder` holds anything but an earlier set.
    """
    folder = Path(folder)
    if folder.exists():
        foreign = sorted({entry.name for entry in folder.iterdir()} - {"audio", "meta"})
        if foreign:
            raise UserError(f"{folder} holds {foreign[0]}, which is not of a synthetic sound set; name an empty folder")
    names = sorted(CLASSES)
    with atomic_path(folder) as temporary:
        (temporary / "audio").mkdir(parents=True)
        (temporary / "meta").mkdir()
        with open(temporary / "meta" / "synthetic.csv", "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("filename", "fold", "category"))
            for i in range(n_clips):
                category, fold = names[i % len(names)], i // len(names) % N_FOLDS + 1
                name = f"{fold}-{i:04d}-{category}.wav"
                pcm, rate = render(category, np.random.default_rng([seed, i]))
                (temporary / "audio" / name).write_bytes(wav_bytes(pcm, rate))
                table.writerow((name, fold, category))
    return folder / "meta" / "synthetic.csv"
