"""The front end alone on the emulated Cortex-M33: a bare image without model and board."""

import atexit
import functools
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from support.cores import BARE, CORTEX_M33, c_sources

from pyaed.codegen import c_float
from pyaed.dsp import FeatureSpec, write_c
from pyaed.sources import source_root

SCALE, ZERO_POINT = 0.05, 60  # of the quantized patch
TICK = 50 / 64  # instructions a tick of the board's counter takes


@dataclass(frozen=True)
class Run:
    """What one run gave.

    Attributes
    ----------
    log_mel : float32 array (n_frames, n_features)
    patch : int8 array (n_features, patch_length)
        The last `patch_length` frames (zeros where there weren't as many), quantized with `SCALE` and `ZERO_POINT`.
    quantized : int8 array, as long as `values`
    frame, spectrum, mel, quantize : int
        Emulated instructions of one frame with its buffering, of its two parts, and of taking the patch.
    stream_bytes, ring_bytes : int
        RAM of a streaming instance, and the part of it that is the ring of one patch.
    """

    log_mel: np.ndarray
    patch: np.ndarray
    quantized: np.ndarray
    frame: int
    spectrum: int
    mel: int
    quantize: int
    stream_bytes: int
    ring_bytes: int


def board() -> Path:
    return source_root() / "firmware" / "boards" / "mps2_an505"


def compiler(flags: tuple[str, ...]) -> list[str]:
    includes = [
        f"-I{folder}" for folder in (source_root() / "dsp_c" / "include", board().parent, board().parent / "common")
    ]
    return ["arm-none-eabi-gcc", *CORTEX_M33, *BARE, *flags, *includes]


@functools.cache
def objects(flags: tuple[str, ...]) -> list[Path]:
    """Compile what is the same in every image, once in a test run."""
    folder = Path(tempfile.mkdtemp(prefix="pyaed-m33-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    sources = [
        *c_sources("dsp_c"),
        *board().glob("*.c"),
        *board().parent.glob("common/*.c"),
    ]
    subprocess.run([*compiler(flags), "-c", *sources], check=True, cwd=folder)
    return sorted(folder.glob("*.o"))


def image(folder: Path, sources: list[Path], flags: tuple[str, ...] = ()) -> bytes:
    """Build `sources` with the front end and the board in `folder`, run the image and return what it sent."""
    elf, out = folder / "m33.elf", folder / "out"
    subprocess.run(
        [*compiler(flags), f"-I{folder}", "-nostartfiles", "-static", f"-T{board() / 'link.ld'}", "-Wl,--gc-sections",
         "-o", elf, *sources, *objects(flags), "-lm"],
        check=True,
    )  # fmt: skip
    subprocess.run(
        ["qemu-system-arm", "-M", "mps2-an505", "-cpu", "cortex-m33", "-display", "none", "-monitor", "none",
         "-serial", f"file:{out}", "-semihosting-config", "enable=on,target=native", "-icount", "shift=6,sleep=off",
         "-kernel", elf],
        check=True, timeout=300,
    )  # fmt: skip
    return out.read_bytes()


def write_given(folder: Path, pcm: np.ndarray, values: tuple[float, ...] = (0.0,)) -> None:
    """Write what an image works on as ``given.h``."""
    bits = np.array(values, np.float32).view(np.uint32).tolist()
    (folder / "given.h").write_text(
        f"#define N_SAMPLES {len(pcm)}u\n#define N_VALUES {len(bits)}u\n"
        f"#define SCALE {c_float(SCALE)}\n#define ZERO_POINT {ZERO_POINT}\n"
        f"static const int16_t samples[] = {{{', '.join(map(str, pcm.tolist()))}}};\n"
        f"static const union {{ uint32_t bits[N_VALUES]; float values[N_VALUES]; }} given = "
        f"{{{{{', '.join(f'{b}u' for b in bits)}}}}};\n#define values given.values\n"
    )


def run(spec: FeatureSpec, pcm: np.ndarray, values: tuple[float, ...] = (0.0,), flags: tuple[str, ...] = ()) -> Run:
    """Stream int16 samples through the front end on the emulated board, in odd blocks, then one hop at a time."""
    with tempfile.TemporaryDirectory(prefix="pyaed-m33-") as name:
        folder = Path(name)
        write_c(spec, folder)
        write_given(folder, pcm, values)
        data = image(folder, [folder / "aed_features.c", source_root() / "dsp_c" / "tests" / "m33_frontend.c"], flags)
    *ticks, stream_bytes = np.frombuffer(data[-20:], np.uint32).tolist()
    end, size = len(data) - 20 - len(values), spec.n_features * spec.patch_length
    log_mel = np.frombuffer(data[: end - size], np.float32).reshape(-1, spec.n_features)
    patch = np.frombuffer(data[end - size : end], np.int8).reshape(spec.patch_shape)
    quantized = np.frombuffer(data[end:-20], np.int8)
    frame, spectrum, mel, quantize = (round(t * TICK) for t in ticks)
    return Run(log_mel, patch, quantized, frame, spectrum, mel, quantize, stream_bytes, 4 * size)
