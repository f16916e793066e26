"""The MiniResNet backbones: stacks of two residual blocks, version 1 or 2."""

from typing import Any

from pyaed.models.keras import import_keras

BATCH_NORM_EPSILON = 1.001e-5
# Ours, not the published 0.99: in a short training the statistics would lag behind the weights. Inference is the same.
BATCH_NORM_MOMENTUM = 0.9
FIRST_FILTERS = 64
PUBLISHED_STACKS = (1, 2)
#: Of a weight in a training: itself, its gradient, two averages of Adam's, and the best epoch's copy; 32-bit floats.
BYTES_A_WEIGHT = 5 * 4
POOLINGS = {"avg": "GlobalAveragePooling2D", "max": "GlobalMaxPooling2D"}


def published_weights(version: str, n_stacks: int, pooling: str | None) -> str:
    """Return the file name under which the backbone is published."""
    family = "miniresnetv2" if version == "v2" else "miniresnet"
    return f"{'pooled_' if pooling else ''}{family}_{n_stacks}_stacks_backbone.h5"


def training_bytes(n_stacks: int) -> int:
    """Return about how much memory it takes to train the backbone: each stack has four times the weights of the one before."""
    # Of both versions: four 1x1 convolutions, two from half of the filters, and two 3x3 convolutions (20 filters^2).
    return BYTES_A_WEIGHT * sum(20 * (FIRST_FILTERS << stack) ** 2 for stack in range(n_stacks))


def backbone(x: Any, version: str, n_stacks: int, pooling: str | None) -> Any:
    """Apply a MiniResNet up to its embedding.

    Parameters
    ----------
    x : KerasTensor, shape (batch, n_mels, patch_length, 1)
    version : {"v1", "v2"}
        v1 normalizes after each convolution, v2 before (pre-activation).
    n_stacks : int
        Stacks of two residual blocks with 64, 128, 256 ... filters; each halves both axes once.
    pooling : {None, "avg", "max"}
        None flattens the last feature map.

    Returns
    -------
    KerasTensor, shape (batch, n_features)
    """
    layers = import_keras().layers
    x = layers.ZeroPadding2D(3, name="conv1_pad")(x)
    x = layers.Conv2D(64, 7, strides=2, name="conv1_conv")(x)
    if version == "v1":
        x = _normalized(x, "conv1_bn", "conv1_relu")
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    for stack in range(2, 2 + n_stacks):
        filters = FIRST_FILTERS << (stack - 2)
        for block in (1, 2):
            name = f"conv{stack}_block{block}"
            if version == "v1":
                x = _block_v1(x, filters, downsample=block == 1, name=name)
            else:
                # The published pooled v2 backbones have a bias on the 3x3 convolution, the others have none.
                x = _block_v2(x, filters, first=block == 1, use_bias=pooling is not None, name=name)
    if version == "v2":
        x = _normalized(x, "post_bn", "post_relu")
    if pooling is None:
        return layers.Flatten(name="embedding")(x)
    return getattr(layers, POOLINGS[pooling])(name="embedding")(x)


def _normalized(x: Any, bn: str, relu: str | None) -> Any:
    layers = import_keras().layers
    x = layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, momentum=BATCH_NORM_MOMENTUM, name=bn)(x)
    return layers.Activation("relu", name=relu)(x) if relu else x


def _block_v1(x: Any, filters: int, downsample: bool, name: str) -> Any:
    """1x1 (stride 2 when it downsamples) and 3x3 convolutions; a 1x1 convolution shortcut where the shape changes."""
    layers = import_keras().layers
    strides = 2 if downsample else 1
    shortcut = x
    if downsample:
        shortcut = layers.Conv2D(filters, 1, strides=strides, name=f"{name}_0_conv")(x)
        shortcut = _normalized(shortcut, f"{name}_0_bn", None)
    x = layers.Conv2D(filters, 1, strides=strides, name=f"{name}_1_conv")(x)
    x = _normalized(x, f"{name}_1_bn", f"{name}_1_relu")
    x = layers.Conv2D(filters, 3, padding="same", name=f"{name}_2_conv")(x)
    x = _normalized(x, f"{name}_2_bn", f"{name}_2_relu")
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.Activation("relu", name=f"{name}_out")(x)


def _block_v2(x: Any, filters: int, first: bool, use_bias: bool, name: str) -> Any:
    """Pre-activation block: the first of a stack widens (1x1 shortcut), the second downsamples (strided shortcut)."""
    layers = import_keras().layers
    strides = 1 if first else 2
    preact = _normalized(x, f"{name}_preact_bn", f"{name}_preact_relu")
    if first:
        shortcut = layers.Conv2D(filters, 1, name=f"{name}_0_conv")(preact)
    else:
        shortcut = layers.MaxPooling2D(1, strides=strides, name=f"{name}_0_pool")(x)
    x = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_1_conv")(preact)
    x = _normalized(x, f"{name}_1_bn", f"{name}_1_relu")
    x = layers.ZeroPadding2D(1, name=f"{name}_2_pad")(x)
    x = layers.Conv2D(filters, 3, strides=strides, use_bias=use_bias, name=f"{name}_2_conv")(x)
    return layers.Add(name=f"{name}_out")([shortcut, x])
