"""Counts are instructions: deterministic, complete, and refused when the counter shows something else."""

import dataclasses
import json

import pytest
from support import images
from support.commands import pyaed

from pyaed.boards.emulator import Emulator
from pyaed.errors import UserError
from pyaed.measure import benchmark as service
from pyaed.measure.benchmark import Benchmark, Row, benchmark
from pyaed.measure.benchmark_report import as_json, as_text
from pyaed.measure.estimate import Estimate

FEATURES = ("n_fft", "window_length", "hop_length", "n_mels", "patch_length", "overlap")


@pytest.fixture(scope="module")
def counted(image):
    with Emulator(image.elf, icount=True) as emulator, emulator.connect() as board:
        yield benchmark(board, images.SPEC.patch_hop, images.program().table(), runs=3)


def test_counts_are_the_same_at_every_run(counted, image):
    with Emulator(image.elf, icount=True) as emulator, emulator.connect() as board:
        again = benchmark(board, images.SPEC.patch_hop, images.program().table())
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
    with Emulator(image.elf) as emulator, emulator.connect() as board, pytest.raises(UserError, match="icount"):
        benchmark(board, images.SPEC.patch_hop)


def test_another_model_is_refused(image):
    nodes = [{**row, "name": "x"} for row in images.program().table()]
    with Emulator(image.elf) as emulator, emulator.connect() as board, pytest.raises(UserError, match="another model"):
        benchmark(board, images.SPEC.patch_hop, nodes)


CHIP = Benchmark(
    unit="cycles",
    board="b_u585i_iot02a",
    model="m",
    runs=3,
    rows=[
        Row("front end", "one frame", "", 40_000, 39_000, 41_000, 1.0),
        Row("inference", "one patch", "", 32_000_000, 31_000_000, 33_000_000, 1.0, 16_000_000),
        Row("node", "conv", "CONV_2D", 32_000_000, 31_000_000, 33_000_000, 1.0, 16_000_000),
    ],
    per_patch=34_000_000,
    counters={"stack_used": 1000, "stack_size": 16384},
    patch_seconds=0.5,
    flash=1,
    ram=2,
    clock_hz=160_000_000,
    clock_error=0.001,
    cache=(3_000_000, 1_000_000),
)


def test_what_a_chip_measured_is_told_as_measured():
    text = as_text(CHIP, None, 20.0, 3.0)
    assert "measured: 200.00 ms an inference" in text
    assert "duty cycle while it listens: 42.5% of real time" in text  # 34 of 80 million cycles
    assert "energy of an inference: 12.00 mJ at 20 mA and 3 V" in text
    assert "1,000,000 misses (25.00%)" in text
    assert "31,000,000" in text
    assert "33,000,000" in text
    assert "estimated" not in text
    assert "warning" not in text
    found = as_json(CHIP, None, None, 20.0, 3.0)
    assert found["measured"]["energy_mj"] == pytest.approx(12.0)
    assert "warning: the board's clock" in as_text(dataclasses.replace(CHIP, clock_error=-0.1))


def test_what_was_estimated_is_told_as_estimated(counted):
    found = Estimate(0.01, (0.5,) * len(images.program().nodes), (-0.1, 0.2))
    text, whole = as_text(counted, found, 20.0), found.inference_ms
    assert f"estimated, not measured: {whole:.1f} ms" in text
    assert "-10% to +20% off" in text
    assert all("estimated" in line for line in text.splitlines() if "duty" in line or "energy" in line)
    found = as_json(counted, found)
    assert "measured" not in found
    assert found["estimated"]["inference_ms"] == whole


@pytest.mark.parametrize(("seconds", "passed", "error"), [(10.0, 10_000, 0.0), (10.0, 10_500, 0.05), (10.0, 0, None)])
def test_the_boards_clock_is_held_against_the_hosts(monkeypatch, seconds, passed, error):
    now = [100.0]
    monkeypatch.setattr(service.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(service.time, "sleep", lambda s: now.__setitem__(0, now[0] + s))

    class Clock:
        def state(self):
            board = round((now[0] - 100.0) / seconds * passed) + 2**32 - 3000
            return {"clock_hz": 160_000_000, "uptime_ms": board % 2**32}

    start = service._clock(Clock())
    found = service._clock_error(Clock(), start)
    assert found == (None if error is None else pytest.approx(error, abs=1e-3))


@pytest.mark.parametrize("transport", ["tcp", "pty"])
def test_a_board_on_a_port(image, transport, tmp_path):
    features = [f"feature_extraction.{key}={getattr(images.SPEC, key)}" for key in FEATURES]
    with Emulator(image.elf, transport=transport, icount=True) as emulator:
        args = [f"general.model_path={images.tiny_model()}", f"hydra.run.dir={tmp_path}", *features]
        done = pyaed("benchmark", *args, "--port", emulator.url, "--runs", 2)
    assert done.code == 0, done.err
    assert "instructions min" in done.out
    assert "estimated" not in done.out  # without the image at hand nothing is estimated
    assert json.loads((tmp_path / "benchmark.json").read_text())["runs"] == 2


def test_another_model_on_the_port_is_refused(image, tmp_path):
    with Emulator(image.elf) as emulator:
        done = pyaed("benchmark", f"general.model_path={images.tiny_model()}", f"hydra.run.dir={tmp_path}",
                     *(f"feature_extraction.{key}={getattr(images.SPEC, key)}" for key in FEATURES), "feature_extraction.fmax=7000",
                     "--port", emulator.url)  # fmt: skip
    assert done.code == 2
    assert "another feature specification" in done.err
