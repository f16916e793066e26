# The public names for type checkers and editors: what __init__.py loads when it is used.

from pyaed.artefact import ModelMetadata as ModelMetadata
from pyaed.artefact import read as read_metadata
from pyaed.boards.emulator import Emulator as Emulator
from pyaed.config import load as load_config
from pyaed.data import decode as decode
from pyaed.deploy import build_image as build_image
from pyaed.deploy import generate as generate_c
from pyaed.detector import DetectorSettings as DetectorSettings
from pyaed.detector import StreamFrontEnd as StreamFrontEnd
from pyaed.detector import find_events as find_events
from pyaed.detector import loud_patches as loud_patches
from pyaed.dsp import FeatureSpec as FeatureSpec
from pyaed.dsp import FrontEnd as FrontEnd
from pyaed.dsp import to_pcm as to_pcm
from pyaed.errors import UserError as UserError
from pyaed.link import Board as Board
from pyaed.nn import Engine as Engine
from pyaed.operations import perform as run
from pyaed.sources import source_root as source_root

__version__: str
__all__ = [
    "Board",
    "DetectorSettings",
    "Emulator",
    "Engine",
    "FeatureSpec",
    "FrontEnd",
    "ModelMetadata",
    "StreamFrontEnd",
    "UserError",
    "build_image",
    "decode",
    "find_events",
    "generate_c",
    "load_config",
    "loud_patches",
    "read_metadata",
    "run",
    "source_root",
    "to_pcm",
]
