"""`deployment.c_project_path`: the files for ST's own application, what it computes otherwise, and how it is built."""

import logging
import shlex
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pyaed import nn
from pyaed.artefact import ModelMetadata
from pyaed.deploy.st_application import check_suits, st_front_end, write_st_application
from pyaed.dsp import FrontEnd
from pyaed.errors import UserError
from pyaed.operations.model import decisions
from pyaed.operations.run import Run

log = logging.getLogger(__name__)

FOLDER = "st_application"
#: Natural logarithm of an amplitude in decibels.
_DECIBELS = 20 / np.log(10)


def prepare(run: Run, settings: ModelMetadata, graph: nn.Graph, clips: list[tuple[str, npt.NDArray[np.int16]]]) -> None:
    """Write the files into the run's folder, measure what ST's front end does otherwise on `clips`, and print what to do.

    Features that ST's application can't compute are a note: pyaed's own image is not touched by that.
    """
    project = run.config.deployment.c_project_path
    try:
        check_suits(settings.features)
    except UserError as error:
        log.info("note: deployment.c_project_path: %s", error)
        return
    written = write_st_application(graph.name, settings.features, settings, run.folder / FOLDER)
    run.warn(difference(settings, nn.Engine(graph), clips))
    run.echo("\n".join(_steps(run, project or "PROJECT", written)) + "\n")


def difference(settings: ModelMetadata, engine: nn.Engine, clips: list[tuple[str, npt.NDArray[np.int16]]]) -> str:
    """Return how far ST's front end is from the features that a model is trained with, on clips."""
    spec = settings.features
    if spec.to_db:
        return (
            "deployment.c_project_path: ST's application has a decibel scale of its own; how far it is was not measured"
        )
    if not clips:
        return (
            "deployment.c_project_path: ST's application takes log(max(mel, 2^-126)) where the model was trained on log(mel + 1e-4); "
            "without a data set it isn't measured what that changes"
        )
    ours, theirs = FrontEnd(spec), st_front_end(spec)
    distances, changed, patches = [], 0, 0
    for _, pcm in clips:
        a, b = ours.log_mel(pcm), theirs.log_mel(pcm)
        distances.append(np.abs(a - b).ravel() * np.float32(_DECIBELS / spec.power))
        pairs = ours.patches(a), ours.patches(b)
        if len(pairs[0]):
            decided = [decisions(engine.predict(given).reshape(len(given), -1), settings) for given in pairs]
            changed += sum(one != other for one, other in zip(*decided))
            patches += len(pairs[0])
    decibels = np.concatenate(distances)
    return (
        f"deployment.c_project_path: ST's application takes log(max(mel, 2^-126)) where the model was trained on log(mel + 1e-4): on "
        f"{len(clips)} clips {np.median(decibels):.1f} dB in the median, {np.percentile(decibels, 95):.1f} dB at 95 %, "
        f"{decibels.max():.0f} dB at most; {changed} of {patches} patches are decided otherwise"
    )


def _steps(run: Run, project: str, written: list[Path]) -> list[str]:
    """Return the commands that put the files into ST's application, build and flash it."""
    configuration = run.config.deployment.build_conf or "Debug"
    name = Path(project).name
    places = {
        path.name: next(Path(project).rglob(path.name), None) if Path(project).is_dir() else None for path in written
    }
    lines = [f"files for ST's application: {written[0].parent}"]
    lines += [
        shlex.join(["cp", str(path), str(place)])
        if (place := places[path.name])
        else f"put {path.name} in the place of the one in {project}"
        for path in written
    ]
    build = ["stm32cubeide", "--launcher.suppressErrors", "-nosplash", "-application",
             "org.eclipse.cdt.managedbuilder.core.headlessbuild", "-data", "/tmp/workspace", "-import", project,
             "-cleanBuild", f"{name}/{configuration}"]  # fmt: skip
    flash = ["STM32_Programmer_CLI", "-c", "port=swd", "-d", f"{project}/{configuration}/{name}.elf", "-s", "-q"]
    return [
        *lines,
        "and the network: stedgeai generate (docs/st-tools.md), its C and runtime into the places of the application's own; then",
        shlex.join(build),
        shlex.join(flash),
    ]
