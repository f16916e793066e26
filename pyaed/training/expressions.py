"""Evaluates the learning-rate formulas that users write as a lambda, without ever running them as Python."""

import ast
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass

from pyaed.errors import UserError, nearest

MAX_LENGTH = 2000
MAX_DEPTH = 100  # of nesting; what is called back from Keras has little of Python's stack left

FUNCTIONS: dict[str, Callable[..., float]] = {
    "abs": abs,
    "ceil": math.ceil,
    "cos": math.cos,
    "exp": math.exp,
    "floor": math.floor,
    "log": math.log,
    "max": max,
    "min": min,
    "sqrt": math.sqrt,
}
CONSTANTS = {"pi": math.pi, "e": math.e}

_BINARY: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: math.pow,
}
_UNARY: dict[type[ast.AST], Callable[[float], float]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}
_COMPARE: dict[type[ast.AST], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


@dataclass(frozen=True)
class Formula:
    """A lambda's arguments by name, and its body; called with the arguments by position, it returns a finite float."""

    names: tuple[str, ...]
    body: ast.expr
    key: str

    def __call__(self, *values: float) -> float:
        scope = dict(zip(self.names, map(float, values), strict=True))
        try:
            result = float(_value(self.body, {**CONSTANTS, **scope}))
        except (ArithmeticError, ValueError, TypeError) as error:
            raise UserError(f"{self.key}: the formula fails for {scope}: {error}") from error
        if not math.isfinite(result):
            raise UserError(f"{self.key}: the formula gives {result} for {scope}")
        return result


def compile_lambda(text: str, key: str = "schedule") -> Formula:
    """Turn the text of a lambda into a function of floats.

    The text is parsed, never executed: numbers, the lambda's own arguments, ``+ - * / // % **``, comparisons,
    ``and or not``, ``a if b else c``, the functions of `FUNCTIONS` and the names pi and e. Everything is computed in
    float, so that no formula can take long.

    Parameters
    ----------
    text : str
        Such as ``lambda epoch, lr: lr if epoch < 10 else lr * exp(-0.1)``; it may run over several lines.
    key : str
        The configuration key, for messages.

    Returns
    -------
    Formula
        Calling it raises UserError when it can't be computed.

    Raises
    ------
    UserError
        When the text holds anything else.
    """
    if not isinstance(text, str) or len(text) > MAX_LENGTH:
        raise UserError(f"{key}: expected the text of a lambda of at most {MAX_LENGTH} characters")
    try:
        tree = ast.parse(f"({text.strip()}\n)", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise UserError(f"{key}: {text!r} is not a formula ({error})") from error
    if not isinstance(tree, ast.Lambda):
        raise UserError(f"{key}: expected 'lambda epoch, lr: ...', found {text!r}")
    arguments = tree.args
    if arguments.vararg or arguments.kwarg or arguments.defaults or arguments.kwonlyargs or arguments.posonlyargs:
        raise UserError(f"{key}: the lambda may only have plain arguments, such as epoch, lr")
    names = tuple(argument.arg for argument in arguments.args)
    level: list[ast.AST] = [tree.body]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    if level:
        raise UserError(f"{key}: the formula is nested more than {MAX_DEPTH} levels deep")
    _check(tree.body, set(names), key)
    return Formula(names, tree.body, key)


def _check(node: ast.expr, names: set[str], key: str) -> None:
    """Refuse every construct that `_value` does not compute."""
    children: list[ast.expr]
    if isinstance(node, ast.Call):
        function = node.func
        if not isinstance(function, ast.Name) or function.id not in FUNCTIONS:
            name = ast.unparse(function)
            hint = nearest(name.rsplit(".", 1)[-1], FUNCTIONS)
            raise UserError(f"{key}: {name} can't be called here; functions: {', '.join(FUNCTIONS)}{hint}")
        if node.keywords or not node.args or any(isinstance(a, ast.Starred) for a in node.args):
            raise UserError(f"{key}: {function.id} takes plain arguments")
        children = node.args
    elif isinstance(node, ast.Name):
        if node.id not in names and node.id not in CONSTANTS:
            known = [*names, *CONSTANTS]
            raise UserError(f"{key}: {node.id} is unknown, expected {', '.join(known)}{nearest(node.id, known)}")
        children = []
    elif isinstance(node, ast.Constant):
        if not isinstance(node.value, (int, float)) or abs(node.value) > 1e300:
            raise UserError(f"{key}: {node.value!r} is not a number that can be used here")
        children = []
    elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        children = [node.left, node.right]
    elif isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        children = [node.operand]
    elif isinstance(node, ast.Compare) and all(type(op) in _COMPARE for op in node.ops):
        children = [node.left, *node.comparators]
    elif isinstance(node, ast.BoolOp):
        children = node.values
    elif isinstance(node, ast.IfExp):
        children = [node.test, node.body, node.orelse]
    else:
        raise UserError(f"{key}: '{ast.unparse(node)}' is not allowed in a formula")
    for child in children:
        _check(child, names, key)


def _value(node: ast.expr, scope: dict[str, float]) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return float(node.value)
    if isinstance(node, ast.Name):
        return scope[node.id]
    if isinstance(node, ast.BinOp):
        return _BINARY[type(node.op)](_value(node.left, scope), _value(node.right, scope))
    if isinstance(node, ast.UnaryOp):
        return float(_UNARY[type(node.op)](_value(node.operand, scope)))
    if isinstance(node, ast.IfExp):
        return _value(node.body if _value(node.test, scope) else node.orelse, scope)
    if isinstance(node, ast.BoolOp):
        for child in node.values:
            value = _value(child, scope)
            if bool(value) != isinstance(node.op, ast.And):
                break
        return value
    if isinstance(node, ast.Compare):
        left = _value(node.left, scope)
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            right = _value(comparator, scope)
            if not _COMPARE[type(op)](left, right):
                return 0.0
            left = right
        return 1.0
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return float(FUNCTIONS[node.func.id](*(_value(argument, scope) for argument in node.args)))
    raise TypeError(f"{ast.unparse(node)}: `_check` lets this pass")
