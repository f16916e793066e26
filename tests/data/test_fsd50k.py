"""FSD50K on a small tree with the real layout; the labels are AudioSet's, smeared as FSD50K smears them."""

import json
import logging
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from pyaed.config import load
from pyaed.data import read_sets
from pyaed.data.fsd50k import read_fsd50k, unsmear
from pyaed.errors import UserError
from pyaed.operations.check import check

VOCABULARY = {
    "Bark": "/m/05tny_", "Dog": "/m/0bt9lr", "Domestic_animals_and_pets": "/m/068hy", "Animal": "/m/0jbk",
    "Electric_guitar": "/m/02sgy", "Guitar": "/m/0342h", "Plucked_string_instrument": "/m/0fx80y",
    "Musical_instrument": "/m/04szw", "Music": "/m/04rlf", "Rain": "/m/06mb1", "Water": "/m/0838f",
}  # fmt: skip
BARK = "Bark,Dog,Domestic_animals_and_pets,Animal"
GUITAR = "Electric_guitar,Guitar,Plucked_string_instrument,Musical_instrument,Music"
ROWS = {
    "dev": [BARK, GUITAR, f"{BARK},Rain,Water", "Dog,Domestic_animals_and_pets,Animal", BARK, GUITAR, "Music"],
    "eval": [BARK, GUITAR, f"Rain,Water,{GUITAR}"],
}


@pytest.fixture
def tree(tmp_path, shared):
    truth = tmp_path / "FSD50K.ground_truth"
    truth.mkdir()
    lines = [f"{i},{label},{mid}" for i, (label, mid) in enumerate(VOCABULARY.items())]
    (truth / "vocabulary.csv").write_text("\n".join(lines) + "\n")
    for part, rows in ROWS.items():
        audio = tmp_path / f"FSD50K.{part}_audio"
        audio.mkdir()
        lines = ["fname,labels,mids,split" if part == "dev" else "fname,labels,mids"]
        for i, labels in enumerate(rows):
            name = f"{1000 + i}{'' if part == 'dev' else 9}"
            mids = ",".join(VOCABULARY[label] for label in labels.split(","))
            lines.append(f'{name},"{labels}","{mids}"' + (",train" if part == "dev" else ""))
            rng = np.random.default_rng(i)
            soundfile.write(audio / f"{name}.wav", rng.normal(0, 0.1, 44100), 44100)
        (truth / f"{part}.csv").write_text("\n".join(lines) + "\n")
    return load(
        None,
        [
            "dataset.name=fsd50k",
            f"dataset_specific.fsd50k.csv_folder={truth}",
            f"dataset_specific.fsd50k.dev_audio_folder={tmp_path / 'FSD50K.dev_audio'}",
            f"dataset_specific.fsd50k.eval_audio_folder={tmp_path / 'FSD50K.eval_audio'}",
            f"dataset_specific.fsd50k.audioset_ontology_path={shared / 'datasets/audioset_ontology/ontology.json'}",
        ],
    )


def read(config, **changes):
    dataset = config.dataset.model_copy(update={k: v for k, v in changes.items() if k != "only_keep_monolabel"})
    specific = config.dataset_specific.fsd50k.model_copy(
        update={k: v for k, v in changes.items() if k == "only_keep_monolabel"}
    )
    return read_sets(dataset, None, specific)


def test_ancestors_are_dropped_and_clips_with_one_label_kept(tree):
    sets = read(tree)
    assert sets.class_names == ("Bark", "Dog", "Electric_guitar", "Music")
    assert [c.category for c in sets.training] == ["Bark", "Electric_guitar", "Dog", "Bark", "Electric_guitar", "Music"]
    assert [c.category for c in sets.validation] == ["Bark", "Electric_guitar"]
    assert sets.test is sets.validation
    assert sets.training.clips[0].path.name == "1000.wav"


def test_multi_label(tree):
    sets = read(tree, multi_label=True, only_keep_monolabel=False)
    assert sets.class_names == ("Bark", "Dog", "Electric_guitar", "Music", "Rain")
    assert sets.training.clips[2].labels == (0, 4)
    assert sets.validation.clips[2].labels == (2, 4)


def test_classes_and_garbage(tree):
    sets = read(tree, class_names=["Electric_guitar", "Bark"], use_garbage_class=True)
    assert sets.class_names == ("Electric_guitar", "Bark", "other")
    assert {c.category for c in sets.training if c.label == 2} == {"Dog", "Music"}


def test_a_label_between_two_others_is_dropped():
    mids = {"a": "1", "b": "2", "c": "3"}
    above = {"1": frozenset("23"), "2": frozenset("3"), "3": frozenset()}
    assert unsmear(["c", "b", "a"], mids, above) == ("a",)
    assert unsmear(["b", "c"], mids, above) == ("b",)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda t, s: setattr(s, "csv_folder", None), "csv_folder: missing"),
        (lambda t, s: setattr(s, "csv_folder", str(t / "FSD50K.ground_truht")), "did you mean 'FSD50K.ground_truth'"),
        (lambda t, s: setattr(s, "audioset_ontology_path", str(t / "FSD50K.ground_truth/dev.csv")), "ontology.json"),
        (lambda t, s: (t / "list.json").write_text(json.dumps([{"id": 1}])) and setattr(s, "audioset_ontology_path", str(t / "list.json")), "child_ids"),
        (lambda t, s: (t / "FSD50K.ground_truth/vocabulary.csv").unlink(), "vocabulary.csv does not exist"),
        (lambda t, s: (t / "FSD50K.ground_truth/vocabulary.csv").write_text("0,Bark\n"), "line 1: expected index,label,mid"),
        (lambda t, s: (t / "FSD50K.ground_truth/dev.csv").write_text("fname,labels\n1000,Barkk\n"), "label Barkk; vocabulary.csv"),
        (lambda t, s: (t / "FSD50K.ground_truth/dev.csv").write_text("fname,label\n1000,Bark\n"), "no column 'labels'"),
        (lambda t, s: (t / "FSD50K.ground_truth/dev.csv").write_text("fname,labels\n../1000,Bark\n"), "no plain file name"),
        (lambda t, s: (t / "FSD50K.ground_truth/dev.csv").write_text("fname,labels\n77,Bark\n"), "no file 77 in"),
        (lambda t, s: setattr(s, "only_keep_monolabel", False), "has the labels Bark, Rain; set dataset.multi_label=True"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tree, tmp_path, break_it, message):
    settings = SimpleNamespace(**tree.dataset_specific.fsd50k.model_dump())
    break_it(tmp_path, settings)
    with pytest.raises(UserError) as error:
        read_fsd50k("dev", settings)
    assert message in str(error.value)


def test_the_training_paths_are_not_used_and_noted(tree, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    paths = {f"{part}_{key}_path": "nowhere" for part in ("training", "validation") for key in ("audio", "csv")}
    sets = read(tree, **paths, validation_split=0.4)
    assert [len(sets.training), len(sets.validation)] == [6, 2]
    assert (
        "note: dataset.training_audio_path, dataset.training_csv_path, dataset.validation_audio_path, "
        "dataset.validation_csv_path: not used; with dataset.name fsd50k dev is the training set, eval the validation set"
    ) in caplog.text
    assert "note: dataset.validation_split: not used" in caplog.text
    model = tree.general.model_copy(update={"model_path": str(tmp_path / "m.keras")})
    (tmp_path / "m.keras").touch()
    dataset = tree.dataset.model_copy(update=paths)
    config = tree.model_copy(update={"general": model, "dataset": dataset, "operation_mode": "evaluation"})
    assert check(config) == [], "what is not used needs no files"
