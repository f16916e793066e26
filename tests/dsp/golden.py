"""Golden vectors: digests of all log-mel frames, by specification and signal. Run it to see what changed and write them."""

import hashlib
import json
from pathlib import Path

import numpy as np
from signals import signals
from specs import SPECS

from pyaed.dsp import FrontEnd

GOLDEN = Path(__file__).with_name("golden.json")


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def golden() -> dict[str, dict[str, str]]:
    """Return the digests of this build."""
    return {
        name: {signal: digest(FrontEnd(spec).log_mel(pcm)) for signal, pcm in signals().items()}
        for name, spec in SPECS.items()
    }


if __name__ == "__main__":
    new, old = golden(), json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    for name, rows in new.items():
        for signal, value in rows.items():
            before = old.get(name, {}).get(signal)
            print(f"{name:14} {signal:11} {value} {'' if before == value else f'was {before}'}")
    GOLDEN.write_text(json.dumps(new, indent=1) + "\n")
