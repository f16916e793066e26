"""Patches with their labels, checked, and the batches that they are read in."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pyaed.errors import UserError
from pyaed.models import as_input
from pyaed.models.keras import import_tensorflow
from pyaed.training.settings import TrainingSettings

if TYPE_CHECKING:
    from pyaed.data import Patches, PatchSet

BLOCK = 256  # patches that are looked at together


class Examples(NamedTuple):
    """What a model is trained or validated on.

    Attributes
    ----------
    patches : PatchStore or ndarray of float32, shape (n_patches, n_mels, patch_length)
    labels : ndarray
        Of the clips: int32 (n_clips,), with several labels float32 (n_clips, n_classes).
    clip_index : ndarray of int32, shape (n_patches,)
    """

    patches: "Patches"
    labels: npt.NDArray[np.int32] | npt.NDArray[np.float32]
    clip_index: npt.NDArray[np.int32]


def examples(what: str, model: Any, patchset: "PatchSet", n_classes: int, multi_label: bool) -> Examples:
    """Return the examples of a patch set; `what` names it in messages.

    Raises
    ------
    UserError
        When it has no patches, or patches or labels that don't fit the model.
    """
    patches = patchset.patches
    if len(patches) == 0:
        raise UserError(f"the {what} set has no patches")
    for i in range(0, len(patches), BLOCK):
        if not np.isfinite(as_input(model, patches[i : i + BLOCK])).all():
            raise UserError(f"the {what} set has patches with values that are not numbers")
    clip_index = np.asarray(patchset.clip_index, dtype=np.int32)
    if multi_label:
        return Examples(patches, patchset.clip_targets(n_classes), clip_index)
    labels = np.asarray(patchset.clip_labels, dtype=np.int32)
    if labels.min() < 0 or labels.max() >= n_classes:
        raise UserError(
            f"the {what} set has labels from {labels.min()} to {labels.max()}, the model has {n_classes} classes (0 to "
            f"{n_classes - 1})"
        )
    return Examples(patches, labels, clip_index)


def batches(
    source: Examples,
    settings: TrainingSettings,
    augment: Callable[[Any, Any], Any] | None = None,
    first_epoch: int = 0,
    channel: bool = True,
) -> Any:
    """Return a tf.data.Dataset of all batches of all epochs; each is a function of (seed, epoch, number) only.

    Only indices are shuffled; the patches of a batch are read when it is made.

    Parameters
    ----------
    source : Examples
    settings : TrainingSettings
        `batch_size`, `epochs`, `seed` and `shuffle` are used.
    augment : callable, optional
        See `pyaed.training.augmentation.make`.
    first_epoch : int
        Counted from 0.
    channel : bool
        Whether the model's input has a channel axis.
    """
    tf = import_tensorflow()
    patches = source.patches
    labels, clips = tf.constant(source.labels), tf.constant(source.clip_index)

    def one_epoch(epoch: Any) -> Any:
        key = tf.random.fold_in(tf.constant([settings.seed, 0x5EED], tf.int64), epoch)
        n = len(patches)
        order = tf.argsort(tf.random.stateless_uniform([n], key)) if settings.shuffle else tf.range(n)
        numbered = tf.data.Dataset.from_tensor_slices(order).batch(settings.batch_size).enumerate(1)
        return numbered.map(lambda number, rows: (tf.random.fold_in(key, number), rows))

    def one_batch(key: Any, rows: Any) -> Any:
        # Stateless: reading the same rows gives the same patches, so several batches may be read at a time.
        batch = tf.numpy_function(
            lambda rows: np.asarray(patches[rows], np.float32), [rows], tf.float32, stateful=False
        )
        batch = tf.ensure_shape(batch, (None, *patches.shape[1:]))
        if augment:
            batch = augment(batch, key)
        return batch[..., tf.newaxis] if channel else batch, tf.gather(labels, tf.gather(clips, rows))

    rows = tf.data.Dataset.range(first_epoch, settings.epochs).flat_map(one_epoch)
    return rows.map(one_batch, num_parallel_calls=2, deterministic=True).prefetch(2)


def scores(p: npt.NDArray[np.float32], source: Examples) -> dict[str, float]:
    """Return loss and accuracy of patches and the accuracy of clips, decided as evaluation decides them.

    A clip is the class with the largest sum of its patches' probabilities; with several labels, each class whose mean is
    at least 0.5, and accuracy is the share of right yes-or-no answers.

    Parameters
    ----------
    p : ndarray of float32, shape (n_patches, n_classes)
        The model's answers.
    source : Examples

    Returns
    -------
    dict
        `val_loss`, `val_accuracy`, `val_clip_accuracy`.
    """
    tiny = 1e-7
    clip_index, y = source.clip_index, source.labels[source.clip_index]
    _, first, inverse = np.unique(clip_index, return_index=True, return_inverse=True)
    sums = np.zeros((len(first), p.shape[1]))
    np.add.at(sums, inverse, p)
    if y.ndim == 2:
        q = np.clip(p, tiny, 1 - tiny)
        loss = -(y * np.log(q) + (1 - y) * np.log(1 - q)).mean()
        patch = ((p >= 0.5) == y).mean()
        clip = ((sums / np.bincount(inverse)[:, None] >= 0.5) == y[first]).mean()
    else:
        loss = -np.log(np.clip(p[np.arange(len(y)), y], tiny, 1)).mean()
        patch = (p.argmax(axis=1) == y).mean()
        clip = (sums.argmax(axis=1) == y[first]).mean()
    return {"val_loss": float(loss), "val_accuracy": float(patch), "val_clip_accuracy": float(clip)}
