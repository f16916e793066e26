"""Does the device compute the host's bits? The first difference is named: clip, frame and bin, or patch and node."""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from pyaed.errors import UserError
from pyaed.link.board import Board, Identity


@dataclass(frozen=True)
class Difference:
    """The first value that differs.

    Attributes
    ----------
    where : str
        Clip, frame and bin, or clip, patch and node.
    host, device : float or int
        The two values.
    host_bits, device_bits : str
        Their bit patterns, hexadecimal.
    count, total : int
        How many values of this frame block or output differ, of how many.
    """

    where: str
    host: float
    device: float
    host_bits: str
    device_bits: str
    count: int
    total: int

    def __str__(self) -> str:
        return (
            f"{self.where}: host {self.host!r} (0x{self.host_bits}), device {self.device!r} (0x{self.device_bits}); "
            f"{self.count:,} of {self.total:,} values differ"
        )


@dataclass
class VerifyReport:
    """What was compared, and the first difference if there is one."""

    board: str
    clips: int = 0
    frames: int = 0
    feature_values: int = 0
    patches: int = 0
    output_values: int = 0
    detections: int = 0
    difference: Difference | None = None
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.difference is None

    def __str__(self) -> str:
        seen = (
            f"{self.clips:,} clips, {self.frames:,} frames ({self.feature_values:,} values), {self.patches:,} patches "
            f"({self.output_values:,} outputs), {self.detections:,} detections"
        )
        if self.ok:
            return f"{self.board} and host agree in every bit: {seen}"
        return f"{self.board} and host DIFFER at {self.difference} (after {seen} that agree)"


def bits(array: np.ndarray) -> np.ndarray:
    """Return an array's bit patterns as unsigned integers of the same shape."""
    array = np.ascontiguousarray(array)
    return array.view(np.dtype(f"u{array.dtype.itemsize}"))


def place_of(*axes: str) -> Callable[[tuple[int, ...]], str]:
    """Return what names the place of an index: the words of each axis, each with its number."""
    return lambda index: ", ".join(f"{words} {i}" for words, i in zip(axes, index))


def first_difference(
    host: np.ndarray, device: np.ndarray, where: Callable[[tuple[int, ...]], str]
) -> Difference | None:
    """Compare two arrays bit by bit.

    Parameters
    ----------
    host, device : ndarray
        Of one dtype.
    where : callable
        Names the place of an index.

    Returns
    -------
    Difference or None
    """
    if host.shape != device.shape or host.dtype != device.dtype:
        raise UserError(
            f"{where((0,) * host.ndim)}: the host has {host.dtype} of {host.shape}, the device {device.dtype} of {device.shape}"
        )
    a, b = bits(host), bits(device)
    differs = a != b
    if not differs.any():
        return None
    index = tuple(int(i) for i in np.argwhere(differs)[0])
    digits = 2 * host.dtype.itemsize
    return Difference(
        where(index),
        host[index].item(),
        device[index].item(),
        f"{a[index]:0{digits}x}",
        f"{b[index]:0{digits}x}",
        int(differs.sum()),
        host.size,
    )


def check_identity(identity: Identity, model_hash: str, feature_hash: str, class_names: tuple[str, ...] | None) -> None:
    """Refuse a device that runs something else; class names are compared where they are known.

    Raises
    ------
    UserError
        Naming both values.
    """
    for what, device, host in (
        ("model", identity.model_hash, model_hash),
        ("feature specification", identity.feature_hash, feature_hash),
        ("class names", ", ".join(identity.class_names), ", ".join(class_names or identity.class_names)),
    ):
        if device != host:
            raise UserError(
                f"the board runs another {what} than the one given: {device} there, {host} here; deploy it first"
            )


def adversarial_clips(n_samples: int = 32000) -> list[tuple[str, npt.NDArray[np.int16]]]:
    """Return clips (name, int16 PCM) that reach the ends of the arithmetic: silence, full scale, impulses, noise."""
    t = np.arange(n_samples)
    noise = np.random.default_rng(1).integers(-32768, 32768, n_samples)
    impulses = np.where(t % 1777 == 0, 32767, 0)
    clips = {
        "silence": np.zeros(n_samples),
        "one step": (t > n_samples // 2) * 1,
        "lowest value": np.full(n_samples, -32768),
        "full-scale square": np.where(t // 20 % 2, 32767, -32768),
        "impulses": impulses,
        "full-scale noise": noise,
        "last-bit noise": noise % 3 - 1,
        "sweep": 32767 * np.sin(np.pi * t * t / (2 * n_samples)),
    }
    return [(f"<{name}>", values.astype(np.int16)) for name, values in clips.items()]


Layers = Callable[[np.ndarray], list[tuple[str, np.ndarray]]]


def verify(
    board: Board,
    clips: Iterable[tuple[str, npt.NDArray[np.int16]]],
    log_mel: Callable[[npt.NDArray[np.int16]], npt.NDArray[np.float32]],
    patches: Callable[[npt.NDArray[np.float32]], np.ndarray],
    run: Callable[[np.ndarray], np.ndarray],
    layers: Layers | None = None,
    detect_clips: int = 1,
) -> VerifyReport:
    """Compare features and inference of clips between host and device, bit for bit; stop at the first difference.

    Parameters
    ----------
    board : Board
    clips : iterable of (name, int16 PCM)
    log_mel : callable
        Host's PCM -> float32 (n_frames, n_mels).
    patches : callable
        Host's log-mel frames -> model inputs (n_patches, ...) in the model's own type.
    run : callable
        Host's model inputs -> raw outputs (n_patches, ...).
    layers : callable, optional
        Host's one model input -> list of (node name, output): names the first node that differs.
    detect_clips : int
        On so many clips the whole detector (streamed, quantized, decided on the device) is compared too.

    Returns
    -------
    VerifyReport
    """
    identity = board.identify()
    report = VerifyReport(identity.board)
    for name, pcm in clips:
        host = log_mel(pcm)
        report.difference = first_difference(
            host, board.features(pcm, len(host)), place_of(f"clip {name}, frame", "bin")
        )
        if report.difference:
            break
        inputs = patches(host)
        outputs = run(inputs)
        report.difference = _compare_patches(board, name, inputs, outputs, layers, report)
        if report.difference is None and report.clips < detect_clips:
            report.difference = _compare_detections(board, name, pcm, outputs, report)
        if report.difference:
            break
        report.clips += 1
        report.frames += len(host)
        report.feature_values += host.size
    report.dropped = {"host": board.counters.dropped, "device": board.device_dropped}
    return report


def _compare_patches(
    board: Board, name: str, inputs: np.ndarray, outputs: np.ndarray, layers: Layers | None, report: VerifyReport
) -> Difference | None:
    identity = board.identify()
    for number, (patch, host) in enumerate(zip(inputs, outputs)):
        device = board.infer(patch)
        place = f"clip {name}, patch {number}"
        difference = first_difference(host.ravel(), device.ravel(), place_of(f"{place}, output"))
        if difference:
            if layers is None:
                return difference
            digests = board.digests(patch)
            for node, ((layer, value), digest) in enumerate(zip(layers(patch), digests)):
                if zlib.crc32(np.ascontiguousarray(value).tobytes()) != digest:
                    where = f"{place}, first at node {node} ({layer}), output"
                    return replace(difference, where=f"{where} {difference.where.rsplit(' ', 1)[1]}")
            return difference
        report.patches += 1
        report.output_values += identity.output_size // identity.output_dtype.itemsize
    return None


def _compare_detections(
    board: Board, name: str, pcm: npt.NDArray[np.int16], outputs: np.ndarray, report: VerifyReport
) -> Difference | None:
    """The streamed detector against the host's outputs: as many patches as both have (a padded clip ends earlier there)."""
    identity = board.identify()
    outputs = outputs.reshape(len(outputs), -1)
    if identity.output_dtype != np.float32:
        scale, zero_point = identity.output_quantization
        outputs = np.float32(scale) * (outputs.astype(np.int32) - zero_point).astype(np.float32)
    for found in board.detect(pcm, limit=len(outputs)):
        where = place_of(f"clip {name}, detected patch {found.patch}, class")
        difference = first_difference(outputs[found.patch], found.probabilities, where)
        if difference:
            return difference
        report.detections += 1
    return None
