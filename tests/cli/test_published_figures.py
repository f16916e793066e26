"""The published YAMNet-256 on the 320 clips of ESC-10: with librosa's features 307 (float) and 308 (int8) are right."""

import json

import pytest
from support.commands import pyaed

from pyaed import config, operations

LIBROSA = {"yamnet_256_64x96_tl.h5": 307, "yamnet_256_64x96_tl_int8.tflite": 308}


@pytest.mark.parametrize("name", LIBROSA)
def test_our_front_end_decides_the_same(shared, tmp_path, name):
    (table,) = (shared / "datasets/esc10/meta").glob("*.csv")
    overrides = [
        f"general.model_path={shared / 'pretrained/st_model_zoo' / name}",
        f"dataset.test_audio_path={shared / 'datasets/esc10/audio'}",
        f"dataset.test_csv_path={table}",
        "evaluation.target=[engine, tflite]",
        "mlflow.uri=",
        f"hydra.run.dir={tmp_path}",
    ]
    settings = config.load(shared / "configs/st_model_zoo/evaluation_config.yaml", overrides)
    run = operations.start(settings, overrides)
    operations.run_mode(run)
    assert list(run.reports) == (["float"] if name.endswith(".h5") else ["int8 engine", "int8 tflite"])
    for report in run.reports.values():
        assert report.clip_accuracy.total == 320
        assert abs(report.clip_accuracy.right - LIBROSA[name]) <= 2


def test_as_a_device_hears_it_the_gate_makes_up_for_silence(shared, tmp_path):
    (table,) = (shared / "datasets/esc10/meta").glob("*.csv")
    arguments = [
        "evaluate",
        "--as-device",
        "-c",
        shared / "configs/st_model_zoo/evaluation_config.yaml",
        f"general.model_path={shared / 'pretrained/st_model_zoo/yamnet_256_64x96_tl_int8.tflite'}",
        f"dataset.test_audio_path={shared / 'datasets/esc10/audio'}",
        f"dataset.test_csv_path={table}",
        "deployment.detector.silence_gate=-60",
        "mlflow.uri=",
        f"hydra.run.dir={tmp_path}",
    ]
    result = pyaed(*arguments)
    assert result.code == 0, result.err
    report = json.loads((tmp_path / "evaluation/int8_engine_as_device_report.json").read_text())
    assert report["clip_accuracy"]["total"] == 320
    assert abs(report["clip_accuracy"]["right"] - 308) <= 2  # without the gate: 275
