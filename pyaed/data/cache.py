"""The feature cache on disk: content-addressed arrays, written whole, checked when read."""

import contextlib
import hashlib
import io
import json
import logging
import math
import os
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from pyaed.errors import UserError

log = logging.getLogger(__name__)

FORMAT_VERSION = 3  # part of every key: a change of layout or meaning makes old entries invisible
DEFAULT_LIMIT_GIB = 20.0
CHECK_BYTES = 4  # CRC-32, little-endian


def cache_root() -> Path:
    """The folder of everything that can be made again: ``PYAED_CACHE``, else the user's cache folder."""
    own = os.environ.get("PYAED_CACHE")
    return Path(own).expanduser() if own else platformdirs.user_cache_path("pyaed")


def entry_key(**parts: object) -> str:
    """Return the hex SHA-256 that names an entry made from `parts` (anything JSON can hold)."""
    text = json.dumps({"format": FORMAT_VERSION, **parts}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def entry_path(folder: Path, key: str) -> Path:
    """Where the entry lies; the key's first letter spreads the files over folders, few because each takes time to make."""
    return folder / "features" / key[:1] / f"{key}.npy"


def check_of(body: bytes | memoryview) -> bytes:
    """Return what tells a damaged entry: an error of the disk, not somebody's intention."""
    return zlib.crc32(body).to_bytes(CHECK_BYTES, "little")


def load_entry(path: Path) -> tuple[np.ndarray, Any] | None:
    """Read an array and what was said about it, or return None when there is none or the file isn't what was written.

    An entry is a .npy file followed by JSON, which may be empty, and by the CRC-32 of both.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("feature cache: cannot read %s (%s); computing again", path, error.strerror or error)
        return None
    body, check = memoryview(data)[:-CHECK_BYTES], data[-CHECK_BYTES:]
    with contextlib.suppress(OSError):
        os.utime(path)  # what is used stays longest
    if not len(body) or check_of(body) != check:
        log.warning("feature cache: %s is damaged; computing again", path)
        return None
    try:
        return _parse(body)
    except Exception:  # numpy's reader of the header raises what Python's tokenizer does
        log.warning("feature cache: %s is no entry; computing again", path)
        return None


def _parse(body: memoryview) -> tuple[np.ndarray, Any]:
    """Read an entry that is whole; ValueError for one that announces what isn't there."""
    buffer = io.BytesIO(body)
    if np.lib.format.read_magic(buffer) != (1, 0):
        raise ValueError("another version of .npy")
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(buffer)
    end = buffer.tell() + math.prod(shape) * dtype.itemsize
    if by_columns or dtype.hasobject or any(n < 0 for n in shape) or end > len(body):
        raise ValueError("an array that isn't there")
    array = np.frombuffer(body[buffer.tell() : end], dtype).reshape(shape)
    return array, json.loads(bytes(body[end:])) if end < len(body) else None


def save_entry(path: Path, array: np.ndarray, said: object = None) -> bool:
    """Write an array and what is said about it, anything JSON can hold, atomically.

    Returns False, and says so in the log, when the cache can't be written.
    """
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    if said:
        buffer.write(json.dumps(said).encode())
    buffer.write(check_of(buffer.getbuffer()))
    # A file beside the entry: atomic_path's folder would cost more than the features of a short clip.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        try:
            temporary.write_bytes(buffer.getbuffer())
        except FileNotFoundError:  # the folder of this letter isn't there yet
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(buffer.getbuffer())
        os.replace(temporary, path)
    except OSError as error:
        log.warning("feature cache: cannot write %s (%s); going on without it", path, error.strerror or error)
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        return False
    return True


def cache_limit() -> int:
    """Bytes that the feature cache may take: ``PYAED_CACHE_LIMIT`` in GiB, default 20."""
    given = os.environ.get("PYAED_CACHE_LIMIT")
    try:
        limit = float(given) if given else DEFAULT_LIMIT_GIB
    except ValueError:
        limit = -1.0
    if not 0 <= limit < 1e9:
        raise UserError(f"PYAED_CACHE_LIMIT is {given!r}, expected a number of GiB, 0 or more")
    return int(limit * 2**30)


def cache_entries(folder: Path) -> list[tuple[float, int, Path]]:
    """Return (time of last use, bytes, path) of every entry, the longest unused first."""
    found = []
    for path in (folder / "features").glob("*/*.npy"):
        with contextlib.suppress(OSError):  # another process has just removed it
            state = path.stat()
            found.append((state.st_mtime, state.st_size, path))
    return sorted(found)


def prune(folder: Path, limit: int) -> tuple[int, int]:
    """Remove the entries that were not used for longest until the rest takes at most `limit` bytes.

    What an interrupted process left half-written a day ago goes too. Safe while other processes read: an entry that is gone is computed again.

    Returns
    -------
    (int, int)
        Entries and bytes removed.
    """
    for path in (folder / "features").glob("*/.*.npy.*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - 86400:
                path.unlink()
    entries = cache_entries(folder)
    excess = sum(size for _, size, _ in entries) - limit
    count = removed = 0
    for _, size, path in entries:
        if removed >= excess:
            break
        with contextlib.suppress(OSError):
            path.unlink()
            count, removed = count + 1, removed + size
    return count, removed
