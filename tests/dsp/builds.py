"""The front end compiled in other ways than the installed build, for tests."""

import atexit
import functools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cffi import FFI
from support.cores import c_sources, includes, macros

from pyaed.sources import source_root

# As cmake/flags.cmake has them; a test holds the two together.
FLAGS = ["-std=c11", "-ffp-contract=off", "-fno-fast-math", "-fno-math-errno", "-msse2", "-mfpmath=sse", "-mno-fma"]
ISA_FLAGS = {"sse2": ["-msse2"], "avx2": ["-mavx2"], "avx512": ["-mavx512f", "-mprefer-vector-width=512"]}


@functools.cache
def compiled(compiler: str, *flags: str) -> Path:
    """Compile the front end as CMake does, each instruction set's source with its own flags; return the shared library."""
    folder = Path(tempfile.mkdtemp(prefix="pyaed-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    objects = []
    for source in c_sources("dsp_c", "x86"):
        isa = source.stem.removeprefix("aed_frames_")
        objects.append(folder / f"{source.stem}.o")
        subprocess.run(
            [compiler, *flags, *ISA_FLAGS.get(isa, []), *macros("x86"), "-fPIC", *includes("dsp_c"), "-c", source,
             "-o", objects[-1]],
            check=True,
        )  # fmt: skip
    library = folder / "dsp.so"
    subprocess.run([compiler, "-shared", "-o", library, *objects], check=True)
    return library


@functools.cache
def binding(library: Path) -> tuple[FFI, Any]:
    """Load a library with the declarations of the public headers: the `ffi` and `lib` of ``pyaed.dsp.frontend`` over it."""
    sys.path.insert(0, str(source_root() / "cmake"))
    from generate_cffi import declarations

    headers = source_root() / "dsp_c" / "include"
    first = [headers / "aed_status.h", headers / "aed_frontend.h"]
    ffi = FFI()
    ffi.cdef("\n".join(map(declarations, [*first, *sorted(set(headers.glob("*.h")) - set(first))])))
    return ffi, ffi.dlopen(str(library))
