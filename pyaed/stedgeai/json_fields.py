"""Values out of JSON that others wrote: of the expected type and size, or one message that names the place."""

import json
import math
from collections.abc import Iterator
from typing import Any

from pyaed.errors import UserError, brief

MAX_ITEMS = 65536  # of one list
MAX_TEXT = 4096  # characters of one text
MAX_NUMBER = 2**53


def parse(text: str, where: str) -> "Fields":
    """Return the object that a JSON text holds.

    Raises
    ------
    UserError
        When it is no JSON, or no object.
    """
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        line = str(error).splitlines()[0] if isinstance(error, ValueError) else "nested too deeply"
        raise UserError(f"{where}: not the JSON that ST's tool writes ({line}); was its writing cut short?") from error
    if not isinstance(value, dict):
        raise UserError(f"{where}: expected a JSON object, found {brief(value)}")
    return Fields(value, where)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


class Fields:
    """A JSON object, and where it stands. Every method returns None for a key that is missing or null.

    Parameters
    ----------
    value : dict
    where : str
        For messages: the file, then the keys.
    """

    def __init__(self, value: dict[str, Any], where: str):
        self.value, self.where = value, where

    def wrong(self, key: str, expected: str) -> UserError:
        """Return the message for a value that is not as expected."""
        return UserError(f"{self.where}: {key}: {brief(self.value.get(key))}; expected {expected}")

    def has(self, key: str) -> bool:
        """Tell whether there is a value."""
        return self.value.get(key) is not None

    def count(self, key: str) -> int | None:
        """Return a whole number, 0 or more; a float that is whole counts."""
        value = self.number(key)
        if value is None:
            return None
        if value < 0 or value != int(value):
            raise self.wrong(key, "a whole number, 0 or more")
        return int(value)

    def number(self, key: str) -> float | None:
        """Return a finite number."""
        value = self.value.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < MAX_NUMBER:
            raise self.wrong(key, "a number")
        return value

    def text(self, key: str) -> str | None:
        """Return a text."""
        value = self.value.get(key)
        if value is not None and not (isinstance(value, str) and len(value) <= MAX_TEXT):
            raise self.wrong(key, f"a text of at most {MAX_TEXT} characters")
        return value

    def object(self, key: str) -> "Fields":
        """Return an object, an empty one where there is none."""
        value = self.value.get(key)
        if value is not None and not isinstance(value, dict):
            raise self.wrong(key, "an object")
        return Fields(value or {}, f"{self.where}: {key}")

    def list(self, key: str) -> list[Any]:
        """Return a list, an empty one where there is none."""
        value = self.value.get(key)
        if value is not None and not (isinstance(value, list) and len(value) <= MAX_ITEMS):
            raise self.wrong(key, f"a list of at most {MAX_ITEMS} items")
        return value or []

    def objects(self, key: str) -> Iterator["Fields"]:
        """Yield the objects of a list."""
        for i, value in enumerate(self.list(key)):
            if not isinstance(value, dict):
                raise self.wrong(key, "a list of objects")
            yield Fields(value, f"{self.where}: {key}[{i}]")

    def counts(self, key: str) -> tuple[int, ...]:
        """Return the whole numbers of a list."""
        items = Fields(dict(enumerate(self.list(key))), f"{self.where}: {key}")  # type: ignore[arg-type]
        return tuple(_there(items.count(i), items, i) for i in items.value)

    def numbers(self, key: str) -> tuple[float, ...]:
        """Return the numbers of a list."""
        items = Fields(dict(enumerate(self.list(key))), f"{self.where}: {key}")  # type: ignore[arg-type]
        return tuple(_there(items.number(i), items, i) for i in items.value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the texts of a list."""
        items = Fields(dict(enumerate(self.list(key))), f"{self.where}: {key}")  # type: ignore[arg-type]
        return tuple(_there(items.text(i), items, i) for i in items.value)


def _there(value: Any, items: Fields, key: Any) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        raise items.wrong(key, "no gap")
    return value
