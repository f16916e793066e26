"""The front end alone on the emulated Cortex-M33: a bare image without model and link."""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyaed.dsp import FeatureSpec, write_c
from pyaed.sources import source_root

CORE = ["-mcpu=cortex-m33", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"]
FLAGS = ["-O2", "-std=c11", "-ffp-contract=off", "-fno-math-errno", "-ffunction-sections", "-fdata-sections"]
TICK = 50 / 64  # instructions a tick of the board's counter takes


@dataclass(frozen=True)
class Run:
    """What one run gave.

    Attributes
    ----------
    log_mel : float32 array (n_frames, n_features)
    frame, spectrum, mel : int
        Emulated instructions of one frame with its buffering, and of its two parts.
    stream_bytes, ring_bytes : int
        RAM of a streaming instance, and the part of it that is the ring of one patch.
    """

    log_mel: np.ndarray
    frame: int
    spectrum: int
    mel: int
    stream_bytes: int
    ring_bytes: int


def run(spec: FeatureSpec, pcm: np.ndarray, flags: tuple[str, ...] = ()) -> Run:
    """Stream int16 samples through the front end on the emulated board, one hop at a time."""
    root = source_root()
    board = root / "firmware" / "boards" / "mps2_an505"
    with tempfile.TemporaryDirectory(prefix="pyaed-m33-") as name:
        folder = Path(name)
        write_c(spec, folder)
        values = ", ".join(map(str, pcm.tolist()))
        (folder / "samples.h").write_text(
            f"#define N_SAMPLES {len(pcm)}u\nstatic const int16_t samples[] = {{{values}}};\n"
        )
        sources = [folder / "aed_features.c", root / "dsp_c" / "tests" / "m33_frontend.c"]
        sources += sorted((root / "dsp_c" / "src").glob("*.c")) + sorted(board.glob("*.c"))
        includes = [f"-I{p}" for p in (folder, root / "dsp_c" / "include", board.parent)]
        elf, out = folder / "m33.elf", folder / "out"
        subprocess.run(
            ["arm-none-eabi-gcc", *CORE, *FLAGS, *flags, *includes, "-nostartfiles", "-static", f"-T{board / 'link.ld'}",
             "-Wl,--gc-sections", "-o", elf, *sources],
            check=True,
        )  # fmt: skip
        subprocess.run(
            ["qemu-system-arm", "-M", "mps2-an505", "-cpu", "cortex-m33", "-display", "none", "-monitor", "none",
             "-serial", f"file:{out}", "-semihosting-config", "enable=on,target=native", "-icount", "shift=6,sleep=off",
             "-kernel", elf],
            check=True, timeout=300,
        )  # fmt: skip
        data = out.read_bytes()
    frame, spectrum, mel, stream_bytes = np.frombuffer(data[-16:], np.uint32).tolist()
    log_mel = np.frombuffer(data[:-16], np.float32).reshape(-1, spec.n_features)
    counts = [round(ticks * TICK) for ticks in (frame, spectrum, mel)]
    return Run(log_mel, *counts, stream_bytes, 4 * spec.n_features * spec.patch_length)
