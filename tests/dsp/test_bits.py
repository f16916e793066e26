"""The same bits from every compiler, optimisation level, instruction set, number of threads, division and machine."""

import itertools
import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from builds import FLAGS, ISA_FLAGS, binding, compiled
from golden import GOLDEN, golden
from specs import HOST_ONLY, SPECS
from streams import Stream, streamable_part
from support import m33
from support.signals import signals

from pyaed.data import load_pcm
from pyaed.dsp import FrontEnd, _dsp, frontend, quantize, to_pcm
from pyaed.dsp.frontend import instruction_sets
from pyaed.sources import source_root

BUILDS = ["installed", *map(" ".join, itertools.product(["gcc", "clang"], ["-O0", "-O2", "-O3"]))]
WAYS = [f"{build}, {how}" for build in BUILDS for how in [*instruction_sets(), "threads", "stream"]]
WAYS.remove("installed, scalar")  # what all others are compared with
WAYS += [f"Cortex-M33 {level}" for level in ("-O1", "-O2", "-O3")]  # -O0 takes more stack than the board has
BLOCKS = [1, 2, 0, 99, 160, 399, 400, 401, 1023, 5000]
# Halves and their neighbours, what saturates, what isn't a number: quantized with a scale of 0.05.
VALUES = np.array([s * v for v in (0, 0.024999999, 0.025, 0.025000002, 0.07500001, 0.125, 3.375, 9.4, 1e-45, 1e9, 3e38, np.inf, np.nan)
                   for s in (1, -1)], np.float32)  # fmt: skip


def synthetic(spec) -> dict[str, np.ndarray]:
    """Adversarial clips, and noise with every count of frames, so that every number of spare lanes occurs."""
    noise = signals()["noise"]
    ends = {f"{i} frames": noise[: spec.n_fft + i * spec.hop_length + i % 7] for i in range(18)}
    denormal = np.random.default_rng(2).uniform(-1e-39, 1e-39, 17000).astype(np.float32)
    return {
        **signals(max(17000, spec.min_samples + 999)),
        **ends,
        "no sample": noise[:0],
        "one sample": noise[:1],
        "denormal": denormal,
    }


@pytest.fixture(scope="module", params=["synthetic", "recorded"])
def cases(request):
    """Clips, their frames and their patches by specification: the installed build's scalar core, one thread, one shot."""
    recorded = {}
    if request.param == "recorded":
        paths = sorted((request.getfixturevalue("shared") / "datasets/esc10/audio").iterdir())
        recorded = {path.name: load_pcm(path, {"max_length": 2.0}) for path in (paths[3], paths[len(paths) // 2])}
    cases = {}
    for name, spec in SPECS.items():
        front_end, clips = FrontEnd(spec, "scalar"), recorded or synthetic(spec)
        frames = [front_end.log_mel(clip) for clip in clips.values()]
        cases[name] = clips, frames, [front_end.patches(f) for f in frames]
        assert sum(map(len, cases[name][2])) > 1
    return cases


def assert_same_bits(ours, theirs, message: str) -> None:
    assert len(ours) == len(theirs), message
    for a, b in zip(ours, theirs):
        np.testing.assert_array_equal(np.asarray(a).view(np.uint32), b.view(np.uint32), message)


def check_board(level: str, name: str, clips: dict[str, np.ndarray]) -> None:
    """Frames, a quantized patch and quantized values of the emulated board, which gets the clips as one stream."""
    spec = SPECS[name]
    longest = max(30000 // len(clips), 1200, spec.window_length)
    pcm = np.concatenate([to_pcm(clip)[:longest] for clip in clips.values()])
    expected = FrontEnd(spec, "scalar").log_mel(pcm)
    run = m33.run(spec, pcm, VALUES, (level,))
    n = min(len(run.log_mel), len(expected))  # a stream doesn't see the zeros behind a clip's end
    assert n > 3
    assert_same_bits(run.log_mel[:n], expected[:n], name)
    last = np.concatenate([np.zeros((spec.patch_length, spec.n_features), np.float32), run.log_mel])[
        -spec.patch_length :
    ]
    np.testing.assert_array_equal(run.patch, quantize(last.T, m33.SCALE, m33.ZERO_POINT, np.int8))
    np.testing.assert_array_equal(run.quantized, quantize(VALUES, m33.SCALE, m33.ZERO_POINT, np.int8))


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_the_same_bits(way, cases, monkeypatch):
    build, how = f"{way}, ".split(", ")[:2]
    if build.startswith(("gcc", "clang")):
        compiler, level = build.split()
        ffi, lib = binding(compiled(compiler, *FLAGS, level))
        monkeypatch.setattr(frontend, "ffi", ffi)
        monkeypatch.setattr(frontend, "lib", lib)
    for name, (clips, frames, patches) in cases.items():
        spec, clips, message = SPECS[name], list(clips.values()), f"{name} {list(clips)}"
        if how in instruction_sets():
            assert_same_bits([*map(FrontEnd(spec, how).log_mel, clips)], frames, message)
        elif how == "threads":
            front_end = FrontEnd(spec)
            with ThreadPoolExecutor(4) as pool:
                assert_same_bits([*pool.map(front_end.log_mel, clips)], frames, message)
            assert_same_bits(front_end.batch(clips, 4), patches, message)
        elif name in HOST_ONLY:
            continue
        elif how == "stream":
            for clip, expected in zip(clips, patches):
                stream, at, ours, sizes = Stream(FrontEnd(spec)), 0, [], itertools.cycle(BLOCKS)
                while at < len(clip):
                    size = next(sizes)
                    ours += stream.push(to_pcm(clip)[at : at + size])
                    at += size
                expected = streamable_part(spec, expected, len(clip))
                assert_same_bits(ours[: len(expected)], expected, message)
        else:
            check_board(build.split()[1], name, cases[name][0])


def test_golden_vectors():
    """After a change that is meant to change bits: ``python tests/dsp/golden.py`` shows and writes the new ones."""
    assert golden() == json.loads(GOLDEN.read_text())


def test_flags_are_those_of_the_build():
    text = (source_root() / "cmake" / "flags.cmake").read_text().replace("${AED_FP_CONTRACT}", "off")
    for flag in FLAGS[1:]:
        assert flag in text, flag
    for isa, flags in ISA_FLAGS.items():
        assert f"set(AED_X86_FLAGS_{isa} {' '.join(flags)})" in text


def test_contraction_would_be_noticed(monkeypatch):
    """The equality above is no accident: with fused operations allowed, the bits differ."""
    if "fma" not in Path("/proc/cpuinfo").read_text().split():
        pytest.fail("this machine has no fused multiply-add to compare with")
    pcm = signals()["noise"]
    expected = FrontEnd(SPECS["yamnet"]).log_mel(pcm)
    ffi, lib = binding(compiled("gcc", "-O3", "-mfma", "-ffp-contract=fast", "-fno-math-errno"))
    monkeypatch.setattr(frontend, "ffi", ffi)
    monkeypatch.setattr(frontend, "lib", lib)
    for isa in instruction_sets():
        assert (FrontEnd(SPECS["yamnet"], isa).log_mel(pcm) != expected).any(), isa


FUSED = re.compile(r"\bvfn?m(add|sub)\w*")


def test_no_fused_operation_in_any_build():
    """AVX-512 has fused operations by itself, and gcc's vectorizer makes some in spite of -ffp-contract=off."""
    for library in (Path(_dsp.__file__), compiled("gcc", *FLAGS, "-O3"), compiled("clang", *FLAGS, "-O3")):
        text = subprocess.run(["objdump", "-d", library], capture_output=True, text=True, check=True).stdout
        assert "zmm" in text
        assert not FUSED.search(text), library
