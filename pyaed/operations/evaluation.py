"""Evaluation of float and quantized models on the test set."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pyaed.artefact import ModelMetadata
from pyaed.detector import DetectorSettings
from pyaed.errors import UserError
from pyaed.operations.board import deploy_emulated, emulated
from pyaed.operations.clips import features, streamed, test_set
from pyaed.operations.model import check_quantized, float_predictor, onnx_network, quantized_model, tflite_ends
from pyaed.operations.run import FLOAT, QUANTIZED, Run, needed
from pyaed.operations.settings import model_settings

if TYPE_CHECKING:
    from pyaed.data import PatchSet
    from pyaed.evaluation.predictors import Predictor


def evaluate(run: Run) -> None:
    """Evaluate the quantized model where there is one, else the float model, on the test set."""
    if run.quantized_model is None and run.config.evaluation.as_device:
        raise UserError(
            "evaluation.as_device: a board runs quantized models; give one (.tflite, .onnx) in general.model_path"
        )
    if run.quantized_model is None:
        evaluate_float(run)
    else:
        evaluate_quantized(run)


def evaluate_float(run: Run) -> None:
    """Evaluate the run's float model on the test set."""
    path = needed(run, FLOAT)
    settings = model_settings(run, path, "infer")
    predictor = float_predictor(run, path, settings)
    patches = features(run.config, settings, test_set(run.config, settings), "test features")
    report(run, settings, patches, predictor, "float")


def evaluate_validation(run: Run) -> None:
    """Evaluate the model that was trained on the validation set too, where another set is the test set."""
    if run.validation is None:
        return
    path = needed(run, FLOAT)
    settings = model_settings(run, path)
    patches = features(run.config, settings, run.validation, "validation features")
    report(run, settings, patches, float_predictor(run, path, settings), "float validation")


def evaluate_quantized(run: Run) -> None:
    """Evaluate the run's quantized model on the test set, by every target that `evaluation.target` names."""
    path = needed(run, QUANTIZED)
    settings = model_settings(run, path, "infer")
    check_quantized(run, path, settings, run.config.evaluation.target)
    patches, classified = test_patches(run, settings)
    suffix = " as device" if run.config.evaluation.as_device else ""
    for target in run.config.evaluation.target:
        with predictor_of(run, path, target, settings) as predictor:
            report(run, settings, patches, predictor, f"int8 {target}{suffix}", classified)


def test_patches(run: Run, settings: ModelMetadata) -> tuple["PatchSet", npt.NDArray[np.bool_] | None]:
    """Return the test set's patches and, with `evaluation.as_device`, which of them a board classifies."""
    clips = test_set(run.config, settings)
    if not run.config.evaluation.as_device:
        return features(run.config, settings, clips, "test features"), None
    settings.features.check_deployable()
    detector = DetectorSettings.from_settings(settings, run.config.deployment.detector)
    return streamed(run.config, settings, detector, clips, "test features")


def report(
    run: Run,
    settings: ModelMetadata,
    patches: "PatchSet",
    predictor: "Predictor",
    name: str,
    classified: npt.NDArray[np.bool_] | None = None,
) -> None:
    """Evaluate a predictor, print its report and keep it in the run."""
    from pyaed import evaluation

    run.reports[name] = evaluation.evaluate(
        predictor,
        patches,
        evaluation.Classes(settings.class_names, settings.multi_label, settings.class_thresholds),
        run.folder / "evaluation",
        name,
        run.config.general.batch_size,
        classified,
    )
    run.echo(run.reports[name].table())
    run.settings = settings


@contextmanager
def predictor_of(run: Run, path: Path, target: str, settings: ModelMetadata) -> Iterator["Predictor"]:
    """Yield the predictor of a target: TensorFlow Lite's reference kernels, onnxruntime, our engine, or the emulated board."""
    from pyaed import evaluation
    from pyaed.nn import Engine

    if target == "tflite":
        taken, scores = tflite_ends(run, path, settings)
        yield evaluation.tflite_predictor(path, True, run.config.general.num_threads_tflite, taken, scores)
    elif target == "onnxruntime":
        yield evaluation.onnx_predictor(*onnx_network(run, path, settings), run.config.general.num_threads_tflite)
    elif target == "engine":
        yield evaluation.engine_predictor(Engine(quantized_model(run, path, settings)))
    else:
        deploy_emulated(run, settings=settings)
        with emulated(run) as board:
            yield evaluation.board_predictor(board)
