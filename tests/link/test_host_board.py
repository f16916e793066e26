"""The application on this machine, under the sanitizers: what test_board and test_live ask the emulated board, and its
microphone."""

import time

import numpy as np
import pytest
from support import images
from support.host_board import HostBoard
from test_board import (  # noqa: F401
    test_bad_frames_are_dropped_counted_and_reported,
    test_detect_is_one_shot_or_streamed,
    test_features_are_the_hosts_bits_whatever_the_length,
    test_garbage_on_the_wire_hangs_nobody,
    test_infer_and_digests_are_the_hosts_bits,
    test_reset_forgets,
    test_unknown_requests_get_an_error_status,
    test_wrong_requests_get_an_error_status,
)
from test_live import (  # noqa: F401
    mix,
    on_host,
    test_events_lines_and_patches,
    test_json_lines_are_what_a_terminal_shows,
    test_what_is_refused,
)

from pyaed.detector import DetectorSettings
from pyaed.dsp import feature_hash
from pyaed.link import live
from pyaed.link.board import DeviceError, LinkError
from pyaed.link.messages import protocol

SETTINGS = DetectorSettings.from_settings(images.METADATA)


@pytest.fixture
def board():
    with HostBoard() as application, application.connect() as board:
        yield board


@pytest.fixture
def hearing(tmp_path):
    """A board whose microphone hears `hearing.pcm`."""
    pcm = mix(4, 2)
    (tmp_path / "microphone.raw").write_bytes(pcm.tobytes())
    with HostBoard(tmp_path / "microphone.raw") as application, application.connect() as board:
        board.pcm = pcm
        yield board


def test_identity(board):
    identity, program = board.identify(), images.program()
    spec = images.SPEC
    assert {name: identity.fields[name] for name in identity.fields if name not in ("pyaed_version", "model_name")} == {
        "protocol_version": protocol().protocol_version,
        "max_payload": protocol().max_payload,
        "n_classes": 3,
        "n_nodes": len(program.nodes),
        "sample_rate": 16000,
        "hop_length": spec.hop_length,
        "n_mels": spec.n_mels,
        "patch_length": spec.patch_length,
        "garbage_class": 2,
        "multi_label": 0,
        "unknown_threshold": 0.25,
        "input_type": 0,
        "input_size": 192,
        "input_dims": (1, 16, 12, 1),
        "input_scale": np.float32(program.input.scale),
        "input_zero_point": program.input.zero_point,
        "output_type": 0,
        "output_size": 3,
        "output_dims": (1, 3, 0, 0),
        "output_scale": np.float32(program.output.scale),
        "output_zero_point": program.output.zero_point,
        "arena_size": program.arena_size,
        "counter_numerator": 1,
        "counter_denominator": 1,
        "calibration_count": 0,
        "flash_used": 0,
        "ram_used": 0,
        "counter_unit": "nanoseconds",
        "board": "host",
        "model_hash": program.hash,
        "feature_hash": feature_hash(spec),
    }
    assert identity.input_quantization == (np.float32(program.input.scale), program.input.zero_point)
    assert identity.output_quantization == (np.float32(program.output.scale), program.output.zero_point)
    assert (identity.input_shape, identity.output_shape) == (program.input.shape, program.output.shape)
    assert identity.input_dtype == identity.output_dtype == np.int8
    assert identity.class_names == images.METADATA.class_names
    assert identity.node_names == tuple(node.name for node in program.nodes)


def test_the_rest_of_the_names(board):
    names = [node.name for node in images.program().nodes]
    for first in range(len(names) + 2):
        reply = board.request("names", list=1, first=first)
        assert (reply["first"], reply["count"]) == (first, len(names[first:]))
        assert bytes(reply["text"]) == b"".join(name.encode() + b"\0" for name in names[first:])


def test_digests_from_a_node_on(board):
    patch = images.to_inputs(np.zeros((12, 16), np.float32))[0]
    digests = board.digests(patch).tolist()
    for first in range(len(digests) + 2):
        assert board.request("digests", first=first)["crc"].tolist() == digests[first:]


def test_uploads_in_pieces(board):
    patch = np.random.default_rng(1).integers(-128, 128, 192).astype(np.int8)
    whole = board.infer(patch)
    board.upload(np.zeros(192, np.int8))
    for start, end in ((100, 192), (0, 1), (1, 100), (192, 192)):
        assert board.request("upload", patch[start:end].tobytes(), offset=start)["input_size"] == 192
    assert board.request("infer")["output"].tobytes() == whole.tobytes()


def test_benchmark_counts_every_node_and_leaves_a_fresh_clip(board):
    counts = board.benchmark()
    assert len(counts["nodes"]) == len(images.program().nodes)
    assert min(counts[name] for name in ("frame", "fft", "mel", "quantize", "inference")) > 0
    assert all(n > 0 for n in counts["nodes"])
    assert counts["fft"] + counts["mel"] < 100 * counts["frame"]
    assert sum(counts["nodes"]) < 100 * counts["inference"]
    board._position = 0
    assert board.detect(images.noise(1500))[0].patch == 0


def test_the_clip_goes_on_only_where_it_stopped(board):
    board.detect(images.noise(777))
    for name in ("features", "detect"):
        for position in (776, 778):
            with pytest.raises(DeviceError, match="another position"):
                board.request(name, b"\1\0", retry=False, position=position)
    assert board.request("detect", b"\1\0", position=777)["position"] == 778
    assert board.request("features", b"\1\0", position=778)["position"] == 779


def test_the_live_detector_hears_the_hosts_events(board):
    for seed in (1, 2):
        pcm = mix(6, seed)
        heard = []
        found = live.hear(board, pcm, images.METADATA.class_names, SETTINGS.crc, heard.append)
        assert found == on_host(pcm, SETTINGS) != []
        assert heard == [*range(16000, len(pcm), 16000), len(pcm)]


def test_a_recording_is_what_the_microphone_hears(hearing):
    for n in (1, 5000, 30000):
        pcm, counters = hearing.record(n)
        assert pcm.tolist() == hearing.pcm[:n].tolist()
        assert counters == {"lost": 11, "saturations": 12, "errors": 13}
    with pytest.raises(DeviceError) as error:
        hearing.record(10, rate=48000)
    assert error.value.status == -4


def test_a_recording_goes_on_until_something_else_begins(hearing):
    first = hearing.request("record", rate=16000)
    second = hearing.request("record", rate=16000)
    assert (first["position"], second["position"]) == (0, len(first["pcm"]))
    assert second["pcm"].tolist() == hearing.pcm[len(first["pcm"]) :][: len(second["pcm"])].tolist()
    live.listen(hearing, live.LINK)
    assert hearing.request("record", rate=16000)["position"] == 0
    live.listen(hearing, live.OFF)
    assert hearing.request("record", rate=16000)["position"] == 0


def test_the_microphones_events_are_those_of_its_samples(hearing):
    live.listen(hearing, live.MICROPHONE, live.DETECTIONS + live.PATCHES)
    expected = on_host(hearing.pcm, SETTINGS)
    n_patches = (len(hearing.pcm) - SETTINGS.features.first_sample - 1300) // 600 + 1
    end = time.monotonic() + 60
    while sum(name == "patch" for name, _ in hearing.events) < n_patches and time.monotonic() < end:
        hearing.wait_for_events(10)
    patches = [fields["patch"] for name, fields in hearing.events if name == "patch"]
    assert patches == list(range(n_patches))
    assert {fields["lost"] for name, fields in hearing.events if name == "patch"} == {11}
    live.listen(hearing, live.OFF)
    ended = [fields for name, fields in hearing.events if name == "detection" and fields["ended"]]
    found = sorted((e["onset"] / 16000, images.METADATA.class_names[e["class_index"]]) for e in ended)
    assert [(round(onset, 3), name) for onset, name in found] == [(e["onset"], e["class"]) for e in expected]
    with pytest.raises(LinkError):
        hearing.record(10, rate=8000)
