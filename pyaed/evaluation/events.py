"""The time line of a recording: patch by patch, merged into events."""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyaed.evaluation.decisions import MULTI_LABEL_THRESHOLD
from pyaed.files import atomic_path, write_text

COLUMNS = ("file", "onset", "offset", "class", "score")


def find_events(
    probabilities: np.ndarray,
    class_names: Sequence[str],
    patch_hop_s: float,
    patch_s: float,
    multi_label: bool = False,
    unknown_class_threshold: float = 0.0,
    class_thresholds: Sequence[float] | None = None,
    garbage_class: str | None = None,
) -> list[dict[str, Any]]:
    """Merge consecutive patches with the same decision into events.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n_patches, n_classes)
        Of one recording's patches in order.
    class_names : sequence of str
    patch_hop_s, patch_s : float
        Seconds from one patch's start to the next, and that a patch covers.
    multi_label, unknown_class_threshold, class_thresholds
        See `clip_decisions`; here they decide about single patches.
    garbage_class : str, optional
        Makes no events, nor do patches below the unknown threshold.

    Returns
    -------
    list of dict
        `onset` and `offset` in seconds from the recording's start, `class`, `score` (mean probability of the event's
        patches), by onset.
    """
    probabilities = np.asarray(probabilities)
    known = probabilities.max(axis=1, initial=0.0) >= unknown_class_threshold
    if multi_label:
        active = probabilities >= (MULTI_LABEL_THRESHOLD if class_thresholds is None else np.asarray(class_thresholds))
    else:
        active = np.eye(len(class_names), dtype=bool)[probabilities.argmax(axis=1)]
    active &= known[:, None]
    events = []
    for i, name in enumerate(class_names):
        if name == garbage_class:
            continue
        edges = np.flatnonzero(np.diff(np.concatenate(([0], active[:, i].astype(int), [0]))))
        for first, end in edges.reshape(-1, 2):
            events.append(
                {
                    "onset": round(float(first * patch_hop_s), 3),
                    "offset": round(float((end - 1) * patch_hop_s + patch_s), 3),
                    "class": name,
                    "score": round(float(probabilities[first:end, i].mean()), 6),
                }
            )
    return sorted(events, key=lambda event: (event["onset"], event["class"]))


def write_events(folder: str | os.PathLike, events: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Path]:
    """Write ``events.csv`` (one line an event) and ``events.json`` (file -> its events); returns the two paths."""
    folder = Path(folder)
    with atomic_path(folder / "events.csv") as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows({"file": name, **event} for name, found in events.items() for event in found)
    return [folder / "events.csv", write_text(folder / "events.json", json.dumps(events, indent=1) + "\n")]
