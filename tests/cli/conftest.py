"""A small project of a user: a synthetic data set, a configuration, and what one short chain makes of it."""

from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from support.commands import Result, pyaed

from pyaed.data.synthetic import write_dataset


class Project(NamedTuple):
    folder: Path
    config: Path
    float_model: Path
    quantized_model: Path

    def pyaed(self, *arguments: str, env: dict | None = None) -> Result:
        return pyaed(*arguments, cwd=self.folder, env=env)


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Project:
    folder = tmp_path_factory.mktemp("project")
    write_dataset(folder / "data", seed=3, n_clips=40)
    tree = {
        "operation_mode": "chain_tqe",
        "dataset": {
            "training_audio_path": "data/audio",
            "training_csv_path": "data/meta/synthetic.csv",
            "test_folds": [5],
            "validation_folds": [4],
        },
        "preprocessing": {"min_length": 1.2},
        "feature_extraction": {
            "n_mels": 32, "patch_length": 32, "overlap": 0.0, "n_fft": 512, "hop_length": 320, "window_length": 512,
            "fmin": 60, "fmax": 7500, "htk": False, "norm": "slaney", "power": 2.0,
        },
        "training": {
            "model": {"name": "miniresnet", "n_stacks": 1, "pooling": "avg", "pretrained_weights": False},
            "epochs": 2,
        },
        "hydra": {"run": {"dir": "run"}},
    }  # fmt: skip
    config = folder / "user.yaml"
    config.write_text(yaml.safe_dump(tree))
    result = pyaed("run", "-c", config, cwd=folder)
    assert result.code == 0, result.err
    return Project(
        folder,
        config,
        folder / "run/saved_models/best_model.keras",
        folder / "run/quantized_models/quantized_model.tflite",
    )
