"""Training, and quantization of what was trained."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyaed import artefact
from pyaed.artefact import ModelMetadata
from pyaed.config import Config, schema
from pyaed.dsp import FeatureSpec, FrontEnd
from pyaed.errors import UserError
from pyaed.operations.clips import features, read_sets
from pyaed.operations.model import float_model
from pyaed.operations.run import FLOAT_SUFFIXES, ONNX_SUFFIX, Run, check_model
from pyaed.operations.settings import model_settings, own_names, provenance

if TYPE_CHECKING:
    from pyaed.data import PatchSet, Sets
    from pyaed.training import Training, TrainingSettings

PICTURES = (".png", ".svg", ".pdf")

log = logging.getLogger(__name__)


def train(run: Run) -> None:
    """Train a model on the configured data; the best one becomes the run's float model."""
    from pyaed import training

    config = run.config
    _limit_gpu_memory(config)
    spec = FeatureSpec.from_sections(config.feature_extraction, config.preprocessing)
    section = check_training(config, spec)
    resumed = section.resume_training_from and training.resumed_file(section.resume_training_from)
    carried = model_settings(run, resumed) if resumed else None
    sets = read_sets(config, own_names(carried) if carried else None)
    if sets.training is None:
        raise UserError("dataset.training_audio_path and dataset.training_csv_path: missing, training needs them")
    if sets.validation is None:
        raise UserError("dataset: no validation clips; set validation_split, validation_folds or a validation set")
    settings = (
        _continued(carried, config, sets)
        if carried
        else ModelMetadata(
            features=spec,
            preprocessing=config.preprocessing.model_dump(),
            class_names=tuple(sets.class_names),
            multi_label=config.dataset.multi_label,
            garbage_class="other" if config.dataset.use_garbage_class else None,
            unknown_class_threshold=config.deployment.unknown_class_threshold,
            provenance=provenance(config, sets),
        )
    )
    log.info(
        "training: %d clips, validation: %d clips, %d classes",
        len(sets.training),
        len(sets.validation),
        len(settings.class_names),
    )
    model = None if resumed else _initial_model(run, section, settings)
    validation = features(config, settings, sets.validation, "validation features")
    patches = features(config, settings, sets.training, "training features")
    left = sets.training.with_clips(patches.clips).class_counts()
    lost = [name for name, n in sets.training.class_counts().items() if n and not left[name]]
    if lost:
        raise UserError(
            f"dataset.skip_bad_clips: no training clip is left of class {', '.join(lost)}; expected one at least"
        )
    try:
        result = training.train(model, patches, validation, _settings(config), settings, run.folder)
    except KeyboardInterrupt:
        _say_how_to_go_on(run)
        raise
    run.float_model = result.best_model
    run.history = result.history
    run.validation = None if sets.validation is sets.test else sets.validation
    if settings.multi_label:
        _choose_thresholds(result, settings, validation)


def check_training(config: Config, spec: FeatureSpec) -> schema.Training:
    """Check what of a training needs no data, and return its section.

    Raises
    ------
    UserError
        For optimizer, callbacks, augmentation or a model that can't be used.
    """
    from pyaed import training
    from pyaed.models import zoo

    section = config.training
    if section is None:
        raise UserError("training: section missing, it names the model and how to train it")
    FrontEnd(spec)  # makes the tables
    training.check(_settings(config), spec)
    if section.resume_training_from:
        _check_resumed(config, section)
        return section
    check_model(config, "training")
    path = Path(config.general.model_path or "")
    if path.suffix == ONNX_SUFFIX:
        raise UserError(f"general.model_path: {path}: a training begins with one of {', '.join(FLOAT_SUFFIXES)}")
    given = path.suffix in FLOAT_SUFFIXES
    if given and section.model is not None:
        raise UserError("general.model_path and training.model are both given; expected one of them")
    if section.model is not None:
        zoo.check(section.model, spec.patch_shape)
    elif not given:
        raise UserError("training.model: missing; name a model of the zoo there, or a file in general.model_path")
    return section


def _check_resumed(config: Config, section: schema.Training) -> None:
    from pyaed import training

    assert section.resume_training_from is not None
    if beside := _model_keys(config):
        raise UserError(
            f"training.resume_training_from and {' and '.join(beside)} are both given, and the resumed training has its model; "
            f"leave {' and '.join(beside)} out, or say {' '.join(f'{key}=' for key in beside)}"
        )
    path = training.resumed_file(section.resume_training_from)
    if path.is_file():
        training.check_resumable(path)


def _model_keys(config: Config) -> list[str]:
    """Return the keys by which the configuration says what to train."""
    model = config.training.model if config.training else None
    given = {"training.model": model, "general.model_path": config.general.model_path}
    return [key for key, value in given.items() if value is not None]


def _continued(carried: ModelMetadata, config: Config, sets: "Sets") -> ModelMetadata:
    """Return what a resumed training's models say about themselves: as before, and what they are trained with now."""
    for key, ours, theirs in (
        ("dataset.multi_label", config.dataset.multi_label, carried.multi_label),
        ("dataset.use_garbage_class", config.dataset.use_garbage_class, carried.garbage_class is not None),
    ):
        if ours != theirs:
            raise UserError(f"{key}: {ours}, but the training that is resumed has {theirs}; expected {key}={theirs}")
    if tuple(sets.class_names) != carried.class_names:
        raise UserError(
            f"dataset: the classes are {', '.join(sets.class_names)}; the training that is resumed has {', '.join(carried.class_names)}"
        )
    return replace(carried, provenance=provenance(config, sets))


def _say_how_to_go_on(run: Run) -> None:
    last = run.folder / run.config.general.saved_models_dir / "last_model.keras"
    if last.is_file():
        without = "".join(f"{key}= " for key in _model_keys(run.config))
        log.warning("to go on: the same command with %straining.resume_training_from=%s", without, last)


def _settings(config: Config) -> "TrainingSettings":
    from pyaed.training import TrainingSettings

    section = config.training or schema.Training()
    return TrainingSettings(
        batch_size=section.batch_size,
        epochs=section.epochs,
        optimizer=section.optimizer,
        callbacks=section.callbacks,
        resume_training_from=section.resume_training_from,
        trained_model_path=section.trained_model_path,
        h5_copies=section.h5_copies,
        augmentation=config.data_augmentation,
        seed=config.general.global_seed,
        shuffle=config.dataset.shuffle,
        deterministic_ops=config.general.deterministic_ops,
        saved_models_dir=config.general.saved_models_dir,
        logs_dir=config.general.logs_dir,
    )


def plot_learning_rate(config: Config, path: Path, batches: int | None = None) -> None:
    """Draw the learning rate that each epoch of a configured training begins with.

    Parameters
    ----------
    config : Config
    path : Path
        A picture: png, svg or pdf.
    batches : int, optional
        Of an epoch, for a schedule of Keras inside the optimizer.

    Raises
    ------
    UserError
        For optimizer or callbacks that can't be used, or another kind of picture.
    """
    from pyaed import training

    if path.suffix.lower() not in PICTURES:
        raise UserError(f"{path}: expected a picture ending with {', '.join(PICTURES)}")
    if config.training is None:
        raise UserError("training: section missing, it says how the learning rate changes")
    settings = _settings(config)
    rates = training.learning_rates(settings, batches)
    if "ReduceLROnPlateau" in (settings.callbacks or ()):
        log.warning("ReduceLROnPlateau lowers the rate by what a training finds; the picture is without it")
    training.plot_rates(rates, settings, path)


def _choose_thresholds(result: "Training", settings: ModelMetadata, validation: "PatchSet") -> None:
    """Write into the best model, for every class, the threshold with the largest F1 on the validation clips."""
    from pyaed import evaluation

    n_classes, clips = len(settings.class_names), validation.clips
    probabilities = evaluation.predict_patches(
        evaluation.keras_predictor(result.model), validation.patches, "thresholds"
    )
    scores = evaluation.clip_decisions(probabilities, validation.clip_index, len(clips), multi_label=True).scores
    thresholds = tuple(evaluation.best_thresholds(validation.clip_targets(n_classes) > 0, scores))
    for path in (result.best_model, *result.copies):
        artefact.write(path, replace(settings, class_thresholds=thresholds))
    shown = ", ".join(f"{name} {value:.3f}" for name, value in zip(settings.class_names, thresholds))
    log.info("thresholds with the largest F1 on the validation clips: %s", shown)


def _limit_gpu_memory(config: Config) -> None:
    from pyaed import models

    if config.general.gpu_memory_limit is not None and not models.limit_gpu_memory(config.general.gpu_memory_limit):
        log.info("note: general.gpu_memory_limit: TensorFlow uses no GPU here")


def _initial_model(run: Run, section: schema.Training, settings: ModelMetadata) -> Any:
    from pyaed import models

    if run.float_model is not None:
        model = float_model(run, run.float_model, settings)
        given = section.dropout if "dropout" in section.model_fields_set else None
        frozen = models.make_trainable(model, str(run.float_model), given)
        if frozen:
            run.warn(
                f"{run.float_model.name}: {frozen} frozen layers are thawed: all weights of a model file are trained"
            )
        if "fine_tune" in section.model_fields_set and not section.fine_tune:
            run.warn(
                "training.fine_tune=False is not used: all weights of a model file are trained (general.model_path)"
            )
        return model
    assert section.model is not None  # `check_training` has seen to it
    return models.build(
        section.model,
        len(settings.class_names),
        settings.features.patch_shape,
        multi_label=settings.multi_label,
        dropout=section.dropout,
        fine_tune=section.fine_tune,
        seed=run.config.general.global_seed,
    )
