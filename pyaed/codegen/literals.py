"""Values as C literals that read back to the same bits, whatever the compiler's character set or locale."""

import math
from collections.abc import Sequence
from typing import SupportsInt

import numpy as np

#: NumPy type -> C type of a table.
C_TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
    "float32": "float",
    "float64": "double",
}

_PLAIN = frozenset(range(32, 127)) - frozenset(b'"\\?')


def c_string(text: str) -> str:
    """Return a string literal of the text's UTF-8 bytes; what isn't plain ASCII is an octal escape."""
    return '"' + "".join(chr(b) if b in _PLAIN else f"\\{b:03o}" for b in text.encode()) + '"'


def c_comment(text: str) -> str:
    """Return text for the inside of a comment: one line of printable ASCII that can't end it."""
    safe = "".join(c if " " <= c <= "~" else "?" for c in text)
    return safe.replace("*/", "* /").replace("/*", "/ *").rstrip("\\")


def c_float(value: float) -> str:
    """Return a float32 as a hexadecimal literal.

    Raises
    ------
    ValueError
        For a value that isn't finite in float32.
    """
    single = float(np.float32(value))
    if not math.isfinite(single):
        raise ValueError(f"{value} has no float32 literal in C")
    return f"{single.hex()}F"


def c_number(value: SupportsInt | Sequence[SupportsInt] | None) -> str:
    """Return a field's value: a number, a list of numbers, or 0 for None; floats as float32."""
    if value is None:
        return "0"
    if isinstance(value, Sequence):
        return "{" + ", ".join(c_number(v) for v in value) + "}"
    if isinstance(value, float | np.floating):
        return c_float(float(value))
    # The most negative int32 has no literal of its own in C.
    return str(int(value)) if int(value) != -(1 << 31) else "INT32_MIN"


def c_initializer(values: np.ndarray, width: int = 112) -> list[str]:
    """Return the inside of a table's initializer as lines of at most `width` characters.

    Parameters
    ----------
    values : ndarray
        Of a type in `C_TYPES`; any shape, in C's order.
    """
    flat = values.ravel()
    if values.dtype == np.float64:
        words = [float(v).hex() for v in flat]
    elif values.dtype == np.float32:
        words = [c_float(v) for v in flat]
    else:
        suffix = "U" if values.dtype in (np.uint16, np.uint32) else ""
        words = [c_number(v) + suffix for v in flat.tolist()]
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) + 2 > width:
            lines.append(line.rstrip())
            line = ""
        line += word + ", "
    return [*lines, line.rstrip()]
