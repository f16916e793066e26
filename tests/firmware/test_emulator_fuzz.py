"""A short run of floods of good and bad packets into the emulated hardware; the long one is fuzz_emulator.py."""

from fuzz_emulator import fuzz
from support import images

from pyaed.boards.emulator import Emulator


def test_every_good_frame_is_answered_in_its_turn():
    with Emulator(images.image().elf) as emulator:
        found = fuzz(emulator, 5, seed=1)
        assert found.packets > 400  # one piece at least, however busy the machine is
        assert found.good > found.packets // 2
        with emulator.connect() as board:
            assert board.identify().board == "mps2_an505"
