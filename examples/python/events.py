"""events.py MODEL.tflite FILE [KEY=VALUE]...: the events of a recording, one a line: class, onset and offset in seconds, score."""

import sys
from typing import Any

import pyaed


def find_events(model: str, recording: str, overrides: list[str]) -> list[dict[str, Any]]:
    metadata = pyaed.read_metadata(model)
    if metadata is None:
        raise pyaed.UserError(f"{model} says nothing about its features and classes: pyaed didn't make it")
    settings = pyaed.load_config(None, overrides).deployment.detector
    detector = pyaed.DetectorSettings.from_settings(metadata, settings)
    pcm = pyaed.to_pcm(pyaed.decode(recording, metadata.features.sample_rate))
    patches = pyaed.StreamFrontEnd(detector)(pcm)
    loud, _ = pyaed.loud_patches(pcm, len(patches), detector)
    scores = pyaed.Engine(model).predict(patches[loud])
    return pyaed.find_events(scores, detector, loud)


if __name__ == "__main__":
    try:
        for event in find_events(sys.argv[1], sys.argv[2], sys.argv[3:]):
            print("{class}\t{onset:.3f}\t{offset:.3f}\t{score:.6f}".format(**event))
    except pyaed.UserError as error:
        sys.exit(f"error: {error}")
