"""Random whole graphs equal TensorFlow Lite's reference kernels, whatever the memory plan.

``PYAED_GRAPHS=2000 pytest tests/nn/test_nn_graphs.py`` is the long run.
"""

import os

from graphs import inputs, random_graph
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tflite_builder import Reference, differences

from pyaed.nn import Engine, compile_graph, read_tflite

GRAPHS = int(os.environ.get("PYAED_GRAPHS", "60"))


@settings(max_examples=GRAPHS, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_random_graphs(choices):
    content = random_graph(choices)
    graph = read_tflite(content)
    engine, reference = Engine(compile_graph(graph), workers=1), Reference(content)
    banded = Engine(compile_graph(graph, 0), workers=1)
    for x in inputs(engine.program.input, 2, GRAPHS):
        assert differences(engine, reference, x[0]) == []
        assert differences(banded, reference, x[0]) == []
