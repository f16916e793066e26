"""Whether model, features, classes and detector of an image belong together."""

import dataclasses
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyaed import artefact, nn
from pyaed.artefact import ModelMetadata
from pyaed.artefact.graphs import check_graph, fit_graph
from pyaed.detector import DetectorSettings
from pyaed.dsp import FeatureSpec
from pyaed.errors import UserError
from pyaed.generators import EngineModel
from pyaed.link.messages import protocol
from pyaed.nn.program import ModelSource

log = logging.getLogger(__name__)


def fitted(model: ModelSource, metadata: ModelMetadata) -> ModelSource:
    """Return the graph of a model file, made to take patches and to give one score a class, as all operations do it; a
    graph or program stays what it is.

    Raises
    ------
    UserError
        When the file's own metadata disagrees with `metadata`, or its ends do not fit features and classes.
    """
    if isinstance(model, (nn.Graph, nn.Program)):
        return model
    source, carried = "the model", None
    if not isinstance(model, bytes):
        source, carried = os.fspath(model), artefact.read(Path(model))
    if carried is not None:
        _agree(source, _facts(carried), "metadata", _facts(metadata))
    graph = nn.read_model(model)
    taken, scores = check_graph(graph, source, metadata)
    if taken.assumed and carried is None:
        log.warning("%s: its input may be frames x mels or mels x frames; it is taken to be %s", source, taken.layout)
    if not scores.plain:
        log.warning("%s: %s", source, scores)
    return fit_graph(graph, metadata, taken, scores)


def check_settings(spec: FeatureSpec, metadata: ModelMetadata, detector: DetectorSettings) -> None:
    """Refuse features or a detector that are not the model's.

    Raises
    ------
    UserError
        The message names every setting and both values.
    """
    _agree("metadata", dataclasses.asdict(metadata.features), "spec", dataclasses.asdict(spec))
    own = dataclasses.replace(detector.features, overlap=spec.overlap, include_last_patch=spec.include_last_patch)
    names = detector.class_names
    theirs = {
        **dataclasses.asdict(own),
        "class_names": list(names),
        "multi_label": detector.multi_label,
        "garbage_class": None if detector.garbage_class < 0 else names[detector.garbage_class],
    }
    _agree("metadata", _facts(metadata), "detector", theirs)


def check_sizes(model: EngineModel, spec: FeatureSpec, metadata: ModelMetadata) -> None:
    """Refuse a model that does not take the patches, does not answer with the classes, or whose replies the link can't carry.

    Raises
    ------
    UserError
    """
    shape = tuple(d for d in model.input.shape if d != 1)
    wanted = tuple(d for d in spec.patch_shape if d != 1)
    if shape != wanted:
        raise UserError(
            f"{model.name} takes an input of shape {model.input.shape}, but the features make patches of "
            f"{spec.patch_shape[0]} {'coefficients' if spec.n_mfcc else 'mel bands'} x {spec.patch_length} frames"
        )
    n_classes = model.output.size
    if n_classes != len(metadata.class_names):
        raise UserError(
            f"{model.name} has {n_classes} outputs, but {len(metadata.class_names)} class names are given: "
            f"{', '.join(metadata.class_names[:12])}"
        )
    header = protocol().header.size
    for what, size in (
        ("a frame", 4 * spec.n_features + protocol()["features"].reply.size),
        ("all probabilities", 4 * n_classes + protocol()["detect"].reply.size),
        ("all counts", 4 * len(model.node_names) + protocol()["benchmark"].reply.size),
    ):
        if size + header > protocol().max_payload:
            raise UserError(
                f"{model.name}: {what} in one reply takes {size + header} bytes, the link carries {protocol().max_payload}"
            )


def _facts(metadata: ModelMetadata) -> dict[str, Any]:
    """What of a model's metadata decides about its answers."""
    return {
        **dataclasses.asdict(metadata.features),
        "class_names": list(metadata.class_names),
        "multi_label": metadata.multi_label,
        "garbage_class": metadata.garbage_class,
    }


def _agree(first: str, ours: Mapping[str, Any], second: str, theirs: Mapping[str, Any]) -> None:
    lines = [
        f"{key}: {ours[key]!r} of {first}, {theirs[key]!r} of {second}"
        for key in ours
        if key in theirs and ours[key] != theirs[key]
    ]
    if lines:
        raise UserError(f"{second} is not what belongs to {first}; expected equal values:\n  " + "\n  ".join(lines))
