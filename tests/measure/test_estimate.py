"""The instruction mix behind the estimated time: as many instructions as QEMU counts, a cache as one plays it by hand."""

import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import images

from pyaed.boards.emulator import Emulator
from pyaed.errors import UserError
from pyaed.measure import estimate, instruction_mix
from pyaed.measure.benchmark import benchmark
from pyaed.measure.published import PUBLISHED_MS


def play(lines, cache=()):
    """A two-way cache that drops what was not used for longest, one line after the other."""
    sets, missed = {}, []
    for line in cache:
        sets.setdefault(line % instruction_mix.CACHE_SETS, []).append(line)
    for line in lines:
        held = sets.setdefault(line % instruction_mix.CACHE_SETS, [])
        missed.append(line not in held)
        if line in held:
            held.remove(line)
        held.append(line)
        del held[:-2]
    return missed


@given(st.lists(st.integers(0, 5).map(lambda i: 256 * i) | st.integers(0, 2000), max_size=60), st.integers(0, 60))
def test_the_cache_is_the_one_played_by_hand(lines, cut):
    first, cache = instruction_mix._misses(np.array(lines[:cut], np.int64), np.zeros(0, np.int64))
    second, _ = instruction_mix._misses(np.array(lines[cut:], np.int64), cache)
    assert [*first.tolist(), *second.tolist()] == play(lines)


CLASSES = {
    ("ldrb.w", "r1, [r2, #4]"): ("load", 0),
    ("ldrd", "r0, r1, [r2]"): ("load", 1),
    ("ldmia.w", "sp!, {r4, r5, r6-r8, pc}"): ("load", 5),
    ("stmdb", "sp!, {r4, lr}"): ("store", 1),
    ("push", "{r4}"): ("store", 0),
    ("smlad", "r0, r1, r2, r0"): ("multiply", 0),
    ("mulne", "r0, r1, r0"): ("multiply", 0),
    ("udiv", "r0, r1, r2"): ("divide", 0),
    ("bne.n", "10000000"): ("branch", 0),
    ("bics", "r0, r1"): ("other", 0),
    ("bfi", "r0, r1, #2, #3"): ("other", 0),
    ("bl", "10000000"): ("branch", 0),
    ("ble.n", "10000000"): ("branch", 0),
    ("vadd.f32", "s0, s1, s2"): ("float", 0),
    ("vfma.f32", "s0, s1, s2"): ("float multiply-add", 0),
    ("vmla.f32", "s0, s1, s2"): ("float multiply-add", 0),
    ("vsqrt.f32", "s0, s1"): ("float divide, root", 0),
    ("vpush", "{d8-d11}"): ("float store", 3),
    ("vldmia", "r3!, {s0-s3}"): ("float load", 3),
    ("itte", "eq"): ("other", 0),
}


@pytest.mark.parametrize("instruction", CLASSES)
def test_classes_of_instructions(instruction):
    index, extra = instruction_mix.classify(*instruction)
    assert (instruction_mix.CLASSES[index][0], extra) == CLASSES[instruction]


def test_the_mix_has_as_many_instructions_as_the_emulator_counts(image):
    with Emulator(image.elf, icount=True) as emulator, emulator.connect() as board:
        counted = benchmark(board, images.SPEC.patch_hop, images.program().table())
    tracer = instruction_mix.Tracer(image.elf)
    nodes = instruction_mix.inference(tracer)
    rows = [row for row in counted.rows if row.stage == "node"]
    assert len(nodes) == len(rows)
    total = next(row.count for row in counted.rows if row.stage == "inference")
    assert sum(node.instructions for node in nodes) == pytest.approx(total, rel=0.01)
    frame = instruction_mix.frame(tracer, images.SPEC.window_length, images.SPEC.hop_length)
    assert frame.instructions == pytest.approx(counted.rows[0].count, rel=0.03)
    assert all(node["cache misses"] <= node.instructions for node in nodes)
    assert sum(node["taken branches"] for node in nodes) > 100


def test_the_same_work_is_the_same_time_on_both_boards(image):
    times = [
        estimate.estimate(one.elf, images.SPEC.window_length, images.SPEC.hop_length)
        for one in (image, images.chip_image())
    ]
    assert times[0].inference_ms == pytest.approx(times[1].inference_ms, rel=0.1)
    assert 0.01 < times[0].inference_ms < 10
    assert len(times[0].node_ms) == len(images.program().nodes)


def test_the_fit_finds_the_factor_it_was_made_with():
    mixes = {}
    for name, ms in PUBLISHED_MS.items():
        counts = np.zeros(len(instruction_mix.NAMES))
        counts[instruction_mix.NAMES.index("load")] = ms * estimate.CLOCK_HZ / 1e3 / estimate.CLOCKS["load"] / 1.25
        mixes[name] = instruction_mix.Mix(counts)
    assert estimate.fit(mixes) == pytest.approx(1.25)
    assert estimate.milliseconds(mixes["MLPerf Tiny DS-CNN"], 1.25) == pytest.approx(29.0)


def test_an_image_without_symbols_is_refused(image, tmp_path):
    stripped = tmp_path / "stripped.elf"
    subprocess.run(["arm-none-eabi-strip", "-o", stripped, image.elf], check=True)
    with pytest.raises(UserError, match="without symbols"):
        instruction_mix.Tracer(stripped)
