"""Evaluation of one predictor on one set: numbers, files and a table."""

import json
import logging
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pyaed.errors import UserError
from pyaed.evaluation.decisions import MULTI_LABEL_THRESHOLD, UNKNOWN, Classes, ClipDecisions, clip_decisions
from pyaed.evaluation.metrics import Proportion, average_precision, class_scores, confusion_matrix, wilson_interval
from pyaed.evaluation.plots import plot_confusion
from pyaed.evaluation.predictions import UNKNOWN_NAME
from pyaed.evaluation.predictors import BATCH, Predictor, predict_patches
from pyaed.files import write_csv, write_text

if TYPE_CHECKING:
    from pyaed.data import Clip, PatchSet

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
    patch_confusion: npt.NDArray[np.int64] | None
    clip_confusion: npt.NDArray[np.int64] | None
    probabilities: npt.NDArray[np.float32]
    clip_scores: npt.NDArray[np.float64]
    decided: npt.NDArray[np.int64] | npt.NDArray[np.bool_]
    wrong: tuple[dict[str, Any], ...]
    clips: "tuple[Clip, ...]"
    truth: npt.NDArray[np.int64] | npt.NDArray[np.bool_]
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
    predictor: Predictor,
    patchset: "PatchSet",
    classes: Classes,
    out_dir: str | os.PathLike[str] | None,
    name: str,
    batch_size: int = BATCH,
    classified: npt.NDArray[np.bool_] | None = None,
) -> Report:
    """Evaluate a predictor on labelled patches and write the results.

    Parameters
    ----------
    predictor : callable
        ``patches float32 (n, n_mels, patch_length) -> probabilities (n, n_classes)``.
    patchset : pyaed.data.PatchSet
        Of labelled clips.
    classes : Classes
        With several labels a clip, accuracy counts decisions that are right in every label.
    out_dir : path or None
        Gets ``<name>_report.json``, ``<name>_report.txt`` and, with one label a clip, ``<name>_confusion_{clip,patch}``
        as .csv and .png (``<name>`` with underscores for blanks). None writes nothing.
    name : str
        What is evaluated.
    batch_size : int
        Patches that the predictor gets at once.
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
    clips = patchset.clips
    probabilities, clip_index = _answers(predictor, patchset, classes, name, batch_size, classified)
    decisions = clip_decisions(
        probabilities, clip_index, len(clips), classes.multi_label, class_thresholds=classes.thresholds
    )
    compare = _compare_several if classes.multi_label else _compare_one
    found = compare(patchset, probabilities, clip_index, decisions, classes)
    report = Report(
        name=name,
        class_names=classes.names,
        multi_label=classes.multi_label,
        patch_accuracy=wilson_interval(int(found.patch_right.sum()), len(found.patch_right)),
        clip_accuracy=wilson_interval(int(found.clip_right.sum()), len(found.clip_right)),
        classes=dict(zip(classes.names, found.rows)),
        patch_confusion=found.patch_confusion,
        clip_confusion=found.clip_confusion,
        probabilities=probabilities,
        clip_scores=decisions.scores,
        decided=decisions.decided,
        wrong=tuple(
            {
                "file": clips[i].name,
                "truth": _names(found.truth[i], classes),
                "decision": _names(decisions.decided[i], classes),
                "score": round(float(decisions.scores[i].max()), 6),
            }
            for i in np.flatnonzero(~found.clip_right)
        ),
        clips=clips,
        truth=found.truth,
    )
    log.info("%s: clip accuracy %s, patch accuracy %s", name, report.clip_accuracy, report.patch_accuracy)
    if out_dir is None:
        return report
    return replace(report, files=tuple(_write(report, Path(out_dir))))


def _answers(
    predictor: Predictor,
    patchset: "PatchSet",
    classes: Classes,
    name: str,
    batch_size: int,
    classified: npt.NDArray[np.bool_] | None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Return the probabilities of the patches that count, and the clip of each of them."""
    clips = patchset.clips
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
    if probabilities.shape[1] != len(classes.names):
        raise UserError(
            f"evaluation of {name}: the model has {probabilities.shape[1]} outputs, but there are {len(classes.names)} "
            f"class names ({', '.join(classes.names)}); give the classes that it was trained with, in its order"
        )
    return probabilities, clip_index


class _Comparison(NamedTuple):
    """Decisions beside the truth; `rows` are the classes' figures."""

    truth: npt.NDArray[np.int64] | npt.NDArray[np.bool_]
    clip_right: npt.NDArray[np.bool_]
    patch_right: npt.NDArray[np.bool_]
    rows: list[dict[str, float]]
    clip_confusion: npt.NDArray[np.int64] | None = None
    patch_confusion: npt.NDArray[np.int64] | None = None


def _compare_one(
    patchset: "PatchSet",
    probabilities: npt.NDArray[np.float32],
    clip_index: npt.NDArray[np.int32],
    decisions: ClipDecisions,
    classes: Classes,
) -> _Comparison:
    """Compare where a clip has one label."""
    n_classes, decided = len(classes.names), np.asarray(decisions.decided, np.int64)
    truth = np.asarray(patchset.clip_labels, np.int64)
    patch_truth, patch_decided = truth[clip_index], probabilities.argmax(axis=1)
    known = decided != UNKNOWN
    clip_confusion = confusion_matrix(truth[known], decided[known], n_classes)
    support = np.bincount(truth, minlength=n_classes)
    return _Comparison(
        truth,
        decided == truth,
        patch_decided == patch_truth,
        class_scores(clip_confusion.diagonal(), support, clip_confusion.sum(axis=0)),
        clip_confusion,
        confusion_matrix(patch_truth, patch_decided, n_classes),
    )


def _compare_several(
    patchset: "PatchSet",
    probabilities: npt.NDArray[np.float32],
    clip_index: npt.NDArray[np.int32],
    decisions: ClipDecisions,
    classes: Classes,
) -> _Comparison:
    """Compare where a clip may have several labels."""
    n_classes, decided = len(classes.names), np.asarray(decisions.decided, np.bool_)
    truth = patchset.clip_targets(n_classes) > 0
    thresholds = (
        np.full(n_classes, MULTI_LABEL_THRESHOLD) if classes.thresholds is None else np.asarray(classes.thresholds)
    )
    patch_right = ((probabilities >= thresholds) == truth[clip_index]).all(axis=1)
    rows = class_scores((decided & truth).sum(axis=0), truth.sum(axis=0), decided.sum(axis=0))
    for i, row in enumerate(rows):
        row["average_precision"] = average_precision(truth[:, i], decisions.scores[:, i])
        row["threshold"] = float(thresholds[i])
    return _Comparison(truth, (decided == truth).all(axis=1), patch_right, rows)


def _names(labels: Any, classes: Classes) -> str:
    """Return the names of a clip's labels: an index, or a switch for every class."""
    if classes.multi_label:
        return ", ".join(classes.names[i] for i in np.flatnonzero(labels))
    return UNKNOWN_NAME if labels == UNKNOWN else classes.names[labels]


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
        rows = ((name, *row) for name, row in zip(report.class_names, matrix.tolist()))
        files.append(write_csv(path, (("truth \\ decision", *report.class_names), *rows)))
        title = f"{report.name}: {unit} accuracy {100 * accuracy.value:.1f} %"
        picture = plot_confusion(matrix, report.class_names, title, path.with_suffix(".png"))
        if picture is not None:
            files.append(picture)
    return files


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
