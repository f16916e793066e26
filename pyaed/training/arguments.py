"""Arguments of the configuration for Keras' classes and for schedules: each signature says what it takes."""

import inspect
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import pairwise
from typing import Any

from pyaed.errors import UserError, brief, nearest

# A default says the type of its argument. These don't: no default, None, or a number that happens to be whole.
_TEXTS = ("name", "schedule")
_LISTS_OF_TEXTS = ("exclude_layers",)
_LISTS_OF_NUMBERS = ("boundaries", "values")
_WHOLE = ("ema_overwrite_frequency", "gradient_accumulation_steps")
_NOT_WHOLE = ("adam_lr_ratio", "min_delta", "t_mul")

_SHARES = ("adam_beta_1", "adam_beta_2", "beta_1", "beta_2", "ema_momentum", "momentum", "rho")  # 0 to below 1
_LENGTHS = ("decay_steps", "first_decay_steps", "step_size", "t_mul")  # at least 1

#: What Keras 2 called otherwise.
_OF_KERAS_2 = {
    "lr": " (did you mean 'learning_rate'?)",
    "decay": " (Keras 3 has none; learning_rate: {InverseTimeDecay: {initial_learning_rate: ..., decay_steps: 1, "
    "decay_rate: ...}} is the same)",
}


def checked(key: str, function: Callable[..., object], arguments: object) -> dict[str, Any]:
    """Return the arguments that a configuration gives, with the types that a function's signature asks for.

    Parameters
    ----------
    key : str
        Where they stand, for messages: ``training.optimizer.Adam``.
    function : callable
        Takes them by name.
    arguments : mapping or None
        An empty value means the default and is left out. Text that is a number is one.

    Raises
    ------
    UserError
        For an unknown or missing argument, a wrong type, or a number out of its range.
    """
    if arguments is not None and not isinstance(arguments, Mapping):
        raise UserError(f"{key} is {brief(arguments)}, expected arguments with their values")
    given = {name: value for name, value in (arguments or {}).items() if value is not None}
    known = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and name != "self"
    }
    for name in given:
        if name not in known:
            hint = _OF_KERAS_2.get(name) or nearest(name, known)
            raise UserError(f"{key}: no argument '{name}'{hint}; there are {', '.join(known) or 'none'}")
    missing = [name for name, parameter in known.items() if parameter.default is parameter.empty and name not in given]
    if missing:
        raise UserError(f"{key}: the argument {', '.join(missing)} is missing")
    values = {name: _value(f"{key}.{name}", name, known[name].default, value) for name, value in given.items()}
    if "boundaries" in values:
        _check_steps(key, values["boundaries"], values["values"])
    return values


def _value(key: str, name: str, default: Any, value: Any) -> Any:
    if name in _TEXTS or isinstance(default, str):
        return _of(key, value, str, "text")
    if isinstance(default, bool):
        return _of(key, value, bool, "True or False")
    if name in _LISTS_OF_TEXTS:
        return [_of(key, item, str, "a list of texts") for item in _of(key, value, list, "a list of texts")]
    if name in _LISTS_OF_NUMBERS:
        if not isinstance(value, (list, tuple)) or not value:
            raise UserError(f"{key} is {brief(value)}, expected a list of numbers")
        numbers = [_in_range(key, name, None, item) for item in value]
        return (
            [float(item) for item in numbers] if name == "values" else numbers
        )  # Keras compares boundaries with counts
    result = _in_range(key, name, default, value)
    if name in _WHOLE or (type(default) is int and name not in _NOT_WHOLE):
        if not float(result).is_integer():
            raise UserError(f"{key} is {brief(value)}, expected a whole number")
        return int(result)
    return float(result)


def _of(key: str, value: Any, kind: type, expected: str) -> Any:
    if not isinstance(value, kind):
        raise UserError(f"{key} is {brief(value)}, expected {expected}")
    return value


def _in_range(key: str, name: str, default: Any, value: Any) -> int | float:
    """Return a number; one whose default isn't negative mustn't be so either."""
    result = number(key, value)
    if name in _SHARES:
        if not 0 <= result < 1:
            raise UserError(f"{key} is {brief(value)}, expected a number from 0 to below 1")
        return result
    least = 1 if name in _LENGTHS else 0
    negative = isinstance(default, (int, float)) and default < 0
    if result < least and not negative:
        raise UserError(f"{key} is {brief(value)}, expected {least} or more")
    return result


def _check_steps(key: str, boundaries: list[float], values: list[float]) -> None:
    if len(values) != len(boundaries) + 1 or any(b <= a for a, b in pairwise(boundaries)):
        raise UserError(
            f"{key}: {len(boundaries)} boundaries and {len(values)} values; "
            "expected rising boundaries and one value more than boundaries"
        )


def number(key: str, value: Any) -> int | float:
    """Return a number; YAML reads ``1e-7`` as text, so text that is a number counts."""
    result: int | float = math.nan
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        result = value
    elif isinstance(value, str):
        with suppress(ValueError):
            result = float(value)
    if not abs(result) <= 1e300:
        raise UserError(f"{key} is {brief(value)}, expected a number")
    return result
