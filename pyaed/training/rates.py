"""The learning rate of every epoch, as far as it is known before a training, and its picture."""

from pathlib import Path

import numpy as np

from pyaed.errors import UserError
from pyaed.files import atomic_path
from pyaed.training import callbacks, optimizers
from pyaed.training.settings import TrainingSettings

MOST = 100_000  # epochs that are computed


def learning_rates(settings: TrainingSettings, batches: int | None = None) -> list[float]:
    """Return the learning rate with which each epoch begins, in the precision of the training.

    Parameters
    ----------
    settings : TrainingSettings
        `ReduceLROnPlateau` looks at figures that are not there yet: the rates are without it.
    batches : int, optional
        Of an epoch; needed where the optimizer has a schedule of Keras, which counts them.

    Returns
    -------
    list of float
        Of `settings.epochs` epochs, at most `MOST`.

    Raises
    ------
    UserError
        For what a training would refuse, a formula that fails in an epoch, or `batches` that are missing.
    """
    optimizer = optimizers.make(settings.optimizer)
    epochs = range(min(settings.epochs, MOST))
    if optimizers.scheduled(optimizer):
        if batches is None:
            raise UserError(
                "training.optimizer: its schedule counts batches, so how many an epoch has is needed: --batches (training "
                "patches / training.batch_size)"
            )
        return [float(optimizer._learning_rate(epoch * batches)) for epoch in epochs]
    schedule = callbacks.rate_schedule(settings.callbacks)
    rate = float(optimizer.learning_rate)
    rates = []
    for epoch in epochs:
        rate = rate if schedule is None else float(np.float32(schedule(epoch, rate)))
        rates.append(rate)
    return rates


def plot_rates(rates: list[float], settings: TrainingSettings, path: Path) -> None:
    """Draw `learning_rates` over the epochs; the ending of `path` says the kind of picture (png, svg, pdf)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.step([*range(1, len(rates) + 1), len(rates) + 1], [*rates, rates[-1]], where="post")
    axes.set_xlim(1, len(rates) + 1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("epoch")
    axes.set_ylabel("learning rate")
    optimizer = settings.optimizer or optimizers.DEFAULT
    names = [optimizer] if isinstance(optimizer, str) else [*optimizer]
    axes.set_title(
        ", ".join([*names, *(name for name in settings.callbacks or () if name in callbacks.RATE_CALLBACKS)])
    )
    axes.grid(alpha=0.3)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:])
