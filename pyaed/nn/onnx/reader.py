"""Reading an ``.onnx`` file into a Graph."""

from typing import TYPE_CHECKING

import numpy as np

from pyaed.errors import UserError
from pyaed.nn.graph import Graph
from pyaed.nn.onnx.model import AnyPath, OnnxModel, load
from pyaed.nn.onnx.node import Order
from pyaed.nn.onnx.operators import MOVEMENTS, OPERATORS
from pyaed.nn.onnx.shapes import guarded
from pyaed.nn.onnx.translate import Translator
from pyaed.text import printable

if TYPE_CHECKING:
    import onnx

_ACTIVATIONS = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
_PASSING = (
    "QuantizeLinear", "DequantizeLinear", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Cast", "Dropout",
)  # fmt: skip


def read_onnx(source: AnyPath | OnnxModel) -> Graph:
    """Read a quantized ``.onnx`` file (QDQ, int8) into a Graph in the terms of TensorFlow Lite.

    Parameters
    ----------
    source : path, or what `load` returned

    Returns
    -------
    Graph
        Maps are (1, height, width, channels); float ends are as in the file, but that an input that is quantized first is an
        int8 one.

    Raises
    ------
    UserError
        The file can't be read (`load`), or is not quantized, or something in it can't be expressed: the message names operator
        and tensor.
    """
    return _translated(source)[0]


def layouts(source: AnyPath | OnnxModel) -> dict[int, tuple[str, Order]]:
    """Return which quantized tensors of the file the graph's tensors are.

    Returns
    -------
    dict
        Index in the graph -> name in the file, and the order of the file's dimensions in which the graph has them.
    """
    return _translated(source)[1]


def _translated(source: AnyPath | OnnxModel) -> tuple[Graph, dict[int, tuple[str, Order]]]:
    model = source if isinstance(source, OnnxModel) else load(source)
    if not model.quantized:
        raise UserError(
            f"{model.source}: a float model; the engine computes int8: quantize it first (operation_mode: quantization, "
            "quantization.quantizer: onnx_quantizer)"
        )
    for node in model.proto.graph.node:
        if node.op_type.startswith("QLinear") or node.op_type.endswith("Integer"):
            raise UserError(
                f"{model.source}: {printable(node.op_type)} computing '{printable(node.output[0])}': a model of quantized "
                "operators; expected the form QDQ (quant_format QDQ of onnxruntime's quantizer)"
            )
    with guarded(model.source):
        translator = Translator(model, OPERATORS, MOVEMENTS)
        return translator.graph(), translator.files


def activation(proto: "onnx.ModelProto") -> str | None:
    """Return "softmax" or "sigmoid" where the last operator that changes values is one."""
    producers = {name: node for node in proto.graph.node for name in node.output}
    node = producers.get(proto.graph.output[0].name) if proto.graph.output else None
    for _ in proto.graph.node:
        if node is None or node.op_type not in _PASSING:
            break
        node = producers.get(node.input[0])
    return None if node is None else _ACTIVATIONS.get(node.op_type)


def end_quantization(model: OnnxModel, name: str) -> tuple[float, int] | None:
    """Return scale and zero point of an int8 or uint8 input or output; None where it has none, or is float."""
    import onnx

    for node in model.proto.graph.node:
        if (node.op_type == "DequantizeLinear" and node.input[0] == name) or (
            node.op_type == "QuantizeLinear" and node.output[0] == name
        ):
            values = {
                t.name: onnx.numpy_helper.to_array(t) for t in model.proto.graph.initializer if t.name in node.input
            }
            scale = values.get(node.input[1])
            zero = values.get(node.input[2]) if len(node.input) > 2 else np.zeros(1)
            if scale is None or zero is None or scale.size != 1 or zero.size != 1:
                return None
            return float(scale.reshape(-1)[0]), int(zero.reshape(-1)[0])
    return None
