"""Features through the cache: same bits, hits, damage, other settings, two processes, bad clips."""

import multiprocessing

import numpy as np
import pytest
import soundfile

from pyaed.data import Clip, extract_features, load_pcm, read_clips
from pyaed.data.cache import cache_root
from pyaed.data.synthetic import write_dataset
from pyaed.dsp import FeatureSpec, FrontEnd
from pyaed.errors import UserError

SPEC = FeatureSpec()
PREPROCESSING = {"min_length": 1, "target_rate": 16000}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features") / "set"
    table = write_dataset(folder, 5, 16)
    return read_clips(folder / "audio", table)


@pytest.fixture(scope="module")
def expected(clips):
    return extract_features(clips, FrontEnd(SPEC), PREPROCESSING, cache=False, workers=1)


def entries(folder):
    return sorted(folder.rglob("*.npy"))


def test_patches_are_those_of_the_front_end(clips, expected):
    frontend = FrontEnd(SPEC)
    for i, clip in enumerate(clips):
        direct = frontend(load_pcm(clip.path, PREPROCESSING))
        np.testing.assert_array_equal(expected.patches[expected.clip_index == i], direct)
    assert expected.patches.dtype == np.float32
    assert expected.clips == clips.clips
    np.testing.assert_array_equal(expected.clip_labels, [clip.label for clip in clips])
    np.testing.assert_array_equal(expected.clip_targets(8).argmax(axis=1), expected.clip_labels)


def test_threads_and_cache_change_no_bit(clips, expected, tmp_path, caplog):
    caplog.set_level("INFO")
    for hits in (0, 16):
        found = extract_features(clips, FrontEnd(SPEC), PREPROCESSING, tmp_path, workers=4)
        np.testing.assert_array_equal(found.patches, expected.patches)
        np.testing.assert_array_equal(found.clip_index, expected.clip_index)
        assert f"{hits} clips from the cache" in caplog.records[-1].getMessage()
    assert len(entries(tmp_path)) == 16


@pytest.mark.parametrize("damage", [
    lambda data: data[:100],
    lambda data: b"",
    lambda data: b"garbage" * 1000,
    lambda data: data[:500] + bytes([data[500] ^ 1]) + data[501:],
])  # fmt: skip
def test_a_damaged_entry_is_computed_again(clips, expected, tmp_path, caplog, damage):
    extract_features(clips, FrontEnd(SPEC), PREPROCESSING, tmp_path)
    victim = entries(tmp_path)[3]
    good = victim.read_bytes()
    victim.write_bytes(damage(good))
    found = extract_features(clips, FrontEnd(SPEC), PREPROCESSING, tmp_path)
    np.testing.assert_array_equal(found.patches, expected.patches)
    assert victim.read_bytes() == good
    assert f"{victim} is damaged" in caplog.text


def test_other_content_features_and_preprocessing_have_their_own_entries(clips, tmp_path):
    one = clips.clips[:1]
    extract_features(one, FrontEnd(SPEC), PREPROCESSING, tmp_path)
    extract_features(one, FrontEnd(FeatureSpec(fmin=200)), PREPROCESSING, tmp_path)
    extract_features(one, FrontEnd(SPEC), {**PREPROCESSING, "min_length": 2}, tmp_path)
    extract_features(one, FrontEnd(SPEC), {**PREPROCESSING, "min_length": 1.0, "unused": 7}, tmp_path)
    assert len(entries(tmp_path)) == 3
    copy = tmp_path / "copy.wav"
    copy.write_bytes(one[0].path.read_bytes())
    extract_features([Clip(copy, "copy.wav", 0)], FrontEnd(SPEC), PREPROCESSING, tmp_path)
    assert len(entries(tmp_path)) == 3, "the same content is the same entry"
    soundfile.write(copy, np.random.default_rng(0).uniform(-0.1, 0.1, 20000), 16000)
    extract_features([Clip(copy, "copy.wav", 0)], FrontEnd(SPEC), PREPROCESSING, tmp_path)
    assert len(entries(tmp_path)) == 4


def _extract(clips, folder, queue):
    found = extract_features(clips, FrontEnd(SPEC), PREPROCESSING, folder)
    queue.put(found.patches[:].tobytes())


def test_two_processes_share_a_cache(clips, expected, tmp_path):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=_extract, args=(clips, tmp_path, queue)) for _ in range(2)]
    for process in processes:
        process.start()
    results = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert all(result == expected.patches[:].tobytes() for result in results)
    assert len(entries(tmp_path)) == 16
    left = [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".npy"]
    assert not left, "no temporary file stays"


def test_a_cache_that_cannot_be_written_is_done_without(clips, expected, tmp_path, caplog):
    (tmp_path / "features").write_text("a file where the folder should be")
    found = extract_features(clips, FrontEnd(SPEC), PREPROCESSING, tmp_path)
    np.testing.assert_array_equal(found.patches, expected.patches)
    assert "going on without it" in caplog.text


def test_cache_root(monkeypatch, tmp_path):
    monkeypatch.setenv("PYAED_CACHE", str(tmp_path / "mine"))
    assert cache_root() == tmp_path / "mine"
    monkeypatch.delenv("PYAED_CACHE")
    assert cache_root().name == "pyaed"


@pytest.fixture
def bad(tmp_path):
    (tmp_path / "broken.wav").write_text("no sound")
    soundfile.write(tmp_path / "silent.wav", np.zeros(32000), 16000)
    soundfile.write(tmp_path / "short.wav", np.full(8000, 0.1), 16000)
    soundfile.write(tmp_path / "good.wav", np.full(32000, 0.1), 16000)
    return [Clip(tmp_path / f"{n}.wav", f"{n}.wav", 0) for n in ("broken", "good", "silent", "short", "gone")]


def test_bad_clips_are_named(bad, tmp_path):
    with pytest.raises(UserError) as error:
        extract_features(bad, FrontEnd(SPEC), {"min_length": 0}, tmp_path / "cache")
    text = str(error.value)
    assert text.startswith("4 of 5 clips can't be used: ")
    for part in ("broken.wav", "silent.wav is silent", "short.wav is too short: 0.50 s", "preprocessing.min_length=1 ",
                 "cannot read", "gone.wav", "dataset.skip_bad_clips=True"):  # fmt: skip
        assert part in text


def test_bad_clips_are_left_out_when_asked_for(bad, tmp_path, caplog):
    found = extract_features(bad, FrontEnd(SPEC), {"min_length": 0}, tmp_path / "cache", skip_bad=True)
    assert [c.name for c in found.clips] == ["good.wav"]
    assert set(found.clip_index) == {0}
    assert [clip.name for clip, _ in found.skipped] == ["broken.wav", "silent.wav", "short.wav", "gone.wav"]
    assert "4 of 5 clips left out" in caplog.text
    with pytest.raises(UserError, match=r"broken\.wav"):
        extract_features(bad[:1], FrontEnd(SPEC), {}, tmp_path / "cache", skip_bad=True)


def test_the_length_that_the_message_asks_for_is_enough(tmp_path):
    n = SPEC.min_samples
    clip = Clip(tmp_path / "a.wav", "a.wav", 0)
    soundfile.write(clip.path, np.full(n, 0.1), 16000)
    assert len(extract_features([clip], FrontEnd(SPEC), {"min_length": 0}, cache=False)) == 1
    soundfile.write(clip.path, np.full(n - 1, 0.1), 16000)
    with pytest.raises(UserError, match="too short"):
        extract_features([clip], FrontEnd(SPEC), {"min_length": 0}, cache=False)


def test_another_rate_than_the_features(clips):
    with pytest.raises(UserError, match="target_rate is 8000 Hz, but the features were specified for 16000 Hz"):
        extract_features(clips, FrontEnd(SPEC), {"target_rate": 8000})


def test_the_cache_keeps_what_was_used_last_and_stays_under_its_limit(clips, tmp_path, monkeypatch):
    import os

    from pyaed.data import cache_entries, cache_limit, prune

    extract_features(clips, FrontEnd(SPEC), PREPROCESSING, tmp_path)
    for i, (_, _, path) in enumerate(cache_entries(tmp_path)):
        os.utime(path, (i, i))
    extract_features(list(clips)[:3], FrontEnd(SPEC), PREPROCESSING, tmp_path)  # used again
    used = {path for _, _, path in cache_entries(tmp_path)[-3:]}
    sizes = {path: size for _, size, path in cache_entries(tmp_path)}
    leftover = next(iter(used)).parent / ".abc.npy.1.1"
    leftover.write_bytes(b"half")
    os.utime(leftover, (0, 0))
    count, removed = prune(tmp_path, sum(sizes[path] for path in used))
    assert {path for _, _, path in cache_entries(tmp_path)} == used
    assert (count, removed) == (len(clips) - 3, sum(sizes.values()) - sum(sizes[path] for path in used))
    assert not leftover.exists()

    monkeypatch.setenv("PYAED_CACHE_LIMIT", "0")
    extract_features(clips, FrontEnd(SPEC), PREPROCESSING, tmp_path)
    assert cache_entries(tmp_path) == []
    monkeypatch.setenv("PYAED_CACHE_LIMIT", "much")
    with pytest.raises(UserError, match="PYAED_CACHE_LIMIT"):
        cache_limit()
