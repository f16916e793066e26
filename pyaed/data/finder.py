"""Files of the clips that a table names, where names are not written as the disk has them."""

import logging
import os
import unicodedata
from pathlib import Path

from pyaed.data.clips import AUDIO_EXTENSIONS, is_apple_double, listing, near_file

log = logging.getLogger(__name__)

HINTS = 20  # how many missing files get a hint, which compares names
MOST_FILES = 200_000  # of the audio folder that are looked at


def folded(name: str) -> str:
    """Return a name with one case and one Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


class Finder:
    """Looks up clips in an audio folder.

    Parameters
    ----------
    audio_path : Path
        The folder.
    file_extension : str, optional
        Tried first for names without extension; wav, flac, ogg and mp3 come after it, each in any case.

    Attributes
    ----------
    missing : dict
        Names that were not found -> what was tried and the hint.
    """

    def __init__(self, audio_path: Path, file_extension: str | None = None):
        self.audio_path = audio_path
        extension = (file_extension or "").strip().lstrip(".")
        self.endings = ("", *dict.fromkeys((f".{extension}", *AUDIO_EXTENSIONS) if extension else AUDIO_EXTENSIONS))
        self.missing: dict[str, str] = {}
        self._assumed: list[str] = []
        self._index: dict[str, list[str]] | None = None

    def find(self, name: str) -> Path:
        """Return the path of a clip, or the path where it should be, which then stands in `missing`."""
        for ending in self.endings:
            path = self.audio_path / (name + ending)
            if os.path.isfile(path):  # False also for names that are too long
                return path
        for inner in (name, self._without_prefix(name)):
            for ending in self.endings if inner else ():
                same = self._files().get(folded(inner + ending), [])
                if len(same) == 1:
                    stem = same[0][: len(same[0]) - len(ending)]
                    if unicodedata.normalize("NFC", stem) != unicodedata.normalize("NFC", name):
                        self._assumed.append(f"{name} is {same[0]}")
                    return self.audio_path / same[0]
        tried = " or ".join(ending for ending in self.endings if ending)
        self.missing[name] = f"nor with {tried} added{self._hint(name)}"
        return self.audio_path / name

    def say_assumed(self, table: Path) -> None:
        """Log which files were taken for names that are written otherwise."""
        if self._assumed:
            log.warning(
                "%s: %d names are not written as the files: %s", table, len(self._assumed), listing(self._assumed)
            )

    def _without_prefix(self, name: str) -> str:
        """Take away the folders that the audio folder's path ends in: ``audio/a.wav`` in ``esc50/audio``."""
        parts, own = name.split("/"), self.audio_path.absolute().parts
        for n in range(len(parts) - 1, 0, -1):
            if tuple(map(folded, parts[:n])) == tuple(map(folded, own[-n:])):
                return "/".join(parts[n:])
        return ""

    def _files(self) -> dict[str, list[str]]:
        """Return the folder's files by folded name; it is walked once, and only when a name isn't there as written."""
        if self._index is None:
            self._index, count = {}, 0
            for folder, _, files in os.walk(self.audio_path):
                inner = Path(folder).relative_to(self.audio_path)
                for file in files:
                    if not is_apple_double(file):
                        name = (inner / file).as_posix()
                        self._index.setdefault(folded(name), []).append(name)
                count += len(files)
                if count > MOST_FILES:
                    break
        return self._index

    def _hint(self, name: str) -> str:
        """Say where a file of that name lies, or which name is close."""
        if len(self.missing) >= HINTS:
            return ""
        last = folded(name.rpartition("/")[2])
        wanted = {last + ending for ending in self.endings}
        for key, files in self._files().items():
            if key.rpartition("/")[2] in wanted:
                return f" (did you mean '{files[0]}'?)"
        return near_file(self.audio_path / name)
