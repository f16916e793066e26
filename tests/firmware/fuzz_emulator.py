"""Frames into the QEMU image, good and bad ones: python tests/firmware/fuzz_emulator.py SECONDS; docs/firmware.md has the figure."""

import contextlib
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from support import images  # noqa: E402
from test_application import request, spoil  # noqa: E402

from pyaed.boards.emulator import Emulator  # noqa: E402
from pyaed.link import packets  # noqa: E402
from pyaed.link.messages import protocol  # noqa: E402

PIECE = 400  # packets between two looks at the board
MARK = 0xFFFF  # sequence number of these looks
SILENCE = 30.0  # seconds without a byte after which the board counts as hung
CHEAP = ("names", "counters", "upload", "reset", "state")


@dataclass
class Result:
    """Frames sent, of these good ones, and those whose accident left them whole."""

    packets: int = 0
    good: int = 0
    survived: int = 0


def exchange(port: socket.socket, data: bytes, receiver: packets.Receiver) -> list[bytes]:
    """Flood the board with `data`, which ends in a request of sequence MARK; return what it answered."""
    port.settimeout(0.01)
    view, replies, last = memoryview(data), [], time.monotonic()
    while not replies or protocol().header.unpack(replies[-1][:8])["sequence"] != MARK:
        if view:
            with contextlib.suppress(TimeoutError):
                view = view[port.send(view[:65536]) :]
        try:
            if more := port.recv(65536):
                replies += receiver.feed(more)
                last = time.monotonic()
            else:
                raise AssertionError("the board hung up")
        except TimeoutError:
            assert time.monotonic() - last < SILENCE, "the board is silent"
    return replies


def payload(rng, sequence: int) -> bytes:
    """A request as the fuzzing of the host's build draws it, mostly one that costs little time."""
    if rng.random() < 0.01:
        return request(rng, sequence)
    message = protocol()[CHEAP[rng.integers(len(CHEAP))]]
    body = rng.bytes(message.request.size + int(rng.choice([0, 0, 1, 64])))
    return protocol().header.pack(type=message.code, status=0, sequence=sequence, dropped=0) + body


def fuzz(emulator: Emulator, seconds: float, seed: int) -> Result:
    """Send pieces of packets until the time is over; every good one has to be answered, once and in order."""
    rng, result = np.random.default_rng(seed), Result()
    host, port = emulator.url.removeprefix("socket://").split(":")
    receiver = packets.Receiver(protocol().max_payload, protocol().header.size)
    mark = packets.encode(protocol().header.pack(type=protocol()["counters"].code, status=0, sequence=MARK, dropped=0))
    end = time.monotonic() + seconds
    with socket.create_connection((host, int(port))) as connection:
        while time.monotonic() < end:
            data, sent = [b"\0"], []
            for sequence in range(PIECE):
                one = packets.encode(payload(rng, sequence))
                kind = rng.random()
                if kind < 0.4:
                    one = spoil(rng, one) if kind < 0.004 else spoil_shortly(rng, one)
                else:
                    sent.append(sequence)
                data.append(one * 2 if kind > 0.95 else one)  # doubled: answered twice
                if kind > 0.95:
                    sent.append(sequence)
            replies = exchange(connection, b"".join(data) + mark, receiver)
            emulator.check()
            answered = [protocol().header.unpack(r[:8]) for r in replies]
            numbers = iter(a["sequence"] for a in answered if a["type"] & protocol().reply_bit)
            assert all(sequence in numbers for sequence in sent), "a good packet got no answer, or not in its turn"
            assert all(-5 <= a["status"] <= 0 for a in answered)
            result.packets += PIECE + 1
            result.good += len(sent)
            result.survived += len(replies) - 1 - len(sent)
        assert receiver.counters.dropped == 0, receiver.counters
    return result


def spoil_shortly(rng, packet: bytes) -> bytes:
    """A packet after an accident that costs no time: a flipped bit, a cut end, or noise."""
    at = int(rng.integers(len(packet)))
    if rng.random() < 0.6:
        return packet[:at] + bytes([packet[at] ^ 1 << int(rng.integers(8))]) + packet[at + 1 :] + b"\0"
    return (packet[:at] if rng.random() < 0.5 else rng.bytes(at + 1)) + b"\0"


def main(seconds: float) -> None:
    start, seed = time.monotonic(), int(time.time())
    with Emulator(images.image().elf) as emulator:
        found = fuzz(emulator, seconds, seed)
        with emulator.connect() as board:
            counters = board.device_counters()
    print(
        f"seed {seed}: {found.packets:,} packets in {time.monotonic() - start:.0f} s: {found.good:,} good ones, all answered in "
        f"their turn; {found.survived:,} others answered; no crash, no hang; stack {counters['stack_used']} bytes"
    )


if __name__ == "__main__":
    main(float(sys.argv[1]))
