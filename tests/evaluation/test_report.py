"""Evaluation end to end on made-up truths, and the predictors on a published model."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from support import images

from pyaed.data import Clip, PatchSet, extract_features, list_clips
from pyaed.dsp import FeatureSpec, FrontEnd
from pyaed.errors import UserError
from pyaed.evaluation import (
    Classes,
    board_predictor,
    clip_decisions,
    engine_predictor,
    evaluate,
    predict_patches,
    prediction_table,
    tflite_predictor,
    write_predictions_csv,
    write_predictions_json,
)
from pyaed.nn import Engine

NAMES = ("bell", "dog", "rain")


def patchset(labels, counts, probabilities):
    """Patches whose values are the probabilities that `echo` then predicts."""
    clips = tuple(Clip(Path(f"{i}.wav"), f"{i}.wav", label) for i, label in enumerate(labels))
    patches = np.asarray(probabilities, np.float32)[:, :, np.newaxis]
    return PatchSet(patches, np.repeat(np.arange(len(clips), dtype=np.int32), counts), clips)


def echo(patches):
    return patches[:, :, 0]


@pytest.fixture
def single():
    return patchset(
        [0, 1, 2, 1],
        [2, 1, 3, 1],
        [[0.9, 0.1, 0], [0.4, 0.6, 0], [0, 1, 0], [0, 0, 1], [0.6, 0, 0.4], [0, 0.1, 0.9], [0, 0.2, 0.8]],
    )


def test_one_label_a_clip(single, tmp_path):
    report = evaluate(echo, single, Classes(NAMES), tmp_path, "int8 engine")
    assert report.clip_accuracy[:3] == (3, 4, 0.75)
    assert report.patch_accuracy[:3] == (4, 7, 4 / 7)
    assert report.clip_confusion.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 1]]
    assert report.patch_confusion.tolist() == [[1, 1, 0], [0, 1, 1], [1, 0, 2]]
    assert report.classes["dog"] == {"recall": 0.5, "precision": 1.0, "f1": 2 / 3, "support": 2}
    assert report.wrong == ({"file": "3.wav", "truth": "dog", "decision": "rain", "score": 0.8},)
    assert sorted(p.name for p in report.files) == sorted(p.name for p in tmp_path.iterdir()) == [
        "int8_engine_confusion_clip.csv", "int8_engine_confusion_clip.png", "int8_engine_confusion_patch.csv",
        "int8_engine_confusion_patch.png", "int8_engine_report.json", "int8_engine_report.txt",
    ]  # fmt: skip
    data = json.loads((tmp_path / "int8_engine_report.json").read_text())
    assert data["clip_accuracy"]["value"] == 0.75
    assert data["clip_confusion"] == report.clip_confusion.tolist()
    with open(tmp_path / "int8_engine_confusion_patch.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["truth \\ decision", *NAMES], ["bell", "1", "1", "0"], ["dog", "0", "1", "1"],
                    ["rain", "1", "0", "2"]]  # fmt: skip
    with Image.open(tmp_path / "int8_engine_confusion_clip.png") as picture:
        assert picture.width > 300
    assert (tmp_path / "int8_engine_report.txt").read_text() == report.table()
    assert (
        report.table()
        == """\
int8 engine
  clip accuracy   75.0 % (3 of 4; 95 % interval 30.1 to 95.4)
  patch accuracy  57.1 % (4 of 7; 95 % interval 25.0 to 84.2)

  class  recall %  precision %    F1 %  clips
  bell      100.0        100.0   100.0      1
  dog        50.0        100.0    66.7      2
  rain      100.0         50.0    66.7      1
"""
    )


def test_a_clip_that_nobody_decided_about_is_wrong_and_in_no_column(single):
    loud = np.array([False, False, True, True, True, True, True])
    report = evaluate(echo, single, Classes(NAMES), None, "x", classified=loud)
    assert report.clip_confusion.tolist() == [[0, 0, 0], [0, 1, 1], [0, 0, 1]]
    assert report.clip_accuracy[:2] == (2, 4)
    assert report.classes["bell"]["recall"] == 0
    assert report.classes["bell"]["support"] == 1
    assert report.classes["rain"]["precision"] == 0.5
    assert report.wrong[0] == {"file": "0.wav", "truth": "bell", "decision": "unknown", "score": 0.0}


def test_a_class_without_clips_is_a_dash_and_null(single, tmp_path):
    patches = np.concatenate([single.patches, np.zeros((7, 1, 1), np.float32)], axis=1)
    report = evaluate(echo, PatchSet(patches, single.clip_index, single.clips), Classes((*NAMES, "axe")), tmp_path, "x")
    assert report.table().splitlines()[-1].split() == ["axe", "-", "-", "-", "0"]
    assert json.loads((tmp_path / "x_report.json").read_text())["classes"]["axe"]["recall"] is None


def test_several_labels_a_clip(tmp_path):
    found = patchset([(0, 1), (2,), ()], [2, 1, 1], [[0.9, 0.4, 0.2], [0.9, 0.8, 0], [0.1, 0.6, 0.7], [0.1, 0, 0.2]])
    report = evaluate(echo, found, Classes(NAMES, multi_label=True), tmp_path, "float")
    assert report.clip_accuracy[:2] == (2, 3)
    assert report.patch_accuracy[:2] == (2, 4)
    assert report.classes["dog"] == {
        "recall": 1.0, "precision": 0.5, "f1": 2 / 3, "support": 1, "average_precision": 0.5, "threshold": 0.5,
    }  # fmt: skip
    assert report.mean_average_precision == pytest.approx((0.5 + 1 + 1) / 3)
    assert json.loads((tmp_path / "float_report.json").read_text())["mean_average_precision"] == pytest.approx(2.5 / 3)
    assert report.wrong == ({"file": "1.wav", "truth": "rain", "decision": "dog, rain", "score": 0.7},)
    assert report.table().splitlines()[3:] == [
        "  mean average precision  83.3 %",
        "",
        "  class  recall %  precision %    F1 %  clips    AP %  threshold",
        "  bell      100.0        100.0   100.0      1   100.0      0.500",
        "  dog       100.0         50.0    66.7      1    50.0      0.500",
        "  rain      100.0        100.0   100.0      1   100.0      0.500",
    ]
    assert report.clip_confusion is report.patch_confusion is None
    own = evaluate(echo, found, Classes(NAMES, multi_label=True, thresholds=(0.85, 0.65, 0.25)), None, "float")
    assert own.clip_accuracy[:2] == (2, 3)
    assert own.patch_accuracy[:2] == (3, 4)
    assert own.decided.tolist() == [[True, False, False], [False, False, True], [False, False, False]]
    assert [row["threshold"] for row in own.classes.values()] == [0.85, 0.65, 0.25]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["float_report.json", "float_report.txt"]


def test_messages(single):
    with pytest.raises(UserError, match="the model has 3 outputs, but there are 2 class names"):
        evaluate(echo, single, Classes(NAMES[:2]), None, "float")
    with pytest.raises(UserError, match="holds no clips"):
        evaluate(echo, PatchSet(single.patches[:0], single.clip_index[:0], ()), Classes(NAMES), None, "float")
    with pytest.raises(UserError, match=r"clip a\.wav has no label"):
        evaluate(
            echo,
            PatchSet(single.patches, single.clip_index, (Clip(Path("a.wav"), "a.wav"),)),
            Classes(NAMES),
            None,
            "f",
        )


def test_a_gate_that_lets_nothing_through_is_told(single):
    with pytest.raises(UserError, match="silence_gate lets no patch through"):
        evaluate(echo, single, NAMES, None, "x", classified=np.zeros(7, bool))


def test_predictors_that_go_wrong(single):
    with pytest.raises(ValueError, match="not finite"):
        predict_patches(lambda x: np.full((len(x), 3), np.nan), single.patches)
    for wrong in ((7,), (6, 3), (7, 3, 1)):
        with pytest.raises(ValueError, match="shape"):
            predict_patches(lambda x, wrong=wrong: np.zeros(wrong), single.patches)
    assert predict_patches(echo, single.patches[:0]).shape == (0, 0)


def test_batches_change_nothing(single):
    np.testing.assert_array_equal(predict_patches(echo, single.patches, batch=2), echo(single.patches))


def test_predictions_csv_and_table(single, tmp_path):
    found = clip_decisions(echo(single.patches), single.clip_index, 4, unknown_class_threshold=0.75)
    path = write_predictions_csv(tmp_path / "predictions.csv", single, found, NAMES)
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == ["unknown", "dog", "rain", "rain"]
    assert rows[0] == {"file": "0.wav", "class": "unknown", "score": "0.650000", "n_patches": "2",
                       "p_bell": "0.650000", "p_dog": "0.350000", "p_rain": "0.000000"}  # fmt: skip
    assert (
        prediction_table(single, found, NAMES)
        == """\
file   class    score %  next best
0.wav  unknown     65.0  bell 65.0, dog 35.0
1.wav  dog        100.0  bell 0.0, rain 0.0
2.wav  rain        76.7  bell 20.0, dog 3.3
3.wav  rain        80.0  dog 20.0, bell 0.0
"""
    )
    empty = clip_decisions(np.zeros((0, 3)), np.zeros(0, int), 0)
    nobody = PatchSet(single.patches[:0], single.clip_index[:0], ())
    assert prediction_table(nobody, empty, ("a",)) == "file  class    score %  next best\n"
    path = write_predictions_json(tmp_path / "p.json", single, found, NAMES)
    assert json.loads(path.read_text())[2] == {
        "file": "2.wav", "class": "rain", "score": 0.766667,
        "probabilities": {"bell": 0.2, "dog": 0.033333, "rain": 0.766667},
    }  # fmt: skip
    assert path.read_text().startswith('[\n {\n  "file": "0.wav",\n  "class": "unknown",')


def test_predictions_of_several_labels(tmp_path):
    found = patchset([None, None], [1, 1], [[0.9, 0.8, 0.1], [0.1, 0.2, 0.3]])
    decided = clip_decisions(echo(found.patches), found.clip_index, 2, multi_label=True)
    path = write_predictions_csv(tmp_path / "p.csv", found, decided, NAMES)
    assert [line.split(",")[1] for line in path.read_text().splitlines()[1:]] == ["bell;dog", "unknown"]


@pytest.fixture(scope="module")
def real_patches(shared):
    files = list_clips(shared / "datasets" / "esc10" / "audio").clips[::40]
    return extract_features(files, FrontEnd(FeatureSpec()), {}, cache=False).patches


def test_reference_kernels_engine_and_board_predict_the_same(shared, real_patches):
    path = shared / "pretrained" / "st_model_zoo" / "yamnet_256_64x96_tl_int8.tflite"
    engine = Engine(path)
    ours = predict_patches(engine_predictor(engine), real_patches)
    reference = predict_patches(tflite_predictor(path, reference=True), real_patches)
    np.testing.assert_array_equal(ours, reference)
    np.testing.assert_allclose(ours.sum(axis=1), 1, atol=0.02)
    assert np.abs(ours - predict_patches(tflite_predictor(path), real_patches)).max() < 0.2

    # The wire left out: a link whose device is the engine.
    source, sink = engine.program.input, engine.program.output
    identity = SimpleNamespace(
        input_dtype=np.dtype(source.dtype), input_quantization=(source.scale, source.zero_point),
        output_dtype=np.dtype(sink.dtype), output_quantization=(sink.scale, sink.zero_point),
    )  # fmt: skip
    board = SimpleNamespace(identify=lambda: identity, infer=lambda patch: engine.run(patch[np.newaxis])[0])
    np.testing.assert_array_equal(predict_patches(board_predictor(board), real_patches), ours)


def test_every_type_of_input_and_output_is_quantized_by_its_own_scale():
    """On a device, by TensorFlow Lite and by the engine: one set of patches, three types of ends, the same answers."""
    patches = images.FrontEnd(images.SPEC)(images.noise(6000))
    assert len(patches) > 3
    for io in ("int8", "uint8", "float32"):
        engine = Engine(images.program(io))
        source, sink = engine.program.input, engine.program.output
        identity = SimpleNamespace(
            input_dtype=np.dtype(source.dtype), input_quantization=(source.scale, source.zero_point),
            output_dtype=np.dtype(sink.dtype), output_quantization=(sink.scale, sink.zero_point),
        )  # fmt: skip
        board = SimpleNamespace(
            identify=lambda identity=identity: identity, infer=lambda patch, e=engine: e.run(patch[np.newaxis])[0]
        )
        found = predict_patches(board_predictor(board), patches)
        assert found.shape == (len(patches), 3)
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=0.02)
        np.testing.assert_array_equal(found, predict_patches(engine_predictor(engine), patches))
        np.testing.assert_array_equal(
            found, predict_patches(tflite_predictor(images.tiny_model(io), reference=True), patches)
        )


def test_tflite_messages(tmp_path, shared):
    (tmp_path / "bad.tflite").write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match=r"can't load .*bad\.tflite"):
        tflite_predictor(tmp_path / "bad.tflite")
    path = shared / "pretrained" / "st_model_zoo" / "miniresnet_1stacks_64x50_tl_int8.tflite"
    with pytest.raises(UserError, match="the patches have the shape"):
        predict_patches(tflite_predictor(path), np.zeros((1, 64, 96), np.float32))
