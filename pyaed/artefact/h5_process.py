"""Has `.h5` files looked through in a process of its own, which may hang or crash on a damaged one; this one does not."""

import atexit
import contextlib
import functools
import json
import os
import signal
import struct
import subprocess
import sys
import threading
from collections import OrderedDict
from hashlib import sha256
from pathlib import Path

MAX_SECONDS = 10  # of processor time that looking through one file may take
MAX_WAIT_S = 120.0  # until an answer, where the process is idle or the system knows no limit of processor time
MAX_MEMORY = 4 << 30  # bytes of address space of that process with its libraries, besides twice the file
HEADER = struct.Struct("<QQ")  # of a request: bytes that the file's arrays may take, bytes of the file
KEPT = 256  # answers to files that were looked through before


class Lookout:
    """The process, started when it is needed first and again after its end; safe to use from several threads.

    Parameters
    ----------
    max_objects : int
        Groups and arrays of a file.
    """

    def __init__(self, max_objects: int):
        limits = (max_objects, MAX_MEMORY, MAX_SECONDS)
        self._command = [sys.executable, str(Path(__file__).with_name("h5_child.py")), *map(str, limits)]
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[bytes, int], dict[str, str]] = OrderedDict()

    def look(self, content: bytes, max_bytes: int) -> dict[str, str]:
        """Return what is wrong with a file: ``{"refused": reason}``, ``{"damaged": reason}`` or nothing.

        Parameters
        ----------
        content : bytes
            The file's.
        max_bytes : int
            That all its arrays may take.
        """
        key = (sha256(content).digest(), max_bytes)
        with self._lock:
            if key not in self._answers:
                self._answers[key] = self._ask(content, max_bytes)
                while len(self._answers) > KEPT:
                    self._answers.popitem(last=False)
            return self._answers[key]

    def _ask(self, content: bytes, max_bytes: int) -> dict[str, str]:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(MAX_WAIT_S, process.kill)
        timer.daemon = True
        timer.start()
        try:
            with contextlib.suppress(OSError):  # it has ended: so does its answer
                process.stdin.write(HEADER.pack(max_bytes, len(content)))
                process.stdin.write(content)
                process.stdin.flush()
            answer = process.stdout.readline()
        finally:
            timer.cancel()
        if answer.endswith(b"\n"):
            found: dict[str, str] = json.loads(answer)
            return found
        self._process = None
        return {"damaged": _how_it_ended(process.wait())}

    def _running(self) -> "subprocess.Popen[bytes]":
        # One that was started before a fork belongs to the other process.
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # its threads' stacks count as memory
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
            )
            self._owner = os.getpid()
            atexit.register(_end, self._process)
        return self._process


def _end(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        process.communicate(timeout=1)  # closes its input, which ends it


def _how_it_ended(code: int) -> str:
    if code == -getattr(signal, "SIGXCPU", 0):
        return f"HDF5 does not come to an end with it in {MAX_SECONDS} s of processor time"
    if code == -getattr(signal, "SIGKILL", 0):
        return f"HDF5 does not come to an end with it in {MAX_WAIT_S:.0f} s"
    return f"HDF5 crashes on it, exit code {code}"


@functools.cache
def lookout(max_objects: int) -> Lookout:
    """Return the one process of this limit."""
    return Lookout(max_objects)
