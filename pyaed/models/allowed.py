"""The classes that a model file may name. Keras' own refusal of code has been passed by more than once (docs/security.md)."""

import os
from typing import Any

from pyaed.errors import UserError, nearest

#: Layers that compute from their input and their weights alone: none reads a file, calls back or runs what it is given.
_LAYERS = """
Activation ActivityRegularization Add AlphaDropout Average AveragePooling1D AveragePooling2D BatchNormalization
Concatenate Conv1D Conv2D Conv2DTranspose Cropping1D Cropping2D Dense DepthwiseConv1D DepthwiseConv2D Dot Dropout ELU
Flatten GRU GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D GlobalMaxPooling1D
GlobalMaxPooling2D GroupNormalization Identity InputLayer LSTM LayerNormalization LeakyReLU MaxPooling1D MaxPooling2D
Maximum Minimum Multiply Normalization PReLU Permute ReLU RepeatVector Rescaling Reshape SeparableConv1D
SeparableConv2D SimpleRNN Softmax SpatialDropout1D SpatialDropout2D Subtract UnitNormalization UpSampling1D UpSampling2D
ZeroPadding1D ZeroPadding2D
"""
LAYERS = frozenset(_LAYERS.split())
NETWORKS = frozenset(("Functional", "Model", "Sequential"))
#: Of these modules every public class: numbers and rules without reach.
MODULES = ("constraints", "initializers", "losses", "metrics", "optimizers", "optimizers.schedules", "regularizers")
#: Keras' marks in its JSON.
MARKS = frozenset(("__keras_tensor__", "__tensor__", "__tuple__", "__numpy__", "__ellipsis__", "DTypePolicy"))


def check(path: str | os.PathLike[str], config: Any) -> None:
    """Refuse a layer graph that names anything outside of the lists.

    Parameters
    ----------
    path : path-like
        For the message.
    config : dict
        As the file has it.

    Raises
    ------
    UserError
    """
    pending = [config]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if "class_name" in item:
                _check_name(path, item)
            elif isinstance(item.get("module"), str) and "config" in item:
                raise UserError(f"{path}: something of {item['module']!r:.80} without a name")
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def _check_name(path: str | os.PathLike[str], item: dict[str, Any]) -> None:
    kind, module = item["class_name"], item.get("module")
    registered = item.get("registered_name")
    if registered not in (None, kind):
        _refuse(path, f"{registered}, a registered name")
    if not isinstance(kind, str) or not (module is None or isinstance(module, str)):
        _refuse(path, f"{kind!r:.80}")
    if module is None or module == "keras":
        known = kind in MARKS or kind in NETWORKS or (module is None and (kind in LAYERS or _public(kind)))
    elif module == "keras.layers":
        known = kind in LAYERS
    elif module.startswith("keras.src.models.") or module == "keras.models":
        known = kind in NETWORKS
    elif module == "keras.dtype_policies":
        known = kind in MARKS
    else:
        known = module.removeprefix("keras.") in MODULES and module.startswith("keras.") and _public(kind)
    if not known:
        _refuse(path, f"{kind!r:.80} of {module or 'unknown origin'!r:.80}", str(kind))


def _public(kind: str) -> bool:
    """Say whether one of `MODULES` has a class of that name."""
    from pyaed.models.keras import import_keras

    keras = import_keras()
    spaces: list[Any] = [keras.optimizers.schedules]
    spaces += [getattr(keras, name) for name in MODULES if "." not in name]
    return any(isinstance(getattr(space, kind, None), type) for space in spaces)


def _refuse(path: str | os.PathLike[str], what: str, name: str = "") -> None:
    raise UserError(
        f"{path}: it holds {what}, which might have to be executed; pyaed loads models made of Keras' own layers only"
        + nearest(name, LAYERS)
    )
