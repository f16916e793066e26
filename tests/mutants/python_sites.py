"""Small changes of Python: by the syntax tree, outside of docstrings, annotations, messages and the log."""

import ast
from collections.abc import Iterator

from sites import SWAPS, changed_number

_SYMBOLS = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.Is: "is",
    ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in", ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/",
    ast.FloorDiv: "//", ast.Mod: "%", ast.LShift: "<<", ast.RShift: ">>", ast.BitAnd: "&", ast.BitOr: "|",
    ast.BitXor: "^", ast.And: "and", ast.Or: "or",
}  # fmt: skip
_ANNOTATIONS = ("annotation", "returns", "decorator_list", "type_params")


def find(code: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and the new text of every change."""
    return _Finder(code).walk(ast.parse(code))


class _Finder:
    def __init__(self, code: str):
        self._code = code
        self._lines = [0]
        for line in code.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def _at(self, line: int, column: int) -> int:
        """Place in the text; columns of the tree are bytes."""
        start = self._lines[line - 1]
        text = self._code[start : self._lines[line]]
        return start + len(text.encode()[:column].decode())

    def _span(self, node: ast.AST) -> tuple[int, int]:
        return self._at(node.lineno, node.col_offset), self._at(node.end_lineno, node.end_col_offset)

    def walk(self, node: ast.AST) -> Iterator[tuple[int, int, str]]:
        if isinstance(node, (ast.JoinedStr, ast.Import, ast.ImportFrom, ast.Raise)) or _is_silent(node):
            if isinstance(node, ast.Raise):
                yield (*self._span(node), self._blank(node))
            return
        yield from self._changes(node)
        for name, value in ast.iter_fields(node):
            if name in _ANNOTATIONS:
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from self.walk(child)

    def _blank(self, node: ast.AST) -> str:
        return "pass" + "\n" * (node.end_lineno - node.lineno)

    def _changes(self, node: ast.AST) -> Iterator[tuple[int, int, str]]:
        if isinstance(node, ast.Compare):
            for left, operator, right in zip([node.left, *node.comparators], node.ops, node.comparators):
                yield from self._between(left, right, _SYMBOLS[type(operator)])
        elif isinstance(node, ast.BinOp) and type(node.op) in _SYMBOLS:
            yield from self._between(node.left, node.right, _SYMBOLS[type(node.op)])
        elif isinstance(node, ast.BoolOp):
            for left, right in zip(node.values, node.values[1:]):
                yield from self._between(left, right, _SYMBOLS[type(node.op)])
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
            start, _ = self._span(node)
            yield start, self._span(node.operand)[0], ""
        elif isinstance(node, ast.Constant):
            start, end = self._span(node)
            if isinstance(node.value, bool):
                yield start, end, str(not node.value)
            elif isinstance(node.value, (int, float)):
                for new in changed_number(self._code[start:end].replace("_", "")):
                    yield start, end, new
        elif isinstance(node, ast.AugAssign):
            yield from self._between(node.target, node.value, _SYMBOLS.get(type(node.op), "") + "=")
        elif isinstance(node, (ast.If, ast.While, ast.IfExp)):
            yield from self._negated(node.test)
        elif isinstance(node, ast.comprehension):
            for test in node.ifs:
                yield from self._negated(test)
        elif isinstance(node, ast.Return) and node.value is not None:
            start, end = self._span(node.value)
            if self._code[start:end] != "None":
                yield start, end, "None" if "\n" not in self._code[start:end] else f"({self._breaks(start, end)}None)"
        elif isinstance(node, (ast.Break, ast.Continue)):
            yield (*self._span(node), "continue" if isinstance(node, ast.Break) else "break")
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield (*self._span(node), self._blank(node))

    def _negated(self, test: ast.AST) -> Iterator[tuple[int, int, str]]:
        """Unless a change of the test's one operator says the same."""
        reversible = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
        if isinstance(test, ast.UnaryOp) or (isinstance(test, ast.Compare) and isinstance(test.ops[0], reversible)):
            return
        start, end = self._span(test)
        yield start, end, f"not ({self._code[start:end]})"

    def _breaks(self, start: int, end: int) -> str:
        return "\n" * self._code.count("\n", start, end)

    def _between(self, left: ast.AST, right: ast.AST, symbol: str) -> Iterator[tuple[int, int, str]]:
        """The operator that stands between two operands, which may have brackets around them."""
        if symbol not in SWAPS:
            return
        start = self._span(left)[1]
        gap = self._code[start : self._span(right)[0]]
        at = gap.find(symbol)
        if at >= 0 and "#" not in gap:
            yield start + at, start + at + len(symbol), SWAPS[symbol]


def _is_silent(node: ast.AST) -> bool:
    """A docstring, a line of the log, or what only a type checker runs."""
    if isinstance(node, ast.Expr):
        call = node.value
        if isinstance(call, ast.Constant):
            return True
        return (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and isinstance(call.func.value, ast.Name)
            and call.func.value.id in ("log", "logging", "warnings")
        )
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
