"""The monitor on a board's own microphone: the real image in the model of the chip, its UART on a socket."""

import json
import socket
import threading

import numpy as np
import pytest
from support import images
from support.u585 import Chip

from pyaed.link.board import Board
from pyaed.monitor.session import Monitor, listen
from pyaed.monitor.terminal import bar, draw, spectrogram

BLOCK = 256  # samples of the microphone's DMA


class FakeBoard:
    """A chip behind a socket; its microphone hears one block whenever nobody speaks."""

    def __init__(self, pcm: np.ndarray):
        self.chip = Chip(images.chip_image().elf)
        self.pcm, self.stopped, self.failed = pcm, False, None
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self.server.getsockname()[1]}"
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        try:
            self.chip.run()
            connection, _ = self.server.accept()
            connection.settimeout(0.002)
            with connection:
                while not self.stopped:
                    try:
                        data = connection.recv(4096)
                        if not data:
                            return
                        self.chip.receive(data)
                    except TimeoutError:
                        self.hear()
                    connection.sendall(bytes(self.chip.sent))
                    self.chip.sent.clear()
        except Exception as error:  # told by the test
            self.failed = error

    def hear(self) -> None:
        if self.chip.values["ADF1_DFLTCR"] & 1 and len(self.pcm):
            block, self.pcm = self.pcm[:BLOCK], self.pcm[BLOCK:]
            self.chip.hear(block.tobytes())
            self.chip.run()

    def __enter__(self) -> "FakeBoard":
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.stopped = True
        self.thread.join(30)
        self.server.close()


def test_the_microphone_of_a_board(tmp_path):
    pcm = images.noise(BLOCK * 80, seed=4)
    pcm[BLOCK * 40 : BLOCK * 60] //= 50
    with FakeBoard(pcm) as fake, Board(fake.url, timeout=30) as board:
        watch = Monitor(board, "a title", None, tmp_path)
        for block in listen(board, None, None):
            state = watch.take(block)
            if not len(fake.pcm) and state.patches > 25:
                break
        written = watch.close()
    assert fake.failed is None
    assert fake.chip.errors == []
    assert not fake.chip.values["ADF1_DFLTCR"] & 1  # stopped
    assert (state.lost_samples, state.lost_events, state.dropped_packets) == (0, 0, 0)
    assert state.seconds == pytest.approx(72 * BLOCK / 16000, abs=0.1)  # 8 blocks settle
    assert state.peak > state.level or state.level > -60
    assert state.scores.shape == (3,)
    assert state.busy is not None  # the chip has a clock
    [path] = written
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert events
    assert events == state.events
    lines = draw(state, 80)
    assert any("lost samples 0" in line for line in lines)
    assert not any("\x1b[48" in line for line in lines)  # the sound stays on the board: no spectrogram


@pytest.mark.parametrize(("part", "filled"), [(0.0, ""), (1.0, "█" * 10), (0.5, "█████"), (2.0, "█" * 10), (0.06, "▋")])
def test_bars(part, filled):
    assert bar(part, 10) == filled.ljust(10)


def test_a_spectrogram_has_the_newest_columns_and_low_frequencies_below():
    columns = [np.zeros(16, np.float32) for _ in range(50)]
    columns[-1][0] = 5
    lines = spectrogram(columns, 20, 8)
    assert len(lines) == 8
    assert all(line.count("\x1b[48;5;") == 20 for line in lines)
    assert "48;5;230m" in lines[-1]
    assert not any("48;5;230m" in line for line in lines[:-1])
    assert spectrogram([], 20) == []
