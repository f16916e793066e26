"""What each released version left behind still works, to the bit; docs/compatibility.md has the rules. `make.py` makes it."""

import json
from pathlib import Path

import numpy as np
import pytest

from pyaed import artefact, config, models, nn
from pyaed.boards.emulator import Emulator
from pyaed.detector import DetectorSettings, StreamFrontEnd, find_events
from pyaed.dsp import FeatureSpec, FrontEnd, feature_hash, quantize
from pyaed.link import live
from pyaed.link.journal import Journal

HERE = Path(__file__).parent
VERSIONS = sorted(path.parent.name for path in HERE.glob("*/facts.json"))


@pytest.fixture(params=VERSIONS)
def old(request):
    return HERE / request.param


@pytest.fixture
def facts(old):
    return json.loads((old / "facts.json").read_text(encoding="utf-8"))


@pytest.fixture
def vectors(old):
    with np.load(old / "vectors.npz", allow_pickle=False) as file:
        return dict(file)


def test_there_are_versions():
    assert "0.1.0" in VERSIONS


@pytest.mark.parametrize("suffix", ["tflite", "keras", "h5"])
def test_what_a_model_carries(old, facts, suffix):
    carried = artefact.read(old / f"tiny.{suffix}")
    assert carried.features == FeatureSpec(**facts["features"])
    assert list(carried.class_names) == facts["class_names"]
    assert carried.garbage_class == facts["garbage_class"]
    assert carried.unknown_class_threshold == facts["unknown_class_threshold"]
    again = json.loads(carried.to_json())
    assert again["format_version"] == artefact.FORMAT_VERSION  # migrated by being written again


def test_features_and_int8_answers_have_the_same_bits(old, vectors):
    spec = artefact.read(old / "tiny.tflite").features
    front_end, engine = FrontEnd(spec), nn.Engine(old / "tiny.tflite")
    log_mel = front_end.log_mel(vectors["pcm"])
    assert log_mel.tobytes() == vectors["log_mel"].tobytes()
    assert engine.run(front_end.patches(log_mel)).tobytes() == vectors["outputs"].tobytes()


def test_events_are_the_same(old, facts, vectors):
    detector = DetectorSettings.from_settings(artefact.read(old / "tiny.tflite"))
    assert detector.crc == facts["settings_crc"]
    scores = nn.Engine(old / "tiny.tflite").predict(StreamFrontEnd(detector)(vectors["pcm"]))
    assert find_events(scores, detector) == facts["events"]


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_float_models_load_and_answer(old, vectors, suffix):
    model = models.load(old / f"tiny.{suffix}")
    patches = FrontEnd(artefact.read(old / "tiny.tflite").features)(vectors["pcm"])
    scores = np.concatenate([models.predictor(model)(patch[np.newaxis]) for patch in patches])
    np.testing.assert_allclose(scores, vectors["scores"], atol=1e-5)  # TensorFlow's own versions differ in last bits


def test_a_training_goes_on(old):
    assert artefact.read_state(old / "tiny.keras") == {"epoch": 3, "history": [{"loss": 0.5}]}


def test_configurations_are_read(old):
    assert config.load(old / "pyaed.yaml").operation_mode == "chain_tbqeb"


def test_an_evaluation_on_a_board_goes_on(old, facts, tmp_path, vectors):
    path = tmp_path / "answers.jsonl"
    path.write_bytes((old / "answers.jsonl").read_bytes())
    spec = FeatureSpec(**facts["features"])
    engine = nn.Engine(old / "tiny.tflite")
    about = {"model": engine.program.hash, "features": feature_hash(spec), "class_names": facts["class_names"]}
    patches = FrontEnd(spec)(vectors["pcm"])[:2]
    with Journal(path, about) as journal:
        assert len(journal) == 1
        answers = journal.answer("a.wav", patches, lambda x: pytest.fail("asked again"))
    assert answers.shape == (2, len(facts["class_names"]))


def test_the_image_speaks_with_this_host(old, facts, vectors):
    with Emulator(old / "mps2_an505.elf") as emulator, emulator.connect() as board:
        identity = board.identify()
        assert (identity.pyaed_version, identity.protocol_version) == (facts["version"], facts["protocol_version"])
        assert list(identity.class_names) == facts["class_names"]
        assert identity.feature_hash == facts["features_hash"]
        frames = board.features(vectors["pcm"], len(vectors["log_mel"]))
        assert frames.tobytes() == vectors["log_mel"].tobytes()
        patch = FrontEnd(FeatureSpec(**facts["features"])).patches(frames)[0]
        end = nn.Engine(old / "tiny.tflite").program.input
        answer = board.infer(quantize(patch, end.scale, end.zero_point, end.dtype))
        assert answer.tobytes() == vectors["outputs"][0].tobytes()
        assert live.hear(board, vectors["pcm"], identity.class_names, facts["settings_crc"]) == facts["events"]
