"""The long run behind docs/firmware.md: python tests/firmware/fuzz.py PACKETS.

The application for this machine answers them under the sanitizers; the host's receiver has to find the same packets in the bytes.
"""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from support import images  # noqa: E402
from test_application import spoil  # noqa: E402

from pyaed.link import packets  # noqa: E402
from pyaed.link.messages import protocol  # noqa: E402

PIECE = 50_000
CODES = [protocol()[n].code for n in ("identify", "names", "counters", "upload", "reset", "state")] + [0, 99, 200]


def packet(code: int, sequence: int, body: bytes = b"") -> bytes:
    return packets.encode(protocol().header.pack(type=code, status=0, sequence=sequence, dropped=0) + body)


def wrong_byte(rng, data: bytes) -> bytes:
    at = int(rng.integers(len(data)))
    return data[:at] + bytes([data[at] ^ int(rng.integers(1, 256))]) + data[at + 1 :] + b"\0"


def received(rng, data: bytes) -> list[bytes]:
    """What the host's receiver makes of the same bytes, which come in pieces of random length."""
    receiver, payloads, at = packets.Receiver(protocol().max_payload, protocol().header.size), [], 0
    while at < len(data):
        n = int(rng.integers(1, 20000))
        payloads += receiver.feed(data[at : at + n])
        at += n
    return payloads


def ends(payloads: list[bytes]) -> list[tuple[int, int]]:
    """Type, without the bit of a reply, and sequence number of each."""
    headers = [protocol().header.unpack(p[: protocol().header.size]) for p in payloads]
    return [(h["type"] & ~protocol().reply_bit, h["sequence"]) for h in headers]


def main(n_frames: int) -> None:
    rng, program, start = np.random.default_rng(2026), images.host_application(), time.monotonic()
    bodies = [rng.bytes(int(rng.choice([0, 4, 8, 64]))) for _ in range(3000)]
    done = good = more = 0
    while done < n_frames:
        parts, in_piece = [], 0
        for i in range(PIECE):
            one = packet(CODES[int(rng.integers(len(CODES)))], i & 0xFFFF, bodies[int(rng.integers(len(bodies)))])
            if rng.random() < 0.5:
                one = spoil(rng, one) if rng.random() < 0.02 else wrong_byte(rng, one)
            else:
                in_piece += 1
            parts.append(one)
        parts.append(packet(protocol()["identify"].code, 777))
        data = b"".join(parts)
        ended = subprocess.run([program], input=data, capture_output=True, timeout=300, check=False)
        assert ended.returncode == 0, ended.stderr[-2000:]
        receiver = packets.Receiver(protocol().max_payload, protocol().header.size)
        replies = receiver.feed(ended.stdout)
        assert receiver.counters.dropped == 0
        assert ends(replies) == ends(received(rng, data)), "board and host disagree about what was a packet"
        more += len(replies) - in_piece - 1  # an accident that left its packet whole (cut behind its last byte)
        assert more >= 0
        done, good = done + PIECE, good + in_piece
    seconds = time.monotonic() - start
    print(
        f"{done:,} packets in {seconds:.0f} s: {good:,} good ones, all answered; {more:,} others answered; the host's receiver "
        "found the same ones; no crash, no hang"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
