"""What a line does to replies, from the host's side: each request ends in its reply, or in one error of the link."""

import numpy as np
import pytest

from pyaed.link import connection, packets
from pyaed.link.board import Board, LinkError
from pyaed.link.messages import protocol


class Line:
    """A port whose device answers well, and which then spoils what it carries."""

    def __init__(self, rng):
        self.rng, self.waiting = rng, b""
        self.receiver = packets.Receiver(protocol().max_payload, protocol().header.size)

    def write(self, data: bytes) -> None:
        for payload in self.receiver.feed(data):
            self.waiting += self.spoil(self.answer(protocol().header.unpack(payload[:8])))

    def answer(self, header: dict) -> bytes:
        message = next(m for m in protocol().messages if m.code == header["type"])
        body = self.rng.bytes(message.reply.size + int(self.rng.integers(0, 40)))
        if self.rng.random() < 0.5:
            body = bytes(message.reply.size)
        header |= {"type": header["type"] | 0x80, "status": int(self.rng.choice([0, 0, 0, -1, -3, -100]))}
        return packets.encode(protocol().header.pack(**header) + body)

    def spoil(self, packet: bytes) -> bytes:
        kind = self.rng.integers(7)
        at = int(self.rng.integers(len(packet)))
        if kind == 0:
            return packet[:at] + bytes([packet[at] ^ 1 << int(self.rng.integers(8))]) + packet[at + 1 :]
        if kind == 1:
            return packet[:at]
        if kind == 2:
            return packet * 3
        if kind == 3:
            return self.rng.bytes(int(self.rng.integers(1, 6000))) + b"\0" + packet
        if kind == 4:
            event = protocol().header.pack(type=int(self.rng.integers(64, 70)), status=0, sequence=at, dropped=0)
            return packets.encode(event + self.rng.bytes(int(self.rng.integers(0, 60)))) + packet
        if kind == 5:
            payload = self.rng.bytes(int(self.rng.integers(0, 400)))  # a good packet of nonsense
            return packets.encode(payload) + packet
        return packet

    def read(self, n: int) -> bytes:
        n = int(self.rng.integers(1, 5000))
        data, self.waiting = self.waiting[:n], self.waiting[n:]
        return data

    def close(self) -> None:
        pass


WORK = (
    lambda board: board.identify(),
    lambda board: board.device_counters(),
    lambda board: board.state(),
    lambda board: board.reset(),
    lambda board: board.features(np.zeros(50, np.int16)),
    lambda board: board.detect(np.zeros(50, np.int16)),
    lambda board: board.request("names", list=0, first=0),
)


@pytest.mark.parametrize("seed", range(4))
def test_each_request_ends_in_its_reply_or_in_one_error(monkeypatch, seed):
    monkeypatch.setattr(connection, "open_port", lambda *_: Line(np.random.default_rng(seed)))
    rng, ended = np.random.default_rng(100 + seed), {"reply": 0, "error": 0}
    for _ in range(40):
        with Board("socket://nowhere", timeout=0.03, retries=1) as board:
            for _ in range(3):
                try:
                    WORK[rng.integers(len(WORK))](board)
                    ended["reply"] += 1
                except LinkError:
                    ended["error"] += 1
    assert min(ended.values()) > 0
