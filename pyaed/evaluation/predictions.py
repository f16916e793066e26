"""Predictions on files: a CSV for programs, a table for people."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pyaed.evaluation.decisions import UNKNOWN, ClipDecisions
from pyaed.files import write_csv, write_text
from pyaed.text import printable

if TYPE_CHECKING:
    from pyaed.data import PatchSet

UNKNOWN_NAME = "unknown"


def write_predictions_csv(
    path: str | os.PathLike[str], patchset: "PatchSet", decisions: ClipDecisions, class_names: Sequence[str]
) -> Path:
    """Write one line a clip: file, class, score, n_patches and the mean probability of every class.

    `class` is a class name (the garbage class is one like any other), ``unknown`` below the threshold, or, where
    several labels may hold, their names joined by ``;``. `score` is the largest probability.

    Parameters
    ----------
    path : path
        CSV file.
    patchset : pyaed.data.PatchSet
        Whose clips were decided about.
    decisions : ClipDecisions
        From `clip_decisions`.
    class_names : sequence of str
        In output order.

    Returns
    -------
    Path
        The file.
    """
    counts = np.bincount(patchset.clip_index, minlength=len(patchset.clips))
    rows = zip(patchset.clips, _decided(decisions, class_names), counts, decisions.scores)
    heading = ("file", "class", "score", "n_patches", *(f"p_{name}" for name in class_names))
    lines = (
        (clip.name, name, f"{score:.6f}", n, *(f"{p:.6f}" for p in scores)) for clip, (name, score), n, scores in rows
    )
    return write_csv(path, (heading, *lines))


def write_predictions_json(
    path: str | os.PathLike[str], patchset: "PatchSet", decisions: ClipDecisions, class_names: Sequence[str]
) -> Path:
    """Write a list with `file`, `class`, `score` and `probabilities` (class -> mean probability) of every clip."""
    rows = [
        {
            "file": clip.name,
            "class": name,
            "score": round(score, 6),
            "probabilities": {label: round(float(p), 6) for label, p in zip(class_names, scores)},
        }
        for clip, (name, score), scores in zip(patchset.clips, _decided(decisions, class_names), decisions.scores)
    ]
    return write_text(path, json.dumps(rows, indent=1) + "\n")


def prediction_table(patchset: "PatchSet", decisions: ClipDecisions, class_names: Sequence[str]) -> str:
    """Return the decisions as plain text, one line a clip with the three best classes."""
    names = [printable(clip.name) for clip in patchset.clips]
    class_names = [printable(name) for name in class_names]
    width = max(len("file"), *(len(name) for name in names)) if names else 4
    label_width = max(len(UNKNOWN_NAME), *(len(name) for name in class_names))
    lines = [f"{'file':{width}}  {'class':{label_width}}  score %  next best"]
    for name, (decided, score), scores in zip(names, _decided(decisions, class_names), decisions.scores):
        best = [i for i in np.argsort(-scores, kind="stable")[:3] if class_names[i] != decided][:2]
        others = ", ".join(f"{class_names[i]} {100 * scores[i]:.1f}" for i in best)
        lines.append(f"{name:{width}}  {decided:{label_width}}  {100 * score:7.1f}  {others}")
    return "\n".join(lines) + "\n"


def _decided(decisions: ClipDecisions, class_names: Sequence[str]) -> list[tuple[str, float]]:
    rows = []
    for scores, decided in zip(decisions.scores, decisions.decided):
        if np.ndim(decided):
            name = ";".join(class_names[int(i)] for i in np.flatnonzero(decided)) or UNKNOWN_NAME
        else:
            name = UNKNOWN_NAME if decided == UNKNOWN else class_names[decided]
        rows.append((name, float(scores.max())))
    return rows
