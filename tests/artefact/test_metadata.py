"""What a model carries about itself: round trips, and everything that may be wrong with it."""

import json
import zipfile
from dataclasses import replace

import pytest

from pyaed import artefact
from pyaed.artefact import FORMAT_VERSION, ModelMetadata
from pyaed.dsp import FeatureSpec, feature_hash, identity
from pyaed.errors import UserError

SETTINGS = ModelMetadata(FeatureSpec(), {"target_rate": 16000}, ("dog", "cat", "other"), garbage_class="other")


def test_json_round_trip():
    assert ModelMetadata.from_json(SETTINGS.to_json()) == SETTINGS


def test_keras_file_round_trip(tmp_path):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "{}")
    assert artefact.read(path) is None
    artefact.write(path, SETTINGS)
    artefact.write(path, SETTINGS)
    assert artefact.read(path) == SETTINGS
    assert sorted(zipfile.ZipFile(path).namelist()) == ["config.json", "pyaed.json"]


def test_h5_file_round_trip(tmp_path):
    import h5py

    path = tmp_path / "m.h5"
    h5py.File(path, "w").close()
    assert artefact.read(path) is None
    artefact.write(path, SETTINGS)
    assert artefact.read(path) == SETTINGS


LONG = "x" * 10_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": FORMAT_VERSION + 1}, "a newer pyaed made it"),
        ({"format_version": True}, "'format_version' is True"),
        ({"format_version": 0}, "'format_version' is 0"),
        ({"format_version": "2"}, "'format_version' is '2'"),
        ({"features_hash": "0" * 64}, "the tables differ"),
        ({"features_hash": "0"}, "64 hexadecimal digits"),
        (
            {"frontend_revision": 2},
            "revision 2 of the front end, this pyaed computes revision 3.*train or quantize it again",
        ),
        ({"frontend_revision": 1003}, "revision 1003"),
        ({"frontend_revision": True}, "'frontend_revision' is True"),
        ({"frontend_revision": -1}, "'frontend_revision' is -1"),
        ({"class_names": []}, "'class_names' is \\[\\]"),
        ({"class_names": ["a", "a"]}, "different names"),
        ({"class_names": "dog"}, "'class_names'"),
        ({"class_names": ["dog", LONG, "other"]}, r"'class_names' is \['dog', 'x+\.\.\., expected 1 to"),
        ({"class_names": ["dog", "a\x1b[31m", "other"]}, "without control characters"),
        ({"class_names": ["dog", "a\0", "other"]}, "without control characters"),
        ({"class_names": ["dog", "", "other"]}, "'class_names'"),
        ({"class_names": ["dog", "\ud800", "other"]}, "'class_names'"),
        ({"class_names": ["dog", 5, "other"]}, "'class_names'"),
        ({"class_names": [str(i) for i in range(1025)]}, "'class_names'"),
        ({"garbage_class": "bird"}, "'garbage_class' is 'bird', which is no class"),
        ({"garbage_class": 1}, "'garbage_class' is 1"),
        ({"unknown_class_threshold": True}, "'unknown_class_threshold' is True"),
        ({"unknown_class_threshold": -5}, "'unknown_class_threshold' is -5"),
        ({"unknown_class_threshold": 1.01}, "'unknown_class_threshold' is 1.01"),
        ({"unknown_class_threshold": "0.5"}, "'unknown_class_threshold' is '0.5'"),
        ({"class_thresholds": [0.5, 0.5]}, "one number from 0 to 1 for every class"),
        ({"class_thresholds": [0.5, 0.5, True]}, "one number from 0 to 1 for every class"),
        ({"class_thresholds": [0.5, 0.5, 2]}, "one number from 0 to 1 for every class"),
        ({"class_thresholds": 0.5}, "one number from 0 to 1 for every class"),
        ({"multi_label": 1}, "'multi_label'"),
        ({"features": {"n_fft": 512}}, "is missing"),
        ({"features": []}, "'features'"),
        ({"preprocessing": None}, "'preprocessing'"),
        ({"preprocessing": {"target_rate": 8000}}, "target_rate 8000, 'features' the sample_rate 16000"),
        ({"preprocessing": {"top_db": [1]}}, "'preprocessing'"),
        ({"provenance": "x"}, "'provenance'"),
    ],
)
def test_what_is_wrong_is_named(change, message):
    tree = {**json.loads(SETTINGS.to_json()), **change}
    with pytest.raises(UserError, match=rf"(?s)^m\.keras: .*{message}"):
        ModelMetadata.from_json(json.dumps(tree), "m.keras")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400"])
@pytest.mark.parametrize("key", ["unknown_class_threshold", "class_thresholds", "features", "preprocessing"])
def test_no_number_is_not_finite(key, value):
    text = SETTINGS.to_json()
    old = {
        "unknown_class_threshold": '"unknown_class_threshold": 0.0',
        "class_thresholds": '"multi_label": false',
        "features": '"top_db": 80.0',
        "preprocessing": '"target_rate": 16000',
    }[key]
    new = (
        f'"class_thresholds": [{value}, 0.1, 0.1], {old}'
        if key == "class_thresholds"
        else f"{old.partition(':')[0]}: {value}"
    )
    assert old in text
    with pytest.raises(UserError):
        ModelMetadata.from_json(text.replace(old, new))


@pytest.mark.parametrize("key", [k for k in json.loads(SETTINGS.to_json()) if k != "format_version"])
def test_no_field_may_be_missing(key):
    tree = json.loads(SETTINGS.to_json())
    del tree[key]
    with pytest.raises(UserError, match=f"'{key}' is missing"):
        ModelMetadata.from_json(json.dumps(tree))


@pytest.mark.parametrize("text", ["[" * 60_000, '{"a":' * 60_000, "9" * 5000, '{"format_version": ' + "9" * 5000 + "}"])
def test_texts_without_end(text):
    with pytest.raises(UserError):
        ModelMetadata.from_json(text)


def test_an_older_format_is_migrated():
    tree = json.loads(SETTINGS.to_json())
    del tree["frontend_revision"]
    assert ModelMetadata.from_json(json.dumps({**tree, "format_version": 1})) == SETTINGS
    other = {**tree, "format_version": 1, "features_hash": feature_hash(SETTINGS.features, 1003)}
    with pytest.raises(UserError, match="revision 1003 of the front end"):  # over CMSIS-DSP's FFT: other bits
        ModelMetadata.from_json(json.dumps(other))
    del tree["features"]
    with pytest.raises(UserError, match="'features' is missing"):
        ModelMetadata.from_json(json.dumps({**tree, "format_version": 1}))


def test_an_older_revision_runs_where_its_bits_are_todays(monkeypatch):
    monkeypatch.setitem(identity.EQUAL_REVISIONS, 2, lambda spec: not spec.to_db)
    for to_db in (False, True):
        model = replace(SETTINGS, features=replace(SETTINGS.features, to_db=to_db), provenance={"pyaed": "0.0.9"})
        tree = json.loads(model.to_json())
        tree |= {"frontend_revision": 2, "features_hash": feature_hash(model.features, 2)}
        if not to_db:
            assert ModelMetadata.from_json(json.dumps(tree)) == model
            assert json.loads(ModelMetadata.from_json(json.dumps(tree)).to_json()) == json.loads(model.to_json())
        else:
            with pytest.raises(UserError, match=r"revision 2 .*use the pyaed that made it \('0\.0\.9'\)"):
                ModelMetadata.from_json(json.dumps(tree))


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_not_an_object(text):
    with pytest.raises(UserError):
        ModelMetadata.from_json(text)


def test_metadata_has_a_budget_of_bytes(tmp_path):
    text = SETTINGS.to_json().encode()
    for size in (artefact.MAX_BYTES, artefact.MAX_BYTES + 1):
        with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("pyaed.json", text.ljust(size))
        if size == artefact.MAX_BYTES:
            assert artefact.read(tmp_path / "m.keras") == SETTINGS
        else:
            with pytest.raises(UserError, match=r"m\.keras: pyaed metadata of more than"):
                artefact.read(tmp_path / "m.keras")


def test_unusable_files(tmp_path):
    for name in ("m.keras", "m.h5", "m.tflite"):
        (tmp_path / name).write_bytes(b"nonsense that is no model")
        with pytest.raises(UserError, match=name):
            artefact.read(tmp_path / name)
    with pytest.raises(UserError, match="not found"):
        artefact.read(tmp_path / "missing.keras")
    with pytest.raises(UserError, match="not a model file"):
        artefact.read(__file__)
