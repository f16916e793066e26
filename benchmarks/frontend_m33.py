"""What a frame costs on the emulated Cortex-M33: instructions (not cycles, not time), and the RAM of a stream.

    [CMSISDSP_ROOT=FOLDER] python benchmarks/frontend_m33.py

The counts come from QEMU's instruction counter and are the same at every run. CMSISDSP_ROOT is a CMSIS-DSP (the folder that
holds Include and Source): with it the same frame, made of its primitives and compiled with the same flags, is counted too.
"""

import dataclasses
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from pyaed import text
from pyaed.dsp import FeatureSpec, FrontEnd, write_c

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support import m33

SPECS = {
    "YAMNet": FeatureSpec(),
    "MiniResNet": FeatureSpec(
        n_fft=1024, window_length=1024, hop_length=320, center=True, power=2.0, fmin=20, norm="slaney", htk=False,
        to_db=True, patch_length=50,
    ),
}  # fmt: skip
CMSIS_SOURCES = {
    "BasicMathFunctions": ["arm_mult_f32", "arm_dot_prod_f32", "arm_scale_f32", "arm_clip_f32", "arm_offset_f32"],
    "ComplexMathFunctions": ["arm_cmplx_mag_f32", "arm_cmplx_mag_squared_f32"],
    "FastMathFunctions": ["arm_vlog_f32"],
    "SupportFunctions": ["arm_fill_f32", "arm_q15_to_float"],
    "TransformFunctions": [
        "arm_bitreversal2",
        "arm_cfft_f32",
        "arm_cfft_init_f32",
        "arm_cfft_radix8_f32",
        "arm_rfft_fast_f32",
        "arm_rfft_fast_init_f32",
    ],
    "CommonTables": ["arm_common_tables", "arm_const_structs"],
}


def samples(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(-32768, 32768, n).astype(np.int16)


def cmsis_instructions(spec: FeatureSpec) -> int | None:
    """Count a frame made of CMSIS-DSP's primitives; None without a CMSIS-DSP."""
    if "CMSISDSP_ROOT" not in os.environ:
        return None
    root = Path(os.environ["CMSISDSP_ROOT"]).resolve()
    # Fused operations as the compiler makes them by default, and the loops that Arm unrolled.
    flags = ("-w", "-ffp-contract=fast", "-D__GNUC_PYTHON__", "-DARM_MATH_LOOPUNROLL")
    flags += (f"-I{root / 'Include'}", f"-I{root / 'PrivateInclude'}")
    pcm = samples(spec.window_length)
    with tempfile.TemporaryDirectory(prefix="pyaed-m33-") as name:
        folder = Path(name)
        write_c(spec, folder)
        m33.write_given(folder, pcm)
        sources = [folder / "aed_features.c", Path(__file__).with_name("cmsis_frame.c")]
        sources += [root / "Source" / kind / f"{name}.c" for kind, names in CMSIS_SOURCES.items() for name in names]
        data = m33.image(folder, sources, flags)
    frame, ticks = np.frombuffer(data[:-4], np.float32), np.frombuffer(data[-4:], np.uint32)
    before, behind = spec.window_offset, spec.n_fft - spec.window_length - spec.window_offset
    ours = FrontEnd(dataclasses.replace(spec, center=False)).log_mel(np.pad(pcm, (before, behind)))[0]
    if np.abs(frame - ours).max() > 1e-3:
        raise SystemExit("the frame made of CMSIS-DSP's primitives is another than ours")
    return round(int(ticks[0]) * m33.TICK)


def rows(spec: FeatureSpec) -> tuple[m33.Run, int | None]:
    """Run a specification on the board; the peer's count where there is one."""
    return m33.run(spec, samples(6000)), cmsis_instructions(spec)


def main() -> None:
    """Print the table."""
    lines = []
    for name, spec in SPECS.items():
        run, theirs = rows(spec)
        lines.append(
            {
                "": name,
                "frame": run.frame,
                "CMSIS-DSP": theirs,
                "window, FFT, magnitude": run.spectrum,
                "mel, logarithm": run.mel,
                "buffer": run.frame - run.spectrum - run.mel,
                "int8 patch": run.quantize,
                "stream, bytes": run.stream_bytes - run.ring_bytes,
                "ring, bytes": run.ring_bytes,
            }
        )
    print("instructions a frame and a patch, emulated Cortex-M33 (QEMU), -O2; RAM in bytes")
    print(text.format_table(lines))


if __name__ == "__main__":
    main()
