"""What belongs to one instruction set stands in its folder; the tables that choose among them find all that a machine has."""

import ctypes
import platform
import re
from pathlib import Path

import pytest

from pyaed.dsp.frontend import instruction_sets
from pyaed.nn import _nn
from pyaed.sources import source_root

CHOOSE = {
    "dsp_c/src": {"aed_isa.c", "aed_lanes.h"},
    "nn_c/src": {"aed_instruction_sets.c", "aed_instruction_sets.h"},
    "detector_c/src": set(),
}
NAMES = re.compile(
    r"\bAED_(X86|CORTEX_M33|VFP)\b|__(x86|i386|arm|thumb|ARM|aarch)\w*|__asm|immintrin|arm_acle|\.\./(?!src)"
)


@pytest.mark.parametrize("folder", CHOOSE)
def test_portable_files_name_no_instruction_set(folder):
    naming = {path.name for path in (source_root() / folder).iterdir() if NAMES.search(path.read_text())}
    assert naming == CHOOSE[folder]


def test_every_instruction_set_of_this_machine_is_chosen():
    x86 = platform.machine() in ("x86_64", "AMD64")
    flags = Path("/proc/cpuinfo").read_text().split() if x86 else []
    wanted = {"scalar": True, "sse2": x86, "avx2": "avx2" in flags, "avx512": "avx512f" in flags}
    assert set(instruction_sets()) == {name for name, has in wanted.items() if has}
    find = ctypes.CDLL(_nn.__file__).aed_find_fast_kernels
    find.restype = ctypes.c_void_p
    assert (find() is not None) == ("avx2" in flags)
