"""ST's published YAML files run in their own mode with nothing but paths and the number of epochs overridden."""

import csv

import pytest
import yaml

from pyaed import config, operations
from pyaed.files import native_path

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
    "pretrained/st_model_zoo/miniresnet_1stacks_64x50_tl_config.yaml",
    "pretrained/st_model_zoo/yamnet_256_64x96_tl_config.yaml",
)
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
    overrides = [f"hydra.run.dir={tmp_path / 'run'}"]
    if tree["general"].get("model_path"):
        model = native_path(tree["general"]["model_path"]).name
        overrides.append(f"general.model_path={shared / 'pretrained/st_model_zoo' / model}")
    for key, value in (tree.get("dataset") or {}).items():
        if value and key.endswith("audio_path"):
            overrides.append(f"dataset.{key}={shared / 'datasets/esc10/audio'}")
        if value and key.endswith("csv_path"):
            overrides.append(f"dataset.{key}={dataset / 'few.csv'}")
    if "prediction" in tree:
        overrides.append(f"prediction.test_files_path={dataset / 'test_files'}")
    if "training" in tree:
        overrides.append("training.epochs=1")  # 25 and 50 in the files
    settings = config.load(shared / name, overrides)
    run = operations.start(settings, overrides)
    operations.run_mode(run)
    made = {
        "training": "saved_models/best_model.keras",
        "evaluation": "evaluation/int8_engine_report.json",
        "quantization": "quantized_models/quantized_model.tflite",
        "prediction": "predictions.csv",
        "benchmarking": "benchmark.json",
        "deployment": "deployment/aed_identity.h",
    }
    letters = {"t": "training", "q": "quantization", "e": "evaluation", "b": "benchmarking", "d": "deployment"}
    for part in [letters[c] for c in mode.removeprefix("chain_")] if mode.startswith("chain_") else [mode]:
        assert (tmp_path / "run" / made[part]).stat().st_size > 0
    evaluates = mode in ("training", "evaluation", "chain_tqe", "chain_tbqeb")
    assert (tmp_path / "run/report.html").is_file() == evaluates
