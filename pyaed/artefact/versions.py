"""The formats that model metadata has had, and how an older one becomes today's. docs/compatibility.md has the rule.

1: pyaed 0.1. 2: `frontend_revision` beside `features_hash`, so that a newer front end can tell what a model was made with.
"""

from collections.abc import Callable
from typing import Any

from pyaed.errors import UserError

FORMAT_VERSION = 2


def _from_1(tree: dict[str, Any]) -> dict[str, Any]:
    # Only revision 3 of the front end was ever released with this format; over CMSIS-DSP's FFT it counted from 1000.
    return {**tree, "frontend_revision": _revision_of_1(tree)}


def _revision_of_1(tree: dict[str, Any]) -> int:
    from pyaed.dsp import FeatureSpec
    from pyaed.dsp.identity import CMSIS, feature_hash

    try:
        spec = FeatureSpec.from_dict(tree["features"])
    except (UserError, KeyError, TypeError, AttributeError):
        return 3  # the check of the fields says what is wrong
    return 3 + CMSIS if feature_hash(spec, 3 + CMSIS) == tree.get("features_hash") else 3


#: Version -> the step to the next one.
STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}


def migrate(tree: dict[str, Any], source: str) -> dict[str, Any]:
    """Return metadata of any format that was ever released in today's.

    Raises
    ------
    UserError
        When its `format_version` is none, or that of a newer pyaed.
    """
    version = tree.get("format_version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise UserError(
            f"{source}: pyaed metadata: 'format_version' is {ascii(version)[:60]}, expected 1 to {FORMAT_VERSION}"
        )
    if version > FORMAT_VERSION:
        raise UserError(
            f"{source}: pyaed metadata of version {version}, this pyaed reads versions up to {FORMAT_VERSION}: a newer pyaed "
            "made it; update pyaed"
        )
    while version < FORMAT_VERSION:
        tree, version = STEPS[version](tree), version + 1
    return tree
