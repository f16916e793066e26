"""ST's tool is called: the command line of its version, a time-out, and what must be there afterwards."""

import hashlib
import logging
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

from pyaed.errors import UserError, nearest, shorten
from pyaed.files import atomic_path
from pyaed.progress import progress
from pyaed.stedgeai.report import Report
from pyaed.stedgeai.reports import read_run
from pyaed.stedgeai.tool import Tool, end, environment
from pyaed.stedgeai.versions import ToolVersion

log = logging.getLogger(__name__)

Command = Literal["analyze", "generate"]
Api = Literal["legacy", "st-ai"]

#: Seconds that a call may take; 20 s are usual, and the first one of an installation takes longer.
PATIENCE_S = 900.0
OPTIMIZATIONS = ("balanced", "time", "ram")
NAME = "network"
#: Bytes of the tool's output that are kept, from its end.
MAX_OUTPUT = 1 << 20

_ERRORS = re.compile(
    r"^\s*((?:INTERNAL ERROR: )?E\d{3}\(\w+\): .*|(?:TOOL ERROR|INTERNAL ERROR|NOT IMPLEMENTED|LOAD ERROR|Fatal error): .*)",
    re.M,
)


def arguments(
    version: ToolVersion, command: Command, model: str, target: str, optimization: str = "balanced", api: Api = "st-ai"
) -> list[str]:
    """Return what stands behind the program's name, for its version; output in ``out``, workspace in ``ws``.

    Parameters
    ----------
    version : ToolVersion
    command : {'analyze', 'generate'}
    model : str
        A path without blanks.
    target : str
        The family, for instance stm32u5.
    optimization : {'balanced', 'time', 'ram'}
    api : {'legacy', 'st-ai'}
        The C interface; versions before 2.0 know the legacy one only.
    """
    if optimization == "default":
        optimization = "balanced"
    if optimization not in OPTIMIZATIONS:
        raise UserError(
            f"tools.stedgeai.optimization: '{optimization}'; expected one of {', '.join(OPTIMIZATIONS)}"
            f"{nearest(optimization, OPTIMIZATIONS)}"
        )
    pack = tuple(int(part) for part in (version.pack or "99").split(".")[:2])
    words = [command, "-m", model, "--name", NAME, "-o", "out", "-w", "ws"]
    if version.generation == 8:
        # Inputs and outputs within the activations are a choice there, and the rule later.
        words += ["--allocate-inputs", "--allocate-outputs"] if pack >= (7, 1) else []
        words += ["--series", target] if pack >= (8, 0) else []
        words += ["-O", optimization] if pack >= (7, 3) else []
        words += ["--quiet"] if pack >= (7, 2) else []
        return words
    words += ["--target", target, "-O", optimization, "--quiet"]
    return [*words, "--c-api", api] if version.generation == 10 else words


def run_tool(
    tool: Tool,
    command: Command,
    model: Path,
    target: str,
    folder: Path,
    optimization: str = "balanced",
    api: Api = "st-ai",
    patience: float = PATIENCE_S,
) -> Report:
    """Call the tool and return its report; what it wrote is in `folder` afterwards.

    Parameters
    ----------
    tool : Tool
    command, target, optimization, api
        See `arguments`.
    model : Path
        A .tflite, .onnx, .h5 or .keras file.
    folder : Path
        For the generated C and the reports; replaced as a whole, and only by what is complete.
    patience : float
        Seconds until the tool is ended.

    Raises
    ------
    UserError
        With ST's own error line, when the tool fails, hangs, or leaves something else than a complete result of this model.
    """
    called = f"{tool.version.product} {tool.version.number} {command}"
    # Its own code joins paths with blanks and fails on other letters: it gets a folder and names without them.
    with tempfile.TemporaryDirectory(prefix="pyaed-st-") as temporary:
        work = Path(temporary)
        stem = re.sub(r"[^A-Za-z0-9_]", "_", model.stem)[:64] or "model"
        copy = work / f"{stem}{model.suffix}"
        try:
            shutil.copyfile(model, copy)
        except OSError as error:
            raise UserError(f"cannot read the model {model}: {error.strerror or error}") from error
        (work / "out").mkdir()
        (work / "ws").mkdir()
        words = arguments(tool.version, command, copy.name, target, optimization, api)
        since = time.time() - 2  # a disk's clock may be coarse
        log.info("%s: %s %s", model.name, tool.path, " ".join(words))
        code, output = _call([str(tool.path), *words], work, called, patience)
        _check_end(code, output, called, model)
        report = read_run([work / "out", work / "ws"], NAME, command, since)
        _check_report(report, called, model, copy)
        if command == "generate":
            _check_files(report, work / "out", called)
        with atomic_path(folder) as place:
            shutil.copytree(work / "out", place)
            for path in (work / "ws").glob(f"{NAME}_*.json"):
                if not (place / path.name).exists():
                    shutil.copyfile(path, place / path.name)
            (place / "console.txt").write_text(output, encoding="utf-8", errors="replace")
    return report


def _call(words: list[str], work: Path, called: str, patience: float) -> tuple[int, str]:
    """Run the program; return its exit code and the end of what it said."""
    kept = bytearray()

    def listen(pipe: IO[bytes]) -> None:
        while block := pipe.read1(65536) if hasattr(pipe, "read1") else pipe.read(65536):
            kept.extend(block)
            del kept[:-MAX_OUTPUT]

    try:
        process = subprocess.Popen(
            words, cwd=work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(),
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise UserError(f"{words[0]} can't be started: {error.strerror or error}") from error
    assert process.stdout is not None
    listener = threading.Thread(target=listen, args=(process.stdout,), daemon=True)
    listener.start()
    try:
        for _ in progress(_seconds(process, patience), label=called, unit="s"):
            pass
        if process.poll() is None:
            last = shorten(_last_line(kept.decode(errors="replace")), 200) or "nothing"
            raise UserError(
                f"{called} has not ended after {patience:g} s and was stopped; it said last: {last}. Call it once in a terminal: "
                "the first call of a new installation may ask a question"
            )
    finally:
        end(process)
        listener.join(5)
        process.stdout.close()
    return process.returncode, kept.decode(errors="replace")


def _seconds(process: "subprocess.Popen[bytes]", patience: float) -> Iterator[int]:
    """Yield about every second while the program runs and patience lasts."""
    start, count = time.monotonic(), 0
    while process.poll() is None and time.monotonic() - start < patience:
        try:
            process.wait(min(1.0, patience))
        except subprocess.TimeoutExpired:
            yield (count := count + 1)


def _last_line(output: str) -> str:
    return next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "")


def _check_end(code: int, output: str, called: str, model: Path) -> None:
    if code == 0:
        return
    said = [match[1].strip() for match in _ERRORS.finditer(output)]
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    reason = (
        "; ".join(dict.fromkeys(shorten(line) for line in said[:3])) or shorten(_last_line(output)) or "it said nothing"
    )
    raise UserError(f"{called} {how} on {model.name}: {reason}")


def _check_report(report: Report, called: str, model: Path, copy: Path) -> None:
    if report.errors:
        raise UserError(f"{called} failed on {model.name}: {shorten('; '.join(report.errors))}")
    own = hashlib.md5(copy.read_bytes(), usedforsecurity=False).hexdigest()
    other = model.suffix == ".tflite" and report.model_hash not in (None, own)
    if other or report.model_name not in (None, copy.stem):
        raise UserError(
            f"{called}: its report is of another model ({report.model_name}, hash {report.model_hash}), not of {model.name} ({own})"
        )
    missing = [name for name in ("macs", "weights", "activations") if getattr(report, name) is None]
    if missing:
        raise UserError(f"{called}: its report says nothing about {', '.join(missing)} of {model.name}")


def _check_files(report: Report, out: Path, called: str) -> None:
    wanted = report.files or tuple(f"{NAME}{end}" for end in (".c", ".h", "_data.c", "_data.h"))
    gaps = [name for name in wanted if not ((out / name).is_file() and (out / name).stat().st_size)]
    if gaps:
        raise UserError(f"{called} ended well, but did not write {', '.join(gaps)}")
