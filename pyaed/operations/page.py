"""The page of a run: what was evaluated and benchmarked, out of what the operations left in the run."""

import datetime
import logging
from typing import TYPE_CHECKING

import yaml

from pyaed.artefact import ModelMetadata
from pyaed.config import notes
from pyaed.dsp import FrontEnd
from pyaed.errors import shorten
from pyaed.operations.run import FLOAT, QUANTIZED, Run, needed
from pyaed.operations.settings import git_state, versions

if TYPE_CHECKING:
    from pyaed.evaluation.page import WrongClip
    from pyaed.evaluation.report import Report

log = logging.getLogger(__name__)

WORST_ERRORS = 6


def write_page(run: Run, mode: str) -> None:
    """Write ``report.html`` where something was evaluated or benchmarked."""
    if not run.figures and (not run.reports or run.settings is None):
        return
    from pyaed import evaluation

    config, settings = run.config, run.settings
    last = list(run.reports.values())[-1] if run.reports else None
    facts: dict[str, object] = {
        "operation": mode,
        "model": needed(run, QUANTIZED, FLOAT).name,
        **({} if settings is None else _said_of_itself(settings, last)),
        "seed": config.general.global_seed,
        "versions": ", ".join(f"{name} {version}" for name, version in {**versions(), **git_state()}.items()),
        "written": datetime.datetime.now().astimezone().isoformat(" ", "seconds"),
    }
    page = evaluation.Page(
        title=config.general.project_name,
        facts=facts,
        reports=list(run.reports.values()),
        configuration=yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True), sort_keys=False),
        curves=run.folder / "training_curves.png" if run.history else None,
        worst=() if settings is None or last is None else _worst(settings, last),
        footprint=run.image.table() if run.image else (),
        engines=run.figures,
        notes=notes(config, mode),
        counts=() if settings is None else _counts(settings, last),
    )
    log.info("report: %s", evaluation.write_page(run.folder / "report.html", page))


def _worst(settings: ModelMetadata, last: "Report") -> "list[WrongClip]":
    """Return what can be heard and seen of the surest wrong decisions."""
    from pyaed import data, evaluation

    paths, front_end = {clip.name: clip.path for clip in last.clips}, FrontEnd(settings.features)
    found: list[WrongClip] = []
    for item in sorted(last.wrong, key=lambda item: -item["score"])[:WORST_ERRORS]:
        pcm = data.load_pcm(paths[item["file"]], settings.preprocessing)
        rate, log_mel = settings.features.sample_rate, front_end.log_mel(pcm)
        found.append(evaluation.WrongClip(**item, pcm=pcm, rate=rate, log_mel=log_mel))
    return found


def _said_of_itself(settings: ModelMetadata, last: "Report | None") -> dict[str, object]:
    """Return the facts that a model carries."""
    clips = {key: settings.provenance.get(f"{key}_clips") for key in ("training", "validation")}
    sets = [f"{n} {key} clips" for key, n in clips.items() if n] + (
        [f"{len(last.clips)} clips tested here"] if last else []
    )
    quantized_on, features = settings.provenance.get("quantized_on"), settings.features
    return {
        "classes": ", ".join(settings.class_names),
        "data": ", ".join(sets),
        "features": f"{features.n_mels} mel bands x {features.patch_length} frames, {features.sample_rate} Hz",
        **({"quantized on": shorten(quantized_on)} if isinstance(quantized_on, str) else {}),
    }


def _counts(settings: ModelMetadata, last: "Report | None") -> list[dict[str, object]]:
    """Return the number of clips of each class in every set."""
    given = settings.provenance.get("class_counts")  # out of a model file: anything may stand there
    counts = {part: own for part, own in given.items() if isinstance(own, dict)} if isinstance(given, dict) else {}
    if last:
        counts["tested here"] = {name: row["support"] for name, row in last.classes.items()}
    return (
        [{"class": name, **{part: own.get(name, 0) for part, own in counts.items()}} for name in settings.class_names]
        if counts
        else []
    )
