"""What a frame costs on the emulated Cortex-M33: instructions (not cycles, not time), and the RAM of a stream.

    python benchmarks/frontend_m33.py

The counts come from QEMU's instruction counter and are the same at every run.
"""

import sys
from pathlib import Path

import numpy as np

from pyaed.dsp import FeatureSpec

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support import m33

SPECS = {
    "YAMNet": FeatureSpec(),
    "MiniResNet": FeatureSpec(
        n_fft=1024, window_length=1024, hop_length=320, center=True, power=2.0, fmin=20, norm="slaney", htk=False,
        to_db=True, patch_length=50,
    ),
}  # fmt: skip


def main() -> None:
    print("instructions per frame, emulated Cortex-M33 (QEMU), -O2; RAM in bytes")
    print(
        f"{'':<12}{'frame':>9}{'window, FFT, magnitude':>25}{'mel, logarithm':>16}{'buffer':>9}{'int8 patch':>12}{'stream':>9}{'ring':>9}"
    )
    pcm = np.random.default_rng(0).integers(-32768, 32768, 6000).astype(np.int16)
    for name, spec in SPECS.items():
        run = m33.run(spec, pcm)
        buffer, stream = run.frame - run.spectrum - run.mel, run.stream_bytes - run.ring_bytes
        print(
            f"{name:<12}{run.frame:9,}{run.spectrum:25,}{run.mel:16,}{buffer:9,}{run.quantize:12,}{stream:9,}{run.ring_bytes:9,}"
        )


if __name__ == "__main__":
    main()
