"""Training that begins with a model file: what ST's documents promise about frozen layers, dropout and fine_tune."""

import numpy as np
import pytest
import soundfile

from pyaed import models, operations
from pyaed.config import load
from pyaed.errors import UserError
from pyaed.models.keras import import_keras

MELS, FRAMES = 16, 12


def network(dropout: float | None = None, activation: str | None = "softmax", classes: int = 2):
    """Frozen convolutions in a network of its own, then a classifier."""
    keras = import_keras()
    keras.utils.set_random_seed(1)
    layers = keras.layers
    base = keras.Sequential([keras.Input((MELS, FRAMES, 1)), layers.Conv2D(4, 3), layers.BatchNormalization()])
    base.trainable = False
    given = keras.Input((MELS, FRAMES, 1))
    x = layers.GlobalAveragePooling2D()(base(given))
    if dropout is not None:
        x = layers.Dropout(dropout, name="drop")(x)
    return keras.Model(given, layers.Dense(classes, activation=activation)(x))


def test_every_layer_is_thawed():
    model = network()
    assert len(model.trainable_variables) == 2
    assert models.make_trainable(model, "m.keras", None) == 2
    assert len(model.trainable_variables) == 6


def test_dropout_is_the_configurations():
    model = network(0.5)
    with pytest.raises(
        UserError, match=r"m\.keras has the dropout layer drop, but training\.dropout is not given.*=0\.5"
    ):
        models.make_trainable(model, "m.keras", None)
    models.make_trainable(model, "m.keras", 0.25)
    assert model.get_layer("drop").rate == 0.25
    with pytest.raises(UserError, match=r"training\.dropout is 0\.3, but m\.keras has no dropout layer"):
        models.make_trainable(network(), "m.keras", 0.3)
    models.make_trainable(network(), "m.keras", 0.0)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Low and high noise."""
    folder = tmp_path_factory.mktemp("clips")
    random = np.random.default_rng(0)
    for i in range(12):
        noise = random.normal(size=20000) * 0.1
        low = np.convolve(noise, np.ones(16) / 4, "same")
        soundfile.write(folder / f"{i}.wav", low if i % 2 else noise, 16000)
    rows = "".join(f"{i}.wav,{'low' if i % 2 else 'high'}\n" for i in range(12))
    (folder / "clips.csv").write_text(f"filename,category\n{rows}")
    return folder


def settings(clips, model, folder, *more):
    features = {"n_mels": MELS, "patch_length": FRAMES, "overlap": 0.0, "n_fft": 512, "hop_length": 256}
    return load(None, [
        *(f"feature_extraction.{key}={value}" for key, value in features.items()), f"general.model_path={model}",
        f"dataset.training_audio_path={clips}", f"dataset.training_csv_path={clips / 'clips.csv'}",
        "dataset.class_names=[low,high]", "dataset.validation_split=0.34", f"hydra.run.dir={folder}",
        "training.epochs=1", "training.fine_tune=false", *more,
    ], "training")  # fmt: skip


@pytest.mark.parametrize(("activation", "classes"), [("softmax", 2), (None, 2), ("sigmoid", 1)])
def test_a_training(tmp_path, clips, caplog, activation, classes):
    """Frozen layers learn, and what the model ends in becomes one probability a class."""
    path = models.save(network(0.2, activation, classes), tmp_path / "m.keras")
    config = settings(clips, path, tmp_path / "run", "training.dropout=0.1")
    run = operations.perform(config, "training")
    assert "2 frozen layers are thawed" in caplog.text
    assert "training.fine_tune=False is not used" in caplog.text
    before = models.load(path).get_weights()[0]
    after = next(w for w in models.load(run.float_model).get_weights() if w.shape == before.shape)
    assert np.abs(after - before).max() > 1e-4
    trained = models.predictor(models.load(run.float_model))
    outputs = trained(np.random.default_rng(3).normal(size=(4, MELS, FRAMES)).astype(np.float32))
    assert outputs.shape == (4, 2)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)
