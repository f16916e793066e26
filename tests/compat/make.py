"""Small artefacts of this version, for later versions to run: python tests/compat/make.py

Run it once at each release, from the commit that is tagged; it writes ``tests/compat/<version>``. What is there stays as it
is: a test that fails on it means that a promise of docs/compatibility.md is broken.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from support import images  # noqa: E402

import pyaed  # noqa: E402
from pyaed import artefact, config, deploy, nn  # noqa: E402
from pyaed.detector import DetectorSettings, StreamFrontEnd, find_events  # noqa: E402
from pyaed.dsp import FrontEnd, feature_hash  # noqa: E402
from pyaed.dsp.identity import frontend_revision  # noqa: E402
from pyaed.link.journal import Journal  # noqa: E402
from pyaed.link.messages import protocol  # noqa: E402
from pyaed.models import predictor, save  # noqa: E402


def main() -> None:
    """Write the artefacts of the installed version."""
    folder = HERE / pyaed.__version__.partition("+")[0].partition(".dev")[0]
    folder.mkdir()
    pcm, metadata = images.noise(6000, seed=3), images.METADATA
    shutil.copy(images.tiny_model(), folder / "tiny.tflite")
    artefact.write(folder / "tiny.tflite", metadata)
    model = images.float_model()
    save(model, folder / "tiny.keras", metadata, {"epoch": 3, "history": [{"loss": 0.5}]})
    save(model, folder / "tiny.h5", metadata)
    engine, front_end = nn.Engine(folder / "tiny.tflite"), FrontEnd(metadata.features)
    log_mel = front_end.log_mel(pcm)
    patches = front_end.patches(log_mel)
    detector = DetectorSettings.from_settings(metadata)
    streamed = engine.predict(StreamFrontEnd(detector)(pcm))
    np.savez_compressed(
        folder / "vectors.npz",
        pcm=pcm,
        log_mel=log_mel,
        outputs=engine.run(patches),
        scores=np.concatenate([predictor(model)(patch[np.newaxis]) for patch in patches]),
    )
    with Journal(folder / "answers.jsonl", about(metadata, engine)) as journal:
        journal.answer("a.wav", patches[:2], lambda x: streamed[:2])
    config.write_template(folder / "pyaed.yaml")
    with tempfile.TemporaryDirectory() as sources:
        deploy.generate(folder / "tiny.tflite", metadata.features, metadata, Path(sources) / "image")
        elf = deploy.build_image(Path(sources) / "image").elf
        subprocess.run(["arm-none-eabi-strip", "-o", folder / "mps2_an505.elf", elf], check=True)
    facts = {
        "version": pyaed.__version__,
        "protocol_version": protocol().protocol_version,
        "frontend_revision": frontend_revision(),
        "metadata_format": artefact.FORMAT_VERSION,
        "features_hash": feature_hash(metadata.features),
        "features": asdict(metadata.features),
        "class_names": metadata.class_names,
        "garbage_class": metadata.garbage_class,
        "unknown_class_threshold": metadata.unknown_class_threshold,
        "settings_crc": detector.crc,
        "events": find_events(streamed, detector),
    }
    (folder / "facts.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{folder}: {sum(f.stat().st_size for f in folder.iterdir()):,} bytes")


def about(metadata: artefact.ModelMetadata, engine: nn.Engine) -> dict:
    """What a journal of a board's answers is about."""
    return {
        "model": engine.program.hash,
        "features": feature_hash(metadata.features),
        "class_names": metadata.class_names,
    }


if __name__ == "__main__":
    main()
