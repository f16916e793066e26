"""Splits: disjoint, complete, stratified or grouped, the same for the same seed."""

import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyaed.data import Clip, ClipSet, read_sets, split, stratified_split
from pyaed.data.sets import ESC10
from pyaed.data.synthetic import write_dataset
from pyaed.errors import UserError


def make(labels, folds=None):
    names = tuple(f"class{i}" for i in range(max(max(x) if isinstance(x, tuple) else x for x in labels) + 1))
    clips = [
        Clip(Path(f"{i}.wav"), f"{i}.wav", label, "", None if folds is None else folds[i])
        for i, label in enumerate(labels)
    ]
    return ClipSet(tuple(clips), names)


def names(clips):
    return {clip.name for clip in clips}


labels_strategy = st.lists(st.integers(0, 4), min_size=1, max_size=120)


@given(labels=labels_strategy, fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**31))
@settings(deadline=None)
def test_stratified_split_is_disjoint_complete_and_stratified(labels, fraction, seed):
    clips = make(labels)
    stay, drawn = stratified_split(clips, fraction, seed)
    assert not names(stay) & names(drawn)
    assert names(stay) | names(drawn) == names(clips)
    for name, n in clips.class_counts().items():
        expected = min(max(1, round(fraction * n)), n - 1) if n else 0
        assert drawn.class_counts()[name] == expected
        assert abs(expected - fraction * n) <= 1
    assert stratified_split(clips, fraction, seed) == (stay, drawn)
    shuffled = clips.with_clips(reversed(clips.clips))
    assert names(stratified_split(shuffled, fraction, seed)[1]) == names(drawn), "the CSV's order doesn't matter"


def test_another_seed_draws_others():
    clips = make([0] * 50 + [1] * 50)
    assert stratified_split(clips, 0.2, 1) != stratified_split(clips, 0.2, 2)


def test_extremes_draw_nothing_and_everything():
    clips = make([0, 1, 1])
    assert [len(part) for part in stratified_split(clips, 0, 1)] == [3, 0]
    assert [len(part) for part in stratified_split(clips, 1, 1)] == [0, 3]
    for fraction in (-0.1, 1.01, float("nan")):
        with pytest.raises(UserError, match="expected a share from 0 to 1"):
            stratified_split(clips, fraction, 1)


def test_several_labels_count_for_the_rarest():
    clips = make([(0, 1)] * 10 + [(0,)] * 10)
    _, drawn = stratified_split(clips, 0.2, 7)
    assert drawn.class_counts() == {"class0": 4, "class1": 2}


@given(folds=st.lists(st.integers(1, 5), min_size=30, max_size=60), seed=st.integers(0, 1000))
@settings(deadline=None)
def test_named_folds_go_where_they_are_named(folds, seed):
    folds = [1, 2, 3, 4, 5, *folds]
    clips = make([0] * len(folds), folds)
    parts = split(clips, test_folds=[4], validation_folds=[2, 5], seed=seed)
    assert [{c.fold for c in part} for part in parts] == [{1, 3}, {2, 5}, {4}]
    assert sum(len(part) for part in parts) == len(clips)
    training, validation, test = split(clips, training_folds=[1, 2, 3], test_folds=[4], seed=seed)
    assert {c.fold for c in test} == {4}
    assert {c.fold for c in training} | {c.fold for c in validation} == {1, 2, 3}
    assert not names(training) & names(validation)


def test_folds_without_names_are_kept_whole():
    clips = make([0, 1] * 10, [i // 4 + 1 for i in range(20)])
    training, validation, test = split(clips)
    assert {c.fold for c in validation} == {5}
    assert {c.fold for c in training} == {1, 2, 3, 4}
    assert len(test) == 0
    training, validation, _ = split(clips, split_by="random")
    assert validation.class_counts() == {"class0": 2, "class1": 2}
    training, validation, test = split(clips, test_folds=[1], split_by="fold", validation_split=0.5)
    assert [{c.fold for c in part} for part in (training, validation, test)] == [{2, 3}, {4, 5}, {1}]


def test_the_share_of_validation_folds_comes_as_close_as_whole_folds_can():
    clips = make([0, 1] * 10, [i // 4 + 1 for i in range(20)])
    expected = {0.0: set(), 0.05: {5}, 0.2: {5}, 0.29: {5}, 0.31: {4, 5}, 0.69: {3, 4, 5}, 0.99: {2, 3, 4, 5}}
    for share, folds in expected.items():
        assert {c.fold for c in split(clips, validation_split=share).validation} == folds
    # One fold can't be both; without a wish it is divided at random.
    single = make([0, 1] * 10, [1] * 20)
    assert split(single).validation.class_counts() == {"class0": 2, "class1": 2}
    two = make([0, 1] * 10, [1 + i // 10 for i in range(20)])
    assert {c.fold for c in split(two).validation} == {2}


def test_training_and_validation_folds_leave_the_others_out():
    clips = make([0, 1] * 10, [i // 4 + 1 for i in range(20)])
    parts = split(clips, training_folds=[1, 3], validation_folds=[4], test_folds=[5])
    assert [{c.fold for c in part} for part in parts] == [{1, 3}, {4}, {5}]
    training, validation, test = split(clips, training_folds=[1, 3], test_split=0.25)
    assert {c.fold for c in (*training, *validation)} == {1, 3}
    assert test.class_counts() == {"class0": 2, "class1": 2}
    training, validation, test = split(clips, training_folds=[1, 2, 3], split_by="fold")
    assert [{c.fold for c in part} for part in (training, validation)] == [{1, 2}, {3}]
    assert len(test) == 0
    # Folds that are named for one set say that the others are drawn from the rest, not kept whole.
    training, validation, _ = split(clips, training_folds=[1, 2, 3], validation_split=1 / 3)
    assert [{c.fold for c in part} for part in (training, validation)] == [{1, 2, 3}] * 2
    for one, other in (("training", "validation"), ("training", "test"), ("test", "validation")):
        with pytest.raises(UserError, match=f"fold 2 stands in both dataset.{one}_folds and dataset.{other}_folds"):
            split(clips, **{f"{one}_folds": [1, 2], f"{other}_folds": [2, 3]})


def test_the_draw_of_today():
    """Another draw from the same seed would change every published figure."""
    clips = make([0] * 9 + [1] * 6 + [(0, 2)] * 3)
    drawn = {
        seed: sorted(int(n.split(".")[0]) for n in names(stratified_split(clips, 0.3, seed)[1])) for seed in (0, 7)
    }
    assert drawn == {0: [2, 4, 5, 11, 14, 17], 7: [0, 7, 8, 10, 13, 17]}
    # Two labels of one frequency: the clip counts for the lower one.
    both = make([(0, 1)] * 4 + [0] * 2 + [1] * 2)
    assert len(stratified_split(both, 0.5, 0)[1]) == 4


def test_a_class_without_any_clips_is_not_lost():
    clips = ClipSet(make([0, 1] * 4).clips, ("class0", "class1", "class2"))
    assert split(clips, validation_split=0.25).training.class_counts() == {"class0": 3, "class1": 3, "class2": 0}


def test_random_test_split():
    parts = split(make([0] * 50 + [1] * 50), test_split=0.1, validation_split=0.2)
    assert [len(part) for part in parts] == [72, 18, 10]


@pytest.mark.parametrize(("kwargs", "folds", "message"), [
    ({"test_folds": [9]}, [1, 2, 1, 2], "dataset.test_folds names fold 9; the CSV has 1, 2"),
    ({"test_folds": [1]}, None, "dataset.test_folds needs the column 'fold'"),
    ({"test_folds": [1], "validation_folds": [1]}, [1, 2, 1, 2], "stands in both dataset.test_folds"),
    ({"test_folds": [1]}, [1, 1, 2, 2], "no training clips are left of class class0"),
    ({"split_by": "folds"}, None, "did you mean 'fold'"),
    ({"split_by": "fold"}, None, "gives no fold for every clip"),
    ({"validation_split": 1.2}, None, "dataset.validation_split is 1.2"),
    ({"validation_split": 1}, None, "dataset.validation_split is 1;"),
    ({"test_split": 1.0}, None, "dataset.test_split is 1.0;"),
    ({"test_folds": [1, 8, 9]}, [1, 2, 1, 2], "dataset.test_folds names fold 8, 9; the CSV has 1, 2"),
    ({"test_split": -1}, None, "dataset.test_split is -1"),
])  # fmt: skip
def test_messages(kwargs, folds, message):
    with pytest.raises(UserError) as error:
        split(make([0, 0, 1, 1], folds), **kwargs)
    assert message in str(error.value)


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets") / "synthetic"
    return {"audio": str(folder / "audio"), "csv": str(write_dataset(folder, 3, 80))}


def section(synthetic, *parts, **more):
    paths = {f"{part}_{key}_path": synthetic[key] for part in parts for key in ("audio", "csv")}
    return {**paths, **more}


def test_sets_of_one_table(synthetic):
    sets = read_sets(section(synthetic, "training", test_folds=[5], validation_folds=[4], quantization_split=0.5))
    assert [len(s) for s in (sets.training, sets.validation, sets.test, sets.quantization)] == [48, 16, 16, 24]
    assert names(sets.quantization) < names(sets.training)
    assert len(sets.class_names) == 8


def test_without_a_test_set_the_validation_set_is_one_and_the_log_says_so(synthetic, caplog):
    sets = read_sets(section(synthetic, "training", class_names=["siren", "alarm"]))
    assert sets.test is sets.validation
    assert sets.class_names == ("siren", "alarm")
    assert "validation set is the test set" in caplog.text


def test_separate_sets_and_a_warning_about_shared_clips(synthetic, caplog):
    sets = read_sets(section(synthetic, "training", "test"))
    assert len(sets.test) == 80
    assert "are also training clips" in caplog.text
    only = read_sets(section(synthetic, "test"), class_names=("wind", "alarm"))
    assert only.training is only.validation is only.quantization is None
    assert only.test.class_names == ("wind", "alarm")


def test_sets_messages(synthetic):
    with pytest.raises(UserError, match=r"the section 'dataset' names no data"):
        read_sets({})
    with pytest.raises(UserError, match="test_csv_path is missing"):
        read_sets({"test_audio_path": synthetic["audio"]})
    with pytest.raises(UserError, match="test_audio_path is missing"):
        read_sets({"test_csv_path": synthetic["csv"]})


def test_esc10_means_its_ten_classes(tmp_path):
    """ESC-50's table lists fifty classes; a model of fewer goes before the name."""
    (tmp_path / "audio").mkdir()
    rows = [f"{name}{i}.wav,{name},{i}" for name in (*ESC10, "airplane", "cat") for i in range(3)]
    for row in rows:
        (tmp_path / "audio" / row.split(",")[0]).touch()
    (tmp_path / "esc50.csv").write_text("\n".join(["filename,category,fold", *rows, ""]))
    section = {"training_audio_path": tmp_path / "audio", "training_csv_path": tmp_path / "esc50.csv"}
    assert read_sets({**section, "name": "esc10"}).class_names == ESC10
    assert len(read_sets({**section, "name": "esc50"}).class_names) == 12
    assert read_sets({**section, "name": "esc10", "class_names": ["rain", "dog"]}).class_names == ("rain", "dog")
    assert read_sets({**section, "name": "esc10"}, ["rain", "cat"]).class_names == ("rain", "cat")


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def table(folder, rows, header="filename,category,fold"):
    """A set whose files are there by name; returns the keys of the section."""
    (folder / "audio").mkdir(parents=True)
    for row in rows:
        (folder / "audio" / row.split(",")[0]).touch()
    (folder / "meta.csv").write_text("\n".join([header, *rows, ""]))
    return {"training_audio_path": str(folder / "audio"), "training_csv_path": str(folder / "meta.csv")}


FOLDED = [f"{i}.wav,{('dog', 'rain')[i % 2]},{i // 4 + 1}" for i in range(12)]


@pytest.mark.parametrize(("more", "advice"), [
    ({}, "or set dataset.split_by=random"),
    ({"split_by": "fold"}, "or set dataset.split_by=random"),
    ({"test_folds": [2]}, "dataset.test_folds needs it"),
    ({"validation_folds": [2], "split_by": "random"}, "dataset.validation_folds needs it"),
])  # fmt: skip
def test_a_clip_without_fold_is_named(tmp_path, more, advice):
    rows = [row.replace(",2", ",") if i == 5 else row for i, row in enumerate(FOLDED)]
    with pytest.raises(UserError) as error:
        read_sets({**table(tmp_path, rows), **more})
    assert "1 of 12 clips have no fold in the CSV (line 7: 5.wav); give every clip its fold" in str(error.value)
    assert advice in str(error.value)


def test_nothing_is_drawn_of_clips_without_fold():
    clips = make([0, 1] * 4, [1, 2, None, None] * 2)
    training, validation, test = split(clips, validation_split=0)
    assert (len(training), len(validation), len(test)) == (8, 0, 0)


def test_a_clip_without_fold_matters_only_where_folds_are_looked_at(tmp_path):
    paths = table(tmp_path, ["12.wav,dog,", *FOLDED])
    assert len(read_sets({**paths, "split_by": "random"}).training) == 11
    own = {key.replace("training", "validation"): value for key, value in paths.items()}
    assert len(read_sets({**paths, **own}).training) == 13


@pytest.mark.parametrize(("share", "folds", "told"), [
    (0.1, {3}, "dataset.validation_split is 0.1, but 4 of 12 clips (33 %) are drawn: whole folds are taken, here 3 of 3"),
    (0.3, {3}, None),
    (0.6, {2, 3}, "dataset.validation_split is 0.6, but 8 of 12 clips (67 %) are drawn: whole folds are taken, here 2, 3 of 3"),
])  # fmt: skip
def test_whole_folds_say_what_share_they_are(tmp_path, caplog, share, folds, told):
    sets = read_sets({**table(tmp_path, FOLDED), "validation_split": share})
    assert {clip.fold for clip in sets.validation} == folds
    found = [line for line in warnings(caplog) if "validation_split" in line]
    assert len(found) == bool(told)
    assert all(line.startswith(told) for line in found)


def test_the_folds_with_the_closest_share_are_taken():
    clips = make([0, 1] * 50, [1] * 10 + [2] * 60 + [3] * 20 + [4] * 10)
    assert {clip.fold for clip in split(clips, validation_split=0.3).validation} == {3, 4}
    assert {clip.fold for clip in split(clips, validation_split=0.9).validation} == {2, 3, 4}
    assert {clip.fold for clip in split(clips, validation_split=0.01).validation} == {4}


def test_few_clips_give_more_than_the_share_that_was_asked_for(tmp_path, caplog):
    paths = table(tmp_path, [f"{i}.wav,{'dog' if i < 6 else 'rain'}" for i in range(12)], "filename,category")
    read_sets({**paths, "validation_split": 0.01})
    assert "dataset.validation_split is 0.01, but 2 of 12 clips (17 %) are drawn: each class with two" in caplog.text
    caplog.clear()
    read_sets({**paths, "quantization_split": 0.05})
    assert "dataset.quantization_split is 0.05, but 2 of 10 clips (20 %) are drawn" in caplog.text
    caplog.clear()
    read_sets({**paths, "validation_split": 0.2})
    assert "are drawn" not in caplog.text


@pytest.mark.parametrize(
    "more", [{"validation_split": 0.2}, {"test_split": 0.2}, {"validation_split": 0, "quantization_split": 0.2}]
)
def test_a_share_that_draws_nothing_is_named(tmp_path, more):
    key = next(key for key, value in more.items() if value)
    with pytest.raises(
        UserError, match=rf"dataset.{key} is 0.2, which draws no clip: each class of the 2 clips has one"
    ):
        read_sets({**table(tmp_path, ["a.wav,dog", "b.wav,rain"], "filename,category"), **more})


@pytest.mark.parametrize(("kwargs", "folds", "message"), [
    ({"split_by": "fold"}, [1, 1, 1, 1], "the clips left have the fold 1 only; expected two folds or more"),
    ({"split_by": "fold", "test_folds": [1]}, [1, 2, 1, 2], "the clips left have the fold 2 only"),
    ({}, [1, 1, 2, 2], "no training clips are left of class class1; they are all in the validation folds, or set dataset.split_by=random"),
])  # fmt: skip
def test_messages_about_folds(kwargs, folds, message):
    with pytest.raises(UserError) as error:
        split(make([0, 0, 1, 1] if len(set(folds)) > 1 and not kwargs else [0, 1, 1, 0], folds), **kwargs)
    assert message in str(error.value)


def test_a_class_that_a_drawn_set_lacks_is_named(caplog):
    split(make([0, 0, 0, 1, 1, 2], None), validation_split=0.4)
    assert "the validation set has no clip of class class2" in caplog.text


def test_one_class_is_none(tmp_path):
    paths = table(tmp_path, [f"{i}.wav,dog,{i}" for i in range(6)])
    with pytest.raises(UserError, match=r"the training clips are of one class only \(dog\); expected two classes"):
        read_sets(paths)
    assert read_sets(paths, ["dog"]).class_names == ("dog",), "a model may have one; it is not trained here"


def test_keys_of_a_set_that_is_given_by_itself_are_noted(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    paths = table(tmp_path, FOLDED)
    own = {key.replace("training", part): value for key, value in paths.items() for part in ("validation", "test")}
    read_sets({**paths, **own, "validation_split": 0.1, "test_folds": [3]})
    assert "note: dataset.validation_split: not used; the validation set is given by itself" in caplog.text
    assert "note: dataset.test_folds: not used; the test set is given by itself" in caplog.text


def test_the_reported_sets(shared):
    for name, message in (
        ("07-fold-partly-empty", "1 of 12 clips have no fold in the CSV (line 2: 1-100032-A-0.wav)"),
        ("08-one-class", "the training clips are of one class only (dog)"),
    ):
        audio, csv = shared / "cases/two/audio", shared / "cases" / name / "meta.csv"
        with pytest.raises(UserError) as error:
            read_sets({"training_audio_path": audio, "training_csv_path": csv, "validation_split": 0.3})
        assert message in str(error.value)
