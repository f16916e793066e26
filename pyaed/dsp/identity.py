"""What makes features comparable: the hash of a specification, and the revisions of the front end's arithmetic.

docs/compatibility.md has the rule.
"""

import functools
import hashlib
import json
from collections.abc import Callable

from pyaed.dsp._dsp import lib
from pyaed.dsp.spec import FeatureSpec
from pyaed.dsp.tables import make_tables

#: Revisions that were released before this one -> for which specifications today's arithmetic gives their bits.
EQUAL_REVISIONS: dict[int, Callable[[FeatureSpec], bool]] = {}

#: A build over CMSIS-DSP's FFT counts from here: its features differ in their last bits.
CMSIS = 1000


def frontend_revision() -> int:
    """Return the revision of the arithmetic that this build computes (``AED_FRONTEND_REVISION``)."""
    return int(lib.aed_frontend_revision())


def same_bits(revision: int, spec: FeatureSpec) -> bool:
    """Tell whether this build computes the bits that `revision` computed for a specification."""
    current = frontend_revision()
    if revision == current:
        return True
    if revision // CMSIS != current // CMSIS:
        return False
    equal = EQUAL_REVISIONS.get(revision % CMSIS)
    return equal is not None and equal(spec)


@functools.lru_cache(maxsize=256)
def feature_hash(spec: FeatureSpec, revision: int | None = None) -> str:
    """Return the hex SHA-256 over the settings, the revision of the arithmetic and the bytes of every table they lead to.

    Parameters
    ----------
    spec : FeatureSpec
    revision : int, optional
        Default: this build's.
    """
    settings = {**spec.to_dict(), "revision": frontend_revision() if revision is None else revision}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for table in make_tables(spec).arrays():
        digest.update(table.tobytes())
    return digest.hexdigest()
