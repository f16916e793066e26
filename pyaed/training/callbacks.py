"""Makes the callbacks that `training.callbacks` names: the installed Keras' and the zoo's schedules of the learning rate."""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pyaed.errors import UserError, nearest
from pyaed.models.keras import import_keras
from pyaed.training import schedules
from pyaed.training.arguments import checked
from pyaed.training.expressions import compile_lambda
from pyaed.training.optimizers import build, scheduled

RateSchedule = Callable[[int, float], float]  # epoch from 0, rate so far -> rate

PLATEAU = "ReduceLROnPlateau"
FORMULA = "LearningRateScheduler"
AVERAGES = "SwapEMAWeights"
NO_NUMBER = "TerminateOnNaN"
RATE_CALLBACKS = (PLATEAU, FORMULA, *schedules.SCHEDULES)

#: What a training does without being asked, and can't be told to do another way.
BUILT_IN = {
    "BackupAndRestore": "every epoch ends with saved_models/last_model.keras, which training.resume_training_from goes on with",
    "CSVLogger": "every epoch is a line of logs/train_metrics.csv",
    "History": "the epochs' figures are in logs/train_metrics.csv",
    "ModelCheckpoint": "the best and the last epoch's model are saved_models/best_model.keras and last_model.keras",
    "OrbaxCheckpoint": "the best and the last epoch's model are saved_models/best_model.keras and last_model.keras",
    "ProgbarLogger": "a line shows how far the training is",
    "TensorBoard": "every epoch's figures are written for it (tensorboard --logdir logs)",
}
#: What a configuration can't ask for.
_REFUSED = {
    "LambdaCallback": "it takes Python functions, and a configuration holds no code; LearningRateScheduler takes a formula",
    "RemoteMonitor": "a training sends nothing over the network; mlflow.uri records a run, and logs/train_metrics.csv grows "
    "epoch by epoch",
}
_BASES = ("Callback", "CallbackList")


def names() -> list[str]:
    """Return the callbacks that a configuration may name: the installed Keras' and the zoo's."""
    space = import_keras().callbacks
    kinds = {name: getattr(space, name) for name in vars(space)}
    keras = [name for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, space.Callback)]
    return sorted({*keras, *schedules.SCHEDULES} - {*_BASES, *BUILT_IN, *_REFUSED})


def make(specs: Mapping[str, Any] | None, monitors: Collection[str], optimizer: Any) -> list[Any]:
    """Make the Keras callbacks.

    Parameters
    ----------
    specs : mapping
        Name -> arguments, as in the YAML file's `callbacks`.
    monitors : collection of str
        Names of the figures that an epoch has.
    optimizer : keras.optimizers.Optimizer
        Of the training; they have to go together.

    Returns
    -------
    list of keras.callbacks.Callback
        Without `AVERAGES` and `NO_NUMBER`, which the training does itself.

    Raises
    ------
    UserError
        For an unknown callback, one that pyaed has itself or that needs code, a wrong argument, an unknown figure to monitor,
        or two that both set the learning rate.
    """
    specs, made = dict(specs or {}), []
    for name in specs:
        _check_name(str(name))
    rate = ["training.optimizer's schedule"] if scheduled(optimizer) else []
    rate += [name for name in specs if name in RATE_CALLBACKS]
    if len(rate) > 1:
        raise UserError(f"training.callbacks: {' and '.join(rate)} both set the learning rate, keep one of them")
    for name, given in specs.items():
        schedule = rate_schedule({name: given})
        if schedule is not None:
            made.append(_scheduler(schedule))
            continue
        callback = _keras_callback(name, given, monitors)
        if name == AVERAGES and not optimizer.use_ema:
            raise UserError(
                f"training.callbacks.{name}: there are no averages to swap; expected use_ema: True in training.optimizer"
            )
        if name not in (AVERAGES, NO_NUMBER):
            made.append(callback)
    return made


def rate_schedule(specs: Mapping[str, Any] | None) -> RateSchedule | None:
    """Return the learning rate of an epoch by the first callback that knows it beforehand, None where there is none."""
    for name, given in (specs or {}).items():
        if name in schedules.SCHEDULES:
            return _of_epoch(schedules.make(name, given))
        if name == FORMULA:
            key = f"training.callbacks.{name}"
            return _formula(f"{key}.schedule", checked(key, _formula_arguments, given)["schedule"])
    return None


def monitored(specs: Mapping[str, Any] | None, monitors: Collection[str]) -> tuple[str, str]:
    """Return the figure that decides which epoch is the best, and "max" or "min"."""
    arguments = (specs or {}).get("EarlyStopping") or {}
    monitor = arguments.get("monitor") or ("val_accuracy" if "val_accuracy" in monitors else "loss")
    return monitor, _mode(monitor, arguments.get("mode"))


def _check_name(name: str) -> None:
    if name in BUILT_IN:
        raise UserError(
            f"training.callbacks.{name}: built in and can't be defined again, leave it out: {BUILT_IN[name]}"
        )
    if name in _REFUSED:
        raise UserError(f"training.callbacks.{name}: not possible here: {_REFUSED[name]}")
    known = names()
    if name not in known:
        hint = nearest(name, [*known, *BUILT_IN, *_REFUSED])
        raise UserError(f"training.callbacks: unknown callback '{name}', expected {', '.join(known)}{hint}")


def _keras_callback(name: str, given: Any, monitors: Collection[str]) -> Any:
    key, kind = f"training.callbacks.{name}", getattr(import_keras().callbacks, name)
    arguments = checked(key, kind.__init__, given)
    # The log has every epoch's rate; the best weights are kept by the training itself, so that the last model stays the last.
    for unused in ("verbose", "restore_best_weights"):
        arguments.pop(unused, None)
    if "monitor" in inspect.signature(kind.__init__).parameters:
        monitor = arguments.setdefault("monitor", "val_loss" if "val_loss" in monitors else "loss")
        if monitor not in monitors:
            raise UserError(
                f"{key}.monitor is '{monitor}', this training has {', '.join(monitors)}{nearest(monitor, monitors)}"
            )
        mode = arguments.get("mode")
        if mode not in (None, "auto", "min", "max"):
            raise UserError(f"{key}.mode is '{mode}', expected auto, min or max{nearest(mode, ('auto', 'min', 'max'))}")
        arguments["mode"] = _mode(monitor, mode)
    return build(key, kind, arguments)


def _mode(monitor: str, mode: str | None) -> str:
    if mode in (None, "auto"):
        return "max" if "accuracy" in monitor else "min"
    return mode


def _of_epoch(schedule: schedules.Schedule) -> RateSchedule:
    return lambda epoch, rate: schedule(epoch)


def _scheduler(schedule: RateSchedule) -> Any:
    keras = import_keras()

    def set_rate(epoch: int, logs: Mapping[str, float] | None = None) -> None:
        rate = callback.model.optimizer.learning_rate
        rate.assign(schedule(epoch, float(rate)))

    callback = keras.callbacks.LambdaCallback(on_epoch_begin=set_rate)
    return callback


def _formula_arguments(schedule: str, verbose: int = 0) -> None:
    """The arguments of Keras' LearningRateScheduler."""


def _formula(key: str, text: Any) -> RateSchedule:
    formula = compile_lambda(text, key)
    n_arguments = len(formula.names)
    if n_arguments not in (1, 2):
        raise UserError(f"{key}: expected 'lambda epoch, lr: ...' or 'lambda epoch: ...'")

    def schedule(epoch: int, rate: float) -> float:
        value = formula(*(epoch, rate)[:n_arguments])
        if value < 0:
            raise UserError(f"{key}: the formula gives the learning rate {value:g} in epoch {epoch}")
        return value

    return schedule
