"""An installation of ST's tool with a runtime of our own in it: pyaed's engine behind ST's two C interfaces, for the tests.

Its answers are those of our engine but for the last bit of the first output where the first byte of the input is odd.
"""

import shutil
import subprocess
from pathlib import Path

from support import images, st_tool

from pyaed import nn
from pyaed.sources import source_root

HERE = Path(__file__).parent / "st_runtime"
FLAGS = (
    "-mcpu=cortex-m33",
    "-mthumb",
    "-mfpu=fpv5-sp-d16",
    "-mfloat-abi=hard",
    "-std=c11",
    "-O2",
    "-ffp-contract=off",
    "-ffunction-sections",
)


def installation(root: Path, version: str, st_ai: bool, library: bool = True, **given) -> Path:
    """Write it for the tiny model and return the tool's path."""
    program, folder = images.program(), root / "network"
    folder.mkdir(parents=True)
    _network(program, folder, st_ai)
    *_, activations = _layout(program)
    facts = {"activations": activations, "shape": program.input.shape[1:], "classes": program.output.shape[-1],
             "quantization": (program.input.scale, program.input.zero_point), "answer": (program.output.scale, program.output.zero_point)}  # fmt: skip
    path = st_tool.installation(root, version, facts=facts, sources=folder, **given)
    include = root / "Middlewares/ST/AI/Inc"
    for source in (HERE / "Inc", source_root() / "nn_c/include", source_root() / "dsp_c/include"):
        for header in source.glob("*.h"):
            shutil.copy(header, include)
    if library:
        _library(root / "Middlewares/ST/AI/Lib/GCC/ARMCortexM33" / "NetworkRuntime1100_CM33_GCC.a", include)
    return path


def _layout(program):
    """Where input and output lie behind the arena, and the bytes of all."""
    input_at = (program.arena_size + 15) // 16 * 16
    output_at = input_at + (program.input.size + 15) // 16 * 16
    return input_at, output_at, output_at + (program.output.size + 15) // 16 * 16


def _network(program, folder: Path, st_ai: bool) -> None:
    """The files that ST's tool would generate: the stand-in's, with the model's tables as network_data.c."""
    for source in (HERE / ("st_ai" if st_ai else "legacy")).iterdir():
        shutil.copy(source, folder)
    shutil.copy(HERE / "stand_in.c", folder)
    nn.write_c(program, folder)
    (folder / "aed_model.c").rename(folder / "network_data.c")
    (folder / "network_data.h").write_text(
        "#ifndef NETWORK_DATA_H\n#define NETWORK_DATA_H\n#define AI_NETWORK_DATA_ACTIVATIONS_SIZE (STAND_IN_ACTIVATIONS)\n#endif\n"
    )
    input_at, output_at, activations = _layout(program)
    sizes = {
        "INPUT_AT": input_at,
        "OUTPUT_AT": output_at,
        "ACTIVATIONS": activations,
        "BYTES": program.input.size,
        "OUT_BYTES": program.output.size,
    }
    text = "".join(f"#define STAND_IN_{name} {value}\n" for name, value in sizes.items())
    (folder / ("network_details.h" if st_ai else "network_config.h")).write_text(text)


def _library(path: Path, include: Path) -> None:
    build = path.parent / "build"
    build.mkdir()
    sources = sorted((source_root() / "nn_c/src").glob("*.c"))
    subprocess.run(["arm-none-eabi-gcc", *FLAGS, f"-I{include}", "-c", *map(str, sources)], cwd=build, check=True)
    subprocess.run(
        ["arm-none-eabi-ar", "rcs", str(path), *(f"{source.stem}.o" for source in sources)], cwd=build, check=True
    )
