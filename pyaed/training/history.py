"""What happens in a training, as a table, as a picture and for TensorBoard."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from pyaed.files import atomic_path, write_csv
from pyaed.models.keras import import_tensorflow
from pyaed.text import first_line

log = logging.getLogger(__name__)


def write_history(path: Path, history: list[dict[str, float]]) -> None:
    """Write one line an epoch as CSV."""
    write_csv(path, (history[0], *(row.values() for row in history)))


def plot_history(history: list[dict[str, float]], best_epoch: int, path: Path) -> None:
    """Draw loss and accuracy over the epochs as PNG."""
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


def tensorboard_writer(logs_dir: Path) -> Callable[[Mapping[str, float] | None], None]:
    """Return a function that writes an epoch's figures for ``tensorboard --logdir``, and closes the file on None.

    Without TensorBoard it does nothing; a file that can't be written is a line in the log.
    """
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        return lambda row: None
    tf = import_tensorflow()
    try:
        writer = tf.summary.create_file_writer(str(logs_dir))
    except Exception as error:  # TensorFlow's own errors, of many kinds
        log.warning("TensorBoard: cannot write %s (%s)", logs_dir, first_line(error))
        return lambda row: None

    def write(row: Mapping[str, float] | None) -> None:
        if row is None:
            writer.close()
            return
        with writer.as_default(step=int(row["epoch"])):
            for name, value in row.items():
                if name != "epoch":
                    tf.summary.scalar(name, value)
        writer.flush()

    return write
