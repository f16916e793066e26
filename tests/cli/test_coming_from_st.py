"""docs/coming-from-st.md against the schema, the operation modes, the spellings and a run's folder."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from pyaed import config
from pyaed.config.schema import OPERATION_MODES, Config
from pyaed.config.spellings import MOVES
from pyaed.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/coming-from-st.md").read_text(encoding="utf-8")
STATES = ("same", "different", "not there", "ours")
#: What a section needs so that it can stand in a configuration at all.
NEEDED = {"training.model": {"name": "miniresnet"}, "prediction": {"test_files_path": "x"}}


def part(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of a part's tables, without their heads."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in part(title).splitlines() if line[:1] == "|"
    ]
    heads = {i for i, row in enumerate(cells) if set(row[0]) <= {"-"}}
    return [row for i, row in enumerate(cells) if i not in heads and i + 1 not in heads]


KEYS = {row[0].strip("`"): row[1:] for row in rows("Every key")}


def leaves(model: type[BaseModel] = Config, before: tuple[str, ...] = ()) -> Iterator[tuple[str, bool]]:
    """Every key of the schema, and whether a value is required."""
    for name, field in model.model_fields.items():
        alternatives = [a for a in (field.annotation, *get_args(field.annotation)) if isinstance(a, type)]
        section = next((a for a in alternatives if issubclass(a, BaseModel)), None)
        if section is None:
            yield ".".join((*before, name)), field.is_required()
        else:
            yield from leaves(section, (*before, name))


LEAVES = dict(leaves())


def test_every_key_of_the_schema_has_one_row_and_every_row_a_key():
    named = [row[0].strip("`") for row in rows("Every key")]
    assert len(named) == len(set(named)) > 150
    there = {key for key, (state, *_) in KEYS.items() if state != "not there"}
    assert there == set(LEAVES) - {"operation_mode"}
    assert {state for state, *_ in KEYS.values()} == set(STATES)


def loaded(key: str, *value: Any) -> Any:
    """A key's value in a configuration that gives only what its sections need, and `value` where it is there."""
    tree: dict[str, Any] = {}
    *sections, name = key.split(".")
    node = tree
    for i, section in enumerate(sections):
        node = node.setdefault(section, dict(NEEDED.get(".".join(sections[: i + 1]), {})))
    if value:
        node[name] = value[0]
    found: Any = config.parse(tree)
    for section in key.split("."):
        found = getattr(found, section)
    return found


@pytest.mark.parametrize("key", [key for key, (state, *_) in KEYS.items() if state != "not there"])
def test_its_default_is_the_schemas(key):
    default = KEYS[key][1]
    assert (default == "required") == LEAVES[key]
    if default == "required":
        return
    own = loaded(key)
    if not default:
        assert own is None
        return
    given = loaded(key, config.document.value(default, (key,)))
    if key == "hydra.run.dir":  # the time
        own, given = own[:-3], given[:-3]
    assert given == own


@pytest.mark.parametrize("key", [key for key, (state, *_) in KEYS.items() if state == "not there"])
def test_what_is_not_there_is_refused_by_name(key):
    with pytest.raises(UserError, match=f"{re.escape(key)}: unknown key"):
        loaded(key, 1)


def test_every_operation_mode_has_its_row():
    named = [row[0].strip("`") for row in rows("Operation modes")]
    assert sorted(named) == sorted(OPERATION_MODES)


def test_the_keys_of_another_place_are_those_that_are_moved():
    named = {(row[0].strip("`"), row[1].strip("`")) for row in rows("Keys that have another place here")}
    assert named == {(".".join(theirs), ".".join(ours)) for theirs, ours in MOVES.items()}


def test_a_note_is_promised_where_one_is_given():
    """Keys that are 'not used, and a note says so': with a value of their own the note is there."""
    values = {
        "general.global_seed": "None",
        "dataset.expand_last_dim": False,
        "data_augmentation.SpecAug.freq_mask_param": 1,
        "data_augmentation.SpecAug.mask_value": -4.0,
        "quantization.optimize": True,
        "deployment.verbosity": 2,
    }
    promised = [key for key, row in KEYS.items() if "a note" in row[2]]
    assert len(promised) > 10
    for key in promised:
        tree: dict[str, Any] = {"training": {"model": NEEDED["training.model"]}}
        if "SpecAug" in key:
            tree["data_augmentation"] = {"SpecAug": {"enable": True, "time_mask_param": 5, "freq_mask_param": 5}}
        *sections, name = key.split(".")
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
        node[name] = values.get(key, "x")
        lines = config.notes(config.parse(tree))
        assert any(line.startswith(f"{key}:") for line in lines), (key, lines)


def test_the_files_are_where_the_page_says(project):
    run = project.folder / "run"
    here = " ".join(row[2] for row in rows("Files"))
    named = [
        name for name in re.findall(r"`([\w./]+)`", here) if "/" in name or name.endswith((".log", ".png", ".html"))
    ]
    assert len(named) >= 10
    missing = [name for name in named if not (run / name).exists()]
    assert missing == []


def test_who_reads_the_readme_finds_the_page():
    assert "docs/coming-from-st.md" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "coming-from-st.md" in (ROOT / "docs/data.md").read_text(encoding="utf-8")
