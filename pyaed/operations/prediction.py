"""Decisions about unlabelled files: one a file, or the time line of a recording."""

import logging
from dataclasses import replace
from typing import Any

from pyaed import text
from pyaed.errors import UserError
from pyaed.metadata import ModelMetadata
from pyaed.operations.clips import features
from pyaed.operations.evaluation import predictor_of
from pyaed.operations.run import FLOAT_SUFFIXES, Run, needed
from pyaed.operations.settings import model_settings

log = logging.getLogger(__name__)


def predict(run: Run) -> None:
    """Decide about unlabelled files and write ``predictions.csv`` with the probabilities of every file."""
    from pyaed import data, evaluation

    config = run.config
    if config.prediction is None:
        raise UserError("prediction.test_files_path: missing; a sound file, a folder or a pattern is expected there")
    path = run.quantized_model or needed(run.float_model, "a model (.keras, .h5 or .tflite)")
    settings = model_settings(config, path)
    if config.prediction.timeline:  # time must not be cut out of what is told in seconds
        whole = {"top_db": None, "max_length": None, "trim_last_second": False}
        settings = replace(
            settings,
            preprocessing={**settings.preprocessing, **whole},
            features=replace(settings.features, include_last_patch=False),
        )
    patches = features(config, settings, data.list_clips(config.prediction.test_files_path), "features")
    batch = config.general.batch_size
    if path.suffix in FLOAT_SUFFIXES:
        from pyaed import models

        predictor = evaluation.keras_predictor(models.load(path))
        probabilities = evaluation.predict_patches(predictor, patches.patches, batch=batch)
    else:
        with predictor_of(run, path, config.prediction.target) as predictor:
            probabilities = evaluation.predict_patches(predictor, patches.patches, batch=batch)
    if config.prediction.timeline:
        _timeline(run, settings, patches, probabilities)
        return
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


def _timeline(run: Run, settings: ModelMetadata, patches: Any, probabilities: Any) -> None:
    from pyaed import evaluation

    spec = settings.features
    hop_s = spec.patch_hop * spec.hop_length / spec.sample_rate
    patch_s = ((spec.patch_length - 1) * spec.hop_length + spec.window_length) / spec.sample_rate
    events = {
        clip.name: evaluation.find_events(
            probabilities[patches.clip_index == i],
            settings.class_names,
            hop_s,
            patch_s,
            settings.multi_label,
            settings.unknown_class_threshold,
            settings.class_thresholds,
            settings.garbage_class,
        )
        for i, clip in enumerate(patches.clips)
    }
    rows = [{"file": name, **event} for name, found in events.items() for event in found]
    run.echo(text.table(rows, {"onset": ".2f", "offset": ".2f", "score": ".1%"}) or "no events")
    log.info("events: %s, %s", *evaluation.write_events(run.folder, events))
