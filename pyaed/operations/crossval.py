"""Cross-validation: training and testing several times on different parts of one set."""

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pyaed import text
from pyaed.config import Config
from pyaed.errors import UserError
from pyaed.files import write_text
from pyaed.operations.clips import fsd50k
from pyaed.operations.evaluation import evaluate_float, evaluate_quantized
from pyaed.operations.quantization import quantize
from pyaed.operations.run import start
from pyaed.operations.track import track
from pyaed.operations.training import train

log = logging.getLogger(__name__)


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
    from pyaed import evaluation

    folder = Path(config.hydra.run.dir)
    rows: list[dict[str, Any]] = []
    accuracies: dict[str, list[float]] = {}
    for name, update in _parts(config, protocol, repeats).items():
        own = config.model_copy(
            update={
                "dataset": config.dataset.model_copy(update=update),
                "hydra": config.hydra.model_copy(
                    update={"run": config.hydra.run.model_copy(update={"dir": str(folder / name)})}
                ),
            }
        )
        run = start(own, overrides, "training")
        run.echo = log.info
        for operation in (train, evaluate_float, *((quantize, evaluate_quantized) if quantized else ())):
            operation(run)
        track(run, "chain_tqe" if quantized else "training")
        row: dict[str, Any] = {"run": name, "test clips": next(iter(run.reports.values())).clip_accuracy.total}
        for kind, report in run.reports.items():
            row[f"{kind} clips"], row[f"{kind} patches"] = report.clip_accuracy.value, report.patch_accuracy.value
            accuracies.setdefault(kind, []).append(report.clip_accuracy.value)
        rows.append(row)
    found = {kind: evaluation.mean_interval(values) for kind, values in accuracies.items()}
    result = {"protocol": protocol, "runs": rows, "clip_accuracy": found}
    summary = _summary(rows, found)
    echo(summary)
    write_text(folder / "crossval.json", json.dumps(result, indent=1) + "\n")
    write_text(folder / "crossval.txt", summary + "\n")
    return result


def _parts(config: Config, protocol: str, repeats: int) -> dict[str, dict[str, Any]]:
    """Return the runs by name, each with what it changes in the section `dataset`."""
    from pyaed import data

    section = config.dataset
    if config.training and config.training.resume_training_from:
        raise UserError(
            "training.resume_training_from is given; crossval trains every part from the beginning, leave the key out"
        )
    for key in ("validation_csv_path", "test_csv_path", "training_folds", "validation_folds", "test_folds"):
        if getattr(section, key):
            raise UserError(f"dataset.{key} is given; crossval divides the training set itself, leave the key out")
    every = data.read_sets(
        section.model_copy(update={"validation_split": 0.0, "split_by": "random"}), None, fsd50k(config)
    )
    if every.training is None:
        raise UserError("dataset.training_audio_path and dataset.training_csv_path: missing, crossval needs them")
    if protocol == "random":
        seeds = range(section.seed, section.seed + repeats)
        return {f"seed_{seed}": {"split_by": "random", "seed": seed} for seed in seeds}
    folds = sorted({clip.fold for clip in every.training if clip.fold is not None})
    if folds and any(clip.fold is None for clip in every.training):
        raise UserError(f"{data.no_fold(every.training)}, or choose --protocol random")
    if len(folds) < 3:
        raise UserError(
            f"{section.training_csv_path}: crossval needs a column 'fold' with at least three folds, it has "
            f"{len(folds)}; or choose --protocol random"
        )
    return {
        f"fold_{fold}": {"test_folds": [fold], "validation_folds": [folds[(i + 1) % len(folds)]]}
        for i, fold in enumerate(folds)
    }


def _summary(rows: list[dict[str, Any]], found: dict[str, dict[str, float]]) -> str:
    """Return the runs as a table, and a line for every evaluated model."""
    shares = [key for key in rows[0] if key.endswith((" clips", " patches")) and key != "test clips"]
    lines = [text.format_table(rows, dict.fromkeys(shares, ".1%"))]
    for kind, value in found.items():
        lines.append(
            f"{kind}: clip accuracy {value['mean']:.1%}, standard deviation {value['std']:.1%}, 95 % interval of the mean "
            f"{value['low']:.1%} to {value['high']:.1%} ({len(rows)} runs)"
        )
    return "\n".join(lines)
