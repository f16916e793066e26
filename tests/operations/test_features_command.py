"""``pyaed features FILE``: patches as an array, and a picture."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from support.signals import signals

from pyaed.dsp import FeatureSpec, FrontEnd
from pyaed.errors import UserError
from pyaed.operations import write_features

PREPROCESSING = {"target_rate": 16000, "top_db": None, "min_length": None}


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "chirp.wav"
    soundfile.write(path, signals()["chirp"], 16000)
    return path


def test_the_command_writes_what_the_front_end_gives(tmp_path, clip):
    command = [sys.executable, "-m", "pyaed.cli", "features", clip, "--out", tmp_path / "out"]
    settings = ["preprocessing.top_db=null", "feature_extraction.n_mels=40", "feature_extraction.overlap=0.8"]
    done = subprocess.run([*command, *settings], capture_output=True, text=True, check=True)
    patches = np.load(tmp_path / "out" / "chirp_patches.npy")
    np.testing.assert_array_equal(patches, FrontEnd(FeatureSpec(n_mels=40, overlap=0.8))(signals()["chirp"]))
    assert done.stdout.split() == [
        "wrote",
        f"{tmp_path}/out/chirp_patches.npy",
        "wrote",
        f"{tmp_path}/out/chirp_features.png",
    ]


def test_pictures_of_all_kinds_of_features(tmp_path, clip):
    import matplotlib.image

    for i, spec in enumerate((FeatureSpec(), FeatureSpec(to_db=True, center=True, power=2.0), FeatureSpec(n_mfcc=13))):
        _, picture = write_features(clip, spec, PREPROCESSING, tmp_path / str(i))
        pixels = matplotlib.image.imread(picture)
        assert pixels.shape[0] > 400
        assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 100


def test_a_clip_that_is_too_short_leaves_nothing(tmp_path):
    soundfile.write(tmp_path / "short.wav", signals()["chirp"][:9000], 16000)
    with pytest.raises(
        UserError, match=r"short\.wav is too short: 0\.56 s after preprocessing, and one patch needs 0\.982 s"
    ):
        write_features(tmp_path / "short.wav", FeatureSpec(), PREPROCESSING, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_is_worked_through_with_progress(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("pyaed.progress.PLAIN_INTERVAL_S", 0.0)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("a.wav", "deep/a.flac", "deep/b.wav"):
        soundfile.write(tmp_path / "in" / name, signals()["chirp"], 16000)
    written = write_features(tmp_path / "in", FeatureSpec(), PREPROCESSING, tmp_path / "out")
    names = [f"{stem}_{what}" for stem in ("a", "deep/a", "deep/b") for what in ("patches.npy", "features.png")]
    assert [path.relative_to(tmp_path / "out").as_posix() for path in written] == names
    assert all(path.is_file() for path in written)
    assert "features: 2/3 files" in capsys.readouterr().err
    soundfile.write(tmp_path / "in" / "deep" / "b.flac", signals()["chirp"], 16000)
    with pytest.raises(UserError, match=r"b\.flac and .*b\.wav would be written to the same files"):
        write_features(tmp_path / "in", FeatureSpec(), PREPROCESSING, tmp_path / "out")
