"""The ESC format: a folder of clips and a CSV with `filename`, `category` and, optionally, `fold`."""

import csv
import glob
import logging
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath

import numpy as np

from pyaed.errors import UserError, nearest
from pyaed.files import native_path

log = logging.getLogger(__name__)

AUDIO_EXTENSIONS = (".wav", ".flac", ".ogg", ".mp3")
GARBAGE_CLASS = "other"
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
    """

    path: Path
    name: str
    label: int | tuple[int, ...] | None = None
    category: str = ""
    fold: int | None = None

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

    def __iter__(self):
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
    items = [str(item) for item in items]
    rest = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def read_clips(
    audio_path: str | os.PathLike,
    csv_path: str | os.PathLike,
    class_names: Sequence[str] | None = None,
    file_extension: str | None = None,
    multi_label: bool = False,
    use_garbage_class: bool = False,
    n_samples_per_garbage_class: int | None = None,
    seed: int = 0,
    require_all: bool = True,
    missing: list[str] | None = None,
) -> ClipSet:
    """Read a data set in ESC format.

    Parameters
    ----------
    audio_path : path
        Folder of the clips.
    csv_path : path
        CSV file with a header. `filename` is relative to `audio_path`, with or without extension; `category` is the
        class name (for `multi_label` a list such as ``dog,rain`` or ``['dog', 'rain']``); `fold`, if there, an integer.
    class_names : sequence of str, optional
        Categories to use, in output order. Default: all, sorted.
    file_extension : str, optional
        Tried first for file names without extension; wav, flac, ogg and mp3 come after it.
    multi_label : bool
        Labels are tuples of class indices.
    use_garbage_class : bool
        Draw clips from the categories that `class_names` leaves out into a class `other`, which comes last.
    n_samples_per_garbage_class : int, optional
        Clips drawn from each such category; by default so many that `other` is about as large as the mean class.
    seed : int
        Seed of that draw.
    require_all : bool
        Whether a class without clips is an error (training) or only reported (a small test set).
    missing : list, optional
        Gets the names of clips whose file isn't there; by default that is an error.

    Returns
    -------
    ClipSet
        Clips in the order of the CSV, garbage clips after them.

    Raises
    ------
    UserError
        For a missing file, folder, column, clip or class, a name that leads out of `audio_path`, a bad fold, a clip
        that is listed twice.
    """
    audio_path, csv_path = native_path(audio_path), native_path(csv_path)
    rows = _read_csv(csv_path)
    _check_duplicates(rows, csv_path)
    categories = [_categories(row, csv_path, multi_label) for row in rows]
    return clips_of_rows(
        audio_path, csv_path, rows, categories, class_names, file_extension, multi_label, use_garbage_class,
        n_samples_per_garbage_class, seed, require_all, missing,
    )  # fmt: skip


def clips_of_rows(
    audio_path: Path,
    csv_path: Path,
    rows: Sequence["Row"],
    categories: Sequence[tuple[str, ...]],
    class_names: Sequence[str] | None = None,
    file_extension: str | None = None,
    multi_label: bool = False,
    use_garbage_class: bool = False,
    n_samples_per_garbage_class: int | None = None,
    seed: int = 0,
    require_all: bool = True,
    missing: list[str] | None = None,
) -> ClipSet:
    """Choose classes and find the files of rows that were read; see `read_clips`."""
    if not audio_path.is_dir():
        raise UserError(f"audio folder {audio_path} does not exist{near_file(audio_path)}")
    found = Counter(name for names in categories for name in names)
    names = _class_names(class_names, found, csv_path, use_garbage_class, require_all)
    index = {name: i for i, name in enumerate(names)}

    chosen: list[tuple[Row, tuple[int, ...]]] = []
    unused: dict[str, list[Row]] = {}
    for row, own in zip(rows, categories):
        labels = tuple(sorted(index[name] for name in own if name in index))
        if labels:
            chosen.append((row, labels))
        else:
            unused.setdefault(own[0], []).append(row)
    if use_garbage_class:
        if not unused and require_all:
            raise UserError(
                f"dataset.use_garbage_class is set, but every category of {csv_path} is in class_names; "
                "there must be others to draw the class 'other' from"
            )
        n_each = n_samples_per_garbage_class
        if n_each is None:
            n_each = max(1, round(len(chosen) / len(names) / max(1, len(unused))))
        rng = np.random.default_rng(seed)
        for category in sorted(unused):
            group = unused[category]
            drawn = sorted(rng.permutation(len(group))[:n_each])
            chosen += [(group[i], (len(names),)) for i in drawn]
        names = (*names, GARBAGE_CLASS)

    finder = _Finder(audio_path, csv_path, file_extension)
    clips = tuple(
        Clip(finder.find(row), row.name, labels if multi_label else labels[0], row.category, row.fold)
        for row, labels in chosen
    )
    if missing is None:
        finder.report()
    else:
        missing += [row.name for row in finder.missing]
    if not clips:
        raise UserError(f"{csv_path} lists no clip of the classes {listing(names)}")
    return ClipSet(clips, names)


def list_clips(path: str | os.PathLike) -> ClipSet:
    """List unlabelled sound files for prediction: one file, a folder with its subfolders, or a glob pattern.

    Raises
    ------
    UserError
        When nothing is found.
    """
    where = native_path(path)
    if where.is_dir():
        base = where
        files = sorted(f for f in where.rglob("*") if f.suffix.lower() in AUDIO_EXTENSIONS and f.is_file())
    elif where.is_file():
        base, files = where.parent, [where]
    else:
        files = sorted(Path(f) for f in glob.glob(str(where), recursive=True) if os.path.isfile(f))
        if not files and not glob.has_magic(str(where)):
            raise UserError(f"no such sound file or folder: {where}{near_file(where)}")
        base = Path(os.path.commonpath([f.parent for f in files])) if files else where.parent
    if not files:
        raise UserError(f"no sound file under {where}; expected {', '.join(AUDIO_EXTENSIONS)}")
    return ClipSet(tuple(Clip(f, f.relative_to(base).as_posix()) for f in files), ())


@dataclass(frozen=True)
class Row:
    line: int
    name: str
    category: str
    fold: int | None


def _read_csv(path: Path) -> list[Row]:
    if not path.is_file():
        raise UserError(f"CSV file {path} does not exist{near_file(path)}")
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            columns = [(c or "").strip() for c in reader.fieldnames or ()]
            reader.fieldnames = columns
            for wanted in ("filename", "category"):
                if wanted not in columns:
                    raise UserError(
                        f"{path} has no column '{wanted}'{nearest(wanted, columns)}; "
                        f"its first line gives: {', '.join(columns) or 'nothing'}"
                    )
            rows = [_row(path, reader.line_num, record) for record in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not a CSV file in UTF-8: {error}") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    if not rows:
        raise UserError(f"{path} has a header but no clips")
    return rows


def _row(path: Path, line: int, record: dict[str, str | None]) -> Row:
    name = (record["filename"] or "").strip().replace("\\", "/")
    category = (record["category"] or "").strip()
    for column, value in (("filename", name), ("category", category)):
        if not value:
            raise UserError(f"{path}, line {line}: empty '{column}'")
    if "\0" in name or PureWindowsPath(name).is_absolute() or name.startswith("/") or PureWindowsPath(name).drive:
        raise UserError(f"{path}, line {line}: filename {name!r} must be relative to the audio folder")
    clean = os.path.normpath(name).replace(os.sep, "/")
    if clean == ".." or clean.startswith("../"):
        raise UserError(f"{path}, line {line}: filename {name!r} leads out of the audio folder")
    text = (record.get("fold") or "").strip()
    try:
        fold = int(text) if text else None
    except ValueError:
        raise UserError(f"{path}, line {line}: fold {text!r} is not an integer") from None
    return Row(line, clean, category, fold)


def _check_duplicates(rows: list[Row], path: Path) -> None:
    seen: dict[str, Row] = {}
    for row in rows:
        first = seen.setdefault(row.name, row)
        if first is not row:
            raise UserError(
                f"{path} lists {row.name} twice, in lines {first.line} ('{first.category}') and {row.line} "
                f"('{row.category}'); a clip may stand there once"
            )


def _categories(row: Row, path: Path, multi_label: bool) -> tuple[str, ...]:
    if not multi_label:
        return (row.category,)
    names = tuple(part.strip(" '\"") for part in row.category.strip("[]() ").replace(";", ",").split(","))
    names = tuple(dict.fromkeys(name for name in names if name))
    if not names:
        raise UserError(f"{path}, line {row.line}: category {row.category!r} holds no class name")
    return names


def _class_names(
    wanted: Sequence[str] | None, found: Counter, path: Path, use_garbage_class: bool, require_all: bool
) -> tuple[str, ...]:
    if not wanted:
        names = tuple(sorted(found))
    else:
        names = tuple(str(name) for name in wanted)
        twice = [name for name, n in Counter(names).items() if n > 1]
        if twice:
            raise UserError(f"class_names holds {listing(twice)} more than once")
        # A model with a garbage class brings 'other' among its names.
        if use_garbage_class and names[-1] == GARBAGE_CLASS:
            names = names[:-1]
        for name in names:
            if not found[name]:
                message = (
                    f"class '{name}' has no clips in {path}{nearest(name, found)}; "
                    f"categories there: {listing(sorted(found))}"
                )
                if require_all:
                    raise UserError(message)
                log.warning(message)
    if use_garbage_class and GARBAGE_CLASS in names:
        raise UserError(
            f"class '{GARBAGE_CLASS}' stands in class_names and dataset.use_garbage_class adds another; "
            "rename the one or switch off the other"
        )
    return names


class _Finder:
    """Looks up clips in the audio folder and collects those that are missing, for one message."""

    def __init__(self, audio_path: Path, csv_path: Path, file_extension: str | None):
        self.audio_path, self.csv_path = audio_path, csv_path
        extension = (file_extension or "").strip().lstrip(".")
        self.endings = ("", *dict.fromkeys((f".{extension}", *AUDIO_EXTENSIONS) if extension else AUDIO_EXTENSIONS))
        self.missing: list[Row] = []

    def find(self, row: Row) -> Path:
        for ending in self.endings:
            path = self.audio_path / (row.name + ending)
            if path.is_file():
                return path
        self.missing.append(row)
        return self.audio_path / row.name

    def report(self) -> None:
        if not self.missing:
            return
        first = self.missing[0]
        more = f" ({len(self.missing)} clips are missing in all)" if len(self.missing) > 1 else ""
        tried = " or ".join(ending for ending in self.endings if ending)
        raise UserError(
            f"{self.csv_path}, line {first.line}: no file {first.name} in {self.audio_path}, nor with {tried} added"
            f"{near_file(self.audio_path / first.name)}{more}"
        )


def near_file(path: Path) -> str:
    """Hint at the file or folder whose name is closest; for a missing parent, the first missing one."""
    while not path.parent.is_dir() and path.parent != path:
        path = path.parent
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for _, entry in zip(range(CLOSE_NAMES), entries)]
    except OSError:
        return ""
    return nearest(path.name, sorted(names))
