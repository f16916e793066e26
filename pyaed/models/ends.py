"""A Keras model's ends: what they are, and layers in front and behind that make them patches and one score a class."""

from typing import Any

import numpy as np

from pyaed import artefact
from pyaed.artefact import Input, Scores
from pyaed.artefact.ends import FRAMES_FIRST, SIGMOID, SOFTMAX, probes
from pyaed.models.keras import import_keras
from pyaed.models.storage import predictor

#: The layer that makes two scores of one.
TWO_CLASSES = "two_classes"

#: Layers behind the activation that leave the values as they are.
_PASSING = ("Reshape", "Flatten", "Dropout", "Identity", "InputLayer", "Permute")


def fit(
    model: Any, source: str, metadata: artefact.ModelMetadata, layout: str | None = None
) -> tuple[Any, Input, Scores]:
    """Return a model that takes patches (n_mels, patch_length, 1) and gives one score a class.

    Parameters
    ----------
    model : keras.Model
    source : str
        Its file, for messages.
    metadata : ModelMetadata
        `features`, `class_names` and `multi_label` are used.
    layout : str, optional
        See `pyaed.artefact.check_input`.

    Returns
    -------
    (keras.Model, Input, Scores)
        The model itself where nothing has to be done, and what was found out about its ends.

    Raises
    ------
    UserError
        When inputs or outputs do not fit.
    """
    patch_shape = metadata.features.patch_shape
    inputs = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    taken = artefact.check_input(source, inputs, patch_shape, layout)
    model = _behind_patches(model, inputs[0], patch_shape, taken)
    scores = artefact.check_outputs(
        source,
        [_size(tensor.shape) for tensor in model.outputs],
        _activation(model.outputs[0]),
        metadata.class_names,
        metadata.multi_label,
        lambda: predictor(model)(probes(patch_shape)),
    )
    return _with_scores(model, scores), taken, scores


def _size(shape: tuple[int | None, ...]) -> int:
    size = 1
    for n in shape[1:]:
        size *= n or 1
    return size


def _behind_patches(model: Any, shape: tuple[int | None, ...], patch_shape: tuple[int, int], taken: Input) -> Any:
    wanted = patch_shape[::-1] if taken.layout == FRAMES_FIRST else patch_shape
    if shape in (patch_shape, (*patch_shape, 1)) and taken.layout != FRAMES_FIRST:
        return model
    keras = import_keras()
    patch = x = keras.Input((*patch_shape, 1), name="patch")
    if taken.layout == FRAMES_FIRST:
        x = keras.layers.Permute((2, 1, 3))(x)
    sizes = iter(n for n in wanted if n != 1)
    flat = [n for n in shape if n != 1] == [patch_shape[0] * patch_shape[1]]
    target = shape if flat else tuple(1 if n == 1 else next(sizes, 1) for n in shape)
    if target != (*wanted, 1):
        x = keras.layers.Reshape(target)(x)
    return keras.Model(patch, model(x), name=model.name)


def _with_scores(model: Any, scores: Scores) -> Any:
    if scores.plain and len(model.output_shape) == 2:
        return model
    keras = import_keras()
    x = model.outputs[0]
    if len(x.shape) != 2:
        x = keras.layers.Flatten()(x)
    if scores.activation:
        x = keras.layers.Activation(scores.activation)(x)
    if scores.two_classes:
        both = keras.layers.Dense(2, trainable=False, name=TWO_CLASSES)
        x = both(x)
        both.set_weights([np.array([[-1.0, 1.0]]), np.array([1.0, 0.0])])
    return keras.Model(model.inputs, x, name=model.name)


def _activation(tensor: Any) -> str | None:
    """Return `SOFTMAX` or `SIGMOID` where the last layer that changes values is one over the classes."""
    while True:
        layer, node, _ = tensor._keras_history
        if hasattr(layer, "outputs") and getattr(layer, "layers", None):
            tensor = layer.outputs[0]
            continue
        kind = type(layer).__name__
        if kind == "Softmax":
            return SOFTMAX if layer.axis in (-1, len(tensor.shape) - 1) else None
        if kind in _PASSING or (kind == "Activation" and layer.activation.__name__ == "linear"):
            sources = layer._inbound_nodes[node].input_tensors
            if len(sources) != 1:
                return None
            tensor = sources[0]
            continue
        name = getattr(getattr(layer, "activation", None), "__name__", None)
        return name if name in (SOFTMAX, SIGMOID) else None
