"""ST's runtime library for a core, out of the user's own installation: it is linked, never copied."""

from dataclasses import dataclass
from pathlib import Path

from pyaed.errors import UserError
from pyaed.stedgeai.tool import Tool

#: Core, as ``board.toml`` names it -> ST's folder.
_FOLDERS = {"cortex-m33": "ARMCortexM33"}
_LAYOUTS = ("Middlewares/ST/AI", "Middlewares/ST/stedgeai-lib")


@dataclass(frozen=True)
class Runtime:
    """Folder of headers and the library of one core."""

    include: Path
    library: Path


def find_runtime(tool: Tool, core: str) -> Runtime:
    """Return the runtime that belongs to an installed tool.

    Raises
    ------
    UserError
        When the tool stands alone, or its installation has nothing for the core.
    """
    if tool.root is None:
        raise UserError(
            f"{tool.path}: its installation, with the folder Middlewares, is not found: set STEDGEAI_CORE_DIR to it"
        )
    if core not in _FOLDERS:
        raise UserError(f"ST's engine is not linked for {core}; cores: {', '.join(_FOLDERS)}")
    looked = [tool.root / layout / "Lib" / "GCC" / _FOLDERS[core] for layout in _LAYOUTS]
    for layout, folder in zip(_LAYOUTS, looked):
        # The one with PIC beside it is for models that are loaded at run time.
        found = sorted(path for path in folder.glob("NetworkRuntime*_GCC.a") if "PIC" not in path.name)
        if found:
            return Runtime(tool.root / layout / "Inc", found[-1])
    raise UserError(
        f"{tool.version} has no runtime library for {core}: no NetworkRuntime*_GCC.a in {' or '.join(map(str, looked))}; install "
        "the part for STM32U5, too"
    )
