"""Published and freshly converted models equal TensorFlow Lite's reference kernels in every byte of every layer."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
from networks import residual_network
from tflite_builder import Reference, differences

from pyaed.nn import Engine, compile_graph, read_tflite

PUBLISHED = {
    "st_model_zoo/yamnet_256_64x96_tl_int8.tflite": 23_902_720,
    "st_model_zoo/miniresnet_1stacks_64x50_tl_int8.tflite": 7_361_536,
    "mlperf_tiny/kws_ref_model.tflite": 2_656_768,
    "mlperf_tiny/pretrainedResnet_quant.tflite": 12_501_632,
}


def patches(shape: tuple[int, ...], n: int, seed: int) -> np.ndarray:
    """Log-mel-like patches, made by code: smooth noise floors with tones, clicks and sweeps, in log units."""
    random = np.random.default_rng(seed)
    rows, columns = shape[:2]
    y, x = np.mgrid[:rows, :columns] / np.array([rows, columns]).reshape(2, 1, 1)
    result = []
    for _ in range(n):
        energy = 10 ** random.uniform(-6, -2) * (1.05 - y) ** 2
        for _ in range(random.integers(1, 5)):
            line = random.uniform(0, 1) + random.uniform(-0.5, 0.5) * x
            envelope = np.exp(-(((x - random.uniform(0, 1)) / random.uniform(0.02, 0.6)) ** 2))
            energy = energy + 10 ** random.uniform(-4, 1) * envelope * np.exp(-(((y - line) / 0.03) ** 2))
        result.append(np.log(energy * random.gamma(2, 0.5, (rows, columns)) + 1e-4))
    return np.broadcast_to(np.array(result, np.float32)[..., np.newaxis], (n, *shape)).copy()


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models(shared, name):
    content = (shared / "pretrained" / name).read_bytes()
    engine, reference = Engine(content, threads=2), Reference(content)
    assert engine.program.macs == PUBLISHED[name]
    shape = engine.program.input.shape[1:]
    random = np.random.default_rng(0)
    real = patches(shape, 3, seed=1)
    quantized = np.clip(np.rint(real / engine.program.input.scale) + engine.program.input.zero_point, -128, 127).astype(
        np.int8
    )
    batch = np.concatenate([
        quantized,
        random.integers(-128, 128, (2, *shape)).astype(np.int8),
        np.full((1, *shape), -128, np.int8),
        np.full((1, *shape), 127, np.int8),
    ])  # fmt: skip
    for x in batch:
        assert differences(engine, reference, x) == []
    together = engine.run(batch)
    alone = np.concatenate([engine.run(x[np.newaxis]) for x in batch])
    assert together.tobytes() == alone.tobytes()


def test_float_batches_are_quantized_and_channels_may_be_left_out():
    engine = Engine(residual_network(), threads=3)
    batch = np.random.default_rng(0).normal(0, 1, (7, 12, 10)).astype(np.float32)
    assert (engine.run(batch) == engine.run(batch[..., np.newaxis])).all()
    assert engine.run(batch).shape == (7, 5)
    assert engine.run(batch[:0]).shape == (0, 5)
    assert (engine.predict(batch) == engine.run(batch)).all()


def keras_models():
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(0)

    def pooled():
        x = inputs = keras.Input((16, 12, 1))
        x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU(max_value=6)(x)
        x = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
        y = layers.Conv2D(8, 1)(x)
        x = layers.Add()([x, y])
        x = layers.AveragePooling2D(2, padding="same")(x)
        x = layers.GlobalAveragePooling2D()(x)
        return keras.Model(inputs, layers.Dense(5, activation="softmax")(x))

    def flat():
        x = inputs = keras.Input((15, 11, 1))
        x = layers.Permute((2, 1, 3))(x)
        x = layers.ZeroPadding2D(((1, 2), (0, 1)))(x)
        x = layers.Conv2D(6, (5, 3), strides=(1, 2), padding="valid")(x)
        x = layers.MaxPooling2D(2)(x)
        gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
        gate = layers.Conv2D(6, 1, activation="sigmoid")(gate)
        x = layers.Multiply()([x, gate])
        x = layers.Flatten()(x)
        x = layers.Dense(9, activation="relu")(x)
        return keras.Model(inputs, layers.Dense(4, activation="sigmoid")(x))

    return {"pooled": pooled, "flat": flat}


def convert(model, per_channel: bool, ends: str, seed: int = 0) -> bytes:
    import tensorflow as tf

    random = np.random.default_rng(seed)
    shape = (1, *model.input_shape[1:])
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([random.normal(0, 1, shape).astype(np.float32)] for _ in range(20))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter._experimental_disable_per_channel = not per_channel
    converter.inference_input_type = converter.inference_output_type = getattr(tf, ends)
    return converter.convert()


@pytest.mark.parametrize("name", ["pooled", "flat"])
@pytest.mark.parametrize(("per_channel", "ends"), [(True, "float32"), (False, "int8"), (True, "uint8")])
def test_converted_keras_models(name, per_channel, ends):
    content = convert(keras_models()[name](), per_channel, ends)
    engine, reference = Engine(content), Reference(content)
    random = np.random.default_rng(2)
    shape = engine.program.input.shape
    inputs = random.normal(0, 1.5, (6, *shape)).astype(np.float32)
    if ends != "float32":
        info = np.iinfo(ends)
        inputs = random.integers(info.min, info.max + 1, inputs.shape).astype(ends)
    for x in inputs:
        assert differences(engine, reference, x[0]) == []


def test_the_program_of_a_file_and_of_its_bytes_are_the_same(tmp_path):
    content = residual_network()
    (tmp_path / "net.tflite").write_bytes(content)
    a, b = compile_graph(read_tflite(tmp_path / "net.tflite")), compile_graph(read_tflite(content))
    assert (a.hash, a.arena_size, a.table()) == (b.hash, b.arena_size, b.table())
