"""The evaluator of learning-rate formulas: right values, and never any execution."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyaed.errors import UserError
from pyaed.training.expressions import FUNCTIONS, compile_lambda


@pytest.mark.parametrize(
    ("text", "arguments", "expected"),
    [
        ("lambda epoch, lr: lr if epoch < 10 else lr * exp(-0.1)", (12, 0.5), 0.5 * math.exp(-0.1)),
        ("lambda epoch:\n   (0.0005*epoch + 0.00001) if epoch < 20\n   else (0.01 if epoch < 50\n else 1)", (60,), 1.0),
        ("lambda e: 0.5 * (1 + cos(pi * e / 10))", (5,), 0.5),
        ("lambda e: 0.1 ** (e // 3) + e % 2", (7,), 1.01),
        ("lambda e: 1 if 2 < e <= 4 and not e == 3 else 0", (4,), 1.0),
        ("lambda e: 1 if 2 < e <= 4 and not e == 3 else 0", (3,), 0.0),
        ("lambda e: e < 1 or e > 5", (9,), 1.0),
        ("lambda e: -min(e, 2, 5) + max(1, e) + floor(2.7) + abs(-1)", (3,), 4.0),
        ("lambda: 3", (), 3.0),
        ("  lambda e: sqrt(e) * log(e) # fine  ", (4,), 2 * math.log(4)),
    ],
)
def test_values(text, arguments, expected):
    assert compile_lambda(text)(*arguments) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "body",
    [
        "__import__('os').system('true')",
        "(1).__class__",
        "e.real",
        "e[0]",
        "[1, 2]",
        "{}",
        "'text'",
        "open('f')",
        "eval('1')",
        "math.exp(1)",
        "(lambda: 1)()",
        "(e := 1)",
        "[x for x in (1,)]",
        "exp(x=1)",
        "exp(*[1])",
        "exp()",
        "f'{e}'",
        "e @ e",
        "e & 1",
        "1 << 9",
        "1j",
        "None",
        "...",
        "exp",
        "unknown",
        "__builtins__",
        "e is 1",
        "await e",
        "10 ** 400",
        "9" * 400,
    ],
)
def test_refused(body):
    with pytest.raises(UserError, match="key"):
        compile_lambda(f"lambda e: {body}", "key")(2.0)


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "exp",
        "lambda",
        "",
        "lambda e=exp(1): e",
        "lambda *e: 1",
        "lambda **e: 1",
        "lambda e, /: e",
        "lambda e: e)+(1",
        "lambda e: (" * 90,
        "lambda e: " + "(" * 400 + "e" + ")" * 400,
        "lambda e: " + "-" * 1900 + "e",
        "lambda e: e" + " + 1" * 1000,
        None,
        0.1,
    ],
)
def test_not_a_formula(text):
    with pytest.raises(UserError):
        compile_lambda(text)(1.0)


@pytest.mark.parametrize("body", ["1 / e", "log(e)", "sqrt(e - 1)", "9.0 ** 9 ** 9", "(e - 1) ** 0.5", "1e200 * 1e200"])
def test_failing_arithmetic_is_a_user_error(body):
    with pytest.raises(UserError, match="formula"):
        compile_lambda(f"lambda e: {body}")(0.0)


ATOMS = st.one_of(st.floats(-100, 100).map(repr), st.integers(-9, 9).map(repr), st.sampled_from(["epoch", "lr", "pi"]))
FORMULAS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "<", ">=", "=="]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
        st.tuples(st.sampled_from(["exp", "sqrt", "cos", "floor", "abs"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"max({t[0]}, {t[1]})"),
    ),
    max_leaves=8,
)


@given(FORMULAS, st.integers(0, 300), st.floats(0, 1))
def test_equals_python(formula, epoch, lr):
    """On its own language the evaluator agrees with Python, or both fail."""
    names = {**FUNCTIONS, "pi": math.pi, "epoch": float(epoch), "lr": lr}
    try:
        expected = float(eval(formula, {"__builtins__": {}}, names))
    except (ArithmeticError, ValueError):
        expected = math.nan
    try:
        value = compile_lambda(f"lambda epoch, lr: {formula}")(epoch, lr)
    except UserError:
        assert not math.isfinite(expected)
        return
    assert value == pytest.approx(expected, rel=1e-9)


@given(st.text(alphabet="lambde:, epoch()[]{}.'\"0123456789+-*/%_<>=!\n\\@", max_size=60))
def test_any_text_is_a_value_or_a_user_error(text):
    for whole in (text, f"lambda e: {text}"):
        try:
            formula = compile_lambda(whole)
            assert math.isfinite(formula(*[1.0] * len(formula.names)))
        except UserError:
            pass
