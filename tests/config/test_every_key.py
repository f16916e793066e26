"""Every key of the schema is read by code for an operation, or a note says that it isn't; there is no third way."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

import pyaed
from pyaed import config
from pyaed.config.notes import _READ_BY
from pyaed.config.schema import OPERATION_MODES, Config, parts, uses

#: What code outside of `pyaed.config` reads, by attribute or by name: every word there.
WORDS = {
    word
    for path in Path(pyaed.__file__).parent.rglob("*.py")
    if path.parent.name != "config"
    for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))
}
#: Read as a whole section's values, not by their own names.
AS_A_WHOLE = {"deployment.detector": "from_settings"}

# Values of which at least one is valid and not the default, for any type.
CANDIDATES = [
    True, False, 3, 0.5, 2, 1, 9000, "engine", "tflite", "emulator", "other", "uint8", "float", "per_tensor", "onnx_quantizer", "before", "esc10",
    "random", "reflect", "slaney", "EWARM", ["tflite"], ["a", "b"], [1], [0], {"a": 1}, {"SGD": {"learning_rate": 1}},
    {"AED_BAUDRATE": 9600}, {"a": 0.5}, (8, 8, 1), "STM32U5", -20, "frames_first",
    "chfirst", "stedgeai",
]  # fmt: skip


def model_of(annotation: Any) -> type[BaseModel] | None:
    found = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, BaseModel)]
    return found[0] if found else None


def leaves(model: type[BaseModel] = Config, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        inner = model_of(field.annotation)
        if get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1:
            continue  # there is no other value that could be ignored
        if inner is None:
            yield (*before, name)
        else:
            yield from leaves(inner, (*before, name))


KEYS = [key for key in leaves() if key != ("operation_mode",)]
#: What else has to stand in a section so that the key means something.
BESIDE: dict[str, dict] = {
    "training": {"model": {"name": "miniresnet"}},
    "prediction": {"test_files_path": "x"},
    "data_augmentation": {"SpecAug": {"enable": True, "freq_mask_param": 4, "time_mask_param": 4}},
}


def with_key(key: tuple[str, ...], mode: str) -> Config:
    """A configuration with this key set to something else than its default."""
    default: Any = config.parse(
        {"operation_mode": mode, **{k: v for k, v in BESIDE.items() if k != "data_augmentation"}}
    )
    for name in key:
        default = getattr(default, name, None)
    for value in CANDIDATES:
        tree: dict[str, Any] = {section: {**BESIDE[section]} for section in BESIDE}
        node: dict[str, Any] = tree
        for name in key[:-1]:
            node[name] = dict(node.get(name) or {})
            node = node[name]
        node[key[-1]] = value
        try:
            loaded = config.parse({**tree, "operation_mode": mode})
        except pyaed.UserError:
            continue
        found: Any = loaded
        for name in key:
            found = getattr(found, name, None)
        if found is not None and found != default and not loaded._notes:
            return loaded
    raise AssertionError(f"no candidate suits {'.'.join(key)}")


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_every_key_is_read_or_noted(key):
    dotted = ".".join(key)
    for mode in OPERATION_MODES:
        lines = config.notes(with_key(key, mode), mode)
        noted = [line for line in lines if dotted in line or ".".join(key[:2]) in line]
        if not uses(mode, key[0]):
            assert any("the sections" in line and key[0] in line for line in lines), (mode, lines)
        elif noted:
            assert any("not used" in line or "not done" in line for line in noted), noted
        else:
            readers = _READ_BY.get(".".join(key[:2]), (mode, *parts(mode)))
            assert set(parts(mode)) & set(readers), mode
            assert key[-1] in WORDS, f"{dotted} is read nowhere, and no note says so"


def test_what_is_said_to_be_read_by_few_exists():
    known = {".".join(key[:2]) for key in KEYS}
    assert set(_READ_BY) <= known
    every = {part for mode in OPERATION_MODES for part in parts(mode)}
    assert all(set(readers) < every for readers in _READ_BY.values())


@pytest.mark.parametrize(
    ("mode", "overrides", "text"),
    [
        ("deployment", ["deployment.hardware_setup.serie=STM32F4"], "deployment.hardware_setup.serie: STM32F4: not used"),
        ("training", ["general.global_seed=None"], "general.global_seed: None: 120 is used"),
        (
            "training",
            ["training.callbacks={EarlyStopping: {restore_best_weights: False}}"],
            "EarlyStopping.restore_best_weights: False: not used",
        ),
        ("training", ["training.callbacks={SwapEMAWeights: {swap_on_epoch: False}}"], "swap_on_epoch: False: not used"),
        ("evaluation", ["general.num_threads_tflite=2"], "not used by evaluation: general.num_threads_tflite"),
        ("quantization", ["general.gpu_memory_limit=2"], "not used by quantization: general.gpu_memory_limit"),
        ("quantization", ["quantization.optimize=True"], "quantization.optimize: True: not done"),
        ("training", ["data_augmentation.SpecAug={enable: True}"], "SpecAug.time_mask_param: 1: masks nothing"),
    ],
)  # fmt: skip
def test_what_was_named(mode, overrides, text):
    tree = {"training": {"model": {"name": "miniresnet"}}}
    lines = config.notes(config.parse(config.override(tree, overrides), mode=mode), mode)
    assert any(text in line for line in lines), lines


def test_what_is_used_is_not_noted():
    tree = {"evaluation": {"target": ["tflite"]}, "general": {"num_threads_tflite": 2, "batch_size": 8}}
    assert config.notes(config.parse(tree, mode="evaluation"), "evaluation") == []


@pytest.mark.parametrize("override", ["hydra.job.name=x", "hydra.run.subdir=x", "hydra.sweep={dir: x}"])
def test_of_hydra_only_the_folder_is_taken(override):
    with pytest.raises(pyaed.UserError, match="unknown key"):
        config.load(None, [override])


def test_a_deployment_says_what_it_does_not_use_of_sts_tools():
    tree = {"operation_mode": "deployment", "tools": {"stedgeai": {"on_cloud": True}}}
    assert any(
        line.startswith("tools: not used; the image has pyaed's engine") for line in config.notes(config.parse(tree))
    )
    tree["deployment"] = {"engine": "stedgeai"}
    assert "tools.stedgeai.on_cloud: True: not used; ST's C is generated by the installed tool" in config.notes(
        config.parse(tree)
    )
    assert not any("tools" in line for line in config.notes(config.parse({**tree, "operation_mode": "benchmarking"})))
