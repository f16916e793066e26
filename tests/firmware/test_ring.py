"""The boards' ring between an interrupt and its reader, as two threads under the thread sanitizer."""

import re
import subprocess

from pyaed.sources import source_root

COMMON = source_root() / "firmware" / "boards" / "common"


def run(folder, header) -> subprocess.CompletedProcess:
    """Build the C test with a ring.h and run it."""
    root, program = source_root(), folder / "ring"
    includes = [f"-I{header.parent}", f"-I{root / 'tests' / 'support'}"]
    command = ["gcc", "-std=gnu11", "-O1", "-g", "-fsanitize=thread", "-pthread", *includes]
    subprocess.run([*command, root / "firmware" / "tests" / "test_ring.c", "-o", program], check=True)
    # Where address space layout is too random for the sanitizer, it is turned off for the program.
    return subprocess.run(["setarch", "-R", program], capture_output=True, text=True, timeout=120, check=False)


def test_two_threads_share_a_ring_without_a_race(tmp_path):
    done = run(tmp_path, COMMON / "ring.h")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "ring: all tests passed\n"


def test_without_its_order_the_sanitizer_sees_the_race(tmp_path):
    header = tmp_path / "ring.h"
    header.write_text(re.sub("memory_order_(acquire|release)", "memory_order_relaxed", (COMMON / "ring.h").read_text()))
    done = run(tmp_path, header)
    assert done.returncode != 0
    assert "data race" in done.stderr
