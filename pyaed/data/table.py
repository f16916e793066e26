"""Tables in ESC format: a CSV with `filename`, `category` and, optionally, `fold`."""

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from pyaed.data import csv_file
from pyaed.data.budgets import MAX_LABELS
from pyaed.data.clips import is_apple_double, note_apple_double
from pyaed.errors import UserError, brief, nearest


@dataclass(frozen=True)
class Row:
    """One line of a table: where it stands, the clip's name, its categories as written and one by one, its fold."""

    line: int
    name: str
    category: str
    categories: tuple[str, ...]
    fold: int | None


def has_columns(path: Path) -> bool:
    """Tell whether a file is a table in ESC format, by its header."""
    return csv_file.has_columns(path, ("filename", "category"))


def read_rows(path: Path, multi_label: bool = False) -> list[Row]:
    """Return the lines of a table in ESC format; see `read_clips` for what is an error."""
    columns, records = csv_file.read_csv(path)
    for wanted in ("filename", "category"):
        if wanted not in columns:
            _check_separator(path, columns)
            raise UserError(
                f"{path} has no column '{wanted}'{nearest(wanted, columns)}; "
                f"its first line gives: {', '.join(columns) or 'nothing'}"
            )
    for name in ("filename", "category", "fold"):
        if columns.count(name) > 1:
            raise UserError(f"{path} has {columns.count(name)} columns '{name}', one is expected")
    rows = [_row(path, line, record, multi_label) for line, record in records]
    sounds = [row for row in rows if not is_apple_double(row.name)]
    note_apple_double(path, len(rows) - len(sounds))
    if not sounds:
        raise UserError(f"{path} has a header but no clips")
    _check_duplicates(sounds, path)
    return sounds


def _check_separator(path: Path, columns: list[str]) -> None:
    """Name the separator of a table that is not separated by commas."""
    line = columns[0] if columns else ""
    given = line[4:5] if line.lower().startswith("sep=") else None
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")):
        if given == separator or {"filename", "category"} <= {part.strip() for part in line.split(separator)}:
            raise UserError(
                f"{path} has no column 'filename': its columns are separated by {name} ({separator!r}), expected commas (',')"
            )
    if given is not None:
        raise UserError(
            f"{path} has no column 'filename': its first line is {line!r}, expected the columns' names; take the line away"
        )


def _row(path: Path, line: int, record: csv_file.Record, multi_label: bool) -> Row:
    name = record["filename"].strip().replace("\\", "/")
    category = unicodedata.normalize("NFC", record["category"].strip())
    for column, value in (("filename", name), ("category", category)):
        if not value:
            raise UserError(f"{path}, line {line}: empty '{column}'")
    if "\0" in name or PureWindowsPath(name).is_absolute() or name.startswith("/") or PureWindowsPath(name).drive:
        raise UserError(f"{path}, line {line}: filename {name!r} must be relative to the audio folder")
    clean = os.path.normpath(name).replace(os.sep, "/")
    if clean == ".." or clean.startswith("../"):
        raise UserError(f"{path}, line {line}: filename {name!r} leads out of the audio folder")
    text = record.get("fold", "").strip()
    try:
        fold = int(re.sub(r"\.0*$", "", text)) if text else None  # pandas writes 1.0 where a fold was missing once
    except ValueError:
        raise UserError(f"{path}, line {line}: fold {brief(text)} is not an integer") from None
    if fold is not None and abs(fold) >= 1 << 31:
        raise UserError(f"{path}, line {line}: fold {brief(fold)} does not fit into 32 bits")
    categories = _categories(path, line, category) if multi_label else (category,)
    return Row(line, clean, category, categories, fold)


def _check_duplicates(rows: list[Row], path: Path) -> None:
    seen: dict[str, Row] = {}
    for row in rows:
        first = seen.setdefault(row.name, row)
        if first is not row:
            raise UserError(
                f"{path} lists {row.name} twice, in lines {first.line} ('{first.category}') and {row.line} "
                f"('{row.category}'); a clip may stand there once"
            )


def _categories(path: Path, line: int, category: str) -> tuple[str, ...]:
    names = labels_in(category)
    if not names:
        raise UserError(f"{path}, line {line}: category {category!r} holds no class name")
    if len(names) > MAX_LABELS:
        raise UserError(f"{path}, line {line}: {len(names)} labels of one clip, expected at most {MAX_LABELS}")
    return names


def labels_in(category: str) -> tuple[str, ...]:
    names = (part.strip(" '\"") for part in category.strip("[]() ").replace(";", ",").split(","))
    return tuple(dict.fromkeys(name for name in names if name))
