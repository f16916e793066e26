"""How numbers, texts and tables become C, and the templates that they are put into."""

from pyaed.codegen.literals import c_comment, c_float, c_initializer, c_number, c_string
from pyaed.codegen.templates import c_template

__all__ = ["c_comment", "c_float", "c_initializer", "c_number", "c_string", "c_template"]
