"""The layers of Keras 2 as those of Keras 3: known kinds only, with plain arguments; nothing in a file is ever executed."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from pyaed.errors import UserError, nearest
from pyaed.models.keras import import_keras

_SIZES = ("1D", "2D", "3D")

#: Kinds with the same name and meaning in both. What reads text or changes examples at random is left out.
LAYERS = (
    "Activation", "ActivityRegularization", "Add", "AdditiveAttention", "AlphaDropout", "Attention", "Average",
    "BatchNormalization", "CenterCrop", "Concatenate", "Dense", "DepthwiseConv1D", "DepthwiseConv2D", "Dot", "Dropout", "ELU",
    "EinsumDense", "Embedding", "Flatten", "GRU", "GaussianDropout", "GaussianNoise", "GroupNormalization", "Identity", "LSTM",
    "LayerNormalization", "LeakyReLU", "Masking", "Maximum", "Minimum", "MultiHeadAttention", "Multiply", "Normalization", "PReLU", "Permute",
    "ReLU", "RepeatVector", "Rescaling", "Reshape", "Resizing", "SeparableConv1D", "SeparableConv2D", "SimpleRNN", "Softmax",
    "Subtract", "UnitNormalization",
    *(f"{kind}{size}" for size in _SIZES for kind in (
        "AveragePooling", "Conv", "ConvLSTM", "Cropping", "GlobalAveragePooling", "GlobalMaxPooling", "MaxPooling",
        "SpatialDropout", "UpSampling", "ZeroPadding",
    )),
    *(f"Conv{size}Transpose" for size in _SIZES),
)  # fmt: skip
#: Layers around another one.
WRAPPERS = ("Bidirectional", "TimeDistributed")
#: TensorFlow functions in a Keras 2 graph -> the same in keras.ops, and the names of its arguments behind the first.
OPERATIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "__operators__.add": ("add", ("y",)),
    "math.add": ("add", ("y",)),
    "math.subtract": ("subtract", ("y",)),
    "math.multiply": ("multiply", ("y",)),
    "math.truediv": ("true_divide", ("y",)),
    "math.divide": ("true_divide", ("y",)),
    "math.minimum": ("minimum", ("y",)),
    "math.maximum": ("maximum", ("y",)),
    "math.abs": ("abs", ()),
    "math.exp": ("exp", ()),
    "math.log": ("log", ()),
    "math.negative": ("negative", ()),
    "math.sigmoid": ("sigmoid", ()),
    "math.sqrt": ("sqrt", ()),
    "math.square": ("square", ()),
    "math.tanh": ("tanh", ()),
    "nn.relu": ("relu", ()),
    "nn.relu6": ("relu6", ()),
    "nn.sigmoid": ("sigmoid", ()),
    "nn.softmax": ("softmax", ("axis",)),
    "nn.tanh": ("tanh", ()),
    "expand_dims": ("expand_dims", ("axis",)),
    "squeeze": ("squeeze", ("axis",)),
    "reshape": ("reshape", ("shape",)),
}
ACTIVATIONS = (
    "linear", "relu", "relu6", "sigmoid", "softmax", "tanh", "hard_sigmoid", "elu", "selu", "softplus", "softsign", "swish",
    "silu", "gelu", "exponential", "mish",
)  # fmt: skip

#: Arguments of Keras 2 that Keras 3 calls otherwise.
_RENAMED = {"LeakyReLU": {"alpha": "negative_slope"}}
#: What training alone reads, or what is said elsewhere.
_LEFT_OUT = ("name", "dtype", "seed", "trainable", "layer", "data_format", "activity_regularizer", "l1", "l2")


def make(path: str, name: str, entry: Mapping[str, Any]) -> Any:
    """Return what applies a layer of a configuration, a Keras 3 layer or several: called with its input.

    Raises
    ------
    UserError
        For a kind, an activation or an argument that isn't known here.
    """
    layers = import_keras().layers
    kind, config = entry["class_name"], entry["config"]
    if kind in WRAPPERS:
        inner = config["layer"]
        wrapped = _plain_layer(path, inner["config"].get("name") or name, inner)
        if config.get("backward_layer") is not None and kind == "Bidirectional":
            backward = config["backward_layer"]
            other = _plain_layer(path, backward["config"].get("name") or f"backward_{name}", backward)
            return layers.Bidirectional(wrapped, config.get("merge_mode"), backward_layer=other, name=layer_name(name))
        if kind == "Bidirectional":
            return layers.Bidirectional(wrapped, config.get("merge_mode", "concat"), name=layer_name(name))
        return layers.TimeDistributed(wrapped, name=layer_name(name))
    if config.get("activation") == "hard_sigmoid" and not _recurrent(kind):
        # Keras 2: 0.2 x + 0.5 between 0 and 1; Keras 3 has x / 6 + 0.5 under this name.
        linear = _plain_layer(path, name, {**entry, "config": {**config, "activation": "linear"}})
        return _Chain(linear, layers.Rescaling(0.2, 0.5), layers.ReLU(max_value=1.0))
    return _plain_layer(path, name, entry)


def operation(path: str, name: str, entry: Mapping[str, Any], x: Any, arguments: Mapping[str, Any]) -> Any:
    """Apply a TensorFlow function of a Keras 2 graph (TFOpLambda) to a tensor.

    Raises
    ------
    UserError
        For a function or an argument that isn't known here.
    """
    function = str(entry["config"].get("function"))
    if function not in OPERATIONS:
        raise UserError(
            f"{path}: layer {name} is the TensorFlow function {function}, which can't be read"
            f"{nearest(function, OPERATIONS)}; known: {', '.join(OPERATIONS)}"
        )
    called, names = OPERATIONS[function]
    left = {key for key, value in arguments.items() if value is not None} - set(names)
    if left - {"name"}:
        raise UserError(f"{path}: layer {name}: {function} with the argument {', '.join(sorted(left))} can't be read")
    values = [arguments[key] for key in names if arguments.get(key) is not None]
    return getattr(import_keras().ops, called)(x, *values)


def layer_name(name: str) -> str:
    """Return a layer's name as Keras 3 takes it."""
    return name.replace("/", "_")


class _Chain:
    """Layers applied one after another."""

    def __init__(self, *layers: Any):
        self.layers = layers

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x


def _recurrent(kind: str) -> bool:
    return kind in ("GRU", "LSTM", "SimpleRNN") or kind.startswith("ConvLSTM")


def _plain_layer(path: str, name: str, entry: Mapping[str, Any]) -> Any:
    kind, config = entry["class_name"], entry["config"]
    if kind not in LAYERS:
        raise UserError(
            f"{path}: layer {name} is of the kind {kind}, which can't be read{nearest(kind, (*LAYERS, *WRAPPERS))}; known "
            f"kinds: {', '.join(sorted((*LAYERS, *WRAPPERS)))}"
        )
    if config.get("data_format") not in (None, "channels_last"):
        raise UserError(f"{path}: layer {name} has data_format {config['data_format']}, expected channels_last")
    if config.get("time_major"):
        raise UserError(f"{path}: layer {name} has time_major, which Keras 3 does not have: expected False")
    made = getattr(import_keras().layers, kind)
    known = set(inspect.signature(made.__init__).parameters)
    arguments = {}
    for key, value in config.items():
        key = _RENAMED.get(kind, {}).get(key, key)
        if key in known and key not in _LEFT_OUT and not key.endswith(("_initializer", "_regularizer", "_constraint")):
            arguments[key] = _plain(path, name, key, value)
    for key in ("activation", "recurrent_activation"):
        activation = arguments.get(key, "linear")
        if activation not in ACTIVATIONS:
            raise UserError(f"{path}: layer {name} has the {key} {activation!r}; known: {', '.join(ACTIVATIONS)}")
        if activation == "hard_sigmoid":
            raise UserError(
                f"{path}: layer {name} has the {key} hard_sigmoid, which is another function in Keras 3; expected is one of "
                f"{', '.join(a for a in ACTIVATIONS if a != 'hard_sigmoid')}"
            )
    if isinstance(arguments.get("axis"), list) and len(arguments["axis"]) == 1:
        (arguments["axis"],) = arguments["axis"]  # BatchNormalization stored its axis as a list
    return made(name=layer_name(name), **arguments)


def _plain(path: str, name: str, key: str, value: Any, depth: int = 0) -> Any:
    """Return a value that is a number, a text, a switch, or lists of such; dictionaries may name objects of any kind."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Sequence) and depth < 4:
        return [_plain(path, name, key, item, depth + 1) for item in value]
    raise UserError(
        f"{path}: layer {name} has the {key} {ascii(value)[:60]}, expected a number, a text, a switch or a list of them"
    )
