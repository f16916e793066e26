"""Small changes of C: by tokens, outside of comments, strings, the preprocessor's lines and assembly."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from sites import SWAPS, changed_number

_TOKEN = re.compile(
    r"""
    (?P<skip>\s+|//[^\n]*|/\*.*?\*/|^[ \t]*\#(?:[^\n\\]|\\.)*)
  | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<number>0[xX][0-9a-fA-F]+[uUlL]*|(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?[fFlL]?|\d+[uUlL]*)
  | (?P<word>[A-Za-z_]\w*)
  | (?P<mark><<=|>>=|\+\+|--|->|\.\.\.|&&|\|\||[-+*/%&|^<>=!]=|<<|>>|.)
    """,
    re.X | re.S | re.M,
)
_TYPES = re.compile(
    r"\w+_t|void|char|int|float|double|long|short|unsigned|signed|struct|enum|union|const|aed_\w+|point"
)
_NO_STATEMENT = {"return", "break", "continue", "case", "default", "goto", "else", "do", "static", "typedef", "extern"}
_BLOCKED = {"__asm", "__asm__", "asm", "_Static_assert", "__attribute__", "_Alignas"}


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


def _tokens(code: str) -> list[_Token]:
    tokens = [_Token(m.lastgroup or "", m.group(), m.start(), m.end()) for m in _TOKEN.finditer(code)]
    return [t for t in tokens if t.kind != "skip"]


def _closing(tokens: list[_Token], at: int) -> int:
    """Index of the bracket that closes the one at `at`."""
    depth = 0
    for i in range(at, len(tokens)):
        depth += (tokens[i].text in "([{") - (tokens[i].text in ")]}") if tokens[i].kind == "mark" else 0
        if depth == 0:
            return i
    return len(tokens) - 1


def find(code: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and the new text of every change."""
    tokens = _tokens(code)
    blocked = 0  # index of the last token of assembly, an assertion or an attribute
    in_function = 0
    heads = {  # brackets that close the head of a statement
        _closing(tokens, i + 1) for i, token in enumerate(tokens[:-1]) if token.text in ("if", "for", "while", "switch")
    }
    depth = 0  # of round and square brackets
    for i, token in enumerate(tokens):
        if token.text in _BLOCKED:
            after = next((k for k in range(i, len(tokens)) if tokens[k].text == "("), i)
            blocked = max(blocked, _closing(tokens, after))
        if i <= blocked and i:
            continue
        before = tokens[i - 1] if i else _Token("", ";", 0, 0)
        depth += (token.text in ("(", "[")) - (token.text in (")", "]")) if token.kind == "mark" else 0
        if token.text == "{" and before.text == ")" and not in_function:
            in_function = _closing(tokens, i)
        elif i == in_function:
            in_function = 0
        if token.kind == "number":
            longer = in_function and _is_length(tokens, i)
            for new in changed_number(token.text)[longer:]:
                yield token.start, token.end, new
        elif not in_function:
            continue
        elif token.kind == "mark" and token.text in SWAPS:
            yield from _swap(token, before, tokens[i + 1])
        elif token.text == "!":
            yield token.start, token.end, ""
        elif token.text in ("if", "while") and tokens[i + 1].text == "(":
            last = tokens[_closing(tokens, i + 1)]
            inner = code[tokens[i + 1].end : last.start]
            if not inner.startswith("!") and not re.fullmatch(r"[^&|]*[!=]=[^&|]*", inner, re.S):
                yield tokens[i + 1].end, last.start, f"!({inner})"
        elif token.text == "return":
            yield from _other_result(code, tokens, i)
        if in_function and not depth and (before.text in (";", "{", "}", "else") or i - 1 in heads):
            yield from _deleted(code, tokens, i)


def _swap(token: _Token, before: _Token, after: _Token) -> Iterator[tuple[int, int, str]]:
    ends_value = before.kind in ("number", "word") or before.text in (")", "]")
    if before.text in ("return", "case"):
        ends_value = False
    is_type = token.text in "*&" and (_TYPES.fullmatch(before.text) or after.text in (")", ",", "*", "const"))
    if token.text in ("++", "--") or (ends_value and not is_type):
        yield token.start, token.end, SWAPS[token.text]
    elif token.text == "-":  # a sign
        yield token.start, token.end, ""


def _other_result(code: str, tokens: list[_Token], i: int) -> Iterator[tuple[int, int, str]]:
    end = next(k for k in range(i, len(tokens)) if tokens[k].text == ";")
    if end == i + 1:
        return
    start, stop = tokens[i + 1].start, tokens[end].start
    value = code[start:stop].strip()
    breaks = "\n" * value.count("\n")
    if value in ("AED_OK", "0", "NULL"):
        yield start, stop, {"AED_OK": "AED_ERR_ARGUMENT", "0": "1"}.get(value, value)
    else:
        yield start, stop, ("AED_OK" if value.startswith("AED_ERR") else "0") + breaks


def _deleted(code: str, tokens: list[_Token], i: int) -> Iterator[tuple[int, int, str]]:
    """A call, an assignment, break or continue, without which the rest still stands."""
    token = tokens[i]
    if token.text in ("break", "continue"):
        yield token.start, token.end, ""
        return
    is_star = token.text == "*" and tokens[i - 1].text != ")"
    if not is_star and (
        token.kind != "word" or token.text in _NO_STATEMENT or token.text in ("if", "for", "while", "switch")
    ):
        return
    if token.kind == "word" and (_is_declaration(tokens, i)):
        return
    depth = 0
    for k in range(i, len(tokens)):
        text = tokens[k].text if tokens[k].kind == "mark" else ""
        depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
        if depth < 0:
            return
        if depth == 0 and text == ":" and k == i + 1:
            return  # a label
        if depth == 0 and text == ";":
            breaks = "\n" * code.count("\n", token.start, tokens[k].start)
            yield token.start, tokens[k].start, breaks
            return


def _is_length(tokens: list[_Token], i: int) -> bool:
    """`type name[4]`: an automatic array, which a longer one would replace unnoticed."""
    before = [token.text for token in tokens[max(0, i - 3) : i]]
    return before[-1:] == ["["] and len(before) == 3 and bool(_TYPES.fullmatch(before[0]))


def _is_declaration(tokens: list[_Token], i: int) -> bool:
    """`type name`, `type *name`; a call or an assignment has another mark behind its first word."""
    if _TYPES.fullmatch(tokens[i].text) and tokens[i + 1].text not in ("(", "[", "=", ".", "->"):
        return True
    return tokens[i + 1].kind == "word"
