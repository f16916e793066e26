"""The host's end: ports that are missing or busy, silence, and a device that answers nonsense."""

import os
from dataclasses import replace

import numpy as np
import pytest
from support.device import identity, reply

from pyaed.errors import UserError
from pyaed.link import packets
from pyaed.link.board import Board, LinkError, LinkTimeout
from pyaed.link.messages import Field, protocol


def test_missing_port():
    with pytest.raises(UserError, match="cannot open port /dev/ttyNONE0"):
        Board("/dev/ttyNONE0")
    with pytest.raises(UserError, match=r"cannot open port socket://127\.0\.0\.1:1"):
        Board("socket://127.0.0.1:1")
    with pytest.raises(UserError, match="cannot open port nonsense://"):
        Board("nonsense://x")


def test_busy_port():
    master, slave = os.openpty()
    try:
        with Board(os.ttyname(slave)), pytest.raises(UserError, match="is busy"):
            Board(os.ttyname(slave))
    finally:
        os.close(master)
        os.close(slave)


def test_silence_is_a_timeout():
    with Board("loop://", timeout=0.1, retries=2) as board:  # hears itself: no reply among it
        with pytest.raises(LinkTimeout, match="no reply to 'identify' after 3 attempts"):
            board.identify()
        with pytest.raises(LinkTimeout, match="after 1 attempts"):
            board.request("detect", retry=False, position=0)


def test_lost_and_late_replies(device):
    seen = []

    def answer(header, body):
        seen.append(header["sequence"])
        if len(seen) == 1:
            return b"\xff\xff\0"  # the first reply is broken on its way
        late = reply({**header, "sequence": seen[0]})
        return late + reply(header)

    with Board(device(answer).url, timeout=0.3) as board:
        board.request("reset")
        assert seen == [1, 2]
        assert board.counters.garbage == 1


VERSION = protocol().protocol_version.to_bytes(2, "little")
FAULT = protocol().events[0]


def event(body: bytes, code: int = FAULT.code) -> bytes:
    return packets.encode(protocol().header.pack(type=code, status=0, sequence=0, dropped=0) + body)


NONSENSE = {
    "a fault": (
        lambda h, b: event(FAULT.body.pack(**{f.name: 5 for f in FAULT.body.fields})),
        "fault.*exception 0x5, pc 0x5",
    ),
    "half a fault": (lambda h, b: event(b"123"), "event 'fault' that doesn't fit"),
    "short body": (lambda h, b: reply(h, VERSION + b"3"), "doesn't fit the protocol"),
    "long body": (lambda h, b: reply(h, VERSION + bytes(379)), "doesn't fit the protocol"),
    "not UTF-8": (lambda h, b: reply(h, VERSION + b"\xff" * 378), "doesn't fit the protocol"),
    "other version": (lambda h, b: reply(h, b"\x63\0" + bytes(378)), "version 99 of the link"),
    "unknown type": (lambda h, b: reply(h, identity(input_type=9)), "input_type 9"),
    "sizes at odds": (lambda h, b: reply(h, identity(input_size=3)), "input .* in 3 bytes"),
    "refused": (lambda h, b: reply(h, status=-4), "AED_ERR_UNSUPPORTED"),
    "unknown status": (lambda h, b: reply(h, status=-77), "unknown status"),
    "hang up": (lambda h, b: None, "connection broke|no reply"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_is_one_clear_error(device, case):
    answer, message = NONSENSE[case]
    with Board(device(answer).url, timeout=0.3, retries=0) as board, pytest.raises(LinkError, match=message):
        board.identify()


def test_a_device_that_takes_no_samples_or_too_many(device):
    def answer(header, body):
        if header["type"] == protocol()["identify"].code:
            return reply(header, identity())
        return reply(header, taken.to_bytes(4, "little") + bytes(4))

    for taken in (0, 11):
        with (
            Board(device(answer).url, timeout=1) as board,
            pytest.raises(LinkError, match=f"took {taken} of 10 samples"),
        ):
            board.features(np.zeros(10, np.int16))


def test_events_before_and_behind_a_reply_are_kept(device):
    patch = next(e for e in protocol().events if e.name == "patch")

    def numbered(n):
        body = patch.body.pack(**{f.name: n for f in patch.body.fields})
        return packets.encode(protocol().header.pack(type=patch.code, status=0, sequence=n, dropped=0) + body)

    with Board(device(lambda h, b: numbered(0) + reply(h) + numbered(1) + numbered(3)).url, timeout=1) as board:
        board.request("reset")
        assert [(name, fields["patch"]) for name, fields in board.events] == [("patch", 0), ("patch", 1), ("patch", 3)]
        assert board.events_lost == 1
        board.expect_events()
        assert (board.events, board.events_lost) == ([], 0)


def test_an_unknown_event_is_passed_over(device, caplog):
    with Board(device(lambda h, b: event(b"x", 99) + reply(h)).url, timeout=1) as board:
        board.request("reset")
    assert "event of unknown type 99" in caplog.text


def test_too_large_a_request_is_a_programming_error():
    with Board("loop://") as board, pytest.raises(ValueError, match="the link carries"):
        board.request("upload", bytes(5000), offset=0)


def test_images_of_older_versions(device, monkeypatch):
    """A host of the next version, which has appended a field to `state`, speaks with an image of this one."""
    old = protocol()
    state = old["state"]
    added = Field("humidity", "u32", "a later version's", since=old.protocol_version + 1)
    later = replace(state, reply=replace(state.reply, fields=(*state.reply.fields, added)))
    messages = tuple(later if m.name == "state" else m for m in old.messages)
    new = replace(old, protocol_version=old.protocol_version + 1, messages=messages)
    monkeypatch.setattr("pyaed.link.connection.protocol", lambda: new)

    def image_of(version):
        def answer(header, body):
            if header["type"] == new["identify"].code:
                return reply(header, identity(protocol_version=version))
            return reply(header, bytes(state.reply.size + (4 if version == new.protocol_version else 0)))

        return device(answer)

    for version, known in ((old.protocol_version, False), (new.protocol_version, True)):
        with Board(image_of(version).url, timeout=1) as board:
            board.identify()
            assert ("humidity" in board.state()) == known
    version = old.oldest_version - 1
    with (
        Board(image_of(version).url, timeout=1) as board,
        pytest.raises(LinkError, match=rf"version {version} of the link, this pyaed versions 3 to 4: deploy it again"),
    ):
        board.identify()
