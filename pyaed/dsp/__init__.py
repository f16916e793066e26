"""The log-mel front end: its specification, its tables, the binding to ``dsp_c`` and the C tables of an image."""

from pyaed.dsp.codegen import write_c
from pyaed.dsp.frontend import FrontEnd, quantize, to_int16, to_pcm
from pyaed.dsp.identity import feature_hash
from pyaed.dsp.spec import FeatureSpec

__all__ = ["FeatureSpec", "FrontEnd", "feature_hash", "quantize", "to_int16", "to_pcm", "write_c"]
