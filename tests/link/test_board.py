"""The emulated board answers every request, with the host's bits, and survives what a line can do."""

import numpy as np
import pytest
from support import images

from pyaed import nn
from pyaed.dsp import FrontEnd, feature_hash
from pyaed.errors import UserError
from pyaed.link import packets
from pyaed.link.board import DeviceError
from pyaed.link.messages import protocol


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def test_identify(board):
    identity, program = board.identify(), images.program()
    assert identity.board == "mps2_an505"
    assert identity.model_hash == program.hash
    assert identity.feature_hash == feature_hash(images.SPEC)
    assert identity.class_names == images.METADATA.class_names
    assert identity.node_names == tuple(node.name for node in program.nodes)
    assert (identity.input_shape, identity.output_shape) == (program.input.shape, program.output.shape)
    assert identity.input_scale == np.float32(program.input.scale)
    assert identity.input_zero_point == program.input.zero_point
    assert identity.unknown_threshold == np.float32(0.25)
    assert identity.garbage_class == 2
    assert identity.counter_unit == "instructions"


def test_features_are_the_hosts_bits_whatever_the_length(board):
    front_end = FrontEnd(images.SPEC)
    for n in (0, 1, 199, 228, 5001):
        pcm = images.noise(n, seed=n)
        host = front_end.log_mel(pcm)
        assert same(board.features(pcm)[: len(host)], host)
    # Frames beyond the clip's end come from zeros.
    assert board.features(images.noise(300), n_frames=20).shape == (20, 16)
    assert board.features(np.zeros(0, np.int16)).shape == (0, 16)


def test_infer_and_digests_are_the_hosts_bits(board):
    import zlib

    engine = nn.Engine(images.program())
    patches = images.to_inputs(FrontEnd(images.SPEC).log_mel(images.noise(6000)))
    for patch, output in zip(patches, engine.run(patches)):
        assert same(board.infer(patch).ravel(), output.ravel())
    layers = engine.run_layers(patches[0])
    assert board.digests(patches[0]).tolist() == [zlib.crc32(value.tobytes()) for _, value in layers]


def test_detect_is_one_shot_or_streamed(board):
    engine, pcm = nn.Engine(images.program()), images.noise(8000)
    patches = images.to_inputs(FrontEnd(images.SPEC).log_mel(pcm))
    host = engine.predict(patches).reshape(len(patches), -1)
    found = board.detect(pcm)
    assert [f.patch for f in found] == list(range(len(found)))
    assert len(found) >= len(patches)
    for detection, probabilities in zip(found, host):
        assert same(detection.probabilities, probabilities)
        top = int(np.argmax(probabilities))
        assert detection.top_class == top
        assert detection.decision == (top if top != 2 and probabilities[top] >= 0.25 else -1)
    pieces = board.detect(pcm[:1], restart=True)
    for at in range(1, len(pcm), 997):
        pieces += board.detect(pcm[at : at + 997], restart=False)
    assert [(p.patch, p.probabilities.tolist()) for p in pieces] == [(f.patch, f.probabilities.tolist()) for f in found]


@pytest.mark.parametrize("io", ["uint8", "float32"])
def test_other_input_and_output_types(io):
    from pyaed.boards.emulator import Emulator

    engine, pcm = nn.Engine(images.program(io)), images.noise(4000)
    patches = images.to_inputs(FrontEnd(images.SPEC).log_mel(pcm), io)
    with Emulator(images.image(io).elf) as emulator, emulator.connect() as board:
        for patch, output in zip(patches, engine.run(patches)):
            assert same(board.infer(patch).ravel(), output.ravel())
        host = engine.predict(patches).reshape(len(patches), -1)
        for detection, probabilities in zip(board.detect(pcm), host):
            assert same(detection.probabilities, probabilities)


def test_reset_forgets(board):
    board.detect(images.noise(900))
    board.upload(np.ones((16, 12), np.int8))
    board._serial.write(b"\x05garbage\0")
    board.reset()
    assert board.device_counters()["garbage"] == 0
    board._position = 900
    with pytest.raises(DeviceError, match="another position"):
        board.detect(images.noise(10), restart=False)
    zeros = board.infer(np.zeros((16, 12), np.int8))
    board.reset()
    assert same(np.frombuffer(board.request("infer")["output"].tobytes(), np.int8), zeros.ravel())


def test_stack_stays_below_its_end(board):
    board.detect(images.noise(3000))
    counters = board.device_counters()
    assert 0 < counters["stack_used"] < counters["stack_size"] // 2


ERRORS = {
    "identify with a body": ("identify", b"x", -2),
    "names without its fields": ("names", b"\0", -2),
    "names of no table": ("names", b"\2\0\0\0", -1),
    "half a sample": ("features", b"\0\0\0\0\1", -2),
    "a position out of step": ("detect", b"\7\0\0\0", -3),
    "an upload behind the end": ("upload", (192).to_bytes(4, "little") + b"x", -1),
    "an upload far behind the end": ("upload", b"\xff\xff\xff\xff" + b"x" * 100, -1),
}


def raw(board, code: int, body: bytes):
    return board._exchange(code, body, 10.0)


@pytest.mark.parametrize("case", ERRORS)
def test_wrong_requests_get_an_error_status(board, case):
    name, body, status = ERRORS[case]
    header, reply = raw(board, protocol()[name].code, body)
    assert (header["status"], reply) == (status, b"")


def test_unknown_requests_get_an_error_status(board):
    for code in (0, 63, 0x7F):
        assert raw(board, code, b"")[0]["status"] == -4


def test_bad_frames_are_dropped_counted_and_reported(board, caplog):
    good = packets.encode(bytes(20))
    flipped = bytearray(good)
    flipped[-3] ^= 4
    bad = {
        "garbage": b"\xff\x01\x02\0",
        "truncated": packets.encode(b"1234567"),
        "bad_crc": bytes(flipped),
        "overlong": b"\xaa" * 5000 + b"\0",
    }
    for data in bad.values():
        board._serial.write(data)
    counters = board.device_counters()
    assert {key: counters[key] for key in bad} == dict.fromkeys(bad, 1)
    assert board.device_dropped == 4
    assert "has dropped 4 bad packets" in caplog.text


def test_garbage_on_the_wire_hangs_nobody(board):
    rng = np.random.default_rng(3)
    for _ in range(20):
        board._serial.write(rng.bytes(int(rng.integers(1, 700))))
        assert board.request("names", list=0, first=0)["count"] == 3
    assert board.counters.dropped == 0


def test_wrong_patches_and_pcm_are_refused_before_they_are_sent(board):
    with pytest.raises(UserError, match="takes int8 of shape"):
        board.infer(np.zeros((16, 11), np.int8))
    with pytest.raises(UserError, match="takes int8 of shape"):
        board.infer(np.zeros((16, 12), np.float32))
    with pytest.raises(UserError, match="must be int16"):
        board.features(np.zeros(10, np.float32))
