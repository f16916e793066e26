"""The engine on the emulated Cortex-M33: instructions, memory and code of one inference, beside what was aimed at.

    python benchmarks/engine_m33.py [MODEL.tflite ...] [--layers] [--pictures FOLDER] [--arena-limit BYTES]
                                    [--flag=-DAED_PORTABLE]

Without a model: the published YAMNet-256 of the folder PYAED_PRETRAINED, or else one of the same layers with random weights.
Instructions are counted by QEMU (mps2-an505, -icount) and repeat exactly; they are no time. Every layer is compared with
the host engine. `--layers` prints one row per layer, `--pictures` draws plan and layers, `--flag` adds a compiler flag, for
example -DAED_PORTABLE: the kernels without the DSP extension.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from engine_host import yamnet

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.cores import BARE, CORTEX_M33
from support.m33_engine import checksum, run

from pyaed import text
from pyaed.files import write_text
from pyaed.nn import Engine, compile_graph, read_model, write_plan
from pyaed.nn.pictures import profile_svg
from pyaed.nn.program import ARENA_LIMIT

#: What YAMNet-256 should reach: CMSIS-NN 7 measured as we are, ST's figures published for a B-U585I-IOT02A.
GOALS = (
    ("instructions an inference", "CMSIS-NN 57.0 M, ST about 45 M cycles", "28 M", "22 M", "instructions"),
    ("RAM, activations and scratch", "ST 109.57 KiB, CMSIS-NN 144 KiB", "100 KiB", "56 KiB", "arena bytes"),
    ("code of kernels used", "CMSIS-NN 19.7 KB, ST 31 to 58 KiB", "20 KB", "14 KB", "kernel code bytes"),
    ("weights and tables in flash", "ST 135.9 KiB", "155 KiB", "140 KiB", "table bytes"),
)
LIMITS = (ARENA_LIMIT, 64 * 1024, 100 * 1024)


def main() -> None:
    """Parse the command line and print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*")
    parser.add_argument("--layers", action="store_true", help="one row per layer as well")
    parser.add_argument("--pictures", help="folder for plan.svg, plan.txt and profile.svg of the last model")
    parser.add_argument("--flag", action="append", default=[], help="another compiler flag")
    parser.add_argument("--arena-limit", type=int, default=ARENA_LIMIT, help="as for pyaed.nn.compile_graph")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.models:
            rows = [measure(path, options.arena_limit, options) for path in options.models]
            print(text.format_table(rows, {"per MAC": ".2f"}))
        else:
            goals(published() or yamnet(folder), options)
    print(f"arm-none-eabi-gcc {' '.join([*CORTEX_M33, *BARE, *options.flag])}")


def published() -> str | None:
    """Return the published YAMNet-256 where PYAED_PRETRAINED has it."""
    path = Path(os.environ.get("PYAED_PRETRAINED", ".")) / "yamnet_256_64x96_tl_int8.tflite"
    return str(path) if path.is_file() else None


def goals(path: str, options: argparse.Namespace) -> None:
    """Print every row of the goals beside the measured figures, for several limits of the arena."""
    rows = [measure(path, limit, options) for limit in LIMITS]
    print(text.format_table(rows, {"per MAC": ".2f"}), end="\n\n")
    table = []
    for what, peer, reach, aim, column in GOALS:
        row = {"what": what, "peer": peer, "reach": reach, "aim": aim}
        table.append(row | {f"arena limit {limit // 1024} KiB": r[column] for limit, r in zip(LIMITS, rows)})
    print(text.format_table(table))


def measure(path: str, limit: int, options: argparse.Namespace) -> dict:
    """Return the figures of one model; print its layers where that is asked for."""
    engine = Engine(compile_graph(read_model(path), limit), workers=1)
    program = engine.program
    end = program.input
    x = np.random.default_rng(0).integers(-128, 128, end.shape).astype(end.dtype)
    result = run([(program, x)], tuple(options.flag))
    once = result.runs[0][0]
    layers = engine.run_layers(x[0])
    if once.checksums != [checksum(y.tobytes()) for _, y in layers]:
        raise SystemExit(f"{path}: emulated board and host differ")
    counts, total = once.instructions, sum(once.instructions)
    if options.layers:
        print(text.format_table([
            {"layer": node.name[-30:], "kernel": node.kernel, "shape": "x".join(map(str, node.output.shape)),
             "MACs": node.macs, "instructions": n, "share": n / total, "per MAC": n / node.macs if node.macs else None}
            for node, n in zip(program.nodes, counts)
        ], {"share": ".1%", "per MAC": ".2f"}), end="\n\n")  # fmt: skip
    if options.pictures:
        write_plan(program, options.pictures)
        bars = [(node.name[-44:], n, n / node.macs if node.macs else None) for node, n in zip(program.nodes, counts)]
        write_text(Path(options.pictures) / "profile.svg", profile_svg(program.name, bars, "instructions"))
    return {
        "model": Path(path).stem,
        "arena limit": limit,
        "MACs": program.macs,
        "instructions": total,
        "per MAC": total / program.macs,
        "arena bytes": program.arena_size,
        "kernel code bytes": result.code_bytes,
        "table bytes": program.weights_bytes,
    }


if __name__ == "__main__":
    main()
