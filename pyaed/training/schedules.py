"""Learning-rate schedules by the names, arguments and values that users of ST's zoo know.

Each maker returns a function of the epoch, counted from 0. Arguments called `*_steps` count epochs.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyaed.errors import UserError
from pyaed.training.arguments import checked

Schedule = Callable[[int], float]


def _after_hold(epoch: int, hold_steps: int, decay_steps: int) -> float:
    """Share of the decay that is done, 0 to 1; the last epoch of the hold phase counts as its start."""
    return min(max((epoch - hold_steps + 1) / decay_steps, 0.0), 1.0)


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * share))


def linear(*, initial_lr: float, hold_steps: int, decay_steps: int, end_lr: float) -> Schedule:
    return polynomial(initial_lr=initial_lr, hold_steps=hold_steps, decay_steps=decay_steps, end_lr=end_lr, power=1.0)


def exponential(*, initial_lr: float, hold_steps: int, decay_rate: float, min_lr: float = 0.0) -> Schedule:
    return lambda epoch: max(min_lr, initial_lr * math.exp(-decay_rate * max(0, epoch - hold_steps + 1)))


def step(*, initial_lr: float, step_size: int, decay_rate: float, min_lr: float = 0.0) -> Schedule:
    return lambda epoch: max(min_lr, initial_lr * decay_rate ** ((epoch + 1) // step_size))


def cosine(*, initial_lr: float, hold_steps: int, decay_steps: int, end_lr: float) -> Schedule:
    return lambda epoch: _half_cosine(initial_lr, end_lr, _after_hold(epoch, hold_steps, decay_steps))


def warmup_cosine(
    *,
    warmup_steps: int,
    max_lr: float,
    hold_steps: int,
    decay_steps: int,
    end_lr: float,
    initial_lr: float | None = None,
) -> Schedule:
    if initial_lr is None and warmup_steps > 0:
        raise UserError(
            "training.callbacks.LRWarmupCosineDecay: the argument initial_lr is missing; the warmup begins with it"
        )
    start = initial_lr or 0.0

    def schedule(epoch: int) -> float:
        if epoch < warmup_steps - 1:
            return start + (max_lr - start) * epoch / warmup_steps
        return _half_cosine(max_lr, end_lr, _after_hold(epoch, warmup_steps + hold_steps + 1, decay_steps))

    return schedule


def cosine_restarts(
    *, initial_lr: float, first_decay_steps: int, end_lr: float, t_mul: float = 2, m_mul: float = 1.0
) -> Schedule:
    """Periods of ``first_decay_steps * t_mul**i`` epochs; the part above `end_lr` shrinks by `m_mul` each time."""

    def schedule(epoch: int) -> float:
        at, period, height = float(epoch), float(first_decay_steps), initial_lr - end_lr
        while at >= period:
            at -= period
            period *= t_mul
            height *= m_mul
        return _half_cosine(end_lr + height, end_lr, at / period)

    return schedule


def polynomial(*, initial_lr: float, hold_steps: int, decay_steps: int, end_lr: float, power: float = 0.5) -> Schedule:
    def schedule(epoch: int) -> float:
        return end_lr + (initial_lr - end_lr) * math.pow(1.0 - _after_hold(epoch, hold_steps, decay_steps), power)

    return schedule


def polynomial_restarts(
    *, initial_lr: float, hold_steps: int, decay_steps: int, end_lr: float, power: float = 0.7
) -> Schedule:
    """Whenever the end is reached, the decay is stretched by `decay_steps`: the rate jumps up, each time less high."""

    def schedule(epoch: int) -> float:
        done = max(0, epoch - hold_steps + 1)
        share = done / (decay_steps * max(1, math.ceil(done / decay_steps)))
        return end_lr + (initial_lr - end_lr) * math.pow(1.0 - share, power)

    return schedule


def piecewise_constant(*, boundaries: Sequence[float], values: Sequence[float]) -> Schedule:
    return lambda epoch: values[bisect_right(boundaries, epoch)]


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "LRLinearDecay": linear,
    "LRExponentialDecay": exponential,
    "LRStepDecay": step,
    "LRCosineDecay": cosine,
    "LRWarmupCosineDecay": warmup_cosine,
    "LRCosineDecayRestarts": cosine_restarts,
    "LRPolynomialDecay": polynomial,
    "LRPolynomialDecayRestarts": polynomial_restarts,
    "LRPiecewiseConstantDecay": piecewise_constant,
}


def make(name: str, arguments: Mapping[str, Any] | None) -> Schedule:
    """Make the schedule `name` of `SCHEDULES`.

    Parameters
    ----------
    name : str
    arguments : mapping
        As in the YAML file; `verbose` is accepted and means nothing, each epoch's rate is logged anyway.

    Returns
    -------
    callable
        Epoch (int, from 0) -> learning rate (float, 0 or more).

    Raises
    ------
    UserError
        For an unknown, missing or impossible argument.
    """
    if isinstance(arguments, Mapping):
        arguments = {key: value for key, value in arguments.items() if key != "verbose"}
    return SCHEDULES[name](**checked(f"training.callbacks.{name}", SCHEDULES[name], arguments))
