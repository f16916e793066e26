"""Variables in values: ``${NAME}``, ``${oc.env:NAME,default}``, ``${now:%Y}`` and ``${section.key}``."""

import os
import re
import time
from typing import Any

from pyaed.errors import UserError, nearest, shorten

MAX_LENGTH = 10_000  # characters of one value
MAX_TOTAL = 1 << 20  # characters of all of a file

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")


class Variables:
    """What the variables of one configuration stand for.

    Parameters
    ----------
    tree : dict
        The configuration, for ``${section.key}``.
    """

    def __init__(self, tree: dict[str, Any]) -> None:
        self._tree = tree
        self._left = MAX_TOTAL

    def expand(self, text: str) -> str:
        """Return `text` with its variables replaced, the inner one first.

        Raises
        ------
        UserError
            A variable isn't set, or they stand for more text than `MAX_LENGTH` or, in all, `MAX_TOTAL`.
        """
        for _ in range(10):
            if "${" not in text:
                break
            expanded = self._once(text)
            if expanded == text:
                break
            text = expanded
        return text

    def _once(self, text: str) -> str:
        left = min(MAX_LENGTH, self._left)

        def value(match: re.Match[str]) -> str:
            nonlocal left
            found = self._value(match.group(1).strip(), text)
            left -= len(found)
            if left < 0:
                raise UserError(
                    f"{text[:40]}: its variables stand for more than {MAX_LENGTH} characters, or with all others for "
                    f"more than {MAX_TOTAL}"
                )
            return found

        expanded = _VARIABLE.sub(value, text)
        self._left = max(0, self._left - len(expanded))
        return expanded

    def _value(self, name: str, text: str) -> str:
        if name.startswith("now:"):
            try:
                return time.strftime(name[4:])
            except (ValueError, UnicodeError) as error:
                raise UserError(
                    f"${{{shorten(name)}}}: not a form of the time ({error}), expected such as %Y_%m_%d"
                ) from None
        name, comma, default = re.sub(r"^(oc\.)?env:", "", name).partition(",")
        if name in os.environ:
            return os.environ[name]
        node: Any = self._tree
        for key in name.split("."):
            node = node.get(key) if isinstance(node, dict) else None
        if isinstance(node, (str, int, float)) and str(node) != text:
            return str(node)
        if comma:
            return default.strip()
        raise UserError(f"${{{name}}}: the environment variable {name} is not set{nearest(name, os.environ)}")
