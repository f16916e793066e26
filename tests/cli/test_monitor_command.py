"""The monitor in a terminal, with the real emulator: a file is streamed, shown, recorded; the events are the host's."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
from support import images
from support.commands import pyaed

RATE = images.SPEC.sample_rate
CLASSES = ("a", "b", "c")
FEATURES = ("n_fft", "window_length", "hop_length", "n_mels", "patch_length", "overlap")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A sound file of four seconds, and the overrides of the tiny model."""
    folder = tmp_path_factory.mktemp("monitor")
    pcm = images.noise(4 * RATE, seed=3)
    pcm[RATE : 2 * RATE] //= 100
    soundfile.write(folder / "noise.wav", pcm, RATE)
    overrides = [f"feature_extraction.{key}={getattr(images.SPEC, key)}" for key in FEATURES]
    overrides += [f"general.model_path={images.tiny_model()}", f"dataset.class_names=[{','.join(CLASSES)}]"]
    return folder, [*overrides, "deployment.unknown_class_threshold=0.2"], pcm


def in_terminal(*args, seconds=300) -> tuple[int, str]:
    """Run a command in a terminal of 100 x 40; return its exit code and everything it wrote there."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pyaed.cli", *map(str, args)], stdin=slave, stdout=slave, stderr=slave,
        env={**os.environ, "COLUMNS": "100", "LINES": "40", "TERM": "xterm-256color"}, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    seen, end = bytearray(), time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([master], [], [], 1)[0]:
            try:
                data = os.read(master, 65536)
            except OSError:  # the terminal's word for an ended program
                break
            if not data:
                break
            seen += data
    os.close(master)
    return process.wait(10), seen.decode(errors="replace")


def test_a_file_in_a_terminal(project, tmp_path):
    folder, overrides, pcm = project
    code, seen = in_terminal("monitor", *overrides, "--board", "emulator", "--play", folder / "noise.wav",
                             "--record", tmp_path / "kept", "--fast", f"hydra.run.dir={tmp_path / 'run'}")  # fmt: skip
    assert code == 0, seen[-3000:]
    assert "Traceback" not in seen
    assert "\x1b[?25l" in seen
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[H")  # the cursor is given back
    last = seen[seen.rindex("\x1b[H") :]
    assert last.count("\x1b[48;5;") > 100  # the spectrogram
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", last)
    assert re.search(r"level\s+█*.* dBFS", plain)
    for name in CLASSES:
        assert re.search(rf"^{name} +\S* *\d+\.\d%", plain, re.MULTILINE), plain
    assert "lost samples 0, lost events 0, dropped packets 0" in plain
    assert "4.0 s" in plain
    kept, rate = soundfile.read(tmp_path / "kept" / "monitor.wav", dtype="int16")
    assert rate == RATE
    assert np.array_equal(kept, pcm)
    events = [json.loads(line) for line in (tmp_path / "kept" / "events.jsonl").read_text().splitlines()]
    assert events
    assert all(event["ended"] for event in events)
    assert f"{events[-1]['class']}" in plain
    host = pyaed("predict", *overrides, f"prediction.test_files_path={folder / 'noise.wav'}", "prediction.timeline=True",
                 f"hydra.run.dir={tmp_path / 'host'}")  # fmt: skip
    assert host.code == 0, host.err
    found = json.loads(next((tmp_path / "host").glob("events*.json")).read_text())
    expected = found["noise.wav"] if isinstance(found, dict) else found
    assert [(e["onset"], e["offset"], e["class"]) for e in sorted(events, key=lambda e: (e["onset"], e["class"]))] == [
        (e["onset"], e["offset"], e["class"]) for e in expected
    ]


def test_without_a_terminal_events_are_lines(project, tmp_path):
    folder, overrides, _ = project
    done = pyaed("monitor", *overrides, "--board", "emulator", "--play", folder / "noise.wav", "--fast", "--seconds", 2,
                 f"hydra.run.dir={tmp_path}")  # fmt: skip
    assert done.code == 0, done.err
    assert "\x1b" not in done.out
    assert re.search(r"0\.00 s to +\d+\.\d\d s  [abc]  \d+\.\d%", done.out), done.out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "one of --port and --board"),
        (["--board", "emulator", "--port", "x"], "one of --port and --board"),
        (["--board", "emulator"], "has no microphone"),
        (["--board", "emulator", "--play", "x.wav"], "general.model_path"),
        (["--port", "/dev/ttyNONE7"], "cannot open port"),
    ],
)
def test_what_is_missing_is_said(tmp_path, args, message):
    done = pyaed("monitor", f"hydra.run.dir={tmp_path}", *args)
    assert done.code == 2
    assert message in done.err
