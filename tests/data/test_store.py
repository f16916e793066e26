"""Patches on disk: as an array reads, from several threads, and without memory for every clip."""

import json
import subprocess
import sys
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyaed.data.store import PatchStore
from pyaed.errors import UserError


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    whole = np.random.default_rng(0).normal(size=(37, 5, 3)).astype(np.float32)
    store = PatchStore((5, 3), tmp_path_factory.mktemp("store") / "made")
    for start, stop in ((0, 4), (4, 4), (4, 20), (20, 37)):
        store.append(whole[start:stop])
    return store, whole


@given(
    st.one_of(
        st.slices(37),
        st.lists(st.integers(-37, 36), max_size=9).map(lambda rows: np.array(rows, dtype=np.int32)),
        st.lists(st.booleans(), min_size=37, max_size=37).map(np.array),
    )
)
def test_reads_as_an_array_does(filled, rows):
    store, whole = filled
    found = store[rows]
    np.testing.assert_array_equal(found, whole[rows])
    assert found.dtype == np.float32


def test_looks_like_an_array(filled):
    store, whole = filled
    assert (len(store), store.shape, store.ndim, store.dtype) == (37, whole.shape, 3, whole.dtype)
    np.testing.assert_array_equal(np.asarray(store), whole)
    with pytest.raises(IndexError):
        store[[37]]
    with pytest.raises(ValueError, match="expected"):
        store.append(np.zeros((1, 3, 5), np.float32))


def test_threads_read_what_they_ask_for(filled):
    store, whole = filled
    rows = np.random.default_rng(1).integers(0, 37, size=(300, 6))
    with ThreadPoolExecutor(8) as executor:
        for wanted, found in zip(rows, executor.map(store.__getitem__, rows)):
            np.testing.assert_array_equal(found, whole[wanted])


def test_no_file_is_left_and_a_folder_that_cannot_be_written_is_done_without(tmp_path):
    store = PatchStore((2,), tmp_path / "folder")
    store.append(np.ones((3, 2), np.float32))
    assert list((tmp_path / "folder").iterdir()) == []
    (tmp_path / "file").write_text("")
    other = PatchStore((2,), tmp_path / "file")
    other.append(np.ones((3, 2), np.float32))
    assert other[:].sum() == 6


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_told(tmp_path):
    store = PatchStore((2,), tmp_path)
    store._file.close()
    store._file = open("/dev/full", "r+b", buffering=0)  # noqa: SIM115
    with pytest.raises(UserError, match=r"No space left on device.*PYAED_CACHE"):
        store.append(np.ones((3, 2), np.float32))


MEASURE = """
import json, resource, sys
from types import SimpleNamespace
from pyaed import data, training
from pyaed.dsp import FeatureSpec, FrontEnd
from pyaed.artefact import ModelMetadata
from pyaed.models.keras import import_keras

keras, spec, folder = import_keras(), FeatureSpec(), sys.argv[1]
inputs = keras.Input((*spec.patch_shape, 1))
x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 8, strides=8)(inputs))
model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(x))
every = data.read_clips(folder + "/audio", folder + "/set.csv")
front_end, metadata = FrontEnd(spec), ModelMetadata(spec, {}, every.class_names)
for n in (20, 40, int(sys.argv[2])):  # the first two warm up
    clips = every.with_clips((every.clips * n)[:n])
    patches = data.extract_features(clips, front_end, {"min_length": 10}, cache=False)
    settings = training.TrainingSettings(batch_size=32, epochs=1, seed=1)
    training.train(model, patches, patches, settings, metadata, folder + "/run")
    print(json.dumps([len(patches), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def test_memory_does_not_grow_with_the_clips(tmp_path):
    (tmp_path / "audio").mkdir()
    for name in "ab":
        with wave.open(str(tmp_path / f"audio/{name}.wav"), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(np.random.default_rng(ord(name)).integers(-999, 999, 4000).astype("<i2").tobytes())
    (tmp_path / "set.csv").write_text("filename,category\na.wav,a\nb.wav,b\n")
    done = subprocess.run([sys.executable, "-c", MEASURE, tmp_path, "600"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (_, _), (few, before), (many, after) = (json.loads(line) for line in done.stdout.splitlines())
    grown, features = (after - before) * 1024, (many - few) * 64 * 96 * 4
    assert features > 150 << 20
    assert grown < features / 6, f"{grown >> 20} MiB more for {features >> 20} MiB more of features"
