"""Time on the STM32U585 estimated from what an image executes. docs/benchmark.md explains the model.

time = FACTOR * (sum over instruction classes, taken branches and missed cache lines of count * clocks) / CLOCK_HZ
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyaed.measure.instruction_mix import Mix, Tracer, frame, inference
from pyaed.measure.published import PUBLISHED_MS

CLOCK_HZ = 160_000_000

#: Clocks of one instruction of each class on a Cortex-M33 without wait states: measured by others on another vendor's
#: chip with this core where such figures are public, else of the Cortex-M4.
CLOCKS = {
    "float divide, root": 14.0,
    "float multiply-add": 3.0,
    "float compare": 1.7,
    "float load": 1.1,
    "float store": 1.1,
    "float": 1.0,
    "load": 1.1,
    "store": 1.1,
    "divide": 12.0,
    "multiply": 1.0,
    "branch": 1.0,
    "other": 1.0,
    "narrow": -0.24,  # 16-bit ones may issue in pairs
    "extra words": 1.0,
    "taken branches": 1.7,
    "cache misses": 8.0,  # assumed: five clocks of a flash read with four wait states, three on the bus
}

#: Fitted to PUBLISHED_MS, and the range of the errors of networks left out of the fit; both are printed by
#: `python benchmarks/chip_estimate.py --fit`. ST's engines are not ours: the factor holds what the clocks above leave out,
#: and by how much our instructions differ from theirs.
FACTOR = 1.1378
ERRORS = (-0.27, 0.30)


@dataclass(frozen=True)
class Estimate:
    """Estimated times on the STM32U585 at 160 MHz.

    Attributes
    ----------
    frame_ms : float
        One hop of PCM through the front end.
    node_ms : tuple of float
        Each node of the model.
    errors : (float, float)
        How far the same estimate is from published measurements: lowest and highest relative error.
    """

    frame_ms: float
    node_ms: tuple[float, ...]
    errors: tuple[float, float] = ERRORS

    @property
    def inference_ms(self) -> float:
        return sum(self.node_ms)


def cycles(mix: Mix) -> float:
    """Return the clocks of the instructions, and of the lines that the instruction cache misses, before the fitted factor."""
    return float(sum(mix[name] * clocks for name, clocks in CLOCKS.items()))


def milliseconds(mix: Mix, factor: float | None = None) -> float:
    """Return the estimated time in ms at 160 MHz."""
    return (FACTOR if factor is None else factor) * cycles(mix) / CLOCK_HZ * 1e3


def fit(mixes: Mapping[str, Mix]) -> float:
    """Return the factor with the least squares of the relative errors on `PUBLISHED_MS`, given mixes by name there."""
    ratios = np.array([milliseconds(mix, 1.0) / PUBLISHED_MS[name] for name, mix in mixes.items()])
    return float(ratios.sum() / (ratios @ ratios))


def estimate(elf: str | Path, window_length: int, hop_length: int) -> Estimate:
    """Estimate the front end and the model of a firmware image.

    Parameters
    ----------
    elf : path
        For any of the boards: they run the same objects.
    window_length, hop_length : int
        Of the front end, samples.

    Raises
    ------
    UserError
        Without the package unicorn.
    """
    tracer = Tracer(elf)
    return Estimate(
        milliseconds(frame(tracer, window_length, hop_length)), tuple(milliseconds(node) for node in inference(tracer))
    )
