"""From the probabilities of patches to one decision a clip."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

UNKNOWN = -1
MULTI_LABEL_THRESHOLD = 0.5


@dataclass(frozen=True)
class Classes:
    """What a model decides between.

    Attributes
    ----------
    names : tuple of str
        In output order.
    multi_label : bool
        Whether several labels may hold at once.
    thresholds : sequence of float, optional
        With several labels: see `clip_decisions`.
    """

    names: tuple[str, ...]
    multi_label: bool = False
    thresholds: Sequence[float] | None = None


class ClipDecisions(NamedTuple):
    """Decisions over clips.

    Attributes
    ----------
    scores : ndarray of float64, shape (n_clips, n_classes)
        Mean probability over the clip's patches.
    decided : ndarray
        One label a clip: int64 (n_clips,), the class index or `UNKNOWN`. Several: bool (n_clips, n_classes).
    """

    scores: npt.NDArray[np.float64]
    decided: npt.NDArray[np.int64] | npt.NDArray[np.bool_]


def clip_decisions(
    probabilities: npt.NDArray[np.floating[Any]],
    clip_index: npt.NDArray[np.integer[Any]],
    n_clips: int,
    multi_label: bool = False,
    unknown_class_threshold: float = 0.0,
    class_thresholds: Sequence[float] | None = None,
) -> ClipDecisions:
    """Decide about clips: the largest summed probability, or every mean of at least 0.5 where several labels may hold.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n_patches, n_classes)
        One row a patch.
    clip_index : ndarray of int, shape (n_patches,)
        Clip of each patch. A clip without one has scores of 0 and is `UNKNOWN`.
    n_clips : int
        Number of clips.
    multi_label : bool
        Whether several labels may hold at once.
    unknown_class_threshold : float
        A clip whose best mean probability is below this is `UNKNOWN` (with several labels: it has none). 0 is off.
    class_thresholds : sequence of float, optional
        With several labels: what the mean of each class has to reach, instead of 0.5.

    Returns
    -------
    ClipDecisions
    """
    wide = np.asarray(probabilities, dtype=np.float64)
    sums = np.zeros((n_clips, wide.shape[1]))
    np.add.at(sums, clip_index, wide)
    counts = np.bincount(clip_index, minlength=n_clips)
    scores = sums / np.maximum(counts, 1)[:, None]
    known = (counts > 0) & (scores.max(axis=1, initial=0.0) >= unknown_class_threshold)
    if multi_label:
        thresholds = MULTI_LABEL_THRESHOLD if class_thresholds is None else np.asarray(class_thresholds)
        return ClipDecisions(scores, (scores >= thresholds) & known[:, None])
    return ClipDecisions(scores, np.where(known, sums.argmax(axis=1), UNKNOWN))
