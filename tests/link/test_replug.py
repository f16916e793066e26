"""A port that goes away in the middle of a transfer: work is done again once it is back, or one clear error ends it."""

import contextlib
import os
import select
import socket
import struct
import threading
import time
import tty
import zlib

import pytest
from support import images

from pyaed import nn
from pyaed.boards.emulator import Emulator
from pyaed.dsp import FrontEnd
from pyaed.link.board import Board, LinkError, LinkLost


def pump(near: int, far: int, limit: int | None) -> None:
    """Carry bytes both ways until one side ends, or `limit` bytes went from near to far."""
    with contextlib.suppress(OSError, ValueError):
        while True:
            for source in select.select([near, far], [], [], 5)[0]:
                data = os.read(source, 4096)
                if not data:
                    return
                if source == near and limit is not None:
                    data = data[:limit]
                    limit -= len(data)
                os.write(far if source == near else near, data)
                if limit == 0:
                    return


class Cable:
    """A plug between host and emulator that is pulled after so many bytes of the host, then put in again.

    `cuts` has the bytes of each connection in turn; later ones are left alone. `away` is the time in seconds between.
    """

    def __init__(self, targets: list[str], cuts: list[int], away: float = 0.2):
        self.targets, self.cuts, self.away = list(targets), list(cuts), away
        self.plugged = 0
        self.stopped = False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def far(self) -> socket.socket:
        url = self.targets[0] if len(self.targets) == 1 else self.targets.pop(0)
        host, port = url.removeprefix("socket://").split(":")
        return socket.create_connection((host, int(port)))

    def run(self) -> None:
        while not self.stopped:
            with contextlib.suppress(OSError), self.near() as near, self.far() as far:
                self.plugged += 1
                pump(near.fileno(), far.fileno(), self.cuts.pop(0) if self.cuts else None)
                self.unplug(near)
            time.sleep(self.away)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped = True
        self.close()
        self.thread.join(10)


class TcpCable(Cable):
    """Pulling the plug is a reset of the connection."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(0.2)
        self.port = f"socket://127.0.0.1:{self.server.getsockname()[1]}"

    def near(self):
        return self.server.accept()[0]

    @staticmethod
    def unplug(near):
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self):
        self.server.close()


class PtyCable(Cable):
    """Pulling the plug takes the port's name away and closes the device; the next one has another number."""

    def __init__(self, *args, folder, **options):
        super().__init__(*args, **options)
        self.link = folder / "ttyBOARD"
        self.port = str(self.link)
        self.open()

    def open(self):
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.slave = slave
        self.link.symlink_to(os.ttyname(slave))

    @contextlib.contextmanager
    def near(self):
        if not self.link.is_symlink():
            self.open()
        yield self
        os.close(self.master)

    def fileno(self):
        return self.master

    def unplug(self, _):
        self.link.unlink()
        os.close(self.slave)

    def close(self):
        with contextlib.suppress(OSError):
            os.close(self.slave)


@pytest.fixture(params=["tcp", "pty"])
def cable(request, tmp_path):
    made = TcpCable if request.param == "tcp" else lambda *a, **o: PtyCable(*a, folder=tmp_path, **o)
    return made


@pytest.mark.parametrize("cut", [700, 6000])
def test_unplugged_and_plugged_in_again_the_work_is_done_anew(cable, image, cut):
    pcm = images.noise(4000)
    host = FrontEnd(images.SPEC).log_mel(pcm)
    patches = images.to_inputs(host)
    engine = nn.Engine(images.program())
    with Emulator(image.elf) as emulator, cable([emulator.url], [cut, 3000]) as plug:
        with Board(plug.port, timeout=1, patience=10) as board:
            assert board.features(pcm, len(host)).tobytes() == host.tobytes()
            assert board.infer(patches[0]).ravel().tobytes() == engine.run(patches[:1]).ravel().tobytes()
            layers = engine.run_layers(patches[1])
            assert board.digests(patches[1]).tolist() == [zlib.crc32(value.tobytes()) for _, value in layers]
            found = board.detect(pcm)
            assert [f.patch for f in found] == list(range(len(found)))
        assert plug.plugged >= 2


def test_without_patience_one_clear_error_ends_it(cable, image):
    message = r"the connection broke|cannot send|no reply"
    with (
        Emulator(image.elf) as emulator,
        cable([emulator.url], [500]) as plug,
        Board(plug.port, timeout=1) as board,
        pytest.raises(LinkError, match=message),
    ):
        board.features(images.noise(4000))


def test_a_board_that_stays_away_is_told_as_such(cable, image):
    with Emulator(image.elf) as emulator, cable([emulator.url], [500], away=60) as plug:
        plug.thread.join = lambda *_: None  # it sleeps
        with Board(plug.port, timeout=0.5, patience=0.5, retries=1) as board:
            plug.close()
            with pytest.raises(LinkError, match=r"did not come back within 0.5 s|no reply"):
                board.features(images.noise(4000))


def test_a_board_that_lost_its_power_starts_the_clip_again(image):
    pcm = images.noise(4000)
    host = FrontEnd(images.SPEC).log_mel(pcm)
    with (
        Emulator(image.elf) as first,
        Emulator(image.elf) as second,
        TcpCable([first.url, second.url], [6000]) as plug,
        Board(plug.port, timeout=1, patience=10) as board,
    ):
        assert board.features(pcm, len(host)).tobytes() == host.tobytes()


def test_another_image_behind_the_plug_is_refused(image):
    with (
        Emulator(image.elf) as first,
        Emulator(images.image("uint8").elf) as second,
        TcpCable([first.url, second.url], [6000]) as plug,
        Board(plug.port, timeout=1, patience=10) as board,
    ):
        board.identify()
        with pytest.raises(LinkError, match="another image answers"):
            board.features(images.noise(4000))


def test_lost_is_a_link_error():
    assert issubclass(LinkLost, LinkError)
