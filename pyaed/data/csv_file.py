"""CSV files of others: read whole, within budgets."""

import codecs
import csv
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pyaed.data.budgets import MAX_CELL, MAX_COLUMNS, MAX_ROWS, MAX_TABLE_BYTES
from pyaed.data.clips import near_file
from pyaed.errors import UserError
from pyaed.files import read_bytes

Record = dict[str, str]


def read_csv(path: Path, columns: Sequence[str] | None = None) -> tuple[list[str], Iterator[tuple[int, Record]]]:
    """Read a CSV file in UTF-8.

    Parameters
    ----------
    path : Path
    columns : sequence of str, optional
        Names of the columns of a file without a header; by default its first line gives them.

    Returns
    -------
    (list of str, iterator of (int, dict))
        Names of the columns, and every record: the number of its last line, and its cells by column, those that are
        missing empty. Lines that are empty are left out.

    Raises
    ------
    UserError
        The file is missing, can't be read, is no CSV file in UTF-8, or is larger than `pyaed.data.budgets` allows; what is
        wrong in a line is raised when the iterator comes to it.
    """
    if not path.is_file():
        raise UserError(f"CSV file {path} does not exist{near_file(path)}")
    content = read_bytes(path, MAX_TABLE_BYTES, "CSV file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        hint = "; it is in UTF-16, save it in UTF-8" if utf16 else ""
        raise UserError(f"{path} is not a CSV file in UTF-8: {error}{hint}") from error
    lines = _lines(path, text)
    if columns is None:
        columns = [name.strip() for name in next(lines, (0, []))[1]]
    return list(columns), _records(columns, lines)


def _records(columns: Sequence[str], lines: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, Record]]:
    for number, cells in lines:
        if cells:
            yield number, dict.fromkeys(columns, "") | dict(zip(columns, cells))


def _lines(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Return the number and the cells of each line."""
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        for count, cells in enumerate(reader):
            where = f"{path}, line {reader.line_num}"
            if count > MAX_ROWS:
                raise UserError(f"{where}: a CSV file of more than {MAX_ROWS} lines is not read")
            if len(cells) > MAX_COLUMNS:
                raise UserError(f"{where}: {len(cells)} columns, expected at most {MAX_COLUMNS}")
            longest = max(map(len, cells), default=0)
            if longest > MAX_CELL:
                raise UserError(
                    f"{where}: a cell of {longest} characters, expected at most {MAX_CELL}; is a quotation mark open?"
                )
            yield reader.line_num, cells
    except csv.Error as error:
        raise UserError(f"{path} is not a CSV file in UTF-8: line {reader.line_num}: {error}") from error


def has_columns(path: str | os.PathLike[str], wanted: Sequence[str]) -> bool:
    """Tell whether the first line of a file names these columns, without reading more of it."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            start = file.read(MAX_COLUMNS * 100)
        columns = next(csv.reader(io.StringIO(start, newline=""), skipinitialspace=True), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return set(wanted) <= {column.strip() for column in columns}
