"""A QDQ model on the emulated Cortex-M33: every layer's bytes are the host's."""

import numpy as np
import pytest
from support.m33_engine import checksum, run
from support.onnx_builder import Builder, residual_network

from pyaed.artefact import Input
from pyaed.nn import Engine, compile_graph, read_onnx
from pyaed.nn.onnx import load
from pyaed.quantization import quantize_onnx


class Settings:
    granularity, quantization_input_type, quantization_output_type, target_opset = "per_channel", "int8", "int8", 17
    onnx_extra_options = None

    def __init__(self, **parameters):
        self.onnx_quant_parameters = parameters


def torch_network(folder, **parameters):
    b = residual_network()
    patches = np.random.default_rng(2).normal(-4, 3, (30, 16, 12)).astype(np.float32)
    model = load(b.write(folder / "f.onnx", b.last))
    return quantize_onnx(model, patches, Input(), Settings(**parameters), None, folder / "q.onnx")


def every_kind(folder):
    """What rounds once: a product, a mean, a PRelu and convolutions without a Relu; tables, movements and ends of uint8."""
    rng, b = np.random.default_rng(3), Builder()
    x = b.fake(b.input((1, 6, 9, 7)), 0.05, 131, np.uint8)
    w, scales = b.weights(rng.normal(size=(6, 6, 3, 3)) / 4)
    y = b.fake(
        b.op("Conv", x, w, b.bias(rng.normal(size=6), 0.05, scales), kernel_shape=[3, 3], pads=[1, 1, 1, 1]), 0.1, -9
    )
    d, _ = b.weights(rng.normal(size=(6, 1, 3, 3)) / 2)
    y = b.fake(
        b.op(
            "PRelu",
            b.fake(b.op("Conv", y, d, kernel_shape=[3, 3], group=6)),
            b.weights(rng.normal(size=(6, 1, 1)), None)[0],
        ),
        0.13,
    )
    y = b.fake(b.op("Mul", y, b.fake(b.op("HardSigmoid", y), 1 / 256, -128)), 0.03, -4)
    first, second = b.op("Split", y, b.constant([2, 4], np.int64), outputs=2, axis=1)
    y = b.fake(
        b.op(
            "Concat", b.op("Transpose", second, perm=[0, 1, 3, 2]), b.op("Transpose", first, perm=[0, 1, 3, 2]), axis=1
        ),
        0.02,
        3,
    )
    y = b.fake(b.op("ReduceMean", y, axes=[2, 3], keepdims=0), 0.011, 5)
    return b.write(
        folder / "k.onnx", b.op("Softmax", b.fake(b.op("Gemm", y, b.weights(rng.normal(size=(6, 4)), 1)[0])))
    )


@pytest.mark.parametrize("limit", [None, 0], ids=["layer by layer", "depth first"])
def test_every_layer_is_the_hosts(limit, tmp_path):
    paths = [torch_network(tmp_path), every_kind(tmp_path)]
    jobs = []
    for path in paths:
        program = compile_graph(read_onnx(path), limit)
        info = np.iinfo(program.input.dtype)
        shape = (3, *program.input.shape[1:])
        jobs.append((program, np.random.default_rng(4).integers(info.min, info.max + 1, shape).astype(info.dtype)))
    found = run(jobs)
    for (program, given), inferences in zip(jobs, found.runs):
        engine = Engine(program)
        for x, inference in zip(given, inferences):
            expected = [checksum(array.tobytes()) for _, array in engine.run_layers(x)]
            assert inference.checksums == expected, [node.name for node in program.nodes]
