"""One self-contained HTML page of a run: what was done, how good it is, where it is wrong."""

import base64
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np
import numpy.typing as npt

from pyaed.evaluation.report import Report
from pyaed.files import wav_bytes, write_text
from pyaed.text import printable

CALIBRATION_BINS = 10


def calibration(report: Report) -> dict[str, Any]:
    """Compare the scores of decisions with how often they are right.

    Parameters
    ----------
    report : Report
        With one label a clip: the score is the decided class's; with several: every class's score is looked at.

    Returns
    -------
    dict
        `bins`: rows with `low`, `high`, `n`, `score` (mean) and `right` (share), empty bins left out; `error`: the
        expected calibration error, the bins' mean absolute difference weighted by `n`.
    """
    if report.multi_label:
        scores, right = report.clip_scores.ravel(), report.truth.ravel()
    else:
        scores, right = report.clip_scores.max(axis=1), report.decided == report.truth
    index = np.minimum((scores * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    bins, error = [], 0.0
    for i in np.unique(index):
        own = index == i
        row = {"low": i / CALIBRATION_BINS, "high": (i + 1) / CALIBRATION_BINS, "n": int(own.sum())}
        row |= {"score": float(scores[own].mean()), "right": float(right[own].mean())}
        error += abs(row["score"] - row["right"]) * row["n"] / len(scores)
        bins.append(row)
    return {"bins": bins, "error": error}


class WrongClip(NamedTuple):
    """A wrongly decided clip: names of file, truth and decision, and what can be heard and seen.

    Attributes
    ----------
    file, truth, decision : str
    score : float
    pcm : ndarray of int16, shape (n_samples,)
    rate : int
        Hz.
    log_mel : ndarray of float32, shape (n_frames, n_mels)
    """

    file: str
    truth: str
    decision: str
    score: float
    pcm: npt.NDArray[np.int16]
    rate: int
    log_mel: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Page:
    """What stands on the page.

    Attributes
    ----------
    title : str
    facts : mapping
        Short lines at the top.
    reports : sequence of Report
    configuration : str
        YAML text.
    curves : Path, optional
        PNG of the training curves.
    worst : sequence of WrongClip
    footprint : sequence of mappings
        Rows of the image's size table.
    engines : mapping
        By model: rows of what it costs, engine by engine.
    notes : sequence of str
    counts : sequence of mappings
        Rows of the table of clips: `class`, and the number of clips in every set.
    """

    title: str
    facts: Mapping[str, object]
    reports: Sequence[Report]
    configuration: str
    curves: Path | None = None
    worst: Sequence[WrongClip] = ()
    footprint: Sequence[Mapping[str, object]] = ()
    engines: Mapping[str, Sequence[Mapping[str, object]]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    counts: Sequence[Mapping[str, object]] = ()


def write_page(path: str | os.PathLike[str], page: Page) -> Path:
    """Write the page as HTML; pictures and sounds are inside the file, nothing is loaded from elsewhere."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
        finalize=lambda value: printable(value, "\n\t") if type(value) is str else value,
    )  # fmt: skip
    sections = [
        {
            "report": report,
            "calibration": calibration(report),
            "confusion": next(
                (_uri(f.read_bytes(), "image/png") for f in report.files if f.name.endswith("confusion_clip.png")), None
            ),
        }
        for report in page.reports
    ]
    errors = [
        {
            "clip": clip,
            "sound": _uri(wav_bytes(clip.pcm, clip.rate), "audio/wav"),
            "picture": _uri(picture, "image/png") if (picture := _spectrogram(clip.log_mel)) else None,
        }
        for clip in page.worst
    ]
    curves = page.curves
    html = environment.get_template("page.html.j2").render(
        page=page,
        sections=sections,
        curves=_uri(curves.read_bytes(), "image/png") if curves and curves.is_file() else None,
        worst=errors,
    )
    return write_text(path, html)


def _uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _spectrogram(log_mel: npt.NDArray[np.float32]) -> bytes | None:
    try:
        from matplotlib import colormaps, image
    except ImportError:
        return None
    low, high = float(log_mel.min()), float(log_mel.max())
    shade = (log_mel.T[::-1] - low) / max(high - low, 1e-9)
    buffer = io.BytesIO()
    image.imsave(buffer, colormaps["magma"](shade), format="png")
    return buffer.getvalue()
