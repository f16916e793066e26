"""The YAMNet backbone: MobileNet v1 blocks over (frames, mels), cut at an embedding width."""

from typing import Any

from pyaed.models.keras import import_keras

BATCH_NORM_EPSILON = 1e-4
# Ours, not the published 0.99: in a short training the statistics would lag behind the weights. Inference is the same.
BATCH_NORM_MOMENTUM = 0.9

# Separable blocks layer2, layer3 ...: (stride of the depthwise convolution, output channels).
BLOCKS = (
    (1, 64),
    (2, 128),
    (1, 128),
    (2, 256),
    (1, 256),
    (2, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (1, 512),
    (2, 1024),
    (1, 1024),
)

# embedding_size -> (number of blocks, published weights)
EMBEDDINGS = {
    256: (5, "yamnet_256_f32.h5"),
    512: (11, "yamnet_512_f32.h5"),
    1024: (13, "yamnet_1024_f32.h5"),
}


def backbone(x: Any, embedding_size: int) -> Any:
    """Apply YAMNet up to its pooled embedding.

    Parameters
    ----------
    x : KerasTensor, shape (batch, n_mels, patch_length, 1)
        Log-mel patches, a mel band a row. YAMNet reads (frames, mels), so the axes are swapped first.
    embedding_size : {256, 512, 1024}
        Width of the last block.

    Returns
    -------
    KerasTensor, shape (batch, embedding_size)
    """
    layers = import_keras().layers

    def normalized(x: Any, layer: Any, relu: str) -> Any:
        x = layers.BatchNormalization(
            epsilon=BATCH_NORM_EPSILON, momentum=BATCH_NORM_MOMENTUM, scale=False, name=f"{layer.name}_bn"
        )(layer(x))
        return layers.ReLU(name=relu)(x)

    x = layers.Permute((2, 1, 3), name="permute")(x)
    first = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False, name="layer1_conv")
    x = normalized(x, first, "layer1_relu")
    for number, (stride, filters) in enumerate(BLOCKS[: EMBEDDINGS[embedding_size][0]], start=2):
        name = f"layer{number}_depthwise_conv"
        depthwise = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, name=name)
        x = normalized(x, depthwise, f"{name}_relu")
        name = f"layer{number}_pointwise_conv"
        pointwise = layers.Conv2D(filters, 1, padding="same", use_bias=False, name=name)
        x = normalized(x, pointwise, f"{name}_relu")
    return layers.GlobalAveragePooling2D(name="embedding")(x)
