"""The one exception that a user sees, and the hint at what was probably meant."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can put right: the command ends with exit code 2 and this message, without a traceback.

    The message names the file, key or value, what was expected and the nearest valid alternative.
    """


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the choice closest to `name`, or ``""`` when none is close."""
    choices = [str(c) for c in choices]
    folded = {c.lower(): c for c in choices}
    match = difflib.get_close_matches(str(name).lower(), list(folded), n=1, cutoff=0.6)
    return f" (did you mean '{folded[match[0]]}'?)" if match else ""
