"""Sound that reading changes: scaled, clipped, mixed or cut. What comes out, and that check and training say so."""

import logging
import time

import numpy as np
import pytest
import soundfile

from pyaed.data import ClipSet, check_clips, decode, extract_features, list_clips, load_pcm, read_sound
from pyaed.data.containers import cut_off
from pyaed.dsp import FeatureSpec, FrontEnd, to_int16
from pyaed.errors import UserError

RATE = 16000
SPEC = FeatureSpec()
WHOLE = {"top_db": None, "max_length": None, "min_length": 0}


def noise(n=2 * RATE, seed=0, level=0.1):
    return (level * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def sine(n=2 * RATE, level=0.5):
    return (level * np.sin(np.arange(n) * 0.05)).astype(np.float32)


def remarks(path):
    return [remark.kind for remark in read_sound(path, RATE).remarks]


def problems(folder):
    clips = ClipSet(list_clips(folder).clips, ())
    return {(finding.problem, finding.clip) for finding in check_clips(clips, WHOLE, SPEC, workers=1)}


def said(folder, caplog, cache):
    """What a training's features say of a folder."""
    caplog.clear()
    caplog.set_level(logging.INFO)
    clips = list_clips(folder).clips
    extract_features(clips, FrontEnd(SPEC), {"min_length": 1}, cache, label="training features", workers=1)
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("rate", [RATE, 44100])
def test_floats_in_the_scale_of_16_bits_are_the_same_sound_as_16_bits(tmp_path, subtype, rate):
    pcm = to_int16(noise(2 * rate))
    soundfile.write(tmp_path / "int.wav", pcm, rate, subtype="PCM_16")
    soundfile.write(tmp_path / "float.wav", pcm.astype(np.float64), rate, subtype=subtype)
    np.testing.assert_array_equal(decode(tmp_path / "float.wav", RATE), decode(tmp_path / "int.wav", RATE))
    assert remarks(tmp_path / "float.wav") == ["scaled"]
    assert remarks(tmp_path / "int.wav") == []


@pytest.mark.parametrize(("peak", "whole", "kinds"), [
    (1.0, False, []), (1.9, False, ["overload"]), (2.0, False, ["overload"]), (300.0, False, ["scaled"]),
    (32767.0, True, ["scaled"]), (2.0, True, ["scaled"]), (40.0, True, ["scaled"]), (65536.0, False, ["scaled", "overload"]),
])  # fmt: skip
def test_the_scale_of_floats_goes_by_their_peak(tmp_path, peak, whole, kinds):
    samples = peak * sine(level=1.0) / sine(level=1.0).max()
    soundfile.write(tmp_path / "a.wav", np.rint(samples) if whole else samples, RATE, subtype="FLOAT")
    assert remarks(tmp_path / "a.wav") == kinds


@pytest.mark.parametrize("peak", [2.1, 10.3, 70000.0, 2.0**31])
def test_floats_in_no_known_scale_are_refused(tmp_path, peak):
    soundfile.write(tmp_path / "a.wav", peak * sine(level=1.0), RATE, subtype="FLOAT")
    with pytest.raises(UserError, match=r"a.wav holds floats to \+-.* expected full scale 1.0, or 32768"):
        decode(tmp_path / "a.wav", RATE)


def test_the_scale_is_that_of_the_whole_file_however_little_is_read(tmp_path):
    quiet = np.concatenate([noise(level=0.3), 20000 * sine()])
    soundfile.write(tmp_path / "a.wav", quiet, RATE, subtype="FLOAT")
    start = decode(tmp_path / "a.wav", RATE, max_seconds=1.0)
    np.testing.assert_allclose(start, quiet[:RATE] / 32768, rtol=1e-6)


def test_integers_at_full_scale_are_left_alone(tmp_path):
    pcm = np.random.default_rng(1).choice(np.array([-32768, 32767], np.int16), RATE)
    soundfile.write(tmp_path / "a.wav", pcm, RATE, subtype="PCM_16")
    assert remarks(tmp_path / "a.wav") == []
    np.testing.assert_array_equal(load_pcm(tmp_path / "a.wav", WHOLE), pcm)


def test_what_goes_beyond_full_scale_is_measured(tmp_path, caplog):
    hot, once = sine(level=1.3), noise()
    once[77] = 1.5
    (tmp_path / "set").mkdir()
    soundfile.write(tmp_path / "set/hot.wav", hot, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "set/once.wav", once, RATE, subtype="FLOAT")
    (warning,) = said(tmp_path / "set", caplog, tmp_path / "cache")
    share = np.mean(np.abs(hot) > 1)
    assert "training features: 1 of 2 clips go beyond full scale" in warning
    assert f"hot.wav (peak 1.3, {share:.2%} of the samples)" in warning
    assert "once.wav (peak 1.5, 0.00% of the samples)" in caplog.text, "a note where it is little"
    assert problems(tmp_path / "set") == {("overload", "hot.wav"), ("clipped", "hot.wav")}


def test_clipping_is_found_in_one_channel_and_before_resampling(tmp_path):
    clipped = np.clip(sine(3 * 44100, 1.6), -1, 1)
    soundfile.write(tmp_path / "a.wav", np.stack([clipped, noise(3 * 44100)], 1), 44100, subtype="PCM_16")
    soundfile.write(tmp_path / "b.wav", np.clip(clipped, -0.6, 0.6), 44100, subtype="PCM_16")
    assert problems(tmp_path) == {("clipped", "a.wav")}, "a plateau below full scale is a square wave, not clipping"


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg"])
def test_channels_of_opposite_sign(tmp_path, ending, caplog):
    (tmp_path / "set").mkdir()
    soundfile.write(tmp_path / f"set/a.{ending}", np.stack([sine(), -0.9 * sine()], 1), RATE)
    assert remarks(tmp_path / f"set/a.{ending}") == ["cancelling"]
    assert problems(tmp_path / "set") == {("cancelling", f"a.{ending}")}
    (warning,) = said(tmp_path / "set", caplog, tmp_path / "cache")
    assert "1 of 1 clips have channels of opposite sign" in warning
    assert "the mix is 26 dB quieter than its loudest channel" in warning


def test_channels_that_cancel_wholly_are_not_called_silent(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([noise(), -noise()], 1), RATE, subtype="FLOAT")
    with pytest.raises(UserError, match="its channels are of opposite sign and cancel in the mono mix"):
        load_pcm(tmp_path / "a.wav", WHOLE)
    assert problems(tmp_path) == {("cancelling", "a.wav"), ("silent", "a.wav")}


@pytest.mark.parametrize(("channels", "kinds"), [
    ([1, 1], []), ([1, 0.5], []), ([1, 0], ["one-sided"]), ([1, 1, 1, 1, 1, 1], []), ([1, 0, 0, 0], ["one-sided"]),
    ([0, 0], []), ([1, -1, 1, -1], ["cancelling"]), ([1, -0.3], []),
])  # fmt: skip
def test_mixes_of_one_sound(tmp_path, channels, kinds):
    soundfile.write(tmp_path / "a.wav", np.stack([gain * noise() for gain in channels], 1), RATE, subtype="FLOAT")
    assert remarks(tmp_path / "a.wav") == kinds
    np.testing.assert_allclose(decode(tmp_path / "a.wav", RATE), noise() * np.mean(channels), atol=1e-6)


def test_channels_without_relation_are_mixed_without_a_word(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([noise(seed=i) for i in range(8)], 1), RATE)
    assert remarks(tmp_path / "a.wav") == []


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


@pytest.mark.parametrize(("ending", "form", "subtype"), [
    ("wav", "WAV", "PCM_16"), ("wav", "WAV", "FLOAT"), ("wav", "WAVEX", "PCM_24"), ("wav", "RF64", "PCM_16"), ("wav", "WAV", "ALAW"),
    ("ogg", "OGG", "VORBIS"), ("mp3", "MP3", "MPEG_LAYER_III"),
])  # fmt: skip
def test_files_that_were_cut_off(tmp_path, ending, form, subtype, caplog):
    (tmp_path / "set").mkdir()
    path = tmp_path / f"set/a.{ending}"
    soundfile.write(path, noise(8 * RATE), RATE, subtype=subtype, format=form)
    assert remarks(path) == []
    cut(path, 0.6)
    assert remarks(path) == ["truncated"]
    assert 0.4 < len(decode(path, RATE)) / (8 * RATE) < 0.65, "what is there is used"
    assert ("truncated", path.name) in problems(tmp_path / "set")
    (warning,) = said(tmp_path / "set", caplog, tmp_path / "cache")
    assert "1 of 1 clips are cut off: they announce more sound than there is" in warning


def test_a_flac_file_that_was_cut_off_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.flac", noise(), RATE)
    cut(tmp_path / "a.flac", 0.5)
    with pytest.raises(UserError, match=r"a\.flac: the file is damaged or cut off"):
        decode(tmp_path / "a.flac", RATE)


@pytest.mark.parametrize("length", [0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFF000])
def test_a_length_that_a_pipe_could_not_know_is_no_cut(tmp_path, length):
    soundfile.write(tmp_path / "a.wav", noise(), RATE, subtype="PCM_16")
    data = bytearray((tmp_path / "a.wav").read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = length.to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(data)
    assert cut_off(tmp_path / "a.wav") is None


def test_a_recording_that_was_not_closed(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(), RATE, subtype="PCM_16")
    data = bytearray((tmp_path / "a.wav").read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = bytes(4)
    (tmp_path / "a.wav").write_bytes(data)
    with pytest.raises(UserError, match=r"a\.wav holds no samples: its header announces none of the 64000 bytes"):
        decode(tmp_path / "a.wav", RATE)


def test_chunks_without_end_are_not_followed(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF\0\0\0\0WAVE" + b"LIST\0\0\0\0" * 4_000_000)
    start = time.process_time()
    assert cut_off(tmp_path / "a.wav") is None
    assert time.process_time() - start < 0.5


def test_no_real_clip_is_called_cut_off(shared):
    files = sorted((shared / "datasets/esc10/audio").iterdir())
    assert len(files) == 320
    assert [path.name for path in files if cut_off(path)] == []


@pytest.mark.parametrize(("subtype", "tolerance"), [
    ("PCM_U8", 2**-7), ("PCM_24", 2**-22), ("PCM_32", 2**-24), ("DOUBLE", 2**-24), ("ALAW", 0.02), ("ULAW", 0.02),
    ("GSM610", 0.2), ("IMA_ADPCM", 0.05),
])  # fmt: skip
@pytest.mark.parametrize("rate", [RATE, 96000])
def test_formats_of_samples(tmp_path, subtype, tolerance, rate):
    if subtype == "GSM610" and rate != RATE:
        rate = 8000
    samples = sine(2 * rate)
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype=subtype)
    assert remarks(tmp_path / "a.wav") == []
    sound = read_sound(tmp_path / "a.wav", rate)
    assert abs(len(sound.audio) - len(samples)) <= 1000
    n = min(len(sound.audio), len(samples)) - 200
    assert np.abs(sound.audio[200:n] - samples[200:n]).max() <= tolerance


def test_an_offset_is_named_by_the_check(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise() + 0.05, RATE)
    soundfile.write(tmp_path / "b.wav", noise(seed=1) + 0.002, RATE)
    hum = np.concatenate([np.full(RATE // 2, 0.3), np.full(RATE, -0.1), np.full(RATE // 2, 0.1)])
    soundfile.write(tmp_path / "c.wav", noise(seed=2) + hum, RATE)
    soundfile.write(tmp_path / "d.wav", np.stack([noise(seed=3), noise(seed=4) - 0.02], 1), RATE)
    assert problems(tmp_path) == {("offset", "a.wav"), ("offset", "d.wav")}


@pytest.mark.parametrize(("n", "rate"), [(1, RATE), (2, 44100), (7, 44100)])
def test_a_few_samples(tmp_path, n, rate):
    soundfile.write(tmp_path / "a.wav", np.full(n, 0.5), rate)
    assert len(decode(tmp_path / "a.wav", RATE)) == -(-n * RATE // rate)
    assert problems(tmp_path) == {("too short", "a.wav")}


def test_a_set_is_told_once_a_kind_and_again_from_the_cache(tmp_path, caplog):
    (tmp_path / "set").mkdir()
    for i in range(9):
        soundfile.write(tmp_path / f"set/{i}.wav", to_int16(noise(seed=i)).astype(np.float32), RATE, subtype="FLOAT")
    first = said(tmp_path / "set", caplog, tmp_path / "cache")
    assert len(first) == 1
    assert "9 of 9 clips hold floats in the scale of 16-bit integers; they are multiplied by 1/32768: 0.wav" in first[0]
    assert "and 4 more" in first[0]
    assert said(tmp_path / "set", caplog, tmp_path / "cache") == first
    assert "9 clips from the cache" in caplog.text


def test_the_reported_files(shared):
    scaled = sorted((shared / "cases/03-float-wav-int16-scale/audio").iterdir())
    assert len(scaled) == 12
    for path in scaled:
        assert remarks(path) == ["scaled"]
        assert 0.25 < np.abs(decode(path, RATE)).max() <= 1
    other = shared / "cases/13-stereo-antiphase"
    assert remarks(other / "03_antiphase.wav") == ["cancelling"]
    assert remarks(other / "08_trunc_data.wav") == ["truncated"]
