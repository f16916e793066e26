"""Plain text tables for terminals."""

from collections.abc import Mapping, Sequence
from typing import Any


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
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    texts = {c: [cell(c, row[c]) for row in rows] for c in columns}
    right = {c: any(isinstance(row[c], (int, float)) for row in rows) for c in columns}
    width = {c: max(len(c), *(len(t) for t in texts[c])) for c in columns}
    lines = ["  ".join(f"{c:{'>' if right[c] else '<'}{width[c]}}" for c in columns)]
    for i in range(len(rows)):
        lines.append("  ".join(f"{texts[c][i]:{'>' if right[c] else '<'}{width[c]}}" for c in columns))
    return "\n".join(line.rstrip() for line in lines)
