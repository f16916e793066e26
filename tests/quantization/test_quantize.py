"""Post-training quantization of small models: types, granularity, metadata, agreement with the float model."""

import os
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pyaed import artefact, models
from pyaed.dsp import FeatureSpec
from pyaed.errors import UserError
from pyaed.models.keras import import_keras, import_tensorflow
from pyaed.quantization import quantize

SHAPE = (16, 12)
PATCHES = np.random.default_rng(0).normal(-4, 2, size=(40, *SHAPE)).astype(np.float32)
METADATA = artefact.ModelMetadata(
    features=FeatureSpec(n_mels=16, patch_length=12), preprocessing={}, class_names=("ä", "b", "c")
)


@pytest.fixture(scope="module")
def model():
    import_keras().utils.set_random_seed(1)
    built = models.build(SimpleNamespace(name="miniresnet", version="v1", pooling="avg"), 3, SHAPE)
    for layer in built.layers:  # batch statistics as a training would leave them
        if layer.name.endswith("_bn"):
            layer.moving_mean.assign(np.random.default_rng(2).normal(size=layer.moving_mean.shape))
    return built


def interpreter(path):
    lite = import_tensorflow().lite
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = lite.Interpreter(str(path), experimental_op_resolver_type=lite.experimental.OpResolverType.BUILTIN_REF)
    made.allocate_tensors()
    return made


def outputs(path, patches):
    """Outputs as probabilities, whatever the types of input and output."""
    runner = interpreter(path)
    given, result = runner.get_input_details()[0], runner.get_output_details()[0]
    values = []
    for patch in patches:
        patch = patch[np.newaxis, ..., np.newaxis]
        if given["dtype"] != np.float32:
            scale, zero_point = given["quantization"]
            limits = np.iinfo(given["dtype"])
            patch = np.clip(np.round(patch / scale) + zero_point, limits.min, limits.max).astype(given["dtype"])
        runner.set_tensor(given["index"], patch)
        runner.invoke()
        value = runner.get_tensor(result["index"])[0].astype(np.float32)
        if result["dtype"] != np.float32:
            scale, zero_point = result["quantization"]
            value = (value - zero_point) * scale
        values.append(value)
    return np.array(values)


@pytest.mark.parametrize("input_type", ["int8", "uint8", "float"])
@pytest.mark.parametrize("output_type", ["int8", "uint8", "float"])
def test_types(model, tmp_path, input_type, output_type):
    cfg = SimpleNamespace(quantization_input_type=input_type, quantization_output_type=output_type)
    path = quantize(model, PATCHES, cfg, METADATA, tmp_path / "q.tflite")
    runner = interpreter(path)
    (given,), (result,) = runner.get_input_details(), runner.get_output_details()
    names = {"float": np.float32, "int8": np.int8, "uint8": np.uint8}
    assert given["dtype"] == names[input_type]
    assert result["dtype"] == names[output_type]
    assert tuple(given["shape"]) == tuple(given["shape_signature"]) == (1, *SHAPE, 1)
    assert np.abs(outputs(path, PATCHES) - models.predictor(model)(PATCHES)).max() < 0.08


def scales_of_kernels(path):
    return {
        len(tensor["quantization_parameters"]["scales"])
        for tensor in interpreter(path).get_tensor_details()
        if tensor["dtype"] == np.int8 and len(tensor["shape"]) == 4 and tensor["shape"][0] == 64
    }


def test_granularity(model, tmp_path):
    paths = [
        quantize(model, PATCHES, SimpleNamespace(granularity=name), None, tmp_path / f"{name}.tflite")
        for name in ("per_channel", "per_tensor")
    ]
    assert [scales_of_kernels(path) for path in paths] == [{64}, {1}]


def test_metadata(model, tmp_path):
    path = quantize(model, PATCHES, SimpleNamespace(), METADATA, tmp_path / "q.tflite")
    assert METADATA.to_json().encode() in path.read_bytes()
    assert artefact.read(path) == METADATA
    again, other = tmp_path / "again.tflite", replace(METADATA, unknown_class_threshold=0.25)
    again.write_bytes(path.read_bytes())
    artefact.write(again, other)
    assert artefact.read(again) == other
    assert METADATA.to_json().encode() not in again.read_bytes()
    np.testing.assert_array_equal(outputs(again, PATCHES[:5]), outputs(path, PATCHES[:5]))


def test_the_same_model_gives_the_same_file(model, tmp_path):
    one, two = (quantize(model, PATCHES, SimpleNamespace(), METADATA, tmp_path / f"{n}.tflite") for n in "ab")
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("options", [{"version": "v2", "pooling": None}, {"version": "v2", "pooling": "max"}])
def test_other_models(tmp_path, options):
    import_keras().utils.set_random_seed(1)
    other = models.build(SimpleNamespace(name="miniresnet", **options), 3, SHAPE, multi_label=True, dropout=0.2)
    path = quantize(other, PATCHES, SimpleNamespace(), None, tmp_path / "q.tflite")
    assert np.abs(outputs(path, PATCHES) - models.predictor(other)(PATCHES)).max() < 0.1


def test_nothing_on_standard_error(model, tmp_path, capfd):
    quantize(model, PATCHES[:5], SimpleNamespace(), METADATA, tmp_path / "q.tflite")
    assert capfd.readouterr() == ("", "")
    os.write(2, b"back")
    assert capfd.readouterr().err == "back"


@pytest.mark.parametrize(
    ("options", "patches", "name", "message"),
    [
        ({"granularity": "per_chanel"}, PATCHES, "q.tflite", "did you mean 'per_channel'"),
        ({"quantization_input_type": "int16"}, PATCHES, "q.tflite", "expected one of int8, uint8, float"),
        ({"quantizer": "onnx_quantizer"}, PATCHES, "q.tflite", "expected one of TFlite_converter"),
        ({}, PATCHES[:0], "q.tflite", "there are none"),
        ({}, PATCHES[:, 1:], "q.tflite", "n_mels, patch_length"),
        ({}, PATCHES * np.inf, "q.tflite", "not numbers"),
        ({}, PATCHES, "q.keras", "end with .tflite"),
    ],
)
def test_refused(model, tmp_path, options, patches, name, message):
    with pytest.raises(UserError, match=message):
        quantize(model, patches, SimpleNamespace(**options), METADATA, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_model_that_cannot_be_converted(tmp_path):
    keras = import_keras()
    x = keras.Input((*SHAPE, 1))
    odd = keras.Model(x, keras.ops.fft2((x, x))[0])
    with pytest.raises(UserError, match="can't quantize"):
        quantize(odd, PATCHES, SimpleNamespace(), None, tmp_path / "q.tflite")
    assert list(tmp_path.iterdir()) == []
