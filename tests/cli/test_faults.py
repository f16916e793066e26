"""Every command on a full or read-only disk, with names of raw bytes, on closed pipes and killed: exit code 2 and one
message, nothing half-written is left, nothing that was finished is lost."""

import contextlib
import errno
import functools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support import images
from support.commands import pyaed
from support.forked import PREPARE, Commands, Ended
from support.host_board import HostBoard
from support.sets_server import environment, serving, small_esc50

from pyaed import nn
from pyaed.boards import find_board
from pyaed.boards.emulator import Emulator
from pyaed.deploy.build import read_image
from pyaed.files import HOLDER, sweep

FLOAT, INT8 = (
    "general.model_path=run/saved_models/best_model.keras",
    "general.model_path=run/quantized_models/quantized_model.tflite",
)
ON = ("-c", "user.yaml", "hydra.run.dir=new")
COMMANDS = {
    "init": ("init", "new/new.yaml"),
    "features": ("features", "few", "--out", "new"),
    "plot-lr": ("plot-lr", "-c", "user.yaml", "--out", "new/lr.png"),
    "train": ("train", *ON, "training.epochs=1"),
    "quantize": ("quantize", *ON, FLOAT),
    "evaluate": ("evaluate", *ON, INT8),
    "predict": ("predict", *ON, INT8, "dataset.prediction_audio_path=few"),
    "predict timeline": ("predict", *ON, INT8, "dataset.prediction_audio_path=few", "prediction.timeline=True"),
    "deploy": ("deploy", *ON, INT8),
    "benchmark": ("benchmark", *ON, INT8),
    "verify": ("verify", *ON, INT8, "--clips", "1", "--patches", "1"),
    "crossval": ("crossval", *ON, "training.epochs=1", "--protocol", "random", "--repeats", "2"),
    "demo": ("demo", "--out", "new", "training.epochs=1"),
    "fetch": ("dataset", "fetch", "esc50", "--to", "new"),
    "record": ("record", "new/a.wav", "--seconds", "0.2", "--port", "{host}"),
    "monitor": ("monitor", *ON, "--seconds", "1", "--record", "new/kept", "--port", "{host}"),
    "evaluate on target": ("evaluate", *ON, INT8, "--results", "new/answers.jsonl", "--port", "{emulated}"),
}  # fmt: skip
LONG = {
    "crossval",
    "demo",
    "benchmark",
    "verify",
    "evaluate on target",
}  # one fault each: their steps are other commands' too


class Runner:
    """Runs commands by their names in `COMMANDS`, with boards and a web server for those that need one."""

    def __init__(self, commands: Commands, folder: Path, microphone: Path):
        self._commands, self._folder, self._microphone = commands, folder, microphone
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Runner":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @functools.cached_property
    def host(self) -> str:
        """The port of the application on this machine, with a microphone."""
        board = self._stack.enter_context(HostBoard(self._microphone))
        return os.ttyname(board._slave)

    @functools.cached_property
    def emulated(self) -> str:
        """The port of the emulator with the project's quantized model."""
        ended = self._commands.run("deploy", "-c", "user.yaml", "hydra.run.dir=image", INT8, cwd=self._folder)
        assert ended.code == 0, ended.err
        (elf,) = (self._folder / "image").rglob("pyaed.elf")
        return self._stack.enter_context(Emulator(elf)).url

    @functools.cached_property
    def served(self) -> dict[str, str]:
        """What a process that fetches ESC-50 has to know."""
        server = self._stack.enter_context(serving())
        small_esc50(server)
        return {PREPARE: "support.sets_server", **environment(server)}

    def run(self, *arguments: str, env: dict | None = None, **options) -> Ended:
        places = {key: getattr(self, key) for key in ("host", "emulated") if f"{{{key}}}" in arguments}
        env = {**(env or {}), **(self.served if "fetch" in arguments else {})}
        return self._commands.run(*(text.format(**places) for text in arguments), env=env, **options)


@pytest.fixture(scope="module")
def commands(copied, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fault")
    (folder / "microphone").write_bytes(np.tile(images.noise(16000), 20).tobytes())
    with Commands(folder) as commands, Runner(commands, copied, folder / "microphone") as runner:
        yield runner


@pytest.fixture(scope="module")
def copied(project, tmp_path_factory) -> Path:
    """The project in a folder of its own, its feature cache too; ``few`` holds one clip."""
    folder = tmp_path_factory.mktemp("faults") / "project"
    shutil.copytree(project.folder, folder)
    (folder / "few").mkdir()
    shutil.copy(min((folder / "data/audio").iterdir()), folder / "few/a.wav")
    return folder


def names_left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if HOLDER in str(path)]


def expect_message(ended, *parts: str) -> None:
    last = ended.err.strip().splitlines()[-1] if ended.err.strip() else ""
    assert "Traceback" not in ended.err, ended.err
    assert ended.code == 2, (ended.code, ended.err)
    assert last.startswith("error: "), ended.err
    for part in parts:
        assert part in last, last


@pytest.mark.parametrize("name", COMMANDS)
def test_full_disk(commands, copied, name):
    """Where a disk is full from some write on, the command says so; where it could go on, its result is whole."""
    cache = {"PYAED_CACHE": str(copied / "cache")}

    def run(**fault):
        shutil.rmtree(copied / "new", ignore_errors=True)
        shutil.rmtree(copied / "cache", ignore_errors=True)
        return commands.run(*COMMANDS[name], cwd=copied, env=cache, **fault)

    places = [3]
    if name not in LONG:
        whole = run()
        assert whole.code == 0, whole.err
        assert whole.writes > 2
        places = sorted({0, 1, *random.Random(name).sample(range(whole.writes), 2), whole.writes - 1})
    for place in places:
        ended = run(full_after=place)
        if ended.writes > place:  # threads that fill the cache make a write more or less
            expect_message(ended, "No space left on device")
        assert not names_left(copied)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in LONG])
def test_read_only_folder(commands, copied, name):
    shutil.rmtree(copied / "new", ignore_errors=True)
    expect_message(
        commands.run(*COMMANDS[name], cwd=copied, full_after=0, error=errno.EROFS), "cannot write new", "Read-only"
    )
    assert not (copied / "new").exists()


ANSWER_KILLS, LOAD_KILLS = 5, 5
BYTES = os.fsdecode(b"caf\xe9\x1b[31m")


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in LONG])
def test_names_of_raw_bytes(commands, copied, name):
    """A folder, a model, a configuration and a clip whose names are no text."""
    folder = copied / BYTES
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copytree(copied / "data", folder / "data")
    shutil.copytree(copied / "run", folder / "run")
    shutil.copy(copied / "user.yaml", folder / f"{BYTES}.yaml")
    (folder / "few").mkdir()
    shutil.copy(copied / "few/a.wav", folder / f"few/{BYTES}.wav")
    model = folder / f"run/quantized_models/{BYTES}.tflite"
    shutil.copy(folder / "run/quantized_models/quantized_model.tflite", model)
    arguments = [
        text.replace("user.yaml", f"{BYTES}.yaml").replace("dir=new", f"dir={BYTES}") for text in COMMANDS[name]
    ]
    arguments = [text.replace("/quantized_model.tflite", f"/{BYTES}.tflite") for text in arguments]
    arguments = [BYTES + text[3:] if text == "new" or text.startswith("new/") else text for text in arguments]
    ended = commands.run(*arguments, cwd=folder)
    if name == "deploy":
        return expect_message(ended, "caf\\xe9\\x1b[31m/deployment: CMake can't build in a folder of this name")
    assert ended.code == 0, ended.err
    for text in (ended.out, ended.err):
        assert "\x1b" not in text
        assert "\nconfig" not in text
    for path in (folder / BYTES).rglob("*.csv"):
        path.read_text(encoding="utf-8")
    shown = [path.read_text(encoding="utf-8") for path in folder.glob(f"{BYTES}/**/*.log")]
    assert all("\x1b" not in text for text in shown)
    if name == "predict":
        assert "caf\\xe9\\x1b[31m.wav" in (folder / BYTES / "predictions.csv").read_text()


def test_an_error_names_raw_bytes_safely(tmp_path):
    result = pyaed("train", "-c", BYTES, cwd=tmp_path)
    assert result.code == 2
    assert "configuration file not found: caf\\xe9\\x1b[31m" in result.err


@pytest.mark.parametrize(
    "arguments", [("config", "schema"), ("doctor",), ("--help",), ("features", "few", "--out", "piped"), ("cache",)]
)  # fmt: skip
def test_closed_pipe(copied, arguments):
    """A reader that has gone, as ``| head -c1``: no traceback, no message, and no answer of a check."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "pyaed.cli", *arguments], stdout=writer, stderr=subprocess.PIPE, text=True, cwd=copied,
        check=False,
    )  # fmt: skip
    os.close(writer)
    assert done.returncode in ({141, 1} if arguments == ("--help",) else {141}), done.stderr
    assert "Error" not in done.stderr
    assert "Traceback" not in done.stderr


def test_full_standard_output(copied):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pyaed.cli", "config", "schema"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.strip() == "error: No space left on device"


@pytest.mark.parametrize("error", [MemoryError(), RecursionError(), PermissionError(13, "Permission denied", "x/y")])
def test_what_nobody_expected(monkeypatch, capsys, error):
    from pyaed import cli, config

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(config, "json_schema", fail)
    monkeypatch.setattr(sys, "argv", ["pyaed", "config", "schema"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    expected = {
        MemoryError: "not enough memory",
        RecursionError: "nested too deeply",
        PermissionError: "x/y: Permission denied",
    }
    assert expected[type(error)] in capsys.readouterr().err


def whole(path: Path) -> bool:
    """Whether a result is a complete file of its kind."""
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    if path.suffix == ".tflite":
        return nn.read_tflite(path) is not None
    if path.suffix == ".elf":
        return read_image(path, find_board(path.parent.name)).flash > 0
    if path.suffix == ".json":
        return json.loads(path.read_text()) is not None
    return path.stat().st_size > 0 and not path.read_text(errors="replace").endswith("\0")


def killed(commands, folder: Path, names: tuple[str, ...], n: int, seed: int) -> int:
    """Kill commands at `n` random instants over results of before; return how many of them were killed at work."""
    random_instants, seconds, kills = random.Random(seed), {}, 0
    shutil.rmtree(folder / "new", ignore_errors=True)
    for name in names:
        ended = commands.run(*COMMANDS[name], cwd=folder)
        assert ended.code == 0, ended.err
        seconds[name] = ended.seconds
    # A log is of its run: the next build begins it anew.
    finished = {path for path in (folder / "new").rglob("*") if path.is_file() and path.suffix != ".log"}
    for i in range(n):
        name = names[i % len(names)]
        ended = commands.run(*COMMANDS[name], cwd=folder, kill_after=random_instants.uniform(0.05, 1) * seconds[name])
        kills += ended.code == -signal.SIGKILL
        for part in [folder / "new", *(path for path in (folder / "new").rglob("*") if path.is_dir())]:
            sweep(part)  # as the next start does
        for path in finished:
            assert path.is_file(), f"{name}, killed after {ended.seconds:.3f} s, lost {path}"
            assert whole(path), f"{name}, killed after {ended.seconds:.3f} s, damaged {path}"
    for path in names_left(folder):
        if path.name.startswith(HOLDER):
            os.utime(path, (0, 0))
    for name in names:
        assert commands.run(*COMMANDS[name], cwd=folder).code == 0
    assert not names_left(folder / "new")
    return kills


def test_kills_lose_no_answer_of_a_board(commands, copied):
    """From an empty file on: every whole line stays, and the end is that of an evaluation that was never killed."""
    arguments, answers, known = COMMANDS["evaluate on target"], copied / "new/answers.jsonl", b""
    shutil.rmtree(copied / "new", ignore_errors=True)
    whole_run = commands.run(*arguments, cwd=copied)
    assert whole_run.code == 0, whole_run.err
    expected, (report,) = answers.read_bytes(), (copied / "new").rglob("*_report.json")
    figures = json.loads(report.read_text())
    shutil.rmtree(copied / "new")
    random_instants, kills = random.Random(3), 0
    for _ in range(ANSWER_KILLS):
        ended = commands.run(*arguments, cwd=copied, kill_after=random_instants.uniform(0.3, 1) * whole_run.seconds)
        kills += ended.code == -signal.SIGKILL
        now = answers.read_bytes() if answers.is_file() else b""
        assert now.startswith(known[: known.rfind(b"\n") + 1]), "an answer was lost"
        known = now
    assert kills
    assert commands.run(*arguments, cwd=copied).code == 0
    assert answers.read_bytes() == expected
    assert json.loads(report.read_text()) == figures


def test_kills_of_a_load_cost_no_more_than_time(commands, copied):
    """From an empty folder on: the same command goes on each time, and in the end every file is right."""
    random_instants = random.Random(4)
    shutil.rmtree(copied / "new", ignore_errors=True)
    seconds = commands.run(*COMMANDS["fetch"], cwd=copied).seconds
    expected = {path.relative_to(copied): path.read_bytes() for path in (copied / "new").rglob("*") if path.is_file()}
    assert len(expected) == 8
    for _ in range(LOAD_KILLS):
        if random_instants.random() < 0.3:
            shutil.rmtree(copied / "new", ignore_errors=True)
        commands.run(*COMMANDS["fetch"], cwd=copied, kill_after=random_instants.uniform(0.05, 1) * seconds)
        done = commands.run(*COMMANDS["fetch"], cwd=copied)
        assert done.code == 0, done.err
        found = {path.relative_to(copied): path.read_bytes() for path in (copied / "new").rglob("*") if path.is_file()}
        assert found == expected


def test_kills_lose_nothing(commands, copied):
    """Training, quantization, evaluation with its report and deployment, killed over finished results of their own."""
    assert killed(commands, copied, ("train", "quantize", "evaluate", "deploy"), 20, seed=1) >= 10
