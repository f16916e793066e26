"""Where a file can be changed a little: what the mutators of both languages share."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

#: Operators that are put in each other's place, in C and in Python.
SWAPS = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==",
    "+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "<<": ">>", ">>": "<<", "&": "|", "|": "&", "^": "|",
    "+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "<<=": ">>=", ">>=": "<<=", "&=": "|=", "|=": "&=", "^=": "|=",
    "&&": "||", "||": "&&", "++": "--", "--": "++",
    "and": "or", "or": "and", "is": "is not", "is not": "is", "in": "not in", "not in": "in", "//": "*",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One small change of one file.

    Attributes
    ----------
    path : str
        Of the file, from the project's root.
    line : int
        Counted from 1.
    start, end : int
        Place in the file's text.
    old, new : str
        What stands there, and what the mutant has instead. Both have the same line breaks.
    """

    path: str
    line: int
    start: int
    end: int
    old: str
    new: str

    def apply(self, text: str) -> str:
        """Return the file's text with the change."""
        return text[: self.start] + self.new + text[self.end :]

    def key(self, text: str) -> str:
        """Return what names this mutant of this version of the file."""
        parts = (self.path, text, str(self.start), str(self.end), self.new)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {_short(self.old)} -> {_short(self.new)}"


def _short(text: str) -> str:
    words = " ".join(text.split())
    return f"`{words if len(words) <= 70 else words[:67] + '...'}`"


def find_mutants(root: Path, path: str) -> list[Mutant]:
    """Return all mutants of a C or Python file, by place."""
    import c_sites
    import python_sites

    text = (root / path).read_text(encoding="utf-8")
    find = python_sites.find if path.endswith(".py") else c_sites.find
    found = {
        Mutant(path, text.count("\n", 0, start) + 1, start, end, text[start:end], new)
        for start, end, new in find(text)
        if text[start:end] != new
    }
    return sorted(found, key=lambda m: (m.start, m.end, m.new))


def changed_number(text: str) -> list[str]:
    """Return a number of the source text, one more and one less; a number without a whole part, one more."""
    digits = text.lower().rstrip("uf" if not text.lower().startswith("0x") else "u").rstrip("l")
    suffix = text[len(digits) :]
    try:
        value = int(digits, 0) if not digits.startswith("0") or len(digits) == 1 or "x" in digits else int(digits, 8)
    except ValueError:
        return [f"{float(digits) + 1!r}{suffix}"]
    form = hex if "x" in digits else str
    return [form(value + 1) + suffix] + ([form(value - 1) + suffix] if value else [])
