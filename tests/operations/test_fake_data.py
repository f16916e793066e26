"""Quantization without clips: on random noise, as ST's documents promise, and said wherever the model goes."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
from support.commands import pyaed

from pyaed import artefact, models, operations
from pyaed.config import load
from pyaed.data.synthetic import write_dataset
from pyaed.dsp import FeatureSpec
from pyaed.models.keras import import_keras
from pyaed.operations.clips import fake_patches

SPEC = FeatureSpec(n_mels=16, patch_length=12, hop_length=256, n_fft=512)
METADATA = artefact.ModelMetadata(
    features=SPEC, preprocessing={"min_length": 1, "max_length": 10, "target_rate": 16000, "top_db": 60,
                                  "frame_length": 3200, "hop_length": 3200, "trim_last_second": False, "lengthen": "after"},
    class_names=("alarm", "siren", "chirps"),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A float model of three of the synthetic classes, and clips."""
    folder = tmp_path_factory.mktemp("fake")
    import_keras().utils.set_random_seed(1)
    models.save(models.build(SimpleNamespace(name="miniresnet", version="v1", pooling="avg"), 3, SPEC.patch_shape),
                folder / "float.keras", METADATA)  # fmt: skip
    write_dataset(folder / "data", seed=3, n_clips=40)
    return folder


def perform(folder, run, mode, *overrides):
    settings = load(None, [f"hydra.run.dir={folder / run}", *overrides], mode)
    return operations.perform(settings, mode)


def clips(folder, part):
    return [
        f"dataset.{part}_audio_path={folder / 'data/audio'}",
        f"dataset.{part}_csv_path={folder / 'data/meta/synthetic.csv'}",
    ]


def fakes(caplog):
    return [r for r in caplog.records if r.levelno == logging.WARNING and "quantized on fake data" in r.getMessage()]


def test_quantization_without_a_data_set_is_done_and_said_though_quiet(folder):
    result = pyaed(
        "-q", "quantize", f"general.model_path={folder / 'float.keras'}", f"hydra.run.dir={folder / 'quiet'}"
    )
    assert result.code == 0
    assert "quantized on fake data (random noise)" in result.err
    assert "dataset.quantization_audio_path" in result.err
    carried = artefact.read(folder / "quiet/quantized_models/quantized_model.tflite")
    assert carried.provenance["quantized_on"] == "fake data: 128 patches of random noise"


def test_who_uses_the_model_is_told_and_its_report_says_so(folder, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("pyaed"), "propagate", True)
    model = f"general.model_path={folder / 'float.keras'}"
    run = perform(
        folder, "chain", "chain_eqe", model, *clips(folder, "test")
    )  # no clips of the test set are used for it
    assert len(fakes(caplog)) == 1
    assert "fake data: 128 patches" in (folder / "chain/report.html").read_text()
    caplog.clear()
    perform(folder, "evaluate", "evaluation", f"general.model_path={run.quantized_model}", *clips(folder, "test"))
    assert len(fakes(caplog)) == 1
    assert "fake data: 128 patches" in (folder / "evaluate/report.html").read_text()


@pytest.mark.parametrize("part", ["quantization", "training"])
def test_with_clips_nothing_is_faked(folder, caplog, monkeypatch, part):
    monkeypatch.setattr(logging.getLogger("pyaed"), "propagate", True)
    run = perform(folder, part, "quantization", f"general.model_path={folder / 'float.keras'}", *clips(folder, part))
    said = artefact.read(run.quantized_model).provenance["quantized_on"]
    assert said.endswith(" clips")
    assert int(said.split()[0]) > 0
    assert fakes(caplog) == []


@pytest.mark.parametrize("key", ["quantization_audio_path", "training_csv_path"])
def test_half_a_set_is_a_mistake_and_not_fake_data(folder, key):
    given = f"dataset.{key}={folder / 'data'}"
    result = pyaed(
        "quantize", f"general.model_path={folder / 'float.keras'}", given, f"hydra.run.dir={folder / 'half'}"
    )
    assert result.code == 2
    assert key.rsplit("_", 2)[0] in result.err.splitlines()[-1]


def test_the_noise_covers_what_the_front_end_gives():
    """Its ranges become the scales: from silence to a loud sound."""
    patches = fake_patches(METADATA)
    assert patches.shape == (128, *SPEC.patch_shape)
    assert np.array_equal(patches, fake_patches(METADATA))
    assert patches.min() == pytest.approx(np.log(1e-4), abs=0.1)
    assert patches.max() > np.log(10)
    levels = patches.mean(axis=(1, 2))
    assert np.ptp(levels) > 6
