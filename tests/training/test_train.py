"""The training loop on small made-up patches: files, resuming, determinism, callbacks, errors."""

import csv
import logging
from types import SimpleNamespace

import numpy as np
import pytest

from pyaed import artefact, models
from pyaed.dsp import FeatureSpec
from pyaed.errors import UserError
from pyaed.models.keras import import_keras
from pyaed.training import TrainingSettings, train
from pyaed.training.examples import Examples, batches, scores

N_CLASSES = 3
SHAPE = (16, 12)
FEATURES = FeatureSpec(n_mels=SHAPE[0], patch_length=SHAPE[1])


class Patches:
    """Patches whose class is the third of the mel bands that is loud; four patches a clip."""

    def __init__(self, n_clips, seed=0, multi_label=False):
        rng = np.random.default_rng(seed)
        self.clip_index = np.repeat(np.arange(n_clips), 4)
        self.clip_labels = np.arange(n_clips) % N_CLASSES
        self.patches = rng.normal(-5, 1, size=(len(self.clip_index), *SHAPE)).astype(np.float32)
        for patch, label in zip(self.patches, self.clip_labels[self.clip_index]):
            patch[5 * label : 5 * label + 5] += 4

    def clip_targets(self, n_classes):
        return np.eye(n_classes, dtype=np.float32)[self.clip_labels]


def description(multi_label=False):
    return artefact.ModelMetadata(
        features=FEATURES, preprocessing={}, class_names=("a", "b", "c"), multi_label=multi_label
    )


def new_model(seed=0, n_classes=N_CLASSES, activation="softmax", dropout=0.0):
    """A network that has every kind of state (batch statistics, dropout) and builds in no time."""
    keras = import_keras()
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    x = inputs = keras.Input((*SHAPE, 1))
    for layer in (
        layers.Conv2D(8, (5, 3), strides=(5, 3)),
        layers.BatchNormalization(momentum=0.5),
        layers.ReLU(),
        layers.Flatten(),
        layers.Dropout(dropout),
        layers.Dense(n_classes, activation=activation),
    ):
        x = layer(x)
    return keras.Model(inputs, x)


NOISE = {"GaussianNoise": {"scale": 0.1}, "VolumeAugment": {}}


def run(out_dir, model=None, validation=True, multi_label=False, **options):
    settings = {"batch_size": 8, "epochs": 2, "optimizer": {"Adam": {"learning_rate": 0.003}}, "seed": 7}
    if model is None and "resume_training_from" not in options:
        model = new_model(activation="sigmoid" if multi_label else "softmax")
    return train(
        model,
        Patches(12),
        Patches(6, seed=1) if validation else None,
        TrainingSettings(**settings | {"augmentation": NOISE} | options),
        description(multi_label),
        out_dir,
    )


def read_csv(path):
    with open(path, newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def test_trains_a_model_of_the_zoo(tmp_path):
    model = models.build(SimpleNamespace(name="miniresnet", pooling="avg"), N_CLASSES, SHAPE)
    assert run(tmp_path, model, epochs=6).history[-1]["val_clip_accuracy"] >= 0.9


def test_learns_and_writes(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    result = run(tmp_path, epochs=6)
    assert result.history[result.best_epoch - 1]["val_clip_accuracy"] >= 0.9
    files = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert [name for name in files if "tfevents" not in name] == [
        "logs/train_metrics.csv",
        "saved_models/best_model.keras",
        "saved_models/last_model.keras",
        "training_curves.png",
    ]
    assert read_csv(tmp_path / "logs/train_metrics.csv") == result.history
    assert list(result.history[0]) == [
        "epoch", "learning_rate", "loss", "accuracy", "val_loss", "val_accuracy", "val_clip_accuracy",
    ]  # fmt: skip
    assert [r["epoch"] for r in result.history] == list(range(1, 7))
    assert artefact.read(result.best_model) == artefact.read(result.last_model) == description()
    best = max(result.history, key=lambda row: (row["val_accuracy"], -row["val_loss"]))
    assert result.best_epoch == best["epoch"]
    # The returned model and best_model.keras are those of the best epoch.
    data = Patches(6, seed=1)
    p = models.predictor(models.load(result.best_model))(data.patches)
    np.testing.assert_array_equal(p, models.predictor(result.model)(data.patches))
    source = Examples(data.patches, data.clip_labels, data.clip_index)
    assert scores(p, source)["val_loss"] == pytest.approx(best["val_loss"], rel=1e-4)
    assert sum("epoch 3/6" in message for message in caplog.messages) == 1


def test_same_seed_same_weights(tmp_path):
    one, two = (run(tmp_path / name).history for name in "ab")
    assert one == two


def test_resumed_goes_on_as_uninterrupted(tmp_path):
    whole = run(tmp_path / "whole", epochs=4)
    first = run(tmp_path / "first", epochs=2)
    resumed = run(
        tmp_path / "second",
        epochs=4,
        resume_training_from=str(first.last_model),
    )
    assert len(resumed.history) == 4
    for name in ("loss", "val_loss"):
        assert [r[name] for r in resumed.history] == pytest.approx([r[name] for r in whole.history], rel=1e-4)
    assert resumed.best_model.is_file()
    with pytest.raises(UserError, match="already been trained for 2 epochs"):
        run(tmp_path / "third", epochs=2, resume_training_from=str(first.last_model))


def test_number_of_classes_is_checked(tmp_path):
    with pytest.raises(UserError, match="3 classes: a, b, c"):
        run(tmp_path, model=new_model(n_classes=4))


def test_resumed_file_by_the_zoos_names(tmp_path):
    """last_augmented_model.h5 and best_augmented_model.h5 mean our last and best model; a mere model can't be resumed."""
    first = run(tmp_path / "first", epochs=2)
    models_dir = first.last_model.parent
    resumed = run(tmp_path / "second", epochs=3, resume_training_from=models_dir / "last_augmented_model.h5")
    assert [row["epoch"] for row in resumed.history] == [1, 2, 3]
    again = run(tmp_path / "third", epochs=3, resume_training_from=models_dir / "best_augmented_model.h5")
    assert again.history[: first.best_epoch] == first.history[: first.best_epoch]
    plain = models.save(new_model(), tmp_path / "best_model.h5")
    for path, message in (
        (plain, "a model without the state of a training, expected the last_model.keras.*general.model_path="),
        (models_dir / "lst_model.keras", r"no such model file \(did you mean 'last_model.keras'\?\)"),
    ):
        with pytest.raises(UserError, match=message):
            run(tmp_path, resume_training_from=path)


def test_the_optimizer_is_that_of_the_resumed_training(tmp_path):
    first = run(tmp_path / "first", epochs=1)
    resumed = run(
        tmp_path / "second", epochs=2, optimizer={"SGD": {"learning_rate": 0.5}}, resume_training_from=first.last_model
    )
    assert type(resumed.model.optimizer).__name__ == "Adam"
    assert resumed.history[1]["learning_rate"] == pytest.approx(0.003)


def test_multi_label(tmp_path):
    result = run(tmp_path, multi_label=True, epochs=3)
    assert result.model.layers[-1].activation.__name__ == "sigmoid"
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    assert 0.5 <= result.history[-1]["val_clip_accuracy"] <= 1


def test_without_validation(tmp_path):
    result = run(tmp_path, validation=False)
    assert result.monitor == "loss"
    assert "val_loss" not in result.history[0]


def test_early_stopping_and_dropout(tmp_path):
    stop = {"EarlyStopping": {"monitor": "val_loss", "patience": 1, "min_delta": 100, "restore_best_weights": True}}
    result = run(tmp_path, model=new_model(dropout=0.5), epochs=9, callbacks=stop)
    assert len(result.history) == 2
    assert result.monitor == "val_loss"


def test_patience_longer_than_the_training(tmp_path):
    stop = {"EarlyStopping": {"monitor": "val_clip_accuracy", "patience": 60}}
    assert len(run(tmp_path, callbacks=stop).history) == 2


@pytest.mark.parametrize(
    ("callbacks", "rates"),
    [
        ({"LRStepDecay": {"initial_lr": 0.01, "step_size": 2, "decay_rate": 0.5}}, [0.01, 0.005, 0.005]),
        ({"LearningRateScheduler": {"schedule": "lambda epoch, lr: lr / (1 + epoch)"}}, [0.003, 0.0015, 0.0005]),
        ({"LearningRateScheduler": {"schedule": "lambda epoch: 1e-3 * (epoch + 1)"}}, [0.001, 0.002, 0.003]),
        (
            {"ReduceLROnPlateau": {"monitor": "val_loss", "factor": 0.5, "patience": 1, "min_delta": 100}},
            [0.003, 0.0015, 0.00075],
        ),
    ],
)
def test_learning_rates(tmp_path, callbacks, rates):
    result = run(tmp_path, epochs=3, callbacks=callbacks)
    assert [row["learning_rate"] for row in result.history] == pytest.approx(rates, rel=1e-4)


def test_trained_model_path(tmp_path):
    copy = tmp_path / "mine" / "trained.h5"
    run(tmp_path, epochs=1, trained_model_path=str(copy))
    assert artefact.read(copy) == description()


def test_h5_copies_as_the_zoo_calls_them(tmp_path, caplog):
    """h5_copies: best_model.h5 and best_augmented_model.h5 are the best model, last_augmented_model.h5 the last one."""
    caplog.set_level(logging.INFO)
    result = run(tmp_path, epochs=3, h5_copies=True)
    folder = tmp_path / "saved_models"
    assert sorted(path.name for path in folder.iterdir()) == [
        "best_augmented_model.h5", "best_model.h5", "best_model.keras", "last_augmented_model.h5", "last_model.keras",
    ]  # fmt: skip
    for name, ours in (
        ("best_model.h5", result.best_model),
        ("best_augmented_model.h5", result.best_model),
        ("last_augmented_model.h5", result.last_model),
    ):
        for a, b in zip(models.load(folder / name).get_weights(), models.load(ours).get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        assert artefact.read(folder / name) == description()
    assert set(result.copies) == {folder / "best_model.h5", folder / "best_augmented_model.h5"}
    assert f"{result.best_model} (for ST's best_model.h5, best_augmented_model.h5)" in caplog.text
    assert f"{result.last_model} (for ST's last_augmented_model.h5)" in caplog.text
    assert run(tmp_path / "plain", epochs=1).copies == ()


def test_diverging_training_stops(tmp_path):
    with pytest.raises(UserError, match=r"lower the learning_rate"):
        run(tmp_path, epochs=20, optimizer={"SGD": {"learning_rate": 1e30}})


def test_a_schedule_of_keras_counts_batches(tmp_path):
    rate = {"InverseTimeDecay": {"initial_learning_rate": 0.01, "decay_steps": 1, "decay_rate": 0.5}}
    optimizer = {"AdamW": {"learning_rate": rate, "clipnorm": 1.0, "gradient_accumulation_steps": 2}}
    first = run(tmp_path / "first", epochs=1, optimizer=optimizer)
    resumed = run(tmp_path / "second", epochs=3, optimizer=optimizer, resume_training_from=first.last_model)
    expected = [0.01 / (1 + 0.5 * 6 * epoch) for epoch in (1, 2, 3)]  # 48 patches are 6 batches
    assert [row["learning_rate"] for row in resumed.history] == pytest.approx(expected, rel=1e-5)


def test_averages_are_validated_and_kept(tmp_path):
    """With use_ema best_model has the averages of the weights; the last one its own weights, to go on with."""
    optimizer = {"Adam": {"learning_rate": 0.003, "use_ema": True, "ema_momentum": 0.5}}
    plain = run(tmp_path / "plain", epochs=3)
    whole = run(
        tmp_path / "whole", epochs=3, optimizer=optimizer, callbacks={"SwapEMAWeights": {"swap_on_epoch": True}}
    )
    assert [row["loss"] for row in whole.history] == pytest.approx([row["loss"] for row in plain.history], rel=1e-5)
    assert whole.history[-1]["val_loss"] != pytest.approx(plain.history[-1]["val_loss"], rel=1e-3)
    weights, of_plain = (models.load(result.last_model).get_weights() for result in (whole, plain))
    for a, b in zip(weights, of_plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    data = Patches(6, seed=1)
    best = models.predictor(models.load(whole.best_model))(data.patches)
    found = scores(best, Examples(data.patches, data.clip_labels, data.clip_index))
    assert found["val_loss"] == pytest.approx(whole.history[whole.best_epoch - 1]["val_loss"], rel=1e-4)
    first = run(tmp_path / "first", epochs=1, optimizer=optimizer)
    resumed = run(tmp_path / "second", epochs=3, optimizer=optimizer, resume_training_from=first.last_model)
    for name in ("loss", "val_loss"):
        assert [r[name] for r in resumed.history] == pytest.approx([r[name] for r in whole.history], rel=1e-4)


def test_terminate_on_nan_keeps_what_was_finished(tmp_path, caplog):
    too_fast = {"callbacks": {"LearningRateScheduler": {"schedule": "lambda epoch: 0.003 if epoch < 2 else 1e30"}}}
    with pytest.raises(UserError, match=r"the loss is (nan|inf) in batch \d of epoch 3: lower the learning_rate"):
        run(tmp_path / "a", epochs=5, **too_fast)
    too_fast["callbacks"]["TerminateOnNaN"] = None
    result = run(tmp_path / "b", epochs=5, **too_fast)
    assert len(result.history) == 2
    assert "TerminateOnNaN: epoch 2 was the last one" in caplog.text
    assert all(np.isfinite(w).all() for w in models.load(result.best_model).get_weights())
    too_fast["callbacks"]["TerminateOnNaN"] = {"raise_error": True}
    with pytest.raises(
        UserError, match=r"the loss is|no argument 'raise_error'; there are none"
    ):  # Keras 3.12 has none
        run(tmp_path / "c", epochs=5, **too_fast)


def test_not_enough_memory_is_one_message(tmp_path):
    """8 patches, each stretched to 320,000 x 240,000: 2 TB."""
    layers = import_keras().layers
    x = inputs = import_keras().Input((*SHAPE, 1))
    for layer in (
        layers.UpSampling2D((20000, 20000)),
        layers.GlobalAveragePooling2D(),
        layers.Dense(N_CLASSES, activation="softmax"),
    ):
        x = layer(x)
    with pytest.raises(UserError, match=r"training: not enough memory \(.*\): lower training\.batch_size"):
        run(tmp_path, model=import_keras().Model(inputs, x))


def test_every_epoch_draws_all_patches_anew():
    x = np.arange(10, dtype=np.float32).reshape(10, 1, 1)
    source = Examples(x, np.arange(100, 105), np.arange(10) // 2)

    def epochs(first, last, seed=5):
        settings = TrainingSettings(batch_size=4, epochs=last, seed=seed)
        found = list(batches(source, settings, first_epoch=first).as_numpy_iterator())
        assert all((b[0].ravel() // 2 + 100 == b[1]).all() for b in found)
        assert [len(b[1]) for b in found] == [4, 4, 2] * (last - first)
        return np.concatenate([b[0].ravel() for b in found]).reshape(-1, 10)

    orders = epochs(0, 5)
    assert (np.sort(orders) == np.arange(10)).all()
    assert len({tuple(order) for order in orders}) == 5
    np.testing.assert_array_equal(epochs(3, 5), orders[3:])
    assert (epochs(0, 5, seed=6) != orders).any()
    in_order = batches(source, TrainingSettings(batch_size=4, epochs=2, seed=5, shuffle=False)).as_numpy_iterator()
    assert np.concatenate([b[0].ravel() for b in in_order]).tolist() == [*range(10)] * 2


def test_clip_scores():
    p = np.array([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6], [0.2, 0.8]])
    clip_index = np.array([1, 1, 1, 2])
    found = scores(p, Examples(p, np.array([9, 0, 0]), clip_index))
    assert found["val_accuracy"] == 0.25
    assert found["val_clip_accuracy"] == 0.5
    found = scores(p, Examples(p, np.array([[0, 0], [1, 0], [1, 1]]), clip_index))
    assert found["val_clip_accuracy"] == 0.75


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": {"Adan": {}}}, "did you mean 'Adam'"),
        ({"callbacks": {"EarlyStoping": {}}}, "did you mean 'EarlyStopping'"),
        ({"callbacks": {"LearningRateScheduler": {"schedule": "lambda epoch: 5 - 9"}}}, "learning rate -4"),
    ],
)
def test_settings_refused(tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        run(tmp_path, **options)
    assert not list(tmp_path.rglob("*.keras"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: setattr(data, "clip_labels", data.clip_labels + 1), "labels from 1 to 3"),
        (lambda data: setattr(data, "patches", data.patches[:, :8]), "n_mels, patch_length"),
        (lambda data: setattr(data, "patches", data.patches[:0]), "has no patches"),
        (lambda data: data.patches.__setitem__((0, 0, 0), np.nan), "not numbers"),
    ],
)
def test_data_refused(tmp_path, spoil, message):
    data = Patches(3)
    spoil(data)
    with pytest.raises(UserError, match=message):
        train(new_model(), data, None, TrainingSettings(epochs=2), description(), tmp_path)
