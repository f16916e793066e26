"""Which port is the board's."""

import pytest
from serial.tools.list_ports_common import ListPortInfo

from pyaed.errors import UserError
from pyaed.link import ports
from pyaed.link.board import Board


def port(name: str, vid: int | None = None, pid: int | None = None) -> ListPortInfo:
    info = ListPortInfo(name)
    info.vid, info.pid, info.serial_number, info.description = vid, pid, "0027" if vid else None, "a port"
    return info


STLINK, OTHER = port("/dev/ttyACM3", 0x0483, 0x374E), port("/dev/ttyACM0", 0x2341, 0x0043)


def test_the_stlink_is_found_and_listed_first():
    assert ports.find([OTHER, STLINK]) == "/dev/ttyACM3"
    rows = ports.list_all([OTHER, STLINK])
    assert [row["port"] for row in rows] == ["/dev/ttyACM3", "/dev/ttyACM0"]
    assert rows[0] == {"port": "/dev/ttyACM3", "what": "ST-LINK/V3", "serial number": "0027"}


@pytest.mark.parametrize("product", [0x374E, 0x374F, 0x3753, 0x3754, 0x3755, 0x3757])
def test_every_stlink_v3_is_known(product):
    """Numbers of ST's udev rules and of the Linux USB id table."""
    assert ports.find([OTHER, port("/dev/ttyACM7", 0x0483, product)]) == "/dev/ttyACM7"
    assert not ports.is_stlink(port("x", 0x0484, product))
    assert not ports.is_stlink(port("x", 0x0483, product + 0x100))


def test_other_ports_are_listed_as_they_are():
    bare = port("/dev/ttyS0")
    bare.description = None
    assert ports.list_all([bare, OTHER]) == [
        {"port": "/dev/ttyACM0", "what": "a port", "serial number": "0027"},
        {"port": "/dev/ttyS0", "what": "", "serial number": ""},
    ]
    assert ports.resolve("COM3") == "COM3"


def test_none_and_several():
    with pytest.raises(UserError, match=r"no ST-LINK is connected.*other ports: /dev/ttyACM0"):
        ports.find([OTHER])
    with pytest.raises(UserError, match="no serial port exists here"):
        ports.find([])
    with pytest.raises(UserError, match=r"more than one ST-LINK.*ttyACM3, /dev/ttyACM4"):
        ports.find([STLINK, port("/dev/ttyACM4", 0x0483, 0x3753)])


def test_auto(monkeypatch):
    monkeypatch.setattr(ports.list_ports, "comports", lambda: [OTHER])
    with pytest.raises(UserError, match="no ST-LINK is connected"):
        Board("auto")
