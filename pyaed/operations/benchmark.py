"""What the deployed model costs on the board or its emulator."""

import dataclasses
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyaed.boards import StBoard, boards, emulated_board, find_board, find_st_board
from pyaed.detector import DetectorSettings
from pyaed.dsp import FeatureSpec, feature_hash
from pyaed.errors import UserError
from pyaed.files import write_text
from pyaed.operations import st_tools
from pyaed.operations.board import deploy_emulated, emulated
from pyaed.operations.model import quantized_model
from pyaed.operations.run import FLOAT, QUANTIZED, Run, needed
from pyaed.operations.settings import model_settings
from pyaed.stedgeai.tool import INSTALL

if TYPE_CHECKING:
    from pyaed.measure.benchmark import Benchmark
    from pyaed.measure.engines import Figure
    from pyaed.measure.estimate import Estimate
    from pyaed.nn import Program

log = logging.getLogger(__name__)

#: What counts for ST's boards, and the board that `pyaed.measure.estimate` was fitted for.
EMULATED, ESTIMATED = "mps2_an505", "B-U585I-IOT02A"
PATIENCE = 30.0  # seconds that an unplugged board may stay away


def benchmark(
    run: Run,
    port: str | None = None,
    baudrate: int = 115200,
    runs: int = 1,
    current_ma: float | None = None,
    voltage: float = 3.3,
) -> None:
    """Print what each stage and layer costs, next to the published figures, and write ``benchmark.json`` and
    ``profile.svg`` (the layers as a bar chart).

    Parameters
    ----------
    run : Run
    port : str, optional
        A board that already runs the image; by default the image is built and the emulator started.
    baudrate : int
        Of that board's port.
    runs : int
        Repetitions; the median is reported, with the ends.
    current_ma, voltage : float
        What the board draws while it computes, measured by the user: gives the energy of an inference.
    """
    from pyaed import nn
    from pyaed.link.board import Board
    from pyaed.link.health import say as say_health
    from pyaed.measure import benchmark as service
    from pyaed.measure.benchmark_report import as_json, as_text
    from pyaed.measure.verify import check_identity
    from pyaed.nn.pictures import profile_svg

    path = needed(run, QUANTIZED) if port else needed(run, QUANTIZED, FLOAT)
    if path == run.float_model:
        benchmark_float(run, path)
        return
    if (current_ma is not None and current_ma <= 0) or voltage <= 0:
        raise UserError("current and voltage: expected more than 0")
    settings = model_settings(run, path, "number")
    program = nn.compile_graph(quantized_model(run, path, settings, costs_only=True))
    estimate, target = None, find_st_board(run.config.benchmarking.board, "benchmarking.board")
    reports: list[st_tools.Said] = []
    if port is None:
        reports = st_tools.reports(run, path, target)
        emulator = _emulator(run.config.benchmarking.board)
        deploy_emulated(run, emulator, settings, costs_only=True)
        estimate = _estimate(run, settings.features)
    with Board(port, baudrate, patience=PATIENCE) if port else emulated(run, icount=True) as board:
        if port:
            check_identity(board.identify(), program.hash, feature_hash(settings.features), None)
            say_health(board)
        # What the board does when it listens: its patches follow each other as deployment.detector says.
        listening = DetectorSettings.from_settings(settings, run.config.deployment.detector).features
        result = service.benchmark(board, listening.patch_hop, program.table(), runs)
    run.costs[f"{result.unit} per patch"] = result.per_patch
    if (seconds := result.inference_seconds()) is not None:
        run.costs["measured inference ms"] = 1e3 * seconds
    if estimate:
        run.costs["estimated inference ms"] = estimate.inference_ms
    run.echo(as_text(result, estimate, current_ma, voltage))
    bars = [(f"{row.kind}  {row.name[-34:]}", row.count, row.per_mac) for row in result.rows if row.stage == "node"]
    write_text(run.folder / "profile.svg", profile_svg(f"{result.model} on {result.board}", bars, result.unit))
    image = run.built().table() if port is None else None
    found = as_json(result, estimate, image, current_ma, voltage)
    if port is None:
        _side_by_side(run, path, target, program, result, estimate, reports, found)
        run.settings = run.settings or settings
    write_text(run.folder / "benchmark.json", json.dumps(found, indent=1))


def benchmark_float(run: Run, model: Path) -> None:
    """Print what a float model costs with ST's engine, which alone runs it on a chip, and write ``benchmark_float.json``.

    Raises
    ------
    UserError
        When none of ST's tools is there.
    """
    target = find_st_board(run.config.benchmarking.board, "benchmarking.board")
    reports = st_tools.reports(
        run, model, target, f"{model.name} is a float model, which only ST's engine runs on a chip (pyaed's computes int8: quantize it, chain_qb)"
    )  # fmt: skip
    found: dict[str, Any] = {"model": model.name}
    _print(run, model, target, _st_figures(reports), reports, found)
    write_text(run.folder / "benchmark_float.json", json.dumps(found, indent=1))


def benchmark_trained(run: Run) -> None:
    """Do that for the model that was just trained, where one of ST's tools is there; else a note says so."""
    model = needed(run, FLOAT)
    if not st_tools.available(run):
        log.info("note: the float model is not benchmarked, which only ST's engine runs on a chip: %s", INSTALL)
        return
    benchmark_float(run, model)


def _emulator(name: str) -> str:
    """Return the board whose emulator counts for one; a note says what stands for what."""
    ours = [spelling for board in boards().values() for spelling in (board.name, *board.aliases)]
    if name.lower() not in {spelling.lower() for spelling in ours}:
        log.info(
            "note: benchmarking.board: %s: pyaed's engine is counted on the emulated %s (Cortex-M33); ST's tools are asked for %s",
            name, EMULATED, find_st_board(name).series,
        )  # fmt: skip
        return EMULATED
    board = find_board(name)
    if board.emulator is None:
        log.info(
            "note: benchmarking.board: %s (%s) is counted on the emulated %s, which has the same core, compiler flags and "
            "limits of flash and RAM; --port benchmarks the board itself",
            name, board.text, emulated_board(board).name,
        )  # fmt: skip
    return name


def _side_by_side(
    run: Run, model: Path, target: StBoard, program: "Program", result: "Benchmark", estimate: "Estimate | None",
    reports: list[st_tools.Said], found: dict[str, Any],
) -> None:  # fmt: skip
    """Add our engine's figures and ST's to a benchmark."""
    from pyaed.measure import engines

    image = run.built()
    macs = sum(node["macs"] or 0 for node in program.table())
    figures = engines.own_figures(
        program.weights_bytes, program.arena_size, macs, (image.flash_rooms, image.ram_rooms), image.board.name
    )
    count = next(row.count for row in result.rows if row.stage == "inference")
    here = f"counted on the emulated {image.board.core.capitalize()}"
    if target.core.lower() != image.board.core:
        here += f"; a {target.core} has the same kernels, and was not counted"
    figures.append(engines.Figure(engines.OWN, engines.TIME, count, result.unit, here))
    if estimate is not None and target.name == ESTIMATED:
        low, high = estimate.errors
        source = f"estimated for {target.name}, {low:+.0%} to {high:+.0%} off published times"
        figures.append(engines.Figure(engines.OWN, engines.TIME, estimate.inference_ms, "ms", source))
    _print(run, model, target, figures + _st_figures(reports), reports, found)


def _st_figures(reports: list[st_tools.Said]) -> "list[Figure]":
    from pyaed.measure import engines

    return [figure for said in reports for figure in engines.st_figures(said.report, said.engine, said.by)]


def _print(
    run: Run,
    model: Path,
    target: StBoard,
    figures: "list[Figure]",
    reports: list[st_tools.Said],
    found: dict[str, Any],
) -> None:
    from pyaed.measure import engines

    run.echo(engines.as_text(figures, f"{model.name} on {target.name} ({target.core}, {target.clock_hz / 1e6:g} MHz)"))
    for line in engines.against_limits(figures, target.name, target.flash or target.external_flash, target.ram):
        run.warn(f"does not fit: {line}")
    run.figures[model.name] = engines.table(figures)
    kind = "float" if model == run.float_model else "int8"
    run.costs |= {
        f"{kind} {figure.engine} {figure.name} {figure.unit}".replace(":", "").strip(): figure.value
        for figure in figures
    }
    found["engines"] = run.figures[model.name]
    found["target"] = dataclasses.asdict(target)
    found["st_reports"] = [
        {"engine": said.engine, "by": said.by, **engines.report_json(said.report)} for said in reports
    ]


def _estimate(run: Run, spec: FeatureSpec) -> "Estimate | None":
    """Return the estimated time on the chip, or None (the log says why)."""
    from pyaed.measure.estimate import estimate

    log.info("estimating the time on the chip: the image runs instruction by instruction")
    try:
        return estimate(run.built().elf, spec.window_length, spec.hop_length)
    except UserError as error:
        log.info("note: no estimate of the time: %s", error)
        return None
