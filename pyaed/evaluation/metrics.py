"""Metrics over decisions, in plain numpy."""

import math
from typing import NamedTuple

import numpy as np

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


def confusion_matrix(truth: np.ndarray, decided: np.ndarray, n_classes: int) -> np.ndarray:
    """Count decisions: row = truth, column = decision, int64 (n_classes, n_classes)."""
    matrix = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(matrix, (truth, decided), 1)
    return matrix


def class_scores(true_positive: np.ndarray, actual: np.ndarray, predicted: np.ndarray) -> list[dict[str, float]]:
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
