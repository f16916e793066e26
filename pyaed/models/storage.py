"""Model files: `.keras` and `.h5`, read without executing anything they hold, written whole or not at all."""

import copy
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pyaed import artefact
from pyaed.artefact.containers import damaged, layer_graph
from pyaed.errors import UserError
from pyaed.files import atomic_path
from pyaed.models import allowed, keras2
from pyaed.models.keras import check_size, import_keras

if TYPE_CHECKING:
    from pyaed.data import Patches

SUFFIXES = (".keras", ".h5")
AUGMENTED = ("best_augmented_model", "last_augmented_model")


def load(path: str | os.PathLike[str], compiled: bool = False) -> Any:
    """Load a Keras model file: `.keras` or `.h5`, of Keras 3 or Keras 2.

    Parameters
    ----------
    path : path-like
    compiled : bool
        Restore loss, metrics and the optimizer with its state too (`.keras` only).

    Returns
    -------
    keras.Model

    Raises
    ------
    UserError
        When the file is missing, damaged, of another kind, or holds something that would have to be executed.
    """
    path = Path(path)
    try:
        return _load(path, compiled)
    except UserError as error:
        if path.is_file() and path.stem in AUGMENTED:
            raise UserError(
                f"{error}\n{path.name} of ST's zoo has the augmentation's layers in it; the model without them is best_model.h5 in the "
                "same folder"
            ) from error
        raise


def _load(path: Path, compiled: bool) -> Any:
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: expected a model file ending with {' or '.join(SUFFIXES)}")
    if not path.is_file():
        raise UserError(f"{path}: no such model file")
    artefact.check_kind(path)
    keras = import_keras()
    if keras2.is_keras2(path):
        return keras2.load_model(path)
    config, numbers = layer_graph(path)
    allowed.check(path, config)
    network = keras.Sequential if config.get("class_name") == "Sequential" else keras.Model
    with damaged(path):
        check_size(path, lambda: network.from_config(copy.deepcopy(config["config"])), numbers)
        return keras.models.load_model(path, compile=compiled, safe_mode=True)


def save(
    model: Any,
    path: str | os.PathLike[str],
    metadata: artefact.ModelMetadata | None = None,
    state: Mapping[str, Any] | None = None,
) -> Path:
    """Save a model as `.keras` or `.h5` with the `pyaed` metadata inside; the file appears whole or not at all.

    Parameters
    ----------
    model : keras.Model
    path : path-like
    metadata : ModelMetadata, optional
    state : dict, optional
        Where a training stands, for `pyaed.artefact.read_state` (`.keras` only).

    Returns
    -------
    Path
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: a model file has to end with {' or '.join(SUFFIXES)}")
    with atomic_path(path) as temporary:
        model.save(temporary)
        if metadata is not None:
            artefact.write(temporary, metadata)
        if state is not None:
            artefact.write_state(temporary, state)
    return path


def predictor(model: Any, batch_size: int = 64) -> "Callable[[Patches], npt.NDArray[np.float32]]":
    """Return the function that evaluation calls: patches in, probabilities out.

    Parameters
    ----------
    model : keras.Model
        With an input of (batch, n_mels, patch_length, 1) or (batch, n_mels, patch_length).

    Returns
    -------
    callable
        float32 (n_patches, n_mels, patch_length) -> float32 (n_patches, n_classes); of patches that lie on disk one batch
        is read at a time.
    """
    tf_function = _inference(model)

    def predict(patches: "Patches") -> npt.NDArray[np.float32]:
        starts = range(0, len(patches), batch_size)
        parts = [tf_function(as_input(model, patches[i : i + batch_size])).numpy() for i in starts]
        return np.concatenate(parts) if parts else np.zeros((0, model.output_shape[-1]), np.float32)

    return predict


def as_input(model: Any, patches: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return patches as the model's input: float32, with its channel axis; UserError when the shape is another."""
    patches = np.asarray(patches, dtype=np.float32)
    shape = tuple(model.input_shape[1:])
    if patches.ndim == len(shape) and shape[-1] == 1:
        patches = patches[..., np.newaxis]
    if patches.shape[1:] != shape:
        raise UserError(
            f"the patches have the shape {patches.shape[1:]}, but the model takes {shape}: "
            "feature_extraction (n_mels, patch_length) differs from what the model was made for"
        )
    return patches


def _inference(model: Any) -> Any:
    from pyaed.models.keras import import_tensorflow

    tf = import_tensorflow()
    # One trace for all batch sizes.
    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)]
    return tf.function(lambda x: model(x, training=False), input_signature=signature)
