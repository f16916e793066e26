"""The detector behind the model: patches that follow each other become events, by the C that also runs in an image.

docs/detector.md says what each setting does.
"""

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pyaed.config.schema import Detector as DetectorSection
from pyaed.dsp import FeatureSpec, FrontEnd
from pyaed.dsp._dsp import ffi, lib
from pyaed.errors import UserError, nearest
from pyaed.metadata import ModelMetadata

MULTI_LABEL_THRESHOLD = 0.5
FULL_SCALE_SQUARE = 1 << 30  # of an int16 sample


@dataclass(frozen=True)
class Detector:
    """Settings of the detector as the C takes them.

    Attributes
    ----------
    features : FeatureSpec
        The model's, with the detector's own overlap, and no last patch: a stream has no end.
    class_names : tuple of str
        In the order of the model's outputs.
    multi_label : bool
        Any number of classes at once.
    garbage_class : int
        Index of the class that makes no events, -1 for none.
    unknown_threshold : float
        A patch whose best smoothed score is below it has no class; 0 is off.
    on, off : tuple of float
        For each class the smoothed score that begins it, and the one below which it ends.
    alpha : float
        Share of a new score in the smoothed one; 1 smoothes nothing.
    majority : int
        Patches that vote.
    min_patches : int
        Shorter events are dropped.
    gate : int
        Sum of squares of a hop's samples from which it is loud; 0 keeps the gate open.
    autostart : bool
        Whether an image listens to its microphone from the start on, until a host speaks to it.
    """

    features: FeatureSpec
    class_names: tuple[str, ...]
    multi_label: bool
    garbage_class: int
    unknown_threshold: float
    on: tuple[float, ...]
    off: tuple[float, ...]
    alpha: float
    majority: int
    min_patches: int
    gate: int
    autostart: bool

    @classmethod
    def from_settings(cls, metadata: ModelMetadata, section: DetectorSection | None = None) -> "Detector":
        """Resolve the section ``deployment.detector`` with what the model says about itself.

        Parameters
        ----------
        metadata : ModelMetadata
        section : DetectorSection, optional
            Default: nothing but defaults.

        Raises
        ------
        UserError
            For a threshold of a class that the model doesn't have.
        """
        section = section or DetectorSection()
        names = metadata.class_names
        for name in section.class_thresholds:
            if name not in names:
                raise UserError(
                    f"deployment.detector.class_thresholds: '{name}' is no class of the model; its classes are "
                    f"{', '.join(names)}{nearest(name, names)}"
                )
        if section.threshold is not None:
            on = [section.threshold] * len(names)
        elif metadata.multi_label:
            on = list(metadata.class_thresholds or [MULTI_LABEL_THRESHOLD] * len(names))
        else:
            on = [metadata.unknown_class_threshold] * len(names)
        on = [section.class_thresholds.get(name, value) for name, value in zip(names, on)]
        overlap = metadata.features.overlap if section.overlap is None else section.overlap
        features = replace(metadata.features, overlap=overlap, include_last_patch=False)
        hop = features.patch_hop * features.hop_length
        lacking = section.min_duration * features.sample_rate - patch_samples(features)
        level = section.silence_gate
        return cls(
            features=features,
            class_names=names,
            multi_label=metadata.multi_label,
            garbage_class=-1 if metadata.garbage_class is None else names.index(metadata.garbage_class),
            unknown_threshold=metadata.unknown_class_threshold if metadata.multi_label else 0.0,
            on=tuple(on),
            off=tuple(max(0.0, value - section.hysteresis) for value in on),
            alpha=section.alpha,
            majority=section.majority,
            min_patches=max(1, 1 + math.ceil(lacking / hop)),
            gate=0 if level is None else math.ceil(10 ** (level / 10) * FULL_SCALE_SQUARE * features.hop_length),
            autostart=section.autostart,
        )

    @property
    def crc(self) -> int:
        """CRC-32 over all that decides about an event, so that a host and an image can tell whether they agree."""
        names = (
            "multi_label",
            "garbage_class",
            "unknown_threshold",
            "on",
            "off",
            "alpha",
            "majority",
            "min_patches",
            "gate",
        )
        values = [self.features.patch_hop, *(getattr(self, name) for name in names)]
        return zlib.crc32(json.dumps(values).encode())

    def describe(self, found: Any) -> dict[str, Any]:
        """Return an ``aed_event`` as `class`, `onset` and `offset` in seconds, `score`."""
        rate, hop = self.features.sample_rate, self.features.patch_hop * self.features.hop_length
        return {
            "onset": round(found.first * hop / rate, 3),
            "offset": round(((found.first + found.n - 1) * hop + patch_samples(self.features)) / rate, 3),
            "class": self.class_names[found.class_index],
            "score": round(float(found.score), 6),
        }


def patch_samples(spec: FeatureSpec) -> int:
    """Return the samples that a patch covers."""
    return (spec.patch_length - 1) * spec.hop_length + spec.window_length


def _events_config(detector: Detector) -> tuple[Any, list]:
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
    detector : Detector
    """

    def __init__(self, detector: Detector):
        self._detector = detector
        self._config, self._keep = _events_config(detector)
        self._memory = ffi.new("uint32_t[]", -(-lib.aed_events_size(self._config) // 4))
        self._events = ffi.new("aed_events *")
        self._found, self._n = ffi.new("aed_event[]", len(detector.on)), ffi.new("uint32_t *")
        status = lib.aed_events_init(self._events, self._config, self._memory, ffi.sizeof(self._memory))
        if status != lib.AED_OK:
            raise RuntimeError(f"aed_events_init: status {status} for {detector}")  # the schema's ranges are stricter

    def push(self, scores: np.ndarray | None) -> list[dict[str, Any]]:
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
        """Index of the class that is heard now, -1 for none."""
        return lib.aed_events_decision(self._events)

    def _ended(self) -> list[dict[str, Any]]:
        found = (self._found[i] for i in range(self._n[0]))
        return [self._detector.describe(event) for event in found if event.ended]


def find_events(
    probabilities: np.ndarray, detector: Detector, judged: Sequence[bool] | None = None
) -> list[dict[str, Any]]:
    """Find the events of one recording.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n_judged, n_classes)
        Of the recording's patches in order.
    detector : Detector
    judged : sequence of bool, optional
        For every patch whether it was judged; the others are silent. Default: all were.

    Returns
    -------
    list of dict
        `onset` and `offset` in seconds from the recording's start, `class`, `score` (mean smoothed score of the event's
        patches), by onset.
    """
    finder, rows = EventFinder(detector), iter(np.asarray(probabilities, np.float32))
    judged = [True] * len(probabilities) if judged is None else judged
    events = [event for loud in judged for event in finder.push(next(rows) if loud else None)]
    return sorted(events + finder.finish(), key=lambda event: (event["onset"], event["class"]))


class StreamFrontEnd:
    """Makes the patches that a board has completed after a recording's samples; called as `FrontEnd` is.

    Parameters
    ----------
    detector : Detector

    Raises
    ------
    UserError
        For feature settings that no device can honour.
    """

    def __init__(self, detector: Detector):
        self.spec = detector.features
        self.spec.check_deployable()
        self._front_end = FrontEnd(self.spec)

    def __call__(self, pcm: np.ndarray) -> np.ndarray:
        """Return float32 (n_patches, n_features, patch_length) of int16 samples (n_samples,)."""
        pcm = np.ascontiguousarray(pcm, np.int16)
        return self._front_end.patches(self._front_end.compute(pcm, self.spec.n_stream_frames(len(pcm))))


def loud_patches(pcm: np.ndarray, n_patches: int, detector: Detector) -> tuple[np.ndarray, np.ndarray]:
    """Tell which patches of a recording the silence gate lets through.

    Parameters
    ----------
    pcm : ndarray of int16, shape (n_samples,)
    n_patches : int
    detector : Detector

    Returns
    -------
    judged : ndarray of bool, shape (n_patches,)
    level : ndarray of uint32, shape (n_patches,)
        Mean square of the loudest hop since the patch before.
    """
    spec = detector.features
    config = ffi.new("aed_gate_config *", gate_values(detector))
    gate = ffi.new("aed_gate *")
    lib.aed_gate_init(gate, config)
    pcm = np.ascontiguousarray(pcm, np.int16)
    judged, level, at = np.zeros(n_patches, bool), np.zeros(n_patches, np.uint32), 0
    for i in range(n_patches):
        # A patch is complete with the last sample of its last frame; zeros in front of the stream are no samples.
        end = max(at, spec.first_sample + i * spec.patch_hop * spec.hop_length + patch_samples(spec))
        part = pcm[at:end]
        lib.aed_gate_push(gate, ffi.from_buffer("int16_t[]", part), len(part))
        judged[i], level[i], at = lib.aed_gate_is_open(gate), lib.aed_gate_take_level(gate), end
    return judged, level


def gate_values(detector: Detector) -> dict[str, int]:
    """Return the fields of ``aed_gate_config`` by name."""
    spec = detector.features
    return {"threshold": detector.gate, "block": spec.hop_length, "span": patch_samples(spec)}


def memory_size(detector: Detector) -> int:
    """Return the bytes of RAM that an image keeps for the events of these settings."""
    return c_values(detector)["events_size"] + len(detector.on) * ffi.sizeof("aed_event")


def c_values(detector: Detector) -> dict[str, Any]:
    """Return what the template of ``aed_live_settings.c`` and ``.h`` needs."""
    config, _keep = _events_config(detector)
    return {
        "patch_hop": detector.features.patch_hop,
        "events_size": lib.aed_events_size(config),
        "autostart": int(detector.autostart),
        "crc": detector.crc,
        "names": [json.dumps(name, ensure_ascii=False) for name in detector.class_names],
        "on": detector.on,
        "off": detector.off,
        "multi_label": int(detector.multi_label),
        "garbage_class": detector.garbage_class,
        "unknown_threshold": detector.unknown_threshold,
        "alpha": detector.alpha,
        "majority": detector.majority,
        "min_patches": detector.min_patches,
        "gate": gate_values(detector),
    }
