"""Opening model files of others: budgets that are checked against what is stored, and one message for whatever is damaged.

h5py, zipfile, zlib, json and Keras raise anything at all on a damaged file. What is read of a `.h5` or `.keras` file is read
within `damaged`, which makes one message of it. HDF5's own code loops or crashes on some, so that another process looks
through each first (`pyaed.artefact.h5_process`).
"""

import io
import json
import math
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyaed.artefact.h5_process import lookout
from pyaed.errors import UserError
from pyaed.files import read_bytes
from pyaed.text import first_line, printable

MAX_UNPACKED = 1 << 28  # bytes of all members of a .keras file, of all arrays of a .h5 file, if the file isn't larger
MAX_H5 = 1 << 33  # bytes of a .h5 file
MAX_MEMBERS = 1 << 12  # of a .keras file
MAX_OBJECTS = 1 << 14  # groups and arrays of a .h5 file
MAX_CONFIG = 1 << 24  # bytes of a layer graph
KINDS = {".keras": "Keras 3 model", ".h5": "HDF5 model"}

AnyPath = str | os.PathLike[str]


@contextmanager
def damaged(path: AnyPath) -> Iterator[None]:
    """Turn whatever reading a damaged file raises into one UserError that names it."""
    try:
        yield
    except (UserError, KeyboardInterrupt):
        raise
    except Exception as error:
        kind = KINDS.get(Path(path).suffix.lower(), "model")
        raise UserError(f"{path}: not a {kind} file, or damaged ({first_line(error)})") from error


def _budget(path: AnyPath) -> int:
    """Return how many bytes a file may unpack to: a large network's file holds its weights as they are."""
    return max(MAX_UNPACKED, os.path.getsize(path))


@contextmanager
def open_zip(path: AnyPath) -> Iterator[zipfile.ZipFile]:
    """Open a `.keras` file for reading.

    Raises
    ------
    UserError
        It is none, is damaged (also where the block reads on), or would unpack to more than its `_budget`. What the
        directory announces counts: no member gives more than that.
    """
    with damaged(path), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        size = sum(member.file_size for member in members)
        if len(members) > MAX_MEMBERS or size > _budget(path):
            raise UserError(
                f"{path}: {len(members)} members of {size} bytes unpacked; at most {MAX_MEMBERS} and {_budget(path)} are read"
            )
        yield archive


@contextmanager
def open_h5(source: Any, path: AnyPath) -> Iterator[Any]:
    """Open a `.h5` file, or the one within a `.keras` file, for reading.

    Parameters
    ----------
    source : path-like or io.BytesIO
    path : path-like
        For messages.

    Yields
    ------
    h5py.File

    Raises
    ------
    UserError
        It is none, is damaged (also where the block reads on), leads out of itself, or its arrays would take more than
        its `_budget`.
    """
    try:
        import h5py
    except ImportError:
        raise UserError(f"{path}: reading .h5 models needs the extra 'train': pip install 'pyaed[train]'") from None
    if isinstance(source, (str, os.PathLike)):
        if not os.path.isfile(source):
            raise UserError(f"{path}: no such model file")
        source = io.BytesIO(read_bytes(source, MAX_H5, "model"))
    found = lookout(MAX_OBJECTS).look(source.getvalue(), _budget(path))
    if "refused" in found:
        raise UserError(f"{path}: {printable(found['refused'])}")
    with damaged(path):
        if found:
            raise ValueError(found["damaged"])
        with h5py.File(source, "r") as file:
            yield file


def n_stored(file: Any) -> int:
    """Return how many numbers the arrays of a HDF5 file hold."""
    import h5py

    counts = []
    file.visititems(lambda _, item: counts.append(math.prod(item.shape)) if isinstance(item, h5py.Dataset) else None)
    return sum(counts)


def member(archive: zipfile.ZipFile, name: str, limit: int, path: AnyPath) -> bytes | None:
    """Return a member of a zip archive, None where there is none; UserError when it has more than `limit` bytes."""
    if name not in archive.namelist():
        return None
    with archive.open(name) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise UserError(f"{path}: {name} has more than {limit} bytes")
    return data


def read_json(text: str | bytes, path: AnyPath, what: str) -> Any:
    """Return what a JSON text holds; UserError for anything else, numbers that aren't finite included."""
    try:
        return json.loads(text, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: its {what} is not JSON ({first_line(error) if str(error) else 'nested too deeply'})"
        ) from None


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is no finite number")
    return value


@contextmanager
def open_weights(path: AnyPath) -> Iterator[Any]:
    """Open the HDF5 file of a `.h5` model, or of a `.keras` model's weights."""
    if not str(path).lower().endswith(".keras"):
        with open_h5(path, path) as file:
            yield file
        return
    with open_zip(path) as archive:
        data = member(archive, "model.weights.h5", _budget(path), path)
        if data is None:
            raise UserError(f"{path}: not a whole Keras model: its weights (model.weights.h5) are missing")
        with open_h5(io.BytesIO(data), path) as file:
            yield file


def read_member(path: AnyPath, name: str) -> Any:
    """Return what a JSON member of a `.keras` file holds: an object."""
    with open_zip(path) as archive:
        data = member(archive, name, MAX_CONFIG, path)
    return _object(data or b"", path, name)


def layer_graph(path: AnyPath) -> tuple[dict[str, Any], int]:
    """Return a Keras model's layer graph as its file has it, and how many numbers the file holds."""
    with open_weights(path) as file:
        numbers = n_stored(file)
        text = None if str(path).lower().endswith(".keras") else file.attrs["model_config"]
    return (read_member(path, "config.json") if text is None else _object(text, path, "layer graph")), numbers


def _object(text: str | bytes, path: AnyPath, what: str) -> dict[str, Any]:
    found = read_json(text.decode("utf-8", "replace") if isinstance(text, bytes) else text, path, what)
    if not isinstance(found, dict):
        raise UserError(f"{path}: its {what} is a {type(found).__name__}, expected an object")
    return found
