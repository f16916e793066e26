"""The feature cache on disk: content-addressed arrays, written whole, checked when read."""

import contextlib
import hashlib
import io
import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

log = logging.getLogger(__name__)

FORMAT_VERSION = 1  # part of every key: a change of layout or meaning makes old entries invisible
DIGEST_SIZE = hashlib.sha256().digest_size


def cache_root() -> Path:
    """The folder of everything that can be made again: ``PYAED_CACHE``, else the user's cache folder."""
    own = os.environ.get("PYAED_CACHE")
    return Path(own).expanduser() if own else platformdirs.user_cache_path("pyaed")


def entry_key(**parts: Any) -> str:
    """Return the hex SHA-256 that names an entry made from `parts` (anything JSON can hold)."""
    text = json.dumps({"format": FORMAT_VERSION, **parts}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def entry_path(folder: Path, key: str) -> Path:
    """Where the entry lies; two letters of the key spread the files over folders."""
    return folder / "features" / key[:2] / f"{key}.npy"


def load_entry(path: Path) -> np.ndarray | None:
    """Read an array, or return None when there is none or the file isn't what was written.

    An entry is a .npy file followed by the SHA-256 of its bytes.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("feature cache: cannot read %s (%s); computing again", path, error.strerror or error)
        return None
    body, digest = data[:-DIGEST_SIZE], data[-DIGEST_SIZE:]
    if hashlib.sha256(body).digest() != digest:
        log.warning("feature cache: %s is damaged; computing again", path)
        return None
    return np.load(io.BytesIO(body), allow_pickle=False)


def save_entry(path: Path, array: np.ndarray) -> bool:
    """Write an array atomically; return False, and say so in the log, when the cache can't be written."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    body = buffer.getvalue()
    # A file beside the entry: atomic_path's folder would cost more than the features of a short clip.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(body + hashlib.sha256(body).digest())
        os.replace(temporary, path)
    except OSError as error:
        log.warning("feature cache: cannot write %s (%s); going on without it", path, error.strerror or error)
        return False
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return True
