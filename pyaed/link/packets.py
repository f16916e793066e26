"""Packets of the serial link: COBS(payload, CRC-32 little-endian), then one zero byte. The twin of firmware/app/aed_packet.c."""

import zlib
from dataclasses import dataclass, fields

CRC_SIZE = 4


def cobs_encode(data: bytes) -> bytes:
    """Return `data` without zeros: each group is its length + 1, then up to 254 bytes that aren't zero."""
    out = bytearray()
    groups = data.split(b"\0")
    for i, group in enumerate(groups):
        # A full group of 254 stands for no zero; the encoder needs another one behind it only when data follow.
        while len(group) > 254 or (len(group) == 254 and i + 1 < len(groups)):
            out.append(255)
            out += group[:254]
            group = group[254:]
        out.append(len(group) + 1)
        out += group
    return bytes(out)


def cobs_decode(data: bytes) -> bytes:
    """Return what was encoded.

    Raises
    ------
    ValueError
        For bytes that no encoder writes: a zero, a group longer than what is left, nothing at all.
    """
    if not data or 0 in data:
        raise ValueError("not COBS")
    out = bytearray()
    at = 0
    while at < len(data):
        code = data[at]
        if at + code > len(data):
            raise ValueError("not COBS")
        out += data[at + 1 : at + code]
        at += code
        if code != 255 and at < len(data):
            out.append(0)
    return bytes(out)


def encode(payload: bytes) -> bytes:
    """Return the packet that carries `payload`."""
    return cobs_encode(payload + zlib.crc32(payload).to_bytes(CRC_SIZE, "little")) + b"\0"


def max_packet(payload: int) -> int:
    """Return the most bytes that the packet of a payload of that many bytes takes."""
    n = payload + CRC_SIZE
    return n + n // 254 + 2


@dataclass
class Counters:
    """Packets seen by a receiver: good ones, and dropped ones by reason."""

    packets: int = 0
    overlong: int = 0
    garbage: int = 0
    truncated: int = 0
    bad_crc: int = 0

    @property
    def dropped(self) -> int:
        return int(sum(getattr(self, f.name) for f in fields(self))) - self.packets


class Receiver:
    """Takes bytes as they come, hands out whole, correct payloads; drops and counts the rest.

    Parameters
    ----------
    max_payload, min_payload : int
        Bytes. Longer packets count as over-long, shorter payloads as truncated.
    """

    def __init__(self, max_payload: int, min_payload: int):
        self.counters = Counters()
        self._capacity = max_packet(max_payload)
        self._min_payload = min_payload
        self._pending = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads that `data` completes."""
        payloads = []
        *ends, rest = data.split(b"\0")
        for part in ends:
            self._add(part)
            if self._pending and not self._skipping:
                payload = self._finish(bytes(self._pending))
                if payload is not None:
                    payloads.append(payload)
            self._pending.clear()
            self._skipping = False
        self._add(rest)
        return payloads

    def _add(self, part: bytes) -> None:
        room = self._capacity - len(self._pending)
        self._pending += part[:room]
        if len(part) > room and not self._skipping:
            self._skipping = True
            self.counters.overlong += 1

    def _finish(self, packet: bytes) -> bytes | None:
        try:
            data = cobs_decode(packet)
        except ValueError:
            self.counters.garbage += 1
            return None
        if len(data) < self._min_payload + CRC_SIZE:
            self.counters.truncated += 1
            return None
        payload, crc = data[:-CRC_SIZE], data[-CRC_SIZE:]
        if zlib.crc32(payload) != int.from_bytes(crc, "little"):
            self.counters.bad_crc += 1
            return None
        self.counters.packets += 1
        return payload
