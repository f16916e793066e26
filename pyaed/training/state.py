"""Where a training stands: written into every last model, so that a resumed training goes on as if nothing had happened."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pyaed.artefact import read_state
from pyaed.errors import UserError
from pyaed.models import load

COUNTERS = ("wait", "best", "cooldown_counter")  # what Keras' callbacks begin afresh when a training begins

log = logging.getLogger(__name__)


@dataclass
class State:
    """Where a training stands after an epoch.

    Attributes
    ----------
    epoch, best_epoch : int
        Epochs that are done, and the best of them, counted from 1; 0 for none.
    best_score : list of float, optional
        Of the best epoch; a larger one is better.
    history : list of dict
        See `Training`.
    callbacks : dict
        The `COUNTERS` of the callbacks, by their class.
    random : list
        The states of the random layers.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_score: list[float] | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    callbacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    random: list[list[int]] = field(default_factory=list)

    def take(self, model: Any, callbacks: Sequence[Any]) -> None:
        """Note the callbacks' counters and the model's random states."""
        self.callbacks = {
            type(callback).__name__: {name: vars(callback)[name] for name in COUNTERS if name in vars(callback)}
            for callback in callbacks
        }
        self.random = [variable.numpy().tolist() for variable in _random(model)]

    def give(self, callbacks: Sequence[Any]) -> None:
        """Put the counters back into callbacks that begin."""
        for callback in callbacks:
            vars(callback).update(self.callbacks.get(type(callback).__name__, {}))


def resume(path: Path, built: Any, optimizer: Any) -> tuple[Any, Any, State]:
    """Return model, optimizer and state to go on with from a model file.

    Parameters
    ----------
    path : Path
    built : keras.Model
        What the configuration describes; the file's model has to have its shapes.
    optimizer : keras.optimizers.Optimizer
        The configuration's; the file's goes before it where it is of the same kind.

    Raises
    ------
    UserError
        When the file's model doesn't fit, or its state is damaged.
    """
    model = load(path, compiled=path.suffix.lower() == ".keras")
    for what in ("input_shape", "output_shape"):
        if getattr(model, what) != getattr(built, what):
            raise UserError(
                f"training.resume_training_from: {path} has the {what} {getattr(model, what)}, "
                f"the configuration's model has {getattr(built, what)}"
            )
    stored = read_state(path)
    if stored is None:
        log.info("%s has no training state: its weights are the starting point", path)
        return model, optimizer, State()
    if set(stored) != {f.name for f in fields(State)} or not isinstance(stored["history"], list):
        raise UserError(f"{path}: its training state is damaged")
    state = State(**stored)
    for variable, value in zip(_random(model), state.random):
        variable.assign(value)
    previous = getattr(model, "optimizer", None)
    if type(previous) is type(optimizer):
        return model, previous, state
    log.warning("%s was trained with another optimizer: its state starts afresh", path)
    return model, optimizer, state


def _random(model: Any) -> list[Any]:
    """Return the states of the random layers (dropout), which Keras doesn't save with the weights."""
    return [variable for variable in model.variables if variable.path.endswith("seed_generator_state")]
