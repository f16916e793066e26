"""Where published weights are looked for: folders the user named, then the user's cache; nowhere else."""

import os
from pathlib import Path

import platformdirs

from pyaed.errors import UserError, nearest

SOURCE = (
    "STMicroelectronics' public model zoo on GitHub "
    "(github.com/STMicroelectronics/stm32ai-modelzoo and -services, audio_event_detection)"
)


def search_path() -> list[Path]:
    """Return the folders that are searched, in order.

    The environment variable ``PYAED_PRETRAINED`` holds a list of folders (separated as in ``PATH``); the folder
    ``pretrained`` of the user's cache comes last.
    """
    named = os.environ.get("PYAED_PRETRAINED", "").split(os.pathsep)
    folders = [Path(folder).expanduser() for folder in named if folder.strip()]
    return [*folders, Path(platformdirs.user_cache_dir("pyaed")) / "pretrained"]


def look_for(name: str) -> Path | None:
    """Return the file of published weights called `name`, None where no folder of the search path has it."""
    for folder in search_path():
        if folder.name == name and folder.is_file():  # the file itself is named
            return folder
        if (folder / name).is_file():
            return folder / name
    return None


def find_pretrained(name: str) -> Path:
    """Return the file of published weights called `name`.

    Parameters
    ----------
    name : str
        File name, such as ``yamnet_256_f32.h5``.

    Raises
    ------
    UserError
        When no folder of the search path has it; the message says where it looked and where the file can be had.
    """
    found = look_for(name)
    if found is not None:
        return found
    folders = search_path()
    present = [p.name for f in folders if f.is_dir() for p in f.glob("*.h5")]
    looked = "\n".join(f"  {folder}{_state(folder)}" for folder in folders)
    raise UserError(
        f"the pretrained weights {name} were not found{nearest(name, present)}. Looked in:\n{looked}\n"
        f"The file can be had from {SOURCE}: put it into one of these folders, or name its folder in the "
        "environment variable PYAED_PRETRAINED. Without it, set training.model.pretrained_weights=False."
    )


def _state(folder: Path) -> str:
    """Say what is wrong with a folder of the search path, nothing where it is one."""
    if folder.is_file():
        return f" (a file called {folder.name}, which is not the one that this model needs)"
    return "" if folder.is_dir() else " (no such folder)"
