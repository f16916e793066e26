"""The parts of the C core, each against an independent definition."""

import cmsisdsp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyaed.dsp._dsp import ffi, lib
from specs import SPECS

from pyaed.dsp import quantize
from pyaed.dsp.tables import fft_tables, make_tables


def rfft(x: np.ndarray) -> np.ndarray:
    n = len(x)
    twiddle, rfft_twiddle, order = fft_tables(n)
    packed, scratch = np.empty(n, np.float32), np.empty(n, np.float32)
    floats = [ffi.from_buffer("float[]", array) for array in (x, twiddle, rfft_twiddle, packed, scratch)]
    lib.aed_rfft(floats[0], n, floats[1], floats[2], ffi.from_buffer("uint16_t[]", order), *floats[3:])
    return packed


@pytest.mark.parametrize("n", [64, 128, 256, 512, 1024, 2048, 4096])
def test_fft_against_numpy_and_cmsis_dsp(n):
    x = np.random.default_rng(n).normal(size=n).astype(np.float32)
    ours = rfft(x)
    bins = np.fft.rfft(x.astype(np.float64))
    exact = np.stack([bins.real, bins.imag], axis=1)[:-1].ravel()
    exact[1] = bins[-1].real
    np.testing.assert_allclose(ours, exact, atol=4e-7 * np.abs(bins).max())

    instance = cmsisdsp.arm_rfft_fast_instance_f32()
    assert cmsisdsp.arm_rfft_fast_init_f32(instance, n) == 0
    np.testing.assert_allclose(ours, cmsisdsp.arm_rfft_fast_f32(instance, x.copy(), 0), atol=8e-7 * np.abs(bins).max())


def test_logarithm_is_within_its_stated_error():
    bits = np.arange(0x00800000, 0x7F800000, 20011, dtype=np.uint32)
    near_one = np.arange(0x3F000000, 0x40000000, 1009, dtype=np.uint32)
    x = np.concatenate([bits, near_one]).view(np.float32)
    ours = np.array([lib.aed_log(v) for v in x.tolist()], np.float64)
    exact = np.log(x.astype(np.float64))
    ulp = np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    assert (np.abs(ours - exact) / ulp).max() <= 0.86
    assert lib.aed_log(1.0) == 0.0


def test_logarithm_of_what_has_none_is_that_of_the_smallest_normal():
    for x in (0.0, -1.0, 1e-45, float("-inf"), float("nan")):
        assert lib.aed_log(x) == lib.aed_log(2.0**-126)


@given(
    st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=50),
    st.floats(2**-20, 2**10, width=32),
    st.integers(-128, 127),
)
def test_quantization_rounds_half_away_and_saturates(values, scale, zero_point):
    x = np.array(values, np.float32)
    with np.errstate(over="ignore"):
        quotient = (x / np.float32(scale)).astype(np.float64)
    expected = np.clip(np.sign(quotient) * np.floor(np.abs(quotient) + 0.5) + zero_point, -128, 127)
    np.testing.assert_array_equal(quantize(x, scale, zero_point, np.int8), expected)
    unsigned = np.clip(np.sign(quotient) * np.floor(np.abs(quotient) + 0.5) + zero_point + 128, 0, 255)
    np.testing.assert_array_equal(quantize(x, scale, zero_point + 128, np.uint8), unsigned)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("position", [0, 100, 255])
def test_quantization_of_what_is_no_number_and_of_what_has_no_end(dtype, position):
    """A NaN is the zero point, as a real zero; infinities are the ends of the type."""
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    x = np.array([np.nan, -np.nan, 0, -0.0, np.inf, -np.inf, 3e38, -3e38], np.float32)
    zero = low + position
    assert quantize(x, 0.1, zero, dtype).tolist() == [zero] * 4 + [high, low] * 2


@pytest.mark.parametrize("name", SPECS)
def test_tables_are_consistent(name):
    spec = SPECS[name]
    tables = make_tables(spec)
    assert tables.mel_count.sum() == len(tables.mel_weight)
    assert (tables.mel_start.astype(int) + tables.mel_count <= spec.n_fft // 2 + 1).all()
    radix = 4 if spec.n_fft in (128, 512, 2048) else 2
    assert sorted(tables.order) == list(range(0, spec.n_fft, 2 * radix))
