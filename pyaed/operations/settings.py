"""What a model says about itself, what the configuration says, and what a run was made with."""

import dataclasses
import datetime
import importlib.metadata
import platform
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pyaed import __version__, artefact
from pyaed.artefact import ModelMetadata
from pyaed.config import Config
from pyaed.dsp import FeatureSpec
from pyaed.errors import UserError
from pyaed.operations.clips import read_sets
from pyaed.operations.model import is_zoos, output_size
from pyaed.operations.run import Run

if TYPE_CHECKING:
    from pyaed.data import Sets

#: Begins what the provenance of such a model says under `quantized_on`.
FAKE_DATA = "fake data"

Unnamed = Literal["refuse", "infer", "number"]


def model_settings(run: Run, path: Path, unnamed: Unnamed = "refuse") -> ModelMetadata:
    """Return what a model says about itself; where it says nothing, what the configuration says.

    Parameters
    ----------
    run : Run
    path : path
    unnamed : {"refuse", "infer", "number"}
        What is done about a model whose class names neither it nor the configuration gives: refuse it, take the
        categories of the data set, or number the outputs. The log says so.

    Raises
    ------
    UserError
        When model and configuration disagree: the message names every key and both values.
    """
    config, carried = run.config, artefact.read(path)
    if carried is None:
        names, garbage = _foreign_names(run, path, unnamed)
        if config.feature_extraction.to_db and "db_reference" not in config.feature_extraction.model_fields_set:
            run.warn(
                f"{path.name}: decibels are relative to full scale; ST's zoo trains relative to each clip's maximum, which no "
                "device can know: feature_extraction.db_reference=max evaluates its models as published, on the host only"
            )
        return ModelMetadata(
            features=FeatureSpec.from_sections(config.feature_extraction, config.preprocessing),
            preprocessing=config.preprocessing.model_dump(),
            class_names=tuple(names),
            multi_label=config.dataset.multi_label,
            garbage_class=garbage,
            unknown_class_threshold=config.deployment.unknown_class_threshold,
        )
    if str(carried.provenance.get("quantized_on")).startswith(FAKE_DATA):
        warn_of_fake_data(run, path)
    differences = []
    for section, theirs in (
        ("feature_extraction", dataclasses.asdict(carried.features)),
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
        if carried.garbage_class and config.deployment.unknown_class_threshold > 0:
            raise UserError(
                f"deployment.unknown_class_threshold: {config.deployment.unknown_class_threshold:g}: {path} has the garbage class "
                f"'{carried.garbage_class}', and the two exclude each other; expected 0"
            )
        carried = replace(carried, unknown_class_threshold=config.deployment.unknown_class_threshold)
    return carried


def warn_of_fake_data(run: Run, path: Path) -> None:
    """Say what a model is worth that no clips were quantized with."""
    run.warn(
        f"{path.name} is quantized on fake data (random noise), as no quantization or training clips were given: its answers "
        "may be far from the float model's; dataset.quantization_audio_path and quantization_csv_path name real ones"
    )


def _foreign_names(run: Run, path: Path, unnamed: Unnamed) -> tuple[list[str], str | None]:
    """Return class names and garbage class of a model that says nothing about itself, and say what was assumed."""
    config = run.config
    garbage = "other" if config.dataset.use_garbage_class else None
    given = list(config.dataset.class_names or ())
    if given and is_zoos(path):
        names = sorted(name for name in given if name != garbage)
        order = "it is of ST's zoo, whose outputs are in alphabetical order, so they are taken to be"
    elif given:
        names = [name for name in given if name != garbage]
        order = "its outputs are taken to be in the order of dataset.class_names:"
    elif unnamed == "number":
        return _placeholders(run, path), None
    else:
        names = _inferred_names(config, garbage) if unnamed == "infer" else []
        if not names:
            raise UserError(
                f"{path} carries no pyaed metadata, and nothing says what its outputs are called: give dataset.class_names, "
                "in the outputs' order"
            )
        order = "dataset.class_names is not given, so its outputs are taken to be the data set's classes in alphabetical order:"
    names += [garbage] if garbage else []
    run.warn(
        f"{path.name} carries no pyaed metadata: {order} {', '.join(names)}; features and preprocessing are the "
        "configuration's"
    )
    return names, garbage


def _inferred_names(config: Config, garbage: str | None) -> list[str]:
    """Return the categories of the configured data set, none where there is no data set."""
    named = config.dataset.model_fields_set
    if config.dataset.name != "fsd50k" and not any(f"{part}_csv_path" in named for part in ("training", "test")):
        return []
    return sorted(name for name in read_sets(config).class_names if name != garbage)


def _placeholders(run: Run, path: Path) -> list[str]:
    """Return names for the outputs of a quantized model that says nothing about itself."""
    config, size = run.config, output_size(path)
    spec = FeatureSpec.from_sections(config.feature_extraction, config.preprocessing)
    names = [f"class_{i}" for i in range(size)]
    run.warn(
        f"{path.name} carries no pyaed metadata and dataset.class_names is not given: its classes are called {names[0]} to "
        f"{names[-1]}, its features are taken to be n_fft {spec.n_fft}, hop_length {spec.hop_length}, window_length "
        f"{spec.window_length}"
    )
    return names


def own_names(settings: ModelMetadata) -> list[str]:
    return [name for name in settings.class_names if name != settings.garbage_class]


def versions() -> dict[str, str]:
    """Versions of pyaed, Python and the libraries that decide about a training's numbers."""
    found = {"pyaed": __version__, "python": platform.python_version()}
    for name in ("numpy", "tensorflow", "keras"):
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def git_state() -> dict[str, str]:
    """The commit of the folder that the run is started in, with ``-dirty`` after changes; nothing outside of git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"git": found}


def provenance(config: Config, sets: "Sets") -> dict[str, Any]:
    return {
        "project_name": config.general.project_name,
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        **versions(),
        **git_state(),
        "dataset": config.dataset.name,
        "training_clips": len(sets.training) if sets.training is not None else 0,
        "validation_clips": len(sets.validation) if sets.validation is not None else 0,
        "class_counts": {
            part: clips.class_counts()
            for part, clips in (("training", sets.training), ("validation", sets.validation))
            if clips is not None
        },
        "seed": config.general.global_seed,
    }
