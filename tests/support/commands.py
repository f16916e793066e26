"""The command line in a process of its own."""

import subprocess
import sys
from typing import NamedTuple


class Result(NamedTuple):
    code: int
    out: str
    err: str


def pyaed(*arguments, cwd=None, env=None) -> Result:
    """Run the command line in a process of its own, as a user does."""
    done = subprocess.run(
        [sys.executable, "-m", "pyaed.cli", *map(str, arguments)], capture_output=True, text=True, cwd=cwd, env=env,
        timeout=600, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return Result(done.returncode, done.stdout, done.stderr)
