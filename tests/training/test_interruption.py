"""Trainings that are killed or interrupted: nothing half-written, and resumed they end as if nothing had happened."""

import signal
import subprocess
import sys
import time

import numpy as np
from support.commands import pyaed

from pyaed import models
from pyaed.artefact import read_state
from pyaed.data.synthetic import write_dataset

EPOCHS = 7
CONFIG = f"""
general: {{deterministic_ops: True}}
dataset: {{training_audio_path: data/audio, training_csv_path: data/meta/synthetic.csv, test_folds: [5], validation_folds: [4]}}
feature_extraction: {{n_mels: 32, patch_length: 32, overlap: 0.0, hop_length: 320}}
data_augmentation: {{GaussianNoise: {{enable: True}}, VolumeAugment: {{enable: True}}}}
training:
  model: {{name: miniresnet, pooling: avg}}
  dropout: 0.3
  epochs: {EPOCHS}
  callbacks:  # the plateau's counters matter across the interruption
    ReduceLROnPlateau: {{monitor: loss, patience: 2, factor: 0.5, min_delta: 100}}
    EarlyStopping: {{monitor: val_loss, patience: 60}}
"""


def rows(run):
    path = run / "logs/train_metrics.csv"
    return path.read_text().splitlines()[1:] if path.is_file() else []


def interrupted(folder, how, epochs, wait_s, *overrides):
    """Train in a process until so many epochs are done and a moment more; stop it, and return what it said."""
    command = [sys.executable, "-m", "pyaed.cli", "train", "-c", "user.yaml", "hydra.run.dir=run", *overrides]
    process = subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )  # fmt: skip
    while len(rows(folder / "run")) < epochs:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    time.sleep(wait_s)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL), err
    return err


def test_resumed_ends_as_if_nothing_had_happened(tmp_path):
    write_dataset(tmp_path / "data", seed=3, n_clips=40)
    (tmp_path / "user.yaml").write_text(CONFIG)
    result = pyaed("train", "-c", "user.yaml", "hydra.run.dir=whole", cwd=tmp_path)
    assert result.code == 0, result.err
    run, last = tmp_path / "run", tmp_path / "run/saved_models/last_model.keras"
    resume = ()
    for how, epochs, wait_s in ((signal.SIGKILL, 2, 0.05), (signal.SIGINT, 4, 0)):
        err = interrupted(tmp_path, how, epochs, wait_s, *resume)
        done = len(rows(run))
        assert epochs <= done < EPOCHS
        assert read_state(last)["epoch"] in (done, done + 1)  # the model is written before the table
        for path in (last, run / "saved_models/best_model.keras"):
            models.load(path)
        resume = ("training.model=", f"training.resume_training_from={last}")  # in the same folder, as most would do
    assert "Traceback" not in err
    assert f"interrupted after epoch {read_state(last)['epoch']} of {EPOCHS}" in err
    assert "with training.resume_training_from=run/saved_models/last_model.keras" in err

    result = pyaed("train", "-c", "user.yaml", "hydra.run.dir=run", *resume, cwd=tmp_path)
    assert result.code == 0, result.err
    assert rows(run) == rows(tmp_path / "whole")
    for which in ("best_model", "last_model"):
        resumed, whole = (
            models.load(folder / f"saved_models/{which}.keras").get_weights() for folder in (run, tmp_path / "whole")
        )
        for a, b in zip(resumed, whole, strict=True):
            np.testing.assert_array_equal(a, b)
