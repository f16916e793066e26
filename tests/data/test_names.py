"""Names that a table and a disk write differently, and tables that other programs write."""

import logging
import os
import unicodedata

import numpy as np
import pytest
import soundfile

from pyaed.data import Selection, list_clips, read_clips
from pyaed.errors import UserError


def make(folder, rows, files, header="filename,category", encoding="utf-8"):
    """Write a table and a clip for every file."""
    (folder / "audio").mkdir()
    for name in files:
        path = folder / "audio" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.full(1600, 0.1), 16000, format="WAV")
    (folder / "meta.csv").write_text("\n".join([header, *rows]) + "\n", encoding=encoding)
    return folder / "audio", folder / "meta.csv"


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


COMPOSED = "café.wav"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)

# Names in the table, files on the disk, and what is assumed; nothing where there is no doubt.
FOUND = {
    "ending of another case": ("a", "a.WAV", None),
    "another ending of another case": ("a", "a.Flac", None),
    "another case of the ending": ("a.wav", "a.WAV", "a.wav is a.WAV"),
    "another case": ("Dog.wav", "dog.wav", "Dog.wav is dog.wav"),
    "composed in the table": (COMPOSED, DECOMPOSED, None),
    "decomposed in the table": (DECOMPOSED, COMPOSED, None),
    "decomposed without ending": (DECOMPOSED[:-4], "café.WAV", None),
    "the folder before the name": ("audio/a.wav", "a.wav", "audio/a.wav is a.wav"),
    "the folder, backslashes, no ending": ("Audio\\a", "a.wav", "Audio/a is a.wav"),
    "a folder of another case": ("Sub/a.wav", "sub/a.wav", "Sub/a.wav is sub/a.wav"),
}


@pytest.mark.parametrize("case", FOUND)
def test_found(tmp_path, case, caplog):
    name, file, assumed = FOUND[case]
    audio, table = make(tmp_path, [f"{name},dog"], [file])
    (clip,) = read_clips(audio, table)
    assert clip.path == audio / file
    told = warnings(caplog)
    assert told == ([f"{table}: 1 names are not written as the files: {assumed}"] if assumed else [])


def test_the_exact_name_goes_first_and_two_candidates_are_none(tmp_path):
    audio, table = make(tmp_path, ["a.wav,dog", "b.wav,dog"], ["a.wav", "A.wav", "B.wav", "b.WAV"])
    with pytest.raises(UserError, match=r"line 3: no file b.wav .*\(did you mean 'b.WAV'|'B.wav'\?\)"):
        read_clips(audio, table)
    table.write_text("filename,category\na.wav,dog\n")
    assert read_clips(audio, table).clips[0].path.name == "a.wav"


def test_hints_say_where_the_file_lies(tmp_path):
    audio, table = make(tmp_path, ["a.wav,dog", "other/b,dog", "c.wav,dog"], ["deep/er/a.wav", "b.wav"])
    missing = {}
    read_clips(audio, table, missing=missing)
    assert "did you mean 'deep/er/a.wav'" in missing["a.wav"]
    assert "did you mean 'b.wav'" in missing["other/b"]
    with pytest.raises(
        UserError, match=r"line 2: no file a.wav in .*did you mean 'deep/er/a.wav'.*3 clips are missing in all"
    ):
        read_clips(audio, table)


@pytest.mark.parametrize("second", ["a", "A.wav", "audio/a.wav"])
def test_one_file_by_two_names(tmp_path, second):
    audio, table = make(tmp_path, ["a.wav,dog", f"{second},rain"], ["a.wav"])
    with pytest.raises(UserError, match=f"lists a.wav twice, in lines 2 as a.wav and 3 as {second}"):
        read_clips(audio, table)


def test_attributes_of_macos_are_ignored_with_a_note(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    audio, table = make(tmp_path, ["a.wav,dog", "._a.wav,dog", "sub/._b.wav,dog"], ["a.wav"])
    (audio / "._a.wav").write_bytes(b"\0\5\26\7" + bytes(100))
    assert [clip.name for clip in read_clips(audio, table)] == ["a.wav"]
    assert f"{table}: 2 names such as ._x.wav are ignored" in caplog.text
    caplog.clear()
    assert [clip.name for clip in list_clips(audio)] == ["a.wav"]
    assert [clip.name for clip in list_clips(audio / "*a.wav")] == ["a.wav"]
    assert caplog.text.count("1 names such as ._x.wav are ignored") == 1, "a pattern doesn't match hidden files"
    table.write_text("filename,category\n._a.wav,dog\n")
    with pytest.raises(UserError, match="has a header but no clips"):
        read_clips(audio, table)


def test_text_stays_text(tmp_path):
    categories = ["None", "010", "nan", "true", "1e3", "NULL", "-"]
    rows = [f"{i}.wav,{category}" for i, category in enumerate(categories)]
    clips = read_clips(*make(tmp_path, rows, [f"{i}.wav" for i in range(7)]), Selection(["None", "010", "1e3"]))
    assert clips.class_names == ("None", "010", "1e3")
    assert [clip.category for clip in clips] == ["None", "010", "1e3"]


@pytest.mark.parametrize(("text", "fold"), [("1.0", 1), ("2.", 2), ("03", 3), ("-1.00", -1), ("4", 4)])
def test_folds_as_pandas_writes_them(tmp_path, text, fold):
    audio, table = make(tmp_path, [f"a.wav,dog,{text}"], ["a.wav"], "filename,category,fold")
    assert read_clips(audio, table).clips[0].fold == fold


@pytest.mark.parametrize("text", ["1.5", "nan", ".0", "1e0", "1.0.0"])
def test_folds_that_are_none(tmp_path, text):
    audio, table = make(tmp_path, [f"a.wav,dog,{text}"], ["a.wav"], "filename,category,fold")
    with pytest.raises(UserError, match=f"line 2: fold '{text}' is not an integer"):
        read_clips(audio, table)


@pytest.mark.parametrize(("text", "message"), [
    ("filename;category\na.wav;dog\n", r"columns are separated by semicolons \(';'\), expected commas"),
    ("filename\tcategory\na.wav\tdog\n", r"columns are separated by tabs \('\\t'\), expected commas"),
    ("fold | filename | category\n1|a.wav|dog\n", r"columns are separated by vertical bars \('\|'\), expected commas"),
    ("sep=;\nfilename;category\na.wav;dog\n", r"columns are separated by semicolons \(';'\)"),
    ("sep=,\nfilename,category\na.wav,dog\n", r"first line is 'sep=', expected the columns' names; take the line away"),
    ("filename;kategory\na.wav;dog\n", r"no column 'filename'"),
])  # fmt: skip
def test_separators_are_named(tmp_path, text, message):
    audio, table = make(tmp_path, [], ["a.wav"])
    table.write_text(text)
    with pytest.raises(UserError, match=message):
        read_clips(audio, table)


def test_utf_16_is_named(tmp_path):
    audio, table = make(tmp_path, ["a.wav,dog"], ["a.wav"], encoding="utf-16")
    with pytest.raises(UserError, match=r"not a CSV file in UTF-8.*; it is in UTF-16, save it in UTF-8"):
        read_clips(audio, table)


LISTS = ["a.wav,dog", "b.wav,rain;dog", "c.wav,\"['dog', 'rain']\"", 'd.wav,"dog, axe"', 'e.wav,"Speech, male"']


def test_several_labels_without_multi_label(tmp_path, caplog):
    audio, table = make(tmp_path, LISTS, [f"{name}.wav" for name in "abcde"])
    with pytest.raises(UserError) as error:
        read_clips(audio, table)
    assert "line 3: category 'rain;dog' of b.wav looks like several labels (3 clips have such)" in str(error.value)
    assert "set dataset.multi_label=True" in str(error.value)
    names = ["dog", "rain;dog", "['dog', 'rain']", "dog, axe", "Speech, male"]
    assert len(read_clips(audio, table, Selection(names))) == 5, "what class_names lists is a name"
    assert not warnings(caplog)
    clips = read_clips(audio, table, Selection(["dog", "Speech, male"]))
    assert [clip.name for clip in clips] == ["a.wav", "e.wav"]
    assert (
        "looks like several labels (3 clips have such); without dataset.multi_label=True it is left out" in caplog.text
    )
    assert len(read_clips(audio, table, Selection(multi_label=True))) == 5


def test_a_comma_may_belong_to_a_name(tmp_path):
    rows = ['a.wav,"Child speech, kid speaking"', 'b.wav,"Male speech, man speaking"']
    clips = read_clips(*make(tmp_path, rows, ["a.wav", "b.wav"]))
    assert clips.class_names == ("Child speech, kid speaking", "Male speech, man speaking")


def test_fewer_clips_for_the_garbage_class_than_asked(tmp_path, caplog):
    names = [f"{category}{i}.wav" for category in ("dog", "rain", "axe") for i in range(3)] + ["bell.wav"]
    rows = [f"{name},{name.rstrip('.wav0123456789')}" for name in names]
    selection = Selection(["dog", "rain"], use_garbage_class=True, n_samples_per_garbage_class=3)
    clips = read_clips(*make(tmp_path, rows, names), selection)
    assert clips.class_counts()["other"] == 4
    assert "dataset.n_samples_per_garbage_class is 3, but" in caplog.text
    assert "has fewer: bell 1" in caplog.text


def test_categories_that_differ_in_case_are_named(tmp_path, caplog):
    audio, table = make(tmp_path, ["a.wav,dog", "b.wav,Dog", "c.wav,rain"], ["a.wav", "b.wav", "c.wav"])
    assert read_clips(audio, table).class_names == ("Dog", "dog", "rain")
    assert warnings(caplog) == [
        f"{table}: categories that differ in case only are different ones: Dog (1 clips) and dog (1 clips)"
    ]


def test_what_is_left_out_is_noted(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    audio, table = make(tmp_path, ["a.wav,dog", "b.wav,cat", "c.wav,rain"], ["a.wav", "b.wav", "c.wav"])
    read_clips(audio, table, Selection(["dog"]))
    assert f"note: {table}: 2 clips of other categories are left out: cat, rain" in caplog.text


def test_a_category_in_another_unicode_form_is_the_same_class(tmp_path):
    rows = [f"{i}.wav,{unicodedata.normalize(form, 'café')}" for i, form in enumerate(("NFC", "NFD"))]
    where = make(tmp_path, rows, ["0.wav", "1.wav"])
    for names in (None, ["café"], [unicodedata.normalize("NFD", "café")]):
        assert read_clips(*where, Selection(names)).class_counts() == {"café": 2}


def test_the_reported_names_and_tables(shared, tmp_path):
    cases = shared / "cases"
    upper = cases / "10-check-gives-no-hint/wav_upper_noext"
    assert {clip.path.suffix for clip in read_clips(upper / "audio", upper / "meta.csv")} == {".WAV"}
    audio = cases / "two/audio"
    assert {clip.fold for clip in read_clips(audio, cases / "11-csv-variants/csv_fold_float.csv")} == {1, 2, 3}
    with pytest.raises(UserError, match="separated by semicolons"):
        read_clips(audio, cases / "11-csv-variants/csv_semicolon.csv")
    with pytest.raises(UserError, match=r"line 8: category 'rain;dog' of 1-17367-A-10.wav looks like several labels"):
        read_clips(audio, cases / "11-csv-variants/csv_multilabel_forgot.csv")
    none = cases / "12-class-named-none/meta.csv"
    assert read_clips(audio, none, Selection(["None", "dog"])).class_counts() == {"None": 6, "dog": 6}


def test_a_long_list_of_missing_clips_takes_no_time(tmp_path):
    """Hints compare names; thousands of them would."""
    audio, table = make(tmp_path, [f"clip{i}.wav,dog" for i in range(3000)], ["other.wav"])
    for i in range(3000):
        os.close(os.open(audio / f"klip-{i}.wav", os.O_CREAT))
    missing = {}
    read_clips(audio, table, missing=missing)
    assert len(missing) == 3000
    assert sum("did you mean" in text for text in missing.values()) <= 20
