"""Packets, good and bad, through the link's receivers on both sides: python tests/link/fuzz_receivers.py PACKETS

The firmware's, under the sanitizers, and the host's have to find the same payloads and count the same faults (docs/security.md).
"""

import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pyaed.link import packets
from pyaed.sources import source_root

PIECE = 20_000  # packets of one program's run
LARGEST, SMALLEST = 300, 8  # payloads: both sides of COBS' groups of 254, and more than the receiver takes
COUNTERS = struct.Struct("<5I")


def build(folder: Path) -> Path:
    """Compile the firmware's receiver for this machine."""
    app, include = source_root() / "firmware" / "app", source_root() / "dsp_c" / "include"
    program = folder / "receive"
    sources = [Path(__file__).with_suffix(".c"), *(app / f"aed_{name}.c" for name in ("cobs", "crc32", "packet"))]
    flags = ["-std=c11", "-O1", "-g", "-Wall", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run(["cc", *flags, f"-I{app}", f"-I{include}", *sources, "-o", program], check=True)
    return program


def stock(rng: np.random.Generator) -> list[bytes]:
    """Packets to choose from: payloads of all lengths, some too short or too long, of random bytes, of zeros, of none."""
    made = []
    for _ in range(4000):
        n = int(rng.choice([rng.integers(0, 60), rng.integers(0, LARGEST + 40), 250, 254, 258, LARGEST]))
        payload = (
            rng.integers(0, 256, n, np.uint8) if rng.random() < 0.6 else rng.choice([0, 1, 255], n).astype(np.uint8)
        )
        made.append(packets.encode(payload.tobytes()))
    return made


def stream(rng: np.random.Generator, made: list[bytes]) -> bytes:
    """Return `PIECE` packets, half of them after an accident: changed bytes, a cut, a lost end."""
    chosen = [made[i] for i in rng.integers(0, len(made), PIECE)]
    for i in rng.choice(PIECE, PIECE // 10, replace=False):
        chosen[i] = chosen[i][: int(rng.integers(len(chosen[i]) + 1))]
    data = np.frombuffer(b"".join(chosen), np.uint8).copy()
    at = rng.integers(0, len(data), PIECE // 2)
    data[at] = rng.choice([0, 1, 255, *rng.integers(0, 256, 5)], len(at))
    return data.tobytes()


def host(rng: np.random.Generator, data: bytes) -> bytes:
    """What the host's receiver makes of the bytes, in pieces of random length, as the program prints it."""
    receiver, payloads, at = packets.Receiver(LARGEST, SMALLEST), [], 0
    while at < len(data):
        n = int(rng.integers(1, 50_000))
        payloads += receiver.feed(data[at : at + n])
        at += n
    parts = [part for payload in payloads for part in (len(payload).to_bytes(2, "little"), payload)]
    return b"".join([*parts, COUNTERS.pack(*vars(receiver.counters).values())])


def fuzz(n_packets: int, seed: int) -> str:
    """Send at least so many packets; return a line of figures."""
    rng, start, totals, done = np.random.default_rng(seed), time.monotonic(), np.zeros(5, np.int64), 0
    with tempfile.TemporaryDirectory() as folder:
        program, made = build(Path(folder)), stock(rng)
        while done < n_packets:
            data = stream(rng, made)
            run = subprocess.run([program, str(LARGEST), str(SMALLEST)], input=data, capture_output=True, check=False)
            assert run.returncode == 0, run.stderr.decode()[-2000:]
            assert run.stdout == host(rng, data), f"the sides differ, seed {seed}, behind {done} packets"
            totals += COUNTERS.unpack(run.stdout[-COUNTERS.size :])
            done += PIECE
    kinds = ("good", "over-long", "no COBS", "too short", "wrong CRC")
    shown = ", ".join(f"{n:,} {kind}" for n, kind in zip(totals, kinds))
    return f"{done:,} packets in {time.monotonic() - start:.0f} s, {time.process_time():.0f} s of processor: {shown}"


if __name__ == "__main__":
    print(fuzz(int(sys.argv[1]), seed=2026))
