"""Sound files that were cut off: what their header announces against what is there."""

import os
import struct
from pathlib import Path
from typing import BinaryIO

SLACK = 64  # bytes that writers miscount: padding, an odd last sample
UNKNOWN = 0x7FFFF000  # sizes from here on stand for "not known", as programs write them into a pipe
MOST_CHUNKS = 1000  # before the sound
TAIL = 1 << 16  # the longest page of Ogg is a little shorter
LAST_PAGE = 4  # the flag in the head of a page


def cut_off(path: str | os.PathLike[str]) -> str | None:
    """Tell what is missing from a wav or ogg file.

    Parameters
    ----------
    path : path
        The file; other kinds pass, as their decoders notice themselves.

    Returns
    -------
    str or None
        None when the file is whole, or doesn't say how long it should be.

    Raises
    ------
    OSError
        When the file can't be read.
    """
    path = Path(path)
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        kind = file.read(12)
        if kind[:4] in (b"RIFF", b"RIFX", b"RF64") and kind[8:] == b"WAVE":
            order, big = ">" if kind[:4] == b"RIFX" else "<", None
            at = 12
            for _ in range(MOST_CHUNKS):
                if len(head := _read(file, at, 8)) < 8:
                    break
                name, length = head[:4], struct.unpack(order + "I", head[4:])[0]
                if name == b"ds64" and len(sizes := _read(file, at + 16, 8)) == 8:
                    big = struct.unpack("<Q", sizes)[0]
                if name == b"data":
                    length = big if length == 0xFFFFFFFF and big is not None else length
                    there = size - at - 8
                    if length == 0 < there:
                        return f"its header announces none of the {there} bytes that follow; was the recording closed?"
                    known = length < UNKNOWN or big is not None
                    return f"{there} of {length} bytes of sound are there" if known and length > there + SLACK else None
                at += 8 + length + length % 2
        elif kind[:4] == b"OggS":
            tail = _read(file, max(0, size - TAIL), TAIL)
            page = tail.rfind(b"OggS")
            if page >= 0 and not _is_last_page(tail[page:]):
                return "its last page is missing"
    return None


def _read(file: BinaryIO, at: int, n: int) -> bytes:
    file.seek(at)
    return file.read(n)


def _is_last_page(page: bytes) -> bool:
    """Tell whether a page is whole and marked as the stream's last (RFC 3533, section 6)."""
    if len(page) < 27 or len(page) < 27 + page[26]:
        return False
    return bool(page[5] & LAST_PAGE) and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
