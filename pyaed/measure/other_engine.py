"""How far another engine on the board is from ours on the host: features bit for bit, answers by how much."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pyaed.link.board import Board
from pyaed.measure.verify import Difference, first_difference, place_of


@dataclass
class DistanceReport:
    """What was compared.

    Attributes
    ----------
    board : str
    clips, frames, patches, values, equal : int
        `equal` of `values` outputs have the same bits.
    largest : float
        The largest difference of an output, in its own unit: a probability.
    largest_step : int or None
        The same in steps of an output that is quantized.
    changed : int
        Patches that are decided otherwise.
    difference : Difference or None
        The first of the features, which are computed by the same C: there should be none.
    """

    board: str
    clips: int = 0
    frames: int = 0
    patches: int = 0
    values: int = 0
    equal: int = 0
    largest: float = 0.0
    largest_step: int | None = None
    changed: int = 0
    difference: Difference | None = None

    @property
    def ok(self) -> bool:
        """Whether the features agree; how far the engines may be apart is for the user to say."""
        return self.difference is None

    def __str__(self) -> str:
        if self.difference is not None:
            return f"{self.board} and host DIFFER in the features at {self.difference}"
        steps = "" if self.largest_step is None else f" ({self.largest_step} steps)"
        return (
            f"{self.board} runs another engine than pyaed's: {self.clips:,} clips, {self.frames:,} frames of features agree in every "
            f"bit; of {self.values:,} outputs of {self.patches:,} patches {self.equal:,} are equal "
            f"({self.equal / max(1, self.values):.2%}), the largest difference is {self.largest:.3g}{steps}; {self.changed:,} "
            f"patches are decided otherwise. Outputs of layers are not known to the board"
        )


def compare(
    board: Board,
    clips: Iterable[tuple[str, npt.NDArray[np.int16]]],
    log_mel: Callable[[npt.NDArray[np.int16]], npt.NDArray[np.float32]],
    patches: Callable[[npt.NDArray[np.float32]], np.ndarray],
    run: Callable[[np.ndarray], np.ndarray],
    decide: Callable[[npt.NDArray[np.float32]], object],
) -> DistanceReport:
    """Compare features bit for bit, outputs and decisions by number.

    Parameters
    ----------
    board, clips, log_mel, patches, run
        As `pyaed.measure.verify.verify` takes them.
    decide : callable
        A patch's scores (n_classes,) to what is decided.
    """
    identity = board.identify()
    quantized = identity.output_dtype != np.float32
    report = DistanceReport(identity.board, largest_step=0 if quantized else None)
    scale, zero_point = identity.output_quantization if quantized else (1.0, 0)
    for name, pcm in clips:
        host = log_mel(pcm)
        report.difference = first_difference(
            host, board.features(pcm, len(host)), place_of(f"clip {name}, frame", "bin")
        )
        if report.difference:
            break
        inputs = patches(host)
        for patch, own in zip(inputs, run(inputs)):
            ours, theirs = own.ravel(), board.infer(patch).ravel()
            steps = np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max()
            report.patches += 1
            report.values += ours.size
            report.equal += int((ours == theirs).sum())
            report.largest = max(report.largest, float(steps * scale))
            if quantized:
                report.largest_step = max(report.largest_step or 0, int(steps))
            real = [
                (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale) for values in (ours, theirs)
            ]
            report.changed += decide(real[0]) != decide(real[1])
        report.clips += 1
        report.frames += len(host)
    return report
