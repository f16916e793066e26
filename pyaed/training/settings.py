"""What a training is asked for."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrainingSettings:
    """Everything about a training but its model and its data; named as the configuration names it.

    Attributes
    ----------
    batch_size, epochs : int
    optimizer, callbacks : mapping, optional
        Name -> arguments, as in the section `training`; without an optimizer it is Adam with 0.001.
    resume_training_from : path, optional
        The `last_model.keras` of a training to go on with: model, optimizer and the callbacks' counters are its own.
    trained_model_path : path, optional
        Gets a copy of the best model.
    h5_copies : bool
        Write the models also as `.h5` under the names that ST's zoo gives them. The augmentation is no part of any model.
    augmentation : mapping or object, optional
        The section `data_augmentation`.
    seed : int
        Of order, augmentation and dropout.
    shuffle : bool
        Draw the patches in a new order every epoch; without, they come clip by clip.
    deterministic_ops : bool
        Have TensorFlow use deterministic kernels only.
    saved_models_dir, logs_dir : str
        Folders of the results inside the run's.
    """

    batch_size: int = 16
    epochs: int = 50
    optimizer: str | Mapping[str, Mapping[str, Any] | None] | None = None
    callbacks: Mapping[str, Mapping[str, Any] | None] | None = None
    resume_training_from: str | os.PathLike[str] | None = None
    trained_model_path: str | os.PathLike[str] | None = None
    h5_copies: bool = False
    augmentation: object = None
    seed: int = 0
    shuffle: bool = True
    deterministic_ops: bool = False
    saved_models_dir: str = "saved_models"
    logs_dir: str = "logs"
