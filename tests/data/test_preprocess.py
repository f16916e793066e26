"""Decoding and time-domain preprocessing; librosa is the judge of resampling and silence."""

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from pyaed.data import (
    decode,
    load_pcm,
    non_silent_intervals,
    preprocess,
    preprocessing_settings,
    read_clips,
)
from pyaed.dsp import to_int16
from pyaed.errors import UserError

RATE = 16000


def noise(n, seed=0, level=0.1):
    return (level * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(1, 20000),
    top_db=st.sampled_from([1, 10, 30, 60, 90]),
    frame_length=st.integers(2, 4096),
    hop_length=st.sampled_from([1, 7, 160, 512, 3200]),
    kind=st.sampled_from([np.float32, np.float64]),
)
def test_intervals_equal_librosa_on_random_signals(seed, n, top_db, frame_length, hop_length, kind):
    rng = np.random.default_rng(seed)
    if hop_length < 100:
        n = min(n, 3000)
    steps = 10.0 ** rng.integers(-7, 1, 1 + n // 300)
    audio = (rng.standard_normal(n) * np.repeat(steps, 300)[:n]).astype(kind)
    ours = non_silent_intervals(audio, top_db, frame_length, hop_length)
    theirs = librosa.effects.split(audio, top_db=top_db, frame_length=frame_length, hop_length=hop_length)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("n", [0, 1, 5, 3200])
def test_intervals_of_zeros(n):
    theirs = librosa.effects.split(np.zeros(n, np.float32), top_db=60, frame_length=400, hop_length=160)
    np.testing.assert_array_equal(non_silent_intervals(np.zeros(n, np.float32), 60, 400, 160), theirs)


def test_intervals_equal_librosa_on_every_clip_of_esc10(shared):
    folder = shared / "datasets" / "esc10"
    clips = read_clips(folder / "audio", folder / "meta" / "esc10.csv")
    assert len(clips) == 320
    cut = 0
    for clip in clips:
        audio = decode(clip.path, RATE)
        for top_db, frame_length, hop_length in ((60, 3200, 3200), (30, 2048, 512)):
            ours = non_silent_intervals(audio, top_db, frame_length, hop_length)
            theirs = librosa.effects.split(audio, top_db=top_db, frame_length=frame_length, hop_length=hop_length)
            np.testing.assert_array_equal(ours, theirs, err_msg=clip.name)
            cut += len(ours) != 1 or (ours != [[0, len(audio)]]).any()
    assert cut > 100, "the comparison must meet clips with silence"


def test_decode_equals_librosa_on_real_clips(shared):
    files = sorted((shared / "datasets" / "esc10" / "audio").iterdir())[::40]
    for path in files:
        np.testing.assert_array_equal(decode(path, RATE), librosa.load(path, sr=RATE)[0])


@pytest.mark.parametrize(("ending", "subtype", "tolerance"), [
    ("wav", "PCM_16", 2**-15), ("wav", "PCM_24", 2**-20), ("wav", "FLOAT", 0), ("flac", "PCM_16", 2**-15),
    ("ogg", "VORBIS", 0.1), ("mp3", "MPEG_LAYER_III", 0.1),
])  # fmt: skip
def test_formats_and_mono_mix(tmp_path, ending, subtype, tolerance):
    t = np.arange(2 * RATE) / RATE
    left, right = 0.4 * np.sin(2 * np.pi * 440 * t), 0.2 * np.sin(2 * np.pi * 700 * t)
    path = tmp_path / f"clip.{ending}"
    soundfile.write(path, np.stack([left, right], axis=1).astype(np.float32), RATE, subtype=subtype)
    audio = decode(path, RATE)
    assert audio.dtype == np.float32
    assert audio.ndim == 1
    error = audio[200 : 2 * RATE - 200] - ((left + right) / 2)[200 : 2 * RATE - 200]
    assert np.abs(error).max() <= max(tolerance, 1e-7)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 5000), rate=st.sampled_from([8000, 11025, 22050, 44100, 48000]))
def test_resampled_length_and_values_equal_librosa(tmp_path_factory, n, rate):
    path = tmp_path_factory.mktemp("resample") / "a.wav"
    soundfile.write(path, noise(n), rate)
    np.testing.assert_array_equal(decode(path, RATE), librosa.load(path, sr=RATE)[0])


def test_max_seconds(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(3 * 8000), 8000)
    assert len(decode(tmp_path / "a.wav", RATE, max_seconds=1.5)) == 24000


def test_unreadable_files(tmp_path):
    (tmp_path / "text.wav").write_text("this is no sound")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    soundfile.write(tmp_path / "nan.wav", np.array([0, np.nan], np.float32), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "slow.wav", np.zeros(10), 10)
    soundfile.write(tmp_path / "zeros.wav", np.full(RATE, 1e-6, np.float32), RATE, subtype="FLOAT")
    for name, message in (
        ("text.wav", "cannot decode"), ("none.wav", "cannot decode"), ("empty.wav", "holds no samples"),
        ("nan.wav", "not finite"), ("slow.wav", "sample rate 10 Hz"), ("zeros.wav", "is silent"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=message) as error:
            load_pcm(tmp_path / name, {})
        assert name in str(error.value)


@given(st.integers(-32768, 32767))
def test_int16_round_trip(value):
    assert to_int16(np.float32(value) / np.float32(32768)) == value


@given(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=50))
def test_int16_rounding(values):
    exact = [min(max(round(v * 32768), -32768), 32767) for v in values]  # Python rounds half to even, exactly
    np.testing.assert_array_equal(to_int16(np.array(values, np.float32)), np.array(exact, np.int16))


def test_an_int16_file_at_the_target_rate_comes_through_unchanged(tmp_path):
    pcm = np.random.default_rng(1).integers(-32768, 32768, 2 * RATE).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", pcm, RATE, subtype="PCM_16")
    np.testing.assert_array_equal(load_pcm(tmp_path / "a.wav", {"top_db": None}), pcm)


def test_silence_is_cut_and_pieces_are_joined():
    loud, quiet = noise(16000), np.zeros(16000, np.float32)
    pcm = preprocess(np.concatenate([loud, quiet, loud]), RATE, {"frame_length": 1600, "hop_length": 1600})
    assert 32000 <= len(pcm) <= 32000 + 3 * 1600
    np.testing.assert_array_equal(pcm[:16000], to_int16(loud))


def test_lengthening_after_and_before():
    audio = np.concatenate([noise(4000), np.zeros(8000, np.float32)])
    cut = {"top_db": 60, "frame_length": 800, "hop_length": 800, "min_length": 1}
    short = preprocess(audio, RATE, {**cut, "min_length": 0})
    after = preprocess(audio, RATE, {**cut, "lengthen": "after"})
    before = preprocess(audio, RATE, {**cut, "lengthen": "before"})
    np.testing.assert_array_equal(after, np.resize(short, RATE))
    assert len(after) == RATE
    assert len(short) < len(before) < RATE, "silence is cut out of the repeated clip too"


def test_lengths():
    audio = noise(int(2.7 * RATE))
    keep = {"top_db": None}
    assert len(preprocess(audio, RATE, {**keep, "max_length": 1.5})) == 24000
    assert len(preprocess(audio, RATE, {**keep, "trim_last_second": True})) == 2 * RATE
    assert len(preprocess(audio[:8000], RATE, {**keep, "trim_last_second": True, "min_length": 0})) == 8000
    assert len(preprocess(audio, RATE, {**keep, "max_length": None})) == len(audio)
    assert len(preprocess(audio[:0], RATE, keep)) == 0


@pytest.mark.parametrize(("key", "value"), [
    ("lengthen", "afterwards"), ("hop_length", 0), ("frame_length", 1.5), ("target_rate", "16k"), ("top_db", -1),
    ("min_length", float("nan")), ("max_length", 0.5), ("min_length", True),
])  # fmt: skip
def test_settings_out_of_range(key, value):
    with pytest.raises(UserError, match=f"preprocessing.{key}"):
        preprocessing_settings({key: value})


def test_settings_from_attributes_and_from_keys_agree():
    class Section:
        min_length, lengthen, something_else = 2, "before", 3

    assert preprocessing_settings(Section) == preprocessing_settings({"min_length": 2.0, "lengthen": "before"})
