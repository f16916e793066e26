"""The `dataset` section of a configuration to the sets that an operation needs."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyaed.data.clips import ClipSet, listing
from pyaed.data.esc import Selection, read_clips
from pyaed.data.fsd50k import PARTS, read_fsd50k
from pyaed.data.splits import draw, split
from pyaed.errors import UserError

log = logging.getLogger(__name__)

DEFAULT_VALIDATION_SPLIT = 0.2
DEFAULT_SEED = 120
FSD50K = "fsd50k"
#: Its dev set is the training set, its eval set the validation set.
UNUSED_BY_FSD50K = ("training_audio_path", "training_csv_path", "validation_audio_path", "validation_csv_path")
#: ESC-10's part of ESC-50, whose table lists fifty.
ESC10 = ("chainsaw", "clock_tick", "crackling_fire", "crying_baby", "dog", "helicopter", "rain", "rooster", "sea_waves",
         "sneezing")  # fmt: skip


@dataclass(frozen=True)
class Sets:
    """What the configuration provides; None where it gives nothing to take a set from."""

    class_names: tuple[str, ...]
    training: ClipSet | None = None
    validation: ClipSet | None = None
    quantization: ClipSet | None = None
    test: ClipSet | None = None


def read_sets(
    dataset: object,
    class_names: Sequence[str] | None = None,
    fsd50k: object = None,
    missing: dict[str, str] | None = None,
) -> Sets:
    """Read the sets that the `dataset` section describes.

    A set with paths of its own (`training_*`, `validation_*`, `quantization_*`, `test_*` + `audio_path`, `csv_path`) is
    read from there. Validation and test sets without paths are taken out of the training data (see
    `pyaed.data.split`); when nothing names a test set, the validation set serves as one and the log says so. The
    quantization set without paths is the training set. `quantization_split` keeps a stratified share of it.

    Parameters
    ----------
    dataset : mapping or object
        The section; see the module's users for the keys. Keys that are missing count as None.
    class_names : sequence of str, optional
        Classes in output order, from a model; they go before the section's. Without either, `name` esc10 means its ten
        classes, anything else all that the CSV has.
    fsd50k : object, optional
        The section `dataset_specific.fsd50k`. With `name` fsd50k, dev is the training set and eval the validation set.
    missing : dict, optional
        See `read_clips`.

    Returns
    -------
    Sets

    Raises
    ------
    UserError
        See `read_clips` and `split`; also when one of a pair of paths is missing or no set is given at all.
    """
    section = _Section(dataset, fsd50k, missing)
    name = section.name
    if name != FSD50K and getattr(fsd50k, "csv_folder", None):
        log.info("note: dataset_specific.fsd50k is not used: dataset.name is %s", name)
    if name == FSD50K and (unused := section.given(UNUSED_BY_FSD50K)):
        log.info("note: dataset.%s: not used; with dataset.name fsd50k dev is the training set, eval the validation set",
                 ", dataset.".join(unused))  # fmt: skip
    section.names = tuple(class_names or section.get("class_names") or (ESC10 if name == "esc10" else ())) or None
    training, validation, test, quantization = (
        section.read(part) for part in ("training", "validation", "test", "quantization")
    )
    if training is not None:
        training, validation, test = section.take_out(training, validation, test)
    if test is None and validation is not None:
        log.warning("no test set is given; the validation set is the test set, so its score is optimistic")
        test = validation
    quantization = quantization or training
    share = section.get("quantization_split")
    if quantization is not None and share is not None:
        quantization = draw(quantization, share, section.seed, "quantization_split")[1]
    if section.names is None:
        raise UserError(
            "the section 'dataset' names no data; give dataset.training_audio_path and dataset.training_csv_path, "
            "or those of test_, validation_ or quantization_"
        )
    if training is not None and not class_names and len(section.names) < 2:
        raise UserError(
            f"the training clips are of one class only ({listing(section.names)}); expected two classes or more: clips of "
            "what is not to be detected make a class too"
        )
    for part, clips in (("validation", validation), ("test", test)):
        _warn_shared(training, clips, part)
    return Sets(section.names, training, validation, quantization, test)


class _Section:
    """The section, read set by set: the first one settles the class names of those that follow."""

    def __init__(self, dataset: object, fsd50k: object, missing: dict[str, str] | None):
        self.dataset, self.fsd50k, self.missing = dataset, fsd50k, missing
        self.name = str(self.get("name") or "").lower()
        seed = self.get("seed")
        self.seed: int = DEFAULT_SEED if seed is None else seed
        self.names: tuple[str, ...] | None = None

    def get(self, key: str) -> Any:
        """Return a key's value, as the schema has checked it; None where it is missing."""
        return self.dataset.get(key) if isinstance(self.dataset, Mapping) else getattr(self.dataset, key, None)

    def given(self, keys: Sequence[str]) -> list[str]:
        """Return the keys that have a value of their own, not the schema's default."""
        fields = getattr(self.dataset, "model_fields_set", None)
        return [key for key in keys if (fields is None or key in fields) and self.get(key) is not None]

    def read(self, part: str) -> ClipSet | None:
        """Read the set that has paths of its own, or a part of FSD50K."""
        audio, table = self.get(f"{part}_audio_path"), self.get(f"{part}_csv_path")
        selection = Selection(
            class_names=self.names,
            file_extension=self.get("file_extension"),
            multi_label=bool(self.get("multi_label")),
            use_garbage_class=bool(self.get("use_garbage_class")),
            n_samples_per_garbage_class=self.get("n_samples_per_garbage_class"),
            seed=self.seed,
            require_all=part == "training",
        )
        if self.name == FSD50K and part in PARTS:
            clips = read_fsd50k(PARTS[part], self.fsd50k, selection, self.missing)
        elif not audio and not table:
            return None
        else:
            for key, value in (("audio", audio), ("csv", table)):
                if not value:
                    raise UserError(
                        f"dataset.{part}_{key}_path is missing; a set needs its audio_path and its csv_path"
                    )
            clips = read_clips(audio, table, selection, self.missing)
        self.names = clips.class_names
        return clips

    def take_out(
        self, training: ClipSet, validation: ClipSet | None, test: ClipSet | None
    ) -> tuple[ClipSet, ClipSet | None, ClipSet | None]:
        """Take the validation and test sets that have no paths out of the training data."""
        for part, own, keys in (
            ("validation", validation, ("validation_split", "validation_folds")),
            ("test", test, ("test_split", "test_folds")),
        ):
            if own and (unused := self.given(keys)):
                log.info("note: dataset.%s: not used; the %s set is given by itself", ", dataset.".join(unused), part)
        share = self.get("validation_split")
        parts = split(
            training,
            training_folds=self.get("training_folds"),
            test_folds=None if test else self.get("test_folds"),
            validation_folds=None if validation else self.get("validation_folds"),
            validation_split=0.0 if validation else DEFAULT_VALIDATION_SPLIT if share is None else share,
            test_split=0.0 if test else self.get("test_split") or 0.0,
            split_by=self.get("split_by"),
            seed=self.seed,
        )
        validation = validation or (parts.validation if len(parts.validation) else None)
        return parts.training, validation, test or (parts.test if len(parts.test) else None)


def _warn_shared(training: ClipSet | None, other: ClipSet | None, part: str) -> None:
    if training is None or other is None:
        return
    shared = {clip.path.resolve() for clip in training} & {clip.path.resolve() for clip in other}
    if shared:
        log.warning("%d of %d %s clips are also training clips; the score says little", len(shared), len(other), part)
