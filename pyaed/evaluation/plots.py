"""Pictures of an evaluation."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pyaed.files import atomic_path
from pyaed.text import printable

log = logging.getLogger(__name__)


def plot_confusion(
    matrix: np.ndarray, class_names: Sequence[str], title: str, path: str | os.PathLike[str]
) -> Path | None:
    """Draw a confusion matrix as PNG: counts in the cells, colour by the share of the row.

    Parameters
    ----------
    matrix : ndarray of int, shape (n_classes, n_classes)
        Rows are truth.
    class_names : sequence of str
        Names of rows and columns.
    title : str
        Above the picture.
    path : path
        PNG file.

    Returns
    -------
    Path or None
        None, with a word in the log, where matplotlib (extra `train`) isn't installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        log.warning("no picture %s: matplotlib is not installed (pip install 'pyaed[train]')", path)
        return None
    n = len(class_names)
    size = min(3.2 + 0.5 * n, 24)
    figure = Figure(figsize=(size, size * 0.92), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, label="share of the true class")
    names = [printable(name) for name in class_names]
    axes.set_xticks(range(n), names, rotation=45, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(range(n), names, parse_math=False)
    axes.set_xlabel("decision")
    axes.set_ylabel("truth")
    axes.set_title(printable(title), fontsize=11, parse_math=False)
    axes.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.85", linewidth=0.6)
    axes.tick_params(which="minor", length=0)
    font = 9 if n <= 20 else 6
    for i, j in zip(*np.nonzero(matrix)):
        axes.text(
            j,
            i,
            str(matrix[i, j]),
            ha="center",
            va="center",
            fontsize=font,
            color="white" if shares[i, j] > 0.5 else "black",
        )
    path = Path(path)
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
    return path
