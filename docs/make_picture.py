"""Draw docs/demo.png from the folder of a finished `pyaed demo`: python docs/make_picture.py pyaed_demo"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from pyaed import artefact, data
from pyaed.dsp import FrontEnd
from pyaed.nn import Engine


def main(folder: str) -> None:
    run = Path(folder) / "run"
    model = run / "quantized_models" / "quantized_model.tflite"
    carried = artefact.read(model)
    spec, names = carried.features, carried.class_names
    table = Path(folder) / "dataset" / "meta" / "synthetic.csv"
    clips = [c for c in data.read_clips(table.parent.parent / "audio", table) if c.fold == 5]
    front_end, engine = FrontEnd(spec), Engine(model)
    pcms = {}
    for name in ("alarm", "knocks", "siren"):
        clip = max((c for c in clips if c.category == name), key=lambda c: c.path.stat().st_size)
        pcms[name] = data.load_pcm(clip.path, carried.preprocessing)
    sound = np.concatenate(list(pcms.values()))
    log_mel = front_end.log_mel(sound)
    starts = spec.patch_starts(len(log_mel))
    probabilities = engine.predict(front_end.patches(log_mel))
    seconds = spec.hop_length / spec.sample_rate

    figure = plt.figure(figsize=(13, 7.2), constrained_layout=True)
    grid = figure.add_gridspec(3, 2, width_ratios=[1.7, 1], height_ratios=[1, 2, 2])
    end = len(log_mel) * seconds
    top, mel, prob = (figure.add_subplot(grid[i, 0]) for i in range(3))
    top.plot(np.arange(len(sound)) / spec.sample_rate, sound / 32768, lw=0.4, color="#34607f")
    top.set(title="three test clips one after another: alarm, knocks, siren", xlim=(0, end), ylabel="sample")
    mel.imshow(log_mel.T, origin="lower", aspect="auto", extent=(0, end, 0, spec.n_mels), cmap="magma")
    for start in starts:
        mel.axvline(start * seconds, color="white", lw=0.5, alpha=0.5)
    mel.set(ylabel="mel band", title="log-mel from dsp_c: the same bits on host and chip (lines: patches begin)")
    centres = (np.array(starts) + spec.patch_length / 2) * seconds
    for i, name in enumerate(names):
        if probabilities[:, i].max() > 0.5:
            prob.plot(centres, probabilities[:, i], "o-", ms=3, label=name)
    prob.set(
        xlim=(0, end), ylim=(-0.05, 1.05), xlabel="time in s", ylabel="probability", title="int8 engine, patch by patch"
    )
    prob.legend(loc="center right", fontsize=8)

    report = json.loads((run / "evaluation" / "int8_engine_report.json").read_text())
    matrix = np.array(report["clip_confusion"])
    confusion = figure.add_subplot(grid[0:2, 1])
    confusion.imshow(matrix, cmap="Blues")
    confusion.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
    confusion.set_yticks(range(len(names)), names, fontsize=8)
    for y, x in np.argwhere(matrix):
        confusion.text(x, y, matrix[y, x], ha="center", va="center", color="white" if matrix[y, x] > 2 else "black")
    confusion.set_title(f"int8 clip accuracy {100 * report['clip_accuracy']['value']:.1f} % on the unseen fold")

    benchmark = json.loads((run / "benchmark.json").read_text())
    rows = [r for r in benchmark["rows"] if r["stage"] == "node" and r["share"] > 0.005]
    bars = figure.add_subplot(grid[2, 1])
    bars.barh([f"{i} {r['kind'].lower()}" for i, r in enumerate(rows)], [r["instructions"] / 1e6 for r in rows])
    bars.invert_yaxis()
    bars.tick_params(axis="y", labelsize=7)
    total = next(r for r in benchmark["rows"] if r["stage"] == "inference")["instructions"]
    bars.set(
        xlabel="million instructions on the emulated Cortex-M33", title=f"layers of one inference: {total / 1e6:.1f} M"
    )
    figure.savefig(Path(__file__).with_name("demo.png"), dpi=90)


if __name__ == "__main__":
    main(*sys.argv[1:])
