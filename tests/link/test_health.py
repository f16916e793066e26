"""What a board says about itself reaches the user in words."""

import pytest
from support.commands import pyaed

from pyaed.link.health import REMEDIES, RESETS, fault_text, remarks
from pyaed.link.messages import protocol

SOUND = {"problems": 0, "reset_cause": 2, "fault": (0,) * 8, "serial_lost": 0, "serial_errors": 0}


def test_a_sound_board_says_nothing():
    assert remarks(SOUND) == []
    assert remarks({**SOUND, "reset_cause": 2 | 4 | 8}) == []  # pin, supply, an image's wish: how boards start


@pytest.mark.parametrize("value", protocol().enum("problem").values, ids=lambda value: value.name)
def test_each_problem_has_its_remedy(value):
    (remark,) = remarks({**SOUND, "problems": value.value})
    assert remark.startswith(f"{value.name}: {value.text}")
    assert remark.endswith(REMEDIES[value.name])


def test_no_name_is_made_up():
    assert set(REMEDIES) == {value.name for value in protocol().enum("problem").values}
    assert set(RESETS) < {value.name for value in protocol().enum("reset_cause").values}


def test_resets_and_the_line_are_told():
    state = {**SOUND, "reset_cause": 0x10, "serial_lost": 7, "serial_errors": 3}
    reset, lost, errors = remarks(state)
    assert "the watchdog restarted the board" in reset
    assert lost.startswith("7 bytes")
    assert "damaged 3 times" in errors
    assert "AED_BAUDRATE" in errors


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ((5, 0x8001234, 0x8000101, 0, 0x8200, 0, 0, 0x60000000), ["BusFault at 0x8001234", "address 0x60000000"]),
        ((6, 0, 0, 0, 1 << 20, 0, 0, 0x60000000), ["UsageFault where the stack can't be read", "CFSR 0x100000"]),
        ((116, 0x8001234, 1, 0, 0, 0, 0, 0), ["interrupt 100, which nobody handles"]),
        ((9, 0x8001234, 1, 0, 0, 0, 0, 0), ["exception 9"]),
    ],
)
def test_faults(fault, words):
    text = fault_text(fault)
    assert all(word in text for word in words)
    assert ("address" in text) == bool(fault[4] >> 15 & 1)
    assert remarks({**SOUND, "fault": fault}) == [text]


def test_doctor_asks_a_board(emulator):
    result = pyaed("doctor", "--port", emulator.url)
    assert result.code == 0, result.err
    assert f"board        mps2_an505 on {emulator.url}" in result.out
    assert "nothing out of order" in result.out
    result = pyaed("doctor", "--port", "/dev/ttyNONE7")
    assert result.code == 2
    assert "/dev/ttyNONE7" in result.err
