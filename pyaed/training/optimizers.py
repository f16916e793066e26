"""Makes the optimizer that `training.optimizer` names: any of the installed Keras'."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pyaed.errors import UserError, brief, nearest
from pyaed.models.keras import import_keras
from pyaed.training.arguments import checked

DEFAULT = {"Adam": {"learning_rate": 0.001}}

#: Optimizers that stand around others.
_WRAPPERS = {
    "LossScaleOptimizer": "it is for training in 16-bit floats, pyaed trains in 32-bit ones",
    "MultiOptimizer": "it takes several optimizers, one for each group of weights; pyaed trains all weights with one",
}


def names() -> dict[str, Any]:
    """Return the installed Keras' optimizers by name."""
    space = import_keras().optimizers
    return _public(space, space.Optimizer, _WRAPPERS)


def schedule_names() -> dict[str, Any]:
    """Return the installed Keras' learning-rate schedules, which count batches, by name."""
    space = import_keras().optimizers.schedules
    return _public(space, space.LearningRateSchedule)


def _public(space: Any, base: type, without: Mapping[str, object] = {}) -> dict[str, Any]:
    found = {name: getattr(space, name) for name in sorted(vars(space))}
    return {
        name: kind
        for name, kind in found.items()
        if isinstance(kind, type) and issubclass(kind, base) and kind is not base and name not in without
    }


def make(spec: str | Mapping[str, Any] | None) -> Any:
    """Make the optimizer.

    Parameters
    ----------
    spec : mapping or str
        As in the YAML file: ``{Adam: {learning_rate: 0.001}}`` or ``Adam``; nothing means Adam with 0.001. The learning
        rate may be one of Keras' schedules: ``{CosineDecay: {initial_learning_rate: 0.001, decay_steps: 1000}}``.

    Returns
    -------
    keras.optimizers.Optimizer

    Raises
    ------
    UserError
        For an unknown optimizer, schedule or argument, or a value of the wrong type or range.
    """
    name, arguments = _named("training.optimizer", "optimizer", spec or DEFAULT)
    if name in _WRAPPERS:
        raise UserError(f"training.optimizer: {name}: {_WRAPPERS[name]}; expected the optimizer itself, such as Adam")
    kind = _known("training.optimizer", "optimizer", name, names())
    key = f"training.optimizer.{name}"
    rate = arguments.get("learning_rate") if isinstance(arguments, Mapping) else None
    more = {}
    if isinstance(rate, Mapping):
        arguments = {other: value for other, value in arguments.items() if other != "learning_rate"}
        more = {"learning_rate": _schedule(f"{key}.learning_rate", rate)}
    _try(key, _construct(key, kind, arguments, **more))
    return _construct(key, kind, arguments, **more)


def _try(key: str, optimizer: Any) -> None:
    """Do one step: Muon of Keras 3.12 can't on this backend, and a training is a late place to learn that."""
    keras = import_keras()
    weight = keras.Variable(np.ones((2, 2), np.float32))
    try:
        optimizer.build([weight])
        optimizer.apply([np.ones((2, 2), np.float32)], [weight])
    except Exception as error:
        raise UserError(
            f"{key}: Keras {keras.__version__} can't train with it here ({type(error).__name__}: {str(error)[:200]}); expected "
            "another optimizer, or another version of Keras"
        ) from error


def scheduled(optimizer: Any) -> bool:
    """Tell whether an optimizer's learning rate is one of Keras' schedules, so that nothing else can set it."""
    return isinstance(optimizer.get_config()["learning_rate"], Mapping)


def _schedule(key: str, spec: Mapping[str, Any]) -> Any:
    name, arguments = _named(key, "schedule", spec)
    schedule = _construct(f"{key}.{name}", _known(key, "schedule", name, schedule_names()), arguments)
    first = float(schedule(0))
    if not math.isfinite(first) or first < 0:
        raise UserError(f"{key}.{name}: the learning rate begins with {first:g}, expected 0 or more")
    return schedule


def _named(key: str, what: str, spec: Any) -> tuple[str, Any]:
    spec = {spec: None} if isinstance(spec, str) else spec
    if not isinstance(spec, Mapping) or len(spec) != 1:
        found = f"names {len(spec)} {what}s ({', '.join(map(str, spec))})" if spec else f"is {brief(spec)}"
        raise UserError(f"{key} {found}, expected one {what}")
    ((name, arguments),) = spec.items()
    return str(name), arguments


def _known(key: str, what: str, name: str, known: Mapping[str, Any]) -> Any:
    if name not in known:
        raise UserError(f"{key}: unknown {what} '{name}', expected one of {', '.join(known)}{nearest(name, known)}")
    return known[name]


def _construct(key: str, kind: Any, arguments: Any, **more: Any) -> Any:
    return build(key, kind, {**checked(key, kind.__init__, arguments), **more})


def build(key: str, kind: Any, arguments: Mapping[str, Any]) -> Any:
    """Call a class of Keras; what it objects to is a UserError."""
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f"{key}: {error}") from error


def swap_averages(model: Any) -> None:
    """Exchange a model's weights and the averages of them that its optimizer keeps (`use_ema`); without any, nothing."""
    if not model.optimizer.use_ema:
        return
    for weight, average in zip(model.trainable_variables, model.optimizer._model_variables_moving_average, strict=True):
        kept = average.numpy()
        average.assign(weight)
        weight.assign(kept)
