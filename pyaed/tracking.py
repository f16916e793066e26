"""MLflow: a run's parameters, metrics, figures and models; never the reason that a run fails."""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pyaed.files import native_path

log = logging.getLogger(__name__)

MAX_PARAMETER = 500  # characters that MLflow keeps of a value
ARTIFACTS = ("*.log", ".hydra/*", "logs/*.csv", "training_curves.png", "evaluation/*", "saved_models/best_model.keras",
             "quantized_models/*", "predictions.*", "events.*", "benchmark.json", "report.html")  # fmt: skip


def log_run(
    uri: str,
    project: str,
    name: str,
    settings: Mapping[str, Any],
    history: Sequence[Mapping[str, float]],
    metrics: Mapping[str, float],
    folder: Path,
) -> bool:
    """Record a finished run with MLflow; whatever goes wrong is a line in the log.

    Parameters
    ----------
    uri : str
        Of the tracking server, or a folder.
    project, name : str
        The experiment's and the run's name.
    settings : mapping
        Nested values; become parameters such as ``training.epochs``.
    history : sequence of mappings
        One row an epoch; metrics by step.
    metrics : mapping
        Metrics of the whole run.
    folder : Path
        Of the run: its log, tables, figures and models become artifacts.

    Returns
    -------
    bool
        Whether it was recorded.
    """
    try:
        with _quiet():
            import mlflow
    except ImportError:
        log.info("note: mlflow.uri: MLflow is not installed, nothing is tracked (pip install 'pyaed[tracking]')")
        return False
    try:
        with _quiet():
            mlflow.set_tracking_uri(uri if "://" in uri else native_path(uri).resolve().as_uri())
            mlflow.set_experiment(project)
            with mlflow.start_run(run_name=name):
                parameters = {key: str(value)[:MAX_PARAMETER] for key, value in _flat(settings)}
                mlflow.log_params(parameters)
                for row in history:
                    step = int(row["epoch"])
                    mlflow.log_metrics({key: float(v) for key, v in row.items() if key != "epoch"}, step=step)
                mlflow.log_metrics({key.replace(" ", "_"): float(value) for key, value in metrics.items()})
                for pattern in ARTIFACTS:
                    for path in folder.glob(pattern):
                        place = path.parent.relative_to(folder).as_posix()
                        mlflow.log_artifact(str(path), None if place == "." else place)
    except Exception as error:  # a server that is away, a full disk: the run itself is done
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        log.warning("mlflow.uri: %s: the run was not tracked (%s)", uri, line)
        return False
    log.info("tracked by MLflow; to look at it: MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri %s", uri)
    return True


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", value


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep MLflow's own log lines and its look at the git program to itself."""
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow 3 asks for this before it writes into a folder
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
