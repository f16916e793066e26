"""The HTML page: self-contained, escaped, and its calibration."""

import base64
import io
import re
import wave
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pyaed.data import Clip, PatchSet
from pyaed.evaluation import Classes, Page, WrongClip, calibration, evaluate, write_page

NAMES = ("dog", "<script>")


@pytest.fixture(params=[False, True], ids=["one label", "several"])
def report(request, tmp_path):
    clips = tuple(Clip(Path(f"{i}.wav"), f"{i}&.wav", (i % 2,) if request.param else i % 2) for i in range(4))
    found = PatchSet(np.zeros((4, 2, 2), np.float32), np.arange(4, dtype=np.int32), clips)
    scores = np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.4, 0.6]], np.float32)
    return evaluate(lambda x: scores[: len(x)], found, Classes(NAMES, request.param), tmp_path, "float")


def test_page(report, tmp_path):
    rng = np.random.default_rng(0)
    worst = [
        WrongClip(**item, pcm=rng.integers(-99, 99, 800).astype(np.int16), rate=16000, log_mel=rng.normal(size=(9, 4)))
        for item in report.wrong
    ]
    page = Page(
        title="my <b>project",
        facts={"seed": 1},
        reports=[report],
        configuration="a: '<i>'",
        worst=worst,
        footprint=[{"room": "model", "flash": 12345}],
        notes=["a note\x1b[2J\u202e"],
        counts=[{"class": "<script>", "training": 4567}],
    )
    path = write_page(tmp_path / "report.html", page)
    text = path.read_text()
    assert not re.search(r'(src|href)="(?!data:)', text), "everything is inside"
    for raw in ("<b>", "<i>", "<script>"):
        assert raw not in text
    assert "2&amp;.wav" in text
    assert text.count("<audio") == len(report.wrong) == 1
    assert "a note\\x1b[2J\\u202e" in text
    assert "12,345" in text
    assert "4,567" in text
    sound = re.search(r'src="data:audio/wav;base64,([^"]*)"', text)[1]
    with wave.open(io.BytesIO(base64.b64decode(sound))) as file:
        assert file.getparams()[:4] == (1, 2, 16000, 800)
        assert file.readframes(800) == worst[0].pcm.astype("<i2").tobytes()
    pictures = [base64.b64decode(uri) for uri in re.findall(r'src="data:image/png;base64,([^"]*)"', text)]
    assert len(pictures) == (1 if report.multi_label else 2), "the spectrogram, and the confusion matrix of one label"
    shade = np.asarray(Image.open(io.BytesIO(pictures[-1])).convert("RGB")).sum(axis=2).astype(int)
    log_mel = worst[0].log_mel
    assert shade.shape == (4, 9)
    # Low frequencies below, time to the right, loud is bright.
    column, row = np.unravel_index(log_mel.argmax(), log_mel.shape)
    assert shade.argmax() == (3 - row) * 9 + column
    column, row = np.unravel_index(log_mel.argmin(), log_mel.shape)
    assert shade[3 - row, column] < 10
    assert ("AP %" in text) == ("0.500" in text) == report.multi_label
    assert ("Mean average precision" in text) == report.multi_label


def test_pages_without_pictures(report, tmp_path):
    silent = WrongClip(**report.wrong[0], pcm=np.zeros(8, np.int16), rate=8000, log_mel=np.zeros((3, 2)))
    curves = tmp_path / "curves.png"
    for there in (False, True):
        if there:
            curves.write_bytes(b"a picture")
        page = Page(title="t", facts={}, reports=[report], configuration="", worst=[silent], curves=curves)
        text = write_page(tmp_path / "r.html", page).read_text()
        assert (base64.b64encode(b"a picture").decode() in text) == there


def test_calibration_of_several_labels():
    report = SimpleNamespace(
        multi_label=True,
        clip_scores=np.array([[0.1, 0.75], [0.15, 0.7]]),
        truth=np.array([[False, True], [True, False]]),
    )
    found = calibration(report)
    assert found["bins"] == [
        {"low": 0.1, "high": 0.2, "n": 2, "score": pytest.approx(0.125), "right": 0.5},
        {"low": 0.7, "high": 0.8, "n": 2, "score": pytest.approx(0.725), "right": 0.5},
    ]
    assert found["error"] == pytest.approx(0.5 * 0.375 + 0.5 * 0.225)


def test_calibration():
    report = SimpleNamespace(
        multi_label=False,
        clip_scores=np.array([[0.95, 0.05], [0.91, 0.09], [0.4, 0.6], [0.0, 1.0]]),
        decided=np.array([0, 0, 1, 1]),
        truth=np.array([0, 1, 1, 1]),
    )
    found = calibration(report)
    assert [(b["low"], b["n"], b["right"]) for b in found["bins"]] == [(0.6, 1, 1.0), (0.9, 3, pytest.approx(2 / 3))]
    assert found["error"] == pytest.approx(0.25 * 0.4 + 0.75 * abs((0.95 + 0.91 + 1) / 3 - 2 / 3))
