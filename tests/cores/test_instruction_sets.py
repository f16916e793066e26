"""What belongs to one instruction set stands in its folder; the portable files name none, but for the tables that choose."""

import re

import pytest

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
