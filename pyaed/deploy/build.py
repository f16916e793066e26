"""Compile and link an image, and say what it takes."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyaed.boards import BoardDescription, find_board
from pyaed.errors import UserError, nearest
from pyaed.files import atomic_path, write_text
from pyaed.sources import source_root
from pyaed.text import printable
from pyaed.workers import worker_count

#: program -> what installs it
TOOLS = {
    "arm-none-eabi-gcc": "sudo apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "cmake": "sudo apt-get install cmake",
}

#: Part of a path in the linker's map -> room; the first that matches.
ROOMS = (
    ("libaed_dsp.a", "dsp_c"),
    ("libaed_nn.a", "nn_c"),
    ("libaed_detector.a", "detector_c"),
    ("aed_model.c", "model"),
    ("/st/", "model"),
    ("NetworkRuntime", "engine"),
    ("aed_engine_model.c", "model"),
    ("/engine/", "engine"),
    ("aed_features.c", "front-end tables"),
    ("/boards/", "board"),
    ("/app/", "app"),
    ("aed_identity.c", "app"),
    ("aed_detector_settings.c", "app"),
)
#: Input section -> room, before the path is looked at.
SECTIONS = {
    ".bss.aed_arena": "arena",
    ".bss.aed_classifier": "stream, model input and output",
    ".bss.aed_link": "link buffers",
    ".bss.aed_detector": "events",
}
OTHER, STACK, PADDING = "C library", "stack", "padding"


def find_tool(name: str) -> str | None:
    """Return the path of a program: on PATH, or beside this Python (where pip puts cmake and ninja), or None."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


def _needed_tool(name: str) -> str:
    found = find_tool(name)
    if found is None:
        raise UserError(f"building an image needs {name}, which is not installed: {TOOLS[name]}")
    return found


@dataclass(frozen=True)
class Image:
    """A linked image.

    Attributes
    ----------
    elf, map : Path
    board : BoardDescription
    flash, ram : int
        Bytes of the linked image: all that is programmed, all that is reserved (stack included).
    flash_rooms, ram_rooms : dict of str to int
        The same by room; they add up to `flash` and `ram`.
    """

    elf: Path
    map: Path
    board: BoardDescription
    flash: int
    ram: int
    flash_rooms: dict[str, int]
    ram_rooms: dict[str, int]

    def table(self) -> list[dict[str, Any]]:
        """Return one row per room, largest first: room, flash, ram in bytes; the sums and limits last."""
        rooms = sorted(
            self.flash_rooms | self.ram_rooms, key=lambda r: -self.flash_rooms.get(r, 0) - self.ram_rooms.get(r, 0)
        )
        rows = [{"room": r, "flash": self.flash_rooms.get(r, 0), "ram": self.ram_rooms.get(r, 0)} for r in rooms]
        return [
            *rows,
            {"room": "total", "flash": self.flash, "ram": self.ram},
            {"room": f"limit of {self.board.name}", "flash": self.board.flash, "ram": self.board.ram},
        ]


def build_image(
    folder: str | Path, board: str = "mps2_an505", cmake_options: tuple[str, ...] | list[str] = ()
) -> Image:
    """Build the image of generated sources.

    Everything is built in a temporary folder; the result appears whole as ``<folder>/<board>/pyaed.elf`` (with its map),
    or, after a failure, not at all.

    Parameters
    ----------
    folder : path
        Written by `generate`.
    board : str
    cmake_options : sequence of str
        More options for CMake, such as ``-DAED_FP_CONTRACT=fast``.

    Returns
    -------
    Image

    Raises
    ------
    UserError
        Without compiler or CMake (with the line that installs them), or when the build fails (with the first error and
        the path of the whole log, ``<folder>/build_<board>.log``).
    """
    folder, description = Path(folder).resolve(), find_board(board)
    board = description.name
    if not (folder / "aed_engine_model.h").is_file():
        raise UserError(f"{folder} holds no generated sources: generate them with `pyaed deploy`")
    if printable(folder) != str(folder) or ";" in str(folder):
        raise UserError(
            f"{folder}: CMake can't build in a folder of this name; set hydra.run.dir to one of plain characters"
        )
    _needed_tool("arm-none-eabi-gcc")
    cmake, ninja = _needed_tool("cmake"), find_tool("ninja")
    root = source_root()
    log = folder / f"build_{board}.log"
    with atomic_path(folder / board) as target:
        build = target.with_name("build~")
        configure = [cmake, "-S", str(root), "-B", str(build), f"--toolchain={root / 'cmake' / 'arm-none-eabi.cmake'}"]
        configure += ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"] if ninja else []
        configure += [f"-DAED_BOARD={description.folder}", f"-DAED_CORE={description.core}"]
        configure += [f"-DAED_GENERATED_DIR={folder}", *cmake_options]
        text = ""
        for command in (configure, [cmake, "--build", str(build), "--parallel", str(worker_count())]):
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            text += f"$ {' '.join(command)}\n{done.stdout.decode(errors='replace')}"
            if done.returncode:
                write_text(log, text)
                raise UserError(_failure(text, description, log))
        write_text(log, text)
        target.mkdir()
        for name in ("pyaed.elf", "pyaed.map"):
            found = [path for path in build.rglob(name)]
            shutil.copy(found[0], target / name)
    return read_image(folder / board / "pyaed.elf", description)


def check_options(board: str, options: dict[str, int]) -> list[str]:
    """Return a board's build options as options for CMake.

    Parameters
    ----------
    board : str
    options : dict
        Names as in ``firmware/boards/<board>/options.cmake``.

    Raises
    ------
    UserError
        When the board has no option of that name.
    """
    description = find_board(board)
    path = description.folder / "options.cmake"
    text = path.read_text() if path.is_file() else ""
    names = re.findall(r"^set\((AED_\w+) \S+ CACHE", text, re.M)
    for name in options:
        if name not in names:
            raise UserError(
                f"deployment.hardware_setup.options: {description.name} has no option '{name}'"
                + (f"; it has {', '.join(names)}{nearest(name, names)}" if names else "")
            )
    return [f"-D{name}={value}" for name, value in options.items()]


def _failure(text: str, board: BoardDescription, log: Path) -> str:
    overflow = re.search(r"region `(\w+)' overflowed by (\d+) bytes", text)
    if overflow:
        limit = {"FLASH": board.flash, "RAM": board.ram}.get(overflow[1], 0)
        return (
            f"the image does not fit {board.name}: {int(overflow[2]):,} bytes more than its {limit:,} bytes of "
            f"{overflow[1]}; use a smaller model (log: {log})"
        )
    if "string.h: No such file" in text or "cannot find -lc" in text:
        return f"building an image needs the C library for Arm, which is not installed: {TOOLS['arm-none-eabi-gcc']}"
    lines = [line.strip() for line in text.splitlines()]
    first = next(
        (line for line in lines if re.search(r"\berror\b|undefined reference|CMake Error", line, re.I)), lines[-1]
    )
    if first.startswith("CMake Error"):  # its text stands in the next lines
        first = " ".join([first, *lines[lines.index(first) + 1 :][:3]]).strip()
    return f"building the image for {board.name} failed: {first} (log: {log})"


def read_image(elf: str | Path, board: BoardDescription) -> Image:
    """Read sizes from an ELF file and the map beside it."""
    from elftools.elf.constants import SH_FLAGS
    from elftools.elf.elffile import ELFFile

    elf = Path(elf)
    flash = ram = 0
    with elf.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            if not section["sh_flags"] & SH_FLAGS.SHF_ALLOC:
                continue
            if section["sh_type"] != "SHT_NOBITS":
                flash += section["sh_size"]
            if section["sh_flags"] & SH_FLAGS.SHF_WRITE:
                ram += section["sh_size"]
    map_path = elf.with_suffix(".map")
    text = map_path.read_text(errors="replace")
    check_memory(text, board)
    flash_rooms, ram_rooms = read_map(text)
    for rooms, total in ((flash_rooms, flash), (ram_rooms, ram)):
        rooms[PADDING] = total - sum(rooms.values())
    return Image(elf, map_path, board, flash, ram, flash_rooms, ram_rooms)


def check_memory(text: str, board: BoardDescription) -> None:
    """Compare the regions of a GNU ld map with what the board's ``board.toml`` says.

    Raises
    ------
    UserError
        When its linker script has other regions: one of the two is wrong.
    """
    found = {
        name: (int(origin, 16), int(length, 16))
        for name, origin, length in re.findall(r"^(FLASH|RAM) +0x([0-9a-f]+) +0x([0-9a-f]+)", text, re.M)
    }
    memory = board.memory
    wanted = {
        "FLASH": (memory.flash_origin, memory.flash_length),
        "RAM": (memory.ram_origin, memory.ram_length),
    }
    for name, (origin, length) in wanted.items():
        if found.get(name) != (origin, length):
            there = "no such region" if name not in found else "{:#x} bytes at {:#x}".format(*reversed(found[name]))
            raise UserError(
                f"{board.folder / 'link.ld'}: {name} is {there}, but board.toml says {length:#x} bytes at {origin:#x}"
            )


def read_map(text: str) -> tuple[dict[str, int], dict[str, int]]:
    """Return bytes by room in flash and in RAM from a GNU ld map: its input sections, each with the object it is from."""
    flash: dict[str, int] = {}
    ram: dict[str, int] = {}
    body = text.partition("Linker script and memory map")[2]
    # A long section name pushes address and size to the next line.
    body = re.sub(r"^( ?[.\w][^\s]*)\n\s+(0x)", r"\1 \2", body, flags=re.M)
    output = ""
    for line in body.splitlines():
        if match := re.match(r"(\.\S+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)", line):
            output = match[1]
            if output == ".stack":
                ram[STACK] = int(match[2], 16)
            continue
        match = re.match(r" (\.\S+|COMMON)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s(\S.*)$", line)
        if not match or not (size := int(match[2], 16)):
            continue
        section, path = match[1], match[3]
        room = SECTIONS.get(section) or next((room for part, room in ROOMS if part in path), OTHER)
        for rooms, outputs in (
            (flash, (".vectors", ".text", ".rodata", ".ARM.exidx", ".data")),
            (ram, (".data", ".bss", ".noinit")),
        ):
            if output in outputs:
                rooms[room] = rooms.get(room, 0) + size
    return flash, ram
