"""Augmentation of log-mel patches against its definition on the sound itself."""

from types import SimpleNamespace

import numpy as np
import pytest

from pyaed.dsp import FeatureSpec
from pyaed.errors import UserError
from pyaed.training import augmentation

LOG = FeatureSpec()
POWER = FeatureSpec(power=2.0)
DECIBEL = FeatureSpec(power=2.0, to_db=True)
MEL = np.random.default_rng(0).gamma(0.5, 2.0, size=(6, 64, 30)).astype(np.float32)


def run(cfg, features, x, seed=(1, 2)):
    return augmentation.make(cfg, features)(x, np.array(seed, np.int64)).numpy()


@pytest.mark.parametrize("features", [LOG, POWER])
@pytest.mark.parametrize("g", [0.1, 0.5, 1.0, 2.0])
def test_gain_is_that_of_the_sound(features, g):
    x = np.log(MEL + np.float32(1e-4))
    louder = np.log(MEL * g**features.power + 1e-4)
    np.testing.assert_allclose(augmentation.gain(x, np.float32(g), features), louder, atol=2e-3)


def test_gain_in_decibels_moves_all_but_silence():
    x = np.array([-80.0, -79.0, -40.0, 0.0], np.float32)
    np.testing.assert_allclose(augmentation.gain(x, np.float32(0.1), DECIBEL), [-80, -80, -60, -20], atol=1e-4)
    np.testing.assert_allclose(augmentation.gain(x, np.float32(10), DECIBEL), [-80, -59, -20, 20], atol=1e-4)


def test_volume_is_drawn_for_each_patch():
    x = np.full((200, 2, 2), -20.0, np.float32)
    gains = run({"VolumeAugment": {"min_scale": 0.1, "max_scale": 10}}, DECIBEL, x) + 20
    assert np.ptp(gains, axis=(1, 2)).max() == 0
    assert len(np.unique(gains[:, 0, 0])) > 190
    assert -20 <= gains.min() < -17
    assert 17 < gains.max() <= 20.001
    assert abs(gains.mean()) < 2.5


def test_noise_has_its_scale():
    noise = run({"GaussianNoise": {"enable": True, "scale": 0.3}}, LOG, np.zeros((20, 64, 50), np.float32))
    assert noise.std() == pytest.approx(0.3, rel=0.02)
    assert abs(noise.mean()) < 0.01


@pytest.mark.parametrize("features", [LOG, DECIBEL])
def test_masks_are_stripes_of_silence(features):
    x = np.ones((300, 16, 20), np.float32)
    masked = run(
        {"SpecAug": {"freq_mask_param": 5, "n_freq_mask": 1, "time_mask_param": 4, "n_time_mask": 1}}, features, x
    )
    silent = masked != 1
    np.testing.assert_allclose(masked[silent], augmentation.floor_value(features))
    rows, columns = silent.all(axis=2), silent.all(axis=1)
    np.testing.assert_array_equal(silent, rows[:, :, None] | columns[:, None, :])
    assert set(rows.sum(axis=1)) == set(range(5))
    assert set(columns.sum(axis=1)) == set(range(4))
    assert rows.any(axis=0).all()
    assert columns.any(axis=0).all()


@pytest.mark.parametrize("parameter", [0, 1])
def test_small_mask_parameters_mask_nothing(parameter):
    cfg = {"SpecAug": {"freq_mask_param": parameter, "time_mask_param": parameter, "n_freq_mask": 3, "n_time_mask": 4}}
    x = np.ones((50, 16, 20), np.float32)
    np.testing.assert_array_equal(run(cfg, LOG, x), x)


def test_masks_wider_than_the_patch():
    cfg = {"SpecAug": {"freq_mask_param": 100, "time_mask_param": 100, "n_freq_mask": 2, "n_time_mask": 2}}
    assert np.isfinite(run(cfg, LOG, np.ones((50, 4, 3), np.float32))).all()


def test_same_seed_same_patches():
    cfg = {
        "GaussianNoise": {"scale": 1},
        "VolumeAugment": {},
        "SpecAug": {"freq_mask_param": 9, "time_mask_param": 9},
    }
    x = np.log(MEL + np.float32(1e-4))
    np.testing.assert_array_equal(run(cfg, LOG, x), run(cfg, LOG, x))
    assert (run(cfg, LOG, x) != run(cfg, LOG, x, (1, 3))).any()


def test_nothing_enabled():
    off = SimpleNamespace(GaussianNoise=SimpleNamespace(enable=False, scale=1), VolumeAugment=None)
    assert augmentation.make(off, LOG) is None
    assert augmentation.make(None, LOG) is None


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        ({"GausianNoise": {"scale": 1}}, "did you mean 'GaussianNoise'"),
        ({"GaussianNoise": {"scal": 1}}, "did you mean 'scale'"),
        ({"GaussianNoise": {"scale": -1}}, "expected 0 or more"),
        ({"VolumeAugment": {"min_scale": 2, "max_scale": 1}}, "min_scale <= max_scale"),
        ({"VolumeAugment": {"min_scale": 0}}, "0 < min_scale"),
        ({"SpecAug": {"n_freq_mask": "many"}}, "expected a number"),
    ],
)
def test_refused(cfg, message):
    with pytest.raises(UserError, match=message):
        augmentation.make(cfg, LOG)
