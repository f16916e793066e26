"""The synthetic sound set: reproducible, balanced, varied, and different in time as well as in pitch."""

import hashlib

import numpy as np
import pytest
import soundfile

from pyaed.data import read_clips
from pyaed.data.synthetic import CLASSES, RATES, write_dataset
from pyaed.errors import UserError


def digest(folder):
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            whole.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return whole.hexdigest()


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic") / "set"
    write_dataset(folder, 1)
    return folder


def test_same_seed_same_bytes(sounds, tmp_path):
    write_dataset(tmp_path / "again", 1)
    assert digest(tmp_path / "again") == digest(sounds)
    write_dataset(tmp_path / "other", 2, 8)
    write_dataset(tmp_path / "first", 1, 8)
    assert digest(tmp_path / "other") != digest(tmp_path / "first")


def test_balanced_and_readable(sounds):
    clips = read_clips(sounds / "audio", sounds / "meta" / "synthetic.csv")
    assert set(clips.class_counts().values()) == {25}
    assert len(clips.class_names) == len(CLASSES) >= 6
    for name in range(len(CLASSES)):
        assert sorted(c.fold for c in clips if c.label == name) == sorted([1, 2, 3, 4, 5] * 5)


def test_varied_in_level_length_and_rate(sounds):
    infos, peaks = [], []
    for path in sorted((sounds / "audio").iterdir()):
        pcm, rate = soundfile.read(path, dtype="int16")
        infos.append((rate, len(pcm) / rate))
        peaks.append(20 * np.log10(np.abs(pcm.astype(float)).max() / 32768))
    rates, lengths = zip(*infos)
    assert set(rates) == set(RATES)
    assert min(lengths) >= 0.79
    assert max(lengths) <= 4.0
    assert np.std(lengths) > 0.5
    assert -31 < min(peaks) < -20 < -5 < max(peaks) < 0


def test_a_folder_with_other_things_is_not_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match=r"thesis\.txt"):
        write_dataset(tmp_path, 1, 8)
    assert (tmp_path / "thesis.txt").exists()


def test_an_earlier_set_is_replaced(tmp_path):
    write_dataset(tmp_path / "set", 1, 16)
    write_dataset(tmp_path / "set", 1, 8)
    assert len(list((tmp_path / "set" / "audio").iterdir())) == 8
