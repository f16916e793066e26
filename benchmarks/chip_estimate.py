"""Milliseconds of one inference on the STM32U585 at 160 MHz, estimated, beside what ST publishes for the same networks.

    python benchmarks/chip_estimate.py [--mlperf FOLDER] [--fit]

The networks that ST publishes figures for are built from their topology with random weights (which change no time);
the two of MLPerf Tiny are read from FOLDER, by default PYAED_MLPERF (kws_ref_model.tflite, pretrainedResnet_quant.tflite, from
MLPerf Tiny's repository). --fit prints the constants for pyaed/measure/estimate.py. docs/benchmark.md has the model.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import types
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from engine_host import quantized, yamnet

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.cores import BARE, CORTEX_M33, c_sources, macros

from pyaed import nn, text
from pyaed.generators import own
from pyaed.measure import estimate, instruction_mix
from pyaed.measure.published import PUBLISHED_MS
from pyaed.sources import source_root

ROOT = source_root()

# What `instruction_mix.inference` calls; nothing runs it.
MAIN = """
#include "aed_engine_model.h"
static uint8_t arena[AED_ENGINE_MEMORY_SIZE] __attribute__((aligned(16)));
int main(void) {
  aed_engine engine;
  aed_engine_load(&engine, &aed_image_model, arena, sizeof arena);
  return aed_engine_profile(&engine, arena, arena, 0, 0);
}
"""
INCLUDES = ("nn_c/include", "dsp_c/include", "detector_c/include", "firmware/engine/own")


def image(model: str, folder: Path) -> Path:
    """Link engine and model for the Cortex-M33, without a board."""
    own.engine_model(nn.compile_graph(nn.read_tflite(model))).write(folder)
    (folder / "main.c").write_text(MAIN)
    board = ROOT / "firmware" / "boards" / "mps2_an505"
    elf = folder / "model.elf"
    engine = [*sorted((ROOT / "firmware/engine/own").glob("*.c")), *c_sources("nn_c", "cortex_m33")]
    subprocess.run(
        ["arm-none-eabi-gcc", *CORTEX_M33, *BARE, *macros("cortex_m33"), f"-I{folder}",
         *(f"-I{ROOT / part}" for part in INCLUDES),
         "-nostartfiles", "-static", f"-T{board / 'link.ld'}", "-Wl,--gc-sections", "-Wl,-e,main", "-o", elf,
         *sorted(folder.glob("*.c")), *engine],
        check=True,
    )  # fmt: skip
    return elf


def networks(folder: str, mlperf: Path) -> dict[str, str]:
    """Return the .tflite of each name in `PUBLISHED_MS` that can be had here."""
    from pyaed.models import build

    found = {"YAMNet-256 64x96": yamnet(folder)}
    for version in ("v1", "v2"):
        for stacks in (1, 2):
            config = types.SimpleNamespace(name="miniresnet", version=version, n_stacks=stacks)
            name = f"MiniResNet {version}, {stacks} stack{'s' * (stacks > 1)}"
            model = build(config, 10, (64, 50))
            found[name] = quantized(model, (1, 64, 50, 1), Path(folder) / f"{version}_{stacks}.tflite")
    for name, file in (("MLPerf Tiny DS-CNN", "kws_ref_model"), ("MLPerf Tiny ResNet-8", "pretrainedResnet_quant")):
        path = mlperf / f"{file}.tflite"
        if path.is_file():
            found[name] = str(path)
        else:
            print(f"left out: {name}: {path} is not there")
    return found


def main() -> None:
    """Parse the command line, print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mlperf", type=Path, default=Path(os.environ.get("PYAED_MLPERF", ".")))
    parser.add_argument("--fit", action="store_true", help="fit the constants anew")
    options = parser.parse_args()
    mixes, macs = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, model) in enumerate(networks(folder, options.mlperf).items()):
            place = Path(folder) / str(number)
            place.mkdir()
            mixes[name] = sum(
                instruction_mix.inference(instruction_mix.Tracer(image(model, place))),
                instruction_mix.Mix(np.zeros(len(instruction_mix.NAMES))),
            )
            macs[name] = nn.compile_graph(nn.read_tflite(model)).macs
    factor = estimate.fit(mixes) if options.fit else estimate.FACTOR
    rows = []
    for name, found in mixes.items():
        published = PUBLISHED_MS[name]
        others = {other: m for other, m in mixes.items() if other != name}
        value = estimate.milliseconds(found, factor)
        left_out = estimate.milliseconds(found, estimate.fit(others))
        rows.append(
            {
                "network": name,
                "MACs": macs[name],
                "instructions": found.instructions,
                "cache misses": int(found["cache misses"]),
                "cycles before factor": int(estimate.cycles(found)),
                "published ms": published,
                "estimated ms": value,
                "error": value / published - 1,
                "error left out": left_out / published - 1,
            }
        )
    formats = {"estimated ms": ".1f", "published ms": ".1f", "error": "+.1%", "error left out": "+.1%"}
    print(text.format_table(rows, formats))
    if options.fit:
        errors = [row["error left out"] for row in rows]
        print(f"FACTOR = {factor:.4f}\nERRORS = ({min(errors):.2f}, {max(errors):.2f})")
    print("error left out: of a fit without that network. Published: ST's engines on the same networks, not ours.")


if __name__ == "__main__":
    main()
