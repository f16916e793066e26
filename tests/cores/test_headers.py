"""The public headers of the C cores: each compiles alone, as C and as C++, and flags that change bits don't compile."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.cores import CORTEX_M33

from pyaed.dsp import _dsp
from pyaed.sources import source_root

FOLDERS = ("dsp_c/include", "nn_c/include", "detector_c/include")
HEADERS = sorted(path for folder in FOLDERS for path in (source_root() / folder).glob("*.h"))
INCLUDES = [f"-I{source_root() / folder}" for folder in FOLDERS]
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
COMPILERS = {
    "gcc": ["gcc", "-std=c11", "-x", "c"],
    "clang": ["clang", "-std=c11", "-x", "c"],
    "g++": ["g++", "-std=c++17", "-x", "c++"],
    "arm-none-eabi-gcc": ["arm-none-eabi-gcc", *CORTEX_M33, "-std=c11", "-x", "c"],
    "arm-none-eabi-g++": ["arm-none-eabi-g++", *CORTEX_M33, "-std=c++17", "-x", "c++"],
}


def functions(header: Path) -> list[str]:
    """Return the names of the functions that a header declares."""
    text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.DOTALL)
    return re.findall(r"^(?!static|typedef)[a-z][\w *]*?\b(aed_\w+)\(", text, re.MULTILINE)


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("header", HEADERS, ids=lambda path: path.name)
def test_a_header_compiles_alone(header, compiler, tmp_path):
    """Included twice, with every function's address taken: in C++ too the names are those of C."""
    command = COMPILERS[compiler]
    if shutil.which(command[0]) is None:
        pytest.fail(f"{command[0]} is missing: `make test` installs it")
    names = functions(header)
    lines = [f'#include "{header.name}"'] * 2
    lines += ["typedef void (*function)(void);", "extern const function used[];"]
    lines += [f"const function used[] = {{{', '.join(f'(function){name}' for name in names) or '0'}}};"]
    source, compiled = tmp_path / "source", tmp_path / "source.o"
    source.write_text("\n".join(lines) + "\n")
    casts = ["-Wno-cast-function-type"]
    subprocess.run([*command, *WARNINGS, *casts, *INCLUDES, "-c", source, "-o", compiled], check=True)
    symbols = subprocess.run(["nm", "-u", compiled], capture_output=True, text=True, check=True).stdout.split()
    assert set(names) <= set(symbols)


def test_most_headers_declare_functions():
    assert len(HEADERS) > 12
    assert sum(bool(functions(header)) for header in HEADERS) > len(HEADERS) / 2


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("-ffast-math", "-ffast-math changes the bits"),
        ("-ffinite-math-only", "-ffast-math changes the bits"),
        ("-mfpmath=387", "evaluated in a wider type"),
    ],
)
@pytest.mark.parametrize(
    "unit",
    [
        "dsp_c/src/aed_frontend.c",
        "dsp_c/src/aed_log.c",
        "dsp_c/src/aed_quantize.c",
        "nn_c/src/aed_quantize_f32.c",
        "nn_c/src/aed_dequantize_f32.c",
        "nn_c/src/aed_fully_connected_s8.c",
    ],
)
def test_flags_that_change_bits_do_not_compile(unit, flag, message):
    command = ["gcc", "-std=c11", "-fsyntax-only", *INCLUDES, source_root() / unit]
    subprocess.run(command, check=True)
    refused = subprocess.run([*command, flag], capture_output=True, text=True)
    assert refused.returncode != 0
    assert message in refused.stderr


def test_version_of_the_built_library():
    """A library is asked for its version; headers are compared by one number."""
    lib = _dsp.lib
    major, minor, patch = lib.AED_VERSION_MAJOR, lib.AED_VERSION_MINOR, lib.AED_VERSION_PATCH
    assert 0 <= minor < 100
    assert 0 <= patch < 100
    assert lib.aed_version() == int(f"{major}{minor:02}{patch:02}")
