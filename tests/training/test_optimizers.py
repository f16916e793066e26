"""`training.optimizer`: every optimizer of the installed Keras, its arguments, and Keras' schedules as its learning rate."""

import numpy as np
import pytest

from pyaed.config import parse
from pyaed.errors import UserError
from pyaed.models.keras import import_keras
from pyaed.training import optimizers


def public(space, base):
    return [n for n in dir(space) if isinstance(getattr(space, n), type) and issubclass(getattr(space, n), base)]


def test_all_of_the_installed_keras():
    space = import_keras().optimizers
    bases = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
    assert set(optimizers.names()) == set(public(space, space.Optimizer)) - bases
    assert {"Adam", "AdamW", "Adafactor", "Lamb", "Lion", "Muon", "Nadam", "RMSprop", "SGD"} <= set(optimizers.names())
    schedules = public(space.schedules, space.schedules.LearningRateSchedule)
    assert set(optimizers.schedule_names()) == {*schedules} - {"LearningRateSchedule"}


def step(optimizer):
    """How far one step moves a weight."""
    weight = import_keras().Variable(np.ones((2, 2), np.float32))
    optimizer.build([weight])
    optimizer.apply([np.full((2, 2), 0.5, np.float32)], [weight])
    return np.abs(np.asarray(weight) - 1).max()


@pytest.mark.parametrize("name", optimizers.names())
def test_each_by_its_name_alone_and_with_arguments(name):
    if name == "Muon" and import_keras().__version__.startswith("3.12."):
        with pytest.raises(UserError, match="can't train with it here"):
            optimizers.make(name)
        return
    assert 0 < step(optimizers.make(name)) < 1
    made = optimizers.make({name: {"learning_rate": "1e-2", "clipnorm": 1, "use_ema": True, "name": "mine"}})
    assert type(made).__name__ == name
    assert float(made.learning_rate) == pytest.approx(0.01)
    assert (made.clipnorm, made.use_ema, made.name) == (1, True, "mine")
    assert step(made) > 0


def test_one_that_cannot_do_a_step_is_told_before_the_training(monkeypatch):
    def fails(self, *arguments):
        raise AttributeError("'ResourceVariable' object has no attribute 'path'")

    monkeypatch.setattr(import_keras().optimizers.Lion, "update_step", fails)
    with pytest.raises(
        UserError, match=r"training\.optimizer\.Lion: Keras 3\.\d+\.\d+ can't train with it here .AttributeError: "
    ):
        optimizers.make("Lion")


def test_one_line_in_the_file():
    assert parse({"training": {"optimizer": "Nadam"}}).training.optimizer == {"Nadam": None}
    for empty in (None, {}):
        assert type(optimizers.make(empty)).__name__ == "Adam"
    assert float(optimizers.make({"SGD": {"learning_rate": None}}).learning_rate) == pytest.approx(0.01)  # its default


@pytest.mark.parametrize(
    ("name", "arguments", "batches", "rate"),
    [
        ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 10}, 5, 0.05),
        ("CosineDecay", {"initial_learning_rate": 0, "decay_steps": 10, "warmup_target": 0.1, "warmup_steps": 4}, 2, 0.05),
        ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 4, "m_mul": 0.5}, 4, 0.05),
        ("ExponentialDecay", {"initial_learning_rate": "1e-1", "decay_steps": 2, "decay_rate": 0.5}, 2, 0.05),
        ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 1, "decay_rate": 0.5}, 2, 0.05),
        ("PiecewiseConstantDecay", {"boundaries": [2, 5], "values": [0.1, 0.05, 0.01]}, 4, 0.05),
        ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 4, "end_learning_rate": 0}, 2, 0.05),
    ],
)  # fmt: skip
def test_schedules(name, arguments, batches, rate):
    made = optimizers.make({"SGD": {"learning_rate": {name: arguments}, "momentum": 0.9}})
    assert optimizers.scheduled(made)
    assert made.momentum == 0.9
    weight = import_keras().Variable(np.zeros(2, np.float32))
    for _ in range(batches):
        made.apply([np.ones(2, np.float32)], [weight])
    assert float(made.learning_rate) == pytest.approx(rate, rel=1e-5)
    assert not optimizers.scheduled(optimizers.make("SGD"))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"Adan": {}}, r"training\.optimizer: unknown optimizer 'Adan'.*Adafactor.*\(did you mean 'Adam'\?\)"),
        ("adam", r"unknown optimizer 'adam'.*did you mean 'Adam'"),
        ("rmsProp", "did you mean 'RMSprop'"),
        ("Optimizer", "unknown optimizer 'Optimizer'"),
        ({"Adam": {}, "SGD": {}}, r"names 2 optimizers \(Adam, SGD\), expected one optimizer"),
        ({"LossScaleOptimizer": {"inner_optimizer": "Adam"}}, "LossScaleOptimizer: it is for training in 16-bit"),
        ("MultiOptimizer", "MultiOptimizer: it takes several optimizers"),
        ({"Adam": {"learning_rat": 1}}, r"training\.optimizer\.Adam: no argument 'learning_rat' \(did you mean 'learning_rate'"),
        ({"Adam": {"lr": 1}}, "no argument 'lr' .did you mean 'learning_rate'"),
        ({"SGD": {"decay": 0.1}}, "no argument 'decay' .Keras 3 has none; learning_rate: {InverseTimeDecay"),
        ({"Adam": {"kwargs": 1}}, "no argument 'kwargs'"),
        ({"Adam": {"learning_rate": "fast"}}, r"training\.optimizer\.Adam\.learning_rate is 'fast', expected a number"),
        ({"Adam": {"learning_rate": "0,1"}}, "expected a number"),
        ({"Adam": {"learning_rate": True}}, "learning_rate is True, expected a number"),
        ({"Adam": {"learning_rate": -0.1}}, "expected 0 or more"),
        ({"Adam": {"learning_rate": float("nan")}}, "expected a number"),
        ({"Adam": {"learning_rate": 10**400}}, "expected a number"),
        ({"Adam": {"beta_1": 1.5}}, "beta_1 is 1.5, expected a number from 0 to below 1"),
        ({"Adam": {"amsgrad": 1}}, "amsgrad is 1, expected True or False"),
        ({"Adam": {"name": 3}}, "name is 3, expected text"),
        ({"Adam": {"gradient_accumulation_steps": 2.5}}, "expected a whole number"),
        ({"Adam": {"gradient_accumulation_steps": 1}}, r"training\.optimizer\.Adam: .*>= 2"),
        ({"Adam": {"clipnorm": 1, "clipvalue": 1}}, "Only one of"),
        ({"Adam": [1]}, r"training\.optimizer\.Adam is \[1\], expected arguments"),
        ({"SGD": {"learning_rate": {"CosinDecay": {}}}}, r"training\.optimizer\.SGD\.learning_rate: unknown schedule.*'CosineDecay'"),
        ({"SGD": {"learning_rate": {"CosineDecay": {"decay_steps": 0}}}}, "initial_learning_rate is missing"),
        (
            {"SGD": {"learning_rate": {"CosineDecay": {"initial_learning_rate": 1, "decay_steps": 0}}}},
            r"training\.optimizer\.SGD\.learning_rate\.CosineDecay\.decay_steps is 0, expected 1 or more",
        ),
        ({"SGD": {"learning_rate": {"PiecewiseConstantDecay": {"boundaries": [2, 1], "values": [1, 2, 3]}}}}, "rising boundaries"),
    ],
)  # fmt: skip
def test_refused(spec, message):
    with pytest.raises(UserError, match=message):
        optimizers.make(spec)
