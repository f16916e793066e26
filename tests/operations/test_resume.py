"""`training.resume_training_from` alone says what is trained on, as in ST's documents."""

import numpy as np
import pytest
import soundfile

from pyaed import artefact, config, operations
from pyaed.errors import UserError

FEATURES = {"n_mels": 16, "patch_length": 12, "overlap": 0.0, "n_fft": 512, "hop_length": 256}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A folder with clips of three classes, and a training of one epoch in `first`."""
    folder = tmp_path_factory.mktemp("resume")
    random = np.random.default_rng(0)
    for i in range(18):
        soundfile.write(folder / f"{i}.wav", random.normal(size=20000) * 0.1, 16000)
    rows = "".join(f"{i}.wav,{'abc'[i % 3]}\n" for i in range(18))
    (folder / "clips.csv").write_text(f"filename,category\n{rows}")
    tree = {
        "dataset": {"training_audio_path": str(folder), "training_csv_path": str(folder / "clips.csv"), "class_names": ["c", "a"],
                    "validation_split": 0.34},
        "feature_extraction": FEATURES,
        "training": {"model": {"name": "miniresnet", "pooling": "avg"}, "epochs": 1, "batch_size": 8},
        "hydra": {"run": {"dir": str(folder / "first")}},
    }  # fmt: skip
    operations.perform(config.parse({**tree, "operation_mode": "training"}))
    return folder, tree


def resumed(first, *overrides, name="second"):
    folder, tree = first
    last = folder / "first/saved_models/last_model.keras"
    given = ["training.epochs=2", f"training.resume_training_from={last}", f"hydra.run.dir={folder / name}", *overrides]
    return config.parse(config.override({**tree, "operation_mode": "training"}, given))


def test_nothing_else_is_needed(first):
    """The model, its features and the order of its classes come from the file."""
    settings = resumed(
        first, "training.model=", "~feature_extraction", "dataset.class_names=[a, c]", "training.optimizer=SGD"
    )
    assert operations.check(settings) == []
    run = operations.perform(settings)
    assert [row["epoch"] for row in run.history] == [1, 2]
    carried = artefact.read(run.float_model)
    assert carried.class_names == ("c", "a")
    assert carried.features.n_mels == FEATURES["n_mels"]
    assert "training.optimizer: not used; the training that is resumed goes on with its own" in config.notes(settings)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], r"resume_training_from and training\.model are both given.*or say training\.model=$"),
        (
            ["training.model=", "general.model_path=a.keras"],
            r"resume_training_from and general\.model_path are both given.*or say general\.model_path=$",
        ),
        (["general.model_path=a.keras"], r"and training\.model and general\.model_path are both given"),
        (
            ["training.model=", "training.resume_training_from={folder}/clips.csv"],
            "a model without the state of a training",
        ),
    ],
)
def test_refused_by_config_check_too(first, tmp_path, monkeypatch, overrides, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.keras").touch()
    settings = resumed(first, *(text.format(folder=first[0]) for text in overrides), name="third")
    for does in (operations.check, operations.perform):
        with pytest.raises(UserError, match=message):
            does(settings)


def test_missing_file(first):
    settings = resumed(first, "training.model=", "training.resume_training_from=gone/last_augmented_model.h5")
    assert operations.check(settings) == ["training.resume_training_from: gone/last_model.keras"]
    with pytest.raises(UserError, match=r"gone/last_model\.keras"):
        operations.perform(settings)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("feature_extraction.n_mels=20", "feature_extraction.n_mels: 20, the model was made with 16"),
        ("dataset.class_names=[a, b]", "dataset.class_names: a, b; the model's are c, a"),
        ("dataset.multi_label=True", "dataset.multi_label: True, but the training that is resumed has False"),
        (
            "dataset.use_garbage_class=True",
            "dataset.use_garbage_class: True, but the training that is resumed has False",
        ),
    ],
)
def test_what_does_not_fit_the_resumed_training(first, override, message):
    with pytest.raises(UserError, match=message):
        operations.perform(resumed(first, "training.model=", override, name="fourth"))


def test_how_to_go_on_is_said(first, monkeypatch, caplog):
    from pyaed import training

    def interrupted(*arguments):
        (first[0] / "fifth/saved_models").mkdir()
        (first[0] / "fifth/saved_models/last_model.keras").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train", interrupted)
    folder, tree = first
    settings = config.parse({**tree, "operation_mode": "training", "hydra": {"run": {"dir": str(folder / "fifth")}}})
    with pytest.raises(KeyboardInterrupt):
        operations.perform(settings)
    assert (
        f"with training.model= training.resume_training_from={folder}/fifth/saved_models/last_model.keras"
        in caplog.text
    )


def test_cross_validation_begins_anew(first):
    with pytest.raises(UserError, match="crossval trains every part from the beginning"):
        operations.crossval(resumed(first, "training.model="))
