"""A finished run as a record of MLflow or ClearML; never the reason that a run fails."""

import contextlib
import io
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyaed.files import HOLDER, native_path

log = logging.getLogger(__name__)

MAX_PARAMETER = 500  # characters that MLflow keeps of a value
#: Where ClearML looks for its configuration, in this order; only the first variable that is set counts.
CLEARML_VARIABLES = ("CLEARML_CONFIG_FILE", "TRAINS_CONFIG_FILE")
CLEARML_FILES = ("~/trains.conf", "~/clearml.conf")


@dataclass(frozen=True)
class Record:
    """What a tracker gets of a run.

    Attributes
    ----------
    project, name : str
        The experiment's and the run's name.
    settings : mapping
        The configuration as nested values.
    history : sequence of mappings
        One row an epoch.
    metrics : mapping
        Of the whole run.
    folder : Path
        Of the run.
    elsewhere : sequence of Path
        Files that the run wrote outside of its folder.
    """

    project: str
    name: str
    settings: Mapping[str, Any]
    folder: Path
    history: Sequence[Mapping[str, float]] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    elsewhere: Sequence[Path] = ()


def log_mlflow(uri: str, record: Record) -> bool:
    """Record a run with MLflow: nested settings as parameters such as ``training.epochs``, metrics by epoch and of the run,
    and all files as artifacts. Whatever goes wrong is a line in the log.

    Parameters
    ----------
    uri : str
        Of the tracking server, or a folder.
    record : Record

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

    def write() -> None:
        place = uri if "://" in uri else native_path(uri).resolve().as_uri()
        mlflow.set_tracking_uri(place)
        mlflow.set_experiment(record.project)
        with mlflow.start_run(run_name=record.name):
            mlflow.log_params({key: str(value)[:MAX_PARAMETER] for key, value in _flat(record.settings)})
            for row in record.history:
                step = int(row["epoch"])
                mlflow.log_metrics({key: float(v) for key, v in row.items() if key != "epoch"}, step=step)
            mlflow.log_metrics({key.replace(" ", "_"): float(value) for key, value in record.metrics.items()})
            own = None if "://" in uri else native_path(uri).resolve()
            for path, where in _files(record, own):
                mlflow.log_artifact(str(path), where)

    if not _recorded(write, f"mlflow.uri: {uri}"):
        return False
    log.info("tracked by MLflow; to look at it: MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri %s", uri)
    return True


def clearml_file() -> Path | None:
    """Return ClearML's configuration file (``clearml.conf``), None where there is none: its presence asks for ClearML."""
    named = next((os.environ[name] for name in CLEARML_VARIABLES if os.environ.get(name)), None)
    for text in [*([named] if named else []), *CLEARML_FILES]:
        path = Path(os.path.expandvars(text)).expanduser()
        if path.exists():
            return path
    return None


def log_clearml(record: Record) -> bool:
    """Record a run with ClearML where `clearml_file` finds its configuration: the settings, the figures of every epoch and of
    the run, and the run's pictures. Whatever goes wrong is a line in the log.

    Parameters
    ----------
    record : Record

    Returns
    -------
    bool
        Whether it was recorded.
    """
    configured = clearml_file()
    if configured is None:
        return False
    try:
        from clearml import Task
    except ImportError:
        log.info(
            "note: %s asks for ClearML, which is not installed; nothing is tracked (pip install clearml)", configured
        )
        return False
    page: list[str] = []

    def write() -> None:
        # A task that the caller has opened gets the record; one of our own records nothing beside it.
        current = Task.current_task()
        task = current or Task.init(
            project_name=record.project,
            task_name=record.name,
            reuse_last_task_id=False,
            auto_connect_arg_parser=False,
            auto_connect_frameworks=False,
            auto_connect_streams=False,
            auto_resource_monitoring=False,
        )
        task.connect_configuration(dict(record.settings), name=str(record.settings.get("operation_mode")))
        logger = task.get_logger()
        for row in record.history:
            for key, value in row.items():
                if key != "epoch":
                    logger.report_scalar(key, key, value=float(value), iteration=int(row["epoch"]))
        for key, value in record.metrics.items():
            logger.report_single_value(key, float(value))
        for path, where in _files(record):
            if path.suffix == ".png":
                logger.report_image(where or "run", path.stem, iteration=0, local_path=str(path))
        page.append(str(task.get_output_log_web_page()))
        if current is None:
            task.close()

    if not _recorded(write, str(configured)):
        return False
    log.info("tracked by ClearML: %s", page[0])
    return True


def _recorded(write: Callable[[], None], source: str) -> bool:
    try:
        with _quiet(), contextlib.redirect_stdout(io.StringIO()):  # trackers print where they are
            write()
    except Exception as error:  # a server that is away, a full disk: the run itself is done
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        log.warning("%s: the run was not tracked (%s)", source, line)
        return False
    return True


def _files(record: Record, without: Path | None = None) -> Iterator[tuple[Path, str | None]]:
    """Yield the run's files, and the folder of the record where each goes; nothing of the tracker's own folder."""
    for path in sorted(record.folder.rglob("*")):
        inside = path.relative_to(record.folder)
        half_written = any(part.startswith(HOLDER) for part in inside.parts)
        if path.is_file() and not half_written and (without is None or without not in path.resolve().parents):
            yield path, None if inside.parent == Path(".") else inside.parent.as_posix()
    for path in record.elsewhere:
        if path.is_file():
            yield path, path.parent.name


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", value


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the trackers' own log lines and their look at the git program to themselves."""
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow 3 asks for this before it writes into a folder
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic", "clearml")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
