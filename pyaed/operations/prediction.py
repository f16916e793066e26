"""Decisions about unlabelled files: one a file, or the time line of a recording."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pyaed import text
from pyaed.artefact import ModelMetadata
from pyaed.config import Config, schema
from pyaed.detector import DetectorSettings, find_events
from pyaed.errors import UserError
from pyaed.operations.board import deploy_emulated, emulated
from pyaed.operations.clips import features, streamed, whole
from pyaed.operations.evaluation import predictor_of
from pyaed.operations.model import check_quantized, float_predictor
from pyaed.operations.run import FLOAT, QUANTIZED, Run, needed
from pyaed.operations.settings import model_settings
from pyaed.progress import progress

if TYPE_CHECKING:
    from pyaed.data import ClipSet, Patches

log = logging.getLogger(__name__)

Answer = Callable[["Patches"], npt.NDArray[np.float32]]


def predict(run: Run) -> None:
    """Decide about unlabelled files and write ``predictions.csv`` with the probabilities of every file."""
    from pyaed import data, evaluation

    config = run.config
    section = prediction_section(config)
    path = needed(run, QUANTIZED, FLOAT)
    settings = model_settings(run, path)
    clips = data.list_clips(section.test_files_path)
    if section.timeline:
        _timeline(run, settings, path, section.target, clips)
        return
    answer = _answerer(run, settings, path, section.target)
    patches = features(config, settings, clips, "features")
    probabilities = answer(patches.patches)
    decisions = evaluation.clip_decisions(
        probabilities,
        patches.clip_index,
        len(patches.clips),
        settings.multi_label,
        settings.unknown_class_threshold,
        settings.class_thresholds,
    )
    run.echo(evaluation.prediction_table(patches, decisions, settings.class_names))
    target = evaluation.write_predictions_csv(run.folder / "predictions.csv", patches, decisions, settings.class_names)
    evaluation.write_predictions_json(run.folder / "predictions.json", patches, decisions, settings.class_names)
    log.info("predictions: %s", target)


def prediction_section(config: Config) -> schema.Prediction:
    """Return the section that says what to predict."""
    if config.prediction is None:
        raise UserError("prediction.test_files_path: missing; a sound file, a folder or a pattern is expected there")
    return config.prediction


def _answerer(run: Run, settings: ModelMetadata, path: Path, target: str) -> Answer:
    """Return what gives the scores of patches; a model that does not fit is refused before features are computed."""
    from pyaed import evaluation

    batch = run.config.general.batch_size
    if path == run.float_model:
        predictor_of_floats = float_predictor(run, path, settings)
        return lambda patches: evaluation.predict_patches(predictor_of_floats, patches, batch=batch)
    check_quantized(run, path, settings, [target])

    def answer(patches: "Patches") -> npt.NDArray[np.float32]:
        with predictor_of(run, path, target, settings) as predictor:
            return evaluation.predict_patches(predictor, patches, batch=batch)

    return answer


def _timeline(run: Run, settings: ModelMetadata, path: Path, target: str, clips: "ClipSet") -> None:
    """What the board says about whole recordings, or would say: its post-processing is the host's."""
    from pyaed import evaluation

    detector = DetectorSettings.from_settings(settings, run.config.deployment.detector)
    if path != run.float_model and target == "emulator":
        events = _board_hears(run, settings, detector, clips)
    else:
        events = _host_hears(run, settings, detector, path, target, clips)
    rows = [{"file": name, **event} for name, found in events.items() for event in found]
    run.echo(text.format_table(rows, {"onset": ".2f", "offset": ".2f", "score": ".1%"}) or "no events")
    log.info("events: %s, %s", *evaluation.write_events(run.folder, events))


def _host_hears(
    run: Run, settings: ModelMetadata, detector: DetectorSettings, path: Path, target: str, clips: "ClipSet"
) -> dict[str, list[dict[str, Any]]]:
    answer = _answerer(run, settings, path, target)
    patches, classified = streamed(run.config, settings, detector, clips, "features")
    probabilities = np.zeros((len(patches), len(settings.class_names)), np.float32)
    if classified.any():
        probabilities[classified] = answer(patches.patches[classified])
    events = {}
    for i, clip in enumerate(patches.clips):
        own = patches.clip_index == i
        events[clip.name] = find_events(probabilities[own & classified], detector, classified[own])
    return events


def _board_hears(
    run: Run, settings: ModelMetadata, detector: DetectorSettings, clips: "ClipSet"
) -> dict[str, list[dict[str, Any]]]:
    """Stream every recording to the live detector of the emulated board."""
    from pyaed import data
    from pyaed.link import live

    deploy_emulated(run, settings=settings)
    with emulated(run) as board:
        events, remarks = {}, {}
        for clip in progress(clips, len(clips), "live", "recordings"):
            pcm, remarks[clip.name] = data.read_pcm(clip.path, whole(settings))
            events[clip.name] = live.hear(board, pcm, settings.class_names, detector.crc)
    data.say_remarks("recordings", remarks)
    return events
