"""Serial ports of this machine, and which of them is an ST-LINK."""

from collections.abc import Sequence

from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from pyaed.errors import UserError

ST_VENDOR = 0x0483
#: USB product -> what it is; all have a virtual serial port.
STLINK_PRODUCTS = {
    0x374E: "ST-LINK/V3",
    0x374F: "ST-LINK/V3",
    0x3753: "ST-LINK/V3, two serial ports",
    0x3754: "ST-LINK/V3, no drive",
    0x3755: "ST-LINK/V3",
    0x3757: "ST-LINK/V3",
}
AUTO = "auto"


def is_stlink(port: ListPortInfo) -> bool:
    """Whether a port of pyserial's ``comports()`` belongs to an ST-LINK."""
    return port.vid == ST_VENDOR and port.pid in STLINK_PRODUCTS


def list_all(ports: Sequence[ListPortInfo] | None = None) -> list[dict[str, str]]:
    """Return one row per serial port: port, what it is, its USB serial number; ST-LINKs first.

    Parameters
    ----------
    ports : sequence of pyserial's ListPortInfo, optional
        By default all of this machine.
    """
    ports = list_ports.comports() if ports is None else ports
    return [
        {
            "port": port.device,
            "what": STLINK_PRODUCTS[port.pid] if is_stlink(port) else port.description or "",
            "serial number": port.serial_number or "",
        }
        for port in sorted(ports, key=lambda p: (not is_stlink(p), p.device))
    ]


def find(ports: Sequence[ListPortInfo] | None = None) -> str:
    """Return the one port that belongs to an ST-LINK.

    Raises
    ------
    UserError
        When there is none, or more than one (with their names).
    """
    ports = list_ports.comports() if ports is None else ports
    found = sorted(port.device for port in ports if is_stlink(port))
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"more than one ST-LINK is connected: name one of {', '.join(found)} with --port")
    others = ", ".join(sorted(port.device for port in ports))
    raise UserError(
        "no ST-LINK is connected: plug the board in by its ST-LINK USB port"
        + (f"; other ports: {others}" if others else "; no serial port exists here")
    )


def resolve(port: str) -> str:
    """Return `port`, or the ST-LINK's for 'auto'."""
    return find() if port == AUTO else port


__all__ = ["AUTO", "find", "is_stlink", "list_all", "resolve"]
