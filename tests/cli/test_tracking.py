"""MLflow and ClearML: every operation is recorded where they are installed; they are never the reason that a run fails."""

import importlib.util
import json
import logging
import sys

import pytest

from pyaed import tracking

INSTALLED = importlib.util.find_spec("mlflow") is not None
HISTORY = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]

#: Stands for ClearML, with the signatures of 2.1: writes down what it is called with.
CLEARML = """
import json, os, sys
calls = []
class Logger:
    def report_scalar(self, title, series, value, iteration):
        calls.append(["scalar", title, series, value, iteration])
    def report_single_value(self, name, value):
        calls.append(["value", name, value])
    def report_image(self, title, series, iteration=None, local_path=None):
        calls.append(["image", title, series, os.path.basename(local_path)])
class Task:
    current = None
    @classmethod
    def current_task(cls):
        return cls.current
    @classmethod
    def init(cls, project_name=None, task_name=None, reuse_last_task_id=True, auto_connect_arg_parser=True,
             auto_connect_frameworks=True, auto_connect_streams=True, auto_resource_monitoring=True):
        if os.environ.get("CLEARML_AWAY"):
            raise ConnectionError("the server is away")
        print("ClearML Task: created")
        calls.append(["init", project_name, task_name])
        return cls()
    def connect_configuration(self, configuration, name=None):
        calls.append(["configuration", name, configuration])
    def get_logger(self):
        return Logger()
    def get_output_log_web_page(self):
        return "https://app.example/task"
    def close(self):
        calls.append(["close"])
        with open(os.environ["CLEARML_CONFIG_FILE"] + ".calls", "a") as file:
            file.write(json.dumps(calls) + "\\n")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("CLEARML_CONFIG_FILE", "TRAINS_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("pyaed.log", "evaluation/report.json", "own models/best.keras", ".hydra/config.yaml", "curve.png",
                 ".pyaed-partial-x/half"):  # fmt: skip
        path = tmp_path / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    (tmp_path / "models").mkdir()
    (tmp_path / "models/elsewhere.keras").write_text("{}")
    monkeypatch.setattr(logging.getLogger("pyaed"), "propagate", True)
    return tmp_path / "run"


def record(folder) -> tracking.Record:
    settings = {"operation_mode": "training", "training": {"epochs": 2, "model": {"name": "x" * 2000}}, "empty": None}
    return tracking.Record("project", "run 1", settings, folder, HISTORY, {"int8 engine clip_accuracy": 0.9},
                           [folder.parent / "models/elsewhere.keras"])  # fmt: skip


@pytest.mark.parametrize("inside", [False, True])
def test_a_run_is_recorded_with_all_its_files(folder, tmp_path, monkeypatch, inside):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    place = folder / "mlruns" if inside else tmp_path / "mlruns"  # its own files are not recorded
    assert tracking.log_mlflow(str(place), record(folder)) == INSTALLED
    if INSTALLED:
        import mlflow

        client = mlflow.MlflowClient(place.as_uri())
        (run,) = client.search_runs([client.get_experiment_by_name("project").experiment_id])
        assert run.data.metrics == {"loss": 0.25, "int8_engine_clip_accuracy": 0.9}
        assert run.data.params["training.epochs"] == "2"
        assert [m.value for m in client.get_metric_history(run.info.run_id, "loss")] == [0.5, 0.25]
        names = {a.path for a in client.list_artifacts(run.info.run_id)}
        assert names == {"pyaed.log", "evaluation", ".hydra", "own models", "curve.png", "models"}
        assert [a.path for a in client.list_artifacts(run.info.run_id, "models")] == ["models/elsewhere.keras"]


def test_a_place_that_cannot_be_used_is_a_line_in_the_log(folder, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.INFO, "pyaed"):
        assert not tracking.log_mlflow(str(tmp_path / "file" / "mlruns"), record(folder))
    assert "mlflow.uri" in caplog.text


@pytest.fixture
def clearml(tmp_path, monkeypatch):
    """ClearML's stand-in is installed, and configured; returns what it was called with."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/clearml.py").write_text(CLEARML)
    (tmp_path / "clearml.conf").write_text("api {}\n")
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    monkeypatch.setenv("CLEARML_CONFIG_FILE", str(tmp_path / "clearml.conf"))
    yield lambda: json.loads((tmp_path / "clearml.conf.calls").read_text().splitlines()[-1])
    sys.modules.pop("clearml", None)


def test_clearml_gets_settings_figures_and_pictures(folder, clearml, capsys, caplog):
    with caplog.at_level(logging.INFO, "pyaed"):
        assert tracking.log_clearml(record(folder))
    calls = clearml()
    assert calls[0] == ["init", "project", "run 1"]
    assert calls[1][:2] == ["configuration", "training"]
    assert calls[1][2]["training"]["epochs"] == 2
    assert ["scalar", "loss", "loss", 0.25, 2] in calls
    assert ["value", "int8 engine clip_accuracy", 0.9] in calls
    assert ["image", "run", "curve", "curve.png"] in calls
    assert calls[-1] == ["close"]
    assert "tracked by ClearML: https://app.example/task" in caplog.text
    assert capsys.readouterr().out == ""


def test_clearml_that_is_away_costs_a_line(folder, clearml, caplog, monkeypatch):
    monkeypatch.setenv("CLEARML_AWAY", "1")
    assert not tracking.log_clearml(record(folder))
    assert "clearml.conf: the run was not tracked (the server is away)" in caplog.text


def test_clearml_configured_but_not_installed_is_one_note(folder, tmp_path, caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, "clearml", None)
    (tmp_path / "home").mkdir()
    (tmp_path / "home/clearml.conf").write_text("")
    with caplog.at_level(logging.INFO, "pyaed"):
        assert not tracking.log_clearml(record(folder))
    (line,) = caplog.messages
    assert "home/clearml.conf asks for ClearML, which is not installed" in line


def test_clearml_that_nobody_configured_is_left_alone(folder, caplog):
    with caplog.at_level(logging.INFO, "pyaed"):
        assert not tracking.log_clearml(record(folder))
    assert caplog.messages == []


#: Mode -> what the record must have beside the parameters: a metric, and a file.
MODES = {
    "training": ("float_clip_accuracy", "own models/best_model.keras"),
    "evaluation": ("int8_engine_clip_accuracy", "report.html"),
    "quantization": ("quantized_model_bytes", "own int8/quantized_model.tflite"),
    "prediction": (None, "predictions.csv"),
    "benchmarking": ("instructions_per_patch", "benchmark.json"),
    "deployment": ("image_flash_bytes", "deployment/aed_identity.h"),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_operation_mode_is_recorded_whatever_its_folders_are_called(project, tmp_path, mode):
    floats = mode in ("training", "quantization")
    overrides = [
        f"operation_mode={mode}",
        f"mlflow.uri={tmp_path / 'mlruns'}",
        f"hydra.run.dir={tmp_path / 'run'}",
        "general.project_name=a project",
        "general.saved_models_dir=own models",
        "quantization.export_dir=own int8",
        "training.epochs=1",
        f"prediction.test_files_path={project.folder / 'data/audio'}",
    ]
    if mode != "training":
        overrides.append(f"general.model_path={project.float_model if floats else project.quantized_model}")
    result = project.pyaed("run", "-c", project.config, *overrides)
    assert result.code == 0, result.err
    assert ("MLflow is not installed" in result.err) != INSTALLED
    if INSTALLED:
        import mlflow

        client = mlflow.MlflowClient((tmp_path / "mlruns").as_uri())
        (run,) = client.search_runs([client.get_experiment_by_name("a project").experiment_id])
        assert run.data.params["operation_mode"] == mode
        metric, file = MODES[mode]
        assert metric is None or run.data.metrics[metric] > 0
        place, _, _ = file.rpartition("/")
        assert file in {a.path for a in client.list_artifacts(run.info.run_id, place or None)}


def test_the_command_benchmark_is_recorded_too(project, tmp_path):
    result = project.pyaed(
        "benchmark", f"general.model_path={project.quantized_model}", f"mlflow.uri={tmp_path / 'mlruns'}",
        f"hydra.run.dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert result.code == 0, result.err
    assert (tmp_path / "mlruns").is_dir() == INSTALLED
