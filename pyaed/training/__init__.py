"""Training: optimizers, schedules, augmentation, and the loop that writes the models."""

from pyaed.training.rates import learning_rates, plot_rates
from pyaed.training.settings import TrainingSettings
from pyaed.training.state import check_resumable, resumed_file
from pyaed.training.train import Training, check, train

__all__ = [
    "Training",
    "TrainingSettings",
    "check",
    "check_resumable",
    "learning_rates",
    "plot_rates",
    "resumed_file",
    "train",
]
