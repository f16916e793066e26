"""The live detector over the link: start it, stream PCM to it as if it were the microphone, collect what it detects."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyaed.errors import UserError
from pyaed.link.board import SLOW, Board, LinkError
from pyaed.link.messages import Values, protocol

OFF, MICROPHONE, LINK = (protocol().enum("source")[name] for name in ("none", "microphone", "link"))
LINES, DETECTIONS, PATCHES = (
    protocol().enum("output")[name] for name in ("lines", "detections", "patches")
)  # to be added


def listen(board: Board, source: int, output: int = DETECTIONS, settings_crc: int | None = None) -> Values:
    """Start the live detector, or stop it; what it sends unsolicited is found in `board.events`.

    Parameters
    ----------
    board : Board
    source : {OFF, MICROPHONE, LINK}
    output : int
        Sum of `LINES`, `DETECTIONS` and `PATCHES`.
    settings_crc : int, optional
        `DetectorSettings.crc` of the settings that the image has to have.

    Returns
    -------
    dict
        The fields of the reply.

    Raises
    ------
    UserError
        When the image was built with other settings.
    DeviceError
        When the board has no microphone of the model's rate.
    """
    # Stopped first: the events that this ends belong to the run before, and are counted with it.
    found = board.request("listen", source=OFF, output=0)
    if settings_crc is not None and found["settings_crc"] != settings_crc:
        raise UserError(
            f"{board.port}: the image was built with other settings of deployment.detector (or other thresholds) than the "
            "configuration has now: deploy it again"
        )
    if source == OFF:
        return found
    board.expect_events()
    return board.request("listen", source=source, output=output)


def stream(board: Board, pcm: np.ndarray, position: int = 0) -> int:
    """Send PCM to the detector that listens to the link.

    Parameters
    ----------
    board : Board
    pcm : ndarray of int16, shape (n_samples,)
    position : int
        Samples sent before these.

    Returns
    -------
    int
        Samples sent so far.
    """
    message = protocol()["stream"]
    room = (protocol().max_payload - protocol().header.size - message.request.size) // message.request.tail_size
    pcm = np.ascontiguousarray(pcm, "<i2")
    for start in range(0, len(pcm), room):
        block = pcm[start : start + room]
        reply = board.request("stream", block.tobytes(), retry=False, timeout=SLOW, position=position & 0xFFFFFFFF)
        position += len(block)
        if reply["position"] != position & 0xFFFFFFFF:
            raise LinkError(f"{board.port}: the device is at sample {reply['position']}, {position} were sent")
    return position


def hear(
    board: Board,
    pcm: np.ndarray,
    class_names: Sequence[str],
    settings_crc: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> list[dict[str, Any]]:
    """Let the board listen to a whole recording.

    Parameters
    ----------
    board : Board
    pcm : ndarray of int16, shape (n_samples,)
    class_names : sequence of str
    settings_crc : int, optional
        See `listen`.
    on_progress : callable, optional
        Called with the samples sent so far.

    Returns
    -------
    list of dict
        `onset` and `offset` in seconds, `class`, `score`, by onset: what `pyaed.detector.find_events` gives for the same
        patches.

    Raises
    ------
    LinkError
        When an event was lost on the way. What `Board.repeat` deals with starts the recording again.
    """
    return board.repeat(lambda: _hear(board, pcm, class_names, settings_crc, on_progress))


def _hear(
    board: Board,
    pcm: np.ndarray,
    class_names: Sequence[str],
    settings_crc: int | None,
    on_progress: Callable[[int], None] | None,
) -> list[dict[str, Any]]:
    rate = board.identify().sample_rate
    listen(board, LINK, DETECTIONS, settings_crc)
    for start in range(0, len(pcm), rate):
        stream(board, pcm[start : start + rate], start)
        if on_progress:
            on_progress(min(start + rate, len(pcm)))
    board.request("listen", source=OFF, output=0)
    if board.events_lost:
        raise LinkError(f"{board.port}: {board.events_lost} events were lost on the way")
    events = [
        {
            "onset": round(fields["onset"] / rate, 3),
            "offset": round(fields["offset"] / rate, 3),
            "class": class_names[fields["class_index"]],
            "score": round(fields["score"], 6),
        }
        for name, fields in board.events
        if name == "detection" and fields["ended"]
    ]
    return sorted(events, key=lambda event: (event["onset"], event["class"]))
