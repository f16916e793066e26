"""The live detector of an image hears what the host's post-processing finds, event for event."""

import json
from dataclasses import replace

import numpy as np
import pytest
from support import images

from pyaed import deploy, nn
from pyaed.boards.emulator import Emulator
from pyaed.config.schema import Detector as Section
from pyaed.detector import DetectorSettings, EventFinder, StreamFrontEnd, find_events, loud_patches
from pyaed.errors import UserError
from pyaed.link import live
from pyaed.link.board import DeviceError, LinkTimeout

RATE = images.SPEC.sample_rate

#: name -> settings of the detector, changes to the model's metadata
SETTINGS = {
    "defaults": (Section(), {}),
    "all of them": (
        Section(overlap=0.75, alpha=0.6, majority=3, threshold=0.3, hysteresis=0.1, min_duration=0.1, silence_gate=-50),
        {},
    ),
    "several labels": (
        Section(silence_gate=-50, hysteresis=0.1, class_thresholds={images.METADATA.class_names[0]: 0.3}),
        {"multi_label": True, "class_thresholds": (0.5, 0.3, 0.4), "garbage_class": None},
    ),
}


def mix(seconds: float, seed: int) -> np.ndarray:
    """Tones, noise and clicks of changing level with silence between, int16."""
    rng, parts, n = np.random.default_rng(seed), [], 0
    while n < seconds * RATE:
        length = int(rng.integers(RATE // 20, RATE))
        t, level = np.arange(length) / RATE, 10 ** rng.uniform(0.5, 4.3)
        kind = rng.integers(4)
        sound = {
            0: np.sin(2 * np.pi * rng.uniform(100, 7000) * t),
            1: rng.normal(size=length) / 3,
            2: np.sin(2 * np.pi * (200 + 3000 * t) * t) * np.exp(-5 * t),
            3: np.zeros(length),
        }[int(kind)]
        parts.append(np.clip(level * sound, -32768, 32767))
        n += length
    return np.concatenate(parts)[: int(seconds * RATE)].astype(np.int16)


def on_host(pcm: np.ndarray, detector: DetectorSettings) -> list[dict]:
    patches = StreamFrontEnd(detector)(pcm)
    classified, _ = loud_patches(pcm, len(patches), detector)
    return find_events(nn.Engine(images.program()).predict(patches[classified]).reshape(-1, 3), detector, classified)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_mix_gives_the_hosts_events(name, tmp_path):
    section, changes = SETTINGS[name]
    metadata = replace(images.METADATA, **changes)
    detector = DetectorSettings.from_settings(metadata, section)
    pcm = mix(8, seed=len(name))
    expected = on_host(pcm, detector)
    assert len(expected) > 4
    assert len({event["class"] for event in expected}) > 1
    image = images.image()
    if section != Section():
        folder = deploy.generate(images.program(), images.SPEC, metadata, tmp_path / "image", detector=detector)
        image = deploy.build_image(folder)
    with Emulator(image.elf) as emulator, emulator.connect() as board:
        assert live.hear(board, pcm, metadata.class_names, detector.crc) == expected
        assert live.hear(board, pcm[:RATE], metadata.class_names) == on_host(pcm[:RATE], detector)
        with pytest.raises(UserError, match=r"other settings of deployment\.detector"):
            live.hear(board, pcm, metadata.class_names, detector.crc ^ 1)


def test_events_lines_and_patches(board):
    detector = DetectorSettings.from_settings(images.METADATA)
    pcm = mix(3, 1)
    probabilities = nn.Engine(images.program()).predict(StreamFrontEnd(detector)(pcm)).reshape(-1, 3)
    reply = live.listen(board, live.LINK, live.DETECTIONS + live.PATCHES)
    assert reply == {"source": 2, "patch_hop": 600, "patch_samples": 1300, "settings_crc": detector.crc}
    position = live.stream(board, pcm[:1999])
    live.stream(board, pcm[1999:], position)
    patches = [fields for name, fields in board.events if name == "patch"]
    assert [p["patch"] for p in patches] == list(range(len(probabilities)))
    assert [p["position"] for p in patches] == [images.SPEC.first_sample + 1300 + 600 * i for i in range(len(patches))]
    assert np.array([p["scores"] for p in patches]).tobytes() == probabilities.tobytes()
    level = loud_patches(pcm, len(patches), detector)[1]
    assert [p["level"] for p in patches] == level.tolist()
    assert {p["lost"] for p in patches} == {0}
    detections = [fields for name, fields in board.events if name == "detection"]
    decisions = [p["decision"] for p in patches]
    starts = [i for i, (new, old) in enumerate(zip(decisions, [-1, *decisions])) if new not in (-1, old)]
    assert [f["onset"] // 600 for f in detections if not f["ended"]] == starts
    assert len(set(decisions)) > 1
    board.events.clear()
    live.listen(board, live.OFF)
    assert all(fields["ended"] for _, fields in board.events)


def test_json_lines_are_what_a_terminal_shows(board):
    detector, names = DetectorSettings.from_settings(images.METADATA), images.METADATA.class_names
    pcm = mix(2, 1)
    live.listen(board, live.LINK, live.LINES)
    seen, feed = bytearray(), board._receiver.feed
    board._receiver.feed = lambda data: seen.extend(data) or feed(data)
    live.stream(board, pcm)
    lines = [part for part in bytes(seen).split(b"\0") if part.startswith(b"{")]
    assert all(line.endswith(b"}\r\n") for line in lines)
    finder, expected = EventFinder(detector), []
    for scores in nn.Engine(images.program()).predict(StreamFrontEnd(detector)(pcm)).reshape(-1, 3):
        finder.push(scores)
        name = "unknown" if finder.decision < 0 else names[finder.decision]
        expected.append((name, float(scores.max())))
    found = [json.loads(line) for line in lines]
    assert [line["class"] for line in found] == [name for name, _ in expected]
    assert [line["predicted score"] for line in found] == pytest.approx([score for _, score in expected], abs=0.00051)
    assert set(names[:2]) & {line["class"] for line in found}


def test_what_is_refused(board):
    def status(name, **fields):
        with pytest.raises(DeviceError) as error:
            board.request(name, **fields)
        return error.value.status

    assert status("stream", position=0) == -3
    assert status("listen", source=1, output=2) == -4  # no microphone
    assert status("listen", source=3, output=2) == -1
    assert status("listen", source=2, output=8) == -1
    live.listen(board, live.LINK)
    assert status("stream", position=1) == -3
    live.stream(board, images.noise(1000))
    assert status("stream", position=0) == -3
    board.detect(images.noise(100))  # takes the stream
    assert status("stream", position=1000) == -3
    assert status("features", position=5) == -3


def test_a_lost_reply_starts_the_recording_again(board):
    detector, pcm = DetectorSettings.from_settings(images.METADATA), mix(2, 3)
    lose, request, count = {5}, board.request, iter(range(1000))

    def spoilt(name, *arguments, **fields):
        reply = request(name, *arguments, **fields)
        if name == "stream" and next(count) in lose:
            raise LinkTimeout("lost")
        return reply

    board.request = spoilt
    assert live.hear(board, pcm, detector.class_names, detector.crc) == on_host(pcm, detector)
    assert next(count) == 6 + 2 * 8
