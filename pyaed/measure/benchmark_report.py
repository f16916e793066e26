"""A benchmark as text and as JSON: counts, measured or estimated time, duty cycle, energy."""

from dataclasses import asdict
from typing import Any

from pyaed import text
from pyaed.measure.benchmark import CLOCK_TOLERANCE, Benchmark
from pyaed.measure.estimate import Estimate
from pyaed.measure.published import AUDIO


def as_text(
    result: Benchmark, estimate: Estimate | None = None, current_ma: float | None = None, voltage: float = 3.3
) -> str:
    """Return the benchmark for a person.

    Parameters
    ----------
    result : Benchmark
    estimate : Estimate, optional
        Of the time on the chip, where only instructions were counted.
    current_ma, voltage : float
        What the board draws while it computes; without a current no energy is told.
    """
    unit = result.unit
    rows = result.table()
    if result.runs == 1:
        rows = [{k: v for k, v in row.items() if k not in (f"{unit} min", f"{unit} max")} for row in rows]
    for row, ms in zip(rows, _row_ms(result, estimate) or ()):
        row["estimated ms" if estimate else "ms"] = ms
    formats = {"share": ".1%", f"{unit} per MAC": ".2f", "estimated ms": ".3f", "ms": ".3f"}
    what = "counted on the emulated Cortex-M33 (no time)" if unit == "instructions" else f"in {result.runs} runs"
    lines = [f"{result.board}: {unit} {what}", text.format_table(rows, formats)]
    lines.append(
        f"a new patch costs {result.per_patch:,} {unit} and comes every {1e3 * result.patch_seconds:.0f} ms: its new "
        "frames, quantization and inference"
    )
    lines += _facts(result) + _times(result, estimate, current_ma, voltage)
    lines += [
        "",
        "published by ST, measured on a B-U585I-IOT02A at 160 MHz (time, not instructions; RAM of activations, flash of "
        "weights only)",
        text.format_table(AUDIO),
    ]
    return "\n".join(lines) + "\n"


def _row_ms(result: Benchmark, estimate: Estimate | None) -> list[float | None] | None:
    """Return the time of each row in ms, None where nothing is known of it or of any."""
    if estimate is None:
        return [1e3 * row.count / result.clock_hz for row in result.rows] if result.inference_seconds() else None
    whole = {("front end", "one frame"): estimate.frame_ms, ("inference", "one patch"): estimate.inference_ms}
    nodes = iter(estimate.node_ms)
    return [next(nodes) if row.stage == "node" else whole.get((row.stage, row.name)) for row in result.rows]


def _facts(result: Benchmark) -> list[str]:
    stack = f"stack: {result.counters['stack_used']:,} of {result.counters['stack_size']:,} bytes used"
    lines = [f"image: {result.flash:,} bytes of flash, {result.ram:,} bytes of RAM; {stack}"]
    hits, misses = result.cache
    if hits or misses:
        lines.append(
            f"instruction cache, one inference: {hits:,} hits, {misses:,} misses ({misses / (hits + misses):.2%})"
        )
    if result.clock_error is not None:
        lines.append(f"clock: {result.clock_hz:,} Hz as the board says, {result.clock_error:+.1%} against the host's")
        if abs(result.clock_error) > CLOCK_TOLERANCE:
            lines.append("warning: the board's clock is not what it says: times above are wrong by as much")
    return lines


def _times(result: Benchmark, estimate: Estimate | None, current_ma: float | None, voltage: float) -> list[str]:
    seconds, duty = result.inference_seconds(), result.duty()
    if estimate:
        seconds, duty = estimate.inference_ms / 1e3, estimated_duty(result, estimate)
        low, high = estimate.errors
        lines = [
            f"estimated, not measured: {1e3 * seconds:.1f} ms an inference on the STM32U585 at 160 MHz. The same estimate is "
            f"{low:+.0%} to {high:+.0%} off for seven networks with published times (docs/benchmark.md)"
        ]
    elif seconds is not None:
        lines = [f"measured: {1e3 * seconds:.2f} ms an inference"]
    else:
        return []
    word = "estimated " if estimate else ""
    lines.append(f"{word}duty cycle while it listens: {duty:.1%} of real time")
    if current_ma is not None:
        lines.append(
            f"{word}energy of an inference: {energy_mj(seconds, current_ma, voltage):.2f} mJ at {current_ma:g} mA and {voltage:g} V"
        )
    return lines


def estimated_duty(result: Benchmark, estimate: Estimate) -> float:
    """Return the part of real time that the chip is estimated to compute: the frames of a patch's hop, the inference."""
    frame, inference = (
        next(r.count for r in result.rows if r.stage == stage and r.name.startswith("one"))
        for stage in ("front end", "inference")
    )
    frames = (result.per_patch - inference) / frame
    return (frames * estimate.frame_ms + estimate.inference_ms) / 1e3 / result.patch_seconds


def energy_mj(seconds: float, current_ma: float, voltage: float) -> float:
    """Return the energy in mJ of a time in s at a current in mA and a voltage in V."""
    return seconds * current_ma * voltage


def as_json(
    result: Benchmark,
    estimate: Estimate | None = None,
    image: list[dict[str, Any]] | None = None,
    current_ma: float | None = None,
    voltage: float = 3.3,
) -> dict[str, Any]:
    """Return everything as plain values; times and energy only where they were measured or estimated, under that name."""
    unit, seconds = result.unit, result.inference_seconds()
    found: dict[str, Any] = {
        "board": result.board,
        "unit": unit,
        "runs": result.runs,
        "rows": result.table(),
        f"{unit} per patch": result.per_patch,
        "patch_seconds": result.patch_seconds,
        "stack_used": result.counters["stack_used"],
        "flash": result.flash,
        "ram": result.ram,
        "cache_hits": result.cache[0],
        "cache_misses": result.cache[1],
        "clock_hz": result.clock_hz,
        "clock_error": result.clock_error,
        "image": image,
        "published": list(AUDIO),
    }
    if seconds is not None:
        found["measured"] = {"inference_ms": 1e3 * seconds, "duty": result.duty()}
    if estimate:
        found["estimated"] = {
            **asdict(estimate),
            "inference_ms": estimate.inference_ms,
            "duty": estimated_duty(result, estimate),
        }
        seconds = estimate.inference_ms / 1e3
    if current_ma is not None and seconds is not None:
        found["estimated" if estimate else "measured"]["energy_mj"] = energy_mj(seconds, current_ma, voltage)
    return found
