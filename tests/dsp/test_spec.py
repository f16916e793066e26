"""The feature specification: rules, hash, and what a device can't honour."""

import dataclasses
import subprocess

import numpy as np
import pytest
from specs import MINIRESNET, SPECS, YAMNET

from pyaed.config import load
from pyaed.dsp import FeatureSpec, FrontEnd, feature_hash, to_pcm, write_c
from pyaed.errors import UserError
from pyaed.sources import source_root


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_fft": 500}, "n_fft: 500 is not allowed, expected a power of two"),
        ({"window_length": 513}, "window_length: 513"),
        ({"window": "han"}, "did you mean 'hann'"),
        ({"overlap": 1.0}, "overlap: 1.0"),
        ({"fmax": 8001}, "fmax: 8001.0 is not allowed, expected at most half the sample rate"),
        ({"fmin": 7500}, "fmin"),
        ({"power": 1.5}, "power: 1.5"),
        ({"norm": "slany"}, "norm"),
        ({"pad_mode": "wrap"}, "pad_mode"),
        ({"hop_length": 0}, "hop_length: 0"),
        ({"db_reference": "maxx"}, "db_reference: 'maxx' .*did you mean 'max'"),
        ({"db_reference": -1.0}, "db_reference"),
        ({"sample_rate": 4000}, "sample_rate"),
        ({"n_mfcc": 65}, r"n_mfcc: 65 is not allowed, expected 0 \(log-mel\) to n_mels \(64\)"),
        ({"n_mfcc": 13, "to_db": True, "db_reference": "max"}, "'max'.*n_mfcc"),
    ],
)
def test_a_broken_rule_is_named(changes, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(YAMNET, **changes)


def test_an_empty_mel_band_is_refused():
    with pytest.raises(UserError, match="covers no bin"):
        FrontEnd(FeatureSpec(n_fft=64, window_length=64, n_mels=30))


def test_dict_round_trip_and_hash():
    for spec in SPECS.values():
        assert FeatureSpec.from_dict(spec.to_dict()) == spec
        assert feature_hash(FeatureSpec.from_dict(spec.to_dict())) == feature_hash(spec)
    assert len({feature_hash(spec) for spec in SPECS.values()}) == len(SPECS)
    with pytest.raises(UserError, match=r"unknown setting 'n_ffts'.*n_fft"):
        FeatureSpec.from_dict({**YAMNET.to_dict(), "n_ffts": 1})
    with pytest.raises(UserError, match="'n_mels' is missing"):
        FeatureSpec.from_dict({k: v for k, v in YAMNET.to_dict().items() if k != "n_mels"})
    with pytest.raises(UserError, match="not a number"):
        FeatureSpec.from_dict({**YAMNET.to_dict(), "n_fft": "512"})


def test_the_published_configurations_are_among_those_tested(shared):
    """The tests go through `SPECS`; a configuration is there with the clip's maximum and with the deployable reference."""
    paths = [*shared.glob("configs/st_model_zoo/*.yaml"), *shared.glob("pretrained/**/*_config.yaml")]
    assert len(paths) > 9
    for path in paths:
        config = load(path)
        spec = FeatureSpec.from_sections(config.feature_extraction, config.preprocessing)
        assert spec in SPECS.values(), path
        if spec.to_db:
            assert dataclasses.replace(spec, db_reference="max") in SPECS.values(), path


def test_patches_follow_the_published_rule():
    assert YAMNET.patch_hop == 72
    assert MINIRESNET.patch_hop == 50 - 12
    frames = np.arange(300 * 64, dtype=np.float32).reshape(300, 64)
    patches = FrontEnd(YAMNET).patches(frames)
    assert patches.shape == (3, 64, 96)
    np.testing.assert_array_equal(patches[1], frames[72:168].T)
    last = FrontEnd(dataclasses.replace(YAMNET, include_last_patch=True)).patches(frames)
    np.testing.assert_array_equal(last[3], frames[-96:].T)


def test_min_samples_is_the_boundary():
    for spec in SPECS.values():
        assert spec.n_patches(spec.min_samples) == 1
        assert spec.n_patches(spec.min_samples - 1) == 0


def test_float_clips_are_rounded_to_int16():
    floats = np.random.default_rng(1).uniform(-1.1, 1.1, 16000).astype(np.float32)
    floats[:3] = 1.0, -1.0, 2.5 / 32768
    pcm = to_pcm(floats)
    assert pcm[:3].tolist() == [32767, -32768, 2]
    np.testing.assert_array_equal(FrontEnd(YAMNET)(floats), FrontEnd(YAMNET)(pcm))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_float_clips_with_nan_or_infinity_are_refused(value):
    clip = np.zeros(16000, np.float32)
    clip[77] = value
    with pytest.raises(UserError, match=r"sample 77 is .*expected finite"):
        FrontEnd(YAMNET)(clip)


@pytest.mark.parametrize("clip", [np.zeros(9, np.float64), np.zeros((2, 9), np.int16), np.zeros(9, np.int32)])
def test_other_types_and_shapes_are_refused(clip):
    with pytest.raises(TypeError, match="int16 or float32"):
        FrontEnd(YAMNET).log_mel(clip)


def test_batches_keep_the_order_of_the_clips():
    front_end, seen = FrontEnd(YAMNET), []
    # The last one's patches don't fit the memory that a thread's clips share.
    lengths = [*range(16000, 21600, 700), 4_200_000]
    clips = [np.random.default_rng(n).integers(-9000, 9000, n).astype(np.int16) for n in lengths]
    for threads in (1, 2, None):
        for patches, clip in zip(front_end.batch(clips, threads, seen.append), clips):
            np.testing.assert_array_equal(patches, front_end(clip))
    assert seen == 3 * list(range(1, 10))
    with pytest.raises(TypeError, match="int16 or float32"):
        front_end.batch([clips[0], np.zeros(9), clips[1]], 2)


def test_an_instruction_set_that_is_not_there_is_named():
    with pytest.raises(UserError, match=r"'avx1024' is not available, expected one of scalar"):
        FrontEnd(YAMNET, isa="avx1024")


@pytest.mark.parametrize("changes", [{"to_db": True, "db_reference": "max"}, {"center": True, "pad_mode": "reflect"}])
def test_what_a_device_cannot_honour_is_refused_before_anything_is_written(tmp_path, changes):
    with pytest.raises(UserError, match="can't exist on a device"):
        write_c(dataclasses.replace(YAMNET, **changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["yamnet", "miniresnet"])
def test_generated_tables_compile_clean(tmp_path, name):
    write_c(SPECS[name], tmp_path)
    for compiler in ("gcc", "clang", "arm-none-eabi-gcc"):
        subprocess.run(
            [compiler, "-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-c", "-o", tmp_path / "o.o",
             f"-I{source_root() / 'dsp_c' / 'include'}", tmp_path / "aed_features.c"],
            check=True,
        )  # fmt: skip


def test_tables_of_one_fft_refuse_the_other(tmp_path):
    write_c(YAMNET, tmp_path)
    command = ["gcc", "-fsyntax-only", "-DAED_DSP_FFT_CMSIS", f"-I{source_root() / 'dsp_c' / 'include'}"]
    done = subprocess.run([*command, tmp_path / "aed_features.c"], capture_output=True, text=True, check=False)
    assert done.returncode
    assert "build the image without -DAED_DSP_FFT=cmsis" in done.stderr
