"""The int8 engine on host and chip: ``.tflite`` in, the same bits as TensorFlow Lite's reference kernels out; ``.onnx`` in."""

from typing import TYPE_CHECKING

from pyaed.nn.graph import Graph, read_metadata_buffer, read_tflite
from pyaed.nn.onnx import read_onnx
from pyaed.nn.program import Program, compile_graph, read_model

if TYPE_CHECKING:
    from pyaed.nn.codegen import write_c
    from pyaed.nn.engine import Engine
    from pyaed.nn.pictures import write_plan

__all__ = [
    "Engine",
    "Graph",
    "Program",
    "compile_graph",
    "read_metadata_buffer",
    "read_model",
    "read_onnx",
    "read_tflite",
    "write_c",
    "write_plan",
]


def __getattr__(name: str) -> object:
    # The engine needs the compiled extension and the emitter needs Jinja2: both load on first use.
    if name == "Engine":
        from pyaed.nn.engine import Engine

        return Engine
    if name == "write_c":
        from pyaed.nn.codegen import write_c

        return write_c
    if name == "write_plan":
        from pyaed.nn.pictures import write_plan

        return write_plan
    raise AttributeError(name)
