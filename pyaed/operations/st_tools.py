"""ST's tools as a configuration asks for them (`tools`): what they say about a model, beside our own engine."""

import logging
from pathlib import Path

from pyaed.boards import StBoard
from pyaed.config import Config
from pyaed.errors import UserError
from pyaed.operations.run import Run
from pyaed.stedgeai import Report
from pyaed.stedgeai.local import run_tool
from pyaed.stedgeai.tool import INSTALL, Tool, find_tool

log = logging.getLogger(__name__)

_SECTIONS = ("stedgeai", "stm32ai")
_PATHS = ("path_to_stedgeai", "path_to_stm32ai")


def find_local(config: Config) -> Tool | None:
    """Return the installed tool that `tools` asks for, or the one that is there, or None."""
    configured, wanted = [], None
    for name in _SECTIONS:
        section = getattr(config.tools, name, None)
        for key in _PATHS:
            if section is not None and getattr(section, key) is not None:
                configured.append((f"tools.{name}.{key}", getattr(section, key)))
        if section is not None:
            wanted = wanted or section.version
    return find_tool(configured, wanted)


def optimization(config: Config) -> str:
    """Return `tools.stedgeai.optimization`."""
    given = [getattr(config.tools, name, None) for name in _SECTIONS]
    return next((section.optimization for section in given if section is not None), "balanced")


def reports(run: Run, model: Path, board: StBoard, needed_for: str | None = None) -> list[tuple[Report, str]]:
    """Return what ST's tools say about a model, and by what each was said.

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
    found = []
    asked = run.config.tools is not None or needed_for is not None
    tool = find_local(run.config)
    if tool is not None:
        folder = run.folder / "stedgeai" / model.stem
        try:
            report = run_tool(tool, "analyze", model, board.series, folder, optimization(run.config))
        except UserError as error:
            if asked:
                raise
            run.warn(f"{error}; its figures are left out")
        else:
            found.append((report, f"reported by {tool.version} for {board.series}"))
            if report.runtime_flash is None:
                run.warn(
                    f"{tool.version} had no compiler: put arm-none-eabi-gcc on the PATH to learn the size of its runtime"
                )
    if needed_for is not None and not found:
        raise UserError(f"{needed_for}: {INSTALL}")
    return found
