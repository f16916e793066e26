"""The console of the MLPerf Tiny benchmark, driven as its public runner does: name, profile, load, infer, results."""

import re
import socket
import time

import numpy as np
import pytest
from support import images
from support.u585 import Chip

from pyaed import deploy, nn
from pyaed.boards.emulator import Emulator
from pyaed.dsp import FrontEnd

READY = b"m-ready\r\n"


class Runner:
    """The runner's side of the protocol: a command and '%' out, lines until m-ready in."""

    def __init__(self, url: str):
        host, port = url.removeprefix("socket://").split(":")
        self.port = socket.create_connection((host, int(port)), timeout=60)

    def lines(self) -> list[str]:
        data = b""
        while not data.endswith(READY):
            more = self.port.recv(4096)
            assert more, "the board hung up"
            data += more
        *lines, ready, end = data.decode().split("\r\n")
        assert (ready, end) == ("m-ready", "")
        return lines

    def ask(self, command: str) -> list[str]:
        self.port.sendall(command.encode() + b"%")
        return self.lines()

    def load(self, data: bytes) -> None:
        assert self.ask(f"db load {len(data)}") == [f"m-[Expecting {len(data)} bytes]"]
        for start in range(0, len(data), 32):
            answer = self.ask(f"db {data[start : start + 32].hex()}")
            assert answer == (["m-load-done"] if start + 32 >= len(data) else [])


@pytest.fixture(scope="module")
def sources():
    return images.copied_sources("mlperf")


@pytest.fixture(scope="module")
def runner(sources):
    image = deploy.build_image(sources, "mps2_an505", deploy.check_options("mps2_an505", {"AED_MLPERF": 1}))
    with Emulator(image.elf) as emulator:
        found = Runner(emulator.url)
        assert re.fullmatch(r"m-timestamp-mode-performance m-lap-us-\d+ m-init-done", " ".join(found.lines()))
        yield found
        found.port.close()


def test_a_session_as_the_runner_has_it(runner):
    assert runner.ask("name") == ["m-name-dut-[mps2_an505]"]
    profile, model = runner.ask("profile")
    assert profile.startswith("m-profile-[")
    assert model == "m-model-[kws01]"
    patches = images.to_inputs(FrontEnd(images.SPEC).log_mel(images.noise(6000)))
    engine = nn.Engine(images.program())
    for patch in patches[:2]:
        data = patch.tobytes()
        runner.load(data)
        shown = "".join(line.removeprefix("m-buffer-") + "-" for line in runner.ask("db print"))
        assert bytes.fromhex(shown.replace("-", "")) == data
        lines = runner.ask("infer 3 1")
        assert lines[:3] == ["m-warmup-start-1", "m-warmup-done", "m-infer-start-3"]
        assert lines[5] == "m-infer-done"
        start, end = (int(line.removeprefix("m-lap-us-")) for line in lines[3:5])
        assert end >= start
        expected = engine.predict(patch[np.newaxis]).ravel()
        found = [float(value) for value in lines[6].removeprefix("m-results-[").removesuffix("]").split(",")]
        assert np.abs(np.array(found) - expected).max() <= 0.0005001
        assert runner.ask("results") == [lines[6]]
    assert runner.ask("infer")[0] == "m-warmup-start-10"


def test_time_goes_on(runner):
    first = int(runner.ask("timestamp")[0].removeprefix("m-lap-us-"))
    time.sleep(0.3)
    passed = int(runner.ask("timestamp")[0].removeprefix("m-lap-us-")) - first
    assert 200_000 < passed < 60_000_000


MISTAKES = {
    "hello": "e-[Unknown command: hello]",
    "": "e-[Unknown command: ]",
    "  ": "e-[Unknown command: ]",
    "infer 0": "e-[Inference iterations must be >0]",
    "infer -1": "e-[Inference iterations must be >0]",
    "infer 99999999999": "e-[Inference iterations must be >0]",
    "infer 1 x": "e-[Inference warmup must be >=0]",
    "db": "e-[Command 'db' requires a subcommand]",
    "db load": "e-[Command 'db load' takes 1 to 192 bytes]",
    "db load 0": "e-[Command 'db load' takes 1 to 192 bytes]",
    "db load 193": "e-[Command 'db load' takes 1 to 192 bytes]",
    "x" * 5000: "e-[Command too long]",
}


@pytest.mark.parametrize("command", MISTAKES)
def test_mistakes_are_told_and_change_nothing(runner, command):
    assert runner.ask(command) == [MISTAKES[command]]
    assert runner.ask("name") == ["m-name-dut-[mps2_an505]"]


def test_half_a_byte_no_hex_and_too_few_bytes(runner):
    runner.ask("db load 4")
    assert runner.ask("db 123") == ["e-[Invalid or missing hex digit]"]
    assert runner.ask("db zz") == ["e-[Invalid or missing hex digit]"]
    assert runner.ask("db 00") == []
    assert runner.ask("infer 1") == ["e-[Input has 2 bytes, the model takes 192]"]
    assert runner.ask("db 0102030405060708") == ["m-load-done"]  # the rest of the digits is passed over
    assert runner.ask("db print") == ["m-buffer-12-00-01-02"]


def test_noise_of_all_bytes(runner):
    rng = np.random.default_rng(1)
    for _ in range(20):
        noise = bytes(b for b in rng.bytes(700) if b != ord("%"))
        runner.port.sendall(noise + b"%")
        data = b""
        while not data.endswith(READY):
            data += runner.port.recv(4096)
        assert data.startswith(b"e-[")
    assert runner.ask("name") == ["m-name-dut-[mps2_an505]"]


def test_the_chip_speaks_it_too(sources):
    image = deploy.build_image(sources, "b_u585i_iot02a", deploy.check_options("b_u585i_iot02a", {"AED_MLPERF": 2}))
    chip = Chip(image.elf)
    chip.run()
    assert chip.sent.endswith(b"m-init-done\r\n" + READY)
    chip.sent.clear()
    chip.receive(b"name%profile%")
    assert b"m-name-dut-[b_u585i_iot02a]\r\n" in chip.sent
    assert b"m-model-[ic01]\r\n" in chip.sent
    assert chip.errors == []
