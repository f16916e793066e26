"""Outputs appear whole or not at all."""

import csv
import functools
import hashlib
import io
import os
import shutil
import tempfile
import time
import wave
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

from pyaed.errors import UserError
from pyaed.text import csv_cell

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

HOLDER = ".pyaed-partial-"  # begins the name of a folder in which an output is being written
STALE_S = 86400.0  # age from which such a folder belongs to a process that was killed


def native_path(path: str | os.PathLike[str]) -> Path:
    """Return `path` for this system; a path written with backslashes works everywhere."""
    text = os.fspath(path)
    if os.sep != "\\" and "\\" in text and not os.path.exists(text):
        text = PureWindowsPath(text).as_posix()
    return Path(text).expanduser()


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path` with the same name; rename it to `path` when the block ends well.

    The parent folder is made. A file or a folder may be written there; what the block writes beside it goes when the
    block ends. After an exception nothing is left behind. What a killed process left is swept when it is a day old; one
    that was killed while it replaced a folder is brought to its end.

    Raises
    ------
    UserError
        When the output can't be written (full disk, no permission, a file where a folder should be), with its path.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep_once(path.parent)
        holder = Path(tempfile.mkdtemp(prefix=HOLDER, dir=path.parent))
    except OSError as error:
        raise cannot_write(path, error) from error
    temporary = holder / path.name
    try:
        yield temporary
        if temporary.is_dir() and path.is_dir():
            _replace_folder(temporary, path)
        else:
            os.replace(temporary, path)
    except OSError as error:
        if error.filename is not None and holder not in Path(os.fsdecode(error.filename)).parents:
            raise  # something that the block reads
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def cannot_write(path: str | os.PathLike[str], error: Exception) -> UserError:
    """Return the message for an output that can't be written; folders under way aren't named."""
    shown = Path(*(part for part in Path(path).parts if not part.startswith(HOLDER)))
    return UserError(f"cannot write {shown}: {getattr(error, 'strerror', None) or error}")


def _replace_folder(temporary: Path, path: Path) -> None:
    """Put a folder into the place of another, which stays beside it until the new one stands."""
    old = temporary.with_name(f"{path.name}~")
    try:
        os.replace(path, old)
        os.replace(temporary, path)
    except BaseException:
        if old.exists() and not path.exists():
            os.replace(old, path)
        if not temporary.exists() and path.exists():  # another process has found the two names and ended this
            return
        raise


def sweep(folder: str | os.PathLike[str]) -> None:
    """Clean up after killed processes: end what was being renamed, remove what was half-written a day ago."""
    for holder in Path(folder).glob(f"{HOLDER}*"):
        with suppress(OSError):
            for old in holder.glob("*~"):
                new = old.with_name(old.name[:-1])
                if new.is_dir() and not (holder.parent / new.name).exists():
                    os.replace(new, holder.parent / new.name)
            if holder.stat().st_mtime < time.time() - STALE_S:
                shutil.rmtree(holder, ignore_errors=True)


_sweep_once = functools.lru_cache(maxsize=256)(sweep)  # a folder of many outputs is looked through once


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Write UTF-8 text atomically and return the path; bytes of file names that are no UTF-8 become escapes."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return Path(path)


def read_bytes(path: str | os.PathLike[str], limit: int, what: str) -> bytes:
    """Return a file's content.

    Parameters
    ----------
    path : path-like
    limit : int
        Bytes; a file of more is refused before it is read whole (a device has no end).
    what : str
        What the file should be, for the messages: "model".

    Raises
    ------
    UserError
        The file can't be read, or has more bytes.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise UserError(f"cannot read the {what} {path}: {error.strerror or error}") from error
    if len(content) > limit:
        raise UserError(f"the {what} {path} has more than {limit} bytes, which none should have")
    return content


def write_csv(path: str | os.PathLike[str], rows: Iterable[Iterable[object]]) -> Path:
    """Write rows as a CSV file atomically and return the path; texts are shown safely (`pyaed.text.csv_cell`)."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([csv_cell(cell) for cell in row] for row in rows)
    return Path(path)


def write_wav(path: str | os.PathLike[str], pcm: "npt.NDArray[np.int16]", rate: int) -> Path:
    """Write samples (n_samples,) as a WAV file (16 bits, mono) atomically and return the path."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(wav_bytes(pcm, rate))
    return Path(path)


def wav_bytes(pcm: "npt.NDArray[np.int16]", rate: int) -> bytes:
    """Return the content of such a WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.astype("<i2").tobytes())
    return buffer.getvalue()


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the hex SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
