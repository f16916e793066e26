"""Training: optimizers, schedules, augmentation, and the loop that writes the models."""

from pyaed.training.train import Training, train

__all__ = ["Training", "train"]
