"""Framing: the C of the firmware and the Python of the host, against each other and against everything a line can do."""

import ctypes
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import images

from pyaed.link import packets
from pyaed.sources import source_root

MAX_PAYLOAD, MIN_PAYLOAD = 700, 8
COUNTERS = ("packets", "overlong", "garbage", "truncated", "bad_crc")


class CReceiver(ctypes.Structure):
    """aed_packet_receiver, for this machine."""

    _fields_ = [
        ("buffer", ctypes.c_void_p),
        ("capacity", ctypes.c_size_t),
        ("min_payload", ctypes.c_size_t),
        ("length", ctypes.c_size_t),
        ("skipping", ctypes.c_int32),
        ("counters", ctypes.c_uint32 * 5),
    ]


@pytest.fixture(scope="module")
def c():
    app = source_root() / "firmware" / "app"
    path = images.folder() / "packets.so"
    sources = [str(app / f"aed_{name}.c") for name in ("cobs", "crc32", "packet")]
    flags = ["-std=c11", "-O1", "-shared", "-fPIC", "-fsanitize=undefined", "-fno-sanitize-recover=all"]
    include = str(source_root() / "dsp_c" / "include")
    subprocess.run(["gcc", *flags, f"-I{include}", *sources, "-o", str(path)], check=True)
    library = ctypes.CDLL(str(path))
    library.aed_packet_receive.restype = library.aed_packet_encode.restype = ctypes.c_size_t
    library.aed_packet_receiver_init.argtypes = [
        ctypes.POINTER(CReceiver),
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_size_t,
    ]
    library.aed_packet_receive.argtypes = [ctypes.POINTER(CReceiver), ctypes.c_uint8]
    library.aed_packet_encode.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    return library


def c_encode(c, payload: bytes) -> bytes:
    room = ctypes.create_string_buffer(payload, len(payload) + packets.CRC_SIZE)
    out = ctypes.create_string_buffer(packets.max_packet(len(payload)))
    n = c.aed_packet_encode(room, len(payload), out)
    return out.raw[:n]


def c_receive(c, data: bytes) -> tuple[list[bytes], dict]:
    receiver, buffer = CReceiver(), ctypes.create_string_buffer(packets.max_packet(MAX_PAYLOAD))
    c.aed_packet_receiver_init(receiver, buffer, len(buffer), MIN_PAYLOAD)
    payloads = []
    for byte in data:
        if n := c.aed_packet_receive(receiver, byte):
            payloads.append(buffer.raw[:n])
    return payloads, dict(zip(COUNTERS, receiver.counters))


def python_receive(data: bytes, pieces: list[int]) -> tuple[list[bytes], dict]:
    receiver = packets.Receiver(MAX_PAYLOAD, MIN_PAYLOAD)
    payloads, at = [], 0
    for n in [*pieces, len(data)]:
        payloads += receiver.feed(data[at : at + n])
        at += n
    return payloads, vars(receiver.counters)


payloads = st.one_of(
    st.binary(min_size=MIN_PAYLOAD, max_size=MAX_PAYLOAD),
    st.lists(st.sampled_from([0, 1, 255]), min_size=MIN_PAYLOAD, max_size=MAX_PAYLOAD).map(bytes),
    st.builds(lambda n, z: bytes([7]) * n + bytes(z) + bytes([9]) * 9, st.integers(240, 270), st.integers(0, 3)),
)


@given(payloads)
@settings(max_examples=300, deadline=None)
def test_both_sides_encode_alike_and_decode_each_other(c, payload):
    packet = packets.encode(payload)
    assert packet == c_encode(c, payload)
    assert len(packet) <= packets.max_packet(len(payload))
    assert packet.index(0) == len(packet) - 1
    assert packets.cobs_decode(packet[:-1])[: -packets.CRC_SIZE] == payload
    assert c_receive(c, packet)[0] == [payload]


noise = st.one_of(st.binary(max_size=60), st.binary(min_size=1200, max_size=1300), st.just(b"\0\0\0"))


@st.composite
def line(draw):
    """Bytes of a bad line: packets whole, cut, bit-flipped, doubled, too long, and noise between."""
    data = b""
    for _ in range(draw(st.integers(1, 6))):
        packet = packets.encode(draw(st.binary(min_size=0, max_size=40)))
        match draw(st.sampled_from(["whole", "cut", "flip", "twice", "long", "noise"])):
            case "cut":
                packet = packet[: draw(st.integers(0, len(packet)))]
            case "flip":
                bit = draw(st.integers(0, 8 * len(packet) - 1))
                packet = bytearray(packet)
                packet[bit // 8] ^= 1 << bit % 8
            case "twice":
                packet = packet + packet
            case "long":
                packet = packets.encode(bytes(range(1, 250)) * 4)
            case "noise":
                packet = draw(noise)
        data += packet
    return data


@given(line(), st.lists(st.integers(0, 50), max_size=8))
@settings(max_examples=400, deadline=None)
def test_both_sides_see_the_same_in_a_bad_line(c, data, pieces):
    got, counters = c_receive(c, data)
    assert (got, counters) == python_receive(data, pieces)
    # Whatever came before, one zero later the next packet arrives.
    good = packets.encode(b"still here")
    assert c_receive(c, data + b"\0" + good)[0][-1] == b"still here"
    assert python_receive(data + b"\0" + good, pieces)[0][-1] == b"still here"


@given(payloads, st.data())
@settings(max_examples=200, deadline=None)
def test_a_damaged_frame_never_passes(c, payload, data):
    packet = bytearray(packets.encode(payload))
    for _ in range(data.draw(st.integers(1, 3))):
        packet[data.draw(st.integers(0, len(packet) - 2))] ^= 1 << data.draw(st.integers(0, 7))
    if bytes(packet) == packets.encode(payload):
        return
    got, counters = python_receive(bytes(packet), [])
    assert payload not in got or packet.count(0) > 1
    assert c_receive(c, bytes(packet)) == (got, counters)


@pytest.mark.parametrize(("data", "counter"), [(b"\1\0", "truncated"), (b"\2\0", "garbage"), (b"\0\0\0", None)])
def test_the_shortest_packets(c, data, counter):
    expected = {name: int(name == counter) for name in COUNTERS}
    assert c_receive(c, data) == python_receive(data, []) == ([], expected)


def test_the_longest_packets():
    """Of a payload without zeros; the CRC may have some, which saves a byte or two."""
    for n in range(1200):
        longest = len(packets.cobs_encode(b"\1" * (n + packets.CRC_SIZE))) + 1
        assert len(packets.encode(b"\1" * n)) <= longest <= packets.max_packet(n) <= longest + 1


def test_a_flood_needs_no_memory():
    receiver = packets.Receiver(MAX_PAYLOAD, MIN_PAYLOAD)
    for _ in range(100):
        assert receiver.feed(b"\xaa" * 10000) == []
    assert len(receiver._pending) <= packets.max_packet(MAX_PAYLOAD)
    assert receiver.feed(b"\0" + packets.encode(b"still here")) == [b"still here"]
    assert receiver.counters.overlong == receiver.counters.dropped == 1
