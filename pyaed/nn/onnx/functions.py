"""ONNX's functions of one number, in float32 as its specification has them."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pyaed.nn.onnx.node import Node

Real = npt.NDArray[np.float32]


def _wide(function: Callable[[npt.NDArray[np.float64], "Node"], Any]) -> Callable[[Real, "Node"], Real]:
    """Return a function that is computed in binary64 and rounded once."""

    def rounded(x: Real, node: "Node") -> Real:
        with np.errstate(all="ignore"):
            return np.asarray(function(x.astype(np.float64), node), np.float32)

    return rounded


def _gelu(x: npt.NDArray[np.float64], node: "Node") -> Any:
    if node.attribute("approximate", b"none") == b"tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + _erf(x * math.sqrt(0.5)))


def _erf(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.array([math.erf(v) for v in x])


def _sigmoid(x: npt.NDArray[np.float64]) -> Any:
    return np.exp(-np.logaddexp(0, -x))


def _hard_sigmoid(x: npt.NDArray[np.float64], alpha: float, beta: float) -> Any:
    return np.clip(alpha * x + beta, 0, 1)


#: Operator -> function of float32 values and the operator, for its attributes.
FUNCTIONS: dict[str, Callable[[Real, "Node"], Real]] = {
    "Abs": lambda x, node: np.abs(x),
    "Clip": lambda x, node: np.clip(x, *node.bounds()),
    "Elu": _wide(lambda x, node: np.where(x < 0, node.attribute("alpha", 1.0) * np.expm1(x), x)),
    "Erf": _wide(lambda x, node: _erf(x)),
    "Exp": _wide(lambda x, node: np.exp(x)),
    "Gelu": _wide(_gelu),
    "HardSigmoid": _wide(lambda x, node: _hard_sigmoid(x, node.attribute("alpha", 0.2), node.attribute("beta", 0.5))),
    "HardSwish": _wide(lambda x, node: x * _hard_sigmoid(x, 1 / 6, 0.5)),
    "LeakyRelu": lambda x, node: np.where(x < 0, np.float32(node.attribute("alpha", 0.01)) * x, x),
    "Mish": _wide(lambda x, node: x * np.tanh(np.logaddexp(0, x))),
    "Neg": lambda x, node: -x,
    "Relu": lambda x, node: np.maximum(x, np.float32(0)),
    "Sigmoid": _wide(lambda x, node: _sigmoid(x)),
    "Softplus": _wide(lambda x, node: np.logaddexp(0, x)),
    "Softsign": _wide(lambda x, node: x / (1 + np.abs(x))),
    "Sqrt": _wide(lambda x, node: np.sqrt(np.maximum(x, 0))),
    "Tanh": _wide(lambda x, node: np.tanh(x)),
    "ThresholdedRelu": lambda x, node: np.where(x > np.float32(node.attribute("alpha", 1.0)), x, np.float32(0)),
}
#: Those that only cut off what is below or above.
CLAMPS = ("Relu", "Clip")


def quantized(real: Real, scale: np.float32, zero_point: int) -> npt.NDArray[np.int64]:
    """Return what QuantizeLinear makes of values for int8: to nearest, ties to even, saturated."""
    with np.errstate(all="ignore"):
        steps = np.rint(np.asarray(real, np.float32) / scale)
    levels: npt.NDArray[np.int64] = np.clip(np.nan_to_num(steps, nan=0.0) + zero_point, -128, 127).astype(np.int64)
    return levels


def table(
    function: Callable[[Real], Real], given: tuple[np.float32, int], made: tuple[np.float32, int]
) -> npt.NDArray[np.int64]:
    """Return a function's 256 int8 outputs for the int8 inputs -128 to 127.

    Parameters
    ----------
    function : callable
        Of float32 values.
    given, made : (scale, zero_point)
        Of input and output.
    """
    levels = (np.arange(-128, 128) - given[1]).astype(np.float32)
    return quantized(function(levels * given[0]), *made)
