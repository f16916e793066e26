"""Quantization: a float Keras model becomes an int8 `.tflite` that carries its metadata."""

from pyaed.quantization.tflite import quantize

__all__ = ["quantize"]
