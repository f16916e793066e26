"""Deployment, and its verification on the board."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pyaed import text
from pyaed.artefact import ModelMetadata
from pyaed.boards import check_rate, emulated_board, find_board
from pyaed.detector import DetectorSettings
from pyaed.dsp import FrontEnd, feature_hash
from pyaed.errors import UserError
from pyaed.files import write_text
from pyaed.operations import st_application, st_tools
from pyaed.operations.clips import read_sets
from pyaed.operations.model import check_plain, decisions, quantized_model
from pyaed.operations.run import QUANTIZED, Run, needed
from pyaed.operations.settings import model_settings
from pyaed.progress import progress

if TYPE_CHECKING:
    from pyaed.deploy import Image
    from pyaed.link.board import Board

log = logging.getLogger(__name__)

CLIPS_FOR_ST = 20  # on which the features of ST's application are compared with the model's


def deploy(run: Run, board: str | None = None, settings: ModelMetadata | None = None, costs_only: bool = False) -> None:
    """Generate the C of the quantized model and build the image of `deployment.hardware_setup.board` with it."""
    from pyaed import deploy as service

    path = needed(run, QUANTIZED)
    description = find_board(board or run.config.deployment.hardware_setup.board)
    board = description.name
    place = run.folder / ("benchmarking" if costs_only else "deployment")  # what was deployed stays as it is
    if run.image is not None and run.image_of == (path, board) and (costs_only or run.image.elf.is_relative_to(place)):
        return
    hardware = run.config.deployment.hardware_setup
    configured = board == find_board(hardware.board).name
    options = service.check_options(board, hardware.options) if configured else []
    settings = settings or model_settings(run, path)
    model = quantized_model(run, path, settings, costs_only)
    detector = DetectorSettings.from_settings(settings, run.config.deployment.detector)
    engine = None
    if run.config.deployment.engine == "stedgeai" and not costs_only:
        check_plain(run, path, settings)
        engine = st_tools.engine_model(run, path, description, model.name, model.hash)
    folder = service.generate(model, settings.features, settings, place, board, detector, engine)
    run.image, run.image_of = service.build_image(folder, board, options), (path, board)
    _say(run, run.image)


def deploy_boards(run: Run) -> None:
    """Build the configured board's image and, of the same sources, the emulated board's: it runs where no board is."""
    from pyaed import deploy as service

    path = needed(run, QUANTIZED)
    hardware = run.config.deployment.hardware_setup
    settings = model_settings(run, path)
    check_rate(find_board(hardware.board), settings.features.sample_rate)
    deploy(run, settings=settings)
    described = run.built().board
    if described.emulator is None and described.emulated_by is not None:
        _say(run, service.build_image(run.folder / "deployment", emulated_board(described).name))
    if run.config.deployment.c_project_path is not None:
        try:
            clips = real_clips(run, settings, CLIPS_FOR_ST)
        except UserError as error:  # a deployment needs no clips
            log.info("note: %s", error)
            clips = None
        st_application.prepare(run, settings, quantized_model(run, path, settings), clips or [])


def deploy_emulated(
    run: Run, configured: str | None = None, settings: ModelMetadata | None = None, costs_only: bool = False
) -> None:
    """Build the image of the board that is emulated for a configured one (`deployment.hardware_setup.board`)."""
    board = find_board(configured or run.config.deployment.hardware_setup.board)
    deploy(run, emulated_board(board).name, settings, costs_only)


def real_clips(run: Run, settings: ModelMetadata, n: int) -> list[tuple[str, npt.NDArray[np.int16]]] | None:
    """Return so many clips of the configured test set, else of its other sets, evenly drawn: (name, int16 PCM); None without
    a data set."""
    from pyaed import data

    if not run.config.dataset.model_fields_set & {f"{part}_csv_path" for part in ("training", "test", "validation")}:
        return None
    sets = read_sets(run.config, [name for name in settings.class_names if name != settings.garbage_class])
    found = sets.test or sets.training or sets.quantization
    real = list(found.clips) if found else []
    step = max(1, len(real) // max(1, n))
    return [(clip.name, data.load_pcm(clip.path, settings.preprocessing)) for clip in real[::step][:n]]


def _say(run: Run, image: "Image") -> None:
    run.echo(f"image {image.elf}\n{text.format_table(image.table())}\n")


@contextmanager
def emulated(run: Run, icount: bool = False) -> Iterator["Board"]:
    """Start the emulator with the run's image and yield it."""
    from pyaed.boards.emulator import Emulator

    image = run.built()
    with Emulator(image.elf, image.board.name, icount=icount) as emulator, emulator.connect() as board:
        yield board


def verify(
    run: Run,
    n_clips: int = 8,
    patches_per_clip: int | None = 2,
    port: str | None = None,
    baudrate: int = 115200,
) -> bool:
    """Compare features and inference of clips on board and host, bit for bit.

    Real clips come from the configured test set (else its other sets); adversarial ones are always added.

    Parameters
    ----------
    run : Run
    n_clips : int
        Real clips.
    patches_per_clip : int or None
        Patches to infer of each clip; None infers all.
    port : str, optional
        A board that already runs the image; by default the image is built and the emulator started.
    baudrate : int
        Of that board's port.

    Returns
    -------
    bool
        True when everything is equal, of another engine than pyaed's the features; the report is printed either way.
    """
    from pyaed import nn
    from pyaed.dsp import quantize as quantize_patches
    from pyaed.link.board import Board
    from pyaed.link.health import say as say_health
    from pyaed.measure import other_engine
    from pyaed.measure.other_engine import DistanceReport
    from pyaed.measure.verify import VerifyReport, adversarial_clips, check_identity
    from pyaed.measure.verify import verify as service

    path = needed(run, QUANTIZED)
    settings = model_settings(run, path, "infer")
    front_end, engine = FrontEnd(settings.features), nn.Engine(quantized_model(run, path, settings))
    clips = adversarial_clips(max(32000, settings.features.min_samples))
    real = real_clips(run, settings, n_clips)
    if real is None:
        log.info("no data set is configured: only adversarial signals are compared")
    clips += real or []

    def inputs(log_mel: npt.NDArray[np.float32]) -> np.ndarray:
        patches = front_end.patches(log_mel)[:patches_per_clip]
        model_input = engine.program.input
        if model_input.dtype == "float32":
            return patches
        return quantize_patches(patches, model_input.scale, model_input.zero_point, model_input.dtype)

    def compare(board: Board) -> VerifyReport | DistanceReport:
        identity = board.identify()
        check_identity(identity, engine.program.hash, feature_hash(settings.features), settings.class_names)
        shown = progress(clips, label="verify", unit="clips")
        if identity.node_names != tuple(node.name for node in engine.program.nodes):
            return other_engine.compare(
                board, shown, front_end.log_mel, inputs, engine.run, lambda scores: decisions(scores[None], settings)[0]
            )
        return service(board, shown, front_end.log_mel, inputs, engine.run, engine.run_layers)

    if port is not None:
        with Board(port, baudrate) as board:
            say_health(board)
            report = compare(board)
    else:
        deploy_emulated(run, settings=settings)
        with emulated(run) as board:
            report = compare(board)
    run.echo(str(report))
    write_text(run.folder / "verify.txt", f"{report}\n")
    return report.ok
