"""Text for terminals and tables: names that came from outside are shown safely."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

# Control characters, marks that turn the direction of writing, line separators, bytes of names that are no UTF-8.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_FORMULA = ("=", "+", "-", "@")  # what makes a spreadsheet compute a cell


def printable(text: object, keep: str = "") -> str:
    """Return a text in which nothing can act on a terminal, forge a line or fail to be encoded.

    Parameters
    ----------
    text : object
        Taken as `str` does.
    keep : str
        Control characters that stay, for instance ``"\\n"`` in a text of several lines.

    Returns
    -------
    str
        With escapes such as ``\\x1b``; a byte of a file name that is no UTF-8 is shown as this byte, ``\\xe9``.
    """

    def escape(match: re.Match[str]) -> str:
        character = match[0]
        if character in keep:
            return character
        code = ord(character)
        return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else character.encode("unicode_escape").decode()

    return _UNSAFE.sub(escape, str(text))


def first_line(error: BaseException, longest: int = 200) -> str:
    """Return the first line of what an exception of somebody else's library says, printable; its type where it says nothing."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return printable(lines[0][:longest])


def show(text: object) -> None:
    """Print a text of one or several lines on standard output."""
    print(printable(text, keep="\n\t"), flush=True)


def csv_cell(value: object) -> object:
    """Return what stands for a value in a CSV file: a text without control characters that no spreadsheet computes."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def format_table(rows: Sequence[Mapping[str, Any]], formats: Mapping[str, str] | None = None) -> str:
    """Return rows as aligned columns with a heading; numbers stand right, None is a dash.

    Parameters
    ----------
    rows : sequence of mappings
        All with the same keys, which are the headings.
    formats : mapping, optional
        Format specification of a column, for instance ``{"share": ".1%"}``; integers have thousands separators.
    """
    if not rows:
        return ""
    formats = formats or {}
    columns = list(rows[0])

    def cell(column: str, value: object) -> str:
        if value is None:
            return "-"
        if column in formats:
            return format(value, formats[column])
        if isinstance(value, int) and not isinstance(value, bool):
            return f"{value:,}"
        return f"{value:.4g}" if isinstance(value, float) else printable(value)

    texts = {c: [cell(c, row[c]) for row in rows] for c in columns}
    right = {c: any(isinstance(row[c], (int, float)) for row in rows) for c in columns}
    width = {c: max(len(c), *(len(t) for t in texts[c])) for c in columns}
    lines = ["  ".join(f"{c:{'>' if right[c] else '<'}{width[c]}}" for c in columns)]
    for i in range(len(rows)):
        lines.append("  ".join(f"{texts[c][i]:{'>' if right[c] else '<'}{width[c]}}" for c in columns))
    return "\n".join(line.rstrip() for line in lines)
