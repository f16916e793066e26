"""Answers of a board in a file: an interrupted evaluation asks only for the rest, and never mixes two models."""

import os

import numpy as np
import pytest

from pyaed.errors import UserError
from pyaed.link.journal import Journal

ABOUT = {"model": "aa", "features": "bb", "class_names": ("dog", "rain")}
PATCHES = [np.full((3, 4, 5), i, np.float32) for i in range(3)]
ANSWERS = [np.random.default_rng(i).random((3, 2), np.float32) for i in range(3)]


def evaluate(path, n=3, about=ABOUT):
    asked = []

    def ask(patches):
        asked.append(int(patches[0, 0, 0]))
        return ANSWERS[asked[-1]]

    with Journal(path, about) as journal:
        found = [journal.answer(f"clip {i}", PATCHES[i], ask) for i in range(n)]
    assert all(np.array_equal(a, b) for a, b in zip(found, ANSWERS))
    return asked


def test_a_restart_asks_for_the_rest_wherever_it_was_cut(tmp_path):
    path = tmp_path / "answers.jsonl"
    assert evaluate(path) == [0, 1, 2]
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    for cut in range(0, len(whole) + 1, 7):
        path.write_bytes(whole[:cut])
        there = max(0, sum(end <= cut for end in ends) - 1)
        assert evaluate(path) == [0, 1, 2][there:]
        assert path.read_bytes() == whole


def test_a_clip_that_changed_is_asked_for_again(tmp_path):
    path = tmp_path / "answers.jsonl"
    evaluate(path, 1)
    with Journal(path, ABOUT) as journal:
        journal.answer("clip 0", PATCHES[1], lambda patches: ANSWERS[1])
    assert evaluate(path, 1) == [0]


@pytest.mark.parametrize("key", ["model", "features", "class_names"])
def test_answers_of_something_else_are_refused(tmp_path, key):
    path = tmp_path / "answers.jsonl"
    evaluate(path)
    before = path.read_bytes()
    with pytest.raises(UserError, match="holds answers of another"):
        Journal(path, {**ABOUT, key: ("dog", "sea") if key == "class_names" else "cc"})
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"hello\n", b"{}\n", b'{"format": 1}\n', b"[]\n", b"\xff\xfe\n", b"hello"])
def test_another_kind_of_file_is_refused_and_kept(tmp_path, content):
    path = tmp_path / "answers.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError, match="no file of a board's answers"):
        Journal(path, ABOUT)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "line",
    [
        '{"clip": "x", "patches": 1, "probabilities": [[NaN, 1]]}',
        '{"clip": "x", "patches": 1, "probabilities": [[1e400, 1]]}',
        '{"clip": "x", "patches": 1e400, "probabilities": [[0, 1]]}',
        '{"clip": ["x"], "patches": 1, "probabilities": [[0, 1]]}',
        '{"clip": "x", "patches": 1, "probabilities": [[0, 1], [0]]}',
        "[" * 100_000,
        "9" * 5_000,
    ],
)
def test_lines_made_to_hurt_are_refused_and_kept(tmp_path, line):
    path = tmp_path / "answers.jsonl"
    evaluate(path, 1)
    content = path.read_bytes() + line.encode() + b"\n"
    path.write_bytes(content)
    with pytest.raises(UserError, match="no file of a board's answers"):
        Journal(path, ABOUT)
    assert path.read_bytes() == content


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(UserError, match="no file of a board's answers"):
            Journal(path, ABOUT)
