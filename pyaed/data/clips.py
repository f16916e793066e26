"""Clips, sets of them, and sound files found in folders."""

import glob
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pyaed.errors import UserError, nearest
from pyaed.files import native_path

log = logging.getLogger(__name__)

AUDIO_EXTENSIONS = (".wav", ".flac", ".ogg", ".mp3")
SHOWN = 5  # how many offenders one message lists
CLOSE_NAMES = 5000  # how many file names the hint at a missing file compares


@dataclass(frozen=True)
class Clip:
    """One sound file.

    Attributes
    ----------
    path : Path
        Where the file lies.
    name : str
        The file's name relative to the audio folder, with forward slashes.
    label : int, tuple of int or None
        Index into the class names; a tuple when one clip may have several; None when unknown (prediction).
    category : str
        What the CSV says; for the garbage class, the original category. Empty when unknown.
    fold : int or None
        Group of the clip; clips of one source recording share a fold.
    line : int or None
        Where the CSV lists it; for messages.
    """

    path: Path
    name: str
    label: int | tuple[int, ...] | None = None
    category: str = ""
    fold: int | None = None
    line: int | None = field(default=None, compare=False)

    @property
    def labels(self) -> tuple[int, ...]:
        """The label as a tuple, empty when unknown."""
        return () if self.label is None else self.label if isinstance(self.label, tuple) else (self.label,)


@dataclass(frozen=True)
class ClipSet:
    """Clips and the class names that their labels index."""

    clips: tuple[Clip, ...]
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.clips)

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    def with_clips(self, clips: Iterable[Clip]) -> "ClipSet":
        """The same classes with other clips."""
        return replace(self, clips=tuple(clips))

    def class_counts(self) -> dict[str, int]:
        """Number of clips of every class, in class order."""
        counts = Counter(label for clip in self.clips for label in clip.labels)
        return {name: counts[i] for i, name in enumerate(self.class_names)}


def listing(items: Iterable[object]) -> str:
    """Join the first few items and say how many more there are."""
    texts = [str(item) for item in items]
    rest = len(texts) - SHOWN
    return ", ".join(texts[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def list_clips(path: str | os.PathLike[str]) -> ClipSet:
    """List unlabelled sound files for prediction: one file, a folder with its subfolders, or a glob pattern.

    Raises
    ------
    UserError
        When nothing is found.
    """
    where = native_path(path)
    if where.is_dir():
        base = where
        found = sorted(f for f in where.rglob("*") if f.suffix.lower() in AUDIO_EXTENSIONS and f.is_file())
        files = without_apple_double(found, where)
    elif where.is_file():
        base, files = where.parent, [where]
    else:
        found = sorted(Path(f) for f in glob.glob(str(where), recursive=True) if os.path.isfile(f))
        files = without_apple_double(found, where)
        if not files and not glob.has_magic(str(where)):
            raise UserError(f"no such sound file or folder: {where}{near_file(where)}")
        base = Path(os.path.commonpath([f.parent for f in files])) if files else where.parent
    if not files:
        raise UserError(f"no sound file under {where}; expected {', '.join(AUDIO_EXTENSIONS)}")
    return ClipSet(tuple(Clip(f, f.relative_to(base).as_posix()) for f in files), ())


def is_apple_double(name: str) -> bool:
    """Tell whether a name is that of the file that macOS puts beside another for its attributes: ``._x.wav``."""
    return name.rpartition("/")[2].startswith("._")


def without_apple_double(files: Sequence[Path], where: Path) -> list[Path]:
    """Leave out the files that hold the attributes of others; the log says how many."""
    kept = [file for file in files if not is_apple_double(file.name)]
    note_apple_double(where, len(files) - len(kept))
    return kept


def note_apple_double(where: Path, count: int) -> None:
    if count:
        log.info(
            "note: %s: %d names such as ._x.wav are ignored; macOS keeps attributes of other files there", where, count
        )


def near_file(path: Path) -> str:
    """Hint at the file or folder whose name is closest; for a missing parent, the first missing one."""
    while not os.path.isdir(path.parent) and path.parent != path:
        path = path.parent
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for _, entry in zip(range(CLOSE_NAMES), entries) if not is_apple_double(entry.name)]
    except OSError:
        return ""
    return nearest(path.name, sorted(names))
