"""The Keras zoo: YAMNet and MiniResNet, published weights, model files."""

from pyaed.models.pretrained import find_pretrained
from pyaed.models.storage import load, predictor, save
from pyaed.models.zoo import build

__all__ = ["build", "find_pretrained", "load", "predictor", "save"]
