"""Training, validation and test sets: by fold, or at random and stratified. Always whole clips, never patches."""

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from pyaed.data.clips import Clip, ClipSet, listing
from pyaed.errors import UserError, nearest

log = logging.getLogger(__name__)

SPLIT_BY = ("fold", "random")
TOLERANCE = 0.05  # how far a share may be from the one that was asked for without a word


class Splits(NamedTuple):
    """Disjoint sets; an empty one was not asked for."""

    training: ClipSet
    validation: ClipSet
    test: ClipSet


def stratified_split(clips: ClipSet, fraction: float, seed: int) -> tuple[ClipSet, ClipSet]:
    """Draw a fraction of the clips of every class.

    Of each class with at least two clips at least one stays and at least one is drawn. A clip with several labels
    counts for its rarest one. The draw depends on the clips' names and on `seed`, not on the order of the CSV.

    Parameters
    ----------
    clips : ClipSet
        What to divide.
    fraction : float
        Share to draw, 0 to 1. 0 draws nothing and 1 everything.
    seed : int
        Same seed, same draw.

    Returns
    -------
    (ClipSet, ClipSet)
        What stays and what was drawn, each in the original order.
    """
    if not 0 <= fraction <= 1:
        raise UserError(f"a split of {fraction} is asked for; expected a share from 0 to 1")
    if fraction in (0, 1):
        return (clips, clips.with_clips(())) if fraction == 0 else (clips.with_clips(()), clips)
    frequency = Counter(label for clip in clips for label in clip.labels)
    strata: dict[int, list[Clip]] = {}
    for clip in sorted(clips, key=lambda clip: clip.name):
        strata.setdefault(min(clip.labels, key=lambda label: (frequency[label], label)), []).append(clip)
    drawn: set[str] = set()
    for label in sorted(strata):
        group = strata[label]
        n_drawn = min(max(1, round(fraction * len(group))), len(group) - 1)
        order = np.random.default_rng([seed, label]).permutation(len(group))
        drawn.update(group[i].name for i in order[:n_drawn])
    return _by(clips, lambda clip: clip.name in drawn)


def draw(clips: ClipSet, share: float, seed: int, key: str) -> tuple[ClipSet, ClipSet]:
    """Draw as `stratified_split` does, for the set that `key` of the section `dataset` asks for.

    Raises
    ------
    UserError
        When a share above 0 draws nothing, as every class has one clip only.
    """
    stay, drawn = stratified_split(clips, share, seed)
    if share and len(clips) and not len(drawn):
        raise UserError(
            f"dataset.{key} is {share:g}, which draws no clip: each class of the {len(clips)} clips has one only, and it stays"
        )
    _say_share(key, share, len(drawn), len(clips), "each class with two clips or more gives and keeps at least one")
    return stay, drawn


def split(
    clips: ClipSet,
    *,
    training_folds: Iterable[int] | None = None,
    test_folds: Iterable[int] | None = None,
    validation_folds: Iterable[int] | None = None,
    validation_split: float = 0.2,
    test_split: float = 0.0,
    split_by: str | None = None,
    seed: int = 0,
) -> Splits:
    """Divide clips into training, validation and test sets.

    Folds that are named go where they are named; without `training_folds` the rest is trained on, with them it is left
    out. Sets whose folds aren't named: with `split_by` 'fold' (the default when every clip
    has a fold and no list is given) the last folds, as many as hold the share closest to `validation_split`, are the
    validation set; with 'random' a stratified draw of `validation_split` of what is left is. `test_split` is drawn
    first, stratified, and only when no `test_folds` are given.

    Parameters
    ----------
    clips : ClipSet
        What to divide.
    training_folds, test_folds, validation_folds : iterable of int, optional
        Folds of each set; they need the column `fold` and must not overlap.
    validation_split, test_split : float
        Share of the clips, 0 to below 1.
    split_by : {'fold', 'random'}, optional
        How to draw the validation set.
    seed : int
        Of the stratified draws.

    Returns
    -------
    Splits

    Raises
    ------
    UserError
        For an unknown fold, overlapping folds, folds that only some clips have unless `split_by` is 'random', a share
        that can't be had, or a class without training clips.
    """
    if split_by is not None and split_by not in SPLIT_BY:
        raise UserError(f"dataset.split_by is {split_by!r}; expected 'fold' or 'random'{nearest(split_by, SPLIT_BY)}")
    for key, share in (("validation_split", validation_split), ("test_split", test_split)):
        if not 0 <= share < 1:
            raise UserError(f"dataset.{key} is {share}; expected a share from 0 to below 1")
    folds = sorted({clip.fold for clip in clips if clip.fold is not None})
    without = any(clip.fold is None for clip in clips)
    has_folds = bool(folds) and not without
    given = {"training_folds": training_folds, "test_folds": test_folds, "validation_folds": validation_folds}
    asked = next((key for key in given if given[key]), None)
    if folds and without and (asked or (split_by != "random" and validation_split)):
        advice = f"dataset.{asked} needs it" if asked else "or set dataset.split_by=random, which doesn't look at folds"
        raise UserError(f"{no_fold(clips)}, {advice}")
    named = {key: _folds(key, value, folds) for key, value in given.items()}
    for one, other in itertools.combinations(named, 2):
        both = sorted(named[one] & named[other])
        if both:
            raise UserError(f"fold {listing(both)} stands in both dataset.{one} and dataset.{other}")

    rest, test = _by(clips, lambda clip: clip.fold in named["test_folds"])
    if not named["test_folds"]:
        rest, test = draw(clips, test_split, seed, "test_split")
    if named["training_folds"]:
        used = named["training_folds"] | named["validation_folds"]
        rest = rest.with_clips(clip for clip in rest if clip.fold in used)
    if split_by is None:
        split_by = "fold" if len(folds) > 1 and has_folds and not any(named.values()) else "random"
    if split_by == "fold" and not named["validation_folds"]:
        if not has_folds:
            raise UserError("dataset.split_by is 'fold', but the CSV gives no fold for every clip; use 'random'")
        chosen = _last_folds(rest, validation_split) if validation_split else []
        named["validation_folds"] = frozenset(chosen)
        log.info("validation set: fold %s, by the column 'fold'", listing(chosen) or "none")
    if named["validation_folds"] or split_by == "fold":
        training, validation = _by(rest, lambda clip: clip.fold in named["validation_folds"])
    else:
        training, validation = draw(rest, validation_split, seed, "validation_split")
    present = {name for name, n in clips.class_counts().items() if n}
    lost = [name for name, n in training.class_counts().items() if not n and name in present]
    if lost:
        advice = "name fewer test or validation folds" if asked else "they are all in the validation folds"
        raise UserError(
            f"no training clips are left of class {listing(lost)}; {advice}, or set dataset.split_by=random"
        )
    for part, own in (("validation", validation), ("test", test)):
        absent = [name for name, n in own.class_counts().items() if not n and name in present]
        if absent and len(own):
            log.warning("the %s set has no clip of class %s", part, listing(absent))
    return Splits(training, validation, test)


def no_fold(clips: ClipSet) -> str:
    """Say how many clips have no fold where others have one, and name the first of them."""
    without = [clip for clip in clips if clip.fold is None]
    first = without[0]
    line = "" if first.line is None else f"line {first.line}: "
    return (
        f"{len(without)} of {len(clips)} clips have no fold in the CSV ({line}{first.name}); give every clip its fold"
    )


def _last_folds(clips: ClipSet, share: float) -> list[int]:
    """Return the last folds that hold the share of the clips closest to the one asked for: one at least, never all."""
    sizes = Counter(clip.fold for clip in clips if clip.fold is not None)
    folds = sorted(sizes)
    if len(folds) < 2:
        raise UserError(
            f"dataset.validation_split is {share:g} and dataset.split_by is 'fold', but the clips left have the fold "
            f"{listing(folds)} only; expected two folds or more, or dataset.split_by=random"
        )
    total = len(clips)
    held = {n: sum(sizes[fold] for fold in folds[-n:]) for n in range(1, len(folds))}
    count = min(held, key=lambda n: abs(held[n] / total - share))
    _say_share(
        "validation_split", share, held[count], total,
        f"whole folds are taken, here {listing(folds[-count:])} of {len(folds)}; dataset.split_by=random draws clips",
    )  # fmt: skip
    return folds[-count:]


def _say_share(key: str, share: float, n_drawn: int, n_clips: int, why: str) -> None:
    """Warn where a set is far from the share that was asked for."""
    if n_clips and abs(n_drawn / n_clips - share) > TOLERANCE:
        log.warning("dataset.%s is %g, but %d of %d clips (%.0f %%) are drawn: %s",
                    key, share, n_drawn, n_clips, 100 * n_drawn / n_clips, why)  # fmt: skip


def _by(clips: ClipSet, belongs: Callable[[Clip], bool]) -> tuple[ClipSet, ClipSet]:
    return (
        clips.with_clips(clip for clip in clips if not belongs(clip)),
        clips.with_clips(clip for clip in clips if belongs(clip)),
    )


def _folds(key: str, value: Iterable[int] | None, known: list[int]) -> frozenset[int]:
    wanted = frozenset(() if value is None else value)
    if wanted and not known:
        raise UserError(f"dataset.{key} needs the column 'fold' with an integer for every clip, and the CSV has none")
    unknown = sorted(wanted - set(known))
    if unknown:
        raise UserError(f"dataset.{key} names fold {listing(unknown)}; the CSV has {listing(known)}")
    return wanted
