"""Bring an image onto a board: by whichever tool is there, or as a copy to the ST-LINK's drive."""

import logging
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pyaed.errors import UserError, nearest
from pyaed.files import atomic_path

log = logging.getLogger(__name__)

FLASH_START, FLASH_END = 0x08000000, 0x08200000
DRIVE = "DIS_U585AI"
DRIVE_ROOTS = ("/media", "/run/media", "/mnt", "/Volumes")
SECONDS = 180.0


def _cubeprogrammer(elf: Path, serial: str | None) -> list[str]:
    # Connects under reset, so that nothing the old image does is in the way; -rst lets the new one run.
    probe = [f"sn={serial}"] if serial else []
    return ["STM32_Programmer_CLI", "-c", "port=SWD", "mode=UR", *probe, "-w", str(elf), "-v", "-rst"]


def _openocd(elf: Path, serial: str | None) -> list[str]:
    probe = ["-c", f"adapter serial {serial}"] if serial else []
    files = ["-f", "interface/stlink.cfg", "-f", "target/stm32u5x.cfg"]
    return ["openocd", *files, *probe, "-c", f"program {{{elf}}} verify reset exit"]


def _pyocd(elf: Path, serial: str | None) -> list[str]:
    probe = ["-u", serial] if serial else []
    return ["pyocd", "flash", "-t", "stm32u585aiix", *probe, str(elf)]


@dataclass(frozen=True)
class Tool:
    """A program that flashes: `command` makes its arguments of image and probe's serial number."""

    program: str
    command: Callable[[Path, str | None], list[str]]
    hint: str


#: In the order of preference. No command touches option bytes.
TOOLS = {
    "cubeprogrammer": Tool("STM32_Programmer_CLI", _cubeprogrammer, "install STM32CubeProgrammer"),
    "openocd": Tool("openocd", _openocd, "sudo apt-get install openocd (0.12 or later)"),
    "pyocd": Tool("pyocd", _pyocd, "pip install pyocd && pyocd pack install stm32u585aii"),
}
COPY = "copy"


def to_binary(elf: str | Path) -> bytes:
    """Return what an image programs, as raw bytes from the start of flash.

    Raises
    ------
    UserError
        When it is no ELF file, or lies anywhere else.
    """
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    elf = Path(elf)
    if not elf.is_file():
        raise UserError(f"no firmware image at {elf}: build one with `pyaed deploy`")
    try:
        with elf.open("rb") as file:
            segments = [(s["p_paddr"], s.data()) for s in ELFFile(file).iter_segments("PT_LOAD") if s["p_filesz"]]
    except (ELFError, OSError, ValueError) as error:
        raise UserError(f"{elf} is no firmware image: {error}") from error
    if not segments or not all(at >= FLASH_START and at + len(data) <= FLASH_END for at, data in segments):
        raise UserError(
            f"{elf} is not linked for the board's flash at {FLASH_START:#x}: build it with "
            "deployment.hardware_setup.board=B-U585I-IOT02A"
        )
    image = bytearray(b"\xff" * (max(at + len(data) for at, data in segments) - FLASH_START))
    for at, data in segments:
        image[at - FLASH_START : at - FLASH_START + len(data)] = data
    return bytes(image)


def find_drive(roots: tuple[str, ...] = DRIVE_ROOTS) -> Path | None:
    """Return where the ST-LINK's drive is mounted, or None."""
    for root in map(Path, roots):
        for path in (root / DRIVE, *sorted(root.glob(f"*/{DRIVE}"))):
            if path.is_dir():
                return path
    return None


def flash(
    elf: str | Path,
    method: str | None = None,
    serial: str | None = None,
    dry_run: bool = False,
    roots: tuple[str, ...] = DRIVE_ROOTS,
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
    binary = to_binary(elf)
    methods = (*TOOLS, COPY)
    if method is not None and method not in methods:
        raise UserError(
            f"flash method '{method}' is not known; expected one of {', '.join(methods)}{nearest(method, methods)}"
        )
    drive = find_drive(roots)
    present = [name for name, tool in TOOLS.items() if shutil.which(tool.program)]
    if drive is not None and serial is None:
        present.append(COPY)
    if method is None:
        if not present and not dry_run:
            hints = "; or ".join(tool.hint for tool in TOOLS.values())
            raise UserError(
                f"nothing here can flash a board: {hints}; or mount the drive {DRIVE} of the connected board"
            )
        method = present[0] if present else next(iter(TOOLS))
    if method == COPY:
        if serial is not None:
            raise UserError("a copy to the drive can't choose a probe by its serial number: use another --method")
        if drive is None:
            raise UserError(f"the drive {DRIVE} is not mounted (looked under {', '.join(roots)}): connect the board")
        target = drive / "pyaed.bin"
        line = f"copy {elf.with_suffix('.bin')} {target}"
        if not dry_run:
            with atomic_path(elf.with_suffix(".bin")) as path:
                path.write_bytes(binary)
            shutil.copyfile(elf.with_suffix(".bin"), target)
        return line
    tool = TOOLS[method]
    command = tool.command(elf, serial)
    line = shlex.join(command)
    if dry_run:
        return line
    if method not in present:
        raise UserError(f"{tool.program} is not installed: {tool.hint}")
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
        raise UserError(
            f"{tool.program} did not end within {SECONDS:.0f} s: is the board connected? ({line})"
        ) from error
    if done.returncode:
        words = " / ".join(done.stdout.decode(errors="replace").strip().splitlines()[-4:])
        raise UserError(f"{tool.program} failed with code {done.returncode}: {words or 'without a word'} ({line})")
    return line
