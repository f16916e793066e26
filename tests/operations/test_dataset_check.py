"""`pyaed dataset check`: what it prints, and that it says what a training would say."""

import numpy as np
import pytest
import soundfile

from pyaed.config import load
from pyaed.errors import UserError
from pyaed.operations import perform
from pyaed.operations.clips import check_dataset, read_sets


def make(folder, rows, files):
    (folder / "audio").mkdir()
    for i, file in enumerate(files):
        samples = np.random.default_rng(i).normal(0, 0.1, 32000)
        soundfile.write(folder / "audio" / file, samples, 16000, format="WAV")
    (folder / "meta.csv").write_text("\n".join(["filename,category,fold", *rows, ""]))
    paths = {"training_audio_path": folder / "audio", "training_csv_path": folder / "meta.csv"}
    return [f"dataset.{key}={path}" for key, path in paths.items()]


def checked(overrides=(), path=None):
    lines = []
    good = check_dataset(load(path, overrides, "training"), lines.append)
    return good, "\n".join(lines)


ROWS = [f"{name}.wav,{category},{fold}" for name, category, fold in (
    ("a", "dog", 1), ("b", "dog", 2), ("c", "rain", 1), ("d", "rain", 2),
)]  # fmt: skip


def test_nothing_wrong(tmp_path):
    good, text = checked(make(tmp_path, ROWS, ["a.wav", "b.wav", "c.wav", "d.wav"]))
    assert good
    assert text.endswith("4 clips: nothing wrong")


def test_the_hint_is_that_of_the_training(tmp_path):
    overrides = make(tmp_path, ROWS, ["aa.wav", "b.wav", "c.wav", "d.wav"])
    good, text = checked(overrides)
    assert not good
    hint = "nor with .wav or .flac or .ogg or .mp3 added (did you mean 'aa.wav'?)"
    assert f"missing     a.wav: the file is not there, {hint}" in text
    with pytest.raises(UserError) as error:
        read_sets(load(None, overrides))
    assert hint in str(error.value)


@pytest.mark.parametrize(("rows", "message"), [
    ([row.replace(",1", ",") for row in ROWS], "2 of 4 clips have no fold in the CSV (line 2: a.wav)"),
    ([row.replace("rain", "dog") for row in ROWS], "the training clips are of one class only (dog)"),
    ([row.replace("dog,1", "dog;rain,1") for row in ROWS], "looks like several labels; set dataset.multi_label=True"),
])  # fmt: skip
def test_what_stops_a_training_stops_the_check(tmp_path, rows, message):
    overrides = make(tmp_path, rows, ["a.wav", "b.wav", "c.wav", "d.wav"])
    for do in (checked, lambda overrides: read_sets(load(None, overrides))):
        with pytest.raises(UserError) as error:
            do(overrides)
        assert message in str(error.value)


def test_skipping_bad_clips_leaves_no_class_without_any(tmp_path):
    overrides = make(tmp_path, ROWS, ["a.wav", "b.wav", "d.wav"])
    (tmp_path / "audio/c.wav").write_text("no sound")
    overrides += [
        "dataset.skip_bad_clips=True", "dataset.to_cache=False", f"hydra.run.dir={tmp_path / 'run'}",
        "training={model: {name: miniresnet, n_stacks: 1, pooling: avg, pretrained_weights: False}, epochs: 1}",
        "feature_extraction={n_mels: 32, patch_length: 32, n_fft: 512, hop_length: 320, window_length: 512}",
    ]  # fmt: skip
    with pytest.raises(
        UserError, match="skip_bad_clips: no training clip is left of class rain; expected one at least"
    ):
        perform(load(None, overrides, "training"), "training")


def test_the_reported_sets(shared, monkeypatch):
    cases = shared / "cases"
    monkeypatch.chdir(cases / "03-float-wav-int16-scale")
    good, text = checked(path="c.yaml")
    assert not good
    assert text.endswith("12 clips: 12 scaled")
    monkeypatch.chdir(cases / "10-check-gives-no-hint/wav_upper_noext")
    good, text = checked(path="c.yaml")
    assert good, text
    assert text.endswith("12 clips: nothing wrong")
