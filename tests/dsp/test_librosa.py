"""The front end against librosa and against a float64 computation."""

import dataclasses

import librosa
import numpy as np
import pytest
from specs import SPECS
from support.signals import signals

from pyaed.dsp import FeatureSpec, FrontEnd
from pyaed.dsp.tables import mel_filters


def librosa_mel(spec: FeatureSpec, pcm: np.ndarray, dtype=np.float64) -> np.ndarray:
    """Librosa's mel spectrogram (n_frames, n_mels) of int16 samples, in `dtype`."""
    return librosa.feature.melspectrogram(
        y=pcm.astype(dtype) / 32768, sr=spec.sample_rate, n_fft=spec.n_fft, hop_length=spec.hop_length,
        win_length=spec.window_length, window={"rectangular": "boxcar"}.get(spec.window, spec.window),
        center=spec.center, pad_mode=spec.pad_mode, power=spec.power, n_mels=spec.n_mels, fmin=spec.fmin,
        fmax=spec.fmax, htk=spec.htk, norm=spec.norm, dtype=dtype,
    ).T  # fmt: skip


def stft(spec: FeatureSpec, pcm: np.ndarray) -> np.ndarray:
    return librosa.stft(
        pcm.astype(np.float64) / 32768, n_fft=spec.n_fft, hop_length=spec.hop_length, win_length=spec.window_length,
        window={"rectangular": "boxcar"}.get(spec.window, spec.window), center=spec.center, pad_mode=spec.pad_mode,
    )  # fmt: skip


@pytest.mark.parametrize("name", [n for n, s in SPECS.items() if not s.to_db and not s.n_mfcc])
def test_log_mel_equals_librosa(name):
    spec = SPECS[name]
    for signal, pcm in signals().items():
        ours = FrontEnd(spec).log_mel(pcm)
        reference = np.log(librosa_mel(spec, pcm) + 1e-4)
        assert ours.shape == reference.shape, signal
        # A binary32 FFT leaves rounding noise of about 1e-7 of the loudest bin in every bin of a band.
        loudest = np.abs(stft(spec, pcm)).max(axis=0)[:, None] ** spec.power
        noise = 3e-7 * loudest * mel_filters(spec).sum(axis=1) / np.exp(reference)
        np.testing.assert_array_less(np.abs(ours - reference), 1e-5 + noise, err_msg=signal)


def test_db_of_the_clip_maximum_equals_librosa():
    spec = FeatureSpec(power=2.0, norm="slaney", htk=False, to_db=True, db_reference="max", n_fft=1024,
                       window_length=1024, hop_length=320, center=True, fmin=20)  # fmt: skip
    pcm = signals()["chirp"]
    reference = librosa.power_to_db(librosa_mel(spec, pcm), ref=np.max)
    np.testing.assert_allclose(FrontEnd(spec).log_mel(pcm), reference, atol=0.02)


def test_mfcc_equal_librosa_from_the_same_log_mel():
    for name in ("mfcc", "mfcc_log"):
        spec = SPECS[name]
        for signal, pcm in signals().items():
            log_mel = FrontEnd(dataclasses.replace(spec, n_mfcc=0)).log_mel(pcm).astype(np.float64)
            reference = librosa.feature.mfcc(S=log_mel.T, n_mfcc=spec.n_mfcc, dct_type=2, norm="ortho").T
            error = np.abs(FrontEnd(spec).log_mel(pcm) - reference).max()
            assert error <= 1e-6 * np.abs(log_mel).sum(axis=1).max(), signal


def test_full_scale_sine_is_0_db():
    for power in (1.0, 2.0):
        spec = FeatureSpec(to_db=True, power=power, norm=None)
        # The centre of a bin inside the pass band, at a sample rate of 16 kHz.
        for bin_ in (20, 57, 111):
            t = np.arange(16000)
            pcm = np.rint(32767 * np.sin(2 * np.pi * bin_ * t / spec.n_fft)).astype(np.int16)
            peak = FrontEnd(spec).log_mel(pcm).max()
            assert -3.5 < peak < 6.5
        assert FrontEnd(spec).log_mel(np.zeros(16000, np.int16)).max() == np.float32(-80.0)


def test_errors_on_real_recordings(shared):
    from pyaed.data import load_pcm
    from pyaed.data.preprocess import preprocessing_settings

    spec = SPECS["yamnet"]
    front_end = FrontEnd(spec)
    worst, total, count, outside = 0.0, 0.0, 0, 0
    settings = preprocessing_settings({"target_rate": 16000, "min_length": 1, "max_length": 10, "top_db": 60,
                                       "frame_length": 3200, "hop_length": 3200, "trim_last_second": False,
                                       "lengthen": "after"})  # fmt: skip
    for path in sorted((shared / "datasets/esc10/audio").iterdir())[::16]:
        pcm = load_pcm(path, settings)
        error = np.abs(front_end.log_mel(pcm) - np.log(librosa_mel(spec, pcm) + 1e-4))
        worst, total, count = max(worst, error.max()), total + error.sum(), count + error.size
        outside += (error > 1e-3).sum()
    assert total / count <= 2e-6
    assert outside / count <= 1e-3
    assert worst <= 0.03
