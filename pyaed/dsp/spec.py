"""The feature specification: every setting that decides about a bit of a feature."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pyaed.errors import UserError, nearest

WINDOWS = ("hann", "hamming", "blackman", "rectangular")
PadMode = Literal["constant", "reflect", "edge"]
PAD_MODES: tuple[PadMode, ...] = ("constant", "reflect", "edge")
NORMS = (None, "slaney")
FULL_SCALE, CLIP_MAXIMUM = "full_scale", "max"

#: Settings that came after 0.1.0 -> the value under which all is as it was without them. With that value they stand in
#: no dict and no hash, so that models of before stay what they are.
LATER: dict[str, Any] = {}
KINDS: dict[object, type[int] | type[float] | type[bool] | type[str]] = {int: int, float: float, bool: bool, str: str}


class FeatureSection(Protocol):
    """The section `feature_extraction`: it gives its keys, which are `FeatureSpec`'s."""

    def model_dump(self) -> dict[str, Any]: ...


class RateSection(Protocol):
    """The section `preprocessing`, of which the rate counts."""

    target_rate: int


@dataclass(frozen=True)
class FeatureSpec:
    """Settings of the log-mel front end, named as in the YAML section ``feature_extraction``.

    Attributes
    ----------
    sample_rate : int
        Hz, 8000 to 48000.
    n_fft : int
        Points of the FFT, a power of two from 64 to 4096.
    window_length, hop_length : int
        Samples. A window shorter than `n_fft` stands in the middle of it, as librosa puts it.
    window : {"hann", "hamming", "blackman", "rectangular"}
        Periodic windows.
    center : bool
        Frame i is centred on sample ``i * hop_length``; the clip is padded by ``n_fft / 2`` samples at both ends.
    pad_mode : {"constant", "reflect", "edge"}
        How `center` pads. A device knows no samples before the first, so only ``constant`` can be deployed.
    power : {1.0, 2.0}
        Exponent of the magnitude before the mel filters.
    n_mels : int
        Mel bands between `fmin` and `fmax` Hz.
    n_mfcc : int
        0: a frame is the `n_mels` log-mel values. Else the first `n_mfcc` coefficients of their orthonormal DCT-II.
    norm : {None, "slaney"}
        ``slaney`` divides each band's weights by its width.
    htk : bool
        Mel scale: HTK's formula, or Slaney's.
    to_db : bool
        False: ``ln(mel + 1e-4)``. True: decibels relative to `db_reference`, not below ``-top_db``.
    db_reference : "full_scale", "max" or float
        ``full_scale``: what a sine of amplitude 1 gives in the band with the heaviest weight. ``max``: the clip's own
        maximum, which exists on the host only. A number: that mel value.
    top_db : float
        Floor of the decibel scale, in dB below the reference.
    patch_length : int
        Frames of a patch.
    overlap : float
        Share of a patch that the next one repeats, 0 to below 1.
    include_last_patch : bool
        A last patch ends with the clip's last frame, where the regular ones leave frames over. Host only: a stream
        has no end.
    """

    sample_rate: int = 16000
    n_fft: int = 512
    window_length: int = 400
    hop_length: int = 160
    window: str = "hann"
    center: bool = False
    pad_mode: str = "constant"
    power: float = 1.0
    n_mels: int = 64
    fmin: float = 125.0
    fmax: float = 7500.0
    norm: str | None = None
    htk: bool = True
    to_db: bool = False
    db_reference: str | float = FULL_SCALE
    top_db: float = 80.0
    n_mfcc: int = 0
    patch_length: int = 96
    overlap: float = 0.25
    include_last_patch: bool = False

    def __post_init__(self) -> None:
        # 20 and 20.0 are the same setting, so they must give the same hash.
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int) and not isinstance(value, bool) and field.type in (float, "str | float"):
                object.__setattr__(self, field.name, float(value))
        for rule, key, expected in (
            (8000 <= self.sample_rate <= 48000, "sample_rate", "8000 to 48000 Hz"),
            (self.n_fft in [1 << b for b in range(6, 13)], "n_fft", "a power of two from 64 to 4096"),
            (1 <= self.window_length <= self.n_fft, "window_length", f"1 to n_fft ({self.n_fft}) samples"),
            (1 <= self.hop_length <= 65536, "hop_length", "1 to 65536 samples"),
            (self.pad_mode in PAD_MODES, "pad_mode", f"one of {', '.join(PAD_MODES)}"),
            (self.power in (1.0, 2.0), "power", "1.0 or 2.0"),
            (1 <= self.n_mels <= self.n_fft // 2 + 1, "n_mels", f"1 to {self.n_fft // 2 + 1} bands at this n_fft"),
            (0 <= self.n_mfcc <= self.n_mels, "n_mfcc", f"0 (log-mel) to n_mels ({self.n_mels}) coefficients"),
            (0 <= self.fmin < self.fmax, "fmin", f"at least 0 Hz and below fmax ({self.fmax})"),
            (self.fmax <= self.sample_rate / 2, "fmax", f"at most half the sample rate ({self.sample_rate / 2:g} Hz)"),
            (self.norm in NORMS, "norm", "None or slaney"),
            (0 < self.top_db <= 200, "top_db", "above 0 and at most 200 dB"),
            (1 <= self.patch_length <= 65536, "patch_length", "1 to 65536 frames"),
            (0 <= self.overlap < 1, "overlap", "0 to below 1"),
        ):
            if not rule:
                value = getattr(self, key)
                raise UserError(f"feature_extraction.{key}: {value!r} is not allowed, expected {expected}")
        if self.window not in WINDOWS:
            raise UserError(
                f"feature_extraction.window: {self.window!r} is not known, expected one of "
                f"{', '.join(WINDOWS)}{nearest(self.window, WINDOWS)}"
            )
        reference = self.db_reference
        number = isinstance(reference, (int, float)) and math.isfinite(reference) and reference > 0
        if not number and reference not in (FULL_SCALE, CLIP_MAXIMUM):
            raise UserError(
                f"feature_extraction.db_reference: {reference!r} is not allowed, expected full_scale, max or a positive "
                f"number{nearest(str(reference), (FULL_SCALE, CLIP_MAXIMUM))}"
            )

        if self.n_mfcc and self.to_db and reference == CLIP_MAXIMUM:
            raise UserError(
                "feature_extraction.db_reference: 'max' (the clip's own maximum) is not known when a frame's n_mfcc "
                "coefficients are computed; expected full_scale or a number"
            )

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "FeatureSpec":
        """Make a specification from :meth:`to_dict`'s result; an unknown or missing key is a `UserError`."""
        settings = {**LATER, **settings}
        names = [field.name for field in dataclasses.fields(cls)]
        for key in settings:
            if key not in names:
                raise UserError(f"feature specification: unknown setting '{key}'{nearest(key, names)}")
        for name in names:
            if name not in settings:
                raise UserError(f"feature specification: setting '{name}' is missing")
        values: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            value = settings[field.name]
            kind = KINDS.get(field.type)
            if kind in (int, float) and (isinstance(value, bool) or not isinstance(value, (int, float))):
                raise UserError(f"feature specification: {field.name}: {value!r} is not a number")
            if kind in (bool, str) and not isinstance(value, kind):
                raise UserError(f"feature specification: {field.name}: {value!r} is not a {kind.__name__}")
            values[field.name] = kind(value) if kind else value
        return cls(**values)

    @classmethod
    def from_sections(cls, feature_extraction: FeatureSection, preprocessing: RateSection) -> "FeatureSpec":
        """Make a specification from the configuration's sections `feature_extraction` and `preprocessing`."""
        return cls(sample_rate=preprocessing.target_rate, **feature_extraction.model_dump())

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values, in a fixed order; see `LATER`."""
        return {k: v for k, v in dataclasses.asdict(self).items() if k not in LATER or v != LATER[k]}

    @property
    def n_features(self) -> int:
        """Values of a frame: `n_mels` or `n_mfcc`."""
        return self.n_mfcc or self.n_mels

    @property
    def patch_hop(self) -> int:
        """Frames from one patch's start to the next: ``patch_length - floor(patch_length * overlap)``."""
        return self.patch_length - math.floor(self.patch_length * self.overlap)

    @property
    def patch_shape(self) -> tuple[int, int]:
        """``(n_features, patch_length)``."""
        return self.n_features, self.patch_length

    @property
    def window_offset(self) -> int:
        """Zeros of the FFT frame in front of the window."""
        return (self.n_fft - self.window_length) // 2

    @property
    def first_sample(self) -> int:
        """First sample under frame 0's window, relative to the stream's start; negative: zeros come first."""
        return self.window_offset - (self.n_fft // 2 if self.center else 0)

    def n_frames(self, n_samples: int) -> int:
        """Return the frames that a clip of `n_samples` gives, by librosa's rule."""
        padded = n_samples + (2 * (self.n_fft // 2) if self.center else 0)
        return max(0, 1 + (padded - self.n_fft) // self.hop_length)

    def n_stream_frames(self, n_samples: int) -> int:
        """Return the frames that a device has completed after `n_samples`: a frame waits for no more than its window."""
        return max(0, 1 + (n_samples - self.first_sample - self.window_length) // self.hop_length)

    def patch_starts(self, n_frames: int) -> list[int]:
        """Return the first frame of every patch of a clip of `n_frames`."""
        starts = list(range(0, n_frames - self.patch_length + 1, self.patch_hop))
        if self.include_last_patch and starts and starts[-1] + self.patch_length < n_frames:
            starts.append(n_frames - self.patch_length)
        return starts

    def n_patches(self, n_samples: int) -> int:
        """Return the patches that a clip of `n_samples` gives."""
        return len(self.patch_starts(self.n_frames(n_samples)))

    @property
    def min_samples(self) -> int:
        """Samples of the shortest clip that gives one patch."""
        frames = self.n_fft + (self.patch_length - 1) * self.hop_length
        return max(1, frames - (2 * (self.n_fft // 2) if self.center else 0))

    def check_deployable(self) -> None:
        """Raise `UserError` for a setting that no device can honour."""
        if self.to_db and self.db_reference == CLIP_MAXIMUM:
            raise UserError(
                "feature_extraction.db_reference: 'max' (the clip's own maximum) can't exist on a device, which hears no "
                "end of a clip; expected full_scale or a number"
            )
        if self.center and self.pad_mode != "constant":
            raise UserError(
                f"feature_extraction.pad_mode: '{self.pad_mode}' with center: True can't exist on a device, which has no "
                "samples before the first; expected constant, or center: False"
            )
