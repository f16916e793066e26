"""The front end's whole table: every figure beside its peer's, what was to be reached and what was aimed at.

    [CMSISDSP_ROOT=FOLDER] python benchmarks/frontend_host.py [FOLDER]

FOLDER holds clips (wav, flac, ogg, mp3) for the passes over a data set; without one, 80 ogg clips are made. The other rows
take clips of 5 s. Peers run alternately in the same process. One thread, and CPU seconds of the process, which a busy
machine changes less than wall time; wall time where threads count, and there the machine must be idle. Each ratio is the
median of the rounds' ratios, with the smallest and the largest. The last two rows are those of frontend_m33.py.
"""

import os
import platform
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import frontend_m33
import librosa
import numpy as np
import soundfile

from pyaed import text
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
ROUNDS, PASSES = 15, 3


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


def row(what: str, peer: str, goals: tuple[str, str], ours: Sequence[float], theirs: Sequence[float]) -> dict:
    """Return a line of the table: how many times faster `ours` is than `theirs`, round by round."""
    ratios = [b / a for a, b in zip(ours, theirs)]
    times = f"{1000 * statistics.median(ours):.1f} : {1000 * statistics.median(theirs):.1f}"
    return line(
        what, peer, goals, f"{statistics.median(ratios):.2f} x", f"{min(ratios):.2f} to {max(ratios):.2f}", times
    )


def line(what: str, peer: str, goals: tuple[str, str], measured: str, spread: str = "", times: str = "") -> dict:
    return {
        "what": what,
        "peer": peer,
        "reach": goals[0],
        "aim": goals[1],
        "measured": measured,
        "rounds": spread,
        "ms": times,
    }


def dsp_rows() -> list[dict]:
    rng = np.random.default_rng(0)
    clips = [(rng.normal(0, 3000, 80000) * np.linspace(0, 1, 80000)).astype(np.int16) for _ in range(8)]
    floats = [clip.astype(np.float32) / 32768 for clip in clips]
    goals = {"scalar": ("", ""), "sse2": ("7 x", "8 x"), "avx2": ("12 x", "15 x"), "avx512": ("17 x", "20 x")}
    lines = []
    for name, spec in SPECS.items():
        ends = {isa: FrontEnd(spec, isa) for isa in instruction_sets()}
        runs = [lambda end=end: [end.log_mel(clip) for clip in clips] for end in ends.values()]
        *ours, theirs = alternate(ROUNDS, *runs, lambda spec=spec: [librosa_log_mel(spec, clip) for clip in floats])
        for isa, times in zip(ends, ours):
            lines.append(row(f"{name}, DSP, {isa}", "librosa", goals[isa], times, theirs))
    front_end, many = FrontEnd(SPECS["YAMNet"]), clips * 100
    two, one = alternate(
        ROUNDS, lambda: front_end.batch(many, 2), lambda: front_end.batch(many, 1), clock=time.perf_counter
    )
    return [*lines, row("YAMNet, DSP and patches, 2 threads, wall time", "1 thread", ("1.8 x", "1.95 x"), two, one)]


def make_clips(folder: Path) -> Path:
    """Write 80 ogg clips of 5 s at 44.1 kHz, noise and tones, and return their folder."""
    rng = np.random.default_rng(1)
    t = np.arange(5 * 44100) / 44100
    for i in range(80):
        sound = 0.1 * rng.normal(size=len(t)) + 0.3 * np.sin(2 * np.pi * rng.uniform(200, 4000) * t)
        soundfile.write(folder / f"{i}.ogg", (sound * np.abs(np.sin(3 * t + i))).clip(-1, 1), 44100)
    return folder


def pass_rows(folder: Path) -> list[dict]:
    """Passes over a data set, alternated every 40 clips, so that a change of the machine's load meets all alike."""
    spec = SPECS["YAMNet"]
    paths = sorted(p for p in folder.rglob("*") if p.suffix in (".wav", ".flac", ".ogg", ".mp3"))
    groups, front_end = [paths[i : i + 40] for i in range(0, len(paths), 40)], FrontEnd(spec)
    processors = len(os.sched_getaffinity(0))
    rounds = []
    # Nothing is deleted between the rounds: ext4 makes files slowly for some seconds after others were deleted.
    with tempfile.TemporaryDirectory(prefix="pyaed-bench-") as caches:
        for i in range(PASSES + 1):
            total = np.zeros((5, 2))
            for group in groups:
                clips = [Clip(path, path.name) for path in group]
                extract = partial(extract_features, clips, front_end, PREPROCESSING)
                ours = partial(extract, Path(caches) / f"{i} one", workers=1)
                threads = partial(extract, Path(caches) / f"{i} all", workers=processors)
                theirs = partial(list, map(partial(librosa_patches, spec), group))
                same = partial(extract, workers=1, cache=False)
                total += [both_seconds(run) for run in (ours, ours, same, threads, theirs)]
            rounds.append(total)
    cpu, wall = np.array(rounds[1:]).transpose(2, 1, 0)  # the first round fills the machine's caches
    what = f"YAMNet, first pass over {len(paths)} clips"
    return [
        row(f"{what}, 1 thread, without the cache", "librosa", ("1.3 x", "1.75 x"), cpu[2], cpu[4]),
        row(f"{what}, 1 thread, filling the cache", "librosa", ("", ""), cpu[0], cpu[4]),
        row(f"{what}, the same, {processors} threads, wall time", "librosa's loop", ("", ""), wall[3], wall[4]),
        row("YAMNet, repeated pass from the cache", "first pass", ("10 x", "15 x"), cpu[1], cpu[0]),
    ]


def both_seconds(run: Callable[[], object]) -> tuple[float, float]:
    """Return the CPU time of this process and the wall time that run() takes."""
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    return time.process_time() - cpu, time.perf_counter() - wall


def board_rows() -> list[dict]:
    run, theirs = frontend_m33.rows(frontend_m33.SPECS["YAMNet"])
    peer = f"CMSIS-DSP: {theirs:,}" if theirs else "CMSIS-DSP: set CMSISDSP_ROOT"
    stream = run.stream_bytes - run.ring_bytes
    return [
        line("YAMNet, emulated Cortex-M33, instructions a frame", peer, ("32,000", "26,000"), f"{run.frame:,}"),
        line("YAMNet, RAM of a stream without its patch, bytes", "", ("8,192", "5,120"), f"{stream:,}"),
    ]


def machine() -> str:
    """Return the processor's name, how many there are and how busy they are."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    fields = dict(re.findall(r"^(model name|cpu family)\s*: (.*)$", info, re.MULTILINE))
    name = f"{fields.get('model name', platform.processor())}, family {fields.get('cpu family', '?')}"
    return f"{name}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; librosa {librosa.__version__}"


def main(folders: list[str]) -> None:
    """Print the table."""
    if os.environ.get("OMP_NUM_THREADS") != "1" or os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        # Numerical libraries read these when they are loaded.
        os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        os.execv(sys.executable, [sys.executable, *sys.argv])
    print(f"front end on {machine()}")
    lines = dsp_rows()
    with tempfile.TemporaryDirectory(prefix="pyaed-bench-") as made:
        lines += pass_rows(Path(folders[0]) if folders else make_clips(Path(made)))
    print(text.format_table(lines + board_rows()))


if __name__ == "__main__":
    main(sys.argv[1:])
