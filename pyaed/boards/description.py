"""Boards as data: every folder of ``firmware/boards`` (and of the folders in PYAED_BOARDS) says in ``board.toml`` what it is."""

import functools
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pyaed.boards.st_boards import StBoard, st_boards
from pyaed.errors import UserError, nearest
from pyaed.files import read_bytes
from pyaed.sources import source_root

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "board.toml"
VARIABLE = "PYAED_BOARDS"
MAX_BYTES = 1 << 18  # of a description

#: ST's board that a board of ours stands for which is none of theirs: the emulated Cortex-M33 has its limits.
STANDS_FOR = "b-u585i-iot02a"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Memory(_Section):
    """Where an image may lie, in bytes; the linker script has to agree.

    Attributes
    ----------
    own_ram : int
        RAM that the board's own code takes (rings, buffers, what survives a reset), rounded up.
    """

    flash_origin: int = Field(ge=0)
    flash_length: int = Field(gt=0)
    ram_origin: int = Field(ge=0)
    ram_length: int = Field(gt=0)
    own_ram: int = Field(default=0, ge=0)


class Machine(_Section):
    """QEMU's options for the machine, and the virtual time of an instruction (2^shift ns) while it counts them."""

    machine: list[str] = Field(min_length=1)
    icount_shift: int = Field(default=6, ge=0, le=10)


class Microphone(_Section):
    """The rates in Hz at which the board's microphone delivers int16 samples."""

    sample_rates: list[int] = Field(min_length=1)


class Flashing(_Section):
    """How tools call the chip; what is missing can't flash it. `drive`: label of a drive that takes a raw binary."""

    drive: str | None = None
    openocd_target: str | None = None
    pyocd_target: str | None = None
    pyocd_pack: str | None = None


class BoardDescription(_Section):
    """One folder of ``firmware/boards``: its ``board.toml``.

    Attributes
    ----------
    name : str
        Name of the folder.
    folder : Path
    text : str
        What it is.
    aliases : list of str
        Other spellings of its name, in any case.
    core : str
        A core of ``cmake/cores.cmake``.
    emulated_by : str or None
        The board whose emulator runs the same objects, for a board that has none itself.
    memory, emulator, microphone, flashing
        The file's sections; None where a board has no such thing.
    """

    name: str
    folder: Path
    text: str
    aliases: list[str] = []
    core: str
    emulated_by: str | None = None
    memory: Memory
    emulator: Machine | None = None
    microphone: Microphone | None = None
    flashing: Flashing | None = None

    @property
    def flash(self) -> int:
        """Bytes of flash that an image may take."""
        return self.memory.flash_length

    @property
    def ram(self) -> int:
        """Bytes of RAM that an image may take."""
        return self.memory.ram_length


def read_board(folder: Path) -> BoardDescription:
    """Read a board's ``board.toml``.

    Raises
    ------
    UserError
        Naming the file and the key that is wrong, missing or not known.
    """
    path = folder / FILE
    try:
        content = read_bytes(path, MAX_BYTES, "board's description").decode("utf-8")
        return BoardDescription(**tomllib.loads(content), name=folder.name, folder=folder)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{path}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error


def board_folders() -> list[Path]:
    """Return the folders that hold a board each: PYAED_BOARDS' first, then pyaed's own."""
    given = [Path(part) for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]
    for root in given:
        if not root.is_dir():
            raise UserError(f"{VARIABLE}: {root} is not a folder; expected folders that hold one folder a board")
    roots = [*given, source_root() / "firmware" / "boards"]
    return [path.parent for root in roots for path in sorted(root.glob(f"*/{FILE}"))]


def boards() -> Mapping[str, BoardDescription]:
    """Return every board by its name; of two with one name the first folder's counts."""
    found: dict[str, BoardDescription] = {}
    for folder in board_folders():
        if folder.name not in found:
            found[folder.name] = _read_once(folder, (folder / FILE).stat().st_mtime_ns)
    return found


@functools.lru_cache(maxsize=64)
def _read_once(folder: Path, _changed: int) -> BoardDescription:
    return read_board(folder)


def find_board(name: str, key: str = "") -> BoardDescription:
    """Return the board of that name (or alias, in any case); `key` is where the configuration names it, for the message.

    Raises
    ------
    UserError
        With the names of all boards and the nearest one.
    """
    known = boards()
    spellings = {spelling.lower(): board for board in known.values() for spelling in (board.name, *board.aliases)}
    where = f"{key}: " if key else ""
    if name.lower() not in spellings and name.lower() in {theirs.lower() for theirs in st_boards()}:
        raise UserError(
            f"{where}board '{name}' is one of ST's that pyaed has no image for: it can be benchmarked only "
            f"(benchmarking.board); boards with an image: {', '.join(known)}"
        )
    if name.lower() not in spellings:
        raise UserError(f"{where}board '{name}' is not known; boards: {', '.join(known)}{nearest(name, spellings)}")
    return spellings[name.lower()]


def check_rate(board: BoardDescription, rate: int) -> None:
    """Refuse a board whose microphone doesn't deliver `rate`, in Hz; an image for it would never hear anything.

    A board without a microphone gets its sound from the host, at any rate.

    Raises
    ------
    UserError
        With the microphone's rates and the nearest one.
    """
    if board.microphone is None or rate in board.microphone.sample_rates:
        return
    rates = board.microphone.sample_rates
    closest = min(rates, key=lambda known: abs(known - rate))
    raise UserError(
        f"preprocessing.target_rate is {rate} Hz, but the microphone of {board.name} gives "
        f"{', '.join(map(str, rates))} Hz: train a model with one of these, {closest} is the nearest"
    )


def find_st_board(name: str, key: str = "") -> StBoard:
    """Return ST's board of that name, in any case; for a board that pyaed has an image for, the one that it is or stands for.

    Raises
    ------
    UserError
        With the names of pyaed's boards and of ST's, and the nearest of both; `key` is where the configuration names it.
    """
    theirs = {known.lower(): board for known, board in st_boards().items()}
    if name.lower() in theirs:
        return theirs[name.lower()]
    ours = {spelling.lower(): board for board in boards().values() for spelling in (board.name, *board.aliases)}
    if name.lower() not in ours:
        where = f"{key}: " if key else ""
        raise UserError(
            f"{where}board '{name}' is not known; boards: {', '.join(boards())}; of ST's, for a benchmark: "
            f"{', '.join(st_boards())}{nearest(name, [*ours, *theirs])}"
        )
    spellings = (ours[name.lower()].name, *ours[name.lower()].aliases)
    return next((theirs[each.lower()] for each in spellings if each.lower() in theirs), theirs[STANDS_FOR])


def emulated_board(board: BoardDescription) -> BoardDescription:
    """Return the board whose emulator runs images of `board`: itself, or the one that stands in for it.

    Raises
    ------
    UserError
        When the board has neither.
    """
    if board.emulator is not None:
        return board
    if board.emulated_by is None:
        able = [name for name, known in boards().items() if known.emulator is not None]
        raise UserError(f"board '{board.name}' can't be emulated; boards that can: {', '.join(able)}")
    return find_board(board.emulated_by)
