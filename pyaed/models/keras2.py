"""Reads the `.h5` files of Keras 2, which Keras 3 refuses: the layer graph from their JSON, the weights by name.

Only the layers of the tables below are made, with the arguments listed there; nothing in a file is ever executed.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from pyaed.errors import UserError
from pyaed.models.keras import import_keras

_CONVOLUTION = ("strides", "padding", "dilation_rate", "activation", "use_bias")
_POOLING = ("pool_size", "strides", "padding")

# Keras 2 class name (the same in Keras 3) -> arguments taken over from its configuration.
LAYERS = {
    "Activation": ("activation",),
    "Add": (),
    "AveragePooling2D": _POOLING,
    "BatchNormalization": ("axis", "momentum", "epsilon", "center", "scale"),
    "Conv2D": ("filters", "kernel_size", "groups", *_CONVOLUTION),
    "Dense": ("units", "activation", "use_bias"),
    "DepthwiseConv2D": ("kernel_size", "depth_multiplier", *_CONVOLUTION),
    "Dropout": ("rate",),
    "Flatten": (),
    "GlobalAveragePooling2D": ("keepdims",),
    "GlobalMaxPooling2D": ("keepdims",),
    "MaxPooling2D": _POOLING,
    "Multiply": (),
    "Permute": ("dims",),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "Reshape": ("target_shape",),
    "Softmax": ("axis",),
    "ZeroPadding2D": ("padding",),
}
ACTIVATIONS = ("linear", "relu", "relu6", "sigmoid", "softmax", "tanh", "hard_sigmoid")
NETWORKS = ("Functional", "Model", "Sequential")

# Variable names that changed from Keras 2 to Keras 3.
_RENAMED = {"depthwise_kernel": "kernel"}


def is_keras2(path: str | os.PathLike[str]) -> bool:
    """Say whether an `.h5` file was written by Keras 2 (or 1); UserError when it is no whole Keras model."""
    with _open(path) as file:
        if "model_config" not in file.attrs:
            raise UserError(
                f"{path}: no Keras model in this .h5 file (attribute model_config is missing); "
                "save the whole model, not only its weights"
            )
        return not _text(file.attrs.get("keras_version", b"2")).startswith("3")


def load_model(path: str | os.PathLike[str]) -> Any:
    """Read a Keras 2 `.h5` file into a flat Keras 3 functional model with the same outputs.

    Parameters
    ----------
    path : path-like
        A whole-model HDF5 file; nested models in it are flattened.

    Returns
    -------
    keras.Model
        Uncompiled.

    Raises
    ------
    UserError
        When the file is damaged, holds a layer outside of `LAYERS`, or its weights do not fit the layers exactly.
    """
    keras = import_keras()
    with _open(path) as file:
        try:
            config = json.loads(_text(file.attrs["model_config"]))
            inputs, outputs = _network(str(path), config, None)
            model = keras.Model(inputs, outputs)
        except UserError:
            raise
        except Exception as error:  # whatever a damaged configuration makes Keras or our reading of it stumble over
            raise UserError(f"{path}: its layer configuration is damaged ({_line(error)})") from error
    load_weights(model, path)
    return model


def load_weights(model: Any, path: str | os.PathLike[str]) -> None:
    """Set a model's weights from a Keras 2 `.h5` file, layer by layer name ('/' in the file is '_' in the model).

    Parameters
    ----------
    model : keras.Model
    path : path-like

    Raises
    ------
    UserError
        Unless every weight of the file is used and every layer of the model is filled, with equal shapes.
    """
    with _open(path) as file:
        stored = _stored_weights(str(path), file)
        values = []
        for layer in model.layers:
            for variable in layer.variables:
                key = (layer.name, variable.name)
                if "seed_generator" in variable.path:
                    continue  # Dropout's random state, which Keras 2 did not store
                if key not in stored:
                    raise UserError(f"{path}: no weights for {layer.name}/{variable.name}")
                data = stored.pop(key)
                if tuple(data.shape) != tuple(variable.shape):
                    raise UserError(
                        f"{path}: {layer.name}/{variable.name} has the shape {tuple(data.shape)}, "
                        f"the model needs {tuple(variable.shape)}"
                    )
                values.append((variable, np.asarray(data, dtype=np.float32)))
        if stored:
            left = ", ".join("/".join(key) for key in list(stored)[:4])
            raise UserError(f"{path}: {len(stored)} weights have no place in the model: {left}")
    for variable, value in values:
        variable.assign(value)


def _open(path: str | os.PathLike[str]) -> Any:
    import h5py

    try:
        return h5py.File(path, "r")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such model file") from error
    except OSError as error:
        raise UserError(f"{path}: not a readable HDF5 file ({_line(error)})") from error


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _layer_name(name: str) -> str:
    return name.replace("/", "_")


def _stored_weights(path: str, file: Any) -> dict[tuple[str, str], Any]:
    """Return HDF5 datasets keyed by (layer name, variable name), names as in our models."""
    import h5py

    stored = {}
    root = file.get("model_weights")
    for layer in () if root is None else root.attrs.get("layer_names", ()):
        group = root.get(layer)
        if not isinstance(group, h5py.Group):
            raise UserError(f"{path}: the weights of the layer {_text(layer)} are missing")
        for name in group.attrs.get("weight_names", ()):
            name = _text(name)
            data = group.get(name)
            # External and virtual data sets would read other files of the machine.
            if (
                not isinstance(data, h5py.Dataset)
                or data.file.filename != file.filename
                or data.external
                or data.is_virtual
                or data.dtype.kind != "f"
            ):
                raise UserError(f"{path}: the weight {name} is missing or not a plain float array")
            layer, _, variable = name.removesuffix(":0").rpartition("/")
            key = (_layer_name(layer), _RENAMED.get(variable, variable))
            if key in stored:
                raise UserError(f"{path}: two weights are called {name}")
            stored[key] = data
    return stored


def _network(path: str, entry: Mapping[str, Any], x: Any) -> tuple[Any, Any]:
    """Make a network's layers, applied to the tensor `x`; the outermost (None) makes its own input."""
    config = entry["config"]
    if entry["class_name"] not in NETWORKS:
        raise UserError(f"{path}: a model of the class {entry['class_name']} can't be read")
    tensors: dict[str, Any] = {}
    first = previous = x
    for layer in config["layers"]:
        name = layer.get("name") or layer["config"]["name"]
        if layer["class_name"] == "InputLayer":
            if previous is None:
                first = previous = _input(path, layer["config"])
            elif any(t is not first for t in tensors.values()):
                raise UserError(f"{path}: models with more than one input can't be read")
            tensors[name] = first
            continue
        if entry["class_name"] == "Sequential":
            sources = [previous]
        else:
            nodes = layer["inbound_nodes"]
            if len(nodes) != 1:
                raise UserError(f"{path}: layer {name} is used {len(nodes)} times, once is expected")
            sources = [tensors[node[0]] for node in nodes[0]]
        if layer["class_name"] in NETWORKS:
            previous = _network(path, layer, sources[0])[1]
        else:
            made = _layer(path, name, layer)
            previous = made(sources[0] if len(sources) == 1 else sources)
        tensors[name] = previous
    if entry["class_name"] == "Sequential":
        return first, previous
    outputs = config["output_layers"]
    if len(outputs) != 1 or len(config["input_layers"]) != 1:
        raise UserError(f"{path}: models with more than one input or output can't be read")
    return first, tensors[outputs[0][0]]


def _input(path: str, config: Mapping[str, Any]) -> Any:
    shape = config.get("batch_input_shape") or config.get("batch_shape")
    if not shape or any(not isinstance(n, int) or not 0 < n < 1 << 20 for n in shape[1:]):
        raise UserError(f"{path}: input shape {shape}, expected (None, rows, columns, channels)")
    return import_keras().Input(tuple(shape[1:]), name="input")


def _layer(path: str, name: str, entry: Mapping[str, Any]) -> Any:
    kind, config = entry["class_name"], entry["config"]
    if kind not in LAYERS:
        raise UserError(
            f"{path}: layer {name} is of the kind {kind}, which can't be read; known kinds: {', '.join(sorted(LAYERS))}"
        )
    if config.get("data_format", "channels_last") != "channels_last":
        raise UserError(f"{path}: layer {name} has data_format {config['data_format']}, expected channels_last")
    arguments = {key: config[key] for key in LAYERS[kind] if key in config}
    activation = arguments.get("activation", "linear")
    if activation not in ACTIVATIONS:
        raise UserError(f"{path}: layer {name} has the activation {activation!r}; known: {', '.join(ACTIVATIONS)}")
    if isinstance(arguments.get("axis"), list):  # BatchNormalization stored its axis as a list
        (arguments["axis"],) = arguments["axis"]
    return getattr(import_keras().layers, kind)(name=_layer_name(name), **arguments)
