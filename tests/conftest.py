"""Fixtures that every room's tests may use."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# The same examples at every run, so that a change is judged by what it changed; HYPOTHESIS=explore draws new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS", "repeatable"))


@pytest.fixture(autouse=True)
def log_of_before() -> Iterator[None]:
    """What a command that ran in this process made of the log ends with its test: other tests look at the log, too."""
    log = logging.getLogger("pyaed")
    handlers, level, propagate = log.handlers[:], log.level, log.propagate
    yield
    log.handlers[:] = handlers
    log.setLevel(level)
    log.propagate = propagate


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and published models that lies beside the project here and in CI, or a skip."""
    folder = Path(os.environ.get("PYAED_SHARED", ROOT.parent / "shared"))
    if not (folder / "datasets" / "esc10").is_dir():
        pytest.skip(f"needs the shared data folder ({folder}); set PYAED_SHARED to it")
    return folder


@pytest.fixture(scope="session")
def image():
    """The tiny model's image for the emulated board."""
    from support import images

    return images.image()


@pytest.fixture(scope="session", params=["tcp", "pty"])
def emulator(request, image):
    """The emulated board with that image, shared by the tests that leave it as they found it."""
    from pyaed.boards.emulator import Emulator

    with Emulator(image.elf, transport=request.param) as emulator:
        yield emulator


@pytest.fixture
def board(emulator):
    """The object behind the emulated board's serial port, freshly reset."""
    with emulator.connect() as board:
        board.reset()
        yield board


@pytest.fixture
def device():
    """Makes devices whose answers a test decides; see `support.device`."""
    from support.device import Device

    made = []

    def make(answer):
        made.append(Device(answer))
        return made[-1]

    yield make
    for one in made:
        one.close()
