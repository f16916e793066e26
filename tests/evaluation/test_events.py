"""The time line: patches merged into events."""

import csv
import json

import numpy as np
import pytest

from pyaed.evaluation import find_events, write_events

NAMES = ("dog", "rain", "other")


def test_runs_of_patches_become_events():
    p = np.array([[0.9, 0.1, 0], [0.7, 0.3, 0], [0.2, 0.8, 0], [0.3, 0.3, 0.4], [0.5, 0.4, 0.1], [0.6, 0.4, 0]])
    events = find_events(p, NAMES, 0.5, 1.0, unknown_class_threshold=0.55, garbage_class="other")
    assert events == [
        {"onset": 0.0, "offset": 1.5, "class": "dog", "score": 0.8},
        {"onset": 1.0, "offset": 2.0, "class": "rain", "score": 0.8},
        {"onset": 2.5, "offset": 3.5, "class": "dog", "score": 0.6},
    ]


def test_several_labels_overlap():
    p = np.array([[0.9, 0.1, 0], [0.7, 0.6, 0], [0.2, 0.8, 0.3]])
    events = find_events(p, NAMES, 1.0, 1.0, multi_label=True, class_thresholds=(0.5, 0.5, 0.25))
    assert [(e["onset"], e["offset"], e["class"]) for e in events] == [(0, 2, "dog"), (1, 3, "rain"), (2, 3, "other")]
    assert events[1]["score"] == pytest.approx(0.7)


def test_files(tmp_path):
    events = {"a.wav": find_events(np.array([[1.0, 0, 0]]), NAMES, 1, 1), "b.wav": []}
    table, text = write_events(tmp_path, events)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert rows == [{"file": "a.wav", "onset": "0.0", "offset": "1.0", "class": "dog", "score": "1.0"}]
    assert json.loads(text.read_text())["b.wav"] == []
