"""Broken data sets, and what the user is told: by the reading of the CSV, by the features, by the check."""

import numpy as np
import pytest
import soundfile

from pyaed.data import Selection, check_clips, extract_features, read_clips, read_sets, shared_clips
from pyaed.dsp import FeatureSpec, FrontEnd
from pyaed.errors import UserError

SPEC = FeatureSpec()
PREPROCESSING = {"min_length": 0, "target_rate": 16000}
HEADER = "filename,fold,category"
ROWS = ["a.wav,1,dog", "b.wav,1,rain", "c.wav,2,dog", "d.wav,2,rain"]


def noise(seed, seconds=2.0):
    return np.random.default_rng(seed).normal(0, 0.1, int(16000 * seconds))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "audio").mkdir()
    for i, row in enumerate(ROWS):
        soundfile.write(tmp_path / "audio" / row.split(",")[0], noise(i), 16000)
    write(tmp_path)
    return tmp_path


def write(folder, rows=ROWS, header=HEADER, encoding="utf-8"):
    (folder / "meta.csv").write_text("\n".join([header, *rows]) + "\n", encoding=encoding)


def sound(folder, name, samples, rate=16000):
    soundfile.write(folder / "audio" / name, samples, rate)


# What breaks the set, arguments of read_clips, and a part of the message.
BROKEN = [
    ("no table", lambda f: (f / "meta.csv").unlink(), {}, "meta.csv does not exist"),
    ("no audio folder", lambda f: (f / "audio").rename(f / "audoi"), {}, "does not exist (did you mean 'audoi'?)"),
    ("a file for the folder", lambda f: [(f / "audio").rename(f / "a"), (f / "audio").touch()], {}, "audio is a file; expected the folder"),
    ("empty table", lambda f: (f / "meta.csv").write_text(""), {}, "no column 'filename'; its first line gives: nothing"),
    ("header only", lambda f: write(f, []), {}, "has a header but no clips"),
    ("semicolons", lambda f: write(f, [r.replace(",", ";") for r in ROWS], HEADER.replace(",", ";")), {}, "no column 'filename'"),
    ("misspelt column", lambda f: write(f, header="filename,fold,categorie"), {}, "no column 'category' (did you mean 'categorie'?)"),
    ("utf-16", lambda f: write(f, encoding="utf-16"), {}, "is not a CSV file in UTF-8"),
    ("binary", lambda f: (f / "meta.csv").write_bytes(bytes(range(256))), {}, "is not a CSV file in UTF-8"),
    ("empty name", lambda f: write(f, [*ROWS, ",1,dog"]), {}, "line 6: empty 'filename'"),
    ("empty class", lambda f: write(f, [*ROWS, "e.wav,1,"]), {}, "line 6: empty 'category'"),
    ("fold in words", lambda f: write(f, ["a.wav,one,dog"]), {}, "line 2: fold 'one' is not an integer"),
    ("listed twice", lambda f: write(f, [*ROWS, "a.wav,2,rain"]), {}, "lists a.wav twice, in lines 2 ('dog') and 6 ('rain')"),
    ("absolute name", lambda f: write(f, ["/etc/passwd,1,dog"]), {}, "must be relative to the audio folder"),
    ("drive", lambda f: write(f, [r"C:\a.wav,1,dog"]), {}, "must be relative to the audio folder"),
    ("way out", lambda f: write(f, ["../meta.csv,1,dog"]), {}, "leads out of the audio folder"),
    ("missing clips", lambda f: [(f / "audio" / n).unlink() for n in ("a.wav", "c.wav")], {}, "(2 clips are missing in all)"),
    ("misspelt clip", lambda f: (f / "audio/a.wav").rename(f / "audio/aa.wav"), {}, "did you mean 'aa.wav'"),
    ("unknown class", lambda f: None, {"class_names": ["dog", "rein"]}, "class 'rein' has no clips in"),
    ("class twice", lambda f: None, {"class_names": ["dog", "dog"]}, "class_names holds dog more than once"),
    ("nothing left over", lambda f: None, {"use_garbage_class": True}, "there must be others to draw the class 'other' from"),
    ("no class name", lambda f: write(f, ['a.wav,1,"[]"']), {"multi_label": True}, "holds no class name"),
    ("not a sound", lambda f: (f / "audio/a.wav").write_text("not a sound"), {}, "cannot decode"),
    ("empty file", lambda f: (f / "audio/a.wav").write_bytes(b""), {}, "cannot decode"),
    ("cut header", lambda f: (f / "audio/a.wav").write_bytes((f / "audio/a.wav").read_bytes()[:30]), {}, "a.wav"),
    ("no samples", lambda f: sound(f, "a.wav", np.zeros(0)), {}, "holds no samples"),
    ("silence", lambda f: sound(f, "a.wav", np.zeros(32000)), {}, "is silent: no sample reaches one step of 16 bits"),
    ("too short", lambda f: sound(f, "a.wav", noise(0, 0.3)), {}, "preprocessing.min_length=1 repeats short"),
    ("not numbers", lambda f: soundfile.write(f / "audio/a.wav", np.full(9000, np.nan), 16000, subtype="FLOAT"), {}, "not finite"),
    ("wild rate", lambda f: sound(f, "a.wav", noise(0), 500), {}, "sample rate 500 Hz is outside"),
    ("all broken", lambda f: [(f / "audio" / r.split(",")[0]).write_text("x") for r in ROWS], {}, "4 of 4 clips can't be used"),
]  # fmt: skip


@pytest.mark.parametrize(("break_it", "arguments", "message"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_what_the_user_is_told(folder, break_it, arguments, message):
    break_it(folder)

    def read():
        clips = read_clips(folder / "audio", folder / "meta.csv", Selection(**arguments))
        extract_features(clips, FrontEnd(SPEC), PREPROCESSING, cache=False, workers=1)

    with pytest.raises(UserError) as error:
        read()
    assert message in str(error.value)


def test_the_table_is_as_long_as_promised():
    assert len(BROKEN) >= 20


def test_check_reports_every_clip_at_once(folder):
    rows = [*ROWS, *(f"{name}.wav,3,dog" for name in ("gone", "quiet", "short", "loud", "copy", "torn", "sine"))]
    write(folder, rows)
    sound(folder, "quiet.wav", np.zeros(32000))
    sound(folder, "short.wav", noise(5, 0.3))
    sound(folder, "loud.wav", np.clip(20 * noise(6), -1, 1))
    sound(folder, "sine.wav", np.sin(np.arange(32000) * 0.05))
    (folder / "audio/copy.wav").write_bytes((folder / "audio/b.wav").read_bytes())
    (folder / "audio/torn.wav").write_text("RIFF")
    missing = {}
    clips = read_clips(folder / "audio", folder / "meta.csv", missing=missing)
    assert list(missing) == ["gone.wav"]
    found = {(f.problem, f.clip): f.text for f in check_clips(clips, PREPROCESSING, SPEC)}
    assert set(found) == {
        ("missing", "gone.wav"), ("silent", "quiet.wav"), ("too short", "short.wav"), ("clipped", "loud.wav"),
        ("duplicate", "copy.wav"), ("unreadable", "torn.wav"),
    }  # fmt: skip
    assert found["duplicate", "copy.wav"] == "the same content as b.wav, but it is of class rain there"


def test_clips_in_two_sets(folder):
    where = {"audio_path": str(folder / "audio"), "csv_path": str(folder / "meta.csv")}
    section = {f"{part}_{key}": value for part in ("training", "test") for key, value in where.items()}
    sets = read_sets({**section, "validation_split": 0.0})
    assert shared_clips({"training": sets.training, "test": sets.test}) == [
        "4 clips stand in both the training and the test set"
    ]
