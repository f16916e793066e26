"""Quantization: a float Keras model becomes an int8 `.tflite`, a float `.onnx` a QDQ `.onnx`; both carry their metadata."""

from pyaed.quantization.onnx import check_onnx_settings, quantize_onnx
from pyaed.quantization.tflite import quantize

__all__ = ["check_onnx_settings", "quantize", "quantize_onnx"]
