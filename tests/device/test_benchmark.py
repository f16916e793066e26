"""Counts are instructions: deterministic, complete, and refused when the counter shows something else."""

import pytest
from support import images

from pyaed.device.benchmark import benchmark
from pyaed.device.emulator import Emulator
from pyaed.errors import UserError


@pytest.fixture(scope="module")
def counted(image):
    with Emulator(image.elf, icount=True) as emulator, emulator.link() as link:
        yield benchmark(link, images.SPEC.patch_hop, images.program().table(), runs=3)


def test_counts_are_the_same_at_every_run(counted, image):
    with Emulator(image.elf, icount=True) as emulator, emulator.link() as link:
        again = benchmark(link, images.SPEC.patch_hop, images.program().table())
    for first, second in zip(counted.rows, again.rows):
        assert first.name == second.name
        assert abs(first.count - second.count) <= 2, first  # the timer's grain
        assert first.maximum - first.minimum <= 2


def test_rows_are_complete(counted):
    assert counted.unit == "instructions"
    assert all("time" not in key and "ms" not in key for key in counted.table()[0])
    rows = {(row.stage, row.name): row for row in counted.rows}
    inference = rows["inference", "one patch"]
    nodes = [row for row in counted.rows if row.stage == "node"]
    assert len(nodes) == len(images.program().nodes)
    assert abs(sum(row.count for row in nodes) - inference.count) < 0.02 * inference.count
    assert inference.macs == images.program().macs
    assert 1 < inference.per_mac < 100
    frame = rows["front end", "one frame"]
    assert sum(row.count for row in counted.rows if row.stage == "front end") == pytest.approx(2 * frame.count, abs=4)
    assert counted.per_patch > inference.count + images.SPEC.patch_hop * frame.count


def test_without_icount_nothing_is_reported(image):
    with Emulator(image.elf) as emulator, emulator.link() as link, pytest.raises(UserError, match="icount"):
        benchmark(link, images.SPEC.patch_hop)


def test_another_model_is_refused(image):
    nodes = [{**row, "name": "x"} for row in images.program().table()]
    with Emulator(image.elf) as emulator, emulator.link() as link, pytest.raises(UserError, match="another model"):
        benchmark(link, images.SPEC.patch_hop, nodes)
