"""The commands, one after another, on a small project; each in a process of its own."""

import csv
import importlib.util
import json
import os
import sys

import pytest
import yaml
from support.commands import pyaed

from pyaed import artefact


def test_the_chain_left_what_it_promises(project):
    run = project.folder / "run"
    for name in (
        ".hydra/config.yaml",
        ".hydra/overrides.yaml",
        ".hydra/hydra.yaml",
        "pyaed.log",
        "logs/train_metrics.csv",
        "saved_models/best_model.keras",
        "saved_models/last_model.keras",
        "evaluation/float_report.json",
        "evaluation/float_validation_report.json",
        "evaluation/int8_engine_confusion_clip.png",
    ):
        assert (run / name).stat().st_size > 0, name
    for path in (project.float_model, project.quantized_model):
        carried = artefact.read(path)
        assert carried.features.n_mels == 32
        assert carried.class_names[0] == "alarm"
        assert carried.provenance["training_clips"] == 24
        assert {"pyaed", "python", "numpy", "tensorflow"} <= set(carried.provenance)


def test_targets_agree(project):
    """TensorFlow Lite's reference kernels, our engine and the emulated board give the same report."""
    result = project.pyaed(
        "evaluate", "-c", project.config, f"general.model_path={project.quantized_model}",
        "evaluation.target=[tflite, engine, emulator]", "hydra.run.dir=evaluated",
    )  # fmt: skip
    assert result.code == 0, result.err
    reports = [
        json.loads((project.folder / "evaluated/evaluation" / f"int8_{target}_report.json").read_text())
        for target in ("tflite", "engine", "emulator")
    ]
    for report in reports:
        del report["name"]
    assert reports[0] == reports[1] == reports[2]


def test_predict_needs_only_the_model(project):
    """Features, preprocessing and class order travel in the file: no configuration is given."""
    result = project.pyaed(
        "predict", f"general.model_path={project.quantized_model}", "prediction.test_files_path=data/audio",
        "hydra.run.dir=predicted",
    )  # fmt: skip
    assert result.code == 0, result.err
    rows = list(csv.DictReader((project.folder / "predicted/predictions.csv").read_text().splitlines()))
    assert len(rows) == 40
    names = artefact.read(project.quantized_model).class_names
    for row in rows:
        assert abs(sum(float(row[f"p_{name}"]) for name in names) - 1) < 0.02
        assert row["class"] in names


def test_the_demo_on_the_users_own_clips(project):
    result = project.pyaed("demo", "--data", "data", "--out", "demoed", "training.epochs=1")
    assert result.code == 0, result.err
    assert "agree in every bit" in result.out
    assert (project.folder / "demoed/run/deployment/mps2_an505/pyaed.elf").is_file()


def test_verify_and_benchmark(project):
    result = project.pyaed(
        "verify", "-c", project.config, f"general.model_path={project.quantized_model}", "hydra.run.dir=verified",
        "--clips", "2", "--patches", "1",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert "agree in every bit" in result.out
    result = project.pyaed(
        "benchmark", f"general.model_path={project.quantized_model}", "hydra.run.dir=benchmarked",
        "deployment.detector.overlap=0.9",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert "instructions" in result.out
    assert "time, not instructions" in result.out
    found = json.loads((project.folder / "benchmarked/benchmark.json").read_text())
    features = artefact.read(project.quantized_model).features
    hop = (
        features.patch_length - int(0.9 * features.patch_length)
    ) * features.hop_length  # not the training's: the detector's
    assert found["patch_seconds"] == pytest.approx(hop / features.sample_rate)
    rows = found["rows"]
    assert sum(row["share"] for row in rows if row["stage"] == "node") == pytest.approx(1, abs=0.01)


def test_deploy_builds_the_chips_image_and_the_emulated_one(project):
    result = project.pyaed(
        "deploy", f"general.model_path={project.quantized_model}", "hydra.run.dir=deployed",
        "deployment.hardware_setup.board=B-U585I-IOT02A",
    )  # fmt: skip
    assert result.code == 0, result.err
    for board in ("b_u585i_iot02a", "mps2_an505"):
        assert (project.folder / "deployed/deployment" / board / "pyaed.elf").is_file()
        assert "warning:" not in (project.folder / "deployed/deployment" / f"build_{board}.log").read_text()


def test_no_command_removes_what_another_has_built(project):
    """`deploy`, then `benchmark` and `verify` in the same folder: the board's image is still there to be flashed."""
    image = project.folder / "deployed/deployment/b_u585i_iot02a/pyaed.elf"
    before = image.read_bytes()
    for command in ("benchmark", "verify"):
        words = [f"general.model_path={project.quantized_model}", "hydra.run.dir=deployed"]
        if command == "verify":
            words += ["-c", project.config, "--clips", "1", "--patches", "1"]
        result = project.pyaed(command, *words)
        assert result.code == 0, result.err
        assert image.read_bytes() == before, command


def test_init_writes_a_configuration_that_loads(tmp_path):
    assert pyaed("init", "my.yaml", cwd=tmp_path).code == 0
    assert yaml.safe_load((tmp_path / "my.yaml").read_text())["operation_mode"] == "chain_tbqeb"
    assert pyaed("init", "my.yaml", cwd=tmp_path).code == 2


def test_doctor_names_every_tool():
    result = pyaed("doctor")
    assert result.code == 0, result.out
    for name in ("QEMU", "Arm compiler", "TensorFlow", "ST Edge AI"):
        assert name in result.out


LIGHT = """
import sys
from click.testing import CliRunner
from pyaed.cli import cli
result = CliRunner().invoke(cli, {arguments!r})
assert result.exit_code == 0, (result.output, result.exception)
heavy = [m for m in ("tensorflow", "keras", "librosa", "scipy", "sklearn") if m in sys.modules]
assert not heavy, heavy
"""


@pytest.mark.parametrize("command", ["help", "doctor", "init", "deploy", "predict", "benchmark"])
def test_no_command_that_needs_no_tensorflow_imports_it(project, tmp_path, command):
    import subprocess

    arguments = {
        "help": ["--help"],
        "doctor": ["doctor"],
        "init": ["init", str(tmp_path / "x.yaml")],
        "predict": ["predict", "prediction.test_files_path=" + str(project.folder / "data/audio")],
    }.get(command, [command])
    if command in ("deploy", "predict", "benchmark"):
        arguments = [*arguments, f"general.model_path={project.quantized_model}", f"hydra.run.dir={tmp_path / 'run'}"]
    done = subprocess.run(
        [sys.executable, "-c", LIGHT.format(arguments=arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_config_check_and_schema(project):
    result = project.pyaed("config", "check", project.config)
    assert result.code == 0, result.err
    assert "no mistakes" in result.out
    result = project.pyaed("config", "check", project.config, "dataset.test_csv_path=gone.csv")
    assert result.code == 1
    assert "missing: dataset.test_csv_path: gone.csv" in result.out
    result = project.pyaed("config", "check", project.config, "training.epochs=0", "feature_extraction.n_mel=3")
    assert result.code == 2
    assert "training.epochs" in result.err
    assert "did you mean 'n_mels'" in result.err
    result = project.pyaed("config", "schema")
    assert json.loads(result.out)["title"] == "pyaed configuration"


def test_dataset_check(project, tmp_path):
    result = project.pyaed("dataset", "check", "-c", project.config)
    assert result.code == 0, result.out
    assert "40 clips: nothing wrong" in result.out
    (tmp_path / "meta.csv").write_text("filename,category\n1-0000-alarm.wav,alarm\ngone.wav,alarm\n")
    result = project.pyaed(
        "dataset", "check", f"dataset.test_csv_path={tmp_path / 'meta.csv'}", "dataset.test_audio_path=data/audio"
    )
    assert result.code == 1
    assert "missing     gone.wav" in result.out
    assert "1 clips: 1 missing" in result.out


def test_cache(project, tmp_path):
    env = {**os.environ, "PYAED_CACHE": str(tmp_path), "PYAED_CACHE_LIMIT": "0.5"}
    (tmp_path / "features/ab").mkdir(parents=True)
    (tmp_path / "features/ab/abcd.npy").write_bytes(bytes(1 << 20))
    result = project.pyaed("cache", env=env)
    assert "1 entries, 1.0 MiB of at most 0.5 GiB" in result.out
    result = project.pyaed("cache", "--clear", env=env)
    assert "removed 1 entries, 1.0 MiB" in result.out
    assert not (tmp_path / "features/ab/abcd.npy").exists()


def test_the_run_left_its_report(project):
    text = (project.folder / "run/report.html").read_text()
    for part in ("Training", "int8 engine", "Calibration", "Configuration"):
        assert part in text
    assert list((project.folder / "run/logs").glob("events.out.tfevents.*")) or not importlib.util.find_spec(
        "tensorboard"
    )
