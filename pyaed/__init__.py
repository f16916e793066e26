"""pyaed: audio event detection for STM32U5 microcontrollers, the same bits on host and chip."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("pyaed")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
