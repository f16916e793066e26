"""A model from a file, made to take patches and to give one score a class; what was assumed is a warning."""

import re
from pathlib import Path
from typing import Any

from pyaed import artefact, nn
from pyaed.artefact import Input, ModelMetadata, Scores
from pyaed.artefact.ends import FRAMES_FIRST, MELS_FIRST
from pyaed.nn import ends
from pyaed.operations.run import Run

#: ST's zoo calls the classifier so, in a model that Keras itself has named.
_ZOO_HEAD = "new_head"
_ZOO_MODEL = re.compile(r"(model|functional)(_\d+)?", re.IGNORECASE)


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
    graph = nn.read_tflite(path)
    taken, scores = _ends(run, path, settings, graph)
    if costs_only and not scores.plain:
        run.warn(f"{path.name}: {scores} in other operations; what it costs is counted without")
        scores = Scores()
    else:
        _say(run, path, taken, scores)
    return _fitted(graph, settings, taken, scores)


def tflite_ends(run: Run, path: Path, settings: ModelMetadata) -> tuple[Input, Scores]:
    """Return how TensorFlow Lite's input and output of a file become patches and scores."""
    taken, scores = _ends(run, path, settings, nn.read_tflite(path))
    _say(run, path, taken, scores)
    return taken, scores


def _ends(run: Run, path: Path, settings: ModelMetadata, graph: nn.Graph) -> tuple[Input, Scores]:
    shape = settings.features.patch_shape
    inputs = [graph.tensors[i].shape[1:] for i in graph.inputs]
    taken = artefact.check_input(str(path), inputs, shape, run.config.general.input_layout)
    scores = artefact.check_outputs(
        str(path),
        [graph.tensors[i].size for i in graph.outputs],
        ends.activation(graph),
        settings.class_names,
        settings.multi_label,
        lambda: _answers(_fitted(graph, settings, taken, Scores()), settings),
    )
    return taken, scores


def _fitted(graph: nn.Graph, settings: ModelMetadata, taken: Input, scores: Scores) -> nn.Graph:
    return ends.fitted(
        graph, settings.features.patch_shape, taken.layout == FRAMES_FIRST, scores.activation, scores.two_classes
    )


def _answers(graph: nn.Graph, settings: ModelMetadata) -> Any:
    given = artefact.probes(settings.features.patch_shape)
    return nn.Engine(graph).predict(given).reshape(len(given), -1)


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
    if path.suffix == ".tflite":
        graph = nn.read_tflite(path)
        parts = [part.split("/") for tensor in graph.tensors for part in tensor.name.split(";")]
        return any(len(p) > 2 and _ZOO_MODEL.fullmatch(p[0]) and p[1] == _ZOO_HEAD for p in parts)
    from pyaed import models

    model = models.load(path)
    return bool(_ZOO_MODEL.fullmatch(model.name)) and any(layer.name == _ZOO_HEAD for layer in model.layers)
