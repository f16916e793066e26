"""Signals that try a front end: real-looking, extreme and degenerate, all made by code."""

import numpy as np


def signals(n: int = 24000) -> dict[str, np.ndarray]:
    """Return int16 signals of `n` samples by name."""
    rng = np.random.default_rng(7)
    t = np.arange(n)
    chirp = np.sin(2 * np.pi * (200 + 3000 * t / n) * t / 16000)
    impulses = np.zeros(n)
    impulses[:: n // 7] = 32767
    # Under the first sample of a blackman window, which is 1e-17: a power that float32 holds as a denormal number.
    lone = np.zeros(n)
    lone[8192:8193] = 1
    return {
        "noise": rng.normal(0, 3000, n).clip(-32768, 32767).astype(np.int16),
        "chirp": (12000 * chirp).astype(np.int16),
        "quiet": rng.integers(-1, 2, n).astype(np.int16),
        "square": np.where(t // 20 % 2, 32767, -32768).astype(np.int16),
        "impulses": impulses.astype(np.int16),
        "silence": np.zeros(n, np.int16),
        "full_scale": np.full(n, -32768, np.int16),
        "nyquist": np.where(t % 2, 32767, -32768).astype(np.int16),
        "lone": lone.astype(np.int16),
    }
