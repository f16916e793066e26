"""ST's tools, as they are installed or as a service: found, called, and their reports read."""

from pyaed.stedgeai.report import Layer, Report, Tensor
from pyaed.stedgeai.reports import read_report, read_run
from pyaed.stedgeai.versions import ToolVersion, find_version

__all__ = ["Layer", "Report", "Tensor", "ToolVersion", "find_version", "read_report", "read_run"]
