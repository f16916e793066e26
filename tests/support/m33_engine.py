"""The engine alone on the emulated Cortex-M33: a bare image that holds some models and their inputs."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from support.cores import BARE, CORTEX_M33, c_sources, macros

from pyaed.nn import Program, write_c
from pyaed.sources import source_root

TICK = 50 / 64  # instructions a tick of the board's counter takes


@dataclass(frozen=True)
class Run:
    """One inference.

    Attributes
    ----------
    output : array in the model's output dtype and shape
    checksums : list of int
        FNV-1a of the bytes of each node's output, as `checksum` computes it.
    instructions : list of int
        Emulated instructions of each node.
    """

    output: np.ndarray
    checksums: list[int]
    instructions: list[int]


@dataclass(frozen=True)
class Result:
    """What an image gave: the runs of each model, and the bytes of code without board and main program."""

    runs: list[list[Run]]
    code_bytes: int


def checksum(data: bytes) -> int:
    """FNV-1a, 32 bits."""
    value = 2166136261
    for byte in data:
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def run(jobs: list[tuple[Program, np.ndarray]], flags: tuple[str, ...] = ()) -> Result:
    """Run each program on its inputs ([N, ...] in the program's input dtype) on the emulated board."""
    root = source_root()
    board = root / "firmware" / "boards" / "mps2_an505"
    with tempfile.TemporaryDirectory(prefix="pyaed-m33-") as name:
        folder = Path(name)
        lines = ['#include "aed_nn.h"']
        table = []
        for number, (program, inputs) in enumerate(jobs):
            write_c(program, folder, f"net{number}")
            sizes = [node.output.size * np.dtype(node.output.dtype).itemsize for node in program.nodes]
            offsets = [node.output.offset for node in program.nodes]
            data = np.ascontiguousarray(inputs).view(np.uint8).reshape(-1)
            lines += [
                f'#include "net{number}.h"',
                f"static const uint32_t offsets{number}[] = {_list(offsets)};",
                f"static const uint32_t sizes{number}[] = {_list(sizes)};",
                f"static const _Alignas(16) uint8_t inputs{number}[] = {_list(data.tolist())};",
            ]
            size = program.output.size * np.dtype(program.output.dtype).itemsize
            table.append(
                f"{{&net{number}, offsets{number}, sizes{number}, inputs{number}, {len(inputs)}, "
                f"{data.size // len(inputs)}, {size}}}"
            )
        lines += [
            "typedef struct { const aed_nn_model *model; const uint32_t *offsets, *sizes; const uint8_t *inputs;",
            "uint32_t n_inputs, input_size, output_size; } model_entry;",
            f"static const model_entry models[] = {{{', '.join(table)}}};",
            f"#define N_MODELS {len(jobs)}u",
            f"#define ARENA_SIZE {max(p.arena_size for p, _ in jobs)}",
            f"#define OUTPUT_SIZE {max(8 * p.output.size for p, _ in jobs)}",
            f"#define MAX_NODES {max(len(p.nodes) for p, _ in jobs)}",
        ]
        (folder / "models.h").write_text("\n".join(lines) + "\n")
        sources = [*sorted(folder.glob("net*.c")), root / "nn_c" / "tests" / "m33_engine.c"]
        sources += c_sources("nn_c", "cortex_m33") + sorted(board.glob("*.c"))
        sources += sorted((board.parent / "common").glob("*.c"))
        includes = [
            folder,
            root / "nn_c" / "include",
            root / "dsp_c" / "include",
            board.parent,
            board.parent / "common",
        ]
        elf, out = folder / "m33.elf", folder / "out"
        execute(sources, includes, elf, out, flags)
        code = _output("arm-none-eabi-size", "-A", elf)
        total = int(re.search(r"^\.text\s+(\d+)", code, re.MULTILINE)[1])
        symbols = _output("arm-none-eabi-nm", "--print-size", "--line-numbers", elf)
        others = re.findall(r"^\w+ (\w+) [tT] \S+\t\S*(?:firmware/boards|m33_engine\.c)", symbols, re.MULTILINE)
        total -= sum(int(size, 16) for size in others)
        return Result(_parse(jobs, out.read_bytes()), total)


def execute(sources: list, includes: list, elf: Path, out: Path, flags: tuple[str, ...] = ()) -> None:
    """Build a bare image and run it; what it sends ends up in `out`. Its exit code has to be 0."""
    board = source_root() / "firmware" / "boards" / "mps2_an505"
    subprocess.run(
        ["arm-none-eabi-gcc", *CORTEX_M33, *BARE, *macros("cortex_m33"), *flags, *(f"-I{p}" for p in includes),
         "-nostartfiles", "-static", f"-T{board / 'link.ld'}", "-g", "-Wl,--gc-sections", "-o", elf, *sources],
        check=True,
    )  # fmt: skip
    subprocess.run(
        ["qemu-system-arm", "-M", "mps2-an505", "-cpu", "cortex-m33", "-display", "none", "-monitor", "none",
         "-serial", f"file:{out}", "-semihosting-config", "enable=on,target=native", "-icount", "shift=6,sleep=off",
         "-kernel", elf],
        check=True, timeout=300,
    )  # fmt: skip


def _output(*command) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _list(values) -> str:
    return "{" + ", ".join(map(str, values)) + "}"


def _parse(jobs: list[tuple[Program, np.ndarray]], data: bytes) -> list[list[Run]]:
    result, at = [], 0
    for program, inputs in jobs:
        runs = []
        for _ in inputs:
            size = program.output.size * np.dtype(program.output.dtype).itemsize
            output = np.frombuffer(data[at : at + size], program.output.dtype).reshape(program.output.shape)
            at += size
            records = np.frombuffer(data[at : at + 8 * len(program.nodes)], np.uint32).reshape(-1, 2)
            at += records.nbytes
            runs.append(Run(output, records[:, 0].tolist(), [round(t * TICK) for t in records[:, 1].tolist()]))
        result.append(runs)
    assert at == len(data)
    return result
