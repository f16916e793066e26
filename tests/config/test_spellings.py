"""Files of other years, written otherwise than the schema: they mean the same, and mistakes keep their lines."""

import pytest

from pyaed.config import load, notes
from pyaed.errors import UserError

NEWER = """\
general:
  project_name: aed_project
model:
  model_name: miniresnetv2_s1
  #model_path:
  input_shape: (64, 50)
  pretrained: true
operation_mode: chain_tqeb
dataset:
  dataset_name: esc10
  training_audio_path: ./datasets/ESC-50/audio
  training_csv_path: ./datasets/ESC-50/meta/esc50.csv
training:
  epochs: 40
quantization:
  granularity: per_channel
  onnx_extra_options:
    CalibMovingAverage: True
  onnx_quant_parameters:
    op_types_to_quantize: ["Conv", "Relu"]
evaluation:
  target: "host"
deployment:
  build_conf: Debug
stm32ai:
  version: 7.3.0
  footprints_on_target: B-U585I-IOT02A
"""


def write(tmp_path, text):
    path = tmp_path / "my.yaml"
    path.write_text(text)
    return path


def test_a_newer_file(tmp_path):
    config = load(write(tmp_path, NEWER))
    model = config.training.model
    assert (model.name, model.version, model.n_stacks, model.input_shape) == ("miniresnet", "v2", 1, (64, 50))
    assert model.pretrained_weights is True
    assert (config.operation_mode, config.dataset.name, config.training.epochs) == ("chain_tbqeb", "esc10", 40)
    assert config.evaluation.target == ["engine"]
    assert config.tools.stm32ai.footprints_on_target == "B-U585I-IOT02A"
    said = notes(config)
    for line in (
        "model.model_name is training.model.name here",
        "operation_mode: chain_tqeb is operation_mode chain_tbqeb here",
        "training.model.name: miniresnetv2_s1 is name miniresnet, version v2, n_stacks 1 here",
        "dataset.dataset_name is dataset.name here",
    ):
        assert line in said
    assert any(line.startswith("quantization.onnx_extra_options") for line in said)


def test_a_newer_file_with_a_model(tmp_path):
    text = (
        "model:\n  model_path: ..\\models\\a.tflite\n  input_shape: (64, 96, 1)\noperation_mode: prediction\n"
        "dataset:\n  prediction_audio_path: ./test_files\n"
    )
    config = load(write(tmp_path, text), ["model.model_path=b.tflite"])
    assert config.general.model_path == "b.tflite"
    assert config.prediction.test_files_path == "test_files"
    assert config.training is None
    assert "model.input_shape: not used; the model's file says it" in notes(config)
    assert load(write(tmp_path, text)).general.model_path == "../models/a.tflite"


def test_options_of_the_onnx_quantizer_of_2025(tmp_path):
    text = "quantization:\n  extra_options: {CalibMovingAverage: True}\n  op_types_to_quantize: [Conv, Gemm]\n"
    section = load(write(tmp_path, text)).quantization
    assert section.onnx_extra_options == {"CalibMovingAverage": True}
    assert section.onnx_quant_parameters == {"op_types_to_quantize": ["Conv", "Gemm"]}
    more = text + "  onnx_quant_parameters: {nodes_to_exclude: [a]}\n"
    found = load(write(tmp_path, more)).quantization.onnx_quant_parameters
    assert found == {"nodes_to_exclude": ["a"], "op_types_to_quantize": ["Conv", "Gemm"]}


@pytest.mark.parametrize("name", ["yamnet_e256", "yamnet_e1024"])
def test_yamnet(tmp_path, name):
    model = load(write(tmp_path, f"model: {{model_name: {name}}}\n")).training.model
    assert (model.name, model.embedding_size) == ("yamnet", int(name[8:]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "model:\n  model_name: yamnet\n  input_shape: (64, x)",
            "line 3: training.model.input_shape: '(64, x)' is not",
        ),
        ("dataset:\n  dataset_name: esc100", "line 2: dataset.name: 'esc100' is not allowed, expected one of"),
        ("model:\n  model_path: a.h5\n  modelname: x", "line 1: model: unknown key"),
        ("model:\n  model_path: a.h5\ngeneral:\n  model_path: b.h5", "line 1: model: unknown key"),
        ("pre_processing:\n  min_length: 1", "line 1: pre_processing: unknown key (did you mean 'preprocessing'?)"),
    ],
)
def test_mistakes_keep_their_lines(tmp_path, text, message):
    with pytest.raises(UserError) as error:
        load(write(tmp_path, text + "\n"))
    assert message in str(error.value)
