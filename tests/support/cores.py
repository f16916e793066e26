"""The C cores for tests and benchmarks that compile them without CMake, as cmake/instruction_sets.cmake adds them up."""

import re
from pathlib import Path

from pyaed.sources import source_root

#: The compiler's flags for a Cortex-M33, as cmake/cores.cmake has them, and for a bare image on one.
CORTEX_M33 = re.search(r'cortex-m33 "(.+?)"', (source_root() / "cmake" / "cores.cmake").read_text())[1].split()
BARE = ["-O2", "-std=c11", "-ffp-contract=off", "-fno-math-errno", "-ffunction-sections", "-fdata-sections"]

#: folder of an instruction set -> the macro that goes with it
MACROS = {"x86": "-DAED_X86", "cortex_m33": "-DAED_CORTEX_M33"}


def c_sources(core: str, *instruction_sets: str) -> list[Path]:
    """Return the C files of a core: its portable ones, and those of instruction sets where it has a folder for them."""
    return [p for folder in ("src", *instruction_sets) for p in sorted((source_root() / core / folder).glob("*.c"))]


def macros(*instruction_sets: str) -> list[str]:
    """Return the flags that go with the files of instruction sets."""
    return [MACROS[name] for name in instruction_sets]


def includes(*cores: str) -> list[str]:
    """Return the flags for the public headers of cores."""
    return [f"-I{source_root() / core / 'include'}" for core in cores]
