"""Reading data sets in ESC format: what is accepted, and the message for everything that isn't."""

import numpy as np
import pytest
import soundfile

from pyaed.data import Selection, list_clips, read_clips
from pyaed.errors import UserError


def make_set(folder, rows, header="filename,fold,category", files=None):
    """Write a CSV with `rows` and a short clip for every file name in it (or in `files`)."""
    audio = folder / "audio"
    audio.mkdir(parents=True, exist_ok=True)
    table = folder / "meta.csv"
    table.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    names = [row.split(",")[0].strip('"').replace("\\", "/") for row in rows] if files is None else files
    for name in names:
        path = audio / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.full(1600, 0.1), 16000)
    return audio, table


ROWS = ["a.wav,1,dog", "b.wav,2,rain", "c.wav,1,dog", "d.wav,2,axe"]


def test_all_categories_sorted(tmp_path):
    clips = read_clips(*make_set(tmp_path, ROWS))
    assert clips.class_names == ("axe", "dog", "rain")
    assert [(c.name, c.label, c.category, c.fold) for c in clips] == [
        ("a.wav", 1, "dog", 1), ("b.wav", 2, "rain", 2), ("c.wav", 1, "dog", 1), ("d.wav", 0, "axe", 2),
    ]  # fmt: skip
    assert clips.class_counts() == {"axe": 1, "dog": 2, "rain": 1}


def test_subset_keeps_the_given_order_and_ignores_files_of_other_classes(tmp_path):
    clips = read_clips(*make_set(tmp_path, ROWS, files=["a.wav", "b.wav", "c.wav"]), Selection(["rain", "dog"]))
    assert clips.class_names == ("rain", "dog")
    assert [c.label for c in clips] == [1, 0, 1]


def test_names_without_extension_subfolders_backslashes_bom_and_no_fold(tmp_path):
    audio, table = make_set(tmp_path, ["a,dog", "sub\\b.c,rain"], "filename,category", ["a.flac", "sub/b.c.wav"])
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    clips = read_clips(audio, table, Selection(file_extension=".wav"))
    assert [(c.name, c.path.name, c.fold) for c in clips] == [("a", "a.flac", None), ("sub/b.c", "b.c.wav", None)]


def test_paths_with_backslashes(tmp_path, monkeypatch):
    make_set(tmp_path / "set", ROWS)
    monkeypatch.chdir(tmp_path)
    assert len(read_clips(".\\set\\audio", ".\\set\\meta.csv")) == 4


def test_garbage_class_comes_last_and_is_drawn_by_seed(tmp_path):
    rows = [f"{category}{i}.wav,1,{category}" for category in ("dog", "rain", "axe", "bell") for i in range(6)]
    where = make_set(tmp_path, rows)
    kwargs = {"class_names": ["rain", "dog"], "use_garbage_class": True}
    clips = read_clips(*where, Selection(**kwargs, n_samples_per_garbage_class=2, seed=3))
    assert clips.class_names == ("rain", "dog", "other")
    other = [c for c in clips if c.label == 2]
    assert sorted(c.category for c in other) == ["axe", "axe", "bell", "bell"]
    assert clips == read_clips(*where, Selection(**kwargs, n_samples_per_garbage_class=2, seed=3))
    assert read_clips(*where, Selection(**kwargs)).class_counts()["other"] == 6, "balanced by default"
    again = read_clips(*where, Selection(clips.class_names, use_garbage_class=True))
    assert again.class_names == clips.class_names, "a model's names may end with other"


def test_multi_label(tmp_path):
    where = make_set(tmp_path, ["a.wav,\"['dog', 'rain']\"", "b.wav,rain", 'c.wav,"dog;axe"'], "filename,category")
    clips = read_clips(*where, Selection(multi_label=True))
    assert clips.class_names == ("axe", "dog", "rain")
    assert [c.label for c in clips] == [(1, 2), (2,), (0, 1)]


BAD = {
    "no category": (["a.wav,1"], "filename,kategory", {}, "no column 'category' (did you mean 'kategory'?)"),
    "no filename": (["a.wav,dog"], "file name,category", {}, "no column 'filename' (did you mean 'file name'?)"),
    "empty file": ([], "", {}, "no column 'filename'; its first line gives: nothing"),
    "only a header": ([], "filename,category", {}, "has a header but no clips"),
    "empty category": (["a.wav,1,"], None, {}, "line 2: empty 'category'"),
    "short row": (["a.wav"], None, {}, "line 2: empty 'category'"),
    "empty file name": ([",1,dog"], None, {}, "line 2: empty 'filename'"),
    "bad fold": (["a.wav,one,dog"], None, {}, "line 2: fold 'one' is not an integer"),
    "out of the folder": (["../a.wav,1,dog"], None, {}, "line 2: filename '../a.wav' leads out of the audio folder"),
    "out with backslashes": (["x\\..\\..\\a.wav,1,dog"], None, {}, "leads out of the audio folder"),
    "absolute": (["/etc/passwd,1,dog"], None, {}, "must be relative to the audio folder"),
    "absolute on Windows": (["C:\\a.wav,1,dog"], None, {}, "must be relative to the audio folder"),
    "missing clip": (["b.wav,1,dog"], None, {}, "line 2: no file b.wav"),
    "listed twice": (["a.wav,1,dog", "a.wav,1,rain"], None, {}, "a.wav twice, in lines 2 ('dog') and 3 ('rain')"),
    "class without clips": (["a.wav,1,dog"], None, {"class_names": ["dogg"]},
                            "class 'dogg' has no clips in"),
    "nearest class": (["a.wav,1,dog"], None, {"class_names": ["dogg"]}, "(did you mean 'dog'?)"),
    "class twice": (["a.wav,1,dog"], None, {"class_names": ["dog", "dog"]}, "class_names holds dog more than once"),
    "nothing for other": (["a.wav,1,dog"], None, {"use_garbage_class": True}, "dataset.use_garbage_class is set"),
    "other is taken": (["a.wav,1,other", "b.wav,1,dog", "c.wav,1,x"], None,
                       {"use_garbage_class": True, "class_names": ["other", "dog"]}, "dataset.use_garbage_class adds"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_messages(tmp_path, case):
    rows, header, kwargs, message = BAD[case]
    audio, table = make_set(tmp_path, rows, header or "filename,fold,category" if header != "" else "", ["a.wav"])
    with pytest.raises(UserError) as error:
        read_clips(audio, table, Selection(**kwargs))
    assert message in str(error.value)
    assert "meta.csv" in str(error.value) or "class_names" in str(error.value)


def test_missing_paths_name_the_nearest(tmp_path):
    audio, table = make_set(tmp_path, ROWS)
    with pytest.raises(UserError, match=r"audio folder .*audoi does not exist \(did you mean 'audio'\?\)"):
        read_clips(tmp_path / "audoi", table)
    with pytest.raises(UserError, match=r"CSV file .*mata.csv does not exist \(did you mean 'meta.csv'\?\)"):
        read_clips(audio, tmp_path / "mata.csv")
    (audio / "a.wav").rename(audio / "aa.wav")
    with pytest.raises(UserError, match=r"no file a.wav in .* \(did you mean 'aa.wav'\?\)"):
        read_clips(audio, table)


def test_csv_that_is_no_text(tmp_path):
    audio, table = make_set(tmp_path, ROWS)
    table.write_bytes(b"filename,category\n\xff\xfe\n")
    with pytest.raises(UserError, match="not a CSV file in UTF-8"):
        read_clips(audio, table)


def test_small_test_set_may_lack_a_class(tmp_path, caplog):
    clips = read_clips(*make_set(tmp_path, ROWS), Selection(["dog", "bell"], require_all=False))
    assert clips.class_names == ("dog", "bell")
    assert "class 'bell' has no clips" in caplog.text


def test_list_clips(tmp_path):
    audio, _ = make_set(tmp_path, ["a.wav,1,x", "sub/b.flac,1,x"])
    (audio / "notes.txt").write_text("no sound")
    assert [c.name for c in list_clips(audio)] == ["a.wav", "sub/b.flac"]
    assert [c.name for c in list_clips(audio / "a.wav")] == ["a.wav"]
    assert [c.name for c in list_clips(str(audio / "**" / "*.flac"))] == ["b.flac"]
    assert list_clips(audio).clips[0].label is None
    with pytest.raises(UserError, match=r"no such sound file or folder: .*\(did you mean 'a.wav'\?\)"):
        list_clips(audio / "aa.wav")
    with pytest.raises(UserError, match="no sound file under"):
        list_clips(str(audio / "*.mp3"))
