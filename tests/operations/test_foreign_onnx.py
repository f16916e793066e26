"""Models of .onnx files without pyaed's metadata: layouts, logits, one output for two classes; float and quantized."""

import csv
import logging
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from support.onnx_builder import Builder

from pyaed import artefact, nn, operations
from pyaed.artefact.ends import FRAMES_FIRST, MELS_FIRST
from pyaed.config import load
from pyaed.errors import UserError
from pyaed.nn import onnx
from pyaed.quantization import quantize_onnx

MELS, FRAMES = 16, 12
FEATURES = [
    f"feature_extraction.{key}={value}"
    for key, value in {"n_mels": MELS, "patch_length": FRAMES, "overlap": 0.5, "n_fft": 512, "hop_length": 256}.items()
]
PATCHES = np.random.default_rng(1).normal(-4, 3, (40, MELS, FRAMES)).astype(np.float32)
WEIGHTS = np.random.default_rng(4).normal(size=(3, MELS, FRAMES)) / 12


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "noise.wav"
    level = np.repeat([0.3, 0.01, 0.1, 0.003], 8000)
    soundfile.write(path, np.random.default_rng(2).normal(size=32000) * level, 16000)
    return path


def network(path, shape=(1, MELS, FRAMES), classes: int = 3, activation: str | None = "Softmax"):
    """Write a linear classifier of patches; its weights are turned where it takes frames first."""
    b = Builder()
    weights = WEIGHTS[:classes]
    if [n for n in shape if n != 1] == [FRAMES, MELS]:
        weights = weights.transpose(0, 2, 1)
    x = b.op("Flatten", b.input(("N", *shape)))
    y = b.op("Gemm", x, b.constant(weights.reshape(classes, -1)), b.constant(np.arange(classes) * 0.3), transB=1)
    return b.write(path, b.op(activation, y) if activation else y)


def quantized(path, target, layout: str = MELS_FIRST, **more):
    settings = {
        "granularity": "per_channel", "quantization_input_type": "float", "quantization_output_type": "float",
        "target_opset": 17, "onnx_quant_parameters": None, "onnx_extra_options": None, **more,
    }  # fmt: skip
    cfg = SimpleNamespace(**settings, model_fields_set=set())
    return quantize_onnx(onnx.load(path), PATCHES, artefact.Input(layout), cfg, None, target)


def predict(model, sound, folder, *overrides: str) -> dict[str, float]:
    """Return the scores that ``pyaed predict`` writes."""
    settings = [f"general.model_path={model}", f"prediction.test_files_path={sound}", f"hydra.run.dir={folder}"]
    operations.perform(load(None, [*FEATURES, *settings, *overrides], "prediction"), "prediction")
    (row,) = csv.DictReader((folder / "predictions.csv").read_text().splitlines())
    return {key[2:]: float(value) for key, value in row.items() if key.startswith("p_")}


def warned(caplog) -> str:
    return "\n".join(r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING)


NAMES = "dataset.class_names=[rain, dog, alarm]"


@pytest.mark.parametrize(
    "shape", [(1, MELS, FRAMES), (MELS, FRAMES, 1), (MELS, FRAMES), (1, FRAMES, MELS), (FRAMES, MELS, 1), (FRAMES * MELS,)]
)  # fmt: skip
def test_layouts(shape, tmp_path, sound):
    """Channels first and last, frames first, flat: one answer, float and by both that run the quantized model."""
    right = predict(network(tmp_path / "r.onnx"), sound, tmp_path / "r", NAMES)
    flat = len(shape) == 1
    path = network(tmp_path / "m.onnx", shape)
    # A flat input takes features frame by frame: another one than this classifier's, unless it is said.
    said = ["general.input_layout=mels_first"] if flat else []
    found = predict(path, sound, tmp_path / "m", NAMES, *said)
    np.testing.assert_allclose(list(found.values()), list(right.values()), atol=1e-5)
    frames_first = [n for n in shape if n != 1] == [FRAMES, MELS]
    made = quantized(path, tmp_path / "q.onnx", FRAMES_FIRST if frames_first else MELS_FIRST)
    for target in ("engine", "onnxruntime"):
        found = predict(made, sound, tmp_path / target, NAMES, f"prediction.target={target}", *said)
        np.testing.assert_allclose(list(found.values()), list(right.values()), atol=0.1)


def test_logits_become_probabilities(tmp_path, sound, caplog):
    right = predict(network(tmp_path / "r.onnx"), sound, tmp_path / "r", NAMES)
    path = network(tmp_path / "l.onnx", activation=None)
    found = predict(path, sound, tmp_path / "l", NAMES)
    np.testing.assert_allclose(list(found.values()), list(right.values()), atol=1e-5)
    assert "l.onnx: its outputs are logits, not probabilities: softmax is applied" in warned(caplog)
    made = quantized(path, tmp_path / "q.onnx")
    for target in ("engine", "onnxruntime"):
        found = predict(made, sound, tmp_path / target, NAMES, f"prediction.target={target}")
        np.testing.assert_allclose(list(found.values()), list(right.values()), atol=0.1)
        assert abs(sum(found.values()) - 1) < 0.02


@pytest.mark.parametrize("types", [["Gemm", "Sigmoid"], ["Gemm"]], ids=["quantized sigmoid", "float sigmoid"])
def test_one_output_for_two_classes(types, tmp_path, sound, caplog):
    names = "dataset.class_names=[rain, dog]"
    path = network(tmp_path / "one.onnx", classes=1, activation="Sigmoid")
    right = predict(path, sound, tmp_path / "r", names)
    assert "1 - p is the first one's score" in warned(caplog)
    assert "logits" not in warned(caplog)
    made = quantized(path, tmp_path / "q.onnx", onnx_quant_parameters={"op_types_to_quantize": types})
    for target in ("engine", "onnxruntime"):
        found = predict(made, sound, tmp_path / target, names, f"prediction.target={target}")
        np.testing.assert_allclose(list(found.values()), list(right.values()), atol=0.1)
        assert abs(sum(found.values()) - 1) < 0.02


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_the_extra(package, tmp_path, sound, monkeypatch):
    """The base install says what to install; what needs only the reader needs no onnxruntime."""
    path = network(tmp_path / "m.onnx")
    made = quantized(path, tmp_path / "q.onnx")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        UserError, match=r"m\.onnx: .*\.onnx models needs? the extra 'onnx': pip install 'pyaed\[onnx\]'"
    ):
        predict(path, sound, tmp_path / "a", NAMES)
    if package == "onnxruntime":
        assert len(predict(made, sound, tmp_path / "b", NAMES)) == 3


def test_what_does_not_fit(tmp_path, sound):
    path = network(tmp_path / "m.onnx")
    with pytest.raises(UserError, match=r"m\.onnx: the model has 3 outputs, but there are 2 classes: a, b"):
        predict(path, sound, tmp_path / "a", "dataset.class_names=[a,b]")
    with pytest.raises(
        UserError, match=r"m\.onnx takes an input of \(1, 16, 12\), but feature_extraction makes patches of n_mels 20"
    ):
        predict(path, sound, tmp_path / "b", NAMES, "feature_extraction.n_mels=20")
    with pytest.raises(UserError, match=r"m\.onnx carries no pyaed metadata.*give dataset\.class_names"):
        predict(path, sound, tmp_path / "c")
    b = Builder()
    x, other = b.input((1, 16, 12)), b.input((1, 16, 12), "other")
    two = b.write(tmp_path / "two.onnx", b.op("Add", x, other))
    with pytest.raises(UserError, match=r"two\.onnx: the model has 2 inputs, expected one"):
        predict(two, sound, tmp_path / "d", NAMES)


def test_names_of_the_zoo(tmp_path):
    """An exported model of ST's zoo is known by its classifier, as its Keras file is."""
    b = Builder()
    y = b.op("Gemm", b.op("Flatten", b.input((1, MELS, FRAMES))), b.constant(WEIGHTS.reshape(3, -1)), transB=1)
    assert not operations.model.is_zoos(b.write(tmp_path / "m.onnx", y))
    b.nodes[-1].output[0] = "functional_1/new_head_1/MatMul:0"
    assert operations.model.is_zoos(b.write(tmp_path / "z.onnx", "functional_1/new_head_1/MatMul:0"))


def test_the_engine_says_what_it_cannot_run_and_onnxruntime_runs_it(tmp_path, sound):
    b = Builder()
    x = b.fake(b.input((1, MELS, FRAMES)), 0.1, 40)
    x = b.op("InstanceNormalization", x, *(b.constant(np.full(MELS, v)) for v in (1.0, 0.0)))
    w, _ = b.weights(WEIGHTS.reshape(3, -1), 0)
    path = b.write(tmp_path / "m.onnx", b.op("Softmax", b.op("Gemm", b.fake(b.op("Flatten", x)), w, transB=1)))
    with pytest.raises(
        UserError, match=r"m: InstanceNormalization computing 'InstanceNormalization_\d+_\d+': operator not supported"
    ):
        predict(path, sound, tmp_path / "e", NAMES)
    found = predict(path, sound, tmp_path / "o", NAMES, "prediction.target=onnxruntime")
    assert abs(sum(found.values()) - 1) < 1e-4
    assert nn.onnx.is_quantized(path)
