"""A device that lies: what it says is refused when it is heard, and neither work nor log grow without end."""

import numpy as np
import pytest
from support.device import Device, identity, reply

from pyaed.link.board import Board, LinkError
from pyaed.link.connection import WARNINGS, Connection
from pyaed.link.messages import protocol


def talk(identify: bytes, work=lambda board: board.identify(), **answers):
    """Let a board whose replies are these bodies be asked; returns what `work` returns."""
    bodies = {protocol()[name].code: body for name, body in answers.items()}
    bodies[protocol()["identify"].code] = identify
    device = Device(lambda header, body: reply(header, bodies.get(header["type"], b"")))
    try:
        with Board(device.url, timeout=2, retries=0) as board:
            return work(board)
    finally:
        device.close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_mels": 0}, "n_mels 0, expected 1 to"),
        ({"hop_length": 0}, "hop_length 0, expected 1 to"),
        ({"sample_rate": 0}, "sample_rate 0"),
        ({"n_classes": 65_535}, "n_classes 65535, expected 0 to 1024"),
        ({"n_nodes": 65_535}, "n_nodes 65535"),
        ({"counter_denominator": 0}, "counter_denominator 0"),
        ({"unknown_threshold": float("nan")}, "unknown_threshold nan"),
        ({"input_scale": float("inf")}, "input_scale inf"),
        ({"output_scale": 0.0}, "output_scale 0"),
        ({"garbage_class": 99}, "garbage_class 99 of 0 classes"),
        ({"input_dims": (1 << 16, 1 << 16, 1, 1)}, "input .* in 1 bytes"),
        ({"model_name": b"\x1b[2J"}, "model_name .* that a terminal would act on"),
        ({"board": "\u202e".encode()}, "board .* that a terminal would act on"),
    ],
)
def test_what_a_device_says_of_itself(changes, message):
    with pytest.raises(LinkError, match=f"identify says {message}"):
        talk(identity(**changes))


def test_names_that_a_terminal_would_act_on():
    names = (0).to_bytes(2, "little") + (1).to_bytes(2, "little") + b"\x1b]0;x\x07\0"
    with pytest.raises(LinkError, match=r"a name '\\x1b\]0;x\\x07' with characters"):
        talk(identity(n_classes=1), names=names)


@pytest.mark.parametrize(
    ("top", "decision", "scores", "message"),
    [
        (99, -1, [0.5, 0.5], "class 99 of 2"),
        (0, 7, [0.5, 0.5], "class 7 of 2"),
        (-1, -1, [0.5, 0.5], "no top class"),
        (0, 0, [np.nan, 0.5], "probabilities that are not finite"),
        (0, 0, [0.5], "1 probabilities for 2 classes"),
    ],
)
def test_answers_to_a_patch(top, decision, scores, message):
    fields = dict.fromkeys((f.name for f in protocol()["detect"].reply.fields), 0)
    fields |= {"position": 10, "top_class": top, "decision": decision}
    body = protocol()["detect"].reply.pack(np.array(scores, "<f4").tobytes(), **fields)
    names = (0).to_bytes(2, "little") + (2).to_bytes(2, "little") + b"a\0b\0"
    with pytest.raises(LinkError, match=message):
        talk(identity(n_classes=2), lambda board: board.detect(np.zeros(10, np.int16)), names=names, detect=body)


def board_of(n_classes: int) -> Board:
    board = Board("loop://")
    names = tuple("abcdefgh"[:n_classes])
    board._identity = type("Known", (), {"n_classes": n_classes, "class_names": names})()
    return board


@pytest.mark.parametrize(
    ("name", "changes", "tail", "message"),
    [
        ("detection", {"class_index": 99}, b"", "class 99 of 2"),
        ("detection", {"class_index": -1}, b"", "no class"),
        ("detection", {"score": float("nan")}, b"", "not finite"),
        ("patch", {"decision": 5}, b"", "class 5 of 2"),
        ("patch", {}, np.full(2, np.inf, "<f4").tobytes(), "not finite"),
        ("patch", {}, bytes(12), "3 probabilities for 2"),
    ],
)
def test_events(name, changes, tail, message):
    event = next(e for e in protocol().events if e.name == name)
    body = event.body.pack(tail, **({f.name: 0 for f in event.body.fields} | changes))
    with board_of(2) as board, pytest.raises(LinkError, match=f"an event '{name}' with .*{message}"):
        board._event({"type": event.code, "sequence": 0}, body)


def test_a_flood_fills_neither_log_nor_memory(caplog, monkeypatch):
    monkeypatch.setattr("pyaed.link.connection.MAX_EVENTS", 50)
    event = next(e for e in protocol().events if e.name == "detection")
    body = event.body.pack(**{f.name: 0 for f in event.body.fields})
    with Connection("loop://") as connection:
        for _ in range(1_000):
            connection._event({"type": 70, "sequence": 0}, b"")
        for number in range(50):
            connection._event({"type": event.code, "sequence": 7 * number}, body)
        with pytest.raises(LinkError, match="floods the link: 50 events"):
            connection._event({"type": event.code, "sequence": 0}, body)
        assert len(connection.events) == 50
    assert 0 < len(caplog.records) <= 3 * WARNINGS


def test_frames_that_never_come(monkeypatch):
    monkeypatch.setattr("pyaed.link.board.MAX_WINDOW", 100)
    board = board_of(1)
    monkeypatch.setattr(board, "_send_pcm", lambda name, pcm, timeout: taken(board, pcm))
    known = type("Known", (), {"hop_length": 10, "n_mels": 4})()
    with board, pytest.raises(LinkError, match="3 frames wanted, 0 came"):
        board._features(np.zeros(5, np.int16), 3, known)


def taken(board, pcm):
    board._position += len(pcm)
    assert board._position < 1_000
    return pcm[:0], {"log_mel": np.zeros(0, np.float32), "first_frame": 0}


def test_what_a_flood_left_out_is_said_once(monkeypatch, caplog):
    now = [100.0]
    monkeypatch.setattr("pyaed.link.connection.time.monotonic", lambda: now[0])
    connection = Connection.__new__(Connection)
    connection.port, connection._warned, connection._unsaid = "COM9", [], 0
    for i in range(WARNINGS + 7):
        connection._warn("line %d", i)
    assert [r.getMessage() for r in caplog.records] == [f"line {i}" for i in range(WARNINGS)]
    now[0] += 1.001
    caplog.clear()
    for i in range(2):
        connection._warn("later %d", i)
    assert [r.getMessage() for r in caplog.records] == ["COM9: 7 more such lines are left out", "later 0", "later 1"]
