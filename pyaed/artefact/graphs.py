"""The one check of a model's ends for a quantized graph, and the graph made to fit."""

import numpy as np
import numpy.typing as npt

from pyaed import nn
from pyaed.artefact.ends import FRAMES_FIRST, Input, Scores, check_input, check_outputs, probes
from pyaed.artefact.metadata import ModelMetadata
from pyaed.nn import ends


def check_graph(
    graph: nn.Graph, source: str, settings: ModelMetadata, layout: str | None = None
) -> tuple[Input, Scores]:
    """Find out how a graph takes patches, and how its outputs become one score a class.

    Parameters
    ----------
    graph : Graph
    source : str
        The model's file, for messages.
    settings : ModelMetadata
        Its features and classes.
    layout : str, optional
        See `check_input`.

    Raises
    ------
    UserError
        Where inputs or outputs do not fit.
    """
    shape = settings.features.patch_shape
    taken = check_input(source, [graph.tensors[i].shape[1:] for i in graph.inputs], shape, layout)

    def answers() -> npt.NDArray[np.float32]:
        given = probes(shape)
        found: npt.NDArray[np.float32] = nn.Engine(fit_graph(graph, settings, taken, Scores())).predict(given)
        return found.reshape(len(given), -1)

    sizes = [graph.tensors[i].size for i in graph.outputs]
    return taken, check_outputs(
        source, sizes, ends.activation(graph), settings.class_names, settings.multi_label, answers
    )


def fit_graph(graph: nn.Graph, settings: ModelMetadata, taken: Input, scores: Scores) -> nn.Graph:
    """Return the graph with patches (n_mels, patch_length) as its input and one score a class as its output."""
    shape, turned = settings.features.patch_shape, taken.layout == FRAMES_FIRST
    return ends.fitted(graph, shape, turned, scores.activation, scores.two_classes)
