"""Plain description of a quantized network, and the reader that fills it from a ``.tflite`` file.

The file is untrusted input: every index, offset and size is checked, and whatever is wrong ends as a UserError.
"""

import hashlib
import math
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import tflite

from pyaed.errors import UserError, shorten
from pyaed.files import read_bytes
from pyaed.text import printable

T = TypeVar("T")

#: What is accepted: far above what a microcontroller holds, far below what hurts a host.
MAX_ELEMENTS = 1 << 26  # of a tensor
MAX_BYTES = 1 << 28  # of a file
MAX_TENSORS = 1 << 14
MAX_OPERATORS = 1 << 11  # planning the memory takes the square of it
#: Parts of a file may be referred to more than once: so many bytes in all are read for each byte that it has.
MAX_SHARING = 16

DTYPES = {
    tflite.TensorType.FLOAT32: "float32",
    tflite.TensorType.INT32: "int32",
    tflite.TensorType.UINT8: "uint8",
    tflite.TensorType.INT64: "int64",
    tflite.TensorType.INT16: "int16",
    tflite.TensorType.INT8: "int8",
    tflite.TensorType.BOOL: "bool",
}


def _names(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


_OPERATORS = _names(tflite.BuiltinOperator)
_TENSOR_TYPES = _names(tflite.TensorType)
_ACTIVATIONS = _names(tflite.ActivationFunctionType)
_PADDINGS = _names(tflite.Padding)

# Options read per operator: {operator: (options table, {field: accessor})}. Operators without options are not listed.
_CONV = {
    "padding": "Padding",
    "stride_h": "StrideH",
    "stride_w": "StrideW",
    "dilation_h": "DilationHFactor",
    "dilation_w": "DilationWFactor",
    "activation": "FusedActivationFunction",
}
_POOL = {
    "padding": "Padding",
    "stride_h": "StrideH",
    "stride_w": "StrideW",
    "kernel_h": "FilterHeight",
    "kernel_w": "FilterWidth",
    "activation": "FusedActivationFunction",
}
_OPTIONS = {
    "CONV_2D": ("Conv2DOptions", _CONV),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", _CONV),
    "FULLY_CONNECTED": (
        "FullyConnectedOptions",
        {"activation": "FusedActivationFunction", "weights_format": "WeightsFormat"},
    ),
    "AVERAGE_POOL_2D": ("Pool2DOptions", _POOL),
    "MAX_POOL_2D": ("Pool2DOptions", _POOL),
    "ADD": ("AddOptions", {"activation": "FusedActivationFunction"}),
    "SUB": ("SubOptions", {"activation": "FusedActivationFunction"}),
    "MUL": ("MulOptions", {"activation": "FusedActivationFunction"}),
    "CONCATENATION": ("ConcatenationOptions", {"axis": "Axis", "activation": "FusedActivationFunction"}),
    "PACK": ("PackOptions", {"axis": "Axis"}),
    "STRIDED_SLICE": (
        "StridedSliceOptions",
        {
            "begin_mask": "BeginMask",
            "end_mask": "EndMask",
            "ellipsis_mask": "EllipsisMask",
            "new_axis_mask": "NewAxisMask",
            "shrink_axis_mask": "ShrinkAxisMask",
        },
    ),
    "GELU": ("GeluOptions", {"approximate": "Approximate"}),
    "LEAKY_RELU": ("LeakyReluOptions", {"alpha": "Alpha"}),
    "SOFTMAX": ("SoftmaxOptions", {"beta": "Beta"}),
}


@dataclass(frozen=True)
class Tensor:
    """One tensor: shape and dtype, per-tensor or per-channel quantization, constant data or None."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: npt.NDArray[np.float32]  # empty when not quantized
    zero_points: npt.NDArray[np.int64]  # as long as scales
    axis: int  # of per-channel scales
    data: np.ndarray | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def __str__(self) -> str:
        return f"'{self.name}' {self.dtype} {list(self.shape)}"


@dataclass(frozen=True)
class Operator:
    """One operator: TensorFlow Lite's name of it, tensor indices (-1: left out) and options."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any]  # numbers, switches and names, as the operator's table has them


@dataclass(frozen=True)
class Graph:
    """A network in execution order, as the file holds it."""

    name: str
    hash: str  # hex SHA-256 of the file
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    metadata: dict[str, bytes] = field(default_factory=dict)


def read_tflite(source: str | os.PathLike[str] | bytes) -> Graph:
    """Read a ``.tflite`` file into a Graph.

    Parameters
    ----------
    source : path of the file, or its content

    Returns
    -------
    Graph of the file's first subgraph. Shapes are the static ones (a dynamic batch counts as 1).

    Raises
    ------
    UserError
        The file cannot be read, is no TensorFlow Lite model, or is damaged.
    """
    content, name = _content(source)
    return _guarded(_graph, content, name)


def read_metadata_buffer(source: str | os.PathLike[str] | bytes, key: str = "pyaed") -> bytes | None:
    """Return the metadata buffer named `key` of a ``.tflite`` file, or None when it has none.

    Raises
    ------
    UserError
        The file cannot be read, is no TensorFlow Lite model, or is damaged.
    """
    content, name = _content(source)
    return _guarded(_metadata, content, name).get(key)


def _content(source: str | os.PathLike[str] | bytes) -> tuple[bytes, str]:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source), "model"
    return read_bytes(source, MAX_BYTES, "model"), str(source)


def _guarded(read: Callable[["_Stored", str], T], content: bytes, name: str) -> T:
    """Call `read` for the content; whatever a damaged file makes the flatbuffers reader raise becomes a UserError."""
    if len(content) < 16 or content[4:8] != b"TFL3":
        raise UserError(f"{name}: not a TensorFlow Lite model (expected the file identifier 'TFL3')")
    try:
        return read(_Stored(content), name)
    except (
        struct.error,
        ValueError,
        TypeError,
        IndexError,
        KeyError,
        AttributeError,
        OverflowError,
        MemoryError,
    ) as error:
        reason = shorten(str(error)) or type(error).__name__
        raise UserError(f"{name}: damaged TensorFlow Lite model ({reason})") from error


class _Stored:
    """A file's content, and how much of it may still be read: what is stored once can be referred to any number of times."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.model = tflite.Model.GetRootAs(content, 0)
        self.left = MAX_SHARING * len(content)

    def take(self, n_bytes: int) -> None:
        self.left -= n_bytes
        if self.left < 0:
            raise ValueError(f"its parts are referred to more than {MAX_SHARING} times")

    def text(self, value: bytes | None) -> str:
        self.take(len(value or b""))
        return (value or b"").decode("utf-8", errors="replace")

    def vector(self, values: np.ndarray | int) -> np.ndarray:
        # The flatbuffers reader gives the number 0 for a vector that is not there.
        if not isinstance(values, np.ndarray):
            return np.zeros(0, np.int64)
        self.take(values.nbytes)
        return np.atleast_1d(np.array(values))

    def buffer(self, number: int) -> bytes:
        if not 0 <= number < self.model.BuffersLength():
            raise ValueError(f"buffer {number} of {self.model.BuffersLength()}")
        buffer = self.model.Buffers(number)
        if buffer.Offset() > 1 or buffer.Size() > 1:
            raise ValueError("buffers outside the flatbuffer are not supported")
        self.take(buffer.DataLength())
        return bytes(buffer.DataAsNumpy()) if buffer.DataLength() else b""

    def each(self, n: int, get: Callable[[int], T], limit: int) -> list[T]:
        """Return [get(0), ..., get(n - 1)]. A vector with more members than the file has bytes is a lie."""
        if not 0 <= n <= min(limit, len(self.content)):
            raise ValueError(f"a vector of {n} members, at most {limit} are read")
        return [get(i) for i in range(n)]


def _metadata(stored: _Stored, _: str) -> dict[str, bytes]:
    model = stored.model
    entries = stored.each(model.MetadataLength(), model.Metadata, MAX_OPERATORS)
    return {stored.text(entry.Name()): stored.buffer(entry.Buffer()) for entry in entries}


def _graph(stored: _Stored, name: str) -> Graph:
    model = stored.model
    if model.SubgraphsLength() < 1:
        raise ValueError("no subgraph")
    subgraph = model.Subgraphs(0)
    codes = stored.each(model.OperatorCodesLength(), lambda i: _code(stored, model.OperatorCodes(i)), MAX_OPERATORS)
    tensors = tuple(
        stored.each(subgraph.TensorsLength(), lambda i: _tensor(stored, i, subgraph.Tensors(i)), MAX_TENSORS)
    )
    operators = tuple(
        stored.each(
            subgraph.OperatorsLength(),
            lambda i: _operator(stored, codes, len(tensors), subgraph.Operators(i)),
            MAX_OPERATORS,
        )
    )
    inputs = _indices(stored, subgraph.InputsAsNumpy(), len(tensors), optional=False)
    outputs = _indices(stored, subgraph.OutputsAsNumpy(), len(tensors), optional=False)
    stem = printable(Path(name).stem) if name != "model" else "model"
    digest = hashlib.sha256(stored.content).hexdigest()
    return Graph(stem, digest, tensors, operators, inputs, outputs, _metadata(stored, name))


def _code(stored: _Stored, code: tflite.OperatorCode) -> str:
    # Old files keep the number in a byte field that cannot hold the newer operators.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if number == tflite.BuiltinOperator.CUSTOM:
        return f"CUSTOM:{stored.text(code.CustomCode())}"
    if number not in _OPERATORS:
        raise ValueError(f"operator number {number}")
    return _OPERATORS[number]


def _indices(stored: _Stored, values: np.ndarray | int, n_tensors: int, optional: bool = True) -> tuple[int, ...]:
    result = tuple(int(v) for v in stored.vector(values))
    for index in result:
        if not (0 <= index < n_tensors or (optional and index == -1)):
            raise ValueError(f"tensor index {index} of {n_tensors}")
    return result


def _tensor(stored: _Stored, index: int, tensor: tflite.Tensor) -> Tensor:
    name = stored.text(tensor.Name()) or f"tensor {index}"
    shape = tuple(int(d) for d in stored.vector(tensor.ShapeAsNumpy()))
    if any(d < 0 for d in shape) or math.prod(shape) > MAX_ELEMENTS or len(shape) > 8:
        raise ValueError(f"tensor '{name}' has the shape {list(shape)}")
    type_number = tensor.Type()
    if type_number not in _TENSOR_TYPES:
        raise ValueError(f"tensor '{name}' has the type number {type_number}")
    dtype = DTYPES.get(type_number, _TENSOR_TYPES[type_number].lower())
    if tensor.Sparsity() is not None or tensor.IsVariable():
        raise ValueError(f"tensor '{name}' is sparse or a variable, which is not supported")
    scales, zero_points, axis = np.zeros(0, np.float32), np.zeros(0, np.int64), 0
    quantization = tensor.Quantization()
    if quantization is not None and quantization.ScaleLength():
        scales = stored.vector(quantization.ScaleAsNumpy()).astype(np.float32)
        zero_points = stored.vector(quantization.ZeroPointAsNumpy()).astype(np.int64)
        if not len(zero_points):
            zero_points = np.zeros(len(scales), np.int64)
        axis = quantization.QuantizedDimension()
        if len(zero_points) == 1 and len(scales) > 1:
            zero_points = np.repeat(zero_points, len(scales))
        if len(scales) != len(zero_points) or not (np.isfinite(scales).all() and (scales > 0).all()):
            raise ValueError(f"tensor '{name}' has a damaged quantization")
        if len(scales) > 1 and not (0 <= axis < len(shape) and shape[axis] == len(scales)):
            raise ValueError(f"tensor '{name}' has {len(scales)} scales for the shape {list(shape)}")
    raw = stored.buffer(tensor.Buffer())
    data = None
    if raw and type_number in DTYPES:
        values = np.frombuffer(raw, np.dtype(dtype).newbyteorder("<"))
        if values.size != math.prod(shape):
            raise ValueError(f"tensor '{name}' holds {values.size} values for the shape {list(shape)}")
        data = values.astype(dtype).reshape(shape)
    return Tensor(index, name, shape, dtype, scales, zero_points, axis, data)


def _operator(stored: _Stored, codes: list[str], n_tensors: int, operator: tflite.Operator) -> Operator:
    if not 0 <= operator.OpcodeIndex() < len(codes):
        raise ValueError(f"operator code {operator.OpcodeIndex()} of {len(codes)}")
    name = codes[operator.OpcodeIndex()]
    options: dict[str, Any] = {}
    if name in _OPTIONS:
        table_name, fields = _OPTIONS[name]
        reader = getattr(tflite, table_name)()
        table = operator.BuiltinOptions()
        if table is not None:
            if operator.BuiltinOptionsType() != getattr(tflite.BuiltinOptions, table_name):
                raise ValueError(f"{name} carries the options of another operator")
            reader.Init(table.Bytes, table.Pos)
            options = {key: getattr(reader, accessor)() for key, accessor in fields.items()}
        else:
            options = {key: 0 for key in fields}
        if "activation" in options:
            options["activation"] = _ACTIVATIONS[options["activation"]]
        if "padding" in options:
            options["padding"] = _PADDINGS[options["padding"]]
    inputs = _indices(stored, operator.InputsAsNumpy(), n_tensors)
    outputs = _indices(stored, operator.OutputsAsNumpy(), n_tensors, optional=False)
    return Operator(name, inputs, outputs, options)
