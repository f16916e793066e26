"""A listening board, watched from the host."""

import logging
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from pyaed.artefact import ModelMetadata
from pyaed.detector import DetectorSettings
from pyaed.dsp import FrontEnd, feature_hash
from pyaed.errors import UserError
from pyaed.files import sha256
from pyaed.operations.board import deploy_emulated, emulated
from pyaed.operations.run import Run
from pyaed.operations.settings import model_settings

if TYPE_CHECKING:
    from pyaed.link.board import Board

log = logging.getLogger(__name__)


class _Known(NamedTuple):
    """The model that the board should run."""

    hash: str
    settings: ModelMetadata
    detector: DetectorSettings


def _known(run: Run, model: Path) -> _Known:
    settings = model_settings(run, model)
    detector = DetectorSettings.from_settings(settings, run.config.deployment.detector)
    return _Known(sha256(model), settings, detector)


def monitor(
    run: Run,
    port: str | None = None,
    baudrate: int = 115200,
    play: Path | None = None,
    record: Path | None = None,
    seconds: float | None = None,
    real_time: bool = True,
) -> list[Path]:
    """Show what a board hears until the file or the time is over, or Ctrl-C.

    Parameters
    ----------
    run : Run
    port : str, optional
        A board that runs the model; by default the image is built and the emulator started.
    baudrate : int
        Of that board's port.
    play : path, optional
        A sound file that stands for the microphone; an emulator has no other.
    record : path, optional
        Folder for the events and the streamed PCM.
    seconds : float, optional
    real_time : bool
        Of `play`: the pace of a microphone; otherwise as fast as the board takes it.

    Returns
    -------
    list of Path
        What was written.
    """
    from pyaed.link.board import Board
    from pyaed.link.health import say as say_health
    from pyaed.measure.verify import check_identity

    model = run.quantized_model
    if play is None and port is None:
        raise UserError("the emulator has no microphone: give it a sound file with --play")
    if model is None and (play is not None or port is None):
        raise UserError(
            "general.model_path: missing; --play and the emulator need the quantized model (.tflite or .onnx)"
        )
    known = None if model is None else _known(run, model)
    pcm = None if play is None or known is None else _pcm(play, known.settings, seconds)
    if port is not None:
        with Board(port, baudrate) as board:
            if known is not None:
                names = known.settings.class_names
                check_identity(board.identify(), known.hash, feature_hash(known.settings.features), names)
            say_health(board)
            return _watch(board, known, pcm, record, seconds, real_time)
    deploy_emulated(run)
    with emulated(run) as board:
        return _watch(board, known, pcm, record, seconds, real_time)


def _pcm(play: Path, settings: ModelMetadata, seconds: float | None) -> npt.NDArray[np.int16]:
    from pyaed import data

    whole = {**settings.preprocessing, "top_db": None, "max_length": None, "trim_last_second": False, "min_length": 0}
    pcm, remarks = data.read_pcm(play, whole)
    data.say_remarks("monitor", {play.name: remarks})
    return pcm if seconds is None else pcm[: round(seconds * settings.features.sample_rate)]


def _watch(
    board: "Board",
    known: _Known | None,
    pcm: npt.NDArray[np.int16] | None,
    record: Path | None,
    seconds: float | None,
    real_time: bool,
) -> list[Path]:
    from pyaed.monitor.session import Monitor, listen, play
    from pyaed.monitor.terminal import Screen

    identity = board.identify()
    log_mel = None if known is None else FrontEnd(replace(known.settings.features, center=False)).log_mel
    watch = Monitor(board, f"{identity.board}  {identity.model_name}", log_mel, record)
    crc = None if known is None else known.detector.crc
    blocks = listen(board, seconds, crc) if pcm is None else play(board, pcm, crc, real_time)
    try:
        with Screen() as screen, suppress(KeyboardInterrupt):
            for block in blocks:
                screen.show(watch.take(block))
    finally:
        written = watch.close()
    lost = watch.state.lost_events
    if lost:
        log.warning("%d events were lost on the way", lost)
    return written
