"""FSD50K: ground truth with labels that were "smeared" up the AudioSet ontology, made plain again.

FSD50K lists with every label all of its ancestors (Electric_guitar comes with Guitar, Musical_instrument, Music). A label
that is only there as an ancestor of another one is dropped, as ST's zoo does.
"""

import csv
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from pyaed.data.clips import ClipSet, listing, near_file
from pyaed.data.esc import EVERYTHING, Selection, clips_of_rows
from pyaed.data.table import Row
from pyaed.errors import UserError
from pyaed.files import native_path

log = logging.getLogger(__name__)

PARTS = {"training": "dev", "validation": "eval"}
MAX_ONTOLOGY_BYTES = 64 << 20


def read_fsd50k(
    part: str, settings: object, selection: Selection = EVERYTHING, missing: dict[str, str] | None = None
) -> ClipSet:
    """Read FSD50K's dev or eval set.

    Parameters
    ----------
    part : {'dev', 'eval'}
    settings : object
        The section `dataset_specific.fsd50k`: `csv_folder` (with dev.csv, eval.csv, vocabulary.csv), `dev_audio_folder`,
        `eval_audio_folder`, `audioset_ontology_path`, `only_keep_monolabel`.
    selection : Selection
        Its class names as the vocabulary spells them.
    missing : dict, optional
        See `read_clips`.

    Returns
    -------
    ClipSet

    Raises
    ------
    UserError
        For a missing setting or file, a label that is not in the vocabulary, a clip with several labels where each may
        have one only.
    """
    folder = _path(settings, "csv_folder")
    audio = _path(settings, f"{part}_audio_folder")
    ancestors = _ancestors(_path(settings, "audioset_ontology_path"))
    mids = _vocabulary(folder / "vocabulary.csv")
    table = folder / f"{part}.csv"
    rows, dropped = [], 0
    for line, record in _records(table, ("fname", "labels")):
        names = tuple(name.strip() for name in record["labels"].split(",") if name.strip())
        unknown = [name for name in names if name not in mids]
        if unknown or not names:
            raise UserError(
                f"{table}, line {line}: label {listing(unknown) or 'missing'}; vocabulary.csv doesn't have it"
            )
        own = unsmear(names, mids, ancestors)
        if getattr(settings, "only_keep_monolabel", True) and len(own) > 1:
            dropped += 1
            continue
        if len(own) > 1 and not selection.multi_label:
            raise UserError(
                f"{table}, line {line}: clip {record['fname']} has the labels {', '.join(own)}; set dataset.multi_label=True "
                "or dataset_specific.fsd50k.only_keep_monolabel=True"
            )
        name = record["fname"].strip()
        if not name or os.sep in name or "/" in name or "\\" in name:
            raise UserError(f"{table}, line {line}: fname {name!r} is no plain file name")
        rows.append(Row(line, name, ";".join(own), own, None))
    log.info("FSD50K %s: %d clips, %d with several labels left out", part, len(rows), dropped)
    if not rows:
        raise UserError(f"{table} lists no clip with one label; set dataset_specific.fsd50k.only_keep_monolabel=False")
    return clips_of_rows(audio, table, rows, selection, missing)


def unsmear(labels: Sequence[str], mids: dict[str, str], ancestors: dict[str, frozenset[str]]) -> tuple[str, ...]:
    """Return the labels that aren't ancestors of another label of the clip, in their order.

    Parameters
    ----------
    labels : sequence of str
        Of one clip.
    mids : dict
        AudioSet's identifier of every label.
    ancestors : dict
        Identifier -> all identifiers above it.
    """
    above = frozenset().union(*(ancestors.get(mids[label], frozenset()) for label in labels))
    return tuple(dict.fromkeys(label for label in labels if mids[label] not in above))


def _path(settings: object, key: str) -> Path:
    value = getattr(settings, key, None)
    if not value:
        raise UserError(f"dataset_specific.fsd50k.{key}: missing, dataset.name fsd50k needs it")
    path = native_path(value)
    if not path.exists():
        raise UserError(f"dataset_specific.fsd50k.{key}: {path} does not exist{near_file(path)}")
    return path


def _ancestors(path: Path) -> dict[str, frozenset[str]]:
    """Return every class's ancestors from AudioSet's ontology.json; a class may have several parents."""
    try:
        if path.stat().st_size > MAX_ONTOLOGY_BYTES:
            raise ValueError("larger than any ontology")
        parents: dict[str, set[str]] = {}
        for item in json.loads(path.read_text(encoding="utf-8")):
            parents.setdefault(item["id"], set())
            for child in item["child_ids"]:
                parents.setdefault(child, set()).add(item["id"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not AudioSet's ontology.json: {error}") from None
    found: dict[str, frozenset[str]] = {}
    for start in parents:
        above, pending = set(), list(parents[start])
        while pending:
            node = pending.pop()
            if node not in above:
                above.add(node)
                pending.extend(parents[node])
        found[start] = frozenset(above - {start})
    return found


def _vocabulary(path: Path) -> dict[str, str]:
    """Return label -> AudioSet identifier; the file has the columns index, label, mid and no header."""
    mids = {}
    for line, record in _records(path, ("index", "label", "mid"), header=False):
        if not record["label"] or not record["mid"]:
            raise UserError(f"{path}, line {line}: expected index,label,mid")
        mids[record["label"].strip()] = record["mid"].strip()
    return mids


def _records(path: Path, columns: tuple[str, ...], header: bool = True) -> list[tuple[int, dict[str, str]]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, None if header else columns)
            for column in columns:
                if column not in (reader.fieldnames or ()):
                    raise UserError(f"{path} has no column '{column}'; its first line gives: {reader.fieldnames}")
            return [(reader.line_num, {k: v or "" for k, v in row.items() if k}) for row in reader]
    except FileNotFoundError:
        raise UserError(f"{path} does not exist{near_file(path)}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not a CSV file in UTF-8: {error}") from None
