"""The YAML file: its typed schema, loading, overrides and messages."""

from pyaed.config.load import load, override, parse
from pyaed.config.notes import json_schema, notes
from pyaed.config.schema import OPERATION_MODES, Config, parts, uses
from pyaed.config.template import write_template

__all__ = [
    "OPERATION_MODES",
    "Config",
    "json_schema",
    "load",
    "notes",
    "override",
    "parse",
    "parts",
    "uses",
    "write_template",
]
