"""The Keras zoo: YAMNet and MiniResNet, published weights, model files."""

from pyaed.models.ends import fit
from pyaed.models.keras import limit_gpu_memory
from pyaed.models.pretrained import find_pretrained
from pyaed.models.storage import as_input, load, predictor, save
from pyaed.models.zoo import build

__all__ = ["as_input", "build", "find_pretrained", "fit", "limit_gpu_memory", "load", "predictor", "save"]
