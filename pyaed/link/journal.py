"""Answers of a board, clip by clip in a file, so that an interrupted evaluation goes on where it stopped.

The file is JSON lines: first what was evaluated (`HEADER`), then one line a clip: name, CRC-32 of its patches, answers.
"""

import json
import os
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from pyaed.errors import UserError
from pyaed.files import cannot_write, read_bytes

#: What has to be the same when an evaluation goes on, and how a message calls it.
HEADER = {"format": "format", "model": "model", "features": "feature specification", "class_names": "class names"}
FORMAT = 1
MAX_BYTES = 1 << 28  # of a file; a clip's line has some hundred


class Journal:
    """The answers that are there already, and the file that takes new ones. A context manager.

    Parameters
    ----------
    path : path
        Made when missing.
    about : mapping
        `model` and `features` (hashes), `class_names`.

    Raises
    ------
    UserError
        When the file holds answers of something else, or is no such file.
    """

    def __init__(self, path: str | os.PathLike[str], about: Mapping[str, Any]):
        self.path = Path(path)
        header = {"format": FORMAT, **about, "class_names": list(about["class_names"])}
        self._answers: dict[str, tuple[int, np.ndarray]] = {}
        if self.path.exists() and not self.path.is_file():
            raise UserError(f"{self.path} is no file of a board's answers; name another with --results")
        whole = self._read(header) if self.path.exists() else 0
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("r+b" if self.path.exists() else "w+b")
            self._file.truncate(whole)  # a line that was being written when everything ended
            self._file.seek(whole)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        if not whole:
            self._append(header)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # what could not be written has been told
            self._file.close()

    def __len__(self) -> int:
        return len(self._answers)

    def _read(self, header: Mapping[str, Any]) -> int:
        """Take what is in the file; return the bytes of its whole lines."""
        data = read_bytes(self.path, MAX_BYTES, "file of a board's answers")
        whole = data.rfind(b"\n") + 1
        try:
            if not whole and not json.dumps(header).encode().startswith(data):
                raise ValueError("no lines")
            first, *lines = [json.loads(line) for line in data[:whole].splitlines()] or [header]
            for key, word in HEADER.items():
                if first[key] != header[key]:
                    raise UserError(
                        f"{self.path} holds answers of another {word}: {first[key]} there, {header[key]} here; name another "
                        "file with --results, or remove it"
                    )
            for line in lines:
                answers = np.array(line["probabilities"], np.float32)
                if answers.ndim != 2 or answers.shape[1] != len(header["class_names"]):
                    raise ValueError(f"answers of shape {answers.shape}")
                if not np.isfinite(answers).all():
                    raise ValueError("answers that are no finite numbers")
                self._answers[line["clip"]] = (int(line["patches"]), answers)
        except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
            raise UserError(
                f"{self.path} is no file of a board's answers ({error}); name another with --results"
            ) from error
        return whole

    def _append(self, line: Mapping[str, Any]) -> None:
        try:
            self._file.write(json.dumps(line).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def answer(self, clip: str, patches: np.ndarray, ask: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Return the answers to a clip's patches: those of the file, where it has them for the same patches, else `ask`."""
        crc = zlib.crc32(np.ascontiguousarray(patches).tobytes())
        if clip in self._answers and self._answers[clip][0] == crc:
            return self._answers[clip][1]
        found = np.asarray(ask(patches), np.float32)
        # float32 -> decimal -> float32 is exact: repr of the float64 has more digits than it needs.
        self._append({"clip": clip, "patches": crc, "probabilities": found.astype(float).tolist()})
        self._answers[clip] = (crc, found)
        return found
