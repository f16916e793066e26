"""Operation modes and chains: calls the services in order and passes on what they make, nothing else."""

import datetime
import importlib.metadata
import json
import logging
import platform
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from pyaed import __version__, metadata, text
from pyaed.config import Config, notes, uses
from pyaed.dsp import FeatureSpec, FrontEnd
from pyaed.errors import UserError, nearest
from pyaed.files import sha256, write_text
from pyaed.metadata import ModelMetadata
from pyaed.progress import progress

log = logging.getLogger(__name__)

FLOAT_SUFFIXES = (".keras", ".h5")
QUANTIZED_SUFFIXES = (".tflite",)
EMULATED_BOARD = "mps2_an505"  # stands in wherever the configured board isn't connected


@dataclass
class Run:
    """One run: its configuration, its folder and the model that is passed from operation to operation.

    Attributes
    ----------
    config : Config
    folder : Path
        Where the run's files go (`hydra.run.dir`).
    float_model, quantized_model : Path or None
        From `general.model_path`, then from the run's own training and quantization.
    image, image_of
        The last image that was built (`pyaed.deploy.Image`), and of which model and board it is.
    reports : dict
        Evaluation reports by name.
    history : list of dict
        One row an epoch of the run's training.
    settings : ModelMetadata or None
        Of the model that was evaluated last.
    echo : callable
        Takes the text of results; notes on the way go to the log.
    """

    config: Config
    folder: Path
    float_model: Path | None = None
    quantized_model: Path | None = None
    image: Any = None
    image_of: tuple[Path, str] | None = None
    reports: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    settings: ModelMetadata | None = None
    echo: Callable[[str], None] = print


def start(config: Config, overrides: Sequence[str] = (), mode: str | None = None) -> Run:
    """Open a run: make its folder, save configuration and overrides in ``.hydra``, find the model it begins with.

    `mode` is what will be done, by default `config.operation_mode`; what it takes no notice of goes to the log.
    """
    folder = Path(config.hydra.run.dir)
    run = Run(config, folder)
    if config.general.model_path:
        path = Path(config.general.model_path)
        if path.suffix not in FLOAT_SUFFIXES + QUANTIZED_SUFFIXES:
            raise UserError(
                f"general.model_path: {path} is no model file, expected one of "
                f"{', '.join(FLOAT_SUFFIXES + QUANTIZED_SUFFIXES)}"
            )
        if not path.is_file():
            siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
            raise UserError(f"general.model_path: model file not found: {path}{nearest(path.name, siblings)}")
        if path.suffix in QUANTIZED_SUFFIXES:
            run.quantized_model = path
        else:
            run.float_model = path
    write_text(folder / ".hydra" / "config.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    write_text(folder / ".hydra" / "overrides.yaml", yaml.safe_dump(list(overrides)))
    handler = logging.FileHandler(folder / "pyaed.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("pyaed")
    for earlier in [h for h in logger.handlers if isinstance(h, logging.FileHandler)]:
        logger.removeHandler(earlier)
        earlier.close()
    logger.addHandler(handler)
    for line in notes(config, mode):
        log.info("note: %s", line)
    return run


def check(config: Config) -> list[str]:
    """Check what the schema alone can't: the features as a whole, and that the files of the operation are there.

    Returns
    -------
    list of str
        One line for every path that leads nowhere.

    Raises
    ------
    UserError
        For feature settings that contradict each other.
    """
    mode = config.operation_mode
    FeatureSpec.from_sections(config.feature_extraction, config.preprocessing)
    paths = {"general.model_path": config.general.model_path}
    if uses(mode, "training") or uses(mode, "evaluation") or uses(mode, "quantization"):
        paths |= {f"dataset.{k}": v for k, v in config.dataset if k.endswith("_path")}
    if mode == "prediction" and config.prediction and not any(c in config.prediction.test_files_path for c in "*?["):
        paths["prediction.test_files_path"] = config.prediction.test_files_path
    return [f"{key}: {path}" for key, path in paths.items() if path and not Path(path).exists()]


# --- what the services need to know -------------------------------------------------------------------------------


def _needed(path: Path | None, what: str) -> Path:
    if path is None:
        raise UserError(f"general.model_path: missing; this operation needs {what}")
    return path


def model_settings(config: Config, path: Path, names_needed: bool = True) -> ModelMetadata:
    """Return what a model says about itself; where it says nothing, what the configuration says.

    Without `names_needed`, a model whose class names nobody gives gets placeholders; the log says so.

    Raises
    ------
    UserError
        When model and configuration disagree: the message names every key and both values.
    """
    carried = metadata.read(path)
    if carried is None:
        names = config.dataset.class_names
        garbage = "other" if config.dataset.use_garbage_class else None
        if names:
            ordered = sorted(name for name in names if name != garbage) + ([garbage] if garbage else [])
            log.info(
                "%s carries no pyaed metadata: features and preprocessing are taken from the configuration, the class "
                "order is alphabetical as in ST's zoo (%s)",
                path.name,
                ", ".join(ordered),
            )
        elif names_needed:
            raise UserError(f"{path} carries no pyaed metadata; give dataset.class_names")
        else:
            ordered, garbage = _placeholders(config, path), None
        if config.feature_extraction.to_db and "db_reference" not in config.feature_extraction.model_fields_set:
            log.warning(
                "%s: decibels are relative to full scale; ST's zoo trains relative to each clip's maximum, which no device "
                "can know: feature_extraction.db_reference=max evaluates its models as published, on the host only",
                path.name,
            )
        return ModelMetadata(
            features=FeatureSpec.from_sections(config.feature_extraction, config.preprocessing),
            preprocessing=config.preprocessing.model_dump(),
            class_names=tuple(ordered),
            multi_label=config.dataset.multi_label,
            garbage_class=garbage,
            unknown_class_threshold=config.deployment.unknown_class_threshold,
        )
    differences = []
    for section, theirs in (
        ("feature_extraction", {**carried.features.to_dict()}),
        ("preprocessing", {**carried.preprocessing}),
    ):
        ours = getattr(config, section)
        for key in ours.model_fields_set:
            if key in theirs and getattr(ours, key) != theirs[key]:
                differences.append(f"{section}.{key}: {getattr(ours, key)!r}, the model was made with {theirs[key]!r}")
    names = [name for name in carried.class_names if name != carried.garbage_class]
    if config.dataset.class_names is not None and sorted(config.dataset.class_names) != sorted(names):
        differences.append(
            f"dataset.class_names: {', '.join(config.dataset.class_names)}; the model's are {', '.join(names)}"
        )
    if differences:
        raise UserError(
            f"{path} and the configuration disagree; leave the keys out to use the model's values:\n  "
            + "\n  ".join(differences)
        )
    if "unknown_class_threshold" in config.deployment.model_fields_set:
        carried = replace(carried, unknown_class_threshold=config.deployment.unknown_class_threshold)
    return carried


def _placeholders(config: Config, path: Path) -> list[str]:
    """Return names for the outputs of a `.tflite` that says nothing about itself, after a look at its input."""
    from pyaed import nn

    program = nn.compile_graph(nn.read_tflite(path))
    spec = FeatureSpec.from_sections(config.feature_extraction, config.preprocessing)
    shape = tuple(n for n in program.input.shape if n != 1)
    if shape != tuple(n for n in spec.patch_shape if n != 1):
        raise UserError(
            f"{path} carries no pyaed metadata and takes patches of {' x '.join(map(str, shape))}, but "
            f"feature_extraction.n_mels is {spec.n_mels} and feature_extraction.patch_length {spec.patch_length}: give the "
            "section feature_extraction that it was trained with"
        )
    names = [f"class_{i}" for i in range(program.output.size)]
    log.warning(
        "%s carries no pyaed metadata and dataset.class_names is not given: its classes are called %s to %s, its features "
        "are taken to be n_fft %d, hop_length %d, window_length %d",
        path.name, names[0], names[-1], spec.n_fft, spec.hop_length, spec.window_length,
    )  # fmt: skip
    return names


def _sets(config: Config, class_names: Sequence[str] | None = None) -> Any:
    from pyaed import data

    return data.read_sets(config.dataset, class_names, _fsd50k(config))


def _fsd50k(config: Config) -> Any:
    return config.dataset_specific.fsd50k if config.dataset_specific else None


def _features(config: Config, settings: ModelMetadata, clips: Any, label: str) -> Any:
    from pyaed import data

    return data.extract_features(
        clips,
        FrontEnd(settings.features),
        settings.preprocessing,
        label=label,
        skip_bad=config.dataset.skip_bad_clips,
        cache=config.dataset.to_cache,
    )


def _test_set(config: Config, settings: ModelMetadata) -> Any:
    names = [name for name in settings.class_names if name != settings.garbage_class]
    sets = _sets(config, names)
    if sets.test is None:
        raise UserError(
            "the section 'dataset' gives no test clips: set dataset.test_audio_path and test_csv_path, "
            "or dataset.test_folds"
        )
    return sets.test


def _versions() -> dict[str, str]:
    """Versions of pyaed, Python and the libraries that decide about a training's numbers."""
    found = {"pyaed": __version__, "python": platform.python_version()}
    for name in ("numpy", "tensorflow", "keras"):
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _git_state() -> dict[str, str]:
    """The commit of the folder that the run is started in, with ``-dirty`` after changes; nothing outside of git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"git": found}


def _provenance(config: Config, sets: Any) -> dict:
    return {
        "project_name": config.general.project_name,
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        **_versions(),
        **_git_state(),
        "dataset": config.dataset.name,
        "training_clips": len(sets.training),
        "validation_clips": len(sets.validation) if sets.validation is not None else 0,
        "seed": config.general.global_seed,
    }


# --- operations ------------------------------------------------------------------------------------------------------


def train(run: Run) -> None:
    """Train a model on the configured data; the best one becomes the run's float model."""
    from pyaed import training

    config = run.config
    _limit_gpu_memory(config)
    if config.training is None:
        raise UserError("training: section missing, it names the model and how to train it")
    spec = FeatureSpec.from_sections(config.feature_extraction, config.preprocessing)
    sets = _sets(config)
    if sets.training is None:
        raise UserError("dataset.training_audio_path and dataset.training_csv_path: missing, training needs them")
    if sets.validation is None:
        raise UserError("dataset: no validation clips; set validation_split, validation_folds or a validation set")
    settings = ModelMetadata(
        features=spec,
        preprocessing=config.preprocessing.model_dump(),
        class_names=tuple(sets.class_names),
        multi_label=config.dataset.multi_label,
        garbage_class="other" if config.dataset.use_garbage_class else None,
        unknown_class_threshold=config.deployment.unknown_class_threshold,
        provenance=_provenance(config, sets),
    )
    log.info(
        "training: %d clips, validation: %d clips, %d classes",
        len(sets.training),
        len(sets.validation),
        len(settings.class_names),
    )
    model = _initial_model(run, settings)
    validation = _features(config, settings, sets.validation, "validation features")
    result = training.train(
        model,
        _features(config, settings, sets.training, "training features"),
        validation,
        config.training,
        config.data_augmentation,
        seed=config.general.global_seed,
        out_dir=run.folder,
        metadata=settings,
        saved_models_dir=config.general.saved_models_dir,
        logs_dir=config.general.logs_dir,
        deterministic_ops=config.general.deterministic_ops,
        shuffle=config.dataset.shuffle,
    )
    run.float_model = result.best_model
    run.history = result.history
    if settings.multi_label:
        _choose_thresholds(result, settings, validation)


def _choose_thresholds(result: Any, settings: ModelMetadata, validation: Any) -> None:
    """Write into the best model, for every class, the threshold with the largest F1 on the validation clips."""
    from pyaed import evaluation

    n_classes, clips = len(settings.class_names), validation.clips
    probabilities = evaluation.predict_patches(
        evaluation.keras_predictor(result.model), validation.patches, "thresholds"
    )
    scores = evaluation.clip_decisions(probabilities, validation.clip_index, len(clips), multi_label=True).scores
    thresholds = tuple(evaluation.best_thresholds(validation.clip_targets(n_classes) > 0, scores))
    metadata.write_keras(result.best_model, replace(settings, class_thresholds=thresholds))
    shown = ", ".join(f"{name} {value:.3f}" for name, value in zip(settings.class_names, thresholds))
    log.info("thresholds with the largest F1 on the validation clips: %s", shown)


def _limit_gpu_memory(config: Config) -> None:
    from pyaed import models

    if config.general.gpu_memory_limit is not None and not models.limit_gpu_memory(config.general.gpu_memory_limit):
        log.info("note: general.gpu_memory_limit: TensorFlow uses no GPU here")


def _initial_model(run: Run, settings: ModelMetadata) -> Any:
    from pyaed import models

    config = run.config
    section = config.training
    if run.float_model is not None and section.model is not None:
        raise UserError("general.model_path and training.model are both given; expected one of them")
    if run.float_model is not None:
        return models.load(run.float_model)
    if section.model is None:
        raise UserError("training.model: missing; name a model of the zoo there, or a file in general.model_path")
    return models.build(
        section.model,
        len(settings.class_names),
        settings.features.patch_shape,
        multi_label=settings.multi_label,
        dropout=section.dropout,
        fine_tune=section.fine_tune,
        seed=config.general.global_seed,
    )


def quantize(run: Run) -> None:
    """Quantize the run's float model to int8; the representative patches come from the quantization or training set."""
    from pyaed import models, quantization

    config = run.config
    path = _needed(run.float_model, "a float model (.keras or .h5)")
    settings = model_settings(config, path)
    sets = _sets(config, [name for name in settings.class_names if name != settings.garbage_class])
    clips = sets.quantization
    if clips is None:
        raise UserError(
            "dataset: no clips to quantize with; set dataset.quantization_audio_path and "
            "quantization_csv_path, or the training paths"
        )
    patches = _features(config, settings, clips, "quantization features").patches
    settings = replace(settings, provenance={**settings.provenance, "float_model_sha256": sha256(path)})
    target = run.folder / config.quantization.export_dir / "quantized_model.tflite"
    run.quantized_model = quantization.quantize(models.load(path), patches, config.quantization, settings, target)
    log.info("quantized model: %s (%d bytes)", run.quantized_model, run.quantized_model.stat().st_size)


def evaluate(run: Run) -> None:
    """Evaluate the quantized model where there is one, else the float model, on the test set."""
    if run.quantized_model is None:
        evaluate_float(run)
    else:
        evaluate_quantized(run)


def evaluate_float(run: Run) -> None:
    """Evaluate the run's float model on the test set."""
    from pyaed import evaluation, models

    path = _needed(run.float_model, "a float model (.keras or .h5)")
    settings = model_settings(run.config, path)
    patches = _features(run.config, settings, _test_set(run.config, settings), "test features")
    _report(run, settings, patches, evaluation.keras_predictor(models.load(path)), "float")


def evaluate_quantized(run: Run) -> None:
    """Evaluate the run's quantized model on the test set, by every target that `evaluation.target` names."""
    path = _needed(run.quantized_model, "a quantized model (.tflite)")
    settings = model_settings(run.config, path)
    patches = _features(run.config, settings, _test_set(run.config, settings), "test features")
    for target in run.config.evaluation.target:
        with _predictor(run, path, target) as predictor:
            _report(run, settings, patches, predictor, f"int8 {target}")


def _report(run: Run, settings: ModelMetadata, patches: Any, predictor: Callable, name: str) -> None:
    from pyaed import evaluation

    run.reports[name] = evaluation.evaluate(
        predictor,
        patches,
        settings.class_names,
        run.folder / "evaluation",
        name,
        settings.multi_label,
        run.config.general.batch_size,
        settings.class_thresholds,
    )
    run.echo(run.reports[name].table())
    run.settings = settings


@contextmanager
def _predictor(run: Run, path: Path, target: str) -> Iterator[Callable]:
    """Yield the predictor of a target: TensorFlow Lite's reference kernels, our engine, or the emulated board."""
    from pyaed import evaluation
    from pyaed.nn import Engine

    if target == "tflite":
        yield evaluation.tflite_predictor(path, True, run.config.general.num_threads_tflite)
    elif target == "engine":
        yield Engine(path).predict
    else:
        deploy(run, EMULATED_BOARD)
        with _emulated(run) as link:
            yield evaluation.board_predictor(link)


def predict(run: Run) -> None:
    """Decide about unlabelled files and write ``predictions.csv`` with the probabilities of every file."""
    from pyaed import data, evaluation

    config = run.config
    if config.prediction is None:
        raise UserError("prediction.test_files_path: missing; a sound file, a folder or a pattern is expected there")
    path = run.quantized_model or _needed(run.float_model, "a model (.keras, .h5 or .tflite)")
    settings = model_settings(config, path)
    if config.prediction.timeline:  # time must not be cut out of what is told in seconds
        whole = {"top_db": None, "max_length": None, "trim_last_second": False}
        settings = replace(
            settings,
            preprocessing={**settings.preprocessing, **whole},
            features=replace(settings.features, include_last_patch=False),
        )
    patches = _features(config, settings, data.list_clips(config.prediction.test_files_path), "features")
    batch = config.general.batch_size
    if path.suffix in FLOAT_SUFFIXES:
        from pyaed import models

        predictor = evaluation.keras_predictor(models.load(path))
        probabilities = evaluation.predict_patches(predictor, patches.patches, batch=batch)
    else:
        with _predictor(run, path, config.prediction.target) as predictor:
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


def deploy(run: Run, board: str | None = None, settings: ModelMetadata | None = None) -> None:
    """Generate the C of the quantized model and build the image of `deployment.hardware_setup.board` with it."""
    from pyaed import deploy as service

    path = _needed(run.quantized_model, "a quantized model (.tflite)")
    board = service.find_board(board or run.config.deployment.hardware_setup.board).name
    if run.image is not None and run.image_of == (path, board):
        return
    hardware = run.config.deployment.hardware_setup
    configured = board == service.find_board(hardware.board).name
    options = service.check_options(board, hardware.options) if configured else []
    settings = settings or model_settings(run.config, path)
    folder = service.generate(path, settings.features, settings, run.folder / "deployment", board)
    run.image, run.image_of = service.build_image(folder, board, options), (path, board)
    run.echo(f"image {run.image.elf}\n{text.table(run.image.table())}\n")


@contextmanager
def _emulated(run: Run, icount: bool = False) -> Iterator[Any]:
    """Start the emulator with the run's image and yield the link to it."""
    from pyaed.device.emulator import Emulator

    with Emulator(run.image.elf, run.image.board.name, icount=icount) as emulator, emulator.link() as link:
        yield link


def benchmark(run: Run) -> None:
    """Run the image on the emulated board and print what each stage and layer costs, next to the published figures."""
    from pyaed import nn
    from pyaed.device import benchmark as service
    from pyaed.device.published import PUBLISHED

    path = _needed(run.quantized_model, "a quantized model (.tflite)")
    settings = model_settings(run.config, path, names_needed=False)
    deploy(run, run.config.benchmarking.board, settings)
    program = nn.compile_graph(nn.read_tflite(run.quantized_model))
    with _emulated(run, icount=True) as link:
        result = service.benchmark(link, settings.features.patch_hop, program.table())
    share, per_mac = {"share": ".1%"}, {f"{result.unit} per MAC": ".2f"}
    rows = [
        {k: v for k, v in row.items() if k not in (f"{result.unit} min", f"{result.unit} max")}
        for row in result.table()
    ]
    run.echo(
        f"{result.board}: {result.unit} counted on the emulated Cortex-M33 (no time)\n{text.table(rows, share | per_mac)}\n"
        f"a new patch costs {result.per_patch:,} {result.unit}: its {settings.features.patch_hop} new frames, quantization "
        f"and inference\nstack: {result.counters['stack_used']:,} of {result.counters['stack_size']:,} bytes used\n\n"
        "published by ST, measured on a B-U585I-IOT02A at 160 MHz (time, not instructions; RAM of activations, flash of "
        f"weights only)\n{text.table(PUBLISHED)}\n"
    )
    write_text(
        run.folder / "benchmark.json",
        json.dumps(
            {
                "board": result.board,
                "unit": result.unit,
                "rows": result.table(),
                f"{result.unit} per patch": result.per_patch,
                "stack_used": result.counters["stack_used"],
                "image": run.image.table(),
                "published": PUBLISHED,
            },
            indent=1,
        ),
    )


def verify(
    run: Run,
    n_clips: int = 8,
    patches_per_clip: int | None = 2,
    port: str | None = None,
    baudrate: int = 115200,
) -> bool:
    """Compare features and inference of clips on board and host, bit for bit.

    Real clips come from the configured test set (else its other sets); adversarial ones are always added.

    Parameters
    ----------
    run : Run
    n_clips : int
        Real clips.
    patches_per_clip : int or None
        Patches to infer of each clip; None infers all.
    port : str, optional
        A board that already runs the image; by default the image is built and the emulator started.
    baudrate : int
        Of that board's port.

    Returns
    -------
    bool
        True when everything is equal; the report is printed either way.
    """
    from pyaed import data, nn
    from pyaed.device.link import Link
    from pyaed.device.verify import adversarial_clips, check_identity
    from pyaed.device.verify import verify as service
    from pyaed.dsp import quantize as quantize_patches

    path = _needed(run.quantized_model, "a quantized model (.tflite)")
    settings = model_settings(run.config, path)
    front_end, engine = FrontEnd(settings.features), nn.Engine(path)
    clips = adversarial_clips(max(32000, settings.features.min_samples))
    if run.config.dataset.model_fields_set & {f"{part}_csv_path" for part in ("training", "test", "validation")}:
        names = [name for name in settings.class_names if name != settings.garbage_class]
        sets = _sets(run.config, names)
        real = list((sets.test or sets.training).clips)
        step = max(1, len(real) // max(1, n_clips))
        clips += [(c.name, data.load_pcm(c.path, settings.preprocessing)) for c in real[::step][:n_clips]]
    else:
        log.info("no data set is configured: only adversarial signals are compared")

    def inputs(log_mel: Any) -> Any:
        patches = front_end.patches(log_mel)[:patches_per_clip]
        model_input = engine.program.input
        if model_input.dtype == "float32":
            return patches
        return quantize_patches(patches, model_input.scale, model_input.zero_point, model_input.dtype)

    def compare(link: Link) -> Any:
        check_identity(link.identify(), engine.program.hash, settings.features.hash, settings.class_names)
        shown = progress(clips, label="verify", unit="clips")
        return service(link, shown, front_end.log_mel, inputs, engine.run, engine.run_layers)

    if port is not None:
        with Link(port, baudrate) as link:
            report = compare(link)
    else:
        deploy(run, EMULATED_BOARD)
        with _emulated(run) as link:
            report = compare(link)
    run.echo(str(report))
    write_text(run.folder / "verify.txt", f"{report}\n")
    return report.ok


def crossval(
    config: Config,
    overrides: Sequence[str] = (),
    protocol: str = "folds",
    repeats: int = 5,
    quantized: bool = False,
    echo: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train and test several times on different parts of the training set.

    Parameters
    ----------
    config : Config
    overrides : sequence of str
        Kept in every run's ``.hydra``.
    protocol : {'folds', 'random'}
        'folds': every fold of the CSV is the test set once, the next one (cyclically) the validation set. 'random': the
        published protocol of ST's zoo, a stratified draw of `validation_split` that is validation and test set in one;
        clips of one recording come to stand on both sides, so its figures are higher than they should be.
    repeats : int
        Draws of 'random', with the seeds `dataset.seed`, + 1, + 2 ...
    quantized : bool
        Quantize too, and report the int8 engine's figures beside the float ones.

    Returns
    -------
    dict
        Also written as ``crossval.json``: `runs` (one row each) and, for every evaluated model, `clip_accuracy` with
        `mean`, `std` and the mean's 95 % interval `low`, `high` (Student's t over the runs).
    """
    from pyaed import data, evaluation

    section = config.dataset
    for key in ("validation_csv_path", "test_csv_path", "training_folds", "validation_folds", "test_folds"):
        if getattr(section, key):
            raise UserError(f"dataset.{key} is given; crossval divides the training set itself, leave the key out")
    every = data.read_sets(
        section.model_copy(update={"validation_split": 0.0, "split_by": "random"}), None, _fsd50k(config)
    )
    if every.training is None:
        raise UserError("dataset.training_audio_path and dataset.training_csv_path: missing, crossval needs them")
    folds = sorted({clip.fold for clip in every.training if clip.fold is not None})
    if protocol == "folds":
        if len(folds) < 3 or any(clip.fold is None for clip in every.training):
            raise UserError(
                f"{section.training_csv_path}: crossval needs a column 'fold' with at least three folds, it has "
                f"{len(folds)}; or choose --protocol random"
            )
        parts = {
            f"fold_{fold}": {"test_folds": [fold], "validation_folds": [folds[(i + 1) % len(folds)]]}
            for i, fold in enumerate(folds)
        }
    else:
        seeds = range(section.seed, section.seed + repeats)
        parts = {f"seed_{seed}": {"split_by": "random", "seed": seed} for seed in seeds}
    folder = Path(config.hydra.run.dir)
    rows, accuracies = [], {}
    for name, update in parts.items():
        own = config.model_copy(
            update={
                "dataset": section.model_copy(update=update),
                "hydra": config.hydra.model_copy(
                    update={"run": config.hydra.run.model_copy(update={"dir": str(folder / name)})}
                ),
            }
        )
        run = start(own, overrides, "training")
        run.echo = log.info
        for operation in (train, evaluate_float, *((quantize, evaluate_quantized) if quantized else ())):
            operation(run)
        row: dict[str, Any] = {"run": name, "test clips": next(iter(run.reports.values())).clip_accuracy.total}
        for kind, report in run.reports.items():
            row[f"{kind} clips"], row[f"{kind} patches"] = report.clip_accuracy.value, report.patch_accuracy.value
            accuracies.setdefault(kind, []).append(report.clip_accuracy.value)
        rows.append(row)
    found = {kind: evaluation.mean_interval(values) for kind, values in accuracies.items()}
    result = {"protocol": protocol, "runs": rows, "clip_accuracy": found}
    lines = [
        text.table(
            rows, {key: ".1%" for key in rows[0] if key.endswith((" clips", " patches")) and key != "test clips"}
        )
    ]
    for kind, value in found.items():
        lines.append(
            f"{kind}: clip accuracy {value['mean']:.1%}, standard deviation {value['std']:.1%}, 95 % interval of the mean "
            f"{value['low']:.1%} to {value['high']:.1%} ({len(rows)} runs)"
        )
    echo("\n".join(lines))
    write_text(folder / "crossval.json", json.dumps(result, indent=1) + "\n")
    write_text(folder / "crossval.txt", "\n".join(lines) + "\n")
    return result


def check_dataset(config: Config, echo: Callable[[str], None] = print) -> bool:
    """Print the class counts of every configured set and what is wrong with its clips; True when nothing is."""
    from pyaed import data

    spec = FeatureSpec.from_sections(config.feature_extraction, config.preprocessing)
    missing: list[str] = []
    found = data.read_sets(config.dataset, None, _fsd50k(config), missing)
    sets = {part: getattr(found, part) for part in ("training", "validation", "test") if getattr(found, part)}
    if not sets:
        sets = {"quantization": found.quantization}
    if sets.get("test") is sets.get("validation"):
        sets.pop("test", None)
    rows = [
        {"class": name, **{part: clips.class_counts()[name] for part, clips in sets.items()}}
        for name in found.class_names
    ]
    echo(text.table(rows) + "\n")
    clips = next(iter(sets.values()))
    every = {clip.path: clip for part in sets.values() for clip in part if clip.name not in missing}
    findings = [data.Finding("missing", name, "the file is not there") for name in dict.fromkeys(missing)]
    findings += data.check_clips(clips.with_clips(every.values()), config.preprocessing, spec)
    for finding in findings:
        echo(f"{finding.problem:10}  {finding.clip}: {finding.text}")
    shared = data.shared_clips(sets)
    for line in shared:
        echo(line)
    counts = ", ".join(f"{n} {problem}" for problem, n in data.summary(findings).items() if n)
    echo(f"{len(every)} clips: {counts or 'nothing wrong'}")
    return not findings and not shared


# --- chains ------------------------------------------------------------------------------------------------------------

OPERATIONS: dict[str, tuple[Callable[[Run], Any], ...]] = {
    "training": (train, evaluate_float),
    "evaluation": (evaluate,),
    "quantization": (quantize,),
    "prediction": (predict,),
    "benchmarking": (benchmark,),
    "deployment": (deploy,),
    # ST's first benchmark is of the float model; our engine computes int8, so the benchmark follows the quantization.
    "chain_tbqeb": (train, evaluate_float, quantize, evaluate_quantized, benchmark),
    "chain_tqe": (train, evaluate_float, quantize, evaluate_quantized),
    "chain_eqe": (evaluate_float, quantize, evaluate_quantized),
    "chain_qb": (quantize, benchmark),
    "chain_eqeb": (evaluate_float, quantize, evaluate_quantized, benchmark),
    "chain_qd": (quantize, deploy),
}


def run_mode(run: Run, mode: str | None = None) -> None:
    """Carry out an operation mode, by default the configuration's."""
    mode = mode or run.config.operation_mode
    if mode is None:
        raise UserError(f"operation_mode: missing, expected one of {', '.join(OPERATIONS)}")
    for operation in OPERATIONS[mode]:
        log.info("--- %s", operation.__name__.replace("_", " "))
        operation(run)
    _page(run, mode)
    _track(run, mode)


WORST_ERRORS = 6


def _page(run: Run, mode: str) -> None:
    """Write ``report.html`` where something was evaluated."""
    if not run.reports:
        return
    from pyaed import data, evaluation

    config, settings, last = run.config, run.settings, list(run.reports.values())[-1]
    paths = {clip.name: clip.path for clip in last.clips}
    front_end, worst = FrontEnd(settings.features), []
    for item in sorted(last.wrong, key=lambda item: -item["score"])[:WORST_ERRORS]:
        pcm = data.load_pcm(paths[item["file"]], settings.preprocessing)
        worst.append({**item, "pcm": pcm, "rate": settings.features.sample_rate, "log_mel": front_end.log_mel(pcm)})
    clips = {key: settings.provenance.get(f"{key}_clips") for key in ("training", "validation")}
    facts = {
        "operation": mode,
        "model": (run.quantized_model or run.float_model).name,
        "classes": ", ".join(settings.class_names),
        "data": ", ".join(
            [f"{n} {key} clips" for key, n in clips.items() if n] + [f"{len(last.clips)} clips tested here"]
        ),
        "features": f"{settings.features.n_mels} mel bands x {settings.features.patch_length} frames, "
        f"{settings.features.sample_rate} Hz",
        "seed": config.general.global_seed,
        "versions": ", ".join(f"{name} {version}" for name, version in {**_versions(), **_git_state()}.items()),
        "written": datetime.datetime.now().astimezone().isoformat(" ", "seconds"),
    }
    page = evaluation.write_page(
        run.folder / "report.html",
        config.general.project_name,
        facts,
        list(run.reports.values()),
        run.folder / "training_curves.png" if run.history else None,
        worst,
        run.image.table() if run.image else (),
        yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True), sort_keys=False),
        notes(config, mode),
    )
    log.info("report: %s", page)


def _track(run: Run, mode: str) -> None:
    """Hand the finished run to MLflow where `mlflow.uri` names a place and there is something to record."""
    section = run.config.mlflow
    if section is None or section.uri is None or not (run.history or run.reports):
        return
    from pyaed import tracking

    metrics = {}
    for name, report in run.reports.items():
        metrics |= {
            f"{name} clip_accuracy": report.clip_accuracy.value,
            f"{name} patch_accuracy": report.patch_accuracy.value,
        }
        if report.multi_label:
            metrics[f"{name} mean_average_precision"] = report.mean_average_precision
    settings = {
        "operation_mode": mode,
        **run.config.model_dump(mode="json", exclude={"operation_mode", "hydra", "mlflow"}),
    }
    name = f"{mode} {run.folder.name}"
    tracking.log_run(section.uri, run.config.general.project_name, name, settings, run.history, metrics, run.folder)
