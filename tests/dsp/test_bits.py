"""The same bits from every compiler and optimisation level, and over time."""

import ctypes
import itertools
import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from golden import GOLDEN, golden
from pyaed.dsp._dsp import ffi, lib
from signals import signals
from specs import HOST_ONLY, SPECS
from support import m33

from pyaed.dsp import FrontEnd, _dsp
from pyaed.dsp.frontend import ISAS, instruction_sets
from pyaed.sources import source_root

# As cmake/flags.cmake has them; the test below holds the two together.
FLAGS = ["-std=c11", "-ffp-contract=off", "-fno-fast-math", "-fno-math-errno", "-msse2", "-mfpmath=sse", "-mno-fma"]


def test_golden_vectors():
    """After a change that is meant to change bits: ``python tests/dsp/golden.py`` shows and writes the new ones."""
    assert golden() == json.loads(GOLDEN.read_text())


ISA_FLAGS = {"sse2": ["-msse2"], "avx2": ["-mavx2"], "avx512": ["-mavx512f", "-mprefer-vector-width=512"]}


def build(compiler: str, flags: list[str], folder: Path) -> ctypes.CDLL:
    """Compile the front end as CMake does, each instruction set's source with its own flags, and load it."""
    dsp, objects = source_root() / "dsp_c", []
    for source in sorted((dsp / "src").glob("*.c")) + sorted((dsp / "x86").glob("*.c")):
        isa = source.stem.removeprefix("aed_frames_")
        objects.append(folder / f"{source.stem}.o")
        subprocess.run(
            [compiler, *flags, *ISA_FLAGS.get(isa, []), "-DAED_X86", "-fPIC", f"-I{dsp / 'include'}", f"-I{dsp / 'src'}",
             "-c", source, "-o", objects[-1]],
            check=True,
        )  # fmt: skip
    target = folder / "dsp.so"
    subprocess.run([compiler, "-shared", "-o", target, *objects], check=True)
    library = ctypes.CDLL(str(target))
    library.aed_clip_frames.argtypes = (
        [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p] + [ctypes.c_size_t] * 3 + [ctypes.c_void_p] * 2
    )
    return library


def compute(library: ctypes.CDLL, front_end: FrontEnd, isa: str, pcm: np.ndarray, n_frames: int) -> np.ndarray:
    """`FrontEnd.compute` by a library that `build` made."""
    frames = np.empty((n_frames, front_end.spec.n_features), np.float32)
    workspace = np.empty(lib.aed_clip_workspace_size(front_end.config, ISAS[isa]) // 8 + 1, np.float64)
    status = library.aed_clip_frames(
        int(ffi.cast("uintptr_t", front_end.config)), ISAS[isa], pcm.ctypes.data, len(pcm), 0, n_frames,
        frames.ctypes.data, workspace.ctypes.data,
    )  # fmt: skip
    assert status == 0
    return frames


def assert_same_bits(ours: np.ndarray, theirs: np.ndarray, message: str) -> None:
    np.testing.assert_array_equal(ours.view(np.uint32), theirs.view(np.uint32), message)


def test_flags_are_those_of_the_build():
    text = (source_root() / "cmake" / "flags.cmake").read_text().replace("${AED_FP_CONTRACT}", "off")
    for flag in FLAGS[1:]:
        assert flag in text, flag
    for isa, flags in ISA_FLAGS.items():
        assert f"set(AED_X86_FLAGS_{isa} {' '.join(flags)})" in text


@pytest.mark.parametrize(("compiler", "level"), list(itertools.product(["gcc", "clang"], ["-O0", "-O2", "-O3"])))
def test_every_compiler_level_and_instruction_set_gives_the_same_bits(tmp_path, compiler, level):
    """Against the installed build's scalar core, which the tests below compare with threads, streams and the M33."""
    library = build(compiler, [*FLAGS, level], tmp_path)
    for name, spec in SPECS.items():
        front_end = FrontEnd(spec, "scalar")
        for signal, pcm in signals(9000).items():
            pcm, n_frames = front_end.padded(pcm), spec.n_frames(len(pcm))
            expected = front_end.compute(pcm, n_frames)
            for isa in instruction_sets():
                assert_same_bits(compute(library, front_end, isa, pcm, n_frames), expected, f"{name} {signal} {isa}")


@pytest.mark.parametrize("isa", instruction_sets())
@pytest.mark.parametrize("name", SPECS)
def test_installed_build_threads_and_clip_ends(name, isa):
    """Every count of frames, so that every number of spare lanes occurs, from many threads at once."""
    spec = SPECS[name]
    scalar, wide = FrontEnd(spec, "scalar"), FrontEnd(spec, isa)
    noise = signals()["noise"]
    clips = [noise[: spec.min_samples + i * spec.hop_length + i % 7] for i in range(18)] + [noise[:0], noise[:1]]
    with ThreadPoolExecutor(4) as pool:
        for clip, frames in zip(clips, pool.map(wide.log_mel, clips)):
            assert_same_bits(frames, scalar.log_mel(clip), f"{len(clip)} samples")


@pytest.mark.parametrize("name", [n for n, s in SPECS.items() if n not in HOST_ONLY])
def test_emulated_cortex_m33_streams_the_same_bits(name):
    spec = SPECS[name]
    pcm = np.concatenate([pcm[: max(1200, spec.window_length)] for pcm in signals(9000).values()])
    frames = m33.run(spec, pcm).log_mel
    expected = FrontEnd(spec).log_mel(pcm)
    n = min(len(frames), len(expected))
    assert n > 3
    assert_same_bits(frames[:n], expected[:n], name)


def test_contraction_would_be_noticed(tmp_path):
    """The equality above is no accident: with fused operations allowed, the bits differ."""
    if "fma" not in Path("/proc/cpuinfo").read_text().split():
        pytest.fail("this machine has no fused multiply-add to compare with")
    fused = build("gcc", ["-O3", "-mfma", "-ffp-contract=fast", "-fno-math-errno"], tmp_path)
    front_end, pcm = FrontEnd(SPECS["yamnet"]), signals()["noise"]
    for isa in instruction_sets():
        assert (compute(fused, front_end, isa, pcm, 100) != front_end.compute(pcm, 100)).any(), isa


FUSED = re.compile(r"\bvfn?m(add|sub)\w*")


def test_no_fused_operation_in_any_build(tmp_path):
    """AVX-512 has fused operations by itself, and gcc's vectorizer makes some in spite of -ffp-contract=off."""
    libraries = [Path(_dsp.__file__)]
    for compiler in ("gcc", "clang"):
        (tmp_path / compiler).mkdir()
        build(compiler, [*FLAGS, "-O3"], tmp_path / compiler)
        libraries.append(tmp_path / compiler / "dsp.so")
    for library in libraries:
        text = subprocess.run(["objdump", "-d", library], capture_output=True, text=True, check=True).stdout
        assert "zmm" in text
        assert not FUSED.search(text), library
