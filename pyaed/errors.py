"""The one exception that a user sees, and the hint at what was probably meant."""

import difflib
from collections.abc import Iterable

LONGEST = 400  # characters of a value or a path in a message


class UserError(Exception):
    """Something the user can put right: the command ends with exit code 2 and this message, without a traceback.

    The message names the file, key or value, what was expected and the nearest valid alternative.
    """


def brief(value: object) -> str:
    """Return a value as Python writes it, for messages: shortened where it is long, whatever it is."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print integers of more than 4300 digits
        return "a number of more than 4300 digits"
    except RecursionError:
        return "a value that is nested too deeply"
    return shorten(text)


def shorten(text: str, longest: int = LONGEST) -> str:
    """Return a text with its middle left out where it is longer than `longest`."""
    if len(text) <= longest:
        return text
    return f"{text[: longest // 2]}...{text[-longest // 4 :]} ({len(text)} characters)"


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the choice closest to `name`, or ``""`` when none is close."""
    if len(str(name)) > LONGEST:  # like nothing that is known, and slow to compare
        return ""
    choices = [str(c) for c in choices]
    folded = {c.lower(): c for c in choices}
    match = difflib.get_close_matches(str(name).lower(), list(folded), n=1, cutoff=0.6)
    return f" (did you mean '{folded[match[0]]}'?)" if match else ""
