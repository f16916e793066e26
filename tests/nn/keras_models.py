"""Keras models for tests: one per kind of layer, the families of the zoo, and a model of many layers."""

import os
from types import SimpleNamespace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from pyaed import models
from pyaed.models.keras import import_keras, import_tensorflow
from pyaed.quantization import quantize

keras = import_keras()
layers = keras.layers


def network(shape: tuple, body):
    """Return the model of ``body(inputs)``."""
    inputs = keras.Input(shape)
    return keras.Model(inputs, body(inputs))


def _map(x, n: int = 8):
    return layers.Conv2D(n, 3, padding="same")(x)


def _excited(activation: str, dense: bool = False):
    def body(x):
        x = _map(x)
        gate = layers.GlobalAveragePooling2D(keepdims=not dense)(x)
        for n, kind in ((2, "relu"), (8, activation)):
            gate = layers.Dense(n, activation=kind)(gate) if dense else layers.Conv2D(n, 1, activation=kind)(gate)
        return layers.Multiply()([x, layers.Reshape((1, 1, 8))(gate) if dense else gate])

    return body


def _pair(layer: str):
    return lambda x: getattr(layers, layer)()([_map(x), _map(x)])


def _after_map(layer):
    return lambda x: layer(_map(x))


MAP, ROW = (12, 10, 1), (30, 4)
#: Name -> (input shape, layers).
LAYERS = {
    "add": (MAP, _pair("Add")),
    "average": (MAP, lambda x: layers.Average()([_map(x), _map(x), _map(x)])),
    "average pool": ((13, 11, 4), layers.AveragePooling2D((3, 2), (2, 3), padding="same")),
    "batch normalization": ((12, 10, 4), layers.BatchNormalization()),
    "concatenate": (MAP, lambda x: layers.Concatenate()([_map(x), layers.MaxPooling2D(3, 1, padding="same")(_map(x, 3))])),
    "concatenate rows": (MAP, lambda x: layers.Concatenate(axis=1)([_map(x), _map(x)])),
    "conv1d": (ROW, lambda x: layers.Conv1D(6, 3)(layers.Conv1D(8, 5, strides=2, padding="causal")(x))),
    "conv1d dilated": (ROW, lambda x: layers.Conv1D(6, 3, dilation_rate=4, padding="causal")(
        layers.Conv1D(6, 3, dilation_rate=2, padding="same")(x))),
    "cropping": (MAP, _after_map(layers.Cropping2D(((1, 2), (0, 1))))),
    "cropping1d": (ROW, lambda x: layers.Cropping1D((2, 1))(layers.Conv1D(4, 3)(x))),
    "dense on rows": (ROW, layers.Dense(3, activation="relu6")),
    "depthwise": (MAP, _after_map(layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2, activation="relu"))),
    "depthwise dilated": ((13, 11, 1), _after_map(layers.DepthwiseConv2D(3, dilation_rate=2, padding="same"))),
    "depthwise1d": (ROW, layers.DepthwiseConv1D(3, padding="same")),
    "dilated": ((13, 11, 1), _after_map(layers.Conv2D(4, 3, dilation_rate=(2, 3)))),
    "gelu": (MAP, _after_map(layers.Activation("gelu"))),
    "global average and max": ((6, 5, 4), lambda x: layers.Concatenate()(
        [layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])),
    "global max": (MAP, _after_map(layers.GlobalMaxPooling2D(keepdims=True))),
    "grouped": (MAP, _after_map(layers.Conv2D(12, 3, groups=4, padding="same"))),
    "grouped by one": (MAP, _after_map(layers.Conv2D(16, 3, groups=8, padding="same"))),
    "hard swish": (MAP, _after_map(layers.Activation("hard_swish"))),
    "leaky relu": (MAP, _after_map(layers.LeakyReLU(0.1))),
    "maximum": (MAP, _pair("Maximum")),
    "minimum": (MAP, _pair("Minimum")),
    "permute and flatten": ((6, 5, 4), lambda x: layers.Dense(3)(layers.Flatten()(layers.Permute((3, 1, 2))(x)))),
    "pools in one dimension": (ROW, lambda x: layers.GlobalMaxPooling1D()(
        layers.AveragePooling1D(2, padding="same")(layers.MaxPooling1D(3, padding="same")(x)))),
    "prelu": (MAP, _after_map(layers.PReLU(shared_axes=[1, 2], alpha_initializer="normal"))),
    "prelu of each value": (MAP, _after_map(layers.PReLU(alpha_initializer="normal"))),
    "rescaling": ((12, 10, 4), layers.Rescaling(0.3, -1.0)),
    "separable": (MAP, _after_map(layers.SeparableConv2D(6, 3, strides=2, padding="same", activation="relu"))),
    "separable1d": (ROW, layers.SeparableConv1D(6, 3, padding="same")),
    "shuffled channels": ((6, 5, 4), lambda x: layers.Reshape((6, 5, 8))(
        layers.Permute((1, 2, 4, 3))(layers.Reshape((6, 5, 2, 4))(_map(x))))),
    "slice": (MAP, lambda x: _map(x)[:, 1:-1, ::2, :]),
    "slice of one row": (MAP, lambda x: _map(x)[:, 2, :, 3:5]),
    "softmax of columns": ((6, 5, 4), layers.Softmax(axis=1)),
    "squeeze and excite": (MAP, _excited("sigmoid")),
    "squeeze and excite, dense": (MAP, _excited("sigmoid", dense=True)),
    "squeeze and excite, hard": (MAP, _excited("hard_sigmoid")),
    "squared difference": (MAP, lambda x: keras.ops.square(_map(x) - _map(x))),
    "subtract": (MAP, _pair("Subtract")),
    "swish": (MAP, _after_map(layers.Activation("swish"))),
    "tanh": (MAP, _after_map(layers.Activation("tanh"))),
    "time distributed": ((6, 5, 4), layers.TimeDistributed(layers.Dense(3))),
    "zero padding1d": (ROW, layers.ZeroPadding1D((2, 1))),
}  # fmt: skip


def layer_model(name: str):
    keras.utils.set_random_seed(0)
    return network(*LAYERS[name])


def custom_model(shape: tuple):
    """A model that no zoo has: inception and residual branches, groups, dilations, squeeze and excite, slices."""

    def body(x):
        x = layers.Conv2D(8, (5, 3), strides=2, padding="same", use_bias=False)(x)
        x = layers.Activation("hard_swish")(layers.BatchNormalization()(x))
        wide = layers.Conv2D(8, 3, dilation_rate=2, padding="same", activation="relu")(x)
        narrow = layers.DepthwiseConv2D(3, padding="same", activation="relu6")(x)
        pooled = layers.AveragePooling2D(3, 1, padding="same")(x)
        x = layers.Concatenate()([wide, narrow, pooled])
        y = layers.Conv2D(24, 3, groups=4, padding="same")(x)
        x = layers.PReLU(shared_axes=[1, 2])(layers.Add()([x, layers.BatchNormalization()(y)]))
        gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
        gate = layers.Conv2D(24, 1, activation="sigmoid")(layers.Conv2D(6, 1, activation="relu")(gate))
        x = layers.Multiply()([x, gate])
        x = layers.Subtract()([layers.Maximum()([x[:, :-1], x[:, 1:]]), x[:, 1:]])
        x = layers.MaxPooling2D(2)(layers.LeakyReLU(0.2)(x))
        x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
        return layers.Dense(4, activation="softmax")(layers.Dense(12, activation="tanh")(x))

    return network((*shape, 1), body)


#: Name -> (settings of the model, shape of a patch).
FAMILIES = {f"yamnet {n}": (dict(name="yamnet", embedding_size=n), (64, 96)) for n in (256, 512, 1024)}
FAMILIES |= {
    f"miniresnet {version}, {n} stacks, {pooling or 'flat'}": (
        dict(name="miniresnet", version=version, n_stacks=n, pooling=pooling),
        (64, 50),
    )
    for version in ("v1", "v2")
    for n in (1, 2, 3)
    for pooling in (None, "avg", "max")
}
FAMILIES["custom"] = (None, (32, 24))


def patches(shape: tuple[int, int], n: int, seed: int) -> np.ndarray:
    """Log-mel-like patches, made by code: smooth noise floors with tones, clicks and sweeps, in log units."""
    random = np.random.default_rng(seed)
    rows, columns = shape
    y, x = np.mgrid[:rows, :columns] / np.array([rows, columns]).reshape(2, 1, 1)
    result = []
    for _ in range(n):
        energy = 10 ** random.uniform(-6, -2) * (1.05 - y) ** 2
        for _ in range(random.integers(1, 5)):
            line = random.uniform(0, 1) + random.uniform(-0.5, 0.5) * x
            envelope = np.exp(-(((x - random.uniform(0, 1)) / random.uniform(0.02, 0.6)) ** 2))
            energy = energy + 10 ** random.uniform(-4, 1) * envelope * np.exp(-(((y - line) / 0.03) ** 2))
        result.append(np.log(energy * random.gamma(2, 0.5, (rows, columns)) + 1e-4))
    return np.array(result, np.float32)


def trained(name: str, n: int = 16):
    """Return a model of a family after one epoch on synthetic patches."""
    settings, shape = FAMILIES[name]
    keras.utils.set_random_seed(0)
    model = models.build(SimpleNamespace(**settings), 4, shape) if settings else custom_model(shape)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    labels = np.random.default_rng(1).integers(0, 4, n)
    model.fit(patches(shape, n, 0)[..., np.newaxis], labels, batch_size=8, epochs=1, verbose=0)
    return model


def quantized(model, path, per_channel: bool = True, ends: str = "int8") -> bytes:
    """Return the model quantized as the tool does it."""
    shape = model.input_shape[1:]
    if len(shape) == 3 and shape[0] >= 32:
        samples = patches(shape[:2], 20, 2)
    else:
        samples = np.random.default_rng(0).normal(0, 1, (20, *shape)).astype(np.float32)
    settings = SimpleNamespace(
        granularity="per_channel" if per_channel else "per_tensor",
        quantization_input_type=ends,
        quantization_output_type=ends,
    )
    return quantize(model, samples, settings, None, path).read_bytes()


def converted(model) -> bytes:
    """Return the model converted without the tool: its batch size stays free."""
    lite = import_tensorflow().lite
    random = np.random.default_rng(0)
    shape = (1, *model.input_shape[1:])
    converter = lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([random.normal(0, 1, shape).astype(np.float32)] for _ in range(20))
    converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS_INT8]
    return converter.convert()
