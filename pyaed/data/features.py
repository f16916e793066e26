"""Clips to patches of log-mel features, in parallel and through the cache."""

import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from pyaed.data.cache import cache_limit, cache_root, entry_key, entry_path, load_entry, prune, save_entry
from pyaed.data.clips import Clip, ClipSet, listing
from pyaed.data.decode import Remark, say_remarks
from pyaed.data.preprocess import preprocessing_settings, read_pcm
from pyaed.data.store import Patches, PatchStore
from pyaed.dsp import FeatureSpec, feature_hash
from pyaed.errors import UserError
from pyaed.files import sha256
from pyaed.progress import progress
from pyaed.workers import executor

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PatchSet:
    """Patches and the clips that they come from.

    Attributes
    ----------
    patches : PatchStore or ndarray of float32, shape (n_patches, n_mels, patch_length)
        On disk; slices and indices read what is needed.
    clip_index : ndarray of int32, shape (n_patches,)
        Index into `clips`, ascending.
    clips : tuple of Clip
        Every clip has at least one patch.
    skipped : tuple of (Clip, str)
        Clips that couldn't be used, with the reason; only when skipping was asked for.
    """

    patches: Patches
    clip_index: npt.NDArray[np.int32]
    clips: tuple[Clip, ...]
    skipped: tuple[tuple[Clip, str], ...] = ()

    def __len__(self) -> int:
        return len(self.patches)

    @property
    def clip_labels(self) -> npt.NDArray[np.int32]:
        """Class index of every clip, int32 (n_clips,); for clips with exactly one label."""
        return np.array([clip.label for clip in self.clips], dtype=np.int32)

    def clip_targets(self, n_classes: int) -> npt.NDArray[np.float32]:
        """Labels of every clip as zeros and ones, float32 (n_clips, n_classes); the form for several labels a clip."""
        targets = np.zeros((len(self.clips), n_classes), dtype=np.float32)
        for row, clip in zip(targets, self.clips):
            row[list(clip.labels)] = 1
        return targets


class PatchMaker(Protocol):
    """What makes patches: `pyaed.dsp.FrontEnd` of whole clips, `pyaed.detector.StreamFrontEnd` as a board does."""

    spec: FeatureSpec

    def __call__(self, pcm: npt.NDArray[np.int16], /) -> npt.NDArray[np.float32]:
        """Return float32 (n_patches, n_features, patch_length) of int16 samples (n_samples,)."""


def extract_features(
    clips: ClipSet | Sequence[Clip],
    frontend: PatchMaker,
    preprocessing: object,
    cache_dir: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    label: str = "features",
    skip_bad: bool = False,
    cache: bool = True,
) -> PatchSet:
    """Decode, preprocess and transform clips; what was computed before comes from the cache.

    An entry's key is the SHA-256 over the file's content, the front end's hash, the preprocessing and the versions of
    the decoder and the resampler, so that nothing stale is ever found. Two processes may share one cache.

    Parameters
    ----------
    clips : ClipSet or sequence of Clip
        What to read.
    frontend : PatchMaker
        Must be safe to call from several threads.
    preprocessing : mapping or object
        See `preprocessing_settings`.
    cache_dir : path, optional
        Folder of the cache; default `cache_root()`.
    workers : int, optional
        See `pyaed.workers.worker_count`.
    label : str
        What the progress line calls this.
    skip_bad : bool
        Leave out clips that can't be used and report them, instead of an error that names them.
    cache : bool
        Whether to use the cache at all.

    Returns
    -------
    PatchSet
        Clips in the given order. What reading changed about the sound is told in one line of the log a set and kind.

    Raises
    ------
    UserError
        Naming clips that can't be decoded, are silent or are too short for one patch, or when the preprocessing's
        rate isn't the front end's.
    """
    clips = tuple(clips)
    settings = preprocessing_settings(preprocessing)
    spec = frontend.spec
    if settings["target_rate"] != spec.sample_rate:
        raise UserError(
            f"preprocessing.target_rate is {settings['target_rate']} Hz, but the features were specified for "
            f"{spec.sample_rate} Hz"
        )
    folder = cache_root() if cache_dir is None else Path(cache_dir)
    cached = _Cached(frontend, settings, folder if cache else None)
    limit = cache_limit()
    patches = PatchStore(spec.patch_shape, folder)
    good: list[Clip] = []
    counts: list[int] = []
    bad: list[tuple[Clip, str]] = []
    remarks: dict[str, tuple[Remark, ...]] = {}
    for clip, result in zip(clips, progress(executor(workers).map(cached, clips), len(clips), label, "clips")):
        if isinstance(result, str):
            bad.append((clip, result))
        else:
            patches.append(result.patches)
            good.append(clip)
            counts.append(len(result.patches))
            remarks[clip.name] = result.remarks

    if cache and cached.hits < len(clips):
        count, removed = prune(folder, limit)
        if count:
            log.info("feature cache: %d entries (%d bytes) removed to stay under the limit", count, removed)
    if bad:
        _leave_out(bad, len(clips), skip_bad)
    say_remarks(label, remarks)
    log.info("%s: %d clips, %d patches, %d clips from the cache", label, len(good), len(patches), cached.hits)
    return PatchSet(patches, np.repeat(np.arange(len(good), dtype=np.int32), counts), tuple(good), tuple(bad))


def _leave_out(bad: Sequence[tuple[Clip, str]], n_clips: int, allowed: bool) -> None:
    """Say which clips are left out, or raise UserError where they may not be, or would be all."""
    if not allowed or len(bad) == n_clips:
        hint = "; dataset.skip_bad_clips=True leaves such clips out" if not allowed else ""
        share = f"{len(bad)} of {n_clips} clips can't be used: " if n_clips > 1 else ""
        raise UserError(share + listing(reason for _, reason in bad) + hint)
    for _, reason in bad:
        log.warning("left out: %s", reason)
    log.warning("%d of %d clips left out", len(bad), n_clips)


class _Made(NamedTuple):
    """One clip's patches, float32 (n_patches, n_features, patch_length), and what reading the clip changed."""

    patches: npt.NDArray[np.float32]
    remarks: tuple[Remark, ...]


class _Cached:
    """Patches of one clip, or the reason why there are none; shared by the threads."""

    def __init__(self, frontend: PatchMaker, settings: dict[str, Any], folder: Path | None):
        self.frontend, self.settings, self.folder = frontend, settings, folder
        self.hits = 0
        self._lock = threading.Lock()

    def __call__(self, clip: Clip) -> _Made | str:
        try:
            return self._patches(clip)
        except UserError as error:
            return str(error)

    def _patches(self, clip: Clip) -> _Made:
        spec = self.frontend.spec
        folder = self.folder  # another thread may give the cache up meanwhile
        if folder is None:
            return self._compute(clip)
        try:
            content = sha256(clip.path)
        except OSError as error:
            raise UserError(f"cannot read {clip.path}: {error.strerror or error}") from error
        key = entry_key(
            content=content,
            features=feature_hash(spec),
            preprocessing=self.settings,
            decoder=[soundfile.__libsndfile_version__, soxr.__version__],
        )
        path = entry_path(folder, key)
        entry = load_entry(path)
        if entry is not None and entry[0].dtype == np.float32 and entry[0].shape[1:] == tuple(spec.patch_shape):
            with self._lock:
                self.hits += 1
            return _Made(entry[0], tuple(Remark(*said) for said in entry[1] or ()))
        made = self._compute(clip)
        if not save_entry(path, made.patches, made.remarks):
            self.folder = None
        return made

    def _compute(self, clip: Clip) -> _Made:
        spec = self.frontend.spec
        pcm, remarks = read_pcm(clip.path, self.settings)
        if not spec.n_patches(len(pcm)):
            rate = spec.sample_rate
            needed = spec.min_samples
            raise UserError(
                f"{clip.path} is too short: {len(pcm) / rate:.2f} s after preprocessing, and one patch needs "
                f"{needed / rate:.3f} s; preprocessing.min_length={np.ceil(needed / rate * 10) / 10:g} repeats short "
                "clips to that many seconds"
            )
        return _Made(self.frontend(pcm), remarks)
