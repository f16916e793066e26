"""examples/: each is built and run as its README says, and finds the events that `pyaed predict` finds."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support import images
from support.cores import includes

import pyaed
from pyaed import artefact

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
GATE = "deployment.detector.silence_gate=-40"


def run(*command) -> list[str]:
    done = subprocess.run(command, capture_output=True, timeout=300, check=True)
    return done.stdout.decode().splitlines()


def follow_readme(name: str, folder: Path) -> list[str]:
    """Run the commands of an example's README, with this test's files in place of its names; return what the last one says."""
    text = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    lines = re.search(r"^```\n(.*?)^```$", text, re.M | re.S)[1].replace("\\\n", "").splitlines()
    assert [line for line in lines if "pyaed deploy" in line], name
    script = "\n".join(line for line in lines if "pyaed deploy" not in line)  # the fixture has generated the C
    for word, meant in {
        r"(?<![-\w])build(?!\w)": folder / name,
        r"(?<!_)GENERATED": folder / "generated",
        r"FILE\.wav": folder / "recording.wav",
        r"(\$PWD/)?recording\.raw": folder / f"{name}.raw",
        r"(?<![\w/])python(?= )": sys.executable,
    }.items():
        script = re.sub(word, str(meant), script)
    first, _, last = script.rpartition("\n")
    shell = ["sh", "-ec", f"{{ {first}\n}} >&2\n{last}"]
    done = subprocess.run(
        shell, cwd=EXAMPLES / name, env={**os.environ, "CMAKE_GENERATOR": "Ninja"}, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A model, its generated C with a silence gate, and a recording of loud and silent stretches."""
    folder = tmp_path_factory.mktemp("examples")
    model = folder / "model.tflite"
    model.write_bytes(images.tiny_model().read_bytes())
    artefact.write(model, images.METADATA)
    section = pyaed.load_config(None, [GATE]).deployment.detector
    detector = pyaed.DetectorSettings.from_settings(images.METADATA, section)
    pyaed.generate_c(model, images.SPEC, images.METADATA, folder / "generated", detector=detector)
    noise = images.noise(60001)
    noise[9000:17000] //= 900
    noise[30000:41000] = 0
    noise[41000:] //= 3
    noise.tofile(folder / "recording.raw")
    soundfile.write(folder / "recording.wav", noise, images.SPEC.sample_rate)
    return folder


@pytest.fixture(scope="module")
def events(folder) -> list[str]:
    """What `pyaed predict` with a time line finds in that recording."""
    overrides = [f"general.model_path={folder / 'model.tflite'}", f"prediction.test_files_path={folder}", GATE]
    overrides += ["prediction.timeline=true", f"hydra.run.dir={folder / 'run'}"]
    started = pyaed.run(pyaed.load_config(None, overrides, "prediction"), "prediction")
    with (started.folder / "events.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = [f"{r['class']}\t{float(r['onset']):.3f}\t{float(r['offset']):.3f}\t{float(r['score']):.6f}" for r in rows]
    assert len(found) > 2
    return sorted(found)


def test_python(folder, events):
    command = [sys.executable, EXAMPLES / "python" / "events.py"]
    assert sorted(run(*command, folder / "model.tflite", folder / "recording.wav", GATE)) == events
    wrong = subprocess.run([*command, folder / "no.tflite", folder / "recording.wav"], capture_output=True, text=True)
    assert wrong.returncode != 0
    assert wrong.stderr.startswith("error: model file not found")


def sanitized_detect(folder: Path) -> Path:
    """The host's example with what is its own under the sanitizers, over the libraries that its README built."""
    engine = pyaed.source_root() / "firmware" / "engine" / "own"
    sources = [*(EXAMPLES / "host_c").glob("*.c"), engine / "aed_engine_own.c", *(folder / "generated").glob("*.c")]
    libraries = [folder / "host_c" / "pyaed" / f"libaed_{name}.a" for name in ("detector", "nn", "dsp")]
    command = ["gcc", "-std=c11", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", f"-I{engine}"]
    command += [f"-I{folder / 'generated'}", *includes("detector_c", "nn_c", "dsp_c")]
    subprocess.run([*command, *sources, *libraries, "-o", folder / "sanitized"], check=True)
    return folder / "sanitized"


def test_host_c(folder, events):
    assert sorted(follow_readme("host_c", folder)) == events
    program = sanitized_detect(folder)
    assert sorted(run(program, folder / "recording.raw")) == events
    chunky, other, stereo = (folder / name for name in ("chunky.wav", "other.wav", "stereo.wav"))
    wav = (folder / "recording.wav").read_bytes()
    chunky.write_bytes(wav[:36] + b"LIST\3\0\0\0abc\0" + wav[36:] + b"LIST\4\0\0\0abcd")
    assert sorted(run(program, chunky)) == events
    soundfile.write(other, np.zeros(100, np.int16), 8000)
    soundfile.write(stereo, np.zeros((100, 2), np.int16), images.SPEC.sample_rate)
    cut = [folder / f"{n}.wav" for n in (13, 21, 35, 40)]  # within RIFF's chunks
    for path in cut:
        path.write_bytes(wav[: int(path.stem)])
    for path in (other, stereo, *cut, folder / "missing.wav"):
        refused = subprocess.run([program, path], capture_output=True, text=True)
        assert refused.returncode == 1
        assert "mono int16 of 16000 Hz" in refused.stderr


def test_firmware(folder, events):
    found = []
    for line in follow_readme("firmware", folder):
        name, onset, offset, score = line.split("\t")
        rate = images.SPEC.sample_rate
        found.append(f"{name}\t{round(int(onset) / rate, 3):.3f}\t{round(int(offset) / rate, 3):.3f}\t{score}")
    assert sorted(found) == events
