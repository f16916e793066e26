"""What a model carries about itself: feature settings, class order, thresholds, provenance; JSON, checked field by field."""

import json
import math
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from pyaed.artefact.containers import read_json
from pyaed.artefact.versions import FORMAT_VERSION, migrate
from pyaed.dsp import FeatureSpec
from pyaed.dsp.identity import feature_hash, frontend_revision, same_bits
from pyaed.errors import UserError

MAX_CLASSES = 1024
MAX_NAME_BYTES = 100  # of UTF-8


@dataclass(frozen=True)
class ModelMetadata:
    """Everything that a later stage must know about an earlier one.

    Attributes
    ----------
    features : FeatureSpec
    preprocessing : dict
        The section ``preprocessing`` as plain values.
    class_names : tuple of str
        In the order of the model's outputs.
    multi_label : bool
        Sigmoid outputs, any number of which may be on.
    garbage_class : str or None
        The class that means "something else".
    unknown_class_threshold : float
        A best score below it means "unknown"; 0 switches it off.
    class_thresholds : tuple of float or None
        With several labels: what each class's score has to reach; None means 0.5.
    provenance : dict
        How the model came about: project, date, versions, data. Shown, never acted on.
    """

    features: FeatureSpec
    preprocessing: dict[str, Any]
    class_names: tuple[str, ...]
    multi_label: bool = False
    garbage_class: str | None = None
    unknown_class_threshold: float = 0.0
    provenance: dict[str, Any] = field(default_factory=dict)
    class_thresholds: tuple[float, ...] | None = None

    def to_json(self) -> str:
        """Return the JSON text: the fields, the hash of the features and the revision of the arithmetic behind them."""
        return json.dumps(
            {
                "format_version": FORMAT_VERSION,
                "features": self.features.to_dict(),
                "features_hash": feature_hash(self.features),
                "frontend_revision": frontend_revision(),
                "preprocessing": self.preprocessing,
                "class_names": list(self.class_names),
                "multi_label": self.multi_label,
                "garbage_class": self.garbage_class,
                "unknown_class_threshold": self.unknown_class_threshold,
                "provenance": self.provenance,
                **({} if self.class_thresholds is None else {"class_thresholds": list(self.class_thresholds)}),
            },
            indent=1,
            sort_keys=True,
            allow_nan=False,
        )

    @classmethod
    def from_json(cls, text: str, source: str = "model metadata") -> "ModelMetadata":
        """Read :meth:`to_json`'s text, or that of an older format.

        Raises
        ------
        UserError
            For anything wrong in it; the message begins with `source` and names the field.
        """
        tree = read_json(text, source, "pyaed metadata")
        if not isinstance(tree, dict):
            raise UserError(f"{source}: the pyaed metadata is a {type(tree).__name__}, expected an object")
        tree = migrate(tree, source)
        for key, (valid, expected) in FIELDS.items():
            value = tree.get(key, MISSING)
            if value is MISSING:
                raise UserError(f"{source}: pyaed metadata: '{key}' is missing, expected {expected}")
            if not valid(value):
                raise UserError(f"{source}: pyaed metadata: '{key}' is {_shown(value)}, expected {expected}")
        names = tuple(tree["class_names"])
        garbage, thresholds = tree["garbage_class"], tree.get("class_thresholds")
        if garbage is not None and garbage not in names:
            raise UserError(
                f"{source}: pyaed metadata: 'garbage_class' is {_shown(garbage)}, which is no class of the model"
            )
        if thresholds is not None and not (
            isinstance(thresholds, list) and len(thresholds) == len(names) and all(map(_share, thresholds))
        ):
            raise UserError(
                f"{source}: pyaed metadata: 'class_thresholds' must be one number from 0 to 1 for every class"
            )
        try:
            features = FeatureSpec.from_dict(tree["features"])
        except UserError as error:
            raise UserError(f"{source}: pyaed metadata: {error}") from None
        rate = tree["preprocessing"].get("target_rate", features.sample_rate)
        if rate != features.sample_rate:
            raise UserError(
                f"{source}: pyaed metadata: 'preprocessing' has the target_rate {rate}, 'features' the sample_rate "
                f"{features.sample_rate}"
            )
        _check_features(features, tree["features_hash"], tree["frontend_revision"], tree["provenance"], source)
        return cls(
            features=features,
            preprocessing=tree["preprocessing"],
            class_names=names,
            multi_label=tree["multi_label"],
            garbage_class=garbage,
            unknown_class_threshold=float(tree["unknown_class_threshold"]),
            provenance=tree["provenance"],
            class_thresholds=None if thresholds is None else tuple(float(t) for t in thresholds),
        )


def _check_features(
    features: FeatureSpec, carried: str, revision: int, provenance: dict[str, Any], source: str
) -> None:
    """Refuse a model whose features this build would not compute to the bit."""
    if not same_bits(revision, features):
        by = provenance.get("pyaed")
        raise UserError(
            f"{source}: it was made with revision {revision} of the front end, this pyaed computes revision "
            f"{frontend_revision()}, whose features have other bits: use the pyaed that made it"
            f"{f' ({_shown(by)})' if isinstance(by, str) else ''}, or train or quantize it again with this one "
            "(docs/compatibility.md)"
        )
    made = feature_hash(features, revision)
    if made != carried:
        raise UserError(
            f"{source}: its features have the hash {_shown(carried[:12])}..., this pyaed makes {made[:12]}... from the same "
            "settings: the tables differ, so the bits would"
        )


MISSING = object()


def _number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _share(value: object) -> bool:
    return _number(value) and 0 <= value <= 1


def _text(value: object) -> bool:
    """A name that a log, a CSV, a C literal and the link can carry."""
    if not isinstance(value, str) or not value:
        return False
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in value):
        return False
    return len(value.encode()) <= MAX_NAME_BYTES


def _names(value: object) -> bool:
    return (
        isinstance(value, list)
        and 1 <= len(value) <= MAX_CLASSES
        and all(map(_text, value))
        and len(set(value)) == len(value)
    )


def _plain(value: object) -> bool:
    return value is None or isinstance(value, bool) or _number(value) or _text(value)


#: Field -> its check, and what a message says was expected. `class_thresholds` is optional and checked against the classes.
FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "features": (lambda v: isinstance(v, dict), "the feature settings"),
    "features_hash": (lambda v: isinstance(v, str) and len(v) == 64, "64 hexadecimal digits"),
    "frontend_revision": (
        lambda v: isinstance(v, int) and not isinstance(v, bool) and 0 < v < 1 << 31,
        "a whole number above 0",
    ),
    "preprocessing": (
        lambda v: isinstance(v, dict) and len(v) <= 64 and all(_text(k) and _plain(x) for k, x in v.items()),
        "settings with plain values",
    ),
    "class_names": (
        _names,
        f"1 to {MAX_CLASSES} different names of at most {MAX_NAME_BYTES} bytes without control characters",
    ),
    "multi_label": (lambda v: isinstance(v, bool), "true or false"),
    "garbage_class": (lambda v: v is None or _text(v), "null or a class"),
    "unknown_class_threshold": (_share, "a number from 0 to 1"),
    "provenance": (lambda v: isinstance(v, dict), "an object"),
}


def _shown(value: object) -> str:
    """A value for a message: short, and without what a terminal would act on."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
