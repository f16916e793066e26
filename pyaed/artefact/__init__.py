"""What a model file carries about itself, its versions, and where the file keeps it."""

from pyaed.artefact.ends import Input, Scores, check_input, check_outputs, probes
from pyaed.artefact.files import MAX_BYTES, check_kind, embed_tflite, read, read_state, write, write_state
from pyaed.artefact.metadata import ModelMetadata
from pyaed.artefact.versions import FORMAT_VERSION

__all__ = [
    "FORMAT_VERSION",
    "MAX_BYTES",
    "Input",
    "ModelMetadata",
    "Scores",
    "check_input",
    "check_kind",
    "check_outputs",
    "embed_tflite",
    "probes",
    "read",
    "read_state",
    "write",
    "write_state",
]
