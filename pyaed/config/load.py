"""Loading the YAML file: overrides, variables, spellings; every error at once, named by its key."""

import ast
import copy
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from pyaed.config.schema import Config
from pyaed.errors import UserError, nearest

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")


def load(path: str | Path | None, overrides: Sequence[str] = ()) -> Config:
    """Load a configuration file and apply ``key=value`` overrides.

    Parameters
    ----------
    path : path or None
        A YAML file; None starts from the defaults.
    overrides : sequence of str
        ``section.key=value``, the value in YAML; ``section.key=`` gives null.

    Returns
    -------
    Config

    Raises
    ------
    UserError
        File not found, broken YAML, or the list of all keys and values that are wrong.
    """
    tree: Any = {}
    source = "configuration"
    if path is not None:
        source = str(path)
        try:
            text = Path(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise UserError(f"configuration file not found: {path}{_similar_file(Path(path))}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read the configuration file {path}: {error}") from None
        try:
            tree = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
        if tree is None:
            tree = {}
        if not isinstance(tree, dict):
            raise UserError(f"{path}: expected sections such as 'general:', got a {type(tree).__name__}")
    return parse(override(tree, overrides), source)


def override(tree: dict, overrides: Sequence[str]) -> dict:
    """Apply ``section.key=value`` texts to a tree of plain values; returns a new tree."""
    tree = copy.deepcopy(tree)
    for text in overrides:
        _apply(tree, text)
    return tree


def parse(tree: dict, source: str = "configuration") -> Config:
    """Check a tree of plain values and return the typed configuration; `source` begins the messages."""
    tree = _normalise(tree)
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        lines = [f"{source}: {_message(item)}" for item in error.errors()]
        raise UserError("\n".join(dict.fromkeys(lines))) from None


def _similar_file(path: Path) -> str:
    folder = path.parent
    names = [p.name for p in folder.iterdir() if p.suffix in (".yaml", ".yml")] if folder.is_dir() else []
    return nearest(path.name, names)


def _apply(tree: dict, override: str) -> None:
    key, separator, text = override.partition("=")
    key = key.strip().lstrip("+")
    if not separator or not key:
        raise UserError(f"override '{override}': expected key=value, for instance training.epochs=10")
    try:
        value = yaml.safe_load(text) if text.strip() else None
    except yaml.YAMLError:
        raise UserError(f"override '{override}': the value is not valid YAML") from None
    *sections, last = key.split(".")
    node = tree
    for section in sections:
        if node.get(section) is None:
            node[section] = {}
        node = node[section]
        if not isinstance(node, dict):
            raise UserError(f"override '{override}': '{section}' holds a value, not keys")
    node[last] = value


def _expand(text: str) -> str:
    def value(match: re.Match) -> str:
        name = match.group(1)
        if name.startswith("now:"):
            return time.strftime(name[4:])
        name = name.removeprefix("oc.env:").removeprefix("env:")
        name, comma, default = name.partition(",")
        if name in os.environ:
            return os.environ[name]
        if comma:
            return default
        raise UserError(f"${{{name}}}: the environment variable {name} is not set{nearest(name, os.environ)}")

    return _VARIABLE.sub(value, text)


def _normalise(value: Any) -> Any:
    """Expand variables and read the spellings that ST's files use: 'None', ' chain_eqe', '(64, 96, 1)'."""
    if isinstance(value, dict):
        return {str(key): _normalise(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_normalise(item) for item in value]
    if not isinstance(value, str):
        return value
    text = _expand(value).strip()
    if text in ("None", ""):
        return None
    if re.fullmatch(r"\([\d\s,.]*\)", text):
        try:
            return list(ast.literal_eval(text))
        except (SyntaxError, TypeError, ValueError):
            return text
    return text


def _model_at(location: tuple) -> type[BaseModel] | None:
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


def _message(item: dict) -> str:
    location = tuple(part for part in item["loc"])
    model = _model_at(location)
    known = list(model.model_fields) if model else []
    kind, value = item["type"], item.get("input")
    # A union of types reports each alternative with its name behind the key.
    while location and model is None:
        location = location[:-1]
        model = _model_at(location)
    key = ".".join(str(part) for part in location)
    if kind == "extra_forbidden":
        hint = nearest(str(location[-1]), known)
        return f"{key}: unknown key{hint}" + ("" if hint else f"; expected one of {', '.join(known)}")
    if kind == "missing":
        return f"{key}: missing, a value is required"
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", item["ctx"]["expected"])
        return f"{key}: {value!r} is not allowed, expected one of {', '.join(choices)}{nearest(str(value), choices)}"
    expected = item["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return f"{key}: {value!r} is not allowed, expected {expected}"
