"""Time of the front end on this machine, alternated with librosa in one run.

    python benchmarks/frontend_host.py [FOLDER]

FOLDER holds clips (wav, flac, ogg, mp3) for the passes over a data set; without one, 80 ogg clips are made. The other rows
take eight clips of 5 s. One thread, and CPU seconds of this process, which a busy machine changes less than wall time;
wall time where threads are compared. Each figure is the median of alternated rounds, a ratio the median of the rounds'
ratios, with the smallest and the largest.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import soundfile

from pyaed.data import Clip, extract_features
from pyaed.dsp import FeatureSpec, FrontEnd
from pyaed.dsp.frontend import instruction_sets

SPECS = {
    "YAMNet": FeatureSpec(),
    "MiniResNet": FeatureSpec(
        n_fft=1024, window_length=1024, hop_length=320, center=True, power=2.0, fmin=20, norm="slaney", htk=False,
        to_db=True, db_reference="max", patch_length=50,
    ),
}  # fmt: skip
PREPROCESSING = {
    "target_rate": 16000, "min_length": 1, "max_length": 10, "top_db": 60, "frame_length": 3200, "hop_length": 3200,
    "trim_last_second": False, "lengthen": "after",
}  # fmt: skip
ROUNDS = 15


def seconds(run: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    start = clock()
    run()
    return clock() - start


def alternate(rounds: int, *runs: Callable[[], object], clock=time.process_time) -> list[list[float]]:
    """Return the seconds of each of `runs` in every round, after one round that doesn't count."""
    for run in runs:
        run()
    return [list(times) for times in zip(*([seconds(run, clock) for run in runs] for _ in range(rounds)))]


def librosa_log_mel(spec: FeatureSpec, audio: np.ndarray) -> np.ndarray:
    mel = librosa.feature.melspectrogram(
        y=audio, sr=spec.sample_rate, n_fft=spec.n_fft, hop_length=spec.hop_length, win_length=spec.window_length,
        window=spec.window, center=spec.center, pad_mode=spec.pad_mode, power=spec.power, n_mels=spec.n_mels,
        fmin=spec.fmin, fmax=spec.fmax, htk=spec.htk, norm=spec.norm,
    )  # fmt: skip
    return librosa.power_to_db(mel, ref=np.max) if spec.to_db else np.log(mel + 1e-4)


def librosa_patches(spec: FeatureSpec, path: Path) -> np.ndarray:
    """The work of a first pass in librosa's words: load, resample, drop silence, lengthen, log-mel, patches."""
    audio, rate = librosa.load(path, sr=spec.sample_rate, duration=PREPROCESSING["max_length"])
    intervals = librosa.effects.split(
        audio, top_db=PREPROCESSING["top_db"], frame_length=PREPROCESSING["frame_length"],
        hop_length=PREPROCESSING["hop_length"],
    )  # fmt: skip
    audio = np.concatenate([audio[begin:end] for begin, end in intervals])
    if len(audio) < rate * PREPROCESSING["min_length"]:
        audio = np.resize(audio, rate * PREPROCESSING["min_length"])
    log_mel = librosa_log_mel(spec, audio)
    length = spec.patch_length
    starts = range(0, log_mel.shape[1] - length + 1, spec.patch_hop)
    return np.array([log_mel[:, start : start + length] for start in starts])


def print_row(what: str, ours: list[float], theirs: list[float], unit: float, name: str) -> None:
    ratios = [b / a for a, b in zip(ours, theirs)]
    print(
        f"{what:<52} {statistics.median(ours) / unit:10.3f} {statistics.median(theirs) / unit:10.3f} {name:<4}"
        f"{statistics.median(ratios):8.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )


def dsp_rows() -> None:
    rng = np.random.default_rng(0)
    clips = [(rng.normal(0, 3000, 80000) * np.linspace(0, 1, 80000)).astype(np.int16) for _ in range(8)]
    floats = [clip.astype(np.float32) / 32768 for clip in clips]
    for name, spec in SPECS.items():
        ends = {isa: FrontEnd(spec, isa) for isa in instruction_sets()}
        runs = [lambda end=end: [end.log_mel(clip) for clip in clips] for end in ends.values()]
        *ours, theirs = alternate(ROUNDS, *runs, lambda spec=spec: [librosa_log_mel(spec, clip) for clip in floats])
        for isa, times in zip(ends, ours):
            print_row(f"{name}: DSP, {isa}, against librosa", times, theirs, 1e-3, "ms")
    front_end, many = FrontEnd(SPECS["YAMNet"]), clips * 20
    two, one = alternate(
        ROUNDS, lambda: front_end.batch(many, 2), lambda: front_end.batch(many, 1), clock=time.perf_counter
    )
    print_row("YAMNet: DSP and patches, 2 threads against 1", two, one, 1e-3, "ms")


def make_clips(folder: Path) -> Path:
    """Write 80 ogg clips of 5 s at 44.1 kHz, noise and tones, and return their folder."""
    rng = np.random.default_rng(1)
    t = np.arange(5 * 44100) / 44100
    for i in range(80):
        sound = 0.1 * rng.normal(size=len(t)) + 0.3 * np.sin(2 * np.pi * rng.uniform(200, 4000) * t)
        soundfile.write(folder / f"{i}.ogg", (sound * np.abs(np.sin(3 * t + i))).clip(-1, 1), 44100)
    return folder


def pass_rows(folder: Path) -> None:
    """Passes over a data set, alternated every 40 clips, so that a change of the machine's load meets all alike."""
    spec = SPECS["YAMNet"]
    paths = sorted(p for p in folder.rglob("*") if p.suffix in (".wav", ".flac", ".ogg", ".mp3"))
    groups, front_end = [paths[i : i + 40] for i in range(0, len(paths), 40)], FrontEnd(spec)
    totals = []
    for _ in range(4):
        with tempfile.TemporaryDirectory(prefix="pyaed-bench-") as cache:
            total = np.zeros(3)
            for group in groups:
                clips = [Clip(path, path.name) for path in group]
                ours = partial(extract_features, clips, front_end, PREPROCESSING, cache, threads=1)
                theirs = partial(list, map(partial(librosa_patches, spec), group))
                total += [seconds(ours), seconds(ours), seconds(theirs)]
        totals.append(total)
    first, again, theirs = zip(*totals[1:])  # the first round fills the machine's caches
    print_row(f"YAMNet: first pass over {len(paths)} clips, against librosa", first, theirs, 1, "s")
    print_row("YAMNet: repeated pass from the cache, against the first", again, first, 1, "s")


def main(folders: list[str]) -> None:
    if os.environ.get("OMP_NUM_THREADS") != "1" or os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        # Numerical libraries read these when they are loaded.
        os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        os.execv(sys.executable, [sys.executable, *sys.argv])
    print(f"{'':<52} {'pyaed':>10} {'other':>10} {'':<4}{'ratio':>8}")
    dsp_rows()
    with tempfile.TemporaryDirectory(prefix="pyaed-bench-") as made:
        pass_rows(Path(folders[0]) if folders else make_clips(Path(made)))


if __name__ == "__main__":
    main(sys.argv[1:])
