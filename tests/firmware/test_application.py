"""The whole application on this machine, under the sanitizers: floods of good, bad and malicious packets."""

import subprocess
import zlib

import numpy as np
from support import images

from pyaed.link import packets
from pyaed.link.messages import protocol


def request(rng, sequence: int) -> bytes:
    """A payload: mostly a known message, its body of right or wrong length, with random or plausible content."""
    messages = protocol().messages
    code = int(rng.integers(0, 256)) if rng.random() < 0.05 else messages[rng.integers(len(messages))].code
    message = next((m for m in messages if m.code == code), None)
    if message and message.name == "benchmark" and rng.random() < 0.9:  # slow: rarely
        message = protocol()["counters"]
        code = message.code
    size = message.request.size if message else 0
    tail = int(rng.choice([0, 2, 64, 1000, 4000])) if message and message.request.tail else 0
    if rng.random() < 0.2:
        tail += int(rng.integers(0, 20))
    body = rng.bytes(size + tail)
    if message and message.name == "listen" and rng.random() < 0.7:  # to the link or to nothing, with any output
        body = message.request.pack(source=int(rng.choice([0, 2])), output=int(rng.integers(8)))
    if size == 4 and rng.random() < 0.7:  # a plausible position, offset or index
        body = int(rng.choice([0, 0, 1, 3, 100, 190, 191, 192, 65535])).to_bytes(4, "little") + body[4:]
    body = body[: protocol().max_payload - protocol().header.size]
    header = protocol().header.pack(type=code, status=0, sequence=sequence, dropped=int(rng.integers(2**32)))
    return header + body


def spoil(rng, packet: bytes) -> bytes:
    """The packet after an accident: flipped, cut, doubled, drowned in noise; ended, so that the next one is whole."""
    kind = rng.integers(5)
    if kind == 0:
        packet = bytearray(packet)
        packet[rng.integers(len(packet))] ^= 1 << rng.integers(8)
        return bytes(packet) + b"\0"
    if kind == 1:
        return packet[: rng.integers(len(packet))] + b"\0"
    if kind == 2:
        return rng.bytes(int(rng.integers(1, 6000))) + b"\0"
    if kind == 3:
        return b"\xaa" * 9000 + b"\0"
    return b"\0" * int(rng.integers(1, 50))


def talk(data: bytes) -> list[bytes]:
    """Send bytes to a fresh application; return its replies, without events. It must end well."""
    done = subprocess.run([images.host_application()], input=data, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
    receiver = packets.Receiver(protocol().max_payload, protocol().header.size)
    payloads = receiver.feed(done.stdout)
    assert receiver.counters.dropped == done.stdout.count(b"predicted score")
    return [p for p in payloads if p[0] & protocol().reply_bit]


def test_each_good_request_is_answered_once_whatever_comes_between():
    rng = np.random.default_rng(5)
    data, sent = b"", []
    for sequence in range(2000):
        payload = request(rng, sequence)
        data += packets.encode(payload)
        sent.append((payload[0], sequence))
        if rng.random() < 0.3:
            data += spoil(rng, packets.encode(request(rng, 60000)))
    header = protocol().header
    replies = [header.unpack(r[: header.size]) for r in talk(data)]
    answered = [(r["type"] & 0x7F if r["type"] & 0x80 else None, r["sequence"]) for r in replies]
    answered = [a for a in answered if a[1] != 60000]  # a packet may survive its accident
    assert answered == [(code & 0x7F, sequence) for code, sequence in sent]
    for reply in replies:
        assert -5 <= reply["status"] <= 0
    assert replies[-1]["dropped"] >= 0


def test_replies_fit_the_table_and_errors_have_no_body():
    rng = np.random.default_rng(6)
    requests = [request(rng, n) for n in range(1500)]
    by_code = {m.code: m for m in protocol().messages}
    seen = {}
    for reply in talk(b"".join(packets.encode(r) for r in requests)):
        header, body = protocol().header.unpack(reply[:8]), reply[8:]
        if header["status"]:
            assert body == b""
        else:
            message = by_code[header["type"] & 0x7F]
            message.reply.unpack(body)
            seen[message.name] = seen.get(message.name, 0) + 1
    # This machine has no microphone: only stopping one (rate 0) succeeds, which chance may not bring.
    assert set(seen) | {"record"} == {m.name for m in protocol().messages}


def test_random_bytes_only():
    rng = np.random.default_rng(7)
    good = protocol().header.pack(type=protocol()["counters"].code, status=0, sequence=7, dropped=0)
    replies = talk(rng.bytes(3_000_000) + b"\0" + packets.encode(good))
    assert protocol().header.unpack(replies[-1][:8])["sequence"] == 7
    counters = protocol()["counters"].reply.unpack(replies[-1][8:])
    assert counters["garbage"] + counters["truncated"] + counters["bad_crc"] > 1000


def test_the_same_bits_as_the_host(tmp_path):
    """The application here and the host's engine agree: what the emulator shows later isn't the first look."""
    from pyaed import nn

    pcm = images.noise(3000)
    patch = images.to_inputs(np.zeros((12, 16), np.float32))[0]
    messages = protocol()

    def payload(name, tail=b"", **fields):
        header = messages.header.pack(type=messages[name].code, status=0, sequence=1, dropped=0)
        return packets.encode(header + messages[name].request.pack(tail, **fields))

    data = payload("features", pcm[:2000].tobytes(), position=0)
    data += payload("upload", patch.tobytes(), offset=0) + payload("infer")
    frames, _, inferred = (r[8:] for r in talk(data))
    log_mel = messages["features"].reply.unpack(frames)["log_mel"].reshape(-1, 16)
    host = images.FrontEnd(images.SPEC).log_mel(pcm)[: len(log_mel)]
    assert log_mel.view(np.uint32).tolist() == host.view(np.uint32).tolist()
    reply = messages["infer"].reply.unpack(inferred)
    assert reply["input_crc"] == zlib.crc32(patch.tobytes())
    assert reply["output"].tobytes() == nn.Engine(images.program()).run(patch[np.newaxis]).tobytes()
