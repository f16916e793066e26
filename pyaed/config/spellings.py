"""Keys that ST's files of other years call otherwise: moved to where the schema has them, and told in a note."""

import re
from typing import Any

Keys = tuple[str, ...]

#: Their place -> ours. A place that is taken already is left to the schema's message.
MOVES: dict[Keys, Keys] = {
    ("model", "model_path"): ("general", "model_path"),
    ("general", "class_names"): ("dataset", "class_names"),
    ("model", "model_name"): ("training", "model", "name"),
    ("model", "input_shape"): ("training", "model", "input_shape"),
    ("model", "pretrained"): ("training", "model", "pretrained_weights"),
    ("dataset", "dataset_name"): ("dataset", "name"),
    ("dataset", "prediction_audio_path"): ("prediction", "test_files_path"),
    ("training", "resume_training"): ("training", "resume_training_from"),
    ("quantization", "extra_options"): ("quantization", "onnx_extra_options"),
    ("quantization", "op_types_to_quantize"): ("quantization", "onnx_quant_parameters", "op_types_to_quantize"),
    ("stm32ai",): ("tools", "stm32ai"),
}
#: Values: where, what is written there, and the keys and values that it means.
VALUES: tuple[tuple[Keys, str, dict[Keys, str]], ...] = (
    (("operation_mode",), r"chain_tqeb", {("operation_mode",): "chain_tbqeb"}),
    (("evaluation", "target"), r"host", {("evaluation", "target"): "engine"}),
    (("prediction", "target"), r"host", {("prediction", "target"): "engine"}),
    (
        ("training", "model", "name"),
        r"yamnet_e(\d+)",
        {("training", "model", "name"): "yamnet", ("training", "model", "embedding_size"): r"\1"},
    ),
    (
        ("training", "model", "name"),
        r"miniresnet(v\d)_s(\d)",
        {
            ("training", "model", "name"): "miniresnet",
            ("training", "model", "version"): r"\1",
            ("training", "model", "n_stacks"): r"\2",
        },
    ),
)


def settle(tree: dict[str, Any], origins: dict[Keys, str]) -> tuple[dict[str, Any], list[str]]:
    """Return the tree with ST's other spellings moved to ours, and one line for each; `origins` moves with them.

    Parameters
    ----------
    tree : dict
        A configuration as it was written; not changed.
    origins : dict
        Where each value comes from.
    """
    tree, lines = _copy(tree), []
    named = _get(tree, ("model", "model_name")) not in (None, "", "None")
    for theirs, ours in MOVES.items():
        value = _get(tree, theirs)
        if value is None and _has(tree, theirs):
            _take(tree, theirs)
        if value is None or _get(tree, ours) is not None:
            continue
        where = {keys: text for keys, text in origins.items() if keys[: len(theirs)] == theirs}
        _take(tree, theirs)
        if ours[:2] == ("training", "model") and not named:
            lines.append(f"{'.'.join(theirs)}: not used; the model's file says it")
            continue
        _put(tree, ours, value)
        origins.update({ours + keys[len(theirs) :]: text for keys, text in where.items()})
        lines.append(f"{'.'.join(theirs)} is {'.'.join(ours)} here")
    for keys, pattern, meant in VALUES:
        match = re.fullmatch(pattern, str(_get(tree, keys)).strip())
        if not match:
            continue
        for ours, value in meant.items():
            value = match.expand(value)
            _put(tree, ours, int(value) if value.isdigit() else value)
            if keys in origins:
                origins[ours] = origins[keys]
        lines.append(
            f"{'.'.join(keys)}: {match.group()} is {', '.join(f'{k[-1]} {_get(tree, k)}' for k in meant)} here"
        )
    return tree, lines


def _copy(tree: Any) -> Any:
    return {key: _copy(value) for key, value in tree.items()} if isinstance(tree, dict) else tree


def _get(tree: Any, keys: Keys) -> Any:
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _has(tree: Any, keys: Keys) -> bool:
    section = _get(tree, keys[:-1])
    return isinstance(section, dict) and keys[-1] in section


def _put(tree: dict[str, Any], keys: Keys, value: Any) -> None:
    for key in keys[:-1]:
        if not isinstance(tree.get(key), dict):
            tree[key] = {}
        tree = tree[key]
    tree[keys[-1]] = value


def _take(tree: dict[str, Any], keys: Keys) -> None:
    """Remove a key, and its section when nothing is left in it."""
    section = _get(tree, keys[:-1])
    del section[keys[-1]]
    if len(keys) > 1 and not {key for key, value in section.items() if value is not None}:
        del tree[keys[0]]
