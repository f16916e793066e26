"""Metrics over decisions, in plain numpy."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.integer[Any]]

Z_95 = 1.959963984540054  # 97.5 % quantile of the normal distribution


class Proportion(NamedTuple):
    """A share of right decisions and its 95 % interval."""

    right: int
    total: int
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        interval = f"95 % interval {100 * self.low:.1f} to {100 * self.high:.1f}"
        return f"{100 * self.value:.1f} % ({self.right} of {self.total}; {interval})"


def wilson_interval(right: int, total: int) -> Proportion:
    """Return the share of successes with Wilson's score interval (E. B. Wilson, JASA 22, 1927) at 95 %.

    Parameters
    ----------
    right, total : int
        Successes and independent trials. Patches of one clip aren't independent: over them the interval is too narrow.

    Returns
    -------
    Proportion
        NaN with the interval 0 to 1 when `total` is 0.
    """
    if not total:
        return Proportion(0, 0, math.nan, 0.0, 1.0)
    share, square = right / total, Z_95**2
    centre = (share + square / (2 * total)) / (1 + square / total)
    half = Z_95 / (1 + square / total) * math.sqrt(share * (1 - share) / total + square / (4 * total**2))
    low = 0.0 if right == 0 else centre - half
    high = 1.0 if right == total else centre + half
    return Proportion(int(right), int(total), share, low, high)


def confusion_matrix(truth: Integers, decided: Integers, n_classes: int) -> npt.NDArray[np.int64]:
    """Count decisions: row = truth, column = decision, int64 (n_classes, n_classes)."""
    matrix = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(matrix, (truth, decided), 1)
    return matrix


def class_scores(true_positive: Integers, actual: Integers, predicted: Integers) -> list[dict[str, float]]:
    """Return recall, precision, F1 and support of every class; a ratio without a denominator is NaN.

    Parameters
    ----------
    true_positive, actual, predicted : ndarray of int, shape (n_classes,)
        Right decisions for the class, clips (or patches) of the class, decisions for the class.
    """

    def ratio(a: float, b: float) -> float:
        return float(a / b) if b else math.nan

    return [
        {"recall": ratio(t, a), "precision": ratio(t, p), "f1": ratio(2 * t, a + p), "support": int(a)}
        for t, a, p in zip(true_positive, actual, predicted)
    ]


def average_precision(truth: npt.NDArray[np.bool_], scores: npt.NDArray[np.floating[Any]]) -> float:
    """Return the average precision of one class: the sum of precision times the step in recall, best score first.

    Equal scores are one step, as in scikit-learn's `average_precision_score`. NaN without a positive clip.

    Parameters
    ----------
    truth : ndarray of bool, shape (n,)
    scores : ndarray of float, shape (n,)
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(np.asarray(truth)[order])
    if not len(hits) or not hits[-1]:
        return math.nan
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(hits) - 1)  # the end of every run of equal scores
    precision = hits[last] / (last + 1)
    return float(np.sum(precision * np.diff(hits[last] / hits[-1], prepend=0)))


def best_thresholds(
    truth: npt.NDArray[np.bool_], scores: npt.NDArray[np.floating[Any]], default: float = 0.5
) -> list[float]:
    """Return the threshold of every class that gives the largest F1; `default` for a class without positive clips.

    A threshold lies half-way between two scores, so that neither stands on it. Of equals the one nearest to `default`.

    Parameters
    ----------
    truth : ndarray of bool, shape (n, n_classes)
    scores : ndarray of float, shape (n, n_classes)
    """
    thresholds = []
    for wanted, values in zip(np.asarray(truth, dtype=bool).T, np.asarray(scores, dtype=np.float64).T):
        if not wanted.any():
            thresholds.append(default)
            continue
        steps = np.unique(values)
        candidates = np.concatenate((steps[:1] / 2, (steps[1:] + steps[:-1]) / 2, [default]))
        decided = values[None, :] >= candidates[:, None]
        f1 = 2 * (decided & wanted).sum(axis=1) / (decided.sum(axis=1) + wanted.sum())
        best = candidates[f1 >= f1.max() - 1e-12]
        thresholds.append(round(float(best[np.argmin(np.abs(best - default))]), 6))
    return thresholds


# 97.5 % quantiles of Student's t distribution, by degrees of freedom.
_T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
          2.120, 2.110, 2.101, 2.093, 2.086)  # fmt: skip


def mean_interval(values: Sequence[float]) -> dict[str, float]:
    """Return mean, standard deviation (n - 1) and the mean's 95 % interval by Student's t; NaN where n is 1."""
    n = len(values)
    mean = float(np.mean(values))
    if n < 2:
        return {"mean": mean, "std": math.nan, "low": math.nan, "high": math.nan}
    std = float(np.std(values, ddof=1))
    half = (_T_975[n - 2] if n - 2 < len(_T_975) else Z_95) * std / math.sqrt(n)
    return {"mean": mean, "std": std, "low": mean - half, "high": mean + half}
