"""The Keras zoo: YAMNet and MiniResNet, published weights, model files."""

from pyaed.models.ends import fit
from pyaed.models.keras import limit_gpu_memory
from pyaed.models.pretrained import find_pretrained
from pyaed.models.retrain import make_trainable
from pyaed.models.storage import as_input, load, predictor, save
from pyaed.models.zoo import build

__all__ = [
    "as_input",
    "build",
    "find_pretrained",
    "fit",
    "limit_gpu_memory",
    "load",
    "make_trainable",
    "predictor",
    "save",
]
