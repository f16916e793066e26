"""Reads the files of Keras 2 (`.h5`, and its `.keras`), which Keras 3 refuses: the layer graph from their JSON, the weights.

`pyaed.models.keras2_layers` makes the layers; nothing in a file is ever executed.
"""

import os
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from pyaed.artefact.containers import layer_graph, open_h5, open_weights, read_member
from pyaed.errors import UserError
from pyaed.models.keras import check_size, import_keras
from pyaed.models.keras2_layers import layer_name, make, operation
from pyaed.text import first_line

NETWORKS = ("Functional", "Model", "Sequential")
Tensors = dict[tuple[str, int], Any]  # by the name of the layer that computes it, and by its which use

# Variable names that changed from Keras 2 to Keras 3.
_RENAMED = {"depthwise_kernel": "kernel"}
#: Of a `.keras` file's members.


def is_keras2(path: str | os.PathLike[str]) -> bool:
    """Say whether a file was written by Keras 2 (or 1); UserError when it is no whole Keras model."""
    if str(path).lower().endswith(".keras"):
        return not str(read_member(path, "metadata.json").get("keras_version", "3")).startswith(("3", "4"))
    with open_h5(path, path) as file:
        if "model_config" not in file.attrs:
            raise UserError(
                f"{path}: no Keras model in this .h5 file (attribute model_config is missing); "
                "save the whole model, not only its weights"
            )
        return not _text(file.attrs.get("keras_version", b"2")).startswith("3")


def load_model(path: str | os.PathLike[str]) -> Any:
    """Read a file of Keras 2 into a flat Keras 3 functional model with the same outputs.

    Parameters
    ----------
    path : path-like
        A whole model, `.h5` or `.keras`; nested models in it are flattened.

    Returns
    -------
    keras.Model
        Uncompiled.

    Raises
    ------
    UserError
        When the file is damaged, holds a layer that `keras2_layers` does not make, or its weights do not fit the layers exactly.
    """
    keras = import_keras()
    config, numbers = layer_graph(path)
    reader = _Networks(str(path))

    def made() -> Any:
        nonlocal reader
        reader = _Networks(str(path))
        return keras.Model(*reader.network(config, None))

    try:
        check_size(path, made, numbers)
        model = made()
    except UserError:
        raise
    except Exception as error:  # whatever a damaged configuration makes Keras or our reading of it stumble over
        raise UserError(
            f"{path}: {reader.at} can't be made as Keras 2 had it: its configuration is damaged, or of a kind that is not "
            f"known ({first_line(error)})"
        ) from error
    if str(path).lower().endswith(".keras"):
        _load_numbered_weights(str(path), reader.places)
    else:
        load_weights(model, path)
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):  # Normalization computes with copies of its weights
            layer.finalize_state()
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
    with open_h5(path, path) as file:
        stored = _stored_weights(str(path), file, {layer.name for layer in model.layers})
        values = []
        for layer in model.layers:
            own = stored.pop(layer.name, [])
            for variable in _variables(layer):
                fitting = [item for item in own if variable.name in (item[0], _RENAMED.get(item[0]))]
                if not fitting:
                    raise UserError(f"{path}: no weights for {layer.name}/{variable.name}")
                own.remove(fitting[0])
                values.append((variable, _fitting(str(path), f"{layer.name}/{variable.name}", variable, fitting[0][1])))
            if own:
                stored[layer.name] = own
        if stored:
            left = [f"{layer}/{name}" for layer, own in stored.items() for name, _ in own]
            raise UserError(f"{path}: {len(left)} weights have no place in the model: {', '.join(left[:4])}")
    for variable, value in values:
        variable.assign(value)


def _variables(layer: Any) -> list[Any]:
    """Return a layer's weights in Keras 2's order; Dropout's random state, which it did not store, is none."""
    return [variable for variable in layer.weights if "seed_generator" not in variable.path]


def _fitting(path: str, name: str, variable: Any, data: Any) -> np.ndarray:
    if tuple(data.shape) != tuple(variable.shape):
        raise UserError(f"{path}: {name} has the shape {tuple(data.shape)}, the model needs {tuple(variable.shape)}")
    return np.asarray(data, dtype=np.float32)


def _load_numbered_weights(path: str, places: list[tuple[Any, str]]) -> None:
    """Set the weights from a `.keras` file: every layer's are numbered, in groups called after its class."""
    with open_weights(path) as file:
        values = []
        for layer, place in places:
            found = _datasets(file[place]) if place in file else []
            own = _variables(layer)
            if len(found) != len(own):
                raise UserError(
                    f"{path}: layer {layer.name} needs {len(own)} weights, the file has {len(found)} in {place}"
                )
            for variable, data in zip(own, found):
                _expect_plain(path, data.name, data, file)
                values.append((variable, _fitting(path, f"{layer.name}/{variable.name}", variable, data)))
    for variable, value in values:
        variable.assign(value)


def _datasets(group: Any) -> list[Any]:
    """Return a group's data sets in the order of their names, those of groups in it too."""
    import h5py

    found: list[Any] = []
    group.visititems(lambda name, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    return found


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _expect_plain(path: str, name: str, data: Any, file: Any) -> None:
    """External and virtual data sets would read other files of the machine."""
    import h5py

    if (
        not isinstance(data, h5py.Dataset)
        or data.file.filename != file.filename
        or data.external
        or data.is_virtual
        or data.dtype.kind not in "fiu"
    ):
        raise UserError(f"{path}: the weight {name} is missing or not a plain array of numbers")


def _stored_weights(path: str, file: Any, layers: set[str]) -> dict[str, list[tuple[str, Any]]]:
    """Return HDF5 datasets by the layer they belong to, each with its variable's name, in the file's order."""
    import h5py

    stored: dict[str, list[tuple[str, Any]]] = {}
    seen = set()
    root = file.get("model_weights")
    for group_name in () if root is None else root.attrs.get("layer_names", ()):
        group = root.get(group_name)
        if not isinstance(group, h5py.Group):
            raise UserError(f"{path}: the weights of the layer {_text(group_name)} are missing")
        for name in group.attrs.get("weight_names", ()):
            name = _text(name)
            data = group.get(name)
            _expect_plain(path, name, data, file)
            *parts, variable = name.removesuffix(":0").split("/")
            if (group_name, name) in seen or ("/" in name and name in seen):
                raise UserError(f"{path}: two weights are called {name}")
            seen |= {name, (group_name, name)}
            # 'lstm/lstm_cell/kernel' belongs to the layer 'lstm', 'layer1/conv/kernel' to 'layer1/conv'.
            names = [layer_name("/".join(parts[:n])) for n in range(len(parts), 0, -1)] + [
                layer_name(_text(group_name))
            ]
            owner = next((found for found in names if found in layers), names[0])
            stored.setdefault(owner, []).append((variable, data))
    return stored


class _Networks:
    """Makes the networks of one file.

    Attributes
    ----------
    places : list of (layer, str)
        Every layer with weights, and where a `.keras` file keeps them.
    at : str
        What is being made, for messages.
    """

    def __init__(self, path: str):
        self.path = path
        self.places: list[tuple[Any, str]] = []
        self.at = "the model"

    def network(self, entry: Mapping[str, Any], x: Any, place: str = "") -> tuple[Any, Any]:
        """Make a network's layers, applied to the tensor `x`; the outermost (None) makes its own input."""
        config, path = entry["config"], self.path
        if entry["class_name"] not in NETWORKS:
            raise UserError(f"{path}: a model of the class {entry['class_name']} can't be read")
        made = [_Layer(layer) for layer in config["layers"]]
        counts: Counter[str] = Counter()
        for layer in made:
            own = _snake_case(layer.kind)
            layer.place = f"{place}layers/{own}{f'_{counts[own]}' * (counts[own] > 0)}"
            counts[own] += layer.kind != "InputLayer"
        if entry["class_name"] == "Sequential":
            return self._sequence(made, x)
        inputs = [layer for layer in made if layer.kind == "InputLayer"]
        outputs = config["output_layers"]
        if len(outputs) != 1 or len(config["input_layers"]) != 1 or len(inputs) > 1:
            raise UserError(f"{path}: models with more than one input or output can't be read")
        first = x if x is not None else _input(path, inputs[0].entry["config"])
        tensors: Tensors = {(layer.name, 0): first for layer in inputs}
        pending = [(layer, i, call) for layer in made for i, call in enumerate(layer.calls())]
        # A model within the model has counted its own making as a use: what is used once is meant by any number.
        once = {layer.name for layer in made if len(layer.calls()) < 2}
        while pending:  # a layer that is used again may stand before what it is used on
            waiting = []
            for layer, i, node in pending:
                self.at = f"layer {layer.name} ({layer.kind})"
                called = _inbound(node, tensors, once)
                if called is None:
                    waiting.append((layer, i, node))
                else:
                    tensors[layer.name, i] = self._apply(layer, *called)
            if len(waiting) == len(pending):
                raise UserError(f"{path}: {self.at} is computed from something that the file doesn't have")
            pending = waiting
        return first, tensors[_key(outputs[0], once)]

    def _sequence(self, made: "list[_Layer]", x: Any) -> tuple[Any, Any]:
        """Apply layers one after the other; one without an InputLayer says its shape in its first layer."""
        first = x
        for layer in made:
            self.at = f"layer {layer.name} ({layer.kind})"
            if first is None:
                first = x = _input(self.path, layer.entry["config"])
            if layer.kind != "InputLayer":
                x = self._apply(layer, [x], {})
        return first, x

    def _apply(self, layer: "_Layer", sources: list[Any], arguments: dict[str, Any]) -> Any:
        """Call a layer, which is made when it is called first."""
        if layer.kind in NETWORKS:
            if layer.made is not None:
                raise UserError(
                    f"{self.path}: the model {layer.name} within it is used several times, once is expected"
                )
            layer.made = self.network(layer.entry, sources[0], f"{layer.place}/")
            return layer.made[1]
        if layer.kind == "TFOpLambda":
            return operation(self.path, layer.name, layer.entry, sources[0], arguments)
        if layer.made is None:
            layer.made = make(self.path, layer.name, layer.entry)
        result = layer.made(sources[0] if len(sources) == 1 else sources, **arguments)
        own = getattr(layer.made, "layers", (layer.made,))[:1]
        known = {id(one) for one, _ in self.places}
        self.places += [(one, layer.place) for one in own if one.weights and id(one) not in known]
        return result


class _Layer:
    """A layer of a configuration: `entry` as the file has it, `place` of its weights in a `.keras` file, what was `made` of it."""

    def __init__(self, entry: Mapping[str, Any]):
        self.entry, self.kind = entry, entry["class_name"]
        self.name = entry.get("name") or entry["config"]["name"]
        self.place = ""
        self.made: Any = None

    def calls(self) -> list[Any]:
        """Return what it is called with, once for each use."""
        if self.kind == "InputLayer":
            return []
        nodes: list[Any] = self.entry["inbound_nodes"]
        return [[node] if isinstance(node[0], str) else node for node in nodes]


def _key(call: Any, once: set[str]) -> tuple[str, int]:
    return call[0], 0 if call[0] in once else call[1]


def _inbound(node: Any, tensors: Tensors, once: set[str]) -> tuple[list[Any], dict[str, Any]] | None:
    """Return the tensors and the arguments of one call; None while one of the tensors isn't computed."""
    arguments: dict[str, Any] = {}
    wanted = [_key(call, once) for call in node]
    for key, value in (node[0][3] if len(node[0]) > 3 else {}).items():
        if isinstance(value, list) and value and isinstance(value[0], str):
            wanted.append(_key(value, once))
            value = tensors.get(wanted[-1])
        if value is not None and key not in ("training", "name"):
            arguments[key] = value
    if any(key not in tensors for key in wanted):
        return None
    return [tensors[_key(call, once)] for call in node], arguments


def _input(path: str, config: Mapping[str, Any]) -> Any:
    shape = config.get("batch_input_shape") or config.get("batch_shape")
    if not shape or any(not isinstance(n, int) or not 0 < n < 1 << 20 for n in shape[1:]):
        raise UserError(f"{path}: input shape {shape}, expected (None, rows, columns, channels)")
    return import_keras().Input(tuple(shape[1:]), name="input")


def _snake_case(kind: str) -> str:
    """Return a class's name as the groups of a `.keras` file have it."""
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", kind)).lower()
