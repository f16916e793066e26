"""`general.display_figures`: a window for each picture where there is a display, a note where there is none."""

import sys
from types import ModuleType, SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg

from pyaed import config, evaluation, operations
from pyaed.operations.chains import finish


@pytest.fixture
def pictures(tmp_path):
    paths = [tmp_path / "training_curves.png", tmp_path / "evaluation" / "float_confusion.png"]
    for i, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        pyplot.imsave(path, np.full((4 + i, 6, 3), 0.5))
    return paths


@pytest.fixture
def display(monkeypatch):
    """A toolkit that opens windows on a display of its own: what is open when the user is waited for."""
    waited = []

    class Canvas(FigureCanvasAgg):
        required_interactive_framework = "headless"

    toolkit = ModuleType("toolkit_of_a_test")
    toolkit.FigureCanvas = Canvas
    toolkit.show = lambda block=None: waited.append(
        {label: pyplot.figure(label).axes[0].images[0].get_array().shape for label in pyplot.get_figlabels()}
    )
    monkeypatch.setitem(sys.modules, toolkit.__name__, toolkit)
    monkeypatch.delenv("DISPLAY", raising=False)
    before = matplotlib.get_backend()
    pyplot.switch_backend(f"module://{toolkit.__name__}")
    yield waited
    pyplot.switch_backend(before)


def test_a_window_for_each_picture_until_they_are_closed(display, pictures):
    assert evaluation.show_pictures(pictures)
    assert display == [{"training_curves": (4, 6, 4), "float_confusion": (5, 6, 4)}]
    assert pyplot.get_fignums() == []


def test_a_display_that_does_not_answer(display, pictures, monkeypatch):
    def fails(block):
        raise OSError("couldn't connect to display")

    monkeypatch.setattr(pyplot, "show", fails)
    assert not evaluation.show_pictures(pictures)
    assert pyplot.get_fignums() == []


def run(tmp_path, shown, history=True):
    settings = config.parse({"general": {"display_figures": shown}, "hydra": {"run": {"dir": str(tmp_path)}}})
    report = SimpleNamespace(clips=[], wrong=[])
    return operations.Run(
        settings, tmp_path, history=[{"loss": 1.0}] if history else [], reports={"float": report} if history else {}
    )


@pytest.mark.parametrize("shown", [True, False])
def test_a_run_shows_its_figures_at_its_end(display, pictures, tmp_path, shown):
    finish(run(tmp_path, shown), "training")
    assert [list(windows) for windows in display] == ([["training_curves", "float_confusion"]] if shown else [])
    finish(run(tmp_path, shown, history=False), "deployment")
    assert len(display) == shown


def test_without_a_display_a_note_says_where_the_figures_are(pictures, tmp_path, caplog):
    pyplot.switch_backend("agg")
    caplog.set_level("INFO")
    finish(run(tmp_path, True), "training")
    (note,) = [line for line in caplog.messages if "note:" in line]
    assert "no window can be opened here" in note
    assert "training_curves.png, evaluation/float_confusion.png" in note
