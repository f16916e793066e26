"""Outputs appear whole or not at all."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath

from pyaed.errors import UserError


def native_path(path: str | os.PathLike[str]) -> Path:
    """Return `path` for this system; a path written with backslashes works everywhere."""
    text = os.fspath(path)
    if os.sep != "\\" and "\\" in text and not os.path.exists(text):
        text = PureWindowsPath(text).as_posix()
    return Path(text).expanduser()


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path` with the same suffix; rename it to `path` when the block ends well.

    The parent folder is made. A file or a folder may be written there. After an exception nothing is left behind.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        holder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    temporary = holder / path.name
    try:
        yield temporary
        if temporary.is_dir() and path.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Write UTF-8 text atomically and return the path."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
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


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the hex SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
