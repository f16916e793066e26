"""A data set is evaluated on the (emulated) board at a port; cut off, it goes on, and the figures are the host's."""

import json
import signal
import subprocess
import sys
import time

import pytest
import soundfile
from support import images
from support.commands import pyaed

from pyaed.boards.emulator import Emulator

CLASSES = ("a", "b", "c")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Clips of noise, and the overrides that describe them and the tiny model."""
    folder = tmp_path_factory.mktemp("on_target")
    rows = ["filename,category"]
    for i in range(12):
        soundfile.write(folder / f"{i}.wav", images.noise(16000, seed=i), 16000)
        rows.append(f"{i}.wav,{CLASSES[i % 3]}")
    (folder / "clips.csv").write_text("\n".join(rows))
    keys = ("n_fft", "window_length", "hop_length", "n_mels", "patch_length", "overlap")
    return folder, [
        f"general.model_path={images.tiny_model()}",
        f"dataset.test_audio_path={folder}",
        f"dataset.test_csv_path={folder / 'clips.csv'}",
        f"dataset.class_names=[{','.join(CLASSES)}]",
        "preprocessing.top_db=null",
        *(f"feature_extraction.{key}={getattr(images.SPEC, key)}" for key in keys),
    ]


@pytest.fixture(scope="module")
def image(project):
    """The image with these class names, built by the command."""
    folder, overrides = project
    done = pyaed(
        "deploy", *overrides, f"hydra.run.dir={folder / 'deploy'}", "deployment.hardware_setup.board=mps2_an505"
    )
    assert done.code == 0, done.err
    return folder / "deploy" / "deployment" / "mps2_an505" / "pyaed.elf"


def report(folder, name):
    found = json.loads((folder / "evaluation" / f"{name}_report.json").read_text())
    return {key: value for key, value in found.items() if key != "name"}


def test_interrupted_and_resumed_it_says_what_the_host_says(project, image):
    folder, overrides = project
    results = folder / "answers.jsonl"
    with Emulator(image) as emulator:
        command = ["evaluate", *overrides, "--port", emulator.url, "--results", str(results)]
        first = subprocess.Popen(
            [sys.executable, "-m", "pyaed.cli", *command, f"hydra.run.dir={folder / 'first'}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        end = time.monotonic() + 120
        while not results.exists() or results.read_bytes().count(b"\n") < 4:
            assert time.monotonic() < end
            assert first.poll() is None
            time.sleep(0.02)
        first.send_signal(signal.SIGKILL)
        first.wait()
        there = results.read_bytes().count(b"\n") - 1
        second = pyaed(*command, f"hydra.run.dir={folder / 'second'}")
    assert second.code == 0, second.err
    if there < 12:
        assert f"going on behind {there} clips" in second.err
    assert results.read_bytes().count(b"\n") == 13
    host = pyaed("evaluate", *overrides, "evaluation.target=[engine]", f"hydra.run.dir={folder / 'host'}")
    assert host.code == 0, host.err
    assert report(folder / "second", "int8_on_target") == report(folder / "host", "int8_engine")
    assert (folder / "second" / "report.html").is_file()


def test_results_without_a_board_are_refused(tmp_path):
    done = pyaed("evaluate", f"hydra.run.dir={tmp_path}", "--results", tmp_path / "a.jsonl")
    assert done.code == 2
    assert "it needs --port" in done.err


def test_another_image_and_another_file_are_refused(project, image, tmp_path):
    _folder, overrides = project
    with Emulator(image) as emulator:
        args = ["evaluate", *overrides, "--port", emulator.url, f"hydra.run.dir={tmp_path}"]
        done = pyaed(*args, "feature_extraction.fmax=7000", "--results", tmp_path / "a.jsonl")
        assert done.code == 2
        assert "another feature specification" in done.err
        (tmp_path / "b.jsonl").write_text("hello\n")
        done = pyaed(*args, "--results", tmp_path / "b.jsonl")
        assert done.code == 2
        assert "no file of a board's answers" in done.err
