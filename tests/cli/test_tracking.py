"""MLflow and TensorBoard: a record where they are installed, and never the reason that a run fails."""

import importlib.util
import logging

import pytest

from pyaed import tracking

INSTALLED = importlib.util.find_spec("mlflow") is not None
HISTORY = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]


@pytest.fixture
def folder(tmp_path):
    for name in ("pyaed.log", "evaluation/report.json", ".hydra/config.yaml"):
        path = tmp_path / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return tmp_path / "run"


def record(uri, folder):
    settings = {"training": {"epochs": 2, "model": {"name": "x" * 2000}}, "empty": None}
    return tracking.log_run(str(uri), "project", "run 1", settings, HISTORY, {"int8 engine clip_accuracy": 0.9}, folder)


def test_a_run_is_recorded(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    assert record(tmp_path / "mlruns", folder) == INSTALLED
    if INSTALLED:
        import mlflow

        client = mlflow.MlflowClient((tmp_path / "mlruns").as_uri())
        (run,) = client.search_runs([client.get_experiment_by_name("project").experiment_id])
        assert run.data.metrics == {"loss": 0.25, "int8_engine_clip_accuracy": 0.9}
        assert run.data.params["training.epochs"] == "2"
        assert [m.value for m in client.get_metric_history(run.info.run_id, "loss")] == [0.5, 0.25]
        assert {a.path for a in client.list_artifacts(run.info.run_id)} == {"pyaed.log", "evaluation", ".hydra"}


def test_a_place_that_cannot_be_used_is_a_line_in_the_log(folder, tmp_path, caplog, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(logging.getLogger("pyaed"), "propagate", True)
    with caplog.at_level(logging.INFO, "pyaed"):
        assert not record(tmp_path / "file" / "mlruns", folder)
    assert "mlflow.uri" in caplog.text
