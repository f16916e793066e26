"""ST's published YAML files run in their own mode with only paths and the number of epochs changed, or say what can't be done."""

import csv

import pytest
import yaml
from support.commands import pyaed
from support.onnx_export import to_onnx

from pyaed import config, operations
from pyaed.files import native_path
from pyaed.models import load

FILES = (
    "configs/st_model_zoo/benchmarking_config.yaml",
    "configs/st_model_zoo/chain_qd_config.yaml",
    "configs/st_model_zoo/chain_tqe_config.yaml",
    "configs/st_model_zoo/deployment_config.yaml",
    "configs/st_model_zoo/evaluation_config.yaml",
    "configs/st_model_zoo/prediction_config.yaml",
    "configs/st_model_zoo/quantization_config.yaml",
    "configs/st_model_zoo/training_config.yaml",
    "configs/st_model_zoo/user_config.yaml",
    "configs/st_model_zoo_2026/chain_tqe_config.yaml",
    "configs/st_model_zoo_2026/deployment_u5_config.yaml",
    "configs/st_model_zoo_2026/evaluation_config.yaml",
    "configs/st_model_zoo_2026/prediction_config.yaml",
    "configs/st_model_zoo_2026/quantization_config.yaml",
    "configs/st_model_zoo_2026/training_config.yaml",
    "configs/st_model_zoo_2026/user_config.yaml",
    "pretrained/st_model_zoo/miniresnet_1stacks_64x50_tl_config.yaml",
    "pretrained/st_model_zoo/yamnet_256_64x96_tl_config.yaml",
)
#: What can't be done, and the one message that says so.
REFUSED = {
    "configs/st_model_zoo_2026/evaluation_n6_config.yaml": "evaluation.target: stedgeai_n6 needs ST Edge AI Core",
}
MODEL = {"general": {"model_path": "m.tflite"}}
CLIPS_PER_CLASS = 4


@pytest.fixture(scope="module")
def dataset(shared, tmp_path_factory):
    """A few clips of every class of ESC-10, and some in a folder for prediction."""
    folder = tmp_path_factory.mktemp("esc10")
    (table,) = (shared / "datasets/esc10/meta").glob("*.csv")
    rows, counts = [], {}
    with open(table, newline="") as file:
        for row in csv.DictReader(file):
            seen = counts.setdefault(row["category"], set())
            if len(seen) < CLIPS_PER_CLASS and row["fold"] not in seen:
                seen.add(row["fold"])
                rows.append(row)
    with open(folder / "few.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (folder / "test_files").mkdir()
    for row in rows[:3]:
        (folder / "test_files" / row["filename"]).symlink_to(shared / "datasets/esc10/audio" / row["filename"])
    return folder


@pytest.mark.parametrize("name", FILES)
def test_runs_as_it_is(shared, dataset, tmp_path, monkeypatch, name):
    monkeypatch.setenv("PYAED_PRETRAINED", str(shared / "pretrained/st_model_zoo"))
    monkeypatch.chdir(tmp_path)  # MLflow's folder is given relative to here
    tree = yaml.safe_load((shared / name).read_text())
    mode = tree["operation_mode"]
    overrides, exported = [f"hydra.run.dir={tmp_path / 'run'}"], None
    for section in ("general", "model"):
        if tree.get(section, {}).get("model_path"):
            # The weights are those of 2024; the files of 2026 call them otherwise.
            model = native_path(tree[section]["model_path"]).name.replace("_e256", "_256").replace(".keras", ".h5")
            if model.endswith(".onnx"):  # ST's is of YAMNet-1024, whose weights are not here
                exported = to_onnx(load(shared / "pretrained/st_model_zoo/yamnet_256_64x96_tl.h5"), tmp_path / model)
            overrides.append(f"{section}.model_path={exported or shared / 'pretrained/st_model_zoo' / model}")
    for key, value in (tree.get("dataset") or {}).items():
        if key == "prediction_audio_path":
            overrides.append(f"dataset.{key}={dataset / 'test_files'}")
        elif value and key.endswith("audio_path"):
            overrides.append(f"dataset.{key}={shared / 'datasets/esc10/audio'}")
        if value and key.endswith("csv_path"):
            overrides.append(f"dataset.{key}={dataset / 'few.csv'}")
    if "prediction" in tree:
        overrides.append(f"prediction.test_files_path={dataset / 'test_files'}")
    if "training" in tree:
        overrides.append("training.epochs=1")  # 25 and 50 in the files
    settings = config.load(shared / name, overrides)
    assert operations.check(settings) == []
    run = operations.start(settings, overrides)
    operations.run_mode(run)
    made = {
        "training": "saved_models/best_model.keras",
        "evaluation": f"evaluation/{'float' if 'evaluation_config' in name and '2026' in name else 'int8_engine'}_report.json",
        "quantization": f"quantized_models/quantized_model{'.onnx' if exported else '.tflite'}",
        "prediction": "predictions.csv",
        "benchmarking": "benchmark.json",
        "deployment": "deployment/aed_identity.h",
    }
    letters = {"t": "training", "q": "quantization", "e": "evaluation", "b": "benchmarking", "d": "deployment"}
    for part in [letters[c] for c in mode.removeprefix("chain_")] if mode.startswith("chain_") else [mode]:
        assert (tmp_path / "run" / made[part]).stat().st_size > 0
    reports = mode in ("training", "evaluation", "benchmarking", "chain_tqe", "chain_tbqeb")
    assert (tmp_path / "run/report.html").is_file() == reports


def test_every_published_file_is_tried(shared):
    found = {str(path.relative_to(shared)) for path in shared.glob("configs/*/*.yaml")}
    assert found <= {*FILES, *REFUSED}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_one_message(shared, name):
    for command in (("config", "check", str(shared / name)), ("run", "-c", str(shared / name))):
        result = pyaed(*command)
        assert result.code == 2
        assert REFUSED[name] in result.err
        assert "expected" in result.err
        assert len(result.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["general.model_path=x.onnxx"], "general.model_path: x.onnxx is no model file, expected one of .keras, .h5, .tflite, .onnx"),
        (["evaluation.target=stedgeai_host"], "evaluation.target: stedgeai_host needs ST Edge AI Core, which pyaed"),
        (["quantization.quantizer=Onnx_quantizer", "operation_mode=quantization", "general.model_path=m.keras"],
         "quantization.quantizer: onnx_quantizer: it quantizes float models of .onnx, and m.keras is none; expected TFlite_converter"),
        (["quantization.onnx_extra_options={CalibMovingAvg: True}", "operation_mode=quantization", "general.model_path=m.onnx"],
         "quantization.onnx_extra_options.CalibMovingAvg: no such setting"),
        (["deployment.hardware_setup.board=STM32N6570-DK", "operation_mode=deployment"],
         "deployment.hardware_setup.board: board 'STM32N6570-DK' is one of ST's that pyaed has no image for"),
        (["benchmarking.board=STM32H748I-DISCO", "operation_mode=benchmarking", "general.model_path=m.tflite"], "(did you mean 'stm32h747i-disco'?)"),
        (["training.resume_training=True", "operation_mode=training", "~general"], "training.resume_training_from: True is not allowed"),
    ],
)  # fmt: skip
def test_other_values_of_these_files(tmp_path, overrides, text):
    (tmp_path / "user.yaml").write_text(yaml.safe_dump({"operation_mode": "evaluation", **MODEL}))
    result = pyaed("config", "check", tmp_path / "user.yaml", *overrides)
    assert (result.code, text in result.err) == (2, True), result.err


def test_what_is_for_the_stm32n6_only_is_a_note(tmp_path):
    keys = {"profile": "profile_O3", "input_type": "int8", "output_type": "float32", "input_chpos": "chfirst"}
    text = yaml.safe_dump({"operation_mode": "evaluation", **MODEL, "evaluation": {**keys, "target": "host"}})
    (tmp_path / "user.yaml").write_text(text)
    result = pyaed("config", "check", tmp_path / "user.yaml")
    assert result.code == 1  # the model is not there
    assert all(f"note: evaluation.{key}: {value}: not used" in result.out for key, value in keys.items())
    assert "note: evaluation.target: host is target engine here" in result.out


@pytest.mark.parametrize(
    ("section", "text", "value"),
    [
        ("training", "resume_training: a/last_model.keras", ("resume_training_from", "a/last_model.keras")),
        ("training", "resume_training:\n  epochs: 3", ("resume_training_from", None)),
        ("quantization", "quantizer: TFLite_converter", ("quantizer", "TFlite_converter")),
        ("quantization", "quantization_type: ptq", ("quantization_type", "PTQ")),
        ("evaluation", "target: tflite", ("target", ["tflite"])),
    ],
)
def test_spellings_of_these_files(tmp_path, section, text, value):
    (tmp_path / "user.yaml").write_text(f"{section}:\n  {text}\n")
    loaded = getattr(config.load(tmp_path / "user.yaml"), section)
    assert getattr(loaded, value[0]) == value[1]
