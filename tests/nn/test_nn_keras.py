"""Models that Keras and TensorFlow Lite's converter emit equal the reference kernels in every byte of every layer.

``PYAED_FAMILIES=all pytest tests/nn/test_nn_keras.py`` takes every family of the zoo.
"""

import os

import keras_models
import numpy as np
import pytest
from graphs import inputs
from keras_models import FAMILIES, LAYERS
from support.m33_engine import run
from tflite_builder import Reference, differences

from pyaed.errors import UserError
from pyaed.nn import Engine

#: What the suite takes: one of every kind of block and head.
SHORT = ("yamnet 256", "miniresnet v2, 2 stacks, avg", "custom")
#: Larger than the emulated board's flash, which is the chip's.
TOO_LARGE = ("yamnet 1024",)


def assert_equal(content: bytes, batch: np.ndarray) -> Engine:
    engine, reference = Engine(content, workers=1), Reference(content)
    for x in batch:
        assert differences(engine, reference, x[0]) == []
    return engine


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, tmp_path):
    number = list(LAYERS).index(name)
    ends = ("int8", "float", "uint8")[number % 3]
    content = keras_models.quantized(keras_models.layer_model(name), tmp_path / "m.tflite", number % 2 == 0, ends)
    assert_equal(content, inputs(Engine(content).program.input, 3, number))


@pytest.mark.parametrize("name", LAYERS)
def test_a_free_batch_size(name):
    content = keras_models.converted(keras_models.layer_model(name))
    assert_equal(content, inputs(Engine(content).program.input, 3, 0))


@pytest.mark.parametrize("name", FAMILIES if os.environ.get("PYAED_FAMILIES") == "all" else SHORT)
def test_freshly_trained_families(name, tmp_path):
    model = keras_models.trained(name)
    content = keras_models.quantized(model, tmp_path / "m.tflite")
    engine = Engine(content)
    end = engine.program.input
    real = keras_models.patches(end.shape[1:3], 2, seed=3)[..., np.newaxis]
    batch = np.clip(np.rint(real / end.scale) + end.zero_point, -128, 127).astype(np.int8)[:, np.newaxis]
    batch = np.concatenate([batch, inputs(end, 2, 0)])
    assert_equal(content, batch)
    if name not in TOO_LARGE:
        (runs,) = run([(engine.program, batch[:2])]).runs
        assert [once.output.tobytes() for once in runs] == [engine.run(x).tobytes() for x in batch[:2]]


def test_a_float_model_is_refused(tmp_path):
    from pyaed.models.keras import import_tensorflow

    converter = import_tensorflow().lite.TFLiteConverter.from_keras_model(keras_models.layer_model("add"))
    with pytest.raises(UserError, match=r"ADD computing .*float32.*: a float model has to be quantized to int8 first"):
        Engine(converter.convert())
