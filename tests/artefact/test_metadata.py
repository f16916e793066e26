"""What a model carries about itself: round trips, and everything that may be wrong with it."""

import dataclasses
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from support import images
from support.onnx_builder import residual_network

from pyaed import artefact
from pyaed.artefact import FORMAT_VERSION, ModelMetadata, files
from pyaed.dsp import FeatureSpec, feature_hash, identity, spec
from pyaed.errors import UserError
from pyaed.nn import Engine, onnx

SETTINGS = ModelMetadata(FeatureSpec(), {"target_rate": 16000}, ("dog", "cat", "other"), garbage_class="other")


def test_json_round_trip():
    assert ModelMetadata.from_json(SETTINGS.to_json()) == SETTINGS


def test_equal_metadata_is_equal_text():
    """A file's bytes don't depend on the order in which somebody collected its provenance."""
    one, other = ({"seed": 1, "clips": 2}, {"clips": 2, "seed": 1})
    assert replace(SETTINGS, provenance=one).to_json() == replace(SETTINGS, provenance=other).to_json()


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


def test_onnx_file_round_trip(tmp_path):
    """Other texts of the file stay; metadata of the first format becomes today's."""
    b = residual_network()
    path = b.write(tmp_path / "m.onnx", b.last)
    onnx.write_metadata(path, "author", "somebody")
    assert artefact.read(path) is None
    artefact.write(path, SETTINGS)
    artefact.write(path, SETTINGS)
    assert artefact.read(path) == SETTINGS
    assert onnx.read_metadata(path, "author") == b"somebody"
    tree = json.loads(SETTINGS.to_json())
    del tree["frontend_revision"]
    onnx.write_metadata(path, "pyaed", json.dumps({**tree, "format_version": 1}))
    assert artefact.read(path) == SETTINGS
    onnx.write_metadata(path, "pyaed", " " * ((1 << 20) + 1))
    with pytest.raises(UserError, match="more than 1048576 bytes"):
        artefact.read(path)


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
            with pytest.raises(UserError, match=r"m\.keras: pyaed\.json has more than 1048576 bytes"):
                artefact.read(tmp_path / "m.keras")


def test_other_files_have_the_same_budget(tmp_path, monkeypatch):
    import h5py

    text, path = SETTINGS.to_json(), tmp_path / "m.h5"
    monkeypatch.setattr(files, "MAX_BYTES", len(text) + 10)
    for data in (text, text.encode()):  # HDF5 knows both
        for size in (len(text), len(text) + 10, len(text) + 11):
            with h5py.File(path, "w") as file:
                file.attrs["pyaed"] = data.ljust(size)
            if size <= len(text) + 10:
                assert artefact.read(path) == SETTINGS
            else:
                with pytest.raises(UserError, match=r"m\.h5: pyaed metadata of more than"):
                    artefact.read(path)
    with h5py.File(path, "w") as file:
        file.attrs["pyaed"] = 5
    with pytest.raises(UserError, match="is no text"):
        artefact.read(path)
    (tmp_path / "m.tflite").write_bytes(b"a model")
    for size in (len(text), len(text) + 10, len(text) + 11):
        monkeypatch.setattr("pyaed.nn.read_metadata_buffer", lambda *_, size=size: text.encode().ljust(size))
        if size <= len(text) + 10:
            assert artefact.read(tmp_path / "m.tflite") == SETTINGS
        else:
            with pytest.raises(UserError, match=r"m\.tflite: pyaed metadata of more than"):
                artefact.read(tmp_path / "m.tflite")


def test_tflite_file_round_trip(tmp_path):
    path, other = tmp_path / "m.tflite", replace(SETTINGS, class_names=("a", "other"))
    path.write_bytes(images.tiny_model().read_bytes())
    assert artefact.read(path) is None
    outputs = Engine(path).run(np.zeros((1, 16, 12, 1), np.int8))
    for metadata in (SETTINGS, other):
        artefact.write(path, metadata)
        assert artefact.read(path) == metadata
        np.testing.assert_array_equal(Engine(path).run(np.zeros((1, 16, 12, 1), np.int8)), outputs)
    assert path.read_bytes().count(b'"class_names"') == 1, "what was there is replaced"


def test_training_state_round_trip(tmp_path, monkeypatch):
    path, state = tmp_path / "m.keras", {"epoch": 3, "best": 0.5}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "{}")
    assert artefact.read_state(path) is None
    assert artefact.read_state(tmp_path / "m.h5") is None
    artefact.write_state(path, {"epoch": 2})
    artefact.write_state(path, state)
    artefact.write(path, SETTINGS)
    assert artefact.read_state(path) == state
    assert artefact.read(path) == SETTINGS
    size = len(json.dumps(state))
    monkeypatch.setattr(files, "MAX_STATE_BYTES", size)
    assert artefact.read_state(path) == state
    monkeypatch.setattr(files, "MAX_STATE_BYTES", size - 1)
    with pytest.raises(UserError, match=rf"pyaed_training.json has more than {size - 1} bytes"):
        artefact.read_state(path)
    monkeypatch.undo()
    for text, message in (("{", "is not JSON"), ("[" * 60_000, "is not JSON"), ("[]", "is a list")):
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(files.STATE_MEMBER, text)
        with pytest.raises(UserError, match=message):
            artefact.read_state(path)


def test_the_ends_of_every_range_are_allowed():
    names = ("x" * 100, "é" * 50, *map(str, range(1022)))
    thresholds = (0.0, 1.0, *[0.5] * 1022)
    for model in (
        replace(SETTINGS, class_names=names, garbage_class=None, multi_label=True, class_thresholds=thresholds),
        replace(SETTINGS, unknown_class_threshold=1.0),
        replace(SETTINGS, preprocessing={str(i): i for i in range(64)}),
        replace(SETTINGS, class_names=("a",), garbage_class="a"),
        replace(SETTINGS, preprocessing={"a": None, "b": True, "c": 0.5, "d": "text"}),
    ):
        assert ModelMetadata.from_json(model.to_json()) == model
    for change in (
        {"class_names": ["x" * 101, "cat", "other"]},
        {"class_names": ["é" * 51, "cat", "other"]},
        {"preprocessing": {str(i): i for i in range(65)}},
        {"preprocessing": {"": 1}},
        {"preprocessing": {"a": ""}},
        {"frontend_revision": 0},
        {"frontend_revision": 1 << 31},
        {"features_hash": "0" * 65},
        {"unknown_class_threshold": -0.001},
        {"class_thresholds": [-0.001, 0.5, 0.5]},
    ):
        with pytest.raises(UserError, match=next(iter(change))):
            ModelMetadata.from_json(json.dumps({**json.loads(SETTINGS.to_json()), **change}))


def test_long_values_are_shown_short():
    for length, shown in ((58, "x" * 58 + "'"), (59, "x" * 56 + "...")):
        tree = {**json.loads(SETTINGS.to_json()), "garbage_class": "x" * length}
        with pytest.raises(UserError) as error:
            ModelMetadata.from_json(json.dumps(tree))
        assert f"'garbage_class' is '{shown}, which" in str(error.value)


def test_unusable_files(tmp_path):
    for name in ("m.keras", "m.h5", "m.tflite"):
        (tmp_path / name).write_bytes(b"nonsense that is no model")
        with pytest.raises(UserError, match=name):
            artefact.read(tmp_path / name)
    with pytest.raises(UserError, match="not found"):
        artefact.read(tmp_path / "missing.keras")
    with pytest.raises(UserError, match="not a model file"):
        artefact.read(__file__)


def test_a_later_setting_orphans_no_model(monkeypatch):
    """As if `include_last_patch` had come after 0.1.0: a model of before has no such key, nor one of today without it."""
    monkeypatch.setattr(spec, "LATER", {"include_last_patch": False})
    plain, changed = SETTINGS.features, replace(SETTINGS.features, include_last_patch=True)
    before = {k: v for k, v in dataclasses.asdict(plain).items() if k != "include_last_patch"}
    assert plain.to_dict() == before  # which is what the hash is over
    assert FeatureSpec.from_dict(before) == plain
    assert FeatureSpec.from_dict(changed.to_dict()) == changed
