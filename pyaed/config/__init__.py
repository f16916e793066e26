"""The YAML file: its typed schema, loading, overrides and messages."""

from pyaed.config.load import load, override, parse
from pyaed.config.schema import OPERATION_MODES, Config
from pyaed.config.template import write_template

__all__ = ["OPERATION_MODES", "Config", "load", "override", "parse", "write_template"]
