"""QEMU as the board: started, watched and stopped by pyaed."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from pathlib import Path
from typing import IO

from pyaed.boards.description import Machine, boards, find_board
from pyaed.errors import UserError, nearest
from pyaed.link.board import Board

#: QEMU's own words that tell nothing about an early end.
ROUTINE = ("char device redirected to", "QEMU waiting for connection on")

APT_LINE = "sudo apt-get install qemu-system-arm"

# Between fork and QEMU stands a Python process that asks the kernel to end QEMU with us, however we end, then becomes it.
_TIED = """
import ctypes, os, signal, sys
try:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG; Linux only
except (AttributeError, OSError):
    pass
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


def _machine(name: str) -> Machine:
    board = find_board(name)
    if board.emulator is None:
        able = [known.name for known in boards().values() if known.emulator is not None]
        raise UserError(f"board '{name}' can't be emulated; boards that can: {', '.join(able)}{nearest(name, able)}")
    return board.emulator


def _stop(process: subprocess.Popen[bytes], *files: IO[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
    for file in files:
        file.close()


class Emulator:
    """An emulated board that runs a firmware image, as a context manager.

    Start it from a thread that outlives it: on Linux the kernel ends the emulator with that thread.

    Parameters
    ----------
    elf : path
        Firmware image.
    board : str
        A board with an emulator.
    transport : {'tcp', 'pty'}
        What stands for the serial port.
    icount : bool
        Count instructions: deterministic, several times slower. Without it the board's counter means nothing.

    Attributes
    ----------
    url : str
        What `Board` and pyserial open: ``socket://127.0.0.1:PORT``, or the pty's path.

    Raises
    ------
    UserError
        Without QEMU, without the image, for an unknown board, or when QEMU ends at once (with what it said).
    """

    def __init__(
        self, elf: str | os.PathLike[str], board: str = "mps2_an505", transport: str = "tcp", icount: bool = False
    ):
        machine = _machine(board)
        if transport not in ("tcp", "pty"):
            raise UserError(
                f"emulator transport '{transport}': expected 'tcp' or 'pty'{nearest(transport, ['tcp', 'pty'])}"
            )
        if not Path(elf).is_file():
            raise UserError(f"no firmware image at {elf}: build one with `pyaed deploy`")
        qemu = shutil.which("qemu-system-arm")
        if qemu is None:
            raise UserError(f"the emulator needs QEMU (qemu-system-arm), which is not installed: {APT_LINE}")
        self.icount = icount
        counting = ["-icount", f"shift={machine.icount_shift},sleep=off"]
        command = [qemu, *machine.machine, "-display", "none", "-monitor", "none"]
        command += ["-semihosting-config", "enable=on,target=native", *(counting if icount else [])]
        self._output = tempfile.TemporaryFile(prefix="pyaed-qemu-")  # noqa: SIM115 - closed by _stop
        with contextlib.ExitStack() as stack:
            fds: tuple[int, ...] = ()
            if transport == "tcp":
                # Our own listening socket, handed to QEMU: the port is free, and is known.
                listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1))
                fds = (listener.fileno(),)
                self.url = f"socket://127.0.0.1:{listener.getsockname()[1]}"
                command += [
                    "-chardev",
                    f"socket,id=uart,fd={fds[0]},server=on,wait=on,nodelay=on",
                    "-serial",
                    "chardev:uart",
                ]
            else:
                command += ["-serial", "pty"]
            tied = [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid())]
            self._process = subprocess.Popen(
                [*tied, *command, "-kernel", str(elf)],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                pass_fds=fds,
                start_new_session=True,
            )
        self._finalizer = weakref.finalize(self, _stop, self._process, self._output)
        if transport == "pty":
            self.url = self._pty_name()

    def _pty_name(self, timeout: float = 10.0) -> str:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if match := re.search(r"char device redirected to (\S+)", self.output()):
                return match[1]
            self.check()
            time.sleep(0.01)
        self.stop()
        raise UserError("QEMU did not name its pty within 10 s")

    @property
    def pid(self) -> int:
        return self._process.pid

    def output(self) -> str:
        """Return what QEMU and the board's fault handler have printed so far."""
        if self._output.closed:
            return ""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), min(size, 65536), 0).decode(errors="replace")

    def check(self) -> None:
        """Raise UserError when the emulator has ended."""
        code = self._process.poll()
        if code is not None:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            lines = [line for line in self.output().splitlines() if not any(word in line for word in ROUTINE)]
            text = "\n".join(lines).strip()
            raise UserError(f"the emulator {how}" + (f": {text}" if text else " without a word"))

    def connect(self, retries: int = 2, timeout: float | None = None) -> Board:
        """Return the board behind the serial port, an object that notices when the emulator ends."""
        return Board(self.url, check=self.check, retries=retries, timeout=timeout)

    def stop(self) -> None:
        """End QEMU and wait for its end. May be called again."""
        self._finalizer()

    def __enter__(self) -> "Emulator":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
