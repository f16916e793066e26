"""Fixed-point numbers of the lowering, computed as TensorFlow Lite's `Prepare` functions compute them."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt


def quantize_multiplier(real: float) -> tuple[int, int]:
    """Return (multiplier, shift) with ``real ~= multiplier * 2**(shift - 31)``, ``2**30 <= multiplier < 2**31``.

    `real` is a binary64 number >= 0. Too small a factor becomes (0, 0).
    """
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def rescale(x: int, multiplier: int, shift: int) -> int:
    """Return what ``aed_rescale`` (nn_c/src/aed_nn_math.h) returns."""
    if shift > 0:
        x = ((x << shift) + (1 << 31)) % (1 << 32) - (1 << 31)
    y = (x * multiplier + (1 << 30)) >> 31
    return y if shift >= 0 else (y + (y >> 31) + (1 << (-shift - 1))) >> -shift


def nearly_constant(
    low: int, high: int, multiplier: int, shift: int, clamp: tuple[int, int, int]
) -> tuple[int, int, int] | None:
    """Express a channel whose sums are large, but that hardly changes, in numbers that `aed_rescale` is exact in.

    Converters give a channel with weights near 0 a bias of up to 2^30 beside products that reach one step of the output at
    most.

    Parameters
    ----------
    low, high : int
        Smallest and largest sum.
    multiplier, shift : int
        Its scale factor, shift <= 0.
    clamp : (int, int, int)
        Zero point, lowest and highest value of the output.

    Returns
    -------
    (offset, multiplier, shift) or None
        With ``offset`` added to its sums and the other factor, every sum from low to high gives the same output; None when the
        output takes more than two values.
    """
    zero, least, most = clamp

    def output(x: int) -> int:
        return min(max(rescale(x, multiplier, shift) + zero, least), most)

    last = output(high)
    width = (high - low).bit_length() + 1
    if last - output(low) > 1 or width > 22:
        return None
    step = _first(lambda x: output(x) == last, low, high)
    # A factor of 2^-width: the whole range meets no second step.
    width = max(width, 2)
    value = last - zero
    start = _first(lambda x: rescale(x, 1 << 30, 1 - width) >= value, (value - 1) << width, (value + 1) << width)
    return start - step, 1 << 30, 1 - width


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return the first x for which a condition holds that holds for `high` and, once true, stays so."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def round_half_away(x: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Round to nearest, ties away from zero. `x` is float32 or float64; the result is float64, exactly."""
    wide = np.asarray(x, np.float64)
    return np.asarray(np.trunc(wide + np.copysign(0.5, wide)))


def activation_range(activation: str, scale: np.float32, zero_point: int) -> tuple[int, int]:
    """Return the clamp (low, high) of an int8 output with a fused activation."""
    low, high = {
        "NONE": (None, None),
        "RELU": (0.0, None),
        "RELU6": (0.0, 6.0),
        "RELU_N1_TO_1": (-1.0, 1.0),
    }[activation]

    def quantized(real: float) -> int:
        with np.errstate(over="ignore"):
            ratio = np.float32(real) / np.float32(scale)
        return zero_point + int(round_half_away(np.clip(ratio, -1e6, 1e6)))

    return (
        -128 if low is None else min(127, max(-128, quantized(low))),
        127 if high is None else max(-128, min(127, quantized(high))),
    )
