"""The learning-rate schedules, at the points that their definitions fix."""

import math

import pytest

from pyaed.errors import UserError
from pyaed.training import schedules

HOLD = {"initial_lr": 1.0, "hold_steps": 5, "decay_steps": 10, "end_lr": 0.1}


def values(name, epochs, **arguments):
    schedule = schedules.make(name, arguments)
    return [schedule(epoch) for epoch in epochs]


@pytest.mark.parametrize(
    ("name", "arguments", "points"),
    [
        ("LRLinearDecay", HOLD, {0: 1, 4: 1, 5: 0.91, 9: 0.55, 14: 0.1, 99: 0.1}),
        ("LRCosineDecay", HOLD, {0: 1, 4: 1, 9: 0.55, 14: 0.1, 99: 0.1}),
        ("LRPolynomialDecay", HOLD, {4: 1, 9: 0.1 + 0.9 * math.sqrt(0.5), 14: 0.1}),
        ("LRPolynomialDecay", HOLD | {"power": 2}, {9: 0.1 + 0.9 * 0.25}),
        (
            "LRExponentialDecay",
            {"initial_lr": 1.0, "hold_steps": 5, "decay_rate": 0.5, "min_lr": 0.01},
            {4: 1, 6: math.exp(-1), 99: 0.01},
        ),
        (
            "LRStepDecay",
            {"initial_lr": 1.0, "step_size": 3, "decay_rate": 0.5, "min_lr": 0.2},
            {0: 1, 1: 1, 2: 0.5, 5: 0.25, 8: 0.2},
        ),
        (
            "LRWarmupCosineDecay",
            {"initial_lr": 0.0, "warmup_steps": 10, "max_lr": 1.0, "hold_steps": 5, "decay_steps": 10, "end_lr": 0.1},
            {0: 0, 5: 0.5, 9: 1, 14: 1, 15: 1, 20: 0.55, 25: 0.1, 99: 0.1},
        ),
        (
            "LRCosineDecayRestarts",
            {"initial_lr": 1.0, "first_decay_steps": 10, "end_lr": 0.0, "t_mul": 2, "m_mul": 0.5},
            {0: 1, 5: 0.5, 10: 0.5, 20: 0.25, 30: 0.25},
        ),
        (  # as the zoo's document has it: initial_lr is not used without a warmup
            "LRWarmupCosineDecay",
            {"warmup_steps": 0, "max_lr": 1.0, "hold_steps": 0, "decay_steps": 10, "end_lr": 0.1},
            {0: 1, 5: 0.55, 10: 0.1},
        ),
        (
            "LRPolynomialDecayRestarts",
            HOLD | {"power": 1},
            {0: 1, 4: 1, 9: 0.55, 14: 0.1, 15: 0.1 + 0.9 * 9 / 20, 24: 0.1, 25: 0.1 + 0.9 * 9 / 30},
        ),
        ("LRPolynomialDecayRestarts", HOLD, {9: 0.1 + 0.9 * 0.5**0.7}),
        (
            "LRPiecewiseConstantDecay",
            {"boundaries": [3, 7], "values": ["1e-1", 0.05, 0.01]},
            {0: 0.1, 2: 0.1, 3: 0.05, 6: 0.05, 7: 0.01, 99: 0.01},
        ),
    ],
)
def test_points(name, arguments, points):
    assert values(name, points, **arguments, verbose=1) == pytest.approx(list(points.values()), abs=1e-12)


def test_numbers_that_yaml_reads_as_text():
    assert values("LRLinearDecay", [99], **(HOLD | {"end_lr": "1e-7"})) == [1e-7]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("LRLinearDecay", HOLD | {"hold_step": 3}, "did you mean 'hold_steps'"),
        (
            "LRWarmupCosineDecay",
            {"warmup_steps": 1, "max_lr": 1, "hold_steps": 0, "decay_steps": 1, "end_lr": 0},
            "initial_lr is missing",
        ),
        ("LRLinearDecay", {"initial_lr": 1}, "hold_steps, decay_steps, end_lr is missing"),
        ("LRLinearDecay", HOLD | {"decay_steps": 0}, "decay_steps is 0, expected 1 or more"),
        ("LRLinearDecay", HOLD | {"end_lr": -1}, "end_lr is -1"),
        ("LRLinearDecay", HOLD | {"end_lr": "x"}, "end_lr is 'x', expected a number"),
        ("LRPiecewiseConstantDecay", {"boundaries": [3, 3], "values": [1, 2, 3]}, "rising"),
        ("LRPiecewiseConstantDecay", {"boundaries": [3], "values": [1]}, "one value more"),
        ("LRPiecewiseConstantDecay", {"boundaries": 3, "values": [1]}, "expected a list"),
    ],
)
def test_refused(name, arguments, message):
    with pytest.raises(UserError, match=message):
        schedules.make(name, arguments)
