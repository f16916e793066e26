"""Bring an image onto a board: by whichever tool is there, or as a copy to the probe's drive."""

import logging
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pyaed.boards.description import BoardDescription, Flashing, boards, find_board
from pyaed.errors import UserError, nearest
from pyaed.files import atomic_path

log = logging.getLogger(__name__)

DRIVE_ROOTS = ("/media", "/run/media", "/mnt", "/Volumes")
SECONDS = 180.0


def _cubeprogrammer(elf: Path, serial: str | None, chip: Flashing) -> list[str]:
    # Connects under reset, so that nothing the old image does is in the way; -rst lets the new one run.
    probe = [f"sn={serial}"] if serial else []
    return ["STM32_Programmer_CLI", "-c", "port=SWD", "mode=UR", *probe, "-w", str(elf), "-v", "-rst"]


def _openocd(elf: Path, serial: str | None, chip: Flashing) -> list[str]:
    probe = ["-c", f"adapter serial {serial}"] if serial else []
    files = ["-f", "interface/stlink.cfg", "-f", str(chip.openocd_target)]
    return ["openocd", *files, *probe, "-c", f"program {{{elf}}} verify reset exit"]


def _pyocd(elf: Path, serial: str | None, chip: Flashing) -> list[str]:
    probe = ["-u", serial] if serial else []
    return ["pyocd", "flash", "-t", str(chip.pyocd_target), *probe, str(elf)]


@dataclass(frozen=True)
class Tool:
    """A program that flashes: `command` makes its arguments of image, probe's serial number and the chip's names; `knows`
    tells whether it can name the chip."""

    program: str
    command: Callable[[Path, str | None, Flashing], list[str]]
    knows: Callable[[Flashing], bool]
    hint: str


#: In the order of preference. No command touches option bytes.
TOOLS = {
    "cubeprogrammer": Tool("STM32_Programmer_CLI", _cubeprogrammer, lambda chip: True, "install STM32CubeProgrammer"),
    "openocd": Tool(
        "openocd",
        _openocd,
        lambda chip: chip.openocd_target is not None,
        "sudo apt-get install openocd (0.12 or later)",
    ),
    "pyocd": Tool(
        "pyocd",
        _pyocd,
        lambda chip: chip.pyocd_target is not None,
        "pip install pyocd && pyocd pack install {chip.pyocd_pack}",
    ),
}
COPY = "copy"
MAX_IMAGE_BYTES = 1 << 26  # of an ELF file with its debug information, and of what it programs
MAX_SEGMENTS = 64  # ours have three


def _segments(elf: Path) -> list[tuple[int, bytes]]:
    """Return what an image programs: (address, bytes) of each part."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    if not elf.is_file():
        raise UserError(f"no firmware image at {elf}: build one with `pyaed deploy`")
    if elf.stat().st_size > MAX_IMAGE_BYTES:
        raise UserError(f"{elf} is no firmware image: it has more than {MAX_IMAGE_BYTES} bytes")
    try:
        with elf.open("rb") as file:
            image = ELFFile(file)
            if image.num_segments() > MAX_SEGMENTS:
                raise ValueError(f"it has {image.num_segments()} segments, expected at most {MAX_SEGMENTS}")
            segments = [s for s in image.iter_segments("PT_LOAD") if s["p_filesz"]]
            if sum(s["p_filesz"] for s in segments) > MAX_IMAGE_BYTES:
                raise ValueError(f"its segments have more than {MAX_IMAGE_BYTES} bytes")
            return [(s["p_paddr"], s.data()) for s in segments]
    except (ELFError, OSError, ValueError) as error:
        raise UserError(f"{elf} is no firmware image: {error}") from error


def _fits(segments: list[tuple[int, bytes]], board: BoardDescription) -> bool:
    start, end = board.memory.flash_origin, board.memory.flash_origin + board.memory.flash_length
    return bool(segments) and all(at >= start and at + len(data) <= end for at, data in segments)


def board_of(elf: str | Path, name: str | None = None) -> BoardDescription:
    """Return the board that an image is to be flashed onto.

    Parameters
    ----------
    elf : path
    name : str, optional
        The board; by default the one whose flash the image is linked for. Where several have the same addresses, the one
        that the image's folder is named after, as `pyaed deploy` does.

    Raises
    ------
    UserError
        When the image is linked for another board, or for none, or for several.
    """
    elf = Path(elf)
    segments = _segments(elf)
    able = [board for board in boards().values() if board.flashing is not None]
    if name is not None:
        board = find_board(name)
        if board.flashing is None:
            raise UserError(
                f"board '{board.name}' can't be flashed; boards that can: {', '.join(b.name for b in able)}"
            )
        able = [board]
    found = [board for board in able if _fits(segments, board)]
    found = [board for board in found if board.name == elf.resolve().parent.name] or found
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{elf} may be for {' or '.join(board.name for board in found)}: name one with --board")
    flashes = ", ".join(f"{board.name} ({board.memory.flash_origin:#x})" for board in able)
    raise UserError(
        f"{elf} is not linked for the flash of a board that can be flashed: {flashes}; build it with "
        f"deployment.hardware_setup.board={able[0].name}"
    )


def to_binary(elf: str | Path, board: BoardDescription) -> bytes:
    """Return what an image programs, as raw bytes from the start of the board's flash."""
    segments, start = _segments(Path(elf)), board.memory.flash_origin
    image = bytearray(b"\xff" * (max(at + len(data) for at, data in segments) - start))
    for at, data in segments:
        image[at - start : at - start + len(data)] = data
    return bytes(image)


def find_drive(label: str, roots: tuple[str, ...] = DRIVE_ROOTS) -> Path | None:
    """Return where the drive of that label is mounted, or None."""
    for root in map(Path, roots):
        for path in (root / label, *sorted(root.glob(f"*/{label}"))):
            if path.is_dir():
                return path
    return None


def flash(
    elf: str | Path,
    method: str | None = None,
    serial: str | None = None,
    dry_run: bool = False,
    roots: tuple[str, ...] = DRIVE_ROOTS,
    board: str | None = None,
) -> str:
    """Flash an image.

    Parameters
    ----------
    elf : path
        Linked for the board.
    method : str, optional
        A key of `TOOLS`, or 'copy'. By default the first that is there.
    serial : str, optional
        Serial number of the ST-LINK, where several are connected.
    dry_run : bool
        Only say what would be done.
    roots : sequence of str
        Where drives are mounted.
    board : str, optional
        See `board_of`.

    Returns
    -------
    str
        The command line, which was run unless `dry_run`.

    Raises
    ------
    UserError
        When the image is not for the board, nothing can flash it, or the tool fails (with its last words).
    """
    elf = Path(elf)
    description = board_of(elf, board)
    chip = description.flashing
    assert chip is not None  # board_of chooses among those
    tools = {name: tool for name, tool in TOOLS.items() if tool.knows(chip)}
    hints = {name: tool.hint.format(chip=chip) for name, tool in tools.items()}
    methods = (*tools, COPY) if chip.drive else (*tools,)
    if method is not None and method not in methods:
        raise UserError(
            f"flash method '{method}' is not known; expected one of {', '.join(methods)}{nearest(method, methods)}"
        )
    drive = find_drive(chip.drive, roots) if chip.drive else None
    present = [name for name, tool in tools.items() if shutil.which(tool.program)]
    if drive is not None and serial is None:
        present.append(COPY)
    if method is None:
        if not present and not dry_run:
            copy = f"; or mount the drive {chip.drive} of the connected board" if chip.drive else ""
            raise UserError(f"nothing here can flash a board: {'; or '.join(hints.values())}{copy}")
        method = present[0] if present else next(iter(tools))
    if method == COPY:
        if serial is not None:
            raise UserError("a copy to the drive can't choose a probe by its serial number: use another --method")
        if drive is None:
            raise UserError(
                f"the drive {chip.drive} is not mounted (looked under {', '.join(roots)}): connect the board"
            )
        return _copy(elf, description, drive, dry_run)
    command = tools[method].command(elf, serial, chip)
    if not dry_run:
        if method not in present:
            raise UserError(f"{tools[method].program} is not installed: {hints[method]}")
        _run(command)
    return shlex.join(command)


def _copy(elf: Path, description: BoardDescription, drive: Path, dry_run: bool) -> str:
    """Copy an image to the drive of a board; return what says so."""
    binary, target = elf.with_suffix(".bin"), drive / "pyaed.bin"
    if not dry_run:
        with atomic_path(binary) as path:
            path.write_bytes(to_binary(elf, description))
        shutil.copyfile(binary, target)
    return f"copy {binary} {target}"


def _run(command: list[str]) -> None:
    """Run a tool that flashes; raise UserError with its last words when it fails."""
    program, line = command[0], shlex.join(command)
    log.info("%s", line)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{program} did not end within {SECONDS:.0f} s: is the board connected? ({line})") from error
    if done.returncode:
        words = " / ".join(done.stdout.decode(errors="replace").strip().splitlines()[-4:])
        raise UserError(f"{program} failed with code {done.returncode}: {words or 'without a word'} ({line})")
