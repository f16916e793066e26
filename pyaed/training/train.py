"""Trains a model on patches: compile, fit, keep the best and the last, write what happened."""

import logging
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyaed.artefact import ModelMetadata
from pyaed.errors import UserError
from pyaed.models import load, predictor, save
from pyaed.models.keras import import_keras, import_tensorflow
from pyaed.progress import progress
from pyaed.text import first_line
from pyaed.training import augmentation, callbacks, optimizers
from pyaed.training.examples import Examples, batches, examples, scores
from pyaed.training.history import plot_history, tensorboard_writer, write_history
from pyaed.training.optimizers import swap_averages
from pyaed.training.rates import learning_rates
from pyaed.training.settings import TrainingSettings
from pyaed.training.state import State, resume, resumed_file

if TYPE_CHECKING:
    from pyaed.data import PatchSet

FIGURES = ("loss", "accuracy")
VALIDATION_FIGURES = ("val_loss", "val_accuracy", "val_clip_accuracy")

#: What ST's zoo calls the best and the last epoch's model.
BEST_COPIES = ("best_model.h5", "best_augmented_model.h5")
LAST_COPIES = ("last_augmented_model.h5",)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """What a training left behind.

    Attributes
    ----------
    model : keras.Model
        With the weights of the best epoch.
    best_model, last_model : Path
        `.keras` files with metadata; the last one can be resumed.
    history : list of dict
        One row an epoch: epoch (from 1), learning_rate, loss, accuracy, and with a validation set val_loss,
        val_accuracy (patches) and val_clip_accuracy.
    copies : tuple of Path
        Further files of the best model: `trained_model_path`, `h5_copies`.
    best_epoch : int
        Counted from 1.
    monitor : str
        The figure that chose it.
    """

    model: Any
    best_model: Path
    last_model: Path
    copies: tuple[Path, ...]
    history: list[dict[str, float]]
    best_epoch: int
    monitor: str


def train(
    model: Any,
    train: "PatchSet",
    validation: "PatchSet | None",
    settings: TrainingSettings,
    metadata: ModelMetadata,
    out_dir: str | os.PathLike[str],
) -> Training:
    """Train `model` and write the results.

    Every epoch draws all patches in a new order and augments each of them anew; order and augmentation depend on the
    seed and the epoch only, and the last model carries the optimizer's and the callbacks' state, so a resumed training
    goes on as the uninterrupted one would.

    Parameters
    ----------
    model : keras.Model or None
        Input (batch, n_mels, patch_length, 1), softmax or sigmoid output. None with `settings.resume_training_from`, whose
        model and optimizer are taken.
    train, validation : PatchSet
        With labels. `validation` may be None. Patches are read batch by batch.
    settings : TrainingSettings
    metadata : ModelMetadata
        Written into the models; `features`, `class_names` and `multi_label` are used.
    out_dir : path-like
        Gets ``<saved_models_dir>/best_model.keras`` and ``last_model.keras`` (and `h5_copies`), ``<logs_dir>/train_metrics.csv`` and
        ``training_curves.png``.

    Returns
    -------
    Training

    Raises
    ------
    UserError
        For a setting that can't be used, data that doesn't fit the model, or a loss that is not a number.
    """
    keras = import_keras()
    keras.utils.set_random_seed(settings.seed)
    if settings.deterministic_ops:
        import_tensorflow().config.experimental.enable_op_determinism()
    model, optimizer, state, best_weights = _beginning(model, settings)
    n_classes, multi_label = len(metadata.class_names), metadata.multi_label
    if model is None:
        raise UserError("there is no model to train, and no settings.resume_training_from; expected one of them")
    if model.output_shape != (None, n_classes):
        raise UserError(
            f"the model's output has the shape {model.output_shape[1:]}, but there are {n_classes} classes: "
            f"{', '.join(metadata.class_names)}"
        )
    source = examples("training", model, train, n_classes, multi_label)
    held_out = None if validation is None else examples("validation", model, validation, n_classes, multi_label)
    epochs = _Epochs(model, settings, metadata, Path(out_dir), held_out, state, best_weights, optimizer)
    model.compile(
        optimizer=optimizer,
        loss="binary_crossentropy" if multi_label else "sparse_categorical_crossentropy",
        metrics=[
            keras.metrics.BinaryAccuracy(name="accuracy")
            if multi_label
            else keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        ],
    )
    epochs.fit(source)
    return epochs.finish()


def check(settings: TrainingSettings, features: augmentation.Scale) -> None:
    """Check what of a training needs neither model nor data: optimizer, callbacks, what they monitor, augmentation.

    Raises
    ------
    UserError
        For a name, an argument or a value that can't be used.
    """
    optimizer = optimizers.make(settings.optimizer)
    callbacks.make(settings.callbacks, FIGURES + VALIDATION_FIGURES, optimizer)
    augmentation.make(settings.augmentation, features)
    if not settings.resume_training_from and not optimizers.scheduled(optimizer):
        learning_rates(settings)  # a formula may fail in a late epoch


def _beginning(built: Any, settings: TrainingSettings) -> tuple[Any, Any, State, Any]:
    """Return model, optimizer, state and the best weights so far (or None): new ones, or those to go on with."""
    if not settings.resume_training_from:
        return built, optimizers.make(settings.optimizer), State(), None
    path = resumed_file(settings.resume_training_from)
    model, state = resume(path)
    if state.epoch >= settings.epochs:
        raise UserError(
            f"{path}: has already been trained for {state.epoch} epochs; "
            f"training.epochs is {settings.epochs}, set it higher to go on"
        )
    best_file = path.parent / "best_model.keras"
    if state.best_epoch and best_file.is_file():
        return model, model.optimizer, state, load(best_file).get_weights()
    state.best_epoch, state.best_score = 0, None
    return model, model.optimizer, state, None


class _NoNumber(UserError):
    """The loss is infinite or no number."""


class _Epochs:
    """A training under way: what Keras calls around batches and epochs, and what is kept and written of each epoch."""

    def __init__(
        self,
        model: Any,
        settings: TrainingSettings,
        metadata: ModelMetadata,
        folder: Path,
        validation: Examples | None,
        state: State,
        best_weights: Any,
        optimizer: Any,
    ):
        self.model, self.settings, self.metadata = model, settings, metadata
        self.folder, self.validation, self.state, self.best_weights = folder, validation, state, best_weights
        self.first_epoch = state.epoch
        models_dir, logs_dir = folder / settings.saved_models_dir, folder / settings.logs_dir
        self.best_path, self.last_path = models_dir / "best_model.keras", models_dir / "last_model.keras"
        self.best_copies = [models_dir / name for name in BEST_COPIES if settings.h5_copies]
        self.last_copies = [models_dir / name for name in LAST_COPIES if settings.h5_copies]
        self.csv_path = logs_dir / "train_metrics.csv"
        self.figures = list(FIGURES if validation is None else FIGURES + VALIDATION_FIGURES)
        self.callbacks = callbacks.make(settings.callbacks, self.figures, optimizer)
        self.monitor, self.mode = callbacks.monitored(settings.callbacks, self.figures)
        self.predict = predictor(model)
        self.tensorboard = tensorboard_writer(logs_dir)
        self.bar = iter(progress(range(settings.epochs - self.first_epoch), label="training", unit="epochs"))

    def fit(self, source: Examples) -> None:
        """Train from the first epoch to the last, or until a callback or Ctrl-C ends it."""
        lambdas = import_keras().callbacks.LambdaCallback
        augment = augmentation.make(self.settings.augmentation, self.metadata.features)
        channel = len(self.model.input_shape) == 4
        try:
            self.model.fit(
                batches(source, self.settings, augment, self.first_epoch, channel),
                initial_epoch=self.first_epoch,
                epochs=self.settings.epochs,
                steps_per_epoch=math.ceil(len(source.patches) / self.settings.batch_size),
                shuffle=False,  # `batches` does it
                verbose=0,
                # The first adds the validation figures that the callbacks look at; the last sees the epoch as it ended.
                callbacks=[
                    lambdas(
                        on_epoch_begin=self._epoch_begins,
                        on_train_batch_end=self._check_loss,
                        on_epoch_end=self._validate,
                    ),
                    *self.callbacks,
                    lambdas(on_train_begin=self._restore, on_epoch_end=self._record),
                ],
            )
        except _NoNumber as error:
            asked = self.settings.callbacks or {}
            refused = (asked.get(callbacks.NO_NUMBER) or {}).get("raise_error")
            if callbacks.NO_NUMBER not in asked or refused or not self.state.best_epoch:
                raise
            log.warning("%s; TerminateOnNaN: epoch %d was the last one", error, self.state.epoch)
        except import_tensorflow().errors.ResourceExhaustedError as error:
            raise UserError(
                f"training: not enough memory ({first_line(error)}): lower training.batch_size, or take a smaller model"
            ) from error
        except KeyboardInterrupt:
            if self.state.epoch > self.first_epoch:
                log.warning(
                    "training: interrupted after epoch %d of %d, which is in %s",
                    self.state.epoch, self.settings.epochs, self.last_path,
                )  # fmt: skip
            raise
        if self.state.epoch < self.settings.epochs:
            log.info(
                "the training ended after epoch %d of %d, by its callbacks", self.state.epoch, self.settings.epochs
            )
        for _ in self.bar:  # the progress line ends, also after an early stop
            pass
        self.tensorboard(None)

    def finish(self) -> Training:
        """Give the model the best weights, write what is left to write, and return the result."""
        state, settings = self.state, self.settings
        self.model.set_weights(self.best_weights)
        if state.best_epoch <= self.first_epoch:  # resumed, and no epoch was better
            save(self.model, self.best_path, self.metadata)
            self._copy(self.best_copies)
        plot_history(state.history, state.best_epoch, self.folder / "training_curves.png")
        copies = [*self.best_copies]
        if settings.trained_model_path:
            copies.append(Path(settings.trained_model_path))
            self._copy(copies[-1:])
        log.info(
            "best epoch %d by %s: %s (for ST's %s); last epoch: %s (for ST's %s)",
            state.best_epoch, self.monitor, self.best_path, ", ".join(BEST_COPIES), self.last_path, ", ".join(LAST_COPIES),
        )  # fmt: skip
        return Training(
            self.model, self.best_path, self.last_path, tuple(copies), state.history, state.best_epoch, self.monitor
        )

    def _restore(self, logs: Mapping[str, float] | None = None) -> None:
        self.state.give(self.callbacks)

    def _epoch_begins(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        next(self.bar, None)

    def _check_loss(self, batch: int, logs: Mapping[str, float]) -> None:
        if not math.isfinite(logs["loss"]):
            raise _NoNumber(
                f"training: the loss is {logs['loss']} in batch {batch + 1} of epoch {len(self.state.history) + 1}: "
                "lower the learning_rate in training.optimizer"
            )

    def _validate(self, epoch: int, logs: dict[str, float]) -> None:
        swap_averages(
            self.model
        )  # where the optimizer keeps averages, they are what is validated and what the best model has
        if self.validation is not None:
            logs |= scores(self.predict(self.validation.patches), self.validation)

    def _record(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Keep and write what the epoch gave: figures, the last model with the state, and the best one."""
        row = {"epoch": epoch + 1, "learning_rate": float(self.model.optimizer.learning_rate)}
        row |= {name: float(logs[name]) for name in self.figures}
        state = self.state
        state.history.append(row)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in list(row.items())[1:])
        log.info("epoch %d/%d: %s", epoch + 1, self.settings.epochs, shown)
        state.epoch = epoch + 1
        state.take(self.model, self.callbacks)
        score = self._score(row)
        if state.best_score is None or score > state.best_score:
            state.best_score, state.best_epoch = score, epoch + 1
            self.best_weights = self.model.get_weights()
            save(self.model, self.best_path, self.metadata, asdict(state))
            self._copy(self.best_copies)
        swap_averages(self.model)  # the last one goes on from its own weights
        save(self.model, self.last_path, self.metadata, asdict(state))
        self._copy(self.last_copies)
        write_history(self.csv_path, state.history)
        self.tensorboard(row)

    def _copy(self, paths: Iterable[Path]) -> None:
        for path in paths:
            save(self.model, path, self.metadata)

    def _score(self, row: Mapping[str, float]) -> list[float]:
        """Of epochs with equal figures the one with the lower validation loss is the better one."""
        figure = row[self.monitor]
        return [figure if self.mode == "max" else -figure, -row.get("val_loss", row["loss"])]
