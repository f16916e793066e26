"""YAML as pyaed reads it: plain values and the line of each key, with bounds on what a text may stand for.

A few hundred bytes of YAML can mean billions of values (aliases of aliases), and the library nests and prints them before
anybody counts. Here values are counted while they are composed, and again before an alias is followed.
"""

from typing import Any

import yaml

from pyaed.errors import UserError

MAX_BYTES = 1 << 18  # of a file; the published configurations have up to 5 KB
MAX_VALUES = 20_000  # keys and values, aliases counted as what they stand for
MAX_DEPTH = 50
MAX_KEY = 200  # characters
MAX_NUMBER = 64  # characters

Tree = dict[str, Any]  # what YAML gives: mappings, lists, text, numbers, switches
Origins = dict[tuple[str, ...], str]

NAMES = "class_names"  # a list of text, whatever its items look like: 010 is no number there
_SWITCHES = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:null")
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _Loader(yaml.SafeLoader):
    """Counts what it composes."""

    n_nodes = 0
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.n_nodes += 1
        self.depth += 1
        problem = f"more than {MAX_VALUES} values" if self.n_nodes > MAX_VALUES else "nested too deeply"
        if self.n_nodes > MAX_VALUES or self.depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=self.get_mark())
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        if node.tag in _NUMBERS and len(node.value) > MAX_NUMBER:
            raise yaml.MarkedYAMLError(
                problem=f"a number of {len(node.value)} characters, expected at most {MAX_NUMBER}",
                problem_mark=node.start_mark,
            )
        return node


def read(text: str, source: str) -> tuple[Tree, Origins]:
    """Read a whole file.

    Parameters
    ----------
    text : str
    source : str
        Its path, for messages.

    Returns
    -------
    tree : dict
        Empty for an empty file.
    origins : dict
        Where each value stands, by its keys: ``{("training", "epochs"): "my.yaml, line 12"}``.

    Raises
    ------
    UserError
        Not YAML, no sections, a key twice, or more than the bounds above.
    """
    origins: Origins = {}
    try:
        tree = _construct(text, source, origins)
    except yaml.YAMLError as error:
        raise UserError(f"{source}: not valid YAML: {_described(error)}") from None
    except RecursionError:
        raise UserError(f"{source}: nested too deeply") from None
    except ValueError as error:  # a date that doesn't exist, for instance
        raise UserError(f"{source}: not valid YAML: {error}") from None
    if tree is None:
        return {}, {}
    if not isinstance(tree, dict):
        raise UserError(f"{source}: expected sections such as 'general:', got a {type(tree).__name__}")
    return tree, origins


def value(text: str, keys: tuple[str, ...] = ()) -> Any:
    """Return the value of a key written in YAML; ValueError when it is none, or more than the bounds above."""
    try:
        return _construct(text, "value", {}, keys)
    except (yaml.YAMLError, RecursionError, UserError) as error:
        raise ValueError(str(error)) from None


def _construct(text: str, source: str, origins: Origins, keys: tuple[str, ...] = ()) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _locate(node, keys, source, origins)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _described(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    mark = error.problem_mark
    return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem or error.context}"


def _locate(node: yaml.Node, keys: tuple[str, ...], source: str, origins: Origins) -> None:
    if len(origins) > MAX_VALUES:
        raise UserError(f"{source}: more than {MAX_VALUES} values; a YAML alias stands for too many")
    if len(keys) > MAX_DEPTH:
        raise UserError(f"{source}: nested too deeply")
    if isinstance(node, yaml.MappingNode):
        for key, item in node.value:
            where = f"{source}, line {key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode):
                raise UserError(f"{where}: a {key.id} cannot be a key, expected a name")
            if len(key.value) > MAX_KEY:
                raise UserError(f"{where}: a key of {len(key.value)} characters, expected at most {MAX_KEY}")
            inner = (*keys, key.value)
            if inner in origins and origins[inner] != where:
                raise UserError(f"{where}: {'.'.join(inner)} stands here and in {origins[inner].rpartition(', ')[2]}")
            origins[inner] = where
            _locate(item, inner, source, origins)
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            inner = (*keys, str(i))
            origins[inner] = f"{source}, line {item.start_mark.line + 1}"
            if keys[-1:] == (NAMES,) and isinstance(item, yaml.ScalarNode) and item.tag not in _SWITCHES:
                item.tag = "tag:yaml.org,2002:str"
            _locate(item, inner, source, origins)
