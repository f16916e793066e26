"""What the deployed model costs on the board or its emulator."""

import json
import logging
from typing import TYPE_CHECKING

from pyaed.boards import emulated_board, find_board
from pyaed.detector import DetectorSettings
from pyaed.dsp import FeatureSpec, feature_hash
from pyaed.errors import UserError
from pyaed.files import write_text
from pyaed.operations.board import deploy_emulated, emulated
from pyaed.operations.model import quantized_model
from pyaed.operations.run import QUANTIZED, Run, needed
from pyaed.operations.settings import model_settings

if TYPE_CHECKING:
    from pyaed.measure.estimate import Estimate

log = logging.getLogger(__name__)

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

    path = needed(run, QUANTIZED)
    if (current_ma is not None and current_ma <= 0) or voltage <= 0:
        raise UserError("current and voltage: expected more than 0")
    settings = model_settings(run, path, "number")
    program = nn.compile_graph(quantized_model(run, path, settings, costs_only=True))
    estimate = None
    if port is None:
        _note_emulation(run.config.benchmarking.board)
        deploy_emulated(run, run.config.benchmarking.board, settings, costs_only=True)
        estimate = _estimate(run, settings.features)
    with Board(port, baudrate, patience=PATIENCE) if port else emulated(run, icount=True) as board:
        if port:
            check_identity(board.identify(), program.hash, feature_hash(settings.features), None)
            say_health(board)
        # What the board does when it listens: its patches follow each other as deployment.detector says.
        listening = DetectorSettings.from_settings(settings, run.config.deployment.detector).features
        result = service.benchmark(board, listening.patch_hop, program.table(), runs)
    run.costs = {f"{result.unit} per patch": result.per_patch}
    if (seconds := result.inference_seconds()) is not None:
        run.costs["measured inference ms"] = 1e3 * seconds
    if estimate:
        run.costs["estimated inference ms"] = estimate.inference_ms
    run.echo(as_text(result, estimate, current_ma, voltage))
    bars = [(f"{row.kind}  {row.name[-34:]}", row.count, row.per_mac) for row in result.rows if row.stage == "node"]
    write_text(run.folder / "profile.svg", profile_svg(f"{result.model} on {result.board}", bars, result.unit))
    image = run.built().table() if port is None else None
    write_text(
        run.folder / "benchmark.json", json.dumps(as_json(result, estimate, image, current_ma, voltage), indent=1)
    )


def _note_emulation(name: str) -> None:
    board = find_board(name)
    if board.emulator is None:
        log.info(
            "note: benchmarking.board: %s (%s) is counted on the emulated %s, which has the same core, compiler flags and "
            "limits of flash and RAM; --port benchmarks the board itself",
            name, board.text, emulated_board(board).name,
        )  # fmt: skip


def _estimate(run: Run, spec: FeatureSpec) -> "Estimate | None":
    """Return the estimated time on the chip, or None (the log says why)."""
    from pyaed.measure.estimate import estimate

    log.info("estimating the time on the chip: the image runs instruction by instruction")
    try:
        return estimate(run.built().elf, spec.window_length, spec.hop_length)
    except UserError as error:
        log.info("note: no estimate of the time: %s", error)
        return None
