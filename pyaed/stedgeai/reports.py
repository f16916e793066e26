"""Any report of ST's tool: JSON where there is one, text where not, both of one run as one."""

import dataclasses
from pathlib import Path
from typing import Any

from pyaed.errors import UserError, brief
from pyaed.files import read_bytes
from pyaed.stedgeai.report import Report
from pyaed.stedgeai.report_json import read_json
from pyaed.stedgeai.report_text import read_text

#: Bytes of a report; the largest that is known, of 100 layers, has 207 KB.
MAX_BYTES = 16 << 20

#: What two files of one run can't disagree about.
_SAME = ("model_hash", "macs", "weights", "activations", "runtime_flash", "runtime_ram")


def read_report(path: str | Path) -> Report:
    """Read a report, whatever version and kind it is.

    Raises
    ------
    UserError
        Naming the file and what in it is not as it should be.
    """
    text = read_bytes(path, MAX_BYTES, "report").decode("utf-8", errors="replace")
    return parse_report(text, str(path))


def parse_report(text: str, where: str) -> Report:
    """Read a report from its text; see `read_report`."""
    return read_json(text, where) if text.lstrip().startswith("{") else read_text(text, where)


def read_run(folders: list[Path], name: str, command: str, since: float = 0.0) -> Report:
    """Read what one run of the tool left behind: its JSON, completed by its text report.

    Parameters
    ----------
    folders : list of Path
        Where they may lie, the likeliest first: the output folder, the workspace.
    name : str
        Prefix of the files (``--name``).
    command : str
        analyze, generate or validate: it is part of a text report's name.
    since : float
        Time stamp from which a file is of this run; older ones are not read.

    Raises
    ------
    UserError
        When there is no report of this run, or the files are not of one run.
    """
    names = [f"{name}_c_info.json", f"{name}_c_graph.json", f"{name}_report.json", f"{name}_{command}_report.txt"]
    found = [path for path in (_fresh(folders, each, since) for each in names) if path is not None]
    if not found:
        looked = " or ".join(str(folder) for folder in folders)
        raise UserError(f"ST's tool left no report of this run in {looked}; expected {names[0]}")
    reports = [read_report(path) for path in found]
    result = reports[0]
    for path, other in zip(found[1:], reports[1:]):
        result = completed(result, other, found[0], path)
    return result


def _fresh(folders: list[Path], name: str, since: float) -> Path | None:
    for folder in folders:
        path = folder / name
        if path.is_file() and path.stat().st_mtime >= since:
            return path
    return None


def completed(report: Report, other: Report, where: object, other_where: object) -> Report:
    """Return `report` with what only `other`, of the same run, knows; where both stood is for the message.

    Raises
    ------
    UserError
        When they can't be of one run.
    """
    given: dict[str, Any] = {}
    for field in dataclasses.fields(Report):
        mine, theirs = getattr(report, field.name), getattr(other, field.name)
        if field.name in _SAME and None not in (mine, theirs) and mine != theirs:
            raise UserError(
                f"{where} and {other_where} are of two runs: {field.name} is {brief(mine)} in one, {brief(theirs)} in the other"
            )
        if mine in (None, ()):
            given[field.name] = theirs
    return dataclasses.replace(report, **given)
