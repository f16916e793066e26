"""The ESC format: a folder of clips and a CSV with `filename`, `category` and, optionally, `fold`."""

import logging
import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyaed.data.budgets import MAX_CATEGORIES
from pyaed.data.clips import Clip, ClipSet, listing, near_file
from pyaed.data.finder import Finder, folded
from pyaed.data.table import Row, labels_in, read_rows
from pyaed.errors import UserError, nearest
from pyaed.files import native_path

log = logging.getLogger(__name__)

GARBAGE_CLASS = "other"


@dataclass(frozen=True)
class Selection:
    """Which clips of a table make a set, and what their labels are.

    Attributes
    ----------
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
    """

    class_names: Sequence[str] | None = None
    file_extension: str | None = None
    multi_label: bool = False
    use_garbage_class: bool = False
    n_samples_per_garbage_class: int | None = None
    seed: int = 0
    require_all: bool = True


EVERYTHING = Selection()


def read_clips(
    audio_path: str | os.PathLike[str],
    csv_path: str | os.PathLike[str],
    selection: Selection = EVERYTHING,
    missing: dict[str, str] | None = None,
) -> ClipSet:
    """Read a data set in ESC format.

    Parameters
    ----------
    audio_path : path
        Folder of the clips.
    csv_path : path
        CSV file with a header. `filename` is relative to `audio_path`, with or without extension; `category` is the
        class name (for `multi_label` a list such as ``dog,rain`` or ``['dog', 'rain']``); `fold`, if there, an integer.
        A name that is not there as it is written is looked for with another case, in the other Unicode form and without
        the folders that `audio_path` ends in. Names such as ``._x.wav`` are ignored.
    selection : Selection
    missing : dict, optional
        Gets the names of clips whose file isn't there, and what is known about it; by default that is an error.

    Returns
    -------
    ClipSet
        Clips in the order of the CSV, garbage clips after them.

    Raises
    ------
    UserError
        For a missing file, folder, column, clip or class, a name that leads out of `audio_path`, a bad fold, a clip
        that is listed twice, several labels without `multi_label`.
    """
    csv_path = native_path(csv_path)
    rows = read_rows(csv_path, selection.multi_label)
    return clips_of_rows(native_path(audio_path), csv_path, rows, selection, missing)


def clips_of_rows(
    audio_path: Path, csv_path: Path, rows: Sequence[Row], selection: Selection, missing: dict[str, str] | None = None
) -> ClipSet:
    """Choose classes and find the files of rows that were read; see `read_clips`."""
    if audio_path.is_file():
        raise UserError(f"audio folder {audio_path} is a file; expected the folder of the clips")
    if not audio_path.is_dir():
        raise UserError(f"audio folder {audio_path} does not exist{near_file(audio_path)}")
    found = Counter(name for row in rows for name in row.categories)
    if len(found) > MAX_CATEGORIES:
        raise UserError(
            f"{csv_path}: {len(found)} categories, expected at most {MAX_CATEGORIES}; is the column 'category' the right one?"
        )
    if not selection.multi_label:
        _check_several_labels(selection, rows, found, csv_path)
    _check_spellings(found, csv_path)
    names = _class_names(selection, found, csv_path)
    index = {name: i for i, name in enumerate(names)}
    chosen: list[tuple[Row, tuple[int, ...]]] = []
    unused: dict[str, list[Row]] = {}
    for row in rows:
        labels = tuple(sorted(index[name] for name in row.categories if name in index))
        if labels:
            chosen.append((row, labels))
        else:
            unused.setdefault(row.categories[0], []).append(row)
    if selection.use_garbage_class:
        chosen += _garbage(selection, csv_path, names, len(chosen), unused)
        names = (*names, GARBAGE_CLASS)
    elif unused:
        count = sum(len(group) for group in unused.values())
        log.info("note: %s: %d clips of other categories are left out: %s", csv_path, count, listing(sorted(unused)))

    finder = Finder(audio_path, selection.file_extension)
    clips = tuple(
        Clip(
            finder.find(row.name),
            row.name,
            labels if selection.multi_label else labels[0],
            row.category,
            row.fold,
            row.line,
        )
        for row, labels in chosen
    )
    _check_same_file(clips, csv_path)
    finder.say_assumed(csv_path)
    lost = finder.missing
    if missing is not None:
        missing.update(lost)
    elif lost:
        row = next(row for row, _ in chosen if row.name in lost)
        more = f" ({len(lost)} clips are missing in all)" if len(lost) > 1 else ""
        raise UserError(f"{csv_path}, line {row.line}: no file {row.name} in {audio_path}, {lost[row.name]}{more}")
    if not clips:
        raise UserError(f"{csv_path} lists no clip of the classes {listing(names)}")
    return ClipSet(clips, names)


def _garbage(
    selection: Selection, csv_path: Path, names: tuple[str, ...], n_chosen: int, unused: dict[str, list[Row]]
) -> list[tuple[Row, tuple[int, ...]]]:
    """Draw the clips of the class `other` from the categories that weren't chosen."""
    if not unused and selection.require_all:
        raise UserError(
            f"dataset.use_garbage_class is set, but every category of {csv_path} is in class_names; "
            "there must be others to draw the class 'other' from"
        )
    n_each = selection.n_samples_per_garbage_class
    if n_each is None:
        n_each = max(1, round(n_chosen / len(names) / max(1, len(unused))))
    elif small := [category for category in sorted(unused) if len(unused[category]) < n_each]:
        counts = listing(f"{category} {len(unused[category])}" for category in small)
        log.warning("dataset.n_samples_per_garbage_class is %d, but %s has fewer: %s", n_each, csv_path, counts)
    rng = np.random.default_rng(selection.seed)
    drawn: list[tuple[Row, tuple[int, ...]]] = []
    for category in sorted(unused):
        group = unused[category]
        drawn += [(group[i], (len(names),)) for i in sorted(rng.permutation(len(group))[:n_each])]
    return drawn


def _check_several_labels(selection: Selection, rows: Sequence[Row], found: Counter[str], path: Path) -> None:
    """Stop at categories that are lists, such as ``rain;dog``, or say that they are left out.

    A comma alone may belong to a name (AudioSet's "Child speech, kid speaking"), so there a part must be a category too.
    """
    wanted = {unicodedata.normalize("NFC", str(name)) for name in selection.class_names or ()}
    known = wanted | set(found)
    lists = []
    for row in rows:
        parts = labels_in(row.category)
        if row.category in wanted or len(parts) < 2:
            continue
        if ";" in row.category or row.category[0] in "[(" or not known.isdisjoint(parts):
            lists.append(row)
    if not lists:
        return
    first = lists[0]
    text = f"{path}, line {first.line}: category {first.category!r} of {first.name} looks like several labels"
    more = f" ({len(lists)} clips have such)" if len(lists) > 1 else ""
    if not wanted:
        raise UserError(
            f"{text}{more}; set dataset.multi_label=True, or name it in dataset.class_names where it is one class"
        )
    what = "drawn from as a category of the garbage class" if selection.use_garbage_class else "left out"
    log.warning("%s%s; without dataset.multi_label=True it is %s", text, more, what)


def _check_spellings(found: Counter[str], path: Path) -> None:
    """Warn of categories that differ in case only: they are two classes, or one of them is left out."""
    alike: dict[str, list[str]] = {}
    for name in sorted(found):
        alike.setdefault(folded(name), []).append(name)
    pairs = [
        " and ".join(f"{name} ({found[name]} clips)" for name in names) for names in alike.values() if len(names) > 1
    ]
    if pairs:
        log.warning("%s: categories that differ in case only are different ones: %s", path, listing(pairs))


def _check_same_file(clips: Sequence[Clip], path: Path) -> None:
    """Stop at two names of one file, such as ``a`` and ``a.wav``."""
    seen: dict[Path, Clip] = {}
    for clip in clips:
        first = seen.setdefault(clip.path, clip)
        if first is not clip:
            raise UserError(
                f"{path} lists {clip.path.name} twice, in lines {first.line} as {first.name} and {clip.line} as {clip.name}; "
                "a clip may stand there once"
            )


def _class_names(selection: Selection, found: Counter[str], path: Path) -> tuple[str, ...]:
    wanted, use_garbage_class = selection.class_names, selection.use_garbage_class
    if not wanted:
        names = tuple(sorted(found))
    else:
        names = tuple(unicodedata.normalize("NFC", str(name)) for name in wanted)
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
                if selection.require_all:
                    raise UserError(message)
                log.warning(message)
    if use_garbage_class and GARBAGE_CLASS in names:
        raise UserError(
            f"class '{GARBAGE_CLASS}' stands in class_names and dataset.use_garbage_class adds another; "
            "rename the one or switch off the other"
        )
    return names
