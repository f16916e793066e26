"""What is wrong with a data set, clip by clip, before anything is trained on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pyaed.data.clips import Clip, ClipSet
from pyaed.data.decode import CLIPPED_SHARE, read_sound
from pyaed.data.preprocess import preprocess, preprocessing_settings, why_silent
from pyaed.dsp import FeatureSpec, to_int16
from pyaed.errors import UserError
from pyaed.files import sha256
from pyaed.progress import progress
from pyaed.workers import executor

CLIPPED_RUN = 4  # samples in a row at the clip's peak, which no microphone delivers by itself
FULL_SCALE = 32440  # 0.99
ROUNDING = 3  # int16 steps between the samples of a clipped stretch
PARTS = 8  # of a clip, whose means tell an offset from a low hum
OFFSET = 0.01  # of full scale; preprocessing.top_db is 60 dB below the loudest frame


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with one clip: `problem` is a word of `PROBLEMS`, `text` says what was found."""

    problem: str
    clip: str
    text: str


PROBLEMS = (
    "missing", "unreadable", "truncated", "silent", "too short", "scaled", "overload", "clipped", "cancelling", "one-sided",
    "offset", "duplicate",
)  # fmt: skip


def check_clips(clips: ClipSet, preprocessing: object, spec: FeatureSpec, workers: int | None = None) -> list[Finding]:
    """Read every clip and report what is wrong.

    Parameters
    ----------
    clips : ClipSet
    preprocessing : mapping or object
        See `preprocessing_settings`.
    spec : pyaed.dsp.FeatureSpec
        Says how long one patch is.
    workers : int, optional
        See `pyaed.workers.worker_count`.

    Returns
    -------
    list of Finding
        Unreadable, silent, clipped (a thousandth of a channel's int16 samples, in runs of four and more, at a peak near
        full scale), with an offset, too short for one patch after preprocessing, with the same content as an earlier
        clip, or with one of `pyaed.data.decode.REMARKS` that matters.
    """
    settings = preprocessing_settings(preprocessing)

    def look(clip: Clip) -> tuple[str, list[Finding]]:
        try:
            digest = sha256(clip.path)
        except OSError as error:
            return "", [Finding("missing", clip.name, error.strerror or str(error))]
        try:
            sound = read_sound(clip.path, settings["target_rate"])
        except UserError as error:
            return digest, [Finding("unreadable", clip.name, str(error))]
        found = [Finding(r.kind, clip.name, r.detail) for r in sound.remarks if r.kind in PROBLEMS]
        pcm = preprocess(sound.audio, settings["target_rate"], settings)
        if not pcm.any():
            found.append(Finding("silent", clip.name, why_silent(sound.remarks)))
        elif not spec.n_patches(len(pcm)):
            seconds, needed = len(pcm) / spec.sample_rate, spec.min_samples / spec.sample_rate
            found.append(Finding("too short", clip.name, f"{seconds:.2f} s, one patch needs {needed:.3f} s"))
        offset = max(constant_offset(channel) for channel in sound.native.T)
        if offset > OFFSET and spec.n_patches(len(pcm)):
            text = f"its mean is {offset:.1%} of full scale; silence is not recognised over it"
            found.append(Finding("offset", clip.name, text))
        share = max(clipped_share(channel) for channel in sound.native.T)
        if share > CLIPPED_SHARE:
            found.append(Finding("clipped", clip.name, f"{share:.1%} of the samples stand at the limit"))
        return digest, found

    looked = list(progress(executor(workers).map(look, clips), len(clips), "dataset check", "clips"))
    findings: list[Finding] = []
    first: dict[str, Clip] = {}
    for clip, (digest, found) in zip(clips, looked):
        findings += found
        if digest and first.setdefault(digest, clip) is not clip:
            other = first[digest]
            same = "" if clip.label == other.label else f", but it is of class {other.category} there"
            findings.append(Finding("duplicate", clip.name, f"the same content as {other.name}{same}"))
    return findings


def constant_offset(channel: npt.NDArray[np.float32]) -> float:
    """Return by how much a channel is off zero throughout: the least mean of its parts, 0 where they differ in sign."""
    means = np.array([part.mean() for part in np.array_split(channel, PARTS) if len(part)])
    return float(np.abs(means).min()) if (means > 0).all() or (means < 0).all() else 0.0


def clipped_share(channel: npt.NDArray[np.float32]) -> float:
    """Return the share of a channel's samples, as int16, in runs of at least `CLIPPED_RUN` at a peak near full scale."""
    level = np.abs(to_int16(channel).astype(np.int32))
    peak = level.max(initial=0)
    if peak < FULL_SCALE:
        return 0.0
    at = np.concatenate(([False], level >= peak - ROUNDING, [False]))
    edges = np.flatnonzero(at[1:] != at[:-1]).reshape(-1, 2)
    runs = edges[:, 1] - edges[:, 0]
    return float(runs[runs >= CLIPPED_RUN].sum() / len(channel))


def shared_clips(sets: dict[str, ClipSet]) -> list[str]:
    """Return one line for every two sets that have clips in common."""
    names = list(sets)
    lines = []
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            both = {clip.path.resolve() for clip in sets[one]} & {clip.path.resolve() for clip in sets[other]}
            if both:
                lines.append(f"{len(both)} clips stand in both the {one} and the {other} set")
    return lines


def summary(findings: Sequence[Finding]) -> dict[str, int]:
    """Return how often every problem was found."""
    return {problem: sum(f.problem == problem for f in findings) for problem in PROBLEMS}
