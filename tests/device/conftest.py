"""The emulated board with the tiny model, shared by the tests that leave it as they found it."""

import pytest
from support import images

from pyaed.device.emulator import Emulator


@pytest.fixture(scope="session")
def image():
    return images.image()


@pytest.fixture(scope="session", params=["tcp", "pty"])
def emulator(request, image):
    with Emulator(image.elf, transport=request.param) as emulator:
        yield emulator


@pytest.fixture
def link(emulator):
    with emulator.link() as link:
        link.reset()
        yield link
