"""Model files: round trips, the Keras 2 reader, and damaged or hostile files."""

import zipfile
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from keras2_files import write_keras2

from pyaed import artefact, models
from pyaed.dsp import FeatureSpec
from pyaed.errors import UserError
from pyaed.models.keras import import_keras

PATCHES = np.random.default_rng(0).normal(size=(3, 16, 12)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    options = SimpleNamespace(name="miniresnet", version="v2", pooling="avg", pretrained_weights=False)
    return models.build(options, 3, (16, 12))


def described():
    features = FeatureSpec(n_mels=16, patch_length=12)
    return artefact.ModelMetadata(features=features, preprocessing={}, class_names=("a", "b", "c"))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_round_trip(model, tmp_path, suffix):
    path = models.save(model, tmp_path / f"model{suffix}", described())
    np.testing.assert_array_equal(models.predictor(models.load(path))(PATCHES), models.predictor(model)(PATCHES))
    assert artefact.read(path) == described()
    assert artefact.read_state(path) is None
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_training_state(model, tmp_path):
    path = models.save(model, tmp_path / "model.keras", described(), {"epoch": 3})
    assert artefact.read_state(path) == {"epoch": 3}
    assert artefact.read(path) == described()
    models.load(path)


INPUT = ("InputLayer", "x", {"batch_input_shape": [None, 4]}, [])
DENSE = ("Dense", "d/e", {"units": 2, "activation": "relu", "use_bias": True}, ["x"])
KERNEL = np.arange(8, dtype=np.float32).reshape(4, 2)
BIAS = np.array([1, -100], np.float32)


def test_keras2_file(tmp_path):
    path = write_keras2(tmp_path / "m.h5", [INPUT, DENSE], {"d/e": {"kernel": KERNEL, "bias": BIAS}})
    x = np.ones((1, 4), np.float32)
    np.testing.assert_allclose(models.load(path)(x), np.maximum(x @ KERNEL + BIAS, 0))


@pytest.mark.parametrize(
    ("layers", "weights", "message"),
    [
        ([INPUT, ("Lambda", "l", {"function": ["code"]}, ["x"])], {}, "l is of the kind Lambda"),
        ([INPUT, ("Dense", "d", {"units": 2, "activation": "os.system"}, ["x"])], {}, "activation 'os.system'"),
        ([INPUT, ("Flatten", "f", {"data_format": "channels_first"}, ["x"])], {}, "channels_first"),
        ([INPUT, DENSE], {}, "its layers need 10 numbers, the file holds 0"),
        ([INPUT, DENSE], {"z": {"kernel": KERNEL, "bias": BIAS}}, "no weights for d_e/kernel"),
        ([INPUT, DENSE], {"d/e": {"kernel": KERNEL.T, "bias": BIAS}}, r"shape \(2, 4\), the model needs \(4, 2\)"),
        ([INPUT, DENSE], {"d/e": {"kernel": KERNEL, "bias": BIAS}, "z": {"kernel": KERNEL}}, "no place.*z/kernel"),
        ([INPUT, ("Dense", "d", {"units": 2}, ["nowhere"])], {}, "computed from something that the file doesn't have"),
        ([INPUT, ("Dense", "d", {}, ["x"])], {}, "damaged"),
        ([("InputLayer", "x", {"batch_input_shape": [None, -4]}, []), DENSE], {}, "input shape"),
        ([("InputLayer", "x", {"batch_input_shape": [None, 1 << 40]}, []), DENSE], {}, "input shape"),
    ],
)
def test_keras2_refused(tmp_path, layers, weights, message):
    path = write_keras2(tmp_path / "m.h5", layers, weights)
    with pytest.raises(UserError, match=message) as caught:
        models.load(path)
    assert str(path) in str(caught.value)


def test_keras2_weights_never_come_from_another_file(tmp_path):
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["secret"] = KERNEL
    path = write_keras2(tmp_path / "m.h5", [INPUT, DENSE], {"d/e": {"kernel": KERNEL, "bias": BIAS}})
    with h5py.File(path, "r+") as file:
        group = file["model_weights/d/e"]
        del group["d/e/kernel:0"]
        group["d/e/kernel:0"] = h5py.ExternalLink(str(other), "secret")
    with pytest.raises(UserError, match="is a link to elsewhere"):
        models.load(path)


def test_lambda_in_a_keras_file_is_refused(tmp_path):
    keras = import_keras()
    x = keras.Input((4,))
    model = keras.Model(x, keras.layers.Lambda(lambda t: t + 1)(x))
    for suffix in (".keras", ".h5"):
        path = tmp_path / f"m{suffix}"
        model.save(path)
        with pytest.raises(UserError, match="executed"):
            models.load(path)


def test_foreign_module_is_refused(model, tmp_path):
    path = models.save(model, tmp_path / "m.keras")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = members["config.json"].replace(b'"module": "keras.layers"', b'"module": "subprocess"', 1)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (members | {"config.json": config}).items():
            archive.writestr(name, data)
    with pytest.raises(UserError, match="subprocess"):
        models.load(path)


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_damaged_files(model, tmp_path, name):
    path = tmp_path / name
    with pytest.raises(UserError, match="no such model file"):
        models.load(path)
    for content in (b"", b"not a model", b"PK\x03\x04" + bytes(50), b"\x89HDF\r\n\x1a\n" + bytes(100)):
        path.write_bytes(content)
        with pytest.raises(UserError, match=name):
            models.load(path)
    models.save(model, path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UserError, match=name):
        models.load(path)


def test_other_kinds_of_files(tmp_path):
    with pytest.raises(UserError, match=r"\.keras or \.h5"):
        models.load(tmp_path / "m.onnx")
    with h5py.File(tmp_path / "w.h5", "w"):
        pass
    with pytest.raises(UserError, match="whole model"):
        models.load(tmp_path / "w.h5")


@pytest.mark.parametrize("given", [".keras", ".h5", ".tflite"])
@pytest.mark.parametrize("is_a", [".keras", ".h5", ".tflite"])
def test_a_file_under_the_name_of_another_kind(model, tmp_path, is_a, given):
    """It isn't damaged; the message says what it is."""
    path = tmp_path / f"made{is_a}"
    if is_a == ".tflite":
        path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(24))
    else:
        models.save(model, path)
    renamed = path.rename(tmp_path / f"m{given}")
    if is_a == given:
        artefact.check_kind(renamed)
        return
    with pytest.raises(UserError, match=rf"it is a {is_a} file by its content.*rename it to m{is_a}"):
        artefact.read(renamed)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_the_zoos_augmented_models_are_told_from_the_model(tmp_path, suffix):
    """best_augmented_model.h5: "make sure not to use it for deployment or evaluation"."""

    class VolumeAugment(import_keras().layers.Layer):
        def call(self, x):
            return x

    keras = import_keras()
    path = tmp_path / f"best_augmented_model{suffix}"
    keras.Sequential([keras.Input((4, 4, 1)), VolumeAugment(), keras.layers.Flatten()]).save(path)
    with pytest.raises(
        UserError, match=r"VolumeAugment.*\n.*the model without them is best_model\.h5 in the same folder"
    ):
        models.load(path)
    keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten()]).save(path)  # ours: `training.h5_copies`
    models.load(path)
