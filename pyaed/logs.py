"""The log: names are shown safely, and a log that can't be written is an error."""

import copy
import logging
import os
from pathlib import Path

from pyaed.files import cannot_write
from pyaed.text import printable

_LOGGER = logging.getLogger("pyaed")


class _Formatter(logging.Formatter):
    """Escapes what a name could do to a terminal or to the next line of a file."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.args, tuple):
            record = copy.copy(record)
            record.args = tuple(printable(a) if isinstance(a, (str, os.PathLike)) else a for a in record.args or ())
        return printable(super().format(record), keep="\n\t")


class _Terminal(logging.StreamHandler):  # type: ignore[type-arg]
    def handleError(self, record: logging.LogRecord) -> None:
        """Let the exception pass: a closed pipe ends the command."""
        raise


class _File(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """Tell once that the file can't be written."""
        _LOGGER.removeHandler(self)
        try:
            raise
        except OSError as error:
            raise cannot_write(self.baseFilename, error) from error


def to_terminal(level: int) -> None:
    """Send messages from `level` on to standard error, in place of what took them so far."""
    handler = _Terminal()
    handler.setFormatter(_Formatter("%(message)s"))
    handler.setLevel(level)
    _LOGGER.handlers[:] = [handler]
    _LOGGER.setLevel(logging.DEBUG)
    _LOGGER.propagate = False


def to_file(path: Path) -> None:
    """Send all messages to a file too, in place of an earlier one.

    Raises
    ------
    UserError
        When it can't be written; later messages raise it too.
    """
    try:
        handler = _File(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise cannot_write(path, error) from error
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for earlier in [h for h in _LOGGER.handlers if isinstance(h, logging.FileHandler)]:
        _LOGGER.removeHandler(earlier)
        earlier.close()
    _LOGGER.addHandler(handler)
