"""Evaluation of one predictor on one set: numbers, files and a table."""

import csv
import json
import logging
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyaed.errors import UserError
from pyaed.evaluation.decisions import MULTI_LABEL_THRESHOLD, UNKNOWN, clip_decisions
from pyaed.evaluation.metrics import Proportion, average_precision, class_scores, confusion_matrix, wilson_interval
from pyaed.evaluation.plots import plot_confusion
from pyaed.evaluation.predictions import UNKNOWN_NAME
from pyaed.evaluation.predictors import BATCH, predict_patches
from pyaed.files import atomic_path, write_text

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Attributes
    ----------
    name : str
        What was evaluated, such as ``float`` or ``int8 engine``.
    class_names : tuple of str
        In output order.
    multi_label : bool
        Then a decision is right when all its labels are.
    patch_accuracy, clip_accuracy : Proportion
        With Wilson's 95 % interval.
    classes : dict of str to dict
        Clip recall, precision, F1 and support of every class.
    patch_confusion, clip_confusion : ndarray of int64, or None
        Rows are truth, shape (n_classes, n_classes). None with several labels.
    probabilities : ndarray of float32, shape (n_patches, n_classes)
        What the predictor gave.
    clip_scores : ndarray of float64, shape (n_clips, n_classes)
        Mean over patches.
    decided : ndarray
        See `clip_decisions`.
    wrong : tuple of dict
        Clips that were decided wrongly: file, truth, decision, score.
    clips : tuple of Clip
        That were decided about.
    truth : ndarray
        In the form of `decided`.
    files : tuple of Path
        What was written.
    """

    name: str
    class_names: tuple[str, ...]
    multi_label: bool
    patch_accuracy: Proportion
    clip_accuracy: Proportion
    classes: dict[str, dict[str, float]]
    patch_confusion: np.ndarray | None
    clip_confusion: np.ndarray | None
    probabilities: np.ndarray
    clip_scores: np.ndarray
    decided: np.ndarray
    wrong: tuple[dict[str, Any], ...]
    clips: tuple[Any, ...]
    truth: np.ndarray
    files: tuple[Path, ...] = ()

    @property
    def mean_average_precision(self) -> float:
        """Mean over the classes that occur, with several labels a clip."""
        return float(np.nanmean([row["average_precision"] for row in self.classes.values()]))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; a ratio that doesn't exist is None."""
        data: dict[str, Any] = {
            "name": self.name,
            "class_names": list(self.class_names),
            "multi_label": self.multi_label,
            "patch_accuracy": self.patch_accuracy._asdict(),
            "clip_accuracy": self.clip_accuracy._asdict(),
            "classes": self.classes,
            **({"mean_average_precision": self.mean_average_precision} if self.multi_label else {}),
            "wrong_clips": list(self.wrong),
        }
        if self.patch_confusion is not None and self.clip_confusion is not None:
            data["patch_confusion"] = self.patch_confusion.tolist()
            data["clip_confusion"] = self.clip_confusion.tolist()
        return {key: _finite(value) for key, value in data.items()}

    def table(self) -> str:
        """The report as plain text for a terminal."""
        width = max(len("class"), *(len(name) for name in self.class_names))
        lines = [
            f"{self.name}",
            f"  clip accuracy   {self.clip_accuracy}",
            f"  patch accuracy  {self.patch_accuracy}",
            *([f"  mean average precision  {100 * self.mean_average_precision:.1f} %"] if self.multi_label else []),
            "",
            f"  {'class':{width}}  recall %  precision %    F1 %  clips"
            + ("    AP %  threshold" if self.multi_label else ""),
        ]
        for name, row in self.classes.items():
            lines.append(
                f"  {name:{width}}  {_percent(row['recall']):>8}  {_percent(row['precision']):>11}"
                f"  {_percent(row['f1']):>6}  {row['support']:>5}"
                + (f"  {_percent(row['average_precision']):>6}  {row['threshold']:>9.3f}" if self.multi_label else "")
            )
        return "\n".join(lines) + "\n"


def evaluate(
    predictor: Callable[[np.ndarray], np.ndarray],
    patchset: Any,
    class_names: Sequence[str],
    out_dir: str | os.PathLike[str] | None,
    name: str,
    multi_label: bool = False,
    batch_size: int = BATCH,
    class_thresholds: Sequence[float] | None = None,
    classified: np.ndarray | None = None,
) -> Report:
    """Evaluate a predictor on labelled patches and write the results.

    Parameters
    ----------
    predictor : callable
        ``patches float32 (n, n_mels, patch_length) -> probabilities (n, n_classes)``.
    patchset : pyaed.data.PatchSet
        `patches`, `clip_index` and labelled `clips`.
    class_names : sequence of str
        In output order.
    out_dir : path or None
        Gets ``<name>_report.json``, ``<name>_report.txt`` and, with one label a clip, ``<name>_confusion_{clip,patch}``
        as .csv and .png (``<name>`` with underscores for blanks). None writes nothing.
    name : str
        What is evaluated.
    multi_label : bool
        Several labels a clip; accuracy then counts decisions that are right in every label.
    batch_size : int
        Patches that the predictor gets at once.
    class_thresholds : sequence of float, optional
        See `clip_decisions`.
    classified : ndarray of bool, shape (n_patches,), optional
        The patches that count; the others are too silent to be classified. A clip without any is decided wrongly. Default: all.

    Returns
    -------
    Report

    Raises
    ------
    UserError
        When the model has another number of outputs than there are class names, or there is nothing to evaluate.
    """
    class_names = tuple(class_names)
    n_classes, clips = len(class_names), patchset.clips
    if not len(clips):
        raise UserError(f"evaluation of {name}: the test set holds no clips")
    unlabelled = next((clip.name for clip in clips if clip.label is None), None)
    if unlabelled is not None:
        raise UserError(f"evaluation of {name}: clip {unlabelled} has no label")
    patches, clip_index = patchset.patches, patchset.clip_index
    if classified is not None:
        patches, clip_index = patches[classified], clip_index[classified]
        if not len(patches):
            raise UserError(f"evaluation of {name}: deployment.detector.silence_gate lets no patch through")
    probabilities = predict_patches(predictor, patches, name, batch_size)
    if probabilities.shape[1] != n_classes:
        raise UserError(
            f"evaluation of {name}: the model has {probabilities.shape[1]} outputs, but there are {n_classes} class "
            f"names ({', '.join(class_names)}); give the classes that it was trained with, in its order"
        )
    scores, decided = clip_decisions(
        probabilities, clip_index, len(clips), multi_label, class_thresholds=class_thresholds
    )
    if multi_label:
        truth = patchset.clip_targets(n_classes) > 0
        patch_truth, patch_decided = (
            truth[clip_index],
            probabilities >= (MULTI_LABEL_THRESHOLD if class_thresholds is None else np.asarray(class_thresholds)),
        )
        clip_right, patch_right = (decided == truth).all(axis=1), (patch_decided == patch_truth).all(axis=1)
        patch_confusion = clip_confusion = None
        rows = class_scores((decided & truth).sum(axis=0), truth.sum(axis=0), decided.sum(axis=0))
        for i, row in enumerate(rows):
            row["average_precision"] = average_precision(truth[:, i], scores[:, i])
            row["threshold"] = MULTI_LABEL_THRESHOLD if class_thresholds is None else float(class_thresholds[i])
    else:
        truth = np.array([clip.label for clip in clips])
        patch_truth, patch_decided = truth[clip_index], probabilities.argmax(axis=1)
        clip_right, patch_right = decided == truth, patch_decided == patch_truth
        patch_confusion = confusion_matrix(patch_truth, patch_decided, n_classes)
        known = decided != UNKNOWN
        clip_confusion = confusion_matrix(truth[known], decided[known], n_classes)
        support = np.bincount(truth, minlength=n_classes)
        rows = class_scores(clip_confusion.diagonal(), support, clip_confusion.sum(axis=0))

    def names(labels: Any) -> str:
        if not multi_label and labels == UNKNOWN:
            return UNKNOWN_NAME
        return ", ".join(class_names[i] for i in (np.flatnonzero(labels) if multi_label else [labels]))

    report = Report(
        name=name,
        class_names=class_names,
        multi_label=multi_label,
        patch_accuracy=wilson_interval(int(patch_right.sum()), len(patch_right)),
        clip_accuracy=wilson_interval(int(clip_right.sum()), len(clip_right)),
        classes=dict(zip(class_names, rows)),
        patch_confusion=patch_confusion,
        clip_confusion=clip_confusion,
        probabilities=probabilities,
        clip_scores=scores,
        decided=decided,
        wrong=tuple(
            {
                "file": clips[i].name,
                "truth": names(truth[i]),
                "decision": names(decided[i]),
                "score": round(float(scores[i].max()), 6),
            }
            for i in np.flatnonzero(~clip_right)
        ),
        clips=tuple(clips),
        truth=truth,
    )
    log.info("%s: clip accuracy %s, patch accuracy %s", name, report.clip_accuracy, report.patch_accuracy)
    if out_dir is None:
        return report
    return Report(**{**vars(report), "files": tuple(_write(report, Path(out_dir)))})


def _write(report: Report, folder: Path) -> list[Path]:
    stem = report.name.replace(" ", "_")
    files = [
        write_text(folder / f"{stem}_report.json", json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n"),
        write_text(folder / f"{stem}_report.txt", report.table()),
    ]
    for unit, matrix, accuracy in (
        ("clip", report.clip_confusion, report.clip_accuracy),
        ("patch", report.patch_confusion, report.patch_accuracy),
    ):
        if matrix is None:
            continue
        path = folder / f"{stem}_confusion_{unit}.csv"
        with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("truth \\ decision", *report.class_names))
            table.writerows((name, *row) for name, row in zip(report.class_names, matrix.tolist()))
        files.append(path)
        title = f"{report.name}: {unit} accuracy {100 * accuracy.value:.1f} %"
        picture = plot_confusion(matrix, report.class_names, title, path.with_suffix(".png"))
        if picture is not None:
            files.append(picture)
    return files


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
