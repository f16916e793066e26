"""Operation modes and chains: the operations in order, then report and tracking."""

import datetime
import logging
from collections.abc import Callable, Sequence

import yaml

from pyaed.config import Config, notes
from pyaed.dsp import FrontEnd
from pyaed.errors import UserError, shorten
from pyaed.operations.benchmark import benchmark
from pyaed.operations.board import deploy_boards
from pyaed.operations.evaluation import evaluate, evaluate_float, evaluate_quantized, evaluate_validation
from pyaed.operations.prediction import predict
from pyaed.operations.quantization import quantize
from pyaed.operations.run import FLOAT, QUANTIZED, Run, needed, start
from pyaed.operations.settings import git_state, versions
from pyaed.operations.track import track
from pyaed.operations.training import train

log = logging.getLogger(__name__)


OPERATIONS: dict[str, tuple[Callable[[Run], object], ...]] = {
    "training": (train, evaluate_validation, evaluate_float),
    "evaluation": (evaluate,),
    "quantization": (quantize,),
    "prediction": (predict,),
    "benchmarking": (benchmark,),
    "deployment": (deploy_boards,),
    # ST's first benchmark is of the float model; our engine computes int8, so the benchmark follows the quantization.
    "chain_tbqeb": (train, evaluate_validation, evaluate_float, quantize, evaluate_quantized, benchmark),
    "chain_tqe": (train, evaluate_validation, evaluate_float, quantize, evaluate_quantized),
    "chain_eqe": (evaluate_float, quantize, evaluate_quantized),
    "chain_qb": (quantize, benchmark),
    "chain_eqeb": (evaluate_float, quantize, evaluate_quantized, benchmark),
    "chain_qd": (quantize, deploy_boards),
}


def perform(config: Config, mode: str | None = None, overrides: Sequence[str] = ()) -> Run:
    """Do what a configuration says: one operation or a chain, as the command of the same name does.

    Parameters
    ----------
    config : Config
    mode : str, optional
        A key of `OPERATIONS`, by default the configuration's `operation_mode`.
    overrides : sequence of str
        Those that the configuration was loaded with, to be kept beside it.

    Returns
    -------
    Run
        With the run's folder, its models and its reports.

    Raises
    ------
    UserError
        For whatever the user can put right.
    """
    run = start(config, overrides, mode)
    run_mode(run, mode)
    return run


def run_mode(run: Run, mode: str | None = None) -> None:
    """Carry out an operation mode, by default the configuration's."""
    mode = mode or run.config.operation_mode
    if mode is None:
        raise UserError(f"operation_mode: missing, expected one of {', '.join(OPERATIONS)}")
    for operation in OPERATIONS[mode]:
        log.info("--- %s", operation.__name__.replace("_", " "))
        operation(run)
    finish(run, mode)


def finish(run: Run, mode: str) -> None:
    """Write the report page of what was evaluated, hand the run to the trackers, and show its figures if that is asked for."""
    _page(run, mode)
    track(run, mode)
    if run.config.general.display_figures:
        _display(run)


WORST_ERRORS = 6


def _page(run: Run, mode: str) -> None:
    """Write ``report.html`` where something was evaluated."""
    if not run.reports or run.settings is None:
        return
    from pyaed import data, evaluation

    config, settings, last = run.config, run.settings, list(run.reports.values())[-1]
    paths = {clip.name: clip.path for clip in last.clips}
    front_end = FrontEnd(settings.features)
    worst: list[evaluation.WrongClip] = []
    for item in sorted(last.wrong, key=lambda item: -item["score"])[:WORST_ERRORS]:
        pcm = data.load_pcm(paths[item["file"]], settings.preprocessing)
        rate, log_mel = settings.features.sample_rate, front_end.log_mel(pcm)
        worst.append(evaluation.WrongClip(**item, pcm=pcm, rate=rate, log_mel=log_mel))
    clips = {key: settings.provenance.get(f"{key}_clips") for key in ("training", "validation")}
    quantized_on = settings.provenance.get("quantized_on")
    facts = {
        "operation": mode,
        "model": needed(run, QUANTIZED, FLOAT).name,
        "classes": ", ".join(settings.class_names),
        "data": ", ".join(
            [f"{n} {key} clips" for key, n in clips.items() if n] + [f"{len(last.clips)} clips tested here"]
        ),
        "features": f"{settings.features.n_mels} mel bands x {settings.features.patch_length} frames, "
        f"{settings.features.sample_rate} Hz",
        **({"quantized on": shorten(quantized_on)} if isinstance(quantized_on, str) else {}),
        "seed": config.general.global_seed,
        "versions": ", ".join(f"{name} {version}" for name, version in {**versions(), **git_state()}.items()),
        "written": datetime.datetime.now().astimezone().isoformat(" ", "seconds"),
    }
    given = settings.provenance.get("class_counts")  # out of a model file: anything may stand there
    counts = {part: own for part, own in given.items() if isinstance(own, dict)} if isinstance(given, dict) else {}
    counts["tested here"] = {name: row["support"] for name, row in last.classes.items()}
    page = evaluation.Page(
        title=config.general.project_name,
        facts=facts,
        reports=list(run.reports.values()),
        configuration=yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True), sort_keys=False),
        curves=run.folder / "training_curves.png" if run.history else None,
        worst=worst,
        footprint=run.image.table() if run.image else (),
        notes=notes(config, mode),
        counts=[
            {"class": name, **{part: own.get(name, 0) for part, own in counts.items()}} for name in settings.class_names
        ],
    )
    log.info("report: %s", evaluation.write_page(run.folder / "report.html", page))


def _display(run: Run) -> None:
    """Open a window for each of the run's figures and wait until they are closed."""
    from pyaed import evaluation

    figures = [run.folder / "training_curves.png"] if run.history else []
    figures += sorted((run.folder / "evaluation").glob("*.png")) if run.reports else []
    if not figures:
        return
    log.info("figures are shown (general.display_figures); close the windows to go on")
    if not evaluation.show_pictures(figures):
        log.info(
            "note: general.display_figures: no window can be opened here (no display, or no toolkit for matplotlib such as "
            "tkinter); the figures are files: %s",
            ", ".join(str(path.relative_to(run.folder)) for path in figures),
        )
