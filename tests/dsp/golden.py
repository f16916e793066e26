"""Golden vectors: digests of all log-mel frames, by specification and signal. Run it to see what changed and write them."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from specs import SPECS

sys.path[:0] = [str(Path(__file__).parents[1])]

from pyaed.dsp._dsp import lib  # noqa: E402
from support.signals import signals  # noqa: E402

from pyaed.dsp import FrontEnd  # noqa: E402

GOLDEN = Path(__file__).with_name("golden.json")


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def golden() -> dict:
    """Return the revision and the digests of this build."""
    digests = {
        name: {signal: digest(FrontEnd(spec).log_mel(pcm)) for signal, pcm in signals().items()}
        for name, spec in SPECS.items()
    }
    return {"revision": lib.AED_FRONTEND_REVISION, "digests": digests}


def main() -> None:
    new, old = golden(), json.loads(GOLDEN.read_text())
    changed = False
    for name, rows in new["digests"].items():
        for signal, value in rows.items():
            before = old["digests"].get(name, {}).get(signal)
            changed |= before not in (None, value)
            print(f"{name:14} {signal:11} {value} {'' if before == value else f'was {before}'}")
    if changed and new["revision"] == old["revision"]:
        sys.exit(
            f"Bits changed, but AED_FRONTEND_REVISION is still {old['revision']}: raise it first. Nothing was written."
        )
    GOLDEN.write_text(json.dumps(new, indent=1) + "\n")


if __name__ == "__main__":
    main()
