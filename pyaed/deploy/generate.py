"""The generated C of an image, after the check that it will fit."""

import re
import shutil
from pathlib import Path

import pyaed
from pyaed.artefact import ModelMetadata
from pyaed.boards import BoardDescription, boards, find_board
from pyaed.codegen import c_template
from pyaed.deploy.match import check_settings, check_sizes, fitted
from pyaed.detector import DetectorSettings, c_values, memory_size
from pyaed.dsp import FeatureSpec
from pyaed.dsp import write_c as write_features
from pyaed.errors import UserError
from pyaed.files import atomic_path, write_text
from pyaed.generators import EngineModel, own
from pyaed.link.messages import protocol
from pyaed.nn.program import ModelSource, load

#: What an image takes beside weights, tables, arena and buffers, rounded up: code and names; stack and small state.
CODE_FLASH = 48 << 10
STACK_RAM = 18 << 10

#: Written last: a folder that has it was written by `generate`.
MARK = "aed_identity.h"


def needs(
    model: EngineModel, spec: FeatureSpec, board: str | BoardDescription, detector: DetectorSettings | None = None
) -> dict[str, dict[str, int]]:
    """Return what an image takes by ``flash`` and ``RAM``, each a dict of item to bytes: lower bounds plus allowances.

    Parameters
    ----------
    model : EngineModel
    spec : FeatureSpec
    board : str or BoardDescription
    detector : DetectorSettings, optional
        Its memory is left out without it.
    """
    board = board if isinstance(board, BoardDescription) else find_board(board)
    n_fft, window = spec.n_fft, spec.window_length
    n_features, patch_length = spec.patch_shape
    tables = 4 * window + 13 * n_fft // 2 + 4 * spec.n_mels * (1 + spec.n_mfcc)  # window, FFT, band limits, DCT
    stream = 4 * n_features * patch_length + 4 * n_fft + 2 * n_fft + 2 * 2 * window
    return {
        "flash": {"weights": model.flash, "front-end tables": tables, "code": CODE_FLASH},
        "RAM": {
            "activations (arena)": model.memory,
            "model input and output": model.input.nbytes + model.output.nbytes,
            "front-end stream": stream,
            "link buffers": 3 * protocol().max_payload,
            "events": 0 if detector is None else memory_size(detector),
            f"{board.name} itself": board.memory.own_ram,
            "stack and state": STACK_RAM,
        },
    }


def check_fit(
    model: EngineModel, spec: FeatureSpec, board: str | BoardDescription, detector: DetectorSettings | None = None
) -> None:
    """Refuse a model that can't fit a board, before anything is generated; the linker has the last word.

    Parameters
    ----------
    model, spec, board, detector
        See `needs`.

    Raises
    ------
    UserError
        With the largest items, in bytes.
    """
    board = board if isinstance(board, BoardDescription) else find_board(board)
    found = needs(model, spec, board, detector)
    for room, limit in (("flash", board.flash), ("RAM", board.ram)):
        total = sum(found[room].values())
        if total > limit:
            items = sorted(found[room].items(), key=lambda item: -item[1])
            parts = ", ".join(f"{name} {size:,}" for name, size in items if size)
            raise UserError(
                f"{model.name} does not fit {board.name}: it needs about {total:,} bytes of {room}, the board has "
                f"{limit:,} ({parts}); use a smaller model"
                + (" or fewer mel bands and frames" if room == "RAM" else "")
            )


def write_messages_header(folder: str | Path) -> Path:
    """Write ``aed_link_messages.h`` (the link's protocol as C) into `folder` and return its path."""
    text = c_template("aed_link_messages.h.j2").render(protocol=protocol())
    return write_text(Path(folder) / "aed_link_messages.h", text)


def generate(
    model: ModelSource,
    spec: FeatureSpec,
    metadata: ModelMetadata,
    folder: str | Path,
    board: str = "mps2_an505",
    detector: DetectorSettings | None = None,
    engine: EngineModel | None = None,
) -> Path:
    """Write all generated C of an image into `folder`; what an earlier call wrote there is replaced.

    Parameters
    ----------
    model : path of a .tflite or .onnx file, Graph or Program
    spec : FeatureSpec
    metadata : ModelMetadata
        Class names in output order, unknown threshold, garbage class.
    folder : path
        New, empty, or written by an earlier call.
    board : str
        The board that it must fit.
    detector : DetectorSettings, optional
        How the image listens; default: the defaults of ``deployment.detector``.
    engine : EngineModel, optional
        The model for another engine than pyaed's own (``pyaed.generators``); `model` is then not generated.

    Returns
    -------
    Path
        The folder: aed_features.c/.h, aed_identity.c/.h, aed_detector_settings.c/.h, aed_link_messages.h, and what the
        engine needs (see ``pyaed.generators``).

    Raises
    ------
    UserError
        When the model doesn't fit the board, doesn't match features or classes, can't run on a device, or when model,
        features, metadata and detector disagree; the message names the settings and both values.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / MARK).is_file() and any(folder.iterdir()):
        raise UserError(f"{folder} holds files that are not generated by pyaed: give an empty or new folder")
    board = find_board(board).name
    if metadata.garbage_class is not None and metadata.garbage_class not in metadata.class_names:
        raise UserError(f"garbage class '{metadata.garbage_class}' is none of: {', '.join(metadata.class_names)}")
    spec.check_deployable()
    detector = detector or DetectorSettings.from_settings(metadata)
    check_settings(spec, metadata, detector)
    engine_model = engine or own.engine_model(load(fitted(model, metadata)))
    check_sizes(engine_model, spec, metadata)
    check_fit(engine_model, spec, board, detector)
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        for built in (name for name in boards() if (folder / name).is_dir()):  # until the next image stands
            shutil.copytree(folder / built, temporary / built)
        engine_model.write(temporary)
        write_features(spec, temporary)
        write_messages_header(temporary)
        values = {
            "version": image_version(pyaed.__version__),
            "class_names": metadata.class_names,
            "unknown_threshold": metadata.unknown_class_threshold,
            "garbage_class": -1
            if metadata.garbage_class is None
            else metadata.class_names.index(metadata.garbage_class),
        }
        settings = c_values(detector)
        for name, known in (
            ("aed_detector_settings.c", settings),
            ("aed_detector_settings.h", settings),
            ("aed_identity.c", values),
            (MARK, values),
        ):
            write_text(temporary / name, c_template(f"{name}.j2").render(known))
    return folder


def image_version(version: str) -> str:
    """Return pyaed's version as an image carries it: of a changed working tree without the date, as the link has 32 bytes."""
    return re.sub(r"(\.d)[0-9]{8}$", r"\1", version)
