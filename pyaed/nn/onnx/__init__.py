"""ONNX models: QDQ int8 ones become the same Graph as a ``.tflite`` file."""

from pyaed.nn.onnx.model import OnnxModel, is_quantized, load, read_metadata, set_metadata, write_metadata
from pyaed.nn.onnx.reader import activation, end_quantization, layouts, read_onnx

__all__ = [
    "OnnxModel",
    "activation",
    "end_quantization",
    "is_quantized",
    "layouts",
    "load",
    "read_metadata",
    "read_onnx",
    "set_metadata",
    "write_metadata",
]
