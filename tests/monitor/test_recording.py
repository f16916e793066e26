"""Recording: the file and its level from a device that plays, clear messages from one that can't."""

import numpy as np
import pytest
import soundfile
from support.device import identity, reply

from pyaed.errors import UserError
from pyaed.link.board import Board, LinkError
from pyaed.link.messages import protocol
from pyaed.monitor.recording import level, record

STATE = protocol()["state"].reply
TONE = np.round(16384 * np.sin(2 * np.pi * 1000 / 16000 * np.arange(16000))).astype(np.int16)


def player(pcm, skip=0):
    """A device whose microphone hears `pcm`, 700 samples a time."""
    state = {"at": 0}

    def answer(header, body):
        if header["type"] == protocol()["state"].code:
            nothing = {field.name: (0,) * field.count if field.count > 1 else 0 for field in STATE.fields}
            return reply(header, STATE.pack(**nothing))
        if header["type"] == protocol()["identify"].code:
            return reply(header, identity(sample_rate=16000))
        if header["type"] != protocol()["record"].code:
            return reply(header)
        if int.from_bytes(body, "little") == 0:
            state["at"] = 0
            block = pcm[:0]
        else:
            block = pcm[state["at"] : state["at"] + 700]
        fields = {"position": state["at"] + skip, "lost": 1, "saturations": 2, "errors": 3}
        state["at"] += len(block)
        return reply(header, protocol()["record"].reply.pack(block.astype("<i2").tobytes(), **fields))

    return answer


def test_a_recording_is_the_devices_samples(device, tmp_path):
    text = record(tmp_path / "a.wav", device(player(TONE)).url, seconds=0.5)
    assert "0.50 s, level -9.0 dBFS, peak -6.0 dBFS, average 0; lost 1, saturations 2, errors 3" in text
    pcm, rate = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert rate == 16000
    assert pcm.tolist() == TONE[:8000].tolist()


def test_gaps_and_silence_are_errors(device, monkeypatch):
    with Board(device(player(TONE, skip=5)).url) as board, pytest.raises(LinkError, match="was lost on the link"):
        board.record(100)
    monkeypatch.setattr("pyaed.link.board.QUICK", 0.5)
    with Board(device(player(TONE[:0])).url) as board, pytest.raises(LinkError, match="gives no samples"):
        board.record(100)


def test_user_errors(tmp_path):
    with pytest.raises(UserError, match=r"is a \.wav file"):
        record(tmp_path / "a.mp3", "x")
    with pytest.raises(UserError, match="more than 0"):
        record(tmp_path / "a.wav", "x", seconds=0)


def test_levels():
    assert level(np.zeros(0, np.int16)) == (-180.0, -180.0)
    assert level(np.full(10, 100, np.int16))[0] == -180.0  # an offset is no sound


def test_a_board_without_a_microphone_says_so(board):
    with pytest.raises(LinkError, match="AED_ERR_UNSUPPORTED"):
        board.record(10)
    assert board.request("record", rate=0)["lost"] == 0
