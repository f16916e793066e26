"""What an image has to know about its detector."""

from typing import Any

from pyaed.detector._detector import ffi, lib
from pyaed.detector.events import events_config, gate_values
from pyaed.detector.settings import DetectorSettings


def memory_size(detector: DetectorSettings) -> int:
    """Return the bytes of RAM that an image keeps for the events of these settings."""
    of_a_class: int = ffi.sizeof("float") + ffi.sizeof("aed_event")  # as AED_DETECTOR_SIZE has it
    return int(c_values(detector)["events_size"]) + len(detector.on) * of_a_class


def c_values(detector: DetectorSettings) -> dict[str, Any]:
    """Return what the templates of ``aed_detector_settings.c`` and ``.h`` need."""
    config, _keep = events_config(detector)
    return {
        "patch_hop": detector.features.patch_hop,
        "events_size": lib.aed_events_size(config),
        "autostart": int(detector.autostart),
        "crc": detector.crc,
        "on": detector.on,
        "off": detector.off,
        "multi_label": int(detector.multi_label),
        "garbage_class": detector.garbage_class,
        "unknown_threshold": detector.unknown_threshold,
        "alpha": detector.alpha,
        "majority": detector.majority,
        "min_patches": detector.min_patches,
        "gate": gate_values(detector),
    }
