"""FSD50K: ground truth with labels that were "smeared" up the AudioSet ontology, made plain again.

FSD50K lists with every label all of its ancestors (Electric_guitar comes with Guitar, Musical_instrument, Music). A label
that is only there as an ancestor of another one is dropped, as ST's zoo does.
"""

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from pyaed.data.budgets import MAX_LABELS, MAX_ONTOLOGY_BYTES, MAX_ONTOLOGY_CLASSES, MAX_ONTOLOGY_LINKS
from pyaed.data.clips import ClipSet, listing, near_file
from pyaed.data.csv_file import read_csv
from pyaed.data.esc import EVERYTHING, Selection, clips_of_rows
from pyaed.data.table import Row
from pyaed.errors import UserError, nearest, shorten
from pyaed.files import native_path, read_bytes

log = logging.getLogger(__name__)

PARTS = {"training": "dev", "validation": "eval"}


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
    columns, records = read_csv(table)
    for column in ("fname", "labels"):
        if column not in columns:
            raise UserError(
                f"{table} has no column '{column}'{nearest(column, columns)}; its first line gives: {', '.join(columns)}"
            )
    for line, record in records:
        names = tuple(name.strip() for name in record["labels"].split(",") if name.strip())
        unknown = [name for name in names if name not in mids]
        if unknown or not names:
            raise UserError(
                f"{table}, line {line}: label {listing(unknown) or 'missing'}; vocabulary.csv doesn't have it"
            )
        if len(names) > MAX_LABELS:
            raise UserError(f"{table}, line {line}: {len(names)} labels of one clip, expected at most {MAX_LABELS}")
        own = unsmear(names, mids, ancestors)
        if not own:
            raise UserError(
                f"{table}, line {line}: in the ontology each of {listing(names)} lies above another of them: a circle"
            )
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
    own = {mids[label] for label in labels}
    above = frozenset().union(*(own & ancestors.get(mid, frozenset()) for mid in own))
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
    content = read_bytes(path, MAX_ONTOLOGY_BYTES, "ontology")
    parents: dict[str, set[str]] = {}
    links = 0
    try:
        for item in json.loads(content.decode("utf-8")):
            children = item["child_ids"]
            if isinstance(children, str) or not all(isinstance(name, str) for name in (item["id"], *children)):
                raise ValueError("an id that is no text")
            links += len(children)
            parents.setdefault(item["id"], set())
            for child in children:
                parents.setdefault(child, set()).add(item["id"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else shorten(str(error))
        raise UserError(f"{path} is not AudioSet's ontology.json: {reason}") from None
    if len(parents) > MAX_ONTOLOGY_CLASSES or links > MAX_ONTOLOGY_LINKS:
        raise UserError(
            f"{path} is not AudioSet's ontology.json: {len(parents)} classes with {links} links, expected at most "
            f"{MAX_ONTOLOGY_CLASSES} and {MAX_ONTOLOGY_LINKS}"
        )
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
    for line, record in read_csv(path, ("index", "label", "mid"))[1]:
        if not record["label"] or not record["mid"]:
            raise UserError(f"{path}, line {line}: expected index,label,mid")
        mids[record["label"].strip()] = record["mid"].strip()
    return mids
