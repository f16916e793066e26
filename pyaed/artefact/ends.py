"""The one check of a model's ends: whether its input takes the patches, and how its outputs become one score a class."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyaed.errors import UserError

MELS_FIRST, FRAMES_FIRST = "mels_first", "frames_first"
LAYOUTS = (MELS_FIRST, FRAMES_FIRST)
SOFTMAX, SIGMOID = "softmax", "sigmoid"

#: A score is a probability up to this: the rounding of an int8 output, and of a sum of them.
TOLERANCE = 0.01
LEVEL = 1 / 256

N_PROBES = 8


@dataclass(frozen=True)
class Input:
    """How a patch (n_mels, patch_length) becomes a model's input.

    Attributes
    ----------
    layout : str
        `MELS_FIRST` or `FRAMES_FIRST`: which axis the model has first.
    assumed : bool
        Whether the shape allows the other layout too, and nobody said which it is.
    """

    layout: str = MELS_FIRST
    assumed: bool = False


@dataclass(frozen=True)
class Scores:
    """How a model's output becomes one score a class.

    Attributes
    ----------
    activation : str or None
        What is still to be applied to logits: `SOFTMAX` or `SIGMOID`.
    two_classes : bool
        One output p stands for two classes: 1 - p for the first, p for the second.
    """

    activation: str | None = None
    two_classes: bool = False

    @property
    def plain(self) -> bool:
        """Whether the outputs are the scores."""
        return self == Scores()

    def apply(self, outputs: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return the scores of outputs (n, n_outputs), as float32 (n, n_classes)."""
        if self.plain:
            return np.asarray(outputs, np.float32)
        x = np.asarray(outputs, np.float64)
        if self.activation == SOFTMAX:
            x = np.exp(x - x.max(axis=1, keepdims=True))
            x = x / x.sum(axis=1, keepdims=True)
        elif self.activation == SIGMOID:
            x = np.exp(-np.logaddexp(0, -x))
        if self.two_classes:
            x = np.concatenate([1 - x, x], axis=1)
        return x.astype(np.float32)

    def __str__(self) -> str:
        parts = []
        if self.activation:
            parts.append(f"its outputs are logits, not probabilities: {self.activation} is applied to them")
        if self.two_classes:
            parts.append("its one output p stands for two classes: 1 - p is the first one's score, p the second one's")
        return "; ".join(parts)


def check_input(
    source: str, shapes: Sequence[Sequence[int | None]], patch_shape: tuple[int, int], layout: str | None = None
) -> Input:
    """Find out how a model takes patches.

    Parameters
    ----------
    source : str
        The model's file, for messages.
    shapes : sequence of shapes
        Of every input, without the batch. None is a free dimension.
    patch_shape : (int, int)
        (n_mels, patch_length)
    layout : str, optional
        What the configuration says (`general.input_layout`).

    Returns
    -------
    Input

    Raises
    ------
    UserError
        When it has several inputs, or takes other patches.
    """
    if len(shapes) != 1:
        raise UserError(f"{source}: the model has {len(shapes)} inputs, expected one that takes patches")
    shape = [n for n in shapes[0] if n != 1]
    mels_first = [n for n in patch_shape if n != 1]
    fitting = [
        name
        for name, wanted in ((MELS_FIRST, mels_first), (FRAMES_FIRST, mels_first[::-1]))
        if len(shape) == len(wanted) and all(a in (None, b) for a, b in zip(shape, wanted))
    ]
    if shape == [patch_shape[0] * patch_shape[1]] and len(mels_first) > 1:
        # What flattens features on the way to a model has them frame by frame, as they come.
        fitting = [FRAMES_FIRST, MELS_FIRST]
    if not fitting:
        turned = [n for n in shape if n is not None]
        hint = ""
        if len(turned) == 2:
            hint = f": set feature_extraction.n_mels={turned[0]} and patch_length={turned[1]}, or the other way round"
        raise UserError(
            f"{source} takes an input of {_shown(shapes[0])}, but feature_extraction makes patches of n_mels "
            f"{patch_shape[0]} x patch_length {patch_shape[1]}{hint}; expected is the feature_extraction that the model "
            "was trained with"
        )
    if layout is not None and layout not in fitting:
        raise UserError(
            f"general.input_layout is {layout}, but {source} takes an input of {_shown(shapes[0])}, which is "
            f"{fitting[0]} with n_mels {patch_shape[0]} and patch_length {patch_shape[1]}"
        )
    return Input(layout or fitting[0], layout is None and len(fitting) > 1)


def check_outputs(
    source: str,
    sizes: Sequence[int],
    activation: str | None,
    class_names: Sequence[str],
    multi_label: bool,
    answers: Callable[[], npt.NDArray[Any]],
) -> Scores:
    """Find out how a model's outputs become scores.

    Parameters
    ----------
    source : str
        The model's file, for messages.
    sizes : sequence of int
        Number of values of every output tensor.
    activation : str or None
        `SOFTMAX` or `SIGMOID` where the model's last layer is one.
    class_names : sequence of str
    multi_label : bool
    answers : callable
        Gives the model's outputs (n, size) for probes; asked only where `activation` says nothing.

    Returns
    -------
    Scores

    Raises
    ------
    UserError
        For several output tensors, or another number of outputs than of classes.
    """
    if len(sizes) != 1:
        raise UserError(
            f"{source}: the model has {len(sizes)} output tensors, expected one with a score for every class"
        )
    size, n_classes = sizes[0], len(class_names)
    two_classes = size == 1 and n_classes == 2 and not multi_label and activation != SOFTMAX
    if size != n_classes and not two_classes:
        raise UserError(
            f"{source}: the model has {size} output{'s' * (size != 1)}, but there are {n_classes} classes: "
            f"{', '.join(class_names[:12])}{' ...' * (n_classes > 12)}; expected is one name for every output, in the "
            "outputs' order (dataset.class_names)"
        )
    if activation in (SOFTMAX, SIGMOID):
        return Scores(None, two_classes)
    found = np.asarray(answers(), np.float64)
    if not np.isfinite(found).all():
        raise UserError(f"{source}: the model's outputs are not finite numbers")
    shares = bool(((found >= -TOLERANCE) & (found <= 1 + TOLERANCE)).all())
    exclusive = not (multi_label or two_classes)
    sums = not exclusive or bool((np.abs(found.sum(axis=1) - 1) <= TOLERANCE + size * LEVEL).all())
    if shares and sums:
        return Scores(None, two_classes)
    return Scores(SOFTMAX if exclusive else SIGMOID, two_classes)


def probes(patch_shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Return patches, float32 (N_PROBES, n_mels, patch_length), of the range that log-mel values have."""
    values = np.random.default_rng(0).normal(-4.0, 3.0, (N_PROBES, *patch_shape))
    return values.astype(np.float32)


def _shown(shape: Sequence[int | None]) -> str:
    return f"({', '.join('any' if n is None else str(n) for n in shape)})"
