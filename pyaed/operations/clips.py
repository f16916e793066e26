"""The configured sets of clips, their features, and what is wrong with them."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pyaed import text
from pyaed.artefact import ModelMetadata
from pyaed.config import Config, schema
from pyaed.detector import DetectorSettings, StreamFrontEnd, loud_patches
from pyaed.dsp import FeatureSpec, FrontEnd
from pyaed.errors import UserError

if TYPE_CHECKING:
    from pyaed.data import ClipSet, PatchSet, Sets
    from pyaed.data.features import PatchMaker

log = logging.getLogger(__name__)

FAKE_PATCHES = 128


def read_sets(config: Config, class_names: Sequence[str] | None = None) -> "Sets":
    from pyaed import data

    return data.read_sets(config.dataset, class_names, fsd50k(config))


def fsd50k(config: Config) -> schema.Fsd50k | None:
    return config.dataset_specific.fsd50k if config.dataset_specific else None


def features(config: Config, settings: ModelMetadata, clips: "ClipSet", label: str) -> "PatchSet":
    from pyaed import data

    return data.extract_features(
        clips,
        FrontEnd(settings.features),
        settings.preprocessing,
        label=label,
        skip_bad=config.dataset.skip_bad_clips,
        cache=config.dataset.to_cache,
    )


def fake_patches(settings: ModelMetadata) -> npt.NDArray[np.float32]:
    """Return patches (n_patches, n_features, patch_length) of random noise, where there are no clips to quantize with."""
    from pyaed.data.synthetic import noise

    rng, front_end, n = np.random.default_rng(0), FrontEnd(settings.features), settings.features.min_samples
    return np.concatenate([front_end.patches(front_end.log_mel(noise(rng, n)))[:1] for _ in range(FAKE_PATCHES)])


def whole(settings: ModelMetadata) -> dict[str, Any]:
    """Return the preprocessing of recordings that are heard as they are: nothing is cut out of them."""
    return {**settings.preprocessing, "top_db": None, "max_length": None, "trim_last_second": False}


def streamed(
    config: Config, settings: ModelMetadata, detector: DetectorSettings, clips: "ClipSet", label: str
) -> tuple["PatchSet", npt.NDArray[np.bool_]]:
    """Return the patches of clips as a board hears them, silence left in, and for every patch whether it is classified.

    Features that only a host can make come from whole recordings.
    """
    from pyaed import data

    front_end: PatchMaker
    try:
        front_end = StreamFrontEnd(detector)
    except UserError as error:
        log.info("note: not as a board would have it: %s", error)
        front_end = FrontEnd(detector.features)
    # The cache holds the patches of whole clips, which may be one less.
    patches = data.extract_features(
        clips, front_end, whole(settings), label=label, skip_bad=config.dataset.skip_bad_clips, cache=False
    )
    classified = [np.ones(len(patches), bool)]
    if detector.gate:
        counts = np.bincount(patches.clip_index, minlength=len(patches.clips))
        classified = [
            loud_patches(data.load_pcm(clip.path, whole(settings)), n, detector)[0]
            for clip, n in zip(patches.clips, counts)
        ]
    return patches, np.concatenate(classified)


def test_set(config: Config, settings: ModelMetadata) -> "ClipSet":
    names = [name for name in settings.class_names if name != settings.garbage_class]
    if settings.garbage_class and not config.dataset.use_garbage_class:
        log.warning(
            "the model has the class '%s', but nothing tests it: dataset.use_garbage_class=True draws clips for it",
            settings.garbage_class,
        )
    sets = read_sets(config, names)
    if sets.test is None:
        raise UserError(
            "the section 'dataset' gives no test clips: set dataset.test_audio_path and test_csv_path, "
            "or dataset.test_folds"
        )
    return sets.test


def check_dataset(config: Config, echo: Callable[[str], None] = print) -> bool:
    """Print the class counts of every configured set and what is wrong with its clips; True when nothing is."""
    from pyaed import data

    spec = FeatureSpec.from_sections(config.feature_extraction, config.preprocessing)
    missing: dict[str, str] = {}
    found = data.read_sets(config.dataset, None, fsd50k(config), missing)
    sets = {part: getattr(found, part) for part in ("training", "validation", "test") if getattr(found, part)}
    if not sets:
        sets = {"quantization": found.quantization}
    if sets.get("test") is sets.get("validation"):
        sets.pop("test", None)
    rows = [
        {"class": name, **{part: clips.class_counts()[name] for part, clips in sets.items()}}
        for name in found.class_names
    ]
    echo(text.format_table(rows) + "\n")
    clips = next(iter(sets.values()))
    every = {clip.path: clip for part in sets.values() for clip in part if clip.name not in missing}
    findings = [data.Finding("missing", name, f"the file is not there, {text}") for name, text in missing.items()]
    findings += data.check_clips(clips.with_clips(every.values()), config.preprocessing, spec)
    for finding in findings:
        echo(f"{finding.problem:10}  {finding.clip}: {finding.text}")
    shared = data.shared_clips(sets)
    for line in shared:
        echo(line)
    counts = ", ".join(f"{n} {problem}" for problem, n in data.summary(findings).items() if n)
    echo(f"{len(every)} clips: {counts or 'nothing wrong'}")
    return not findings and not shared
