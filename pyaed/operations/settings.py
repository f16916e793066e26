"""What a model says about itself, what the configuration says, and what a run was made with."""

import dataclasses
import datetime
import importlib.metadata
import logging
import platform
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyaed import __version__, artefact
from pyaed.artefact import ModelMetadata
from pyaed.config import Config
from pyaed.dsp import FeatureSpec
from pyaed.errors import UserError

if TYPE_CHECKING:
    from pyaed.data import Sets

log = logging.getLogger(__name__)


def model_settings(config: Config, path: Path, names_needed: bool = True) -> ModelMetadata:
    """Return what a model says about itself; where it says nothing, what the configuration says.

    Without `names_needed`, a model whose class names nobody gives gets placeholders; the log says so.

    Raises
    ------
    UserError
        When model and configuration disagree: the message names every key and both values.
    """
    carried = artefact.read(path)
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
