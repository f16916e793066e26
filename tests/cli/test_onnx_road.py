"""The whole road of .onnx models: float, quantized by onnxruntime, evaluated by it, by the engine and on the emulated board."""

import json

import numpy as np
import pytest
from support.onnx_builder import residual_network
from support.onnx_export import to_onnx

from pyaed import artefact, models, nn, operations
from pyaed.config import load
from pyaed.errors import UserError
from pyaed.models.onnx import runner
from pyaed.nn import onnx
from pyaed.nn.onnx.shapes import opset


def perform(project, mode: str, model, folder, *overrides: str):
    """Carry out a mode on the project's data."""
    settings = [f"general.model_path={model}", f"hydra.run.dir={folder}", f"operation_mode={mode}"]
    data = [
        f"dataset.training_{kind}_path={project.folder / 'data' / path}"
        for kind, path in (("audio", "audio"), ("csv", "meta/synthetic.csv"))
    ]
    return operations.perform(load(project.config, [*settings, *data, "training=None", *overrides], mode), mode)


@pytest.fixture(scope="module")
def exported(project, tmp_path_factory):
    """The project's trained model, its input channels first."""
    path = tmp_path_factory.mktemp("onnx") / "miniresnet.onnx"
    to_onnx(models.load(project.float_model), path, channels_first=True)
    artefact.write(path, artefact.read(project.float_model))
    return path


@pytest.fixture(scope="module")
def quantized(project, exported, tmp_path_factory):
    """The chain's run: float evaluated, quantized, evaluated in three ways."""
    folder = tmp_path_factory.mktemp("chain") / "run"
    return perform(project, "chain_eqe", exported, folder, "evaluation.target=[onnxruntime, engine, emulator]")


def test_a_float_model_from_keras_is_evaluated_as_keras_does(project, quantized):
    by_keras = json.loads((project.folder / "run/evaluation/float_report.json").read_text())
    by_onnxruntime = json.loads((quantized.folder / "evaluation/float_report.json").read_text())
    assert by_keras == by_onnxruntime


def test_the_board_gives_the_engines_bytes(quantized):
    """And both agree with onnxruntime in every clip's decision."""
    reports = {
        target: json.loads((quantized.folder / f"evaluation/int8_{target}_report.json").read_text())
        for target in ("engine", "emulator", "onnxruntime")
    }
    for report in reports.values():
        del report["name"]
    assert reports["engine"] == reports["emulator"]
    assert reports["engine"]["clip_accuracy"] == reports["onnxruntime"]["clip_accuracy"]


def test_the_quantized_file(project, quantized):
    """What it carries, and that it is as it was asked for: QDQ, int8 inside, float ends."""
    path = quantized.quantized_model
    assert path.name == "quantized_model.onnx"
    assert onnx.is_quantized(path)
    carried = artefact.read(path)
    assert carried.class_names == artefact.read(project.float_model).class_names
    assert carried.provenance["quantized_on"].endswith("clips")


def test_verify_and_predict_need_only_the_model(project, quantized, tmp_path):
    settings = [f"general.model_path={quantized.quantized_model}", f"hydra.run.dir={tmp_path / 'v'}"]
    run = operations.start(load(None, settings, "deployment"), settings)
    assert operations.verify(run, n_clips=2, patches_per_clip=2)
    found = {}
    for target in ("engine", "onnxruntime"):
        more = [f"prediction.test_files_path={project.folder / 'data/audio'}", f"prediction.target={target}"]
        folder = tmp_path / target
        operations.perform(load(None, [*settings[:1], f"hydra.run.dir={folder}", *more], "prediction"), "prediction")
        found[target] = json.loads((folder / "predictions.json").read_text())
    decided = {target: [(row["file"], row["class"]) for row in rows] for target, rows in found.items()}
    assert len(decided["engine"]) == 40
    assert decided["engine"] == decided["onnxruntime"]


def test_a_network_as_pytorch_exports_it(project, tmp_path):
    """Channels first, opset 18, without pyaed's metadata: through quantization, evaluation, the engine and the emulated board."""
    names = artefact.read(project.float_model).class_names
    b = residual_network(classes=len(names), shape=(1, 32, 32), opset=18)
    path = b.write(tmp_path / "torch.onnx", b.last)
    run = perform(
        project, "chain_eqe", path, tmp_path / "run", f"dataset.class_names=[{', '.join(names)}]",
        "evaluation.target=[onnxruntime, engine]", "quantization.quantizer=onnx_quantizer",
        "quantization.quantization_input_type=int8",
    )  # fmt: skip
    program = nn.Engine(run.quantized_model).program
    assert (program.input.dtype, program.input.shape) == ("int8", (1, 1, 32, 32))
    assert opset(onnx.load(run.quantized_model).proto) == 18
    patches = np.random.default_rng(3).normal(-4, 3, (50, 32, 32)).astype(np.float32)
    theirs = runner(onnx.load(run.quantized_model), artefact.Input())(patches)
    ours = nn.Engine(run.quantized_model).predict(patches).reshape(50, -1)
    assert np.abs(ours - theirs).max() < 0.05
    assert operations.verify(run, n_clips=1, patches_per_clip=1)


def test_a_target_of_the_other_kind(project, quantized, tmp_path):
    for target, model, message in (
        (
            "tflite",
            quantized.quantized_model,
            r"target tflite: it runs \.tflite models, .*expected onnxruntime, engine or emulator",
        ),
        (
            "onnxruntime",
            project.quantized_model,
            r"target onnxruntime: it runs \.onnx models, .*expected tflite, engine or emulator",
        ),
    ):
        with pytest.raises(UserError, match=message):
            perform(project, "evaluation", model, tmp_path, f"evaluation.target=[{target}]")


def test_what_is_not_for_onnx(project, exported, quantized, tmp_path):
    with pytest.raises(
        UserError,
        match=r"quantizer: TFlite_converter: it quantizes float models of \.keras, \.h5, and miniresnet\.onnx is none",
    ):
        perform(project, "quantization", exported, tmp_path / "a", "quantization.quantizer=TFlite_converter")
    with pytest.raises(
        UserError,
        match=r"quantizer: onnx_quantizer: it quantizes float models of \.onnx, and best_model\.keras is none",
    ):
        perform(project, "quantization", project.float_model, tmp_path / "b", "quantization.quantizer=onnx_quantizer")
    with pytest.raises(UserError, match="this operation needs a float model"):
        perform(project, "quantization", quantized.quantized_model, tmp_path / "c")
    with pytest.raises(UserError, match="this operation needs a quantized model"):
        perform(project, "deployment", exported, tmp_path / "d")
    settings = load(project.config, [f"general.model_path={exported}", "operation_mode=training"])
    with pytest.raises(UserError, match=r"a training begins with one of \.keras, \.h5"):
        operations.check(settings)
