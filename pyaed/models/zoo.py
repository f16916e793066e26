"""Builds a model of the zoo from the `training.model` section: backbone, dropout, classifier."""

import ast
import logging
from collections.abc import Sequence
from typing import Any

from pyaed.errors import UserError, nearest
from pyaed.models import keras2, miniresnet, yamnet
from pyaed.models.keras import import_keras, memory_bytes
from pyaed.models.pretrained import find_pretrained, look_for

log = logging.getLogger(__name__)

MODELS = ("yamnet", "miniresnet")
HEAD = ("head_dropout", "new_head")


def build(
    model_cfg: object,
    n_classes: int,
    input_shape: Sequence[int] | None = None,
    *,
    multi_label: bool = False,
    dropout: float = 0.0,
    fine_tune: bool = False,
    seed: int = 0,
) -> Any:
    """Build a float model: log-mel patches in, class probabilities out.

    Parameters
    ----------
    model_cfg : object
        With the attributes of the `training.model` section: `name` (yamnet, miniresnet), `input_shape`,
        `pretrained_weights` (default False), for yamnet `embedding_size` (default 256), for miniresnet `n_stacks`
        (default 1), `version` (v1, v2; default v1) and `pooling` (None, avg, max; default None).
    n_classes : int
        Outputs, in the order of the class names.
    input_shape : sequence of int, optional
        Shape of a patch, (n_mels, patch_length) or (n_mels, patch_length, 1), from the feature specification.
        `model_cfg.input_shape`, where given, has to agree with it.
    multi_label : bool
        Sigmoid outputs, independent of each other, instead of softmax.
    dropout : float
        Rate of the dropout before the classifier, 0 for none.
    fine_tune : bool
        Train a pretrained backbone too. Without, its weights and batch statistics stay as published. A backbone
        without pretrained weights is always trained.
    seed : int
        Of the initial weights.

    Returns
    -------
    keras.Model
        Input float32 (batch, n_mels, patch_length, 1), output float32 (batch, n_classes). Uncompiled.

    Raises
    ------
    UserError
        For an unknown model or option, a wrong shape, or weights that can't be found.
    """
    keras = import_keras()
    if n_classes < 1:
        raise UserError(f"a model needs at least one class, there are {n_classes}")
    if not 0 <= dropout < 1:
        raise UserError(f"training.dropout is {dropout}, expected a number from 0 to below 1")
    name, shape, options = check(model_cfg, input_shape)
    pretrained = bool(getattr(model_cfg, "pretrained_weights", False))

    keras.utils.set_random_seed(seed)
    inputs = keras.Input(shape, name="patch")
    x = _backbone(name, options, inputs, pretrained)
    backbone = keras.Model(inputs, x)
    if pretrained:
        keras2.load_weights(backbone, find_pretrained(_weights_file(name, options)))
        if not fine_tune:
            backbone.trainable = False  # batch normalization then keeps to its stored statistics

    if dropout:
        x = keras.layers.Dropout(dropout, name=HEAD[0])(x)
    activation = "sigmoid" if multi_label else "softmax"
    outputs = keras.layers.Dense(n_classes, activation=activation, name=HEAD[1])(x)
    return keras.Model(inputs, outputs, name=name)


def check(
    model_cfg: object, input_shape: Sequence[int] | None = None
) -> tuple[str, tuple[int, int, int], tuple[Any, ...]]:
    """Return name, shape of a patch and options of the model that a section names, without building it.

    Raises
    ------
    UserError
        For an unknown model or option, or a wrong shape.
    """
    name = str(getattr(model_cfg, "name", None) or "").lower()
    if name not in MODELS:
        hint = nearest(name, MODELS)
        if name == "custom":
            hint = "; a network of your own is a model file: general.model_path=FILE.keras, without training.model"
        raise UserError(f"training.model.name is '{name}', expected one of {', '.join(MODELS)}{hint}")
    shape = _patch_shape(getattr(model_cfg, "input_shape", None), input_shape)
    if name == "yamnet":
        size = _choice(model_cfg, "embedding_size", 256, tuple(yamnet.EMBEDDINGS))
        if shape[0] != 64 or shape[1] != 96:
            raise UserError(
                f"YAMNet takes patches of 64 mels x 96 frames, here they are {shape[0]} x {shape[1]}: "
                "set feature_extraction.n_mels=64 and patch_length=96"
            )
        return name, shape, (size,)
    version = _choice(model_cfg, "version", "v1", ("v1", "v2"))
    n_stacks = getattr(model_cfg, "n_stacks", None) or 1
    if type(n_stacks) is not int or n_stacks < 1:
        raise UserError(f"training.model.n_stacks is {n_stacks}, expected a whole number from 1 on")
    if getattr(model_cfg, "pretrained_weights", False) and n_stacks not in miniresnet.PUBLISHED_STACKS:
        raise UserError(
            f"training.model.n_stacks is {n_stacks}: weights are published for 1 and 2 stacks; expected one of them, or "
            "training.model.pretrained_weights=False"
        )
    _check_memory(n_stacks)
    return name, shape, (version, n_stacks, _choice(model_cfg, "pooling", None, (None, "avg", "max")))


def _check_memory(n_stacks: int) -> None:
    memory, most = memory_bytes(), 1
    while most < n_stacks and miniresnet.training_bytes(most + 1) <= memory:
        most += 1
    if most < n_stacks:
        needed = miniresnet.training_bytes(most + 1)
        raise UserError(
            f"training.model.n_stacks is {n_stacks}: each stack has four times the weights of the one before, and training "
            f"{most + 1} of them takes {needed / 2**30:.1f} GiB; this machine has {memory / 2**30:.1f} GiB; expected at most {most}"
        )


def missing_weights(model_cfg: object, input_shape: Sequence[int] | None = None) -> str | None:
    """Return the file of published weights that a section needs and no folder has, None where nothing is missing."""
    name, _, options = check(model_cfg, input_shape)
    file = _weights_file(name, options) if getattr(model_cfg, "pretrained_weights", False) else None
    return file if file is not None and look_for(file) is None else None


def _weights_file(name: str, options: tuple[Any, ...]) -> str:
    return yamnet.EMBEDDINGS[options[0]][1] if name == "yamnet" else miniresnet.published_weights(*options)


def _backbone(name: str, options: tuple[Any, ...], inputs: Any, pretrained: bool) -> Any:
    """Return the output of the backbone that a section names."""
    if name == "yamnet":
        (size,) = options
        if not pretrained:
            log.warning(
                "training.model.pretrained_weights is False: YAMNet is trained from scratch, as a MobileNet v1; ST's zoo takes it "
                "with pretrained weights only"
            )
        return yamnet.backbone(inputs, size)
    version, n_stacks, pooling = options
    if pretrained and pooling == "max":
        log.warning(
            "training.model.pooling=max: the pretrained weights were published for average pooling; their convolutions are "
            "used in front of max pooling"
        )
    return miniresnet.backbone(inputs, version, n_stacks, pooling)


def parse_shape(value: object) -> tuple[int, ...]:
    """Return a shape given as a tuple, a list or text such as "(64, 96, 1)"."""
    given = value
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            value = None
    if not isinstance(value, (tuple, list)) or not all(type(n) is int and n > 0 for n in value):
        raise UserError(f"training.model.input_shape is {given!r}, expected a shape such as (64, 96, 1)")
    return tuple(value)


def _patch_shape(configured: str | Sequence[int] | None, features: Sequence[int] | None) -> tuple[int, int, int]:
    shapes = []
    for value in (configured, features):
        if value is None or value == "":
            continue
        shape = parse_shape(value if isinstance(value, str) else tuple(int(n) for n in value))
        shape = (*shape, 1) if len(shape) == 2 else shape
        if len(shape) != 3 or shape[2] != 1:
            raise UserError(f"training.model.input_shape is {value}, expected (n_mels, patch_length, 1)")
        shapes.append(shape)
    if not shapes:
        raise UserError("training.model.input_shape is missing, expected (n_mels, patch_length, 1)")
    if shapes[0] != shapes[-1]:
        raise UserError(
            f"training.model.input_shape is {shapes[0]}, but feature_extraction makes patches of "
            f"{shapes[-1]} (n_mels, patch_length, 1): make them equal"
        )
    return shapes[0]


def _choice(model_cfg: object, key: str, default: Any, choices: tuple[Any, ...]) -> Any:
    value = getattr(model_cfg, key, None)
    if value is None or value == "":
        return default
    if isinstance(value, str):
        value = None if value.lower() == "none" else value.lower()
        if value is None:
            return default
    if value not in choices:
        hint = nearest(value, [str(c) for c in choices]) if isinstance(value, str) else ""
        raise UserError(f"training.model.{key} is {value}, expected one of {', '.join(map(str, choices))}{hint}")
    return value
