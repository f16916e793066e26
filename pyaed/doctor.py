"""What is installed, and what to do about each gap."""

import importlib.util
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pyaed.stedgeai.tool import INSTALL, find_tool

APT = "apt-get install -y --no-install-recommends"


class Check(NamedTuple):
    """One thing that may be there: `needed` marks those without which `pyaed demo` can't run."""

    name: str
    needed: bool
    find: Callable[[], str | None]
    remedy: str


def _version(command: str) -> Callable[[], str | None]:
    def find() -> str | None:
        path = shutil.which(command)
        if path is None:
            return None
        try:
            done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return f"{path} (does not answer --version)"
        return (done.stdout or done.stderr).strip().splitlines()[0] if done.stdout or done.stderr else path

    return find


def _module(name: str) -> Callable[[], str | None]:
    def find() -> str | None:
        from importlib.metadata import PackageNotFoundError, version

        if importlib.util.find_spec(name) is None:
            return None
        try:
            return version(name)
        except PackageNotFoundError:
            return "installed"

    return find


def _extension() -> str | None:
    try:
        import pyaed.detector._detector
        import pyaed.dsp._dsp
        import pyaed.nn._nn  # noqa: F401
    except ImportError:
        return None
    return "built"


def _sources() -> str | None:
    from pyaed.sources import source_root

    try:
        return str(source_root())
    except RuntimeError:
        return None


def _ports() -> str | None:
    from serial.tools import list_ports

    found = [f"{port.device} ({port.description})" for port in list_ports.comports()]
    return ", ".join(found) or None


def _st_tool() -> str | None:
    tool = find_tool()
    return None if tool is None else f"{tool} (found by {tool.place})"


def _pretrained() -> str | None:
    folders = [f for f in os.environ.get("PYAED_PRETRAINED", "").split(os.pathsep) if f and Path(f).is_dir()]
    return ", ".join(folders) or None


CHECKS = (
    Check("Python", True, platform.python_version, ""),
    Check("C extensions", True, _extension, "reinstall: pip install --force-reinstall pyaed (needs a C compiler)"),
    Check("C sources for firmware", True, _sources, "reinstall: pip install --force-reinstall pyaed"),
    Check("TensorFlow", True, _module("tensorflow"), "to train and quantize: pip install 'pyaed[train]'"),
    Check(
        "Arm compiler",
        True,
        _version("arm-none-eabi-gcc"),
        f"to deploy: {APT} gcc-arm-none-eabi libnewlib-arm-none-eabi",
    ),
    Check("CMake", True, _version("cmake"), f"to deploy: {APT} cmake"),
    Check("Ninja", True, _version("ninja"), f"to deploy: {APT} ninja-build"),
    Check("QEMU", True, _version("qemu-system-arm"), f"to run the emulated board: {APT} qemu-system-arm"),
    Check(
        "published weights",
        False,
        _pretrained,
        "for YAMNet and transfer learning: set PYAED_PRETRAINED to the folder of ST's .h5 files",
    ),
    Check("onnx", False, _module("onnx"), "to read .onnx models: pip install 'pyaed[onnx]'"),
    Check("onnxruntime", False, _module("onnxruntime"), "to run and quantize .onnx models: pip install 'pyaed[onnx]'"),
    Check("MLflow", False, _module("mlflow"), "to track runs: pip install 'pyaed[tracking]'"),
    Check("TensorBoard", False, _module("tensorboard"), "to look at trainings: pip install 'pyaed[tracking]'"),
    Check("Unicorn", False, _module("unicorn"), "to estimate the time on the chip: pip install 'pyaed[estimate]'"),
    Check("soundata", False, _module("soundata"), "to load ESC-50 and FSD50K: pip install 'pyaed[fetch]'"),
    Check("ST Edge AI", False, _st_tool, f"for ST's engine beside ours: {INSTALL}"),
    Check(
        "STM32CubeProgrammer",
        False,
        _version("STM32_Programmer_CLI"),
        "to flash a real board: install it and put STM32_Programmer_CLI on the PATH",
    ),
    Check("OpenOCD", False, _version("openocd"), f"to flash a real board: {APT} openocd"),
    Check("serial ports", False, _ports, "connect a board; none is needed for the emulated one"),
)


def examine_board(port: str, baudrate: int) -> str:
    """Return what the board on a port says about itself.

    Raises
    ------
    UserError
        When nobody answers there.
    """
    from pyaed.link.board import Board
    from pyaed.link.health import describe

    with Board(port, baudrate) as board:
        return describe(board)


def examine() -> tuple[str, bool]:
    """Return the table of all checks, and whether everything that the main road needs is there."""
    width = max(len(check.name) for check in CHECKS)
    lines, complete = [], True
    for check in CHECKS:
        found = check.find()
        if found is None and check.needed:
            complete = False
        mark = "ok     " if found is not None else "MISSING" if check.needed else "-      "
        lines.append(f"{mark}  {check.name:{width}}  {found if found is not None else check.remedy}")
    return "\n".join(lines), complete
