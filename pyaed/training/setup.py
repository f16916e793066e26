"""Makes the optimizer and the callbacks that the `training` section names."""

import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from pyaed.errors import UserError, nearest
from pyaed.models.keras import import_keras
from pyaed.training import schedules
from pyaed.training.expressions import compile_lambda

OPTIMIZERS = ("Adam", "AdamW", "Adamax", "Adadelta", "Adagrad", "Ftrl", "Lion", "Nadam", "RMSprop", "SGD")
DEFAULT_OPTIMIZER = {"Adam": {"learning_rate": 0.001}}
KERAS_CALLBACKS = ("EarlyStopping", "ReduceLROnPlateau")
CALLBACKS = (*KERAS_CALLBACKS, "LearningRateScheduler", *schedules.SCHEDULES, "TensorBoard")
RATE_CALLBACKS = ("ReduceLROnPlateau", "LearningRateScheduler", *schedules.SCHEDULES)

# Arguments that are text or a switch; everything else that an optimizer or callback takes is a number.
_NOT_NUMBERS = ("monitor", "mode", "restore_best_weights", "nesterov", "centered", "amsgrad", "use_ema")

log = logging.getLogger(__name__)


def optimizer(spec: str | Mapping[str, Any] | None) -> Any:
    """Make the optimizer.

    Parameters
    ----------
    spec : mapping or str
        As in the YAML file: ``{Adam: {learning_rate: 0.001}}`` or ``Adam``; nothing means Adam with 0.001.

    Raises
    ------
    UserError
        For an unknown optimizer or argument.
    """
    spec = spec or DEFAULT_OPTIMIZER
    spec = {spec: None} if isinstance(spec, str) else dict(spec)
    if len(spec) != 1:
        raise UserError(f"training.optimizer names {len(spec)} optimizers ({', '.join(spec)}), expected one")
    ((name, arguments),) = spec.items()
    folded = {known.lower(): known for known in OPTIMIZERS}
    if str(name).lower() not in folded:
        raise UserError(
            f"training.optimizer: unknown optimizer '{name}', expected one of {', '.join(OPTIMIZERS)}"
            f"{nearest(name, OPTIMIZERS)}"
        )
    name = folded[name.lower()]
    return _construct(f"training.optimizer.{name}", getattr(import_keras().optimizers, name), arguments)


def callbacks(specs: Mapping[str, Any] | None, monitors: Collection[str], logs_dir: Path) -> list[Any]:
    """Make the Keras callbacks.

    Parameters
    ----------
    specs : mapping
        Name -> arguments, as in the YAML file's `callbacks`.
    monitors : collection of str
        Names of the figures that an epoch has.
    logs_dir : Path
        For TensorBoard.

    Raises
    ------
    UserError
        For an unknown callback, argument or figure to monitor, or two callbacks that both set the learning rate.
    """
    keras = import_keras()
    specs = dict(specs or {})
    rate = [name for name in specs if name in RATE_CALLBACKS]
    if len(rate) > 1:
        raise UserError(f"training.callbacks: {' and '.join(rate)} both set the learning rate, keep one of them")
    made = []
    for name, arguments in specs.items():
        key = f"training.callbacks.{name}"
        arguments = dict(arguments or {})
        if name in schedules.SCHEDULES:
            made.append(_scheduler(_of_epoch(schedules.make(name, arguments))))
        elif name == "LearningRateScheduler":
            arguments.pop("verbose", None)
            schedules.check_arguments(key, lambda schedule: None, arguments)
            made.append(_scheduler(_formula(f"{key}.schedule", arguments["schedule"])))
        elif name in KERAS_CALLBACKS:
            made.append(_keras_callback(key, getattr(keras.callbacks, name), arguments, monitors))
        elif name == "TensorBoard":
            made.extend(_tensorboard(logs_dir))
        else:
            raise UserError(
                f"training.callbacks: unknown callback '{name}', expected {', '.join(CALLBACKS)}{nearest(name, CALLBACKS)}"
            )
    return made


def monitored(specs: Mapping[str, Any] | None, monitors: Collection[str]) -> tuple[str, str]:
    """Return the figure that decides which epoch is the best, and "max" or "min"."""
    arguments = (specs or {}).get("EarlyStopping") or {}
    default = "val_accuracy" if "val_accuracy" in monitors else "loss"
    monitor = arguments.get("monitor", default)
    return monitor, _mode(monitor, arguments.get("mode"))


def _mode(monitor: str, mode: str | None) -> str:
    if mode in (None, "auto"):
        return "max" if "accuracy" in monitor else "min"
    return mode


def _keras_callback(key: str, kind: Any, arguments: dict[str, Any], monitors: Collection[str]) -> Any:
    arguments.pop("verbose", None)
    # The best weights are kept by the training itself, so that the last model stays the last.
    arguments.pop("restore_best_weights", None)
    monitor = arguments.setdefault("monitor", "val_loss" if "val_loss" in monitors else "loss")
    if monitor not in monitors:
        raise UserError(
            f"{key}.monitor is '{monitor}', this training has {', '.join(monitors)}{nearest(monitor, monitors)}"
        )
    if arguments.get("mode") not in (None, "auto", "min", "max"):
        raise UserError(f"{key}.mode is '{arguments['mode']}', expected auto, min or max")
    arguments["mode"] = _mode(monitor, arguments.get("mode"))
    return _construct(key, kind, arguments)


def _construct(key: str, kind: Any, arguments: Mapping[str, Any] | None) -> Any:
    arguments = dict(arguments or {})
    schedules.check_arguments(key, kind.__init__, arguments)
    for name, value in arguments.items():
        if value is not None and name not in _NOT_NUMBERS and not isinstance(value, bool):
            value = schedules.number(f"{key}.{name}", value)
            arguments[name] = int(value) if value.is_integer() and name in ("patience", "cooldown") else value
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f"{key}: {error}") from error


def _of_epoch(schedule: schedules.Schedule) -> Callable[[int, float], float]:
    return lambda epoch, rate: schedule(epoch)


def _scheduler(schedule: Callable[[int, float], float]) -> Any:
    keras = import_keras()

    def set_rate(epoch: int, logs: Mapping[str, float] | None = None) -> None:
        rate = callback.model.optimizer.learning_rate
        rate.assign(schedule(epoch, float(rate)))

    callback = keras.callbacks.LambdaCallback(on_epoch_begin=set_rate)
    return callback


def _formula(key: str, text: str) -> Callable[[int, float], float]:
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


def _tensorboard(logs_dir: Path) -> list[Any]:
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        log.warning("training.callbacks.TensorBoard: not installed, going on without (pip install 'pyaed[tracking]')")
        return []
    return [import_keras().callbacks.TensorBoard(log_dir=str(logs_dir))]


def tensorboard_writer(logs_dir: Path) -> Callable[[Mapping[str, float] | None], None]:
    """Return a function that writes an epoch's figures for ``tensorboard --logdir``, and closes the file on None.

    Without TensorBoard it does nothing; a file that can't be written is a line in the log.
    """
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        return lambda row: None
    from pyaed.models.keras import import_tensorflow

    tf = import_tensorflow()
    try:
        writer = tf.summary.create_file_writer(str(logs_dir))
    except Exception as error:  # TensorFlow's own errors, of many kinds
        log.warning("TensorBoard: cannot write %s (%s)", logs_dir, str(error).splitlines()[0])
        return lambda row: None

    def write(row: Mapping[str, float] | None) -> None:
        if row is None:
            writer.close()
            return
        with writer.as_default(step=int(row["epoch"])):
            for name, value in row.items():
                if name != "epoch":
                    tf.summary.scalar(name, value)
        writer.flush()

    return write
