"""Operation modes and chains: the operations in order, then report and tracking."""

import logging
from collections.abc import Callable, Sequence

from pyaed.config import Config
from pyaed.errors import UserError
from pyaed.operations.benchmark import benchmark, benchmark_trained
from pyaed.operations.board import deploy_boards
from pyaed.operations.evaluation import evaluate, evaluate_float, evaluate_quantized, evaluate_validation
from pyaed.operations.page import write_page
from pyaed.operations.prediction import predict
from pyaed.operations.quantization import quantize
from pyaed.operations.run import Run, start
from pyaed.operations.track import track
from pyaed.operations.training import train

log = logging.getLogger(__name__)


OPERATIONS: dict[str, tuple[Callable[[Run], object], ...]] = {
    "training": (train, evaluate_validation, evaluate_float),
    "evaluation": (evaluate,),
    "quantization": (quantize,),
    "prediction": (predict,),
    "benchmarking": (benchmark,),
    "deployment": (deploy_boards,),
    # The first benchmark is of the float model, which ST's tools do where they are there; ours computes int8.
    "chain_tbqeb": (
        train,
        evaluate_validation,
        evaluate_float,
        benchmark_trained,
        quantize,
        evaluate_quantized,
        benchmark,
    ),
    "chain_tqe": (train, evaluate_validation, evaluate_float, quantize, evaluate_quantized),
    "chain_eqe": (evaluate_float, quantize, evaluate_quantized),
    "chain_qb": (quantize, benchmark),
    "chain_eqeb": (evaluate_float, quantize, evaluate_quantized, benchmark),
    "chain_qd": (quantize, deploy_boards),
}


def perform(config: Config, mode: str | None = None, overrides: Sequence[str] = ()) -> Run:
    """Do what a configuration says: one operation or a chain, as the command of the same name does.

    Parameters
    ----------
    config : Config
    mode : str, optional
        A key of `OPERATIONS`, by default the configuration's `operation_mode`.
    overrides : sequence of str
        Those that the configuration was loaded with, to be kept beside it.

    Returns
    -------
    Run
        With the run's folder, its models and its reports.

    Raises
    ------
    UserError
        For whatever the user can put right.
    """
    run = start(config, overrides, mode)
    run_mode(run, mode)
    return run


def run_mode(run: Run, mode: str | None = None) -> None:
    """Carry out an operation mode, by default the configuration's."""
    mode = mode or run.config.operation_mode
    if mode is None:
        raise UserError(f"operation_mode: missing, expected one of {', '.join(OPERATIONS)}")
    for operation in OPERATIONS[mode]:
        log.info("--- %s", operation.__name__.replace("_", " "))
        operation(run)
    finish(run, mode)


def finish(run: Run, mode: str) -> None:
    """Write the report page of what was evaluated, hand the run to the trackers, and show its figures if that is asked for."""
    write_page(run, mode)
    track(run, mode)
    if run.config.general.display_figures:
        _display(run)


def _display(run: Run) -> None:
    """Open a window for each of the run's figures and wait until they are closed."""
    from pyaed import evaluation

    figures = [run.folder / "training_curves.png"] if run.history else []
    figures += sorted((run.folder / "evaluation").glob("*.png")) if run.reports else []
    if not figures:
        return
    log.info("figures are shown (general.display_figures); close the windows to go on")
    if not evaluation.show_pictures(figures):
        log.info(
            "note: general.display_figures: no window can be opened here (no display, or no toolkit for matplotlib such as "
            "tkinter); the figures are files: %s",
            ", ".join(str(path.relative_to(run.folder)) for path in figures),
        )
