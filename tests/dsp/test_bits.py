"""The same bits from every compiler and optimisation level, and over time."""

import ctypes
import hashlib
import itertools
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pyaed.dsp._dsp import ffi, lib
from signals import signals
from specs import SPECS

from pyaed.dsp import FrontEnd, _dsp
from pyaed.sources import source_root

GOLDEN = Path(__file__).with_name("golden.json")
# As cmake/flags.cmake has them; the test below holds the two together.
FLAGS = ["-std=c11", "-ffp-contract=off", "-fno-fast-math", "-fno-math-errno", "-msse2", "-mfpmath=sse", "-mno-fma"]


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def golden() -> dict[str, dict[str, str]]:
    """Digests of all log-mel frames, by specification and signal."""
    return {
        name: {signal: digest(FrontEnd(spec).log_mel(pcm)) for signal, pcm in signals().items()}
        for name, spec in SPECS.items()
    }


def test_golden_vectors():
    """After a change that is meant to change bits: ``python tests/dsp/test_bits.py`` shows and writes the new ones."""
    assert golden() == json.loads(GOLDEN.read_text())


def build(compiler: str, options: list[str], target: Path) -> ctypes.CDLL:
    sources = sorted((source_root() / "dsp_c" / "src").glob("*.c"))
    include = source_root() / "dsp_c" / "include"
    subprocess.run([compiler, *FLAGS, *options, "-shared", "-fPIC", f"-I{include}", "-o", target, *sources], check=True)
    return ctypes.CDLL(str(target))


def test_flags_are_those_of_the_build():
    text = (source_root() / "cmake" / "flags.cmake").read_text().replace("${AED_FP_CONTRACT}", "off")
    for flag in FLAGS[1:]:
        assert flag in text, flag


@pytest.mark.parametrize(
    ("compiler", "level", "target"),
    list(itertools.product(["gcc", "clang"], ["-O0", "-O2", "-O3"], ["-msse2", "-mavx2"])),
)
def test_every_compiler_and_level_gives_the_same_bits(tmp_path, compiler, level, target):
    if target == "-mavx2" and "avx2" not in Path("/proc/cpuinfo").read_text():
        target = "-msse4.2"
    built = build(compiler, [level, target], tmp_path / "dsp.so")
    built.aed_frontend_clip.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_size_t] * 3 + [ctypes.c_void_p] * 2
    for name in ("yamnet", "miniresnet", "smallest", "n2048"):
        front_end = FrontEnd(SPECS[name])
        scratch = np.empty(lib.aed_frontend_scratch_size(front_end.config) // 8, np.float64)
        for signal, pcm in signals().items():
            expected = front_end.log_mel(pcm)
            frames = np.empty_like(expected)
            config = int(ffi.cast("uintptr_t", front_end.config))
            status = built.aed_frontend_clip(
                config, pcm.ctypes.data, len(pcm), 0, len(frames), frames.ctypes.data, scratch.ctypes.data
            )
            assert status == 0
            np.testing.assert_array_equal(frames.view(np.uint32), expected.view(np.uint32), f"{name} {signal}")


def test_contraction_would_be_noticed(tmp_path):
    """The equality above is no accident: with fused operations allowed, the bits differ."""
    sources = sorted((source_root() / "dsp_c" / "src").glob("*.c"))
    include = source_root() / "dsp_c" / "include"
    if "fma" not in Path("/proc/cpuinfo").read_text().split():
        pytest.fail("this machine has no fused multiply-add to compare with")
    subprocess.run(["gcc", "-O3", "-mfma", "-ffp-contract=fast", "-fno-math-errno", "-shared", "-fPIC", f"-I{include}",
                    "-o", tmp_path / "fused.so", *sources], check=True)  # fmt: skip
    fused = ctypes.CDLL(str(tmp_path / "fused.so"))
    fused.aed_frontend_clip.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_size_t] * 3 + [ctypes.c_void_p] * 2
    front_end = FrontEnd(SPECS["yamnet"])
    pcm = signals()["noise"]
    expected = front_end.log_mel(pcm)
    frames = np.empty_like(expected)
    scratch = np.empty(lib.aed_frontend_scratch_size(front_end.config) // 8, np.float64)
    fused.aed_frontend_clip(
        int(ffi.cast("uintptr_t", front_end.config)), pcm.ctypes.data, len(pcm), 0, len(frames), frames.ctypes.data,
        scratch.ctypes.data,
    )  # fmt: skip
    assert (frames != expected).any()


def test_no_fused_operation_in_the_extension():
    text = subprocess.run(["objdump", "-d", _dsp.__file__], capture_output=True, text=True, check=True).stdout
    assert "vfmadd" not in text
    assert "vfmsub" not in text
    assert "vfnmadd" not in text


if __name__ == "__main__":
    new, old = golden(), json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    for name, rows in new.items():
        for signal, value in rows.items():
            before = old.get(name, {}).get(signal)
            print(f"{name:14} {signal:11} {value} {'' if before == value else f'was {before}'}")
    GOLDEN.write_text(json.dumps(new, indent=1) + "\n")
