"""The QUANTIZE operator and the front end share one quantizer: halves, both ends, infinities, what is no number."""

import numpy as np
import pytest
from tflite_builder import build, tensor

from pyaed.dsp import quantize
from pyaed.nn import Engine

LIMITS = [np.inf, np.nan, 3e38, 1e-45]
HALVES = [(k + half) * 0.5 for k in range(-3, 300, 7) for half in (0, 0.49999997, 0.5, 0.50000006)]


@pytest.mark.parametrize(
    ("dtype", "zero_point"), [("int8", -128), ("int8", -3), ("int8", 127), ("uint8", 0), ("uint8", 9), ("uint8", 255)]
)
def test_quantize_equals_the_front_ends(dtype, zero_point):
    x = np.array([sign * v for v in HALVES + LIMITS for sign in (1, -1)], np.float32)
    tensors = [tensor((1, len(x)), "float32"), tensor((1, len(x)), dtype, scale=0.5, zero_point=zero_point)]
    y = Engine(build(tensors, [("QUANTIZE", [0], [1], {})])).run(x[None])
    assert y.dtype == dtype
    np.testing.assert_array_equal(y[0], quantize(x, 0.5, zero_point, y.dtype))
    finite = np.isfinite(x)
    with np.errstate(over="ignore"):
        steps = (x[finite] / np.float32(0.5)).astype(np.float64)
    rounded = np.sign(steps) * np.floor(np.abs(steps) + 0.5) + zero_point
    limits = np.iinfo(y.dtype)
    np.testing.assert_array_equal(y[0][finite], np.clip(rounded, limits.min, limits.max))
    np.testing.assert_array_equal(y[0][np.isnan(x)], zero_point)
