"""The YAML file: its typed schema, loading, overrides and messages."""

from pyaed.config.load import load, parse
from pyaed.config.schema import OPERATION_MODES, Config

__all__ = ["OPERATION_MODES", "Config", "load", "parse"]
