"""The configuration: spellings, variables, overrides, and the messages of what is wrong."""

import pytest

from pyaed.config import load, parse, write_template
from pyaed.errors import UserError


def test_defaults_are_a_configuration():
    config = load(None)
    assert config.preprocessing.target_rate == 16000
    assert config.operation_mode is None


def test_spellings_of_published_files(monkeypatch):
    monkeypatch.setenv("AED_DATA", "/data")
    config = parse(
        {
            "operation_mode": " chain_eqe ",
            "dataset": {"training_audio_path": "${AED_DATA}/audio", "class_names": None},
            "feature_extraction": {"norm": "None"},
            "training": {"model": {"name": "yamnet", "input_shape": "(64, 96, 1)"}, "dropout": None},
            "hydra": {"run": {"dir": "out/${now:%Y}"}},
        }
    )
    assert config.operation_mode == "chain_eqe"
    assert config.dataset.training_audio_path == "/data/audio"
    assert config.feature_extraction.norm is None
    assert config.training.model.input_shape == (64, 96, 1)
    assert config.training.dropout == 0.0
    assert config.hydra.run.dir.startswith("out/20")


def test_overrides(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("training: {model: {name: yamnet}, epochs: 3}\n")
    config = load(path, ["training.epochs=7", "dataset.test_folds=[4, 5]", "training.model.pooling=None"])
    assert config.training.epochs == 7
    assert config.dataset.test_folds == [4, 5]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epoks=3", r"training\.epoks: unknown key \(did you mean 'epochs'\?\)"),
        ("trainig.epochs=3", r"trainig: unknown key \(did you mean 'training'\?\)"),
        ("operation_mode=train", r"operation_mode: 'train' is not allowed.*did you mean 'training'"),
        ("training.epochs=0", r"training\.epochs: 0 is not allowed, expected greater than or equal to 1"),
        ("training.epochs=many", r"training\.epochs: 'many' is not allowed, expected integer"),
        ("dataset.validation_split=1.5", r"dataset\.validation_split: 1\.5 is not allowed"),
        ("quantization.granularity=per_chanel", r"did you mean 'per_channel'"),
        ("training.model.name=", r"training\.model\.name: missing"),
        ("training.epochs.x=1", r"'epochs' holds a value, not keys"),
        ("epochs", r"expected key=value"),
        ("general.project_name=${PYAED_NO_SUCH_VARIABLE}", r"PYAED_NO_SUCH_VARIABLE is not set"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, override, message):
    path = tmp_path / "a.yaml"
    path.write_text("training: {model: {name: yamnet}, epochs: 3}\n")
    with pytest.raises(UserError, match=message):
        load(path, [override])


def test_all_errors_at_once():
    with pytest.raises(UserError) as error:
        parse({"trainin": {}, "dataset": {"seeed": 1, "validation_split": 2}})
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize("text", ["a: [", "- 1", "a: !!python/object/apply:os.system ['true']"])
def test_broken_or_hostile_yaml_is_refused(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"a\.yaml"):
        load(path)


def test_missing_file_names_its_neighbour(tmp_path):
    (tmp_path / "training.yaml").write_text("")
    with pytest.raises(UserError, match=r"did you mean 'training\.yaml'"):
        load(tmp_path / "trainig.yaml")


def test_template_is_valid_and_not_overwritten(tmp_path):
    path = tmp_path / "pyaed.yaml"
    write_template(path)
    assert load(path).operation_mode == "chain_tbqeb"
    with pytest.raises(UserError, match="exists"):
        write_template(path)


def test_every_published_file_loads(shared):
    files = sorted(shared.glob("configs/st_model_zoo/*.yaml")) + sorted(shared.glob("pretrained/**/*_config.yaml"))
    assert len(files) >= 11
    for path in files:
        assert load(path).operation_mode is not None
