"""Runs pytest in children of a process that has imported what is slow to import: `python warm.py MODULE...`.

Every line of the input is a JSON list of arguments; the answers are lines, first the child's process id, then its exit code.
The child leads a session of its own and writes to the file that is its first argument.
"""

import contextlib
import importlib
import json
import os
import sys


def main(modules: list[str]) -> None:
    for name in modules:
        with contextlib.suppress(ImportError):  # an extra that isn't installed
            importlib.import_module(name)
    import pytest

    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        log, *arguments = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.setsid()
            for target, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)):
                os.dup2(os.open(os.devnull if target == 0 else log, flags), target)
            os.dup2(1, 2)
            os._exit(int(pytest.main(arguments)))
        answers.write(f"{pid}\n")
        _, status = os.waitpid(pid, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
