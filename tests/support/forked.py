"""The command line in children of one process that has TensorFlow loaded: many runs in little time, with faults.

``python -m support.forked`` is that process; `Commands` starts it and speaks with it.
"""

import ctypes
import errno
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PREPARE = "PYAED_TEST_PREPARE"  # variable with the name of a module whose `prepare` is called before the command


class Ended(NamedTuple):
    """How a run ended: exit code (negative: the signal), what it printed, how many writes were counted, seconds."""

    code: int
    out: str
    err: str
    writes: int
    seconds: float


class Commands:
    """Runs commands; a context manager.

    Parameters
    ----------
    scratch : Path
        Where the stand-in of a full disk is built.
    """

    def __init__(self, scratch: Path):
        library = scratch / "full_disk.so"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, HERE / "full_disk.c", "-ldl"],
            check=True,
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.forked"], cwd=HERE.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env={**os.environ, "LD_PRELOAD": str(library)},
        )  # fmt: skip

    def __enter__(self) -> "Commands":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()

    def run(
        self,
        *arguments: object,
        cwd: Path,
        full_after: int = -1,
        error: int = errno.ENOSPC,
        kill_after: float | None = None,
        env: dict | None = None,
    ) -> Ended:
        """Run a command in `cwd`; writing there fails after so many writes, or the process is killed after so many s."""
        request = [[str(a) for a in arguments], str(cwd), [full_after, error], kill_after, env or {}]
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Ended(*json.loads(self._process.stdout.readline()))


def _child(arguments: list[str], cwd: str, fault: list[int], env: dict, files: list) -> None:
    for number, file in zip((1, 2), files):
        os.dup2(file.fileno(), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(env)
    os.environ.pop("LD_PRELOAD", None)  # compilers and emulators stay as they are
    os.setsid()
    os.chdir(cwd)
    disk = ctypes.CDLL(None)
    disk.full_disk_arm(os.fsencode(os.path.realpath(cwd)), ctypes.c_long(fault[0]), fault[1])
    sys.argv = ["pyaed", *arguments]
    code = 0
    try:
        if PREPARE in env:
            importlib.import_module(env[PREPARE]).prepare()
        from pyaed.cli import main

        main()
    except SystemExit as stop:
        code = stop.code or 0
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    try:
        sys.stdout.flush()
    finally:
        os.write(files[2].fileno(), str(disk.full_disk_count()).encode())
        os._exit(code)


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from pyaed.models.keras import import_keras

    import_keras()
    import tensorflow.lite.python.lite  # noqa: F401 - loaded once, for all

    import pyaed

    for module in pkgutil.walk_packages(pyaed.__path__, "pyaed."):
        importlib.import_module(module.name)
    for line in sys.stdin:
        arguments, cwd, fault, kill_after, env = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as writes:
            start = time.monotonic()
            child = os.fork()
            if not child:
                _child(arguments, cwd, fault, env, [out, err, writes])
            deadline = start + (300 if kill_after is None else kill_after)
            while not (ended := os.waitpid(child, os.WNOHANG))[0]:
                if time.monotonic() >= deadline:
                    os.killpg(child, signal.SIGKILL)
                    ended = os.waitpid(child, 0)
                    break
                time.sleep(0.002)
            seconds = time.monotonic() - start
            texts = []
            for file in (out, err, writes):
                file.seek(0)
                texts.append(file.read().decode("utf-8", "replace"))
        code = os.waitstatus_to_exitcode(ended[1])
        print(json.dumps([code, texts[0], texts[1], int(texts[2] or 0), seconds]), file=answers, flush=True)


if __name__ == "__main__":
    _serve()
