"""`pyaed plot-lr`: the learning rate of every epoch from the configuration alone."""

import math

import pytest
from matplotlib.figure import Figure
from support.commands import pyaed

from pyaed import config, operations
from pyaed.errors import UserError
from pyaed.training import TrainingSettings, learning_rates

RESTARTS = {"initial_lr": 0.01, "hold_steps": 30, "decay_steps": 100, "end_lr": 0.0001, "power": 0.4}


def settings(callbacks, optimizer="Adam", epochs=4):
    return TrainingSettings(epochs=epochs, optimizer=optimizer, callbacks=callbacks)


@pytest.mark.parametrize(
    ("callbacks", "rates"),
    [
        (None, [0.001] * 4),
        ({"LRStepDecay": {"initial_lr": 0.01, "step_size": 2, "decay_rate": 0.5}}, [0.01, 0.005, 0.005, 0.0025]),
        ({"LearningRateScheduler": {"schedule": "lambda epoch, lr: lr if epoch < 2 else lr / 2"}}, [1e-3, 1e-3, 5e-4, 2.5e-4]),
        ({"ReduceLROnPlateau": None}, [0.001] * 4),
    ],
)  # fmt: skip
def test_rates(callbacks, rates):
    assert learning_rates(settings(callbacks)) == pytest.approx(rates, rel=1e-6)


def test_a_schedule_of_keras_needs_the_number_of_batches():
    inside = {"SGD": {"learning_rate": {"CosineDecay": {"initial_learning_rate": 0.1, "decay_steps": 40}}}}
    expected = [0.05 * (1 + math.cos(math.pi * epoch / 4)) for epoch in range(4)]
    assert learning_rates(settings(None, inside), 10) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(UserError, match="--batches"):
        learning_rates(settings(None, inside))


def test_a_formula_that_fails_in_a_late_epoch_is_a_mistake_of_the_configuration():
    tree = {"operation_mode": "training", "feature_extraction": {"patch_length": 50}, "training": {"model": {"name": "miniresnet"}}}  # fmt: skip
    formula = {"LearningRateScheduler": {"schedule": "lambda epoch, lr: 0.01 / (40 - epoch)"}}
    tree["training"] |= {"epochs": 40, "callbacks": formula}
    operations.check(config.parse(tree))
    tree["training"]["epochs"] = 41
    with pytest.raises(UserError, match=r"LearningRateScheduler.schedule: the formula fails for {'epoch': 40.0"):
        operations.check(config.parse(tree))


def test_the_picture_has_every_epoch(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, path, format: drawn.append((figure, path, format)) or path.touch()
    )
    tree = {"training": {"epochs": 400, "callbacks": {"LRPolynomialDecayRestarts": RESTARTS}}}
    operations.plot_learning_rate(config.parse(tree), tmp_path / "lr.svg")
    ((figure, _, kind),) = drawn
    x, y = figure.axes[0].lines[0].get_data()
    assert (list(x), kind) == (list(range(1, 402)), "svg")
    assert y[0] == y[29] == pytest.approx(0.01)
    # The document: it restarts at epochs 130, 230 and 330.
    assert [epoch for epoch in range(1, 400) if y[epoch] > y[epoch - 1]] == [130, 230, 330]


def test_the_command(tmp_path):
    (tmp_path / "my.yaml").write_text(f"training: {{callbacks: {{LRPolynomialDecayRestarts: {RESTARTS}}}}}")
    done = pyaed("plot-lr", "-c", "my.yaml", "--out", "new/lr.png", "training.epochs=400", cwd=tmp_path)
    assert done.code == 0, done.err
    assert (tmp_path / "new/lr.png").read_bytes().startswith(b"\x89PNG")
    for arguments, message in (
        (["--out", "lr.gif"], "lr.gif: expected a picture ending with .png, .svg, .pdf"),
        (["training.callbacks={LRCosineDecay: {}}"], "training.callbacks.LRCosineDecay: the argument initial_lr"),
        (["~training"], "training: section missing"),
    ):
        done = pyaed("plot-lr", "-c", "my.yaml", *arguments, cwd=tmp_path)
        assert done.code == 2
        assert message in done.err
    done = pyaed(
        "-q", "plot-lr", "-c", "my.yaml", "training.callbacks={ReduceLROnPlateau: {patience: 3}}", cwd=tmp_path
    )
    assert (done.code, "without it" in done.err) == (0, True)
