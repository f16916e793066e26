"""Zip archives, also those that come in parts (.z01, .z02 ... .zip), which Python's zipfile alone doesn't read."""

import bisect
import io
import itertools
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Names of the format: APPNOTE 6.3, "central directory header" and "end of central directory record".
CENTRAL = struct.Struct("<4s4B4H3L5H2L")
END = struct.Struct("<4s4H2LH")
CENTRAL_MARK, END_MARK = b"PK\1\2", b"PK\5\6"
UTF8 = 0x800
LONGEST_COMMENT = 1 << 16


class _Parts(io.RawIOBase):
    """Files one after the other as one, and an empty directory behind them, so that zipfile opens it."""

    def __init__(self, parts: Sequence[Path]):
        self.files = [path.open("rb") for path in parts]
        self.starts = [0, *itertools.accumulate(path.stat().st_size for path in parts)]
        self.tail = END.pack(END_MARK, 0, 0, 0, 0, 0, 0, 0)
        self.at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.starts[-1] + len(self.tail)}[whence]
        self.at = max(0, base + offset)
        return self.at

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        n = bisect.bisect_right(self.starts, self.at) - 1
        if n < len(self.files):
            self.files[n].seek(self.at - self.starts[n])
            data = self.files[n].read(len(view))
        else:
            data = self.tail[self.at - self.starts[-1] :][: len(view)]
        view[: len(data)] = data
        self.at += len(data)
        return len(data)

    def close(self) -> None:
        for file in self.files:
            file.close()
        super().close()


def open_archive(paths: Sequence[Path]) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    """Open an archive; members are read with ``archive.extract(member, folder)``.

    Parameters
    ----------
    paths : sequence of Path
        The one file, or all parts in any order: ``.z01``, ``.z02`` ... and ``.zip``, which is the last.

    Returns
    -------
    (zipfile.ZipFile, list of zipfile.ZipInfo)
        The archive, to be closed, and its members.

    Raises
    ------
    zipfile.BadZipFile
        When it is none, a part is missing, or it needs more than 65,534 members or 4 GiB a part.
    """
    if len(paths) == 1:
        archive = zipfile.ZipFile(paths[0])
        return archive, archive.infolist()
    paths = sorted(paths, key=lambda path: (path.suffix == ".zip", len(path.suffix), path.suffix))
    stream = _Parts(paths)
    try:
        members = _members(stream, len(paths))
        return zipfile.ZipFile(io.BufferedReader(stream)), members
    except BaseException:
        stream.close()
        raise


def _members(stream: _Parts, n_parts: int) -> list[zipfile.ZipInfo]:
    """Read the directory; places in it are counted from the start of a part, and become those of the whole."""
    whole = stream.starts[-1]
    start = max(0, whole - LONGEST_COMMENT - END.size)
    tail = _read(stream, start, whole - start)
    at = tail.rfind(END_MARK)
    if at < 0 or at + END.size > len(tail):
        raise zipfile.BadZipFile("there is no directory at its end")
    _, part, first, _, count, size, offset, _ = END.unpack_from(tail, at)
    if part + 1 != n_parts or first >= n_parts:
        raise zipfile.BadZipFile(f"it has {part + 1} parts, {n_parts} are given")
    if count == 0xFFFF or offset == 0xFFFFFFFF:
        raise zipfile.BadZipFile("its directory is in the 64-bit form, which is not read in parts")
    directory, members, at = _read(stream, stream.starts[first] + offset, size), [], 0
    for _ in range(count):
        if at + CENTRAL.size > len(directory):
            raise zipfile.BadZipFile("its directory is cut off")
        entry = CENTRAL.unpack_from(directory, at)
        mark, flags, method, crc, packed, plain = entry[0], *entry[5:7], *entry[9:12]
        n_name, n_extra, n_comment, part, attributes, offset = *entry[12:16], *entry[17:19]
        if mark != CENTRAL_MARK or part >= n_parts or 0xFFFFFFFF in (packed, plain, offset):
            raise zipfile.BadZipFile("its directory is damaged or has members in the 64-bit form")
        name = directory[at + CENTRAL.size : at + CENTRAL.size + n_name]
        member = zipfile.ZipInfo(name.decode("utf-8" if flags & UTF8 else "cp437", "replace"))
        member.flag_bits, member.compress_type, member.CRC = flags, method, crc
        member.compress_size, member.file_size, member.external_attr = packed, plain, attributes
        member.header_offset = stream.starts[part] + offset
        members.append(member)
        at += CENTRAL.size + n_name + n_extra + n_comment
    return members


def _read(stream: _Parts, start: int, size: int) -> bytes:
    """Read across the parts' borders; less at the end."""
    stream.seek(start)
    data = b""
    while len(data) < size:
        block = stream.read(size - len(data))
        if not block:
            break
        data += block
    return data
