"""Augmentation of log-mel patches, drawn anew for each patch; TensorFlow graph operations on whole batches."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pyaed.errors import UserError, nearest
from pyaed.models.keras import import_tensorflow
from pyaed.training.arguments import number

LOG_FLOOR = 1e-4  # the front end's log(mel + 1e-4)

# Name -> arguments and their defaults.
AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "GaussianNoise": {"scale": 0.1},
    "VolumeAugment": {"min_scale": 0.8, "max_scale": 1.2},
    "SpecAug": {
        "freq_mask_param": 0,
        "time_mask_param": 0,
        "n_freq_mask": 1,
        "n_time_mask": 1,
        "mask_value": None,
    },
}


class Scale(Protocol):
    """What the values of patches mean: the part of `pyaed.dsp.FeatureSpec` that augmentation needs."""

    @property
    def to_db(self) -> bool: ...

    @property
    def top_db(self) -> float: ...

    @property
    def power(self) -> float: ...


def floor_value(features: Scale) -> float:
    """Return what the front end gives for silence: ``ln(1e-4)``, or the floor of the decibel scale."""
    return -float(features.top_db) if features.to_db else math.log(LOG_FLOOR)


def gain(x: Any, g: Any, features: Scale) -> Any:
    """Return the log-mel of the same sound `g` times as loud.

    ``ln(mel + 1e-4)`` becomes ``ln(g**power * mel + 1e-4)``; decibels rise by ``20 log10(g)`` and keep to the floor.

    Parameters
    ----------
    x : tensor, float32
        Log-mel values.
    g : tensor, float32
        Factor of the amplitude, broadcast to `x`.
    features : FeatureSpec
        `to_db`, `top_db` and `power` are used.
    """
    tf = import_tensorflow()
    floor = floor_value(features)
    if features.to_db:
        moved = tf.maximum(x + 20.0 / math.log(10.0) * tf.math.log(g), floor)
        return tf.where(x > floor, moved, x)  # what is silent stays silent at any gain
    mel = tf.maximum(tf.exp(x) - LOG_FLOOR, 0.0)
    return tf.math.log(g ** float(features.power) * mel + LOG_FLOOR)


def make(augmentation_cfg: object, features: Scale) -> Callable[[Any, Any], Any] | None:
    """Return the function that augments a batch, or None when nothing is enabled.

    Parameters
    ----------
    augmentation_cfg : object or mapping, optional
        The `data_augmentation` section: GaussianNoise (scale: standard deviation added to the log-mel values),
        VolumeAugment (min_scale, max_scale: the amplitude's factor, drawn evenly in decibels), SpecAug
        (freq_mask_param, time_mask_param, n_freq_mask, n_time_mask: width drawn from 0 to below the parameter, so 0 and
        1 mask nothing; masked is what silence gives). Each with `enable`.
    features : FeatureSpec

    Returns
    -------
    callable or None
        (x, seed) -> x, with x float32 (batch, n_mels, patch_length) and seed int (2,); a pure function of both.

    Raises
    ------
    UserError
        For an unknown augmentation or argument, or a value out of range.
    """
    steps = [
        (STEPS[name], settings)
        for name in AUGMENTATIONS  # volume before noise before masks, whatever the order in the file
        if (settings := _settings(augmentation_cfg, name)) is not None
    ]
    _refuse_unknown(augmentation_cfg)
    if not steps:
        return None
    tf = import_tensorflow()

    def augment(x: Any, seed: Any) -> Any:
        for (step, settings), own_seed in zip(steps, tf.unstack(tf.random.split(seed, len(steps)))):
            x = step(x, own_seed, features, settings)
        return x

    return augment


def _volume(x: Any, seed: Any, features: Scale, settings: Mapping[str, float]) -> Any:
    tf = import_tensorflow()
    low, high = (math.log(settings[key]) for key in ("min_scale", "max_scale"))
    g = tf.exp(tf.random.stateless_uniform([tf.shape(x)[0], 1, 1], seed, low, high))
    return gain(x, g, features)


def _noise(x: Any, seed: Any, features: Scale, settings: Mapping[str, float]) -> Any:
    tf = import_tensorflow()
    return x + tf.random.stateless_normal(tf.shape(x), seed, stddev=settings["scale"])


def _masks(x: Any, seed: Any, features: Scale, settings: Mapping[str, float]) -> Any:
    tf = import_tensorflow()
    masked = tf.zeros_like(x, dtype=tf.bool)
    seeds = tf.random.split(seed, 2)
    for axis, kind in ((1, "freq"), (2, "time")):
        width, n_masks = int(settings[f"{kind}_mask_param"]), int(settings[f"n_{kind}_mask"])
        if width < 2 or n_masks < 1:
            continue
        size = tf.shape(x)[axis]
        draws = tf.random.stateless_uniform([2, n_masks, tf.shape(x)[0], 1], seeds[axis - 1])
        widths = tf.minimum(tf.cast(tf.floor(draws[0] * width), tf.int32), size)
        starts = tf.cast(tf.floor(draws[1] * tf.cast(size - widths + 1, tf.float32)), tf.int32)
        position = tf.range(size)[tf.newaxis, tf.newaxis]
        hit = tf.reduce_any((position >= starts) & (position < starts + widths), axis=0)  # (batch, size)
        masked |= tf.expand_dims(hit, 3 - axis)
    return tf.where(masked, tf.constant(floor_value(features), tf.float32), x)


STEPS = {"VolumeAugment": _volume, "GaussianNoise": _noise, "SpecAug": _masks}
AUGMENTATIONS = {name: AUGMENTATIONS[name] for name in STEPS}


def _as_mapping(section: object) -> Mapping[str, Any]:
    if section is None:
        return {}
    if isinstance(section, Mapping):
        return section
    found: Mapping[str, Any] = section.model_dump() if hasattr(section, "model_dump") else vars(section)
    return found


def _refuse_unknown(cfg: object) -> None:
    for name, section in _as_mapping(cfg).items():
        if name not in AUGMENTATIONS and section is not None:
            raise UserError(
                f"data_augmentation.{name} is unknown, expected {', '.join(AUGMENTATIONS)}{nearest(name, AUGMENTATIONS)}"
            )


def _settings(cfg: object, name: str) -> dict[str, Any] | None:
    """Return the checked numbers of one augmentation, None when it is not enabled."""
    section = _as_mapping(cfg).get(name)
    if section is None:
        return None
    given = {key: value for key, value in _as_mapping(section).items() if value is not None}
    if given.pop("enable", True) is False:
        return None
    defaults = AUGMENTATIONS[name]
    for key in given:
        if key not in defaults:
            raise UserError(f"data_augmentation.{name}.{key} is unknown{nearest(key, defaults)}")
    given.pop("mask_value", None)  # masks take the value of silence; `pyaed.config.notes` says so
    prefix = f"data_augmentation.{name}"
    settings = {k: number(f"{prefix}.{k}", given.get(k, v)) for k, v in defaults.items() if k != "mask_value"}
    for key, value in settings.items():
        if value < 0:
            raise UserError(f"{prefix}.{key} is {value:g}, expected 0 or more")
    if name == "VolumeAugment" and not 0 < settings["min_scale"] <= settings["max_scale"]:
        raise UserError(
            f"{prefix}: min_scale is {settings['min_scale']:g} and max_scale {settings['max_scale']:g}, "
            "expected 0 < min_scale <= max_scale"
        )
    return settings
