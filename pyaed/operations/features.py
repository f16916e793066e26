"""Sound files' features as arrays and as a picture: what a network will see of it."""

import io
import logging
from pathlib import Path

import numpy as np

from pyaed.data import list_clips, read_pcm, say_remarks
from pyaed.dsp import FeatureSpec, FrontEnd
from pyaed.dsp.tables import hz_to_mel, mel_to_hz
from pyaed.errors import UserError
from pyaed.files import atomic_path
from pyaed.progress import progress
from pyaed.text import printable

log = logging.getLogger(__name__)


def write_features(path: str | Path, spec: FeatureSpec, preprocessing: object, folder: str | Path) -> list[Path]:
    """Decode and preprocess sound files, compute their patches, write them and draw them; with progress for many files.

    Parameters
    ----------
    path : path
        wav, flac, ogg or mp3; or a folder or a pattern of such files.
    spec : FeatureSpec
    preprocessing : mapping or object
        See `pyaed.data.preprocessing_settings`.
    folder : path
        Gets ``<stem>_patches.npy``, float32 (n_patches, n_features, patch_length), and ``<stem>_features.png`` for each
        file, in subfolders as they are under `path`.

    Returns
    -------
    list of Path
        The files written; without pictures where matplotlib isn't installed.

    Raises
    ------
    UserError
        When a file can't be decoded or is too short for one patch, or when two would be written to the same place.
    """
    clips = list_clips(path)
    stems: dict[Path, Path] = {}
    for clip in clips:
        first = stems.setdefault(Path(clip.name).with_suffix(""), clip.path)
        if first != clip.path:
            raise UserError(f"{first} and {clip.path} would be written to the same files; expected names that differ")
    front_end, written = FrontEnd(spec), []
    for stem, file in progress(stems.items(), len(stems), "features", "files") if len(stems) > 1 else stems.items():
        written += _write_one(file, front_end, preprocessing, Path(folder) / stem)
    return written


def _write_one(path: Path, front_end: FrontEnd, preprocessing: object, stem: Path) -> list[Path]:
    spec = front_end.spec
    pcm, remarks = read_pcm(path, preprocessing)
    say_remarks("features", {path.name: remarks})
    frames = front_end.log_mel(pcm)
    patches = front_end.patches(frames)
    if not len(patches):
        raise UserError(
            f"{path} is too short: {len(pcm) / spec.sample_rate:.2f} s after preprocessing, and one patch needs "
            f"{spec.min_samples / spec.sample_rate:.3f} s; preprocessing.min_length repeats short clips"
        )
    array, picture = (stem.with_name(f"{stem.name}_{what}") for what in ("patches.npy", "features.png"))
    with atomic_path(array) as temporary:
        np.save(buffer := io.BytesIO(), patches, allow_pickle=False)
        temporary.write_bytes(buffer.getbuffer())
    log.info("%s: %d patches of %d x %d", array, *patches.shape)
    return [array, picture] if draw(pcm, frames, spec, path.name, picture) else [array]


def draw(pcm: np.ndarray, frames: np.ndarray, spec: FeatureSpec, title: str, path: Path) -> bool:
    """Draw waveform, features and the extent of each patch over one time axis; False where matplotlib isn't installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        log.warning("no picture %s: matplotlib is not installed (pip install 'pyaed[train]')", path)
        return False
    rate = spec.sample_rate
    hop = spec.hop_length / rate
    start = (spec.first_sample + spec.window_length / 2 - spec.hop_length / 2) / rate  # left edge of frame 0's column
    patch_starts = spec.patch_starts(len(frames))
    figure = Figure(figsize=(11, 6.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    wave, image, strip = figure.subplots(3, 1, sharex=True, height_ratios=[2, 5, 1])
    # The largest and smallest sample of each pixel column: a plot of all samples would hide short peaks.
    step = max(1, len(pcm) // 2000)
    columns = pcm[: len(pcm) // step * step].reshape(-1, step) / 32768
    wave.fill_between(np.arange(len(columns)) * step / rate, columns.min(axis=1), columns.max(axis=1), linewidth=0.5)
    wave.set_ylabel("sample")
    heading = f"{printable(title)}: {len(pcm) / rate:.2f} s, {len(frames)} frames, {len(patch_starts)} patches"
    wave.set_title(heading, fontsize=11, parse_math=False)
    values = image.imshow(
        frames.T, origin="lower", aspect="auto", interpolation="nearest", cmap="magma",
        extent=(start, start + len(frames) * hop, -0.5, spec.n_features - 0.5),
    )  # fmt: skip
    if spec.n_mfcc:
        image.set_ylabel("coefficient")
        label = "MFCC"
    else:
        limits = hz_to_mel([spec.fmin, spec.fmax], spec.htk)
        centres = mel_to_hz(np.linspace(limits[0], limits[1], spec.n_mels + 2), spec.htk)[1:-1]
        ticks = np.unique(np.linspace(0, spec.n_mels - 1, 6).astype(int))
        image.set_yticks(ticks, [f"{centres[t]:.0f}" for t in ticks])
        image.set_ylabel("mel band, Hz")
        label = "dB" if spec.to_db else "ln(mel + 1e-4)"
    figure.colorbar(values, ax=image, fraction=0.03, pad=0.01, label=label)
    # Patches overlap: their bars take turns on several lines, and a line in the picture marks where each begins.
    lines = -(-spec.patch_length // spec.patch_hop)
    for i, first in enumerate(patch_starts):
        left = start + first * hop
        image.axvline(left, color="white", linewidth=0.9, linestyle="--")
        strip.barh(i % lines, spec.patch_length * hop, left=left, height=0.8, color="C0", alpha=0.75, edgecolor="black")
        strip.text(left + spec.patch_length * hop / 2, i % lines, str(i), ha="center", va="center", fontsize=8)
    strip.set_yticks([])
    strip.set_ylabel("patches")
    strip.set_xlabel("seconds")
    strip.set_xlim(min(0, start), max(len(pcm) / rate, start + len(frames) * hop))
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
    return True
