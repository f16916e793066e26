"""The long run behind docs/firmware.md: does the live detector hear what the host finds, event for event?

    python tests/link/live_mix.py MODEL.tflite CSV AUDIO_FOLDER [MINUTES] [KEY=VALUE ...]

Clips of a data set in random order, each at a level of its own (0 to -30 dB) and with up to two seconds of faint noise behind it,
are streamed to the emulated board as if a microphone heard them. KEY=VALUE set keys of ``deployment.detector``. The model's
features are the defaults; its classes are the CSV's, in alphabetical order, unless the model says otherwise.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

from pyaed import artefact, deploy, nn
from pyaed.artefact import ModelMetadata
from pyaed.boards.emulator import Emulator
from pyaed.config.schema import Detector as Section
from pyaed.config.schema import Preprocessing
from pyaed.data import load_pcm, read_clips
from pyaed.detector import DetectorSettings, StreamFrontEnd, find_events, loud_patches
from pyaed.dsp import FeatureSpec
from pyaed.link import live

SEED = 2026


def mix(clips: list[Path], n_samples: int, rate: int) -> np.ndarray:
    """Return int16 samples of clips in random order."""
    rng, whole = np.random.default_rng(SEED), {**Preprocessing().model_dump(), "top_db": None}
    parts, n = [], 0
    while n < n_samples:
        clip = load_pcm(clips[int(rng.integers(len(clips)))], whole) * 10 ** (rng.uniform(-30, 0) / 20)
        parts += [clip, np.zeros(int(rng.integers(2 * rate)))]
        n += len(parts[-2]) + len(parts[-1])
    sound = np.concatenate(parts)[:n_samples]
    return np.clip(np.rint(sound + rng.normal(size=n_samples) * 3), -32768, 32767).astype(np.int16)


def main(model: str, table: str, audio: str, minutes: str = "10", *settings: str) -> None:
    clips = read_clips(audio, table)
    spec = FeatureSpec()
    names = clips.class_names
    known = artefact.read(model) or ModelMetadata(spec, {}, tuple(names))
    detector = DetectorSettings.from_settings(
        known, Section(**{k: yaml.safe_load(v) for k, v in (s.split("=") for s in settings)})
    )
    rate = known.features.sample_rate
    pcm = mix([clip.path for clip in clips], round(float(minutes) * 60 * rate), rate)
    patches = StreamFrontEnd(detector)(pcm)
    classified, _ = loud_patches(pcm, len(patches), detector)
    probabilities = nn.Engine(model).predict(patches[classified])
    expected = find_events(probabilities.reshape(len(probabilities), -1), detector, classified)
    print(
        f"{len(pcm) / rate:.0f} s, {len(patches)} patches, {classified.sum()} of them classified: {len(expected)} events",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        deploy.generate(model, known.features, known, Path(folder) / "image", detector=detector)
        image = deploy.build_image(Path(folder) / "image")
        start = time.monotonic()
        with Emulator(image.elf) as emulator, emulator.connect() as board:
            found = live.hear(board, pcm, known.class_names, detector.crc)
            counters = board.device_counters()
    print(
        f"the emulated board took {time.monotonic() - start:.0f} s and detected {len(found)} events; stack {counters['stack_used']}"
    )
    different = [(a, b) for a, b in zip(expected, found) if a != b]
    if different or len(expected) != len(found):
        raise SystemExit(f"NOT equal: {different[:3] or 'another number of events'}")
    print("equal, event for event")


if __name__ == "__main__":
    main(*sys.argv[1:])
