"""Trains a model on patches: compile, fit, keep the best and the last, write what happened."""

import csv
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyaed.artefact import read_state
from pyaed.errors import UserError
from pyaed.files import atomic_path
from pyaed.models import as_input, load, predictor, save
from pyaed.models.keras import import_keras, import_tensorflow
from pyaed.progress import progress
from pyaed.training import augmentation, setup

COUNTERS = ("wait", "best", "cooldown_counter")  # what Keras' callbacks begin afresh when a training begins
BLOCK = 256  # patches that are looked at together

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
    best_epoch : int
        Counted from 1.
    monitor : str
        The figure that chose it.
    """

    model: Any
    best_model: Path
    last_model: Path
    history: list[dict[str, float]]
    best_epoch: int
    monitor: str


def train(
    model: Any,
    train: Any,
    validation: Any,
    training_cfg: Any,
    augmentation_cfg: Any,
    seed: int,
    out_dir: str | Path,
    metadata: Any,
    *,
    saved_models_dir: str = "saved_models",
    logs_dir: str = "logs",
    deterministic_ops: bool = False,
    shuffle: bool = True,
) -> Training:
    """Train `model` and write the results.

    Every epoch draws all patches in a new order and augments each of them anew; order and augmentation depend on the
    seed and the epoch only, and the last model carries the optimizer's and the callbacks' state, so a resumed training
    goes on as the uninterrupted one would.

    Parameters
    ----------
    model : keras.Model
        Input (batch, n_mels, patch_length, 1), softmax or sigmoid output.
    train, validation : PatchSet
        `patches` float32 (n, n_mels, patch_length), an array or on disk; `clip_index` int (n,); and `clip_labels` or, for
        multi-label, `clip_targets(n_classes)`. `validation` may be None. Patches are read batch by batch.
    training_cfg : object
        Section `training`: `batch_size`, `epochs`, `optimizer`, `callbacks`, `resume_training_from`,
        `trained_model_path`.
    augmentation_cfg : object, optional
        Section `data_augmentation`.
    seed : int
    out_dir : path-like
        Gets ``<saved_models_dir>/best_model.keras`` and ``last_model.keras``, ``<logs_dir>/train_metrics.csv`` and
        ``training_curves.png``.
    metadata : ModelMetadata
        Written into the models; `features` and `multi_label` are used.
    deterministic_ops : bool
        Have TensorFlow use deterministic kernels only.
    shuffle : bool
        Draw the patches in a new order every epoch; without, they come clip by clip.

    Returns
    -------
    Training

    Raises
    ------
    UserError
        For a setting that can't be used, data that doesn't fit the model, or a loss that is not a number.
    """
    keras, tf = import_keras(), import_tensorflow()
    keras.utils.set_random_seed(seed)
    if deterministic_ops:
        tf.config.experimental.enable_op_determinism()
    out_dir = Path(out_dir)
    models_dir, csv_path = out_dir / saved_models_dir, out_dir / logs_dir / "train_metrics.csv"
    best_path, last_path = models_dir / "best_model.keras", models_dir / "last_model.keras"
    epochs, batch_size = int(training_cfg.epochs), int(training_cfg.batch_size)
    resume = getattr(training_cfg, "resume_training_from", None)
    multi_label = bool(metadata.multi_label)

    state = {"epoch": 0, "best_epoch": 0, "best_score": None, "history": [], "callbacks": {}, "random": []}
    best_weights = None
    optimizer = setup.optimizer(getattr(training_cfg, "optimizer", None))
    if resume:
        model, optimizer, state = _resume(Path(resume), model, optimizer, state)
        if state["epoch"] >= epochs:
            raise UserError(
                f"{resume}: has already been trained for {state['epoch']} epochs; "
                f"training.epochs is {epochs}, set it higher to go on"
            )
        if state["best_epoch"]:
            best_file = Path(resume).parent / "best_model.keras"
            best_weights = load(best_file).get_weights() if best_file.is_file() else None
            if best_weights is None:
                state |= {"best_epoch": 0, "best_score": None}

    n_classes = len(metadata.class_names)
    if model.output_shape != (None, n_classes):
        raise UserError(
            f"the model's output has the shape {model.output_shape[1:]}, but there are {n_classes} classes: "
            f"{', '.join(metadata.class_names)}"
        )
    x, y, clip_index = _checked("training", model, train, n_classes, multi_label)
    val = None if validation is None else _checked("validation", model, validation, n_classes, multi_label)

    monitors = ["loss", "accuracy"] + (["val_loss", "val_accuracy", "val_clip_accuracy"] if val else [])
    specs = getattr(training_cfg, "callbacks", None)
    chosen = setup.callbacks(specs, monitors, out_dir / logs_dir)
    monitor, mode = setup.monitored(specs, monitors)

    model.compile(
        optimizer=optimizer,
        loss="binary_crossentropy" if multi_label else "sparse_categorical_crossentropy",
        metrics=[
            keras.metrics.BinaryAccuracy(name="accuracy")
            if multi_label
            else keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        ],
    )
    predict = predictor(model)
    board = setup.tensorboard_writer(csv_path.parent)
    history, first_epoch = state["history"], state["epoch"]
    bar = iter(progress(range(epochs - first_epoch), label="training", unit="epochs"))

    def go_on(logs: Any = None) -> None:
        for callback in chosen:
            vars(callback).update(state["callbacks"].get(type(callback).__name__, {}))

    def epoch_begins(epoch: int, logs: Any = None) -> None:
        next(bar, None)

    def batch_ended(batch: int, logs: Mapping[str, float]) -> None:
        if not math.isfinite(logs["loss"]):
            raise UserError(
                f"training: the loss is {logs['loss']} in batch {batch + 1} of epoch {len(history) + 1}: "
                "lower the learning_rate in training.optimizer"
            )

    def validate(epoch: int, logs: dict[str, float]) -> None:
        if val:
            logs |= _scores(predict(val[0]), val[1][val[2]], val[2], multi_label)

    def record(epoch: int, logs: dict[str, float]) -> None:
        nonlocal best_weights
        row = {"epoch": epoch + 1, "learning_rate": float(model.optimizer.learning_rate)}
        row |= {name: float(logs[name]) for name in monitors}
        history.append(row)
        log.info("epoch %d/%d: %s", epoch + 1, epochs, ", ".join(f"{k} {v:.4g}" for k, v in list(row.items())[1:]))
        # Of epochs with equal scores the one with the lower validation loss is the better one.
        score = [row[monitor] if mode == "max" else -row[monitor], -row.get("val_loss", row["loss"])]
        state["epoch"] = epoch + 1
        state["callbacks"] = {
            type(callback).__name__: {name: vars(callback)[name] for name in COUNTERS if name in vars(callback)}
            for callback in chosen
        }
        state["random"] = [variable.numpy().tolist() for variable in _random(model)]
        if state["best_score"] is None or score > state["best_score"]:
            state.update(best_score=score, best_epoch=epoch + 1)
            best_weights = model.get_weights()
            save(model, best_path, metadata)
        save(model, last_path, metadata, state)
        _write_csv(csv_path, history)
        board(row)

    lambdas = keras.callbacks.LambdaCallback
    batches = _batches(
        x, y, clip_index, batch_size, augmentation.make(augmentation_cfg, metadata.features), seed, first_epoch, epochs,
        shuffle, channel=len(model.input_shape) == 4,
    )  # fmt: skip
    try:
        model.fit(
            batches,
            initial_epoch=first_epoch,
            epochs=epochs,
            steps_per_epoch=math.ceil(len(x) / batch_size),
            shuffle=False,  # _batches does it
            verbose=0,
            # The first adds the validation figures that the chosen ones look at; the last sees the epoch as it ended.
            callbacks=[
                lambdas(on_epoch_begin=epoch_begins, on_train_batch_end=batch_ended, on_epoch_end=validate),
                *chosen,
                lambdas(on_train_begin=go_on, on_epoch_end=record),
            ],
        )
    except KeyboardInterrupt:
        if state["epoch"] > first_epoch:
            log.warning(
                "training: interrupted after epoch %d of %d; to go on: training.resume_training_from=%s",
                state["epoch"], epochs, last_path,
            )  # fmt: skip
        raise
    for _ in bar:  # the progress line ends, also after an early stop
        pass
    board(None)
    model.set_weights(best_weights)
    if state["best_epoch"] <= first_epoch:  # resumed, and no epoch was better
        save(model, best_path, metadata)
    _plot(history, state["best_epoch"], out_dir / "training_curves.png")
    copy_to = getattr(training_cfg, "trained_model_path", None)
    if copy_to:
        save(model, copy_to, metadata)
    log.info("best epoch %d by %s: %s", state["best_epoch"], monitor, best_path)
    return Training(model, best_path, last_path, history, state["best_epoch"], monitor)


def _resume(path: Path, built: Any, optimizer: Any, state: dict) -> tuple[Any, Any, dict]:
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
        return model, optimizer, state
    if set(stored) != set(state) or not isinstance(stored["history"], list):
        raise UserError(f"{path}: its training state is damaged")
    for variable, value in zip(_random(model), stored["random"]):
        variable.assign(value)
    previous = getattr(model, "optimizer", None)
    if type(previous) is type(optimizer):
        return model, previous, stored
    log.warning("%s was trained with another optimizer: its state starts afresh", path)
    return model, optimizer, stored


def _random(model: Any) -> list[Any]:
    """Return the states of the random layers (dropout), which Keras doesn't save with the weights."""
    return [variable for variable in model.variables if variable.path.endswith("seed_generator_state")]


def _checked(what: str, model: Any, patchset: Any, n_classes: int, multi_label: bool) -> tuple:
    """Return the checked (patches, labels of the clips, clip_index) of a patch set."""
    patches = patchset.patches
    if len(patches) == 0:
        raise UserError(f"the {what} set has no patches")
    for i in range(0, len(patches), BLOCK):
        if not np.isfinite(as_input(model, patches[i : i + BLOCK])).all():
            raise UserError(f"the {what} set has patches with values that are not numbers")
    y = patchset.clip_targets(n_classes) if multi_label else np.asarray(patchset.clip_labels, dtype=np.int32)
    if not multi_label and (y.min() < 0 or y.max() >= n_classes):
        raise UserError(
            f"the {what} set has labels from {y.min()} to {y.max()}, the model has {n_classes} classes (0 to "
            f"{n_classes - 1})"
        )
    return patches, y, np.asarray(patchset.clip_index, dtype=np.int32)


def _batches(
    x: Any,
    y: np.ndarray,
    clip_index: np.ndarray,
    batch_size: int,
    augment: Any,
    seed: int,
    first_epoch: int,
    epochs: int,
    shuffle: bool = True,
    channel: bool = True,
) -> Any:
    """Return a tf.data.Dataset of all batches of all epochs; each is a function of (seed, epoch, number) only.

    Only indices are shuffled; the patches of a batch are read when it is made.
    """
    tf = import_tensorflow()
    labels, clips = tf.constant(y), tf.constant(clip_index)

    def one_epoch(epoch: Any) -> Any:
        key = tf.random.fold_in(tf.constant([seed, 0x5EED], tf.int64), epoch)
        order = tf.argsort(tf.random.stateless_uniform([len(x)], key)) if shuffle else tf.range(len(x))
        numbered = tf.data.Dataset.from_tensor_slices(order).batch(batch_size).enumerate(1)
        return numbered.map(lambda number, rows: (tf.random.fold_in(key, number), rows))

    def one_batch(key: Any, rows: Any) -> Any:
        # Stateless: reading the same rows gives the same patches, so several batches may be read at a time.
        batch = tf.numpy_function(lambda rows: np.asarray(x[rows], np.float32), [rows], tf.float32, stateful=False)
        batch = tf.ensure_shape(batch, (None, *x.shape[1:]))
        if augment:
            batch = augment(batch, key)
        return batch[..., tf.newaxis] if channel else batch, tf.gather(labels, tf.gather(clips, rows))

    rows = tf.data.Dataset.range(first_epoch, epochs).flat_map(one_epoch)
    return rows.map(one_batch, num_parallel_calls=2, deterministic=True).prefetch(2)


def _scores(p: np.ndarray, y: np.ndarray, clip_index: np.ndarray, multi_label: bool) -> dict[str, float]:
    """Return loss and accuracy of patches and the accuracy of clips, decided as evaluation decides them.

    A clip is the class with the largest sum of its patches' probabilities; multi-label, each class whose mean is at
    least 0.5, and accuracy is the share of right yes-or-no answers.
    """
    tiny = 1e-7
    _, first, inverse = np.unique(clip_index, return_index=True, return_inverse=True)
    sums = np.zeros((len(first), p.shape[1]))
    np.add.at(sums, inverse, p)
    if multi_label:
        q = np.clip(p, tiny, 1 - tiny)
        loss = -(y * np.log(q) + (1 - y) * np.log(1 - q)).mean()
        patch = ((p >= 0.5) == y).mean()
        clip = ((sums / np.bincount(inverse)[:, None] >= 0.5) == y[first]).mean()
    else:
        loss = -np.log(np.clip(p[np.arange(len(y)), y], tiny, 1)).mean()
        patch = (p.argmax(axis=1) == y).mean()
        clip = (sums.argmax(axis=1) == y[first]).mean()
    return {"val_loss": float(loss), "val_accuracy": float(patch), "val_clip_accuracy": float(clip)}


def _write_csv(path: Path, history: list[dict[str, float]]) -> None:
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)


def _plot(history: list[dict[str, float]], best_epoch: int, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    epochs = [row["epoch"] for row in history]
    for axes, kinds in zip(
        figure.subplots(1, 2), (("loss", "val_loss"), ("accuracy", "val_accuracy", "val_clip_accuracy"))
    ):
        for kind in kinds:
            if kind in history[0]:
                axes.plot(epochs, [row[kind] for row in history], label=kind, marker="." if len(epochs) < 30 else None)
        axes.axvline(best_epoch, color="grey", linestyle=":", label="best epoch")
        axes.set_xlabel("epoch")
        axes.set_ylabel(kinds[0])
        axes.grid(alpha=0.3)
        axes.legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
