"""Peak memory of reading, training, evaluating and quantizing, by the number of clips.

    python benchmarks/memory.py            # 1,000 and 4,000 clips, half a minute
    python benchmarks/memory.py 50000      # needs 10 GB of disk for a while

Clips of a quarter of a second are repeated to five seconds, so that each has six patches of 64 x 96 (24 KiB). The
network is small: what is measured is the road of the data, one epoch with its validation, and every size in a process
of its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from pyaed import text
from pyaed.progress import progress

RATE, SECONDS, CLASSES = 16000, 5.0, 10


def write_set(folder: Path, n_clips: int) -> None:
    (folder / "audio").mkdir()
    rng = np.random.default_rng(0)
    lines = ["filename,category"]
    for i in progress(range(n_clips), label="writing", unit="clips"):
        pcm = rng.normal(0, 500 * (1 + i % CLASSES), RATE // 4).astype("<i2")
        with wave.open(str(folder / f"audio/{i}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(pcm.tobytes())
        lines.append(f"{i}.wav,class_{i % CLASSES}")
    (folder / "set.csv").write_text("\n".join(lines) + "\n")


def measure(folder: Path) -> dict:
    """Go the whole road once and return the peaks on the way."""
    from pyaed import data, evaluation, quantization, training
    from pyaed.artefact import ModelMetadata
    from pyaed.dsp import FeatureSpec, FrontEnd
    from pyaed.models.keras import import_keras

    started = time.monotonic()
    keras, spec, preprocessing = import_keras(), FeatureSpec(), {"min_length": SECONDS}
    layers = keras.layers
    inputs = keras.Input((*spec.patch_shape, 1))
    x = layers.ReLU()(layers.Conv2D(8, 8, strides=8)(inputs))
    outputs = layers.Dense(CLASSES, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, outputs)
    row = {"MiB to start with": peak()}
    dataset = {
        "name": "custom", "training_audio_path": folder / "audio", "training_csv_path": folder / "set.csv",
        "split_by": "random", "validation_split": 0.2, "quantization_split": 0.01,
    }  # fmt: skip
    sets = data.read_sets(dataset)

    def features(clips: data.ClipSet) -> data.PatchSet:
        return data.extract_features(clips, FrontEnd(spec), preprocessing, cache=False)

    train, validation = features(sets.training), features(sets.validation)
    row |= {
        "clips": len(sets.training) + len(sets.validation),
        "patches": len(train) + len(validation),
        "GiB of features": (len(train) + len(validation)) * np.prod(spec.patch_shape) * 4 / 2**30,
        "MiB features": peak(),
    }
    names = sets.class_names
    metadata = ModelMetadata(features=spec, preprocessing=preprocessing, class_names=names)
    settings = training.TrainingSettings(batch_size=32, epochs=1, seed=1)
    result = training.train(model, train, validation, settings, metadata, folder / "run")
    row["MiB training"] = peak()
    evaluation.evaluate(evaluation.keras_predictor(result.model), validation, names, None, "float", batch_size=32)
    few = features(sets.quantization).patches
    quantization.quantize(result.model, few, SimpleNamespace(), metadata, folder / "run/model.tflite")
    return {**row, "MiB in all": peak(), "seconds": time.monotonic() - started}


def peak() -> float:
    """The largest resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=int, nargs="*", default=[1000, 4000])
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    rows = []
    for n_clips in options.clips:
        with tempfile.TemporaryDirectory() as name:
            write_set(Path(name), n_clips)
            command = [sys.executable, __file__, "--measure", name]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    order = ["clips", "patches", *(key for key in rows[0] if key not in ("clips", "patches"))]
    print(
        text.format_table(
            [{key: row[key] for key in order} for row in rows],
            dict.fromkeys(order[2:], ".0f") | {"GiB of features": ".2f"},
        )
    )
    if len(rows) > 1:
        first, last = rows[0], rows[-1]
        for key in ("MiB features", "MiB in all"):
            each = (last[key] - first[key]) * 1024 / (last["clips"] - first["clips"])
            print(f"{key}: {each:.2f} KiB more for every clip more")


if __name__ == "__main__":
    main()
