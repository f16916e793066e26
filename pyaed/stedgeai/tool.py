"""ST's tool on this machine: where it may be, which version it is."""

import contextlib
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyaed.errors import UserError, brief, shorten
from pyaed.files import native_path
from pyaed.stedgeai.versions import ToolVersion, find_version

log = logging.getLogger(__name__)

NAMES = ("stedgeai", "stm32ai")
VARIABLES = ("STEDGEAI_CORE_DIR", "STM32_AI_EXE", "STM_AI_EXE")

#: The folder of a system within ``Utilities``.
SYSTEMS = {"win32": "windows", "msys": "windows", "cygwin": "windows", "darwin": "mac"}
#: Where ST's installers put the stand-alone Core: one folder a version.
CORES = {
    "windows": ("C:/ST/STEdgeAI",),
    "linux": ("/opt/ST/STEdgeAI", "~/ST/STEdgeAI"),
    "mac": ("/Applications/ST/STEdgeAI",),
}
PACKS = "STM32Cube/Repository/Packs/STMicroelectronics/X-CUBE-AI"

#: Seconds that ``--version`` may take; the first call unpacks the tool.
ANSWER_S = 60.0
#: Never handed to another program.
SECRETS = ("PYAED_ST_TOKEN", "stmai_username", "stmai_password", "STM32AI_USERNAME", "STM32AI_PASSWORD")

INSTALL = "install ST Edge AI Core (st.com/stedgeai-core) or the pack X-CUBE-AI, and name it in tools.stedgeai.path_to_stedgeai"


@dataclass(frozen=True)
class Tool:
    """An installed tool that answers.

    Attributes
    ----------
    path : Path
    version : ToolVersion
    place : str
        By what it was found: a key of the configuration, a variable, PATH, a folder.
    """

    path: Path
    version: ToolVersion
    place: str

    @property
    def root(self) -> Path | None:
        """The installation: the folder that holds ``Utilities`` and ``Middlewares``; None for one that was moved apart."""
        given = os.environ.get("STEDGEAI_CORE_DIR")
        parents = [*self.path.resolve().parents[:4], *([Path(given)] if given else [])]
        return next((folder for folder in parents if (folder / "Middlewares" / "ST").is_dir()), None)

    def __str__(self) -> str:
        return f"{self.version}, {self.path}"


def system(platform: str = sys.platform) -> str:
    """Return the name that ST gives to a system."""
    return SYSTEMS.get(platform, "linux")


def places(configured: Sequence[tuple[str, str]] = (), platform: str = sys.platform) -> Iterator[tuple[str, Path]]:
    """Yield where the tool may be, the likeliest first: what names the place, and a file that is there.

    Parameters
    ----------
    configured : sequence of (str, str)
        Keys of the configuration that name a file or a folder, and what they name.
    platform : str
        As ``sys.platform``.
    """
    own = system(platform)
    for key, text in configured:
        found = list(_within(native_path(text), own))
        yield from ((key, path) for path in found)
        if not found:
            log.warning("%s: %s: there is no %s; it is looked for elsewhere", key, text, " or ".join(NAMES))
    for variable in VARIABLES:
        if os.environ.get(variable):
            yield from ((variable, path) for path in _within(native_path(os.environ[variable]), own))
    for name in NAMES:
        if found_in_path := shutil.which(name):
            yield "PATH", Path(found_in_path)
    for root in (Path.home() / PACKS, *(Path(folder).expanduser() for folder in CORES[own])):
        versions = [folder for folder in root.iterdir() if folder.is_dir()] if root.is_dir() else []
        for folder in sorted(versions, key=lambda folder: _numbers(folder.name), reverse=True):
            yield from ((str(root), path) for path in _within(folder, own))


def _numbers(text: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d{1,9}", text)]


def _within(path: Path, own: str) -> Iterator[Path]:
    """Yield the tool that a path is, or that its folder holds."""
    with contextlib.suppress(OSError):
        if path.is_file():
            yield path
        elif path.is_dir():
            endings = (".exe", "") if own == "windows" else ("",)
            for folder in (path, path / "Utilities" / own, path / own):
                for name in NAMES:
                    yield from (folder / f"{name}{end}" for end in endings if (folder / f"{name}{end}").is_file())


def find_tool(configured: Sequence[tuple[str, str]] = (), wanted: str | None = None) -> Tool | None:
    """Return the first tool that answers, or None.

    Parameters
    ----------
    configured : sequence of (str, str)
        As `places` takes it.
    wanted : str, optional
        A version, of the Core or of the pack: the first tool of that version is taken; without one the first of all, and a
        warning says so.

    Raises
    ------
    UserError
        When what a key names is another program, or doesn't answer.
    """
    keys = {key for key, _ in configured}
    first: Tool | None = None
    seen: set[Path] = set()
    for place, path in places(configured):
        if path.resolve() in seen:
            continue
        seen.add(path.resolve())
        try:
            tool = Tool(path, ask_version(path), place)
        except UserError as error:
            if place in keys:
                raise UserError(f"{place}: {error}") from error
            log.info("note: %s: %s", place, error)
            continue
        if wanted is None or tool.version.is_called(wanted):
            return tool
        first = first or tool
    if first is not None:
        log.warning("tools.stedgeai.version: %s is not installed; %s is used", wanted, first)
    return first


def ask_version(path: Path) -> ToolVersion:
    """Return what ``--version`` says.

    Raises
    ------
    UserError
        When the program is another one, doesn't start, or doesn't answer in a minute.
    """
    try:
        done = subprocess.run(
            [str(path), "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=ANSWER_S,
            env=environment(), check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UserError(f"{path} does not answer --version within {ANSWER_S:g} s") from None
    except OSError as error:
        raise UserError(f"{path} can't be started: {error.strerror or error}") from error
    text = done.stdout[:65536].decode(errors="replace")
    version = find_version(text)
    if version is None:
        said = shorten(text.strip().partition("\n")[0], 120) or "nothing"
        raise UserError(f"{path} is not ST's tool: --version says {brief(said)}; {INSTALL}")
    return version


def environment(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables for a program that we start: ours, without passwords and tokens."""
    return {key: value for key, value in (given or os.environ).items() if key not in SECRETS}


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a program that was started in a session of its own, and what it has started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
