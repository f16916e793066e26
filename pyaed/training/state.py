"""Where a training stands: written into every last model, so that a resumed training goes on as if nothing had happened."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pyaed.artefact import read_state
from pyaed.errors import UserError, nearest
from pyaed.models import load

#: What ST's zoo calls the files that a training goes on from.
ZOO_NAMES = {"best_augmented_model.h5": "best_model.keras", "last_augmented_model.h5": "last_model.keras"}
COUNTERS = ("wait", "best", "cooldown_counter")  # what Keras' callbacks begin afresh when a training begins


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


def resumed_file(path: str | os.PathLike[str]) -> Path:
    """Return the file that has a training's state: `path`, or what pyaed calls a file that is named as ST's zoo would."""
    path = Path(path)
    return path.with_name(ZOO_NAMES.get(path.name, path.name))


def check_resumable(path: Path) -> None:
    """Refuse a model file that no training can go on from.

    Raises
    ------
    UserError
    """
    if not path.is_file():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UserError(f"training.resume_training_from: {path}: no such model file{nearest(path.name, siblings)}")
    if read_state(path) is None:
        raise UserError(
            f"training.resume_training_from: {path} is a model without the state of a training, expected the last_model.keras of a "
            f"run; to train the model anew: general.model_path={path}"
        )


def resume(path: Path) -> tuple[Any, State]:
    """Return the model, compiled, and the state to go on with from a model file.

    Raises
    ------
    UserError
        When the file can't be loaded, has no state, or its state is damaged.
    """
    check_resumable(path)
    model, stored = load(path, compiled=True), read_state(path) or {}
    fits = set(stored) == {f.name for f in fields(State)} and isinstance(stored["history"], list)
    if not fits or getattr(model, "optimizer", None) is None:
        raise UserError(f"{path}: its training state is damaged")
    state = State(**stored)
    for variable, value in zip(_random(model), state.random):
        variable.assign(value)
    return model, state


def _random(model: Any) -> list[Any]:
    """Return the states of the random layers (dropout), which Keras doesn't save with the weights."""
    return [variable for variable in model.variables if variable.path.endswith("seed_generator_state")]
