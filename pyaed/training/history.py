"""What happened in a training, as a table and as a picture."""

from pathlib import Path

from pyaed.files import atomic_path, write_csv


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
