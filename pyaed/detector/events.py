"""The C of the detector on the host: which patches of a recording are classified, and the events that their scores make."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pyaed.detector._detector import ffi, lib
from pyaed.detector.settings import DetectorSettings, patch_samples
from pyaed.dsp import FrontEnd


def events_config(detector: DetectorSettings) -> tuple[Any, list[Any]]:
    """The C configuration, and what has to live as long as it."""
    on, off = ffi.new("float[]", detector.on), ffi.new("float[]", detector.off)
    values = {
        "n_classes": len(detector.on),
        "multi_label": detector.multi_label,
        "garbage_class": detector.garbage_class,
        "unknown_threshold": detector.unknown_threshold,
        "on": on,
        "off": off,
        "alpha": detector.alpha,
        "majority": detector.majority,
        "min_patches": detector.min_patches,
    }
    return ffi.new("aed_events_config *", values), [on, off]


class EventFinder:
    """Takes the scores of one patch after the other, gives the events that end.

    Parameters
    ----------
    detector : DetectorSettings
    """

    def __init__(self, detector: DetectorSettings):
        self._detector = detector
        self._config, self._keep = events_config(detector)
        self._memory = ffi.new("uint32_t[]", -(-lib.aed_events_size(self._config) // 4))
        self._events = ffi.new("aed_events *")
        self._found, self._n = ffi.new("aed_event[]", len(detector.on)), ffi.new("uint32_t *")
        status = lib.aed_events_init(self._events, self._config, self._memory, ffi.sizeof(self._memory))
        if status != lib.AED_OK:
            raise RuntimeError(f"aed_events_init: status {status} for {detector}")  # the schema's ranges are stricter

    def push(self, scores: npt.NDArray[np.float32] | None) -> list[dict[str, Any]]:
        """Take the scores of the next patch, float32 (n_classes,), or None for silence; return the events that ended."""
        if scores is None:
            pointer = ffi.NULL
        else:
            pointer = ffi.from_buffer("float[]", np.ascontiguousarray(scores, np.float32))
            if len(pointer) != len(self._detector.on):
                raise ValueError(f"{len(pointer)} scores for {len(self._detector.on)} classes")
        lib.aed_events_push(self._events, pointer, self._found, self._n)
        return self._ended()

    def finish(self) -> list[dict[str, Any]]:
        """End the running events and return them; then everything is forgotten."""
        lib.aed_events_finish(self._events, self._found, self._n)
        return self._ended()

    @property
    def decision(self) -> int:
        """Index of the class that is detected now, -1 for none."""
        return int(lib.aed_events_decision(self._events))

    def _ended(self) -> list[dict[str, Any]]:
        found = (self._found[i] for i in range(self._n[0]))
        return [self._detector.describe(event) for event in found if event.ended]


def find_events(
    probabilities: npt.NDArray[np.float32],
    detector: DetectorSettings,
    classified: Sequence[bool] | npt.NDArray[np.bool_] | None = None,
) -> list[dict[str, Any]]:
    """Find the events of one recording.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n_classified, n_classes)
        Of the recording's patches in order.
    detector : DetectorSettings
    classified : sequence or array of bool, shape (n_patches,), optional
        For every patch whether it was classified; the others are silent. Default: all were.

    Returns
    -------
    list of dict
        `onset` and `offset` in seconds from the recording's start, `class`, `score` (mean smoothed score of the event's
        patches), by onset.
    """
    finder, rows = EventFinder(detector), iter(np.asarray(probabilities, np.float32))
    classified = [True] * len(probabilities) if classified is None else classified
    events = [event for loud in classified for event in finder.push(next(rows) if loud else None)]
    return sorted(events + finder.finish(), key=lambda event: (event["onset"], event["class"]))


class StreamFrontEnd:
    """Makes the patches that a board has completed after a recording's samples; called as `FrontEnd` is.

    Parameters
    ----------
    detector : DetectorSettings

    Raises
    ------
    UserError
        For feature settings that no device can honour.
    """

    def __init__(self, detector: DetectorSettings):
        self.spec = detector.features
        self.spec.check_deployable()
        self._front_end = FrontEnd(self.spec)

    def __call__(self, pcm: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
        """Return float32 (n_patches, n_features, patch_length) of int16 samples (n_samples,)."""
        pcm = np.ascontiguousarray(pcm, np.int16)
        return self._front_end.patches(self._front_end.compute(pcm, self.spec.n_stream_frames(len(pcm))))


def loud_patches(
    pcm: npt.NDArray[np.int16], n_patches: int, detector: DetectorSettings
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.uint32]]:
    """Tell which patches of a recording the silence gate lets through.

    Parameters
    ----------
    pcm : ndarray of int16, shape (n_samples,)
    n_patches : int
    detector : DetectorSettings

    Returns
    -------
    classified : ndarray of bool, shape (n_patches,)
    level : ndarray of uint32, shape (n_patches,)
        Mean square of the loudest hop since the patch before.
    """
    spec = detector.features
    config = ffi.new("aed_gate_config *", gate_values(detector))
    gate = ffi.new("aed_gate *")
    lib.aed_gate_init(gate, config)
    pcm = np.ascontiguousarray(pcm, np.int16)
    classified, level, at = np.zeros(n_patches, bool), np.zeros(n_patches, np.uint32), 0
    for i in range(n_patches):
        # A patch is complete with the last sample of its last frame; zeros in front of the stream are no samples.
        end = max(at, spec.first_sample + i * spec.patch_hop * spec.hop_length + patch_samples(spec))
        part = pcm[at:end]
        lib.aed_gate_push(gate, ffi.from_buffer("int16_t[]", part), len(part))
        classified[i], level[i], at = lib.aed_gate_is_open(gate), lib.aed_gate_take_level(gate), end
    return classified, level


def gate_values(detector: DetectorSettings) -> dict[str, int]:
    """Return the fields of ``aed_gate_config`` by name."""
    spec = detector.features
    return {"threshold": detector.gate, "block": spec.hop_length, "span": patch_samples(spec)}
