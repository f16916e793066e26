"""ST's tools as a configuration asks for them (`tools`): what they say about a model, beside our own engine."""

import logging
from pathlib import Path
from typing import NamedTuple

from pyaed.boards import BoardDescription, StBoard, find_st_board
from pyaed.config import Config
from pyaed.config.schema import EdgeAI
from pyaed.errors import UserError
from pyaed.generators import EngineModel, stedgeai
from pyaed.measure import engines
from pyaed.operations.run import Run
from pyaed.stedgeai import Report, cloud
from pyaed.stedgeai.http import Http, base_address
from pyaed.stedgeai.local import Api, run_tool
from pyaed.stedgeai.runtime import find_runtime
from pyaed.stedgeai.tool import INSTALL, Tool, find_tool

log = logging.getLogger(__name__)

_SECTIONS = ("stedgeai", "stm32ai")
_PATHS = ("path_to_stedgeai", "path_to_stm32ai")


def find_local(config: Config) -> Tool | None:
    """Return the installed tool that `tools` asks for, or the one that is there, or None."""
    configured = []
    for name in _SECTIONS:
        section = getattr(config.tools, name, None)
        for key in _PATHS:
            if section is not None and getattr(section, key) is not None:
                configured.append((f"tools.{name}.{key}", getattr(section, key)))
    return find_tool(configured, next((s.version for s in _sections(config) if s.version is not None), None))


def on_cloud(config: Config) -> bool:
    """Tell whether `tools` asks for the Developer Cloud."""
    return any(section.on_cloud for section in _sections(config))


def _sections(config: Config) -> list[EdgeAI]:
    given = [getattr(config.tools, name, None) for name in _SECTIONS]
    return [section for section in given if section is not None]


def optimization(config: Config) -> str:
    """Return `tools.stedgeai.optimization`."""
    return next((section.optimization for section in _sections(config)), "balanced")


class Said(NamedTuple):
    """What one of ST's tools says about a model: its report, which of them it is, and where the figures are from."""

    report: Report
    engine: str
    by: str


def reports(run: Run, model: Path, board: StBoard, needed_for: str | None = None) -> list[Said]:
    """Return what ST's tools say about a model: the installed one and, where `on_cloud` asks for it, the Developer Cloud.

    Parameters
    ----------
    run : Run
        ST's files go into its folder, under ``stedgeai``.
    model : Path
    board : StBoard
    needed_for : str, optional
        What can't be done without them: then one has to be there.

    Raises
    ------
    UserError
        When a tool fails that the configuration asks for, or none is there and one is needed.
    """
    found = [*_local(run, model, board, needed_for is not None), *_cloud(run, model, board)]
    if needed_for is not None and not found:
        raise UserError(f"{needed_for}: {INSTALL}; or, with on_cloud: True, {cloud.MISSING}")
    return found


def engine_model(run: Run, path: Path, board: BoardDescription, name: str, model_hash: str) -> EngineModel:
    """Let the installed tool make C of a model for its own engine, and return what an image has to know about it.

    Parameters
    ----------
    run : Run
        ST's files go into its folder, under ``stedgeai``.
    path : Path
        The model's file: ST's tool takes it as it is.
    board : BoardDescription
    name, model_hash : str
        As pyaed calls the model.

    Raises
    ------
    UserError
        Without the tool or its library for the board's core, or when the tool fails.
    """
    tool = find_local(run.config)
    if tool is None:
        raise UserError(f"deployment.engine: stedgeai needs ST's tool: {INSTALL}")
    runtime = find_runtime(tool, board.core)
    api: Api = "st-ai" if tool.version.generation == 10 else "legacy"
    folder = run.folder / "stedgeai" / f"{path.stem}_generated"
    series = find_st_board(board.name).series
    report = run_tool(tool, "generate", path, series, folder, optimization(run.config), api)
    return stedgeai.engine_model(report, folder, runtime, name, model_hash)


def available(run: Run) -> bool:
    """Tell whether one of ST's tools is there."""
    return find_local(run.config) is not None or (on_cloud(run.config) and cloud.find_token() is not None)


def _local(run: Run, model: Path, board: StBoard, needed: bool) -> list[Said]:
    tool = find_local(run.config)
    if tool is None:
        return []
    folder = run.folder / "stedgeai" / model.stem
    try:
        report = run_tool(tool, "analyze", model, board.series, folder, optimization(run.config))
    except UserError as error:
        if run.config.tools is not None or needed:
            raise
        run.warn(f"{error}; its figures are left out")
        return []
    if report.runtime_flash is None:
        run.warn(f"{tool.version} had no compiler: put arm-none-eabi-gcc on the PATH to learn the size of its runtime")
    return [Said(report, engines.LOCAL, f"reported by {tool.version} for {board.series}")]


def _cloud(run: Run, model: Path, board: StBoard) -> list[Said]:
    if not on_cloud(run.config):
        return []
    if cloud.find_token() is None:
        log.info(
            "note: tools.stedgeai.on_cloud: True: there is no login, so ST's Developer Cloud is left out: %s",
            cloud.MISSING,
        )
        return []
    with Http(base_address()) as http:
        log.info("%s is sent to %s (tools.stedgeai.on_cloud: True)", model.name, http.host)
        service = cloud.Cloud(http)
        report = service.benchmark(model, board.name, optimization(run.config))
    wanted = next((s.version for s in _sections(run.config) if s.version is not None), None)
    if wanted is not None and report.version is not None and not report.version.is_called(wanted):
        run.warn(f"tools.stedgeai.version: {wanted}: the Developer Cloud has used {report.version}")
    return [Said(report, engines.CLOUD, f"on {board.name} at ST's Developer Cloud, {report.version}")]
