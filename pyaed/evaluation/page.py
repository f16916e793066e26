"""One self-contained HTML page of a run: what was done, how good it is, where it is wrong."""

import base64
import io
import os
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from pyaed.files import write_text

CALIBRATION_BINS = 10


def calibration(report: Any) -> dict[str, Any]:
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


def write_page(
    path: str | os.PathLike[str],
    title: str,
    facts: Mapping[str, Any],
    reports: Sequence[Any],
    curves: Path | None,
    worst: Sequence[Mapping[str, Any]],
    footprint: Sequence[Mapping[str, Any]],
    configuration: str,
    notes: Sequence[str] = (),
    counts: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write the page; pictures and sounds are inside the file, nothing is loaded from elsewhere.

    Parameters
    ----------
    path : path
        HTML file.
    title : str
    facts : mapping
        Short lines at the top.
    reports : sequence of Report
    curves : Path or None
        PNG of the training curves.
    worst : sequence of mappings
        Wrongly decided clips: `file`, `truth`, `decision`, `score`, `pcm` (int16), `rate`, `log_mel` (n_frames, n_mels).
    footprint : sequence of mappings
        Rows of the image's size table.
    configuration : str
        YAML text.
    notes : sequence of str
    counts : sequence of mappings
        Rows of the table of clips: `class`, and the number of clips in every set.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    sections = [
        {
            "report": report,
            "calibration": calibration(report),
            "confusion": next(
                (_uri(f.read_bytes(), "image/png") for f in report.files if f.name.endswith("confusion_clip.png")), None
            ),
        }
        for report in reports
    ]
    errors = [
        {**{key: item[key] for key in ("file", "truth", "decision", "score")},
         "sound": _uri(_wav(item["pcm"], item["rate"]), "audio/wav"),
         "picture": _uri(picture, "image/png") if (picture := _spectrogram(item["log_mel"])) else None}
        for item in worst
    ]  # fmt: skip
    page = environment.get_template("page.html.j2").render(
        title=title,
        facts=facts,
        sections=sections,
        curves=_uri(curves.read_bytes(), "image/png") if curves and curves.is_file() else None,
        worst=errors,
        footprint=footprint,
        configuration=configuration,
        notes=notes,
        counts=counts,
    )
    return write_text(path, page)


def _uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _wav(pcm: np.ndarray, rate: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.asarray(pcm).astype("<i2").tobytes())
    return buffer.getvalue()


def _spectrogram(log_mel: np.ndarray) -> bytes | None:
    try:
        from matplotlib import colormaps, image
    except ImportError:
        return None
    low, high = float(log_mel.min()), float(log_mel.max())
    shade = (log_mel.T[::-1] - low) / max(high - low, 1e-9)
    buffer = io.BytesIO()
    image.imsave(buffer, colormaps["magma"](shade), format="png")
    return buffer.getvalue()
