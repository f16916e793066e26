"""Evaluation of the test set on a board that is connected, clip by clip, going on where it stopped."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pyaed.detector import DetectorSettings
from pyaed.dsp import feature_hash
from pyaed.operations.benchmark import PATIENCE
from pyaed.operations.evaluation import report, test_patches
from pyaed.operations.model import quantized_model
from pyaed.operations.run import QUANTIZED, Run, needed
from pyaed.operations.settings import model_settings
from pyaed.progress import progress

if TYPE_CHECKING:
    from pyaed.evaluation.predictors import Predictor

log = logging.getLogger(__name__)


def evaluate_on_board(run: Run, port: str, baudrate: int = 115200, results: Path | None = None) -> None:
    """Evaluate the quantized model on the board at a port; the report is that of other evaluations.

    Parameters
    ----------
    run : Run
    port : str
        A board that runs the model's image, as `Board` takes it.
    baudrate : int
    results : path, optional
        File that takes every clip's answers as they come; a second start with the same file asks only for the rest.
        Default: ``on_target_<start of the model's hash>.jsonl`` in the current folder.

    Raises
    ------
    UserError
        When the board or the file belongs to another model or other features, or the board stays away.
    """
    from pyaed import evaluation
    from pyaed.files import sha256
    from pyaed.link.board import Board
    from pyaed.link.health import say as say_health
    from pyaed.link.journal import Journal
    from pyaed.measure.verify import check_identity

    path = needed(run, QUANTIZED)
    settings = model_settings(run, path, "infer")
    quantized_model(run, path, settings)
    model = sha256(path)
    about: dict[str, Any] = {
        "model": model,
        "features": feature_hash(settings.features),
        "class_names": settings.class_names,
    }
    patches, classified = test_patches(run, settings)
    if classified is not None:
        about["detector"] = DetectorSettings.from_settings(settings, run.config.deployment.detector).crc
    answers = []
    with (
        Journal(results or f"on_target_{model[:12]}.jsonl", about) as journal,
        Board(port, baudrate, patience=PATIENCE) as board,
    ):
        check_identity(board.identify(), model, feature_hash(settings.features), settings.class_names)
        say_health(board)
        if len(journal):
            log.info("%s: going on behind %d clips", journal.path, len(journal))
        ask = evaluation.board_predictor(board)
        bounds = np.searchsorted(patches.clip_index, np.arange(len(patches.clips) + 1))
        for i, clip in enumerate(progress(patches.clips, label="on target", unit="clips")):
            own = slice(bounds[i], bounds[i + 1])
            own_patches = patches.patches[own] if classified is None else patches.patches[own][classified[own]]
            if len(own_patches):
                answers.append(journal.answer(clip.name, own_patches, ask))
        log.info("every clip's answers: %s", journal.path)
    name = "int8 on target" + (" as device" if run.config.evaluation.as_device else "")
    report(
        run,
        settings,
        patches,
        _replay(np.concatenate(answers) if answers else np.empty((0, 0), np.float32)),
        name,
        classified,
    )


def _replay(answers: npt.NDArray[np.float32]) -> "Predictor":
    """Return a predictor that gives the answers in the order of their patches."""
    position = 0

    def predict(patches: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        nonlocal position
        position += len(patches)
        return answers[position - len(patches) : position]

    return predict
