"""The main job in one command, on a synthetic sound set or on any data set in ESC format."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pyaed import config
from pyaed.data.table import has_columns, read_rows
from pyaed.errors import UserError
from pyaed.operations.board import verify
from pyaed.operations.chains import run_mode
from pyaed.operations.run import start

log = logging.getLogger(__name__)

SEED = 1
TEST_CLIPS_VERIFIED = 4

SETTINGS = {
    "operation_mode": "chain_tbqeb",
    "general": {"project_name": "pyaed_demo", "global_seed": SEED},
    "preprocessing": {"min_length": 1.2},
    "feature_extraction": {
        "n_mels": 64, "patch_length": 50, "overlap": 0.5, "n_fft": 1024, "hop_length": 320, "window_length": 1024,
        "power": 2.0, "fmin": 20, "fmax": 7500, "norm": "slaney", "htk": False,
    },
    "data_augmentation": {
        "VolumeAugment": {"enable": True, "min_scale": 0.3, "max_scale": 3.0},
        "GaussianNoise": {"enable": True, "scale": 1.0},
        "SpecAug": {"enable": True, "freq_mask_param": 8, "time_mask_param": 10, "n_freq_mask": 1, "n_time_mask": 1},
    },
    "training": {
        "model": {"name": "miniresnet", "version": "v1", "n_stacks": 1, "pooling": "avg", "pretrained_weights": False},
        "dropout": 0.3,
        "batch_size": 16,
        "epochs": 40,
        "optimizer": {"Adam": {"learning_rate": 0.003}},
        "callbacks": {"LRCosineDecay": {"initial_lr": 0.003, "hold_steps": 4, "decay_steps": 36, "end_lr": 3e-5}},
    },
    "evaluation": {"target": ["engine", "tflite"]},
}  # fmt: skip


def demo(
    out: Path, data: Path | None = None, overrides: Sequence[str] = (), echo: Callable[[str], None] = print
) -> bool:
    """Train, quantize, evaluate, deploy, verify and benchmark; everything is written below `out`.

    Parameters
    ----------
    out : Path
        Folder of the results.
    data : Path, optional
        Folder of an ESC-format data set (a CSV with `filename` and `category`, and the clips); default: a synthetic set,
        which is written to ``out/dataset``.
    overrides : sequence of str
        ``section.key=value``, on top of the demo's settings.
    echo : callable
        Takes the texts of the results.

    Returns
    -------
    bool
        True when host and emulated board agreed on every bit.
    """
    if data is None:
        from pyaed.data.synthetic import write_dataset

        table = write_dataset(out / "dataset", seed=SEED)
        echo(f"synthetic sound set: {table.parent.parent}")
        audio = table.parent.parent / "audio"
    else:
        audio, table = find_dataset(data)
    tree = {
        **SETTINGS,
        "dataset": {
            "name": "custom",
            "training_audio_path": str(audio),
            "training_csv_path": str(table),
            **_folds(table),
        },
        "hydra": {"run": {"dir": str(out / "run")}},
    }
    settings = config.parse(config.override(tree, overrides), "demo")
    run = start(settings, overrides)
    run.echo = echo
    run_mode(run)
    equal = verify(run, TEST_CLIPS_VERIFIED)
    echo("written:")
    for label, path in (
        ("configuration", run.folder / ".hydra" / "config.yaml"),
        ("float model", run.float_model),
        ("int8 model", run.quantized_model),
        ("training curves and log", run.folder / settings.general.logs_dir),
        ("evaluation", run.folder / "evaluation"),
        ("firmware image", run.built().elf),
        ("benchmark", run.folder / "benchmark.json"),
    ):
        echo(f"  {label:24} {path}")
    return equal


def find_dataset(folder: Path) -> tuple[Path, Path]:
    """Return the folder of the clips and the CSV of a data set in ESC format."""
    if not folder.is_dir():
        raise UserError(f"--data: {folder} is not a folder")
    tables = [path for path in sorted(folder.rglob("*.csv")) if has_columns(path)]
    if len(tables) != 1:
        raise UserError(
            f"--data: {folder} has {len(tables)} CSV files with the columns filename and category, expected one"
        )
    audio = folder / "audio"
    return (audio if audio.is_dir() else folder), tables[0]


def _folds(table: Path) -> dict[str, Any]:
    """Test on the last fold and validate on the one before, where there are at least three."""
    folds = sorted({row.fold for row in read_rows(table)}, key=lambda fold: (fold is not None, fold))
    if folds[0] is None or len(folds) < 3:
        return {"test_split": 0.2}
    return {"test_folds": folds[-1:], "validation_folds": folds[-2:-1]}
