"""Code generators: a quantized model to C for an engine of ``firmware/engine``."""

from pyaed.generators.model import EngineModel, Tensor

__all__ = ["EngineModel", "Tensor"]
