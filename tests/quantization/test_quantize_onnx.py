"""Quantization of float .onnx models: every setting has its effect, what can't be used is one message."""

import logging
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from support.onnx_builder import Builder, residual_network

from pyaed import nn
from pyaed.artefact import Input
from pyaed.artefact.ends import FRAMES_FIRST
from pyaed.errors import UserError
from pyaed.models.onnx import runner
from pyaed.nn.onnx import load
from pyaed.nn.onnx.shapes import opset
from pyaed.quantization import quantize_onnx

MELS_FIRST = Input()
PATCHES = np.random.default_rng(1).normal(-4, 3, (24, 16, 12)).astype(np.float32)


def quantized(tmp_path, model=None, taken=MELS_FIRST, patches=PATCHES, **settings):
    """Quantize a network of PyTorch's shape; return what was written, read again."""
    if model is None:
        b = residual_network()
        model = load(b.write(tmp_path / "f.onnx", b.last))
    values = {
        "granularity": "per_channel", "quantization_input_type": "float", "quantization_output_type": "float",
        "target_opset": 17, "onnx_quant_parameters": None, "onnx_extra_options": None,
    }  # fmt: skip
    cfg = SimpleNamespace(**{**values, **settings}, model_fields_set=set(settings))
    return load(quantize_onnx(model, patches, taken, cfg, None, tmp_path / "q.onnx"))


def constants(model) -> dict[str, np.ndarray]:
    return {t.name: onnx.numpy_helper.to_array(t) for t in model.proto.graph.initializer}


def scales_of(model, kind: str) -> list[int]:
    """Number of scales of every operator's weights."""
    values = constants(model)
    producers = {name: node for node in model.proto.graph.node for name in node.output}
    nodes = [node for node in model.proto.graph.node if node.op_type == kind]
    return [values[producers[node.input[1]].input[1]].size for node in nodes]


def first_scale(model) -> np.ndarray:
    node = next(node for node in model.proto.graph.node if node.op_type == "QuantizeLinear")
    return constants(model)[node.input[1]]


def answers(model, taken=MELS_FIRST):
    return runner(model, taken)(PATCHES)


def test_answers_stay(tmp_path):
    b = residual_network()
    float_model = load(b.write(tmp_path / "f.onnx", b.last))
    found = quantized(tmp_path, float_model)
    assert found.quantized
    np.testing.assert_allclose(answers(found), answers(float_model), atol=0.08)
    assert (answers(found).argmax(1) == answers(float_model).argmax(1)).mean() > 0.9
    assert [entry.key for entry in found.proto.metadata_props] == []


def test_granularity(tmp_path):
    assert scales_of(quantized(tmp_path), "Conv") == [8, 8, 8]
    assert scales_of(quantized(tmp_path, granularity="per_tensor"), "Conv") == [1, 1, 1]


def test_calibration_takes_the_patches_as_the_model_does(tmp_path):
    """A model that takes frames first, and patches of which one decides about the range."""
    b = Builder()
    y = b.op(
        "Gemm", b.op("Flatten", b.input(("N", 12, 16))), b.constant(np.random.default_rng(0).normal(size=(192, 3)))
    )
    model = load(b.write(tmp_path / "f.onnx", b.op("Softmax", y)))
    patches = np.full((6, 16, 12), -3.0, np.float32)
    patches[4, 15, 0] = 12.0
    taken = Input(FRAMES_FIRST)
    found = quantized(tmp_path, model, taken, patches)
    np.testing.assert_allclose(first_scale(found), 15 / 255, rtol=1e-3)


@pytest.mark.parametrize("kind", ["int8", "uint8"])
@pytest.mark.parametrize("activations", ["QInt8", "QUInt8"])
def test_ends_of_integers(kind, activations, tmp_path):
    """The same answers, whichever types the ends and the activations have; the engine's are those of the file."""
    plain = quantized(tmp_path, onnx_quant_parameters={"activation_type": activations})
    right, ours = answers(plain), nn.Engine(tmp_path / "q.onnx").predict(PATCHES)
    found = quantized(
        tmp_path, quantization_input_type=kind, quantization_output_type=kind,
        onnx_quant_parameters={"activation_type": activations},
    )  # fmt: skip
    (given,), (made,) = found.inputs, found.outputs
    assert (found.dtypes[given], found.dtypes[made]) == (kind, kind)
    assert (given, found.shapes[made]) == ("patch", (1, 3))
    np.testing.assert_allclose(answers(found), right, atol=1.01 / 256)  # onnxruntime takes another kernel
    np.testing.assert_allclose(nn.Engine(tmp_path / "q.onnx").predict(PATCHES), ours, atol=1e-6)


def test_parameters_and_options_reach_the_quantizer(tmp_path):
    def layers(model):
        """Operators whose second input is a quantized constant."""
        producers = {name: node for node in model.proto.graph.node for name in node.output}
        second = [
            (node.op_type, producers.get(node.input[1])) for node in model.proto.graph.node if len(node.input) > 1
        ]
        return {kind for kind, source in second if source is not None and source.op_type == "DequantizeLinear"}

    plain = quantized(tmp_path)
    assert {"Conv", "Gemm"} <= layers(plain)
    some = quantized(tmp_path, onnx_quant_parameters={"op_types_to_quantize": ["Conv"]})
    assert "Conv" in layers(some)
    assert "Gemm" not in layers(some)
    names = [node.name for node in plain.proto.graph.node if node.op_type == "Gemm"]
    assert "Gemm" not in layers(quantized(tmp_path, onnx_quant_parameters={"nodes_to_exclude": names}))
    symmetric = quantized(tmp_path, onnx_extra_options={"ActivationSymmetric": True})
    values = constants(symmetric)
    nodes = [node for node in symmetric.proto.graph.node if node.op_type == "QuantizeLinear"]
    assert all(values[node.input[2]] == 0 for node in nodes)
    moving = quantized(tmp_path, onnx_extra_options={"CalibMovingAverage": True})
    assert first_scale(moving) < first_scale(plain)


@pytest.mark.parametrize("method", ["Entropy", "Percentile"])
def test_calibration_methods(method, tmp_path):
    found = quantized(tmp_path, onnx_quant_parameters={"calibrate_method": method})
    assert answers(found).shape == (24, 3)


def test_opset(tmp_path):
    """An older model is brought to the target; a newer one stays, unless the target is asked for."""
    for version, settings, expected in (
        (14, {}, 17),
        (18, {}, 18),
        (18, {"target_opset": 17}, 17),
        (14, {"target_opset": 15}, 15),
    ):
        b = residual_network(opset=version)
        model = load(b.write(tmp_path / "f.onnx", b.last))
        assert opset(quantized(tmp_path, model, **settings).proto) == expected


def test_batch_normalization_is_folded(tmp_path):
    """What exporters leave behind a convolution costs nothing on the board."""
    b = Builder()
    rng = np.random.default_rng(2)
    x = b.op("Conv", b.input(("N", 1, 16, 12)), b.constant(rng.normal(size=(4, 1, 3, 3))), kernel_shape=[3, 3])
    x = b.op(
        "BatchNormalization",
        x,
        *(
            b.constant(v)
            for v in (rng.uniform(0.5, 2, 4), rng.normal(size=4), rng.normal(size=4), rng.uniform(1, 2, 4))
        ),
    )
    x = b.op("Flatten", b.op("GlobalAveragePool", b.op("Relu", x)))
    y = b.op("MatMul", x, b.constant(rng.normal(size=(4, 3))))
    y = b.op("Softmax", b.op("Add", y, b.constant(rng.normal(size=3))))
    quantized(tmp_path, load(b.write(tmp_path / "f.onnx", y)))
    kinds = [node.operator for node in nn.Engine(tmp_path / "q.onnx").program.nodes]
    assert kinds[:3] == ["CONV_2D", "MEAN", "FULLY_CONNECTED"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"onnx_quant_parameters": {"op_type_to_quantize": []}}, r"onnx_quant_parameters\.op_type_to_quantize: no such setting, expected one of op_types_to_quantize,.*did you mean 'op_types_to_quantize'"),
        ({"onnx_quant_parameters": {"op_types_to_quantize": "Conv"}}, "op_types_to_quantize: 'Conv', expected a list of names"),
        ({"onnx_quant_parameters": {"op_types_to_quantize": ["Convv"]}}, r"op_types_to_quantize: 'Convv' is no ONNX operator \(did you mean 'Conv'\?\)"),
        ({"onnx_quant_parameters": {"nodes_to_exclude": ["x"]}}, "nodes_to_exclude: 'x' is no node of the model"),
        ({"onnx_quant_parameters": {"quant_format": "QOperator"}}, "quant_format: 'QOperator', expected one of QDQ"),
        ({"onnx_quant_parameters": {"activation_type": "QInt16"}}, "activation_type: 'QInt16', expected one of QInt8, QUInt8"),
        ({"onnx_quant_parameters": {"reduce_range": 1}}, "reduce_range: 1, expected True or False"),
        ({"onnx_quant_parameters": {"per_channel": False}}, "per_channel is False, quantization.granularity per_channel"),
        ({"onnx_extra_options": {"CalibMovingAvg": True}}, "did you mean 'CalibMovingAverage'"),
        ({"onnx_extra_options": {"CalibMovingAverage": "yes"}}, "CalibMovingAverage: 'yes', expected True or False"),
        ({"onnx_extra_options": {"CalibMaxIntermediateOutputs": True}}, "CalibMaxIntermediateOutputs: True, expected a whole number"),
        ({"onnx_extra_options": {"CalibStridedMinMax": 7}}, r"onnxruntime can't quantize .*f\.onnx: Total data size \(24\) is not divisible"),
        ({"target_opset": 9}, "target_opset: 9, expected 13 to"),
        ({"target_opset": 99}, "target_opset: 99, expected 13 to"),
        ({"quantization_output_type": "int8", "onnx_quant_parameters": {"op_types_to_quantize": ["Conv"]}},
         "quantization_output_type: int8, but nothing quantizes the model's output 'Softmax"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_used(settings, message, tmp_path, caplog):
    with pytest.raises(UserError, match=message) as error:
        quantized(tmp_path, **settings)
    assert len(str(error.value).splitlines()) == 1
    assert not (tmp_path / "q.onnx").exists()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_inputs_that_cannot_be_used(tmp_path):
    found = quantized(tmp_path)
    with pytest.raises(UserError, match=r"q\.onnx: it is quantized already"):
        quantized(tmp_path, found)
    with pytest.raises(UserError, match="needs representative patches"):
        quantized(tmp_path, patches=PATCHES[:0])
    with pytest.raises(UserError, match="values that are not numbers"):
        quantized(tmp_path, patches=np.full_like(PATCHES, np.nan))
    with pytest.raises(UserError, match=r"f\.onnx: takes \(1, 16, 12\), but the patches have the shape \(16, 11\)"):
        quantized(tmp_path, patches=PATCHES[:, :, :11])
