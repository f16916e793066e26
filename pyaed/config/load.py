"""Loading the YAML file: overrides, variables, spellings; every error at once, named by its key."""

import ast
import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pyaed.config import document
from pyaed.config.document import Origins, Tree
from pyaed.config.schema import OPERATION_MODES, Config, uses
from pyaed.config.spellings import settle
from pyaed.config.variables import Variables
from pyaed.errors import UserError, brief, nearest, shorten
from pyaed.files import read_bytes

MAX_PROBLEMS = 100  # that are told of one file

Location = tuple[int | str, ...]  # keys, and places in lists
Problem = str | ErrorDetails


def load(path: str | Path | None, overrides: Sequence[str] = (), mode: str | None = None) -> Config:
    """Load a configuration file and apply overrides.

    Parameters
    ----------
    path : path or None
        A YAML file; None starts from the defaults.
    overrides : sequence of str
        In Hydra's grammar: ``section.key=value`` (the value in YAML, nothing means null), ``+section.key=value`` for a
        key that the file doesn't give, ``++section.key=value`` for either, ``~section.key`` to take a key away.
    mode : str, optional
        What will be done, by default the file's `operation_mode`. Mistakes in sections that it doesn't use become notes.

    Returns
    -------
    Config

    Raises
    ------
    UserError
        File not found, broken YAML, or the list of all keys and values that are wrong, each with its line.
    """
    tree: Any = {}
    origins: Origins = {}
    source = "configuration"
    if path is not None:
        source = str(path)
        tree, origins = _read(Path(path))
    return parse(override(tree, overrides, origins), source, origins, mode)


def override(tree: Tree, overrides: Sequence[str], origins: Origins | None = None) -> Tree:
    """Apply overrides (see `load`) to a tree of plain values; returns a new tree and notes in `origins` what they set."""
    tree = copy.deepcopy(tree)
    for text in overrides:
        _apply(tree, text, {} if origins is None else origins)
    return tree


def parse(tree: Tree, source: str = "configuration", origins: Origins | None = None, mode: str | None = None) -> Config:
    """Check a tree of plain values and return the typed configuration.

    Parameters
    ----------
    tree : dict
    source : str
        Begins the messages where `origins` knows nothing better.
    origins : dict, optional
        Where a value comes from, by its keys: ``{("training", "epochs"): "my.yaml, line 12"}``.
    mode : str, optional
        See `load`.
    """
    origins = dict(origins or {})
    problems: list[tuple[Location, Problem]] = []
    tree, moved = settle(tree, origins)
    tree = _normalise(tree, (), Variables(tree), problems)
    mode = mode or (tree.get("operation_mode") if tree.get("operation_mode") in OPERATION_MODES else None)
    config: Config | None = None
    while config is None:
        try:
            config = Config.model_validate(tree)
        except ValidationError as error:
            found = [(item["loc"], item) for item in error.errors()]
            unused = {str(loc[0]) for loc, _ in found if loc and not uses(mode, str(loc[0]))} & set(Config.model_fields)
            problems += found
            if not unused:
                break
            tree = {key: value for key, value in tree.items() if key not in unused}
    texts: dict[bool, list[str]] = {True: [], False: []}  # by whether the operation looks at the section
    for location, problem in problems:
        keys = tuple(str(part) for part in location)
        where = next((origins[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in origins), source)
        lines = texts[not keys or keys[0] not in Config.model_fields or uses(mode, keys[0])]
        if len(lines) < MAX_PROBLEMS:
            lines.append(f"{where}: {problem if isinstance(problem, str) else _message(problem)}")
    if config is None or texts[True]:
        raise UserError("\n".join(dict.fromkeys(texts[True])))
    if isinstance(tree.get("general"), dict) and tree["general"].get("global_seed", 0) is None:
        moved.append(f"general.global_seed: None: {config.general.global_seed} is used; every run draws the same")
    config._notes = moved + [
        f"{text} (ignored: {mode} doesn't use this section)" for text in dict.fromkeys(texts[False])
    ]
    return config


def _read(path: Path) -> tuple[Tree, Origins]:
    """Return a file's tree and the line of each of its keys."""
    if not path.exists():
        raise UserError(f"configuration file not found: {path}{_similar_file(path)}")
    content = read_bytes(path, document.MAX_BYTES, "configuration file")
    try:
        return document.read(content.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        raise UserError(f"cannot read the configuration file {path}: {error}") from None


def _similar_file(path: Path) -> str:
    folder = path.parent
    names = [p.name for p in folder.iterdir() if p.suffix in (".yaml", ".yml")] if folder.is_dir() else []
    return nearest(path.name, names)


def _apply(tree: Tree, override: str, origins: Origins) -> None:
    signed, separator, text = override.partition("=")
    key = re.sub(r"^(~|\+{1,2})", "", signed.strip())
    sign = signed.strip().removesuffix(key)
    if not key or not (separator or sign == "~") or "" in key.split("."):
        raise UserError(
            f"override '{shorten(override)}': expected key=value, +key=value, ++key=value or ~key, for instance training.epochs=10"
        )
    *sections, last = place = tuple(key.split("."))
    if len(place) > document.MAX_DEPTH:
        known = f"a key of {len(place)} parts, expected at most {document.MAX_DEPTH}"
        raise UserError(f"override '{shorten(override)}': {known}")
    node = tree
    for section in sections:
        if node.get(section) is None:
            node[section] = {}
        node = node[section]
        if not isinstance(node, dict):
            raise UserError(f"override '{shorten(override)}': '{shorten(section)}' holds a value, not keys")
    if sign == "~":
        if last not in node or (separator and node[last] != _value(text, override, place)):
            hint = nearest(last, node) if last not in node else f"; it is {brief(node[last])}"
            raise UserError(f"override '{shorten(override)}': there is no such {shorten(key)} to take away{hint}")
        del node[last]
        return
    if sign == "+" and node.get(last) is not None:
        known = f"{shorten(key)} is {brief(node[last])} already"
        raise UserError(f"override '{shorten(override)}': {known}; expected {shorten(key)}=... or ++{shorten(key)}=...")
    node[last] = _value(text, override, place)
    origins[place] = f"override '{shorten(override)}'"


def _value(text: str, override: str, keys: tuple[str, ...]) -> Any:
    """Read an override's value: YAML's lists, mappings, quotes, numbers and switches; anything else is text as it is."""
    text = text.strip()
    try:
        value = document.value(text, keys) if text else None
    except ValueError:
        if text[0] in "[{'\"":
            raise UserError(f"override '{shorten(override)}': the value is not valid YAML") from None
        return text
    return value if text[:1] in ("[", "{", "'", '"') or value is None or isinstance(value, (bool, int, float)) else text


def _normalise(value: Any, location: Location, variables: Variables, problems: list[tuple[Location, Problem]]) -> Any:
    """Expand variables and read the spellings that ST's files use: 'None', ' chain_eqe', '(64, 96, 1)'."""
    if isinstance(value, dict):
        return {str(key): _normalise(item, (*location, str(key)), variables, problems) for key, item in value.items()}
    if isinstance(value, list):
        return [_normalise(item, (*location, i), variables, problems) for i, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    try:
        text = variables.expand(value).strip()
    except UserError as error:
        problems.append((location, f"{'.'.join(map(str, location))}: {error}"))
        return None
    if text in ("None", ""):
        return "None" if text and location[-2:-1] == (document.NAMES,) else None  # a class may be called so
    if re.fullmatch(r"\([\d\s,.]*\)", text):
        try:
            return list(ast.literal_eval(text))
        except (SyntaxError, TypeError, ValueError):
            return text
    return text


def _model_at(location: Location) -> type[BaseModel] | None:
    """Return the section model that holds the last key of a location."""
    model: type[BaseModel] = Config
    for key in location[:-1]:
        field = model.model_fields.get(str(key))
        candidates = [] if field is None else [field.annotation, *get_args(field.annotation)]
        found = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
        if found is None:
            return None
        model = found
    return model


def _home(key: str) -> str:
    """Hint at the section that has a key of this name."""
    homes = [name for name in Config.model_fields if key in getattr(_model_at((name, key)), "model_fields", ())]
    return f" (did you mean '{homes[0]}.{key}'?)" if len(homes) == 1 else ""


def _message(item: ErrorDetails) -> str:
    location: Location = item["loc"]
    model = _model_at(location)
    known = list(model.model_fields) if model else []
    kind, value = item["type"], item.get("input")
    # A union of types reports each alternative with its name behind the key.
    while location and model is None:
        location = location[:-1]
        model = _model_at(location)
    key = shorten(".".join(str(part) for part in location))
    if kind == "extra_forbidden":
        hint = nearest(str(location[-1]), known) or _home(str(location[-1]))
        return f"{key}: unknown key{hint}" + ("" if hint else f"; expected one of {', '.join(known)}")
    if kind == "missing":
        return f"{key}: missing, a value is required"
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", item["ctx"]["expected"])
        return (
            f"{key}: {brief(value)} is not allowed, expected one of {', '.join(choices)}{nearest(str(value), choices)}"
        )
    if kind == "value_error":
        return f"{key}: {item['ctx']['error']}" if key else str(item["ctx"]["error"])
    if kind == "string_type" and isinstance(value, bool):
        return f"{key}: {value} is not allowed, expected text; YAML reads a bare yes, no, on and off so: use quotes"
    expected = item["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return f"{key}: {brief(value)} is not allowed, expected {expected}"
