"""pyaed: audio event detection for STM32U5 microcontrollers, the same bits on host and chip.

The public names are listed in `__all__` and described in docs/api.md. Each loads what it needs when it is first used.
"""

from importlib import import_module

#: Public name -> where it is, as module and attribute.
_NAMES = {
    "Board": ("pyaed.link", "Board"),
    "DetectorSettings": ("pyaed.detector", "DetectorSettings"),
    "Emulator": ("pyaed.boards.emulator", "Emulator"),
    "Engine": ("pyaed.nn", "Engine"),
    "FeatureSpec": ("pyaed.dsp", "FeatureSpec"),
    "FrontEnd": ("pyaed.dsp", "FrontEnd"),
    "ModelMetadata": ("pyaed.artefact", "ModelMetadata"),
    "StreamFrontEnd": ("pyaed.detector", "StreamFrontEnd"),
    "UserError": ("pyaed.errors", "UserError"),
    "build_image": ("pyaed.deploy", "build_image"),
    "decode": ("pyaed.data", "decode"),
    "find_events": ("pyaed.detector", "find_events"),
    "generate_c": ("pyaed.deploy", "generate"),
    "load_config": ("pyaed.config", "load"),
    "loud_patches": ("pyaed.detector", "loud_patches"),
    "read_metadata": ("pyaed.artefact", "read"),
    "run": ("pyaed.operations", "perform"),
    "source_root": ("pyaed.sources", "source_root"),
    "to_pcm": ("pyaed.dsp", "to_pcm"),
}

__all__ = sorted(_NAMES)


def __getattr__(name: str) -> object:
    if name == "__version__":
        value: object = _version()
    elif name in _NAMES:
        module, attribute = _NAMES[name]
        value = getattr(import_module(module), attribute)
    else:
        raise AttributeError(f"module 'pyaed' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("pyaed")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0+unknown"
