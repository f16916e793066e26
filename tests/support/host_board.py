"""The application on this machine as a board: a pty in place of the serial port."""

import os
import subprocess
import tempfile
from pathlib import Path

from support import images

from pyaed.link.board import Board


class HostBoard:
    """A running application, as a context manager.

    Parameters
    ----------
    microphone : Path, optional
        A file of int16 samples that its microphone of 16 kHz hears. Default: it has none.
    """

    def __init__(self, microphone: Path | None = None):
        self._master, self._slave = os.openpty()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end
        self._process = subprocess.Popen(
            [images.host_application()],
            stdin=self._master,
            stdout=self._master,
            stderr=self._errors,
            env={**os.environ, **({} if microphone is None else {"AED_MICROPHONE": str(microphone)})},
        )

    def check(self) -> None:
        """Raise AssertionError when the application has ended, with what a sanitizer said."""
        code = self._process.poll()
        if code is not None:
            self._errors.seek(0)
            raise AssertionError(f"the application ended with code {code}: {self._errors.read().decode()[-3000:]}")

    def connect(self, **options) -> Board:
        """Return the board behind the pty."""
        return Board(os.ttyname(self._slave), check=self.check, **options)

    def __enter__(self) -> "HostBoard":
        return self

    def __exit__(self, *exception) -> None:
        try:
            if exception[0] is None:
                self.check()
        finally:
            self._process.kill()
            self._process.wait()
            for end in (self._master, self._slave):
                os.close(end)
            self._errors.close()
