"""A model from a file, made to take patches and to give one score a class; what was assumed is a warning."""

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pyaed import artefact, nn
from pyaed.artefact import Input, ModelMetadata, Scores
from pyaed.artefact.ends import FRAMES_FIRST, MELS_FIRST
from pyaed.artefact.graphs import check_graph, fit_graph
from pyaed.errors import UserError
from pyaed.nn import onnx
from pyaed.nn.onnx import OnnxModel
from pyaed.operations.run import ONNX_SUFFIX, Run

if TYPE_CHECKING:
    from pyaed.evaluation.predictors import Predictor

#: ST's zoo calls the classifier so, in a model that Keras itself has named.
_ZOO_HEAD = re.compile(r"new_head(_\d+)?")
_ZOO_MODEL = re.compile(r"(model|functional)(_\d+)*", re.IGNORECASE)


def float_model(run: Run, path: Path, settings: ModelMetadata) -> Any:
    """Load a float model that takes patches (n_mels, patch_length, 1) and gives one score a class.

    Raises
    ------
    UserError
        When it can't be loaded, or its ends do not fit features and classes.
    """
    from pyaed import models

    model, taken, scores = models.fit(models.load(path), str(path), settings, run.config.general.input_layout)
    _say(run, path, taken, scores)
    return model


def float_predictor(run: Run, path: Path, settings: ModelMetadata) -> "Predictor":
    """Return what predicts with a float model of any kind.

    Raises
    ------
    UserError
        As `float_model` and `onnx_network`.
    """
    from pyaed import evaluation

    if path.suffix == ONNX_SUFFIX:
        return evaluation.onnx_predictor(*onnx_network(run, path, settings), run.config.general.num_threads_tflite)
    return evaluation.keras_predictor(float_model(run, path, settings))


def quantized_model(run: Run, path: Path, settings: ModelMetadata, costs_only: bool = False) -> nn.Graph:
    """Read a quantized model whose graph takes patches (n_mels, patch_length) and gives one score a class.

    Parameters
    ----------
    run : Run
    path : path
    settings : ModelMetadata
    costs_only : bool
        The scores do not matter, only what the model costs: any output will do.

    Raises
    ------
    UserError
        When it can't be read, or its ends do not fit features and classes.
    """
    graph = nn.read_model(path)
    taken, scores = _ends(run, path, settings, graph)
    if costs_only and not scores.plain:
        run.warn(f"{path.name}: {scores} in other operations; what it costs is counted without")
        scores = Scores()
    else:
        _say(run, path, taken, scores)
    return fit_graph(graph, settings, taken, scores)


def tflite_ends(run: Run, path: Path, settings: ModelMetadata) -> tuple[Input, Scores]:
    """Return how TensorFlow Lite's input and output of a file become patches and scores."""
    taken, scores = _ends(run, path, settings, nn.read_tflite(path))
    _say(run, path, taken, scores)
    return taken, scores


def onnx_network(run: Run, path: Path, settings: ModelMetadata) -> tuple[OnnxModel, Input, Scores]:
    """Read an ``.onnx`` model, float or quantized, and return how onnxruntime's input and output become patches and scores.

    Raises
    ------
    UserError
        When it can't be read or run, or its ends do not fit features and classes.
    """
    from pyaed.models.onnx import runner

    model, shape = onnx.load(path), settings.features.patch_shape
    inputs = [model.shapes[name][1:] for name in model.inputs]
    taken = artefact.check_input(str(path), inputs, shape, run.config.general.input_layout)
    scores = artefact.check_outputs(
        str(path),
        [math.prod(model.shapes[name]) for name in model.outputs],
        onnx.activation(model.proto),
        settings.class_names,
        settings.multi_label,
        lambda: runner(model, taken)(artefact.probes(shape)),
    )
    _say(run, path, taken, scores)
    return model, taken, scores


def check_quantized(run: Run, path: Path, settings: ModelMetadata, targets: Iterable[str]) -> None:
    """Refuse a quantized model that a target can't run, before anything is computed for it.

    Raises
    ------
    UserError
        For a target that is not for this kind of file, or a model whose ends or operators don't fit.
    """
    for target in targets:
        other = {"tflite": ".tflite", "onnxruntime": ONNX_SUFFIX}.get(target, path.suffix)
        if other != path.suffix:
            fitting = "onnxruntime" if path.suffix == ONNX_SUFFIX else "tflite"
            raise UserError(
                f"target {target}: it runs {other} models, {path.name} is none; expected {fitting}, engine or emulator"
            )
        if target == "onnxruntime":
            onnx_network(run, path, settings)
        else:
            quantized_model(run, path, settings)


def output_size(path: Path) -> int:
    """Return how many values a quantized model gives."""
    graph = nn.read_model(path)
    return sum(graph.tensors[i].size for i in graph.outputs)


def check_plain(run: Run, path: Path, settings: ModelMetadata) -> None:
    """Refuse a model whose ends don't fit patches and classes as they are: another engine runs the file itself.

    Raises
    ------
    UserError
        Saying what would have to be added to it.
    """
    taken, scores = _ends(run, path, settings, nn.read_model(path))
    if taken.layout == FRAMES_FIRST or not scores.plain:
        what = "it takes frames x mels" if scores.plain else str(scores)
        raise UserError(
            f"{path.name}: {what}: pyaed's engine gets operators for that, ST's runs the file as it is; deployment.engine: own"
        )


def _ends(run: Run, path: Path, settings: ModelMetadata, graph: nn.Graph) -> tuple[Input, Scores]:
    return check_graph(graph, str(path), settings, run.config.general.input_layout)


def _say(run: Run, path: Path, taken: Input, scores: Scores) -> None:
    if taken.assumed and artefact.read(path) is None:  # pyaed itself makes models that take mels first
        other = MELS_FIRST if taken.layout == FRAMES_FIRST else FRAMES_FIRST
        run.warn(
            f"{path.name}: its input may be frames x mels or mels x frames; it is taken to be {taken.layout} "
            f"(general.input_layout={other} says the other)"
        )
    if not scores.plain:
        run.warn(f"{path.name}: {scores}")


def is_zoos(path: Path) -> bool:
    """Tell whether a model file was made by ST's zoo: its classifier's name, in a model that Keras has named."""
    if path.suffix in (".tflite", ONNX_SUFFIX):
        if path.suffix == ONNX_SUFFIX:
            names = list(onnx.load(path).shapes)
        else:
            names = [part for tensor in nn.read_tflite(path).tensors for part in tensor.name.split(";")]
        parts = [name.split("/") for name in names]
        return any(len(p) > 2 and _ZOO_MODEL.fullmatch(p[0]) and _ZOO_HEAD.fullmatch(p[1]) for p in parts)
    from pyaed import models

    model = models.load(path)
    return bool(_ZOO_MODEL.fullmatch(model.name)) and any(_ZOO_HEAD.fullmatch(layer.name) for layer in model.layers)


def decisions(scores: npt.NDArray[np.float32], settings: ModelMetadata) -> list[object]:
    """Return what each patch says by itself: scores (n_patches, n_classes) by the rule of clips, thresholds included."""
    from pyaed.evaluation import clip_decisions

    n = len(scores)
    decided: list[object] = clip_decisions(
        scores, np.arange(n), n, settings.multi_label, settings.unknown_class_threshold, settings.class_thresholds
    ).decided.tolist()
    return decided
