"""Images made to hurt: what an ELF file may announce before anything is flashed."""

import struct

import pytest

from pyaed.boards import flash, flashing
from pyaed.errors import UserError

HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
SEGMENT = struct.Struct("<8I")


def image(segments, n=None, content=b"\0" * 64):
    """An ELF file for a Cortex-M with (address, bytes) as its segments, all from the same place in the file."""
    n = len(segments) if n is None else n
    start = HEADER.size + SEGMENT.size * len(segments)
    ident = b"\x7fELF\1\1\1" + bytes(9)
    parts = [HEADER.pack(ident, 2, 40, 1, 0x08000001, HEADER.size, 0, 0, HEADER.size, SEGMENT.size, n, 40, 0, 0)]
    parts += [SEGMENT.pack(1, start, at, at, size, size, 5, 4) for at, size in segments]
    return b"".join([*parts, content])


@pytest.mark.parametrize(
    ("segments", "n", "message"),
    [
        ([(0x08000000 + 64 * i, 64) for i in range(65)], None, "it has 65 segments, expected at most 64"),
        ([(0x08000000, 64)], 65534, "it has 65534 segments"),
        ([(0x08000000, 1 << 21)] * 33, None, "its segments have more than 67108864 bytes"),
        ([(0x08000000, 0xFFFFFFFF)], None, "its segments have more than 67108864 bytes"),
        ([], None, "is not linked for the flash of"),
    ],
)
def test_segments(tmp_path, segments, n, message):
    (tmp_path / "x.elf").write_bytes(image(segments, n))
    with pytest.raises(UserError, match=message) as caught:
        flash(tmp_path / "x.elf", dry_run=True)
    assert str(tmp_path / "x.elf") in str(caught.value)


def test_an_image_that_is_right(tmp_path):
    (tmp_path / "x.elf").write_bytes(image([(0x08000000, 64)]))
    assert flash(tmp_path / "x.elf", "openocd", dry_run=True).startswith("openocd")


def test_a_file_without_end(tmp_path):
    with open(tmp_path / "x.elf", "wb") as file:
        file.truncate(flashing.MAX_IMAGE_BYTES + 1)  # takes no room on the disk
    with pytest.raises(UserError, match="it has more than 67108864 bytes"):
        flash(tmp_path / "x.elf", dry_run=True)
