"""What TensorFlow Lite runs and what it doesn't: the ends that a predictor takes."""

import numpy as np
import pytest
from support import images

from pyaed.errors import UserError
from pyaed.evaluation import tflite_predictor


def converted(path, dtype):
    """The small test model with int16 activations, and ends of a type."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(images.float_model())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    shape = (1, *images.SPEC.patch_shape, 1)
    rng = np.random.default_rng(0)
    converter.representative_dataset = lambda: ([rng.normal(size=shape).astype(np.float32)] for _ in range(4))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.as_dtype(dtype)
    path.write_bytes(converter.convert())
    return path


def test_ends_of_another_type_are_refused_though_they_have_a_scale(tmp_path):
    with pytest.raises(
        UserError, match=r"is int16 with the scale 0\.\d+, expected int8 or uint8 with a scale, or float32"
    ):
        tflite_predictor(converted(tmp_path / "m.tflite", np.int16), reference=True)


def test_what_is_int16_inside_runs_with_float_ends(tmp_path):
    predict = tflite_predictor(converted(tmp_path / "m.tflite", np.float32), reference=True)
    found = predict(np.zeros((2, *images.SPEC.patch_shape), np.float32))
    assert found.shape == (2, 3)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-3)
    with pytest.raises(UserError, match=r"the patches have the shape \(3, 12\), but"):
        predict(np.zeros((2, 3, 12), np.float32))
    (tmp_path / "n.tflite").write_bytes(b"no")
    with pytest.raises(UserError, match="can't load"):
        tflite_predictor(tmp_path / "n.tflite")
