"""QEMU is started, watched and always stopped."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support import images

from pyaed.boards.emulator import Emulator
from pyaed.errors import UserError
from pyaed.sources import source_root


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("transport", ["tcp", "pty"])
def test_no_orphan_after_an_exception(image, transport):
    def interrupted():
        with Emulator(image.elf, transport=transport) as emulator:
            started.append(emulator)
            assert alive(emulator.pid)
            raise KeyboardInterrupt

    started = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    (emulator,) = started
    assert not alive(emulator.pid)
    emulator.stop()


def test_no_orphan_when_nobody_stops_it(image):
    pid = Emulator(image.elf).pid
    assert wait_until(lambda: not alive(pid))  # collected


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_no_orphan_when_the_parent_is_killed(image, end):
    script = "import sys, time; from pyaed.boards.emulator import Emulator\n"
    script += "with Emulator(sys.argv[1]) as e: print(e.pid, flush=True); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", script, str(image.elf)], stdout=subprocess.PIPE)
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.send_signal(end)
    parent.wait()
    parent.stdout.close()
    assert wait_until(lambda: not alive(pid))


@pytest.mark.parametrize("transport", ["tcp", "pty"])
def test_killed_in_the_middle_of_a_request(image, transport):
    with Emulator(image.elf, transport=transport) as emulator, emulator.connect() as board:
        board.identify()
        threading.Timer(0.3, os.kill, (emulator.pid, signal.SIGKILL)).start()
        with pytest.raises(UserError, match="the emulator was killed by signal 9"):
            board.detect(images.noise(10_000_000))


def test_user_errors(tmp_path, image, monkeypatch):
    with pytest.raises(UserError, match=r"board 'mps2_an500' is not known.*did you mean 'mps2_an505'"):
        Emulator(image.elf, board="mps2_an500")
    with pytest.raises(UserError, match="expected 'tcp' or 'pty'"):
        Emulator(image.elf, transport="udp")
    with pytest.raises(UserError, match="no firmware image at"):
        Emulator(tmp_path / "none.elf")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="sudo apt-get install qemu-system-arm"):
        Emulator(image.elf)


def bare_image(tmp_path: Path, body: str) -> Path:
    """An image of the board alone, with this main()."""
    board = source_root() / "firmware" / "boards" / "mps2_an505"
    main = tmp_path / "main.c"
    main.write_text(f'#include "board.h"\nint main(void) {{ aed_board_init(); {body} }}\n')
    elf = tmp_path / "bare.elf"
    flags = ["-mcpu=cortex-m33", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard", "-O1", "-nostartfiles"]
    common = board.parent / "common"
    sources = [str(main), *map(str, (*board.glob("*.c"), *common.glob("*.c")))]
    includes = [f"-I{board.parent}", f"-I{common}"]
    subprocess.run(
        ["arm-none-eabi-gcc", *flags, *includes, f"-T{board / 'link.ld'}", *sources, "-o", str(elf)], check=True
    )
    return elf


ENDINGS = {
    "exit": ("aed_board_exit(7);", r"ended with code 7"),
    "bus fault": ("*(volatile int *)0x60000000 = 1; return 0;", r"code 103: fault: exception 00000003 cfsr .*pc 100"),
    "undefined instruction": ('__asm volatile("udf #1"); return 0;', r"code 103: fault: .*cfsr 00010000"),
    "stack overflow": (
        "volatile char big[17000]; big[0] = 1; big[16999] = 2; aed_board_write((const uint8_t *)big, 1); return big[0];",
        r"code 103: fault: .*cfsr 00100000",
    ),
}


def ask(emulator: Emulator) -> None:
    with emulator.connect(timeout=5, retries=0) as board:
        board.identify()


@pytest.mark.parametrize("case", ENDINGS)
def test_an_early_end_is_reported_with_its_words(tmp_path, case):
    body, pattern = ENDINGS[case]
    with Emulator(bare_image(tmp_path, body)) as emulator, pytest.raises(UserError, match=pattern):
        ask(emulator)


def test_not_an_image(tmp_path):
    path = tmp_path / "text.elf"
    path.write_text("hello")
    with Emulator(path, transport="pty") as emulator, pytest.raises(UserError, match="the emulator"):
        ask(emulator)
