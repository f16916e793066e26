"""The engine on the emulated Cortex-M33: instructions, memory and code of one inference.

    python benchmarks/engine_m33.py [MODEL.tflite ...] [--layers] [--arena-limit BYTES] [--flag=-DAED_PORTABLE]

Without a model: YAMNet-256 with random weights. Instructions are counted by QEMU (mps2-an505, -icount) and repeat exactly;
they are no time. Every layer is compared with the host engine. `--flag` adds a compiler flag, for example -DAED_PORTABLE: the kernels without the DSP extension.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from engine_host import yamnet

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.m33_engine import CORE, FLAGS, checksum, run

from pyaed import text
from pyaed.nn import Engine, compile_graph, read_tflite
from pyaed.nn.program import ARENA_LIMIT


def main() -> None:
    """Parse the command line and print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*")
    parser.add_argument("--layers", action="store_true", help="one row per layer as well")
    parser.add_argument("--flag", action="append", default=[], help="another compiler flag")
    parser.add_argument("--arena-limit", type=int, default=ARENA_LIMIT, help="as for pyaed.nn.compile_graph")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tables(options.models or [yamnet(folder)], options)


def tables(paths: list[str], options: argparse.Namespace) -> None:
    """Print the tables of some models."""
    rows = []
    for path in paths:
        engine = Engine(compile_graph(read_tflite(path), options.arena_limit), threads=1)
        program = engine.program
        end = program.input
        x = np.random.default_rng(0).integers(-128, 128, end.shape).astype(end.dtype)
        result = run([(program, x)], tuple(options.flag))
        once = result.runs[0][0]
        layers = engine.run_layers(x[0])
        if once.checksums != [checksum(y.tobytes()) for _, y in layers]:
            raise SystemExit(f"{path}: emulated board and host differ")
        if options.layers:
            print(text.table([
                {"layer": node.name[-30:], "kernel": node.kernel, "shape": "x".join(map(str, node.output.shape)),
                 "MACs": node.macs, "instructions": n, "per MAC": n / max(1, node.macs)}
                for node, n in zip(program.nodes, once.instructions)
            ], {"per MAC": ".2f"}), end="\n\n")  # fmt: skip
        total = sum(once.instructions)
        rows.append(
            {
                "model": Path(path).stem,
                "MACs": program.macs,
                "instructions": total,
                "per MAC": total / program.macs,
                "arena bytes": program.arena_size,
                "kernel code bytes": result.code_bytes,
                "table bytes": program.weights_bytes,
            }
        )
    print(text.table(rows, {"per MAC": ".2f"}))
    print(f"arm-none-eabi-gcc {' '.join([*CORE, *FLAGS, *options.flag])}")


if __name__ == "__main__":
    main()
