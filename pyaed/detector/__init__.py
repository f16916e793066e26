"""The detector behind the model: patches that follow each other become events, by the C that also runs in an image."""

from pyaed.detector.codegen import c_values, memory_size
from pyaed.detector.events import EventFinder, StreamFrontEnd, find_events, loud_patches
from pyaed.detector.settings import DetectorSettings

__all__ = [
    "DetectorSettings",
    "EventFinder",
    "StreamFrontEnd",
    "c_values",
    "find_events",
    "loud_patches",
    "memory_size",
]
