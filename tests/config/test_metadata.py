"""What a model carries about itself: round trips, and everything that may be wrong with it."""

import json
import zipfile

import pytest

from pyaed import metadata
from pyaed.dsp import FeatureSpec
from pyaed.errors import UserError
from pyaed.metadata import ModelMetadata

SETTINGS = ModelMetadata(FeatureSpec(), {"target_rate": 16000}, ("dog", "cat", "other"), garbage_class="other")


def test_json_round_trip():
    assert ModelMetadata.from_json(SETTINGS.to_json()) == SETTINGS


def test_keras_file_round_trip(tmp_path):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "{}")
    assert metadata.read(path) is None
    metadata.write_keras(path, SETTINGS)
    metadata.write_keras(path, SETTINGS)
    assert metadata.read(path) == SETTINGS
    assert sorted(zipfile.ZipFile(path).namelist()) == ["config.json", "pyaed.json"]


def test_h5_file_round_trip(tmp_path):
    import h5py

    path = tmp_path / "m.h5"
    h5py.File(path, "w").close()
    assert metadata.read(path) is None
    metadata.write_keras(path, SETTINGS)
    assert metadata.read(path) == SETTINGS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "version 2"),
        ({"features_hash": "0" * 64}, "the tables differ"),
        ({"class_names": []}, "class_names"),
        ({"class_names": ["a", "a"]}, "class_names"),
        ({"class_names": "dog"}, "'class_names'"),
        ({"multi_label": 1}, "'multi_label'"),
        ({"features": {"n_fft": 512}}, "is missing"),
        ({"preprocessing": None}, "'preprocessing'"),
    ],
)
def test_what_is_wrong_is_named(change, message):
    tree = {**json.loads(SETTINGS.to_json()), **change}
    with pytest.raises(UserError, match=message):
        ModelMetadata.from_json(json.dumps(tree))


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_not_an_object(text):
    with pytest.raises(UserError):
        ModelMetadata.from_json(text)


def test_metadata_has_a_budget_of_bytes(tmp_path):
    text = SETTINGS.to_json().encode()
    for size in (metadata.MAX_BYTES, metadata.MAX_BYTES + 1):
        with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("pyaed.json", text.ljust(size))
        if size == metadata.MAX_BYTES:
            assert metadata.read(tmp_path / "m.keras") == SETTINGS
        else:
            with pytest.raises(UserError, match=r"m\.keras: pyaed metadata of more than"):
                metadata.read(tmp_path / "m.keras")


def test_unusable_files(tmp_path):
    for name in ("m.keras", "m.h5", "m.tflite"):
        (tmp_path / name).write_bytes(b"nonsense that is no model")
        with pytest.raises(UserError, match=name):
            metadata.read(tmp_path / name)
    with pytest.raises(UserError, match="not found"):
        metadata.read(tmp_path / "missing.keras")
    with pytest.raises(UserError, match="not a model file"):
        metadata.read(__file__)
