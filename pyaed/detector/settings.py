"""Settings of the detector as its C takes them; docs/detector.md says what each one does."""

import json
import math
import zlib
from dataclasses import dataclass, replace
from typing import Any

from pyaed.artefact import ModelMetadata
from pyaed.config.schema import Detector as DetectorSection
from pyaed.dsp import FeatureSpec
from pyaed.errors import UserError, nearest

MULTI_LABEL_THRESHOLD = 0.5
FULL_SCALE_SQUARE = 1 << 30  # of an int16 sample


@dataclass(frozen=True)
class DetectorSettings:
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
    def from_settings(cls, metadata: ModelMetadata, section: DetectorSection | None = None) -> "DetectorSettings":
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
