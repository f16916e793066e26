"""Sound into the modelled chip for an hour, with faults at random: nothing may be lost but what a fault covers.

    python tests/firmware/soak.py [--seconds 3600] [--faults 1000] [--seed 0]

The chip's real image (tiny test model) listens to its modelled microphone. DMA errors, a microphone that goes silent, a main
loop that is late, interrupts that are late, noise, floods, flipped bits and cut packets on the link come at random. The
host rebuilds what the detector must have heard (the same samples, zeros in the place of those that were lost) and its events
have to be the board's, one for one. The board's position has to stay within one block of the time that has passed, and the
link has to answer after every fault.
"""

import argparse
import collections
import sys
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from support import images  # noqa: E402
from support.u585 import DMA_IRQ, Chip  # noqa: E402

from pyaed import nn  # noqa: E402
from pyaed.detector import DetectorSettings, StreamFrontEnd, find_events  # noqa: E402
from pyaed.link import packets  # noqa: E402
from pyaed.link.messages import protocol  # noqa: E402

HALF, RATE, SETTLING, RING = 256, 16000, 8, 64
BLOCK = HALF * 1e6 / RATE  # microseconds
QUIET = 12  # blocks behind a fault: some patches, which tell what was lost


class Soak:
    """A listening chip, the time, and what its detector must have heard so far."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.chip = Chip(images.chip_image().elf)
        self.heard: list[np.ndarray] = []
        self.lost = self.told = self.position = self.blocks = 0
        self.detections: list[dict] = []
        self.receiver = packets.Receiver(protocol().max_payload, protocol().header.size)
        self.events = {event.code: event for event in protocol().events}
        self.chip.run()
        self.ask("listen", source=1, output=6)
        self.start = self.chip.microseconds()
        self.pass_blocks(SETTLING, counts=False)
        self.pass_blocks(QUIET)

    def request(self, name: str, **fields) -> tuple[bytes, int]:
        message, header = protocol()[name], protocol().header
        head = header.pack(type=message.code, status=0, sequence=7, dropped=0)
        return packets.encode(head + message.request.pack(**fields)), message.code | protocol().reply_bit

    def ask(self, name: str, **fields) -> None:
        """Send a request; its reply has to come."""
        data, wanted = self.request(name, **fields)
        self.chip.receive(data)
        assert wanted in self.take(), f"no reply to {name}"

    def take(self) -> list[int]:
        """Take what the board has sent; return the types of the packets."""
        codes = []
        for payload in self.receiver.feed(bytes(self.chip.sent)):
            codes.append(payload[0])
            if payload[0] not in self.events:
                continue
            event = self.events[payload[0]]
            fields = event.body.unpack(payload[8:])
            if event.name == "patch":
                self.position, self.told = fields["position"], fields["lost"]
            elif event.name == "detection" and fields["ended"]:
                self.detections.append(fields)
            elif event.name == "fault":
                raise AssertionError(f"the core ran into a fault: {fields}")
        self.chip.sent.clear()
        return codes

    def wait(self) -> None:
        """Let time pass until the next block is due."""
        self.blocks += 1
        self.chip.let_pass(max(0.0, self.start + self.blocks * BLOCK - self.chip.microseconds()) / 1e6)

    def block(self, counts: bool = True, work: bool = True) -> None:
        """Bring a block of sound: faint noise, half of the time with a tone."""
        self.wait()
        pcm = self.rng.normal(scale=300, size=HALF)
        if self.blocks // 40 % 2:
            pcm += 9000 * np.sin(np.arange(HALF) * (0.1 + self.blocks // 80 % 7 * 0.3))
        pcm = pcm.astype(np.int16)
        self.chip.hear(pcm.tobytes())
        if counts:
            self.heard.append(pcm)
        if work:
            self.chip.run()
            self.take()

    def pass_blocks(self, n: int, counts: bool = True, work: bool = True) -> None:
        for _ in range(n):
            self.block(counts, work)

    def lose(self, blocks: int) -> None:
        """So many blocks did not reach the detector: go on, and hear from the board how many samples it makes of that."""
        at = len(self.heard)
        self.pass_blocks(QUIET)
        found = self.told - self.lost
        assert abs(found - blocks * HALF) <= 4, f"{found} samples lost instead of {blocks * HALF}"
        self.heard.insert(at, np.zeros(found, np.int16))
        self.lost = self.told

    # --- faults ------------------------------------------------------------------------------------------------------

    def dma_error(self) -> None:
        self.chip.break_dma(int(self.rng.integers(10, 13)))
        self.chip.run()
        self.pass_blocks(SETTLING, counts=False)
        self.lose(SETTLING)

    def silence(self) -> None:
        n = int(self.rng.integers(8, 30))
        for _ in range(n):
            self.wait()
            self.chip.run()
        self.pass_blocks(SETTLING, counts=False)
        self.lose(n + SETTLING)

    def late_loop(self) -> None:
        n = int(self.rng.integers(1, 20))
        self.pass_blocks(RING, work=False)
        self.pass_blocks(n, counts=False, work=False)
        self.chip.run()
        self.take()
        self.lose(n)

    def late_interrupt(self) -> None:
        self.wait()
        self.wait()
        self.chip.values["DMA_CSR"] |= 3 << 8
        self.chip.interrupt(DMA_IRQ)
        self.lose(2)

    def noise_on_the_link(self) -> None:
        self.chip.receive(self.rng.bytes(int(self.rng.integers(1, 400))))
        self.pass_blocks(3)

    def flood(self) -> None:
        for _ in range(1100):  # more than the ring, and nobody reads
            self.chip.received.extend(self.rng.bytes(8))
            self.chip.interrupt(16 + 61)
        self.pass_blocks(3)

    def line_error(self) -> None:
        self.chip.values["USART1_ISR"] |= int(self.rng.integers(1, 16))
        self.chip.receive(b"\0")

    def flipped_bit(self) -> None:
        data = bytearray(self.request("state")[0])
        data[int(self.rng.integers(len(data)))] ^= 1 << int(self.rng.integers(8))
        self.chip.receive(bytes(data) + b"\0")
        self.take()

    def unplugged(self) -> None:
        data = self.request("state")[0]
        self.chip.receive(data[: int(self.rng.integers(1, len(data)))])
        self.pass_blocks(int(self.rng.integers(1, 40)))
        self.chip.receive(b"\0")
        self.take()

    FAULTS = (
        dma_error, silence, late_loop, late_interrupt, noise_on_the_link, flood, line_error, flipped_bit, unplugged,
    )  # fmt: skip

    def check(self) -> None:
        """The link answers, nothing is wrong with the sequences, and time is kept."""
        self.chip.receive(b"\0")
        self.ask("state")
        assert self.chip.errors == []
        assert not self.chip.was_reset
        due = (self.blocks - SETTLING) * HALF
        late = due - self.position  # the last patch may be a hop and a block ago
        assert -HALF <= late <= 600 + 2 * HALF, f"position {self.position} after {due} samples' time"

    def end(self) -> int:
        """Compare all events with the host's; return how many there were."""
        self.ask("listen", source=0, output=0)
        detector = DetectorSettings.from_settings(images.METADATA)
        pcm = np.concatenate(self.heard)
        patches = StreamFrontEnd(detector)(pcm)
        expected = find_events(nn.Engine(images.program()).predict(patches).reshape(-1, 3), detector)
        names = images.METADATA.class_names
        found = [
            {
                "onset": round(e["onset"] / RATE, 3),
                "offset": round(e["offset"] / RATE, 3),
                "class": names[e["class_index"]],
                "score": round(e["score"], 6),
            }
            for e in self.detections
        ]
        assert sorted(found, key=lambda e: (e["onset"], e["class"])) == sorted(
            expected, key=lambda e: (e["onset"], e["class"])
        )
        return len(found)


def soak(seconds: float, n_faults: int, seed: int, echo=print) -> tuple[collections.Counter, int, float]:
    """Return faults by kind, the number of events, and the samples by which the board's clock is off in the end."""
    run, kinds = Soak(seed), collections.Counter()
    between, begin = seconds / n_faults, time.monotonic()
    for i in range(n_faults):
        while run.blocks * HALF / RATE < (i + 1) * between - 0.3:
            run.block()
        fault = Soak.FAULTS[int(run.rng.integers(len(Soak.FAULTS)))]
        kinds[fault.__name__] += 1
        fault(run)
        run.pass_blocks(QUIET)
        run.check()
        if i % 100 == 99:
            echo(
                f"{i + 1} faults, {run.blocks * HALF / RATE:.0f} s of sound, {time.monotonic() - begin:.0f} s",
                flush=True,
            )
    off = sum(map(len, run.heard)) - (run.blocks - SETTLING) * HALF
    return kinds, run.end(), off


def main() -> int:
    """Run from the command line; exit code 1 with the assertion that failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    kinds, n_events, off = soak(arguments.seconds, arguments.faults, arguments.seed)
    for name, n in sorted(kinds.items()):
        print(f"{name.replace('_', ' '):20} {n:5}")
    print(
        f"{n_events} events, all of them the host's; the board's clock is {off} samples off after {arguments.seconds:g} s"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
