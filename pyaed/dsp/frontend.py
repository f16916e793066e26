"""The binding to ``dsp_c``: the very C that runs on the device makes the features on the host."""

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pyaed.dsp._dsp import ffi, lib
from pyaed.dsp.spec import CLIP_MAXIMUM, PAD_MODES, FeatureSpec, PadMode
from pyaed.dsp.tables import Tables, make_tables
from pyaed.errors import UserError
from pyaed.workers import executor

Pcm = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float32]

TABLE_TYPES = {
    "window": "float *",
    "twiddle": "float *",
    "rfft_twiddle": "float *",
    "order": "uint16_t *",
    "mel_start": "uint16_t *",
    "mel_count": "uint16_t *",
    "mel_weight": "float *",
    "dct": "float *",
}


def config_values(spec: FeatureSpec, tables: Tables) -> dict[str, int | float]:
    """Return the scalar fields of ``aed_frontend_config`` by name."""
    return {
        "sample_rate": spec.sample_rate,
        "n_fft": spec.n_fft,
        "window_length": spec.window_length,
        "hop_length": spec.hop_length,
        "first_sample": spec.first_sample,
        "n_mels": spec.n_mels,
        "n_mfcc": spec.n_mfcc,
        "patch_length": spec.patch_length,
        "patch_hop": spec.patch_hop,
        "power": int(spec.power),
        "floor": tables.floor,
        "offset": tables.offset,
        "log_scale": tables.log_scale,
    }


ISAS = {
    "scalar": lib.AED_ISA_SCALAR,
    "sse2": lib.AED_ISA_SSE2,
    "avx2": lib.AED_ISA_AVX2,
    "avx512": lib.AED_ISA_AVX512,
}


def instruction_sets() -> list[str]:
    """Return the instruction sets that this build has and this processor runs, the widest last."""
    return [name for name, isa in ISAS.items() if lib.aed_isa_available(isa)]


def to_int16(audio: npt.ArrayLike) -> Pcm:
    """Round float samples (full scale 1.0) to int16: ``rint(32768 x)`` with ties to even, clipped."""
    scaled: Floats = np.rint(np.asarray(audio, np.float32) * np.float32(32768))
    return np.clip(scaled, -32768, 32767).astype(np.int16)


def to_pcm(clip: Pcm | Floats) -> Pcm:
    """Return a clip as int16: floats in -1 .. 1 are rounded by :func:`to_int16`.

    Parameters
    ----------
    clip : int16 or float32 array (n_samples,)

    Returns
    -------
    int16 array (n_samples,)

    Raises
    ------
    TypeError
        For another type or number of dimensions.
    UserError
        When a float clip holds NaN or infinity.
    """
    samples: np.ndarray = np.asarray(clip)
    if samples.ndim != 1 or samples.dtype not in (np.int16, np.float32):
        raise TypeError(
            f"expected a one-dimensional int16 or float32 array, got {samples.dtype} with shape {samples.shape}"
        )
    if samples.dtype == np.int16:
        return samples
    bad = np.flatnonzero(~np.isfinite(samples))
    if len(bad):
        raise UserError(f"clip: sample {bad[0]} is {samples[bad[0]]}, expected finite values between -1 and 1")
    return to_int16(samples)


#: Numpy asks for huge pages where an array takes 4 MiB or more. Fresh memory in small pages costs as much time as the
#: features in it, and the threads wait for each other while the system hands it out.
SLAB_BYTES, HUGE_PAGE_BYTES = 8 << 20, 2 << 20

#: Samples that a thread takes at once. Python's lock is held between two calls of C only, but threads that meet there wait
#: longer for each other than a clip of 5 s takes.
GROUP_SAMPLES = 1 << 20


def slabs() -> Callable[[tuple[int, ...]], Floats]:
    """Return a function that makes uninitialised float32 arrays of given shapes, many of them in one piece of memory."""
    slab, used = np.empty(0, np.float32), 0

    def empty(shape: tuple[int, ...]) -> Floats:
        nonlocal slab, used
        size = math.prod(shape)
        if used + size > len(slab):
            slab = np.empty((max(4 * size, SLAB_BYTES) + HUGE_PAGE_BYTES) // 4, np.float32)
            used = -slab.ctypes.data % HUGE_PAGE_BYTES // 4  # nothing touches what lies in front of the first huge page
        used += size
        return slab[used - size : used].reshape(shape)

    return empty


def _groups(clips: Iterable[Pcm | Floats]) -> Iterator[list[Pcm | Floats]]:
    """Yield the clips in groups of `GROUP_SAMPLES` and more."""
    group: list[Pcm | Floats] = []
    samples = 0
    for clip in clips:
        group.append(clip)
        samples += len(clip)
        if samples >= GROUP_SAMPLES:
            yield group
            group, samples = [], 0
    if group:
        yield group


class FrontEnd:
    """Log-mel features of PCM, computed by the C that the device runs. Thread-safe; the GIL is released.

    Parameters
    ----------
    spec : FeatureSpec
    isa : {"scalar", "sse2", "avx2", "avx512"}, optional
        Instruction set; default the widest that the processor has. The bits are the same with each.

    Examples
    --------
    >>> import numpy as np
    >>> from pyaed.dsp import FeatureSpec, FrontEnd
    >>> FrontEnd(FeatureSpec())(np.zeros(16000, np.int16)).shape
    (1, 64, 96)
    """

    def __init__(self, spec: FeatureSpec, isa: str | None = None):
        self.spec = spec
        available = instruction_sets()
        if isa is not None and isa not in available:
            raise UserError(f"instruction set '{isa}' is not available, expected one of {', '.join(available)}")
        self.isa = ISAS[isa or available[-1]]
        tables = make_tables(spec)
        self._tables = {name: np.ascontiguousarray(getattr(tables, name)) for name in TABLE_TYPES}
        self.config = ffi.new("aed_frontend_config *", config_values(spec, tables))
        for name, ctype in TABLE_TYPES.items():
            if self._tables[name].size:
                setattr(self.config, name, ffi.cast(ctype, self._tables[name].ctypes.data))
        if spec.center and spec.pad_mode != "constant":
            # The padding comes as samples then, not as the zeros in front of a stream.
            self.config.first_sample = spec.window_offset
        # dB below the clip's own maximum, 0 where that isn't the reference
        self.relative_db = spec.top_db if spec.to_db and spec.db_reference == CLIP_MAXIMUM else 0.0
        if lib.aed_frontend_check(self.config) != lib.AED_OK:
            raise RuntimeError(f"the C front end refuses {spec}")  # FeatureSpec's own rules are stricter

    def log_mel(self, clip: Pcm | Floats) -> Floats:
        """Return all frames of a clip.

        Parameters
        ----------
        clip : int16 or float32 array (n_samples,)
            Floats are full scale at -1 and 1 and are rounded by :func:`to_pcm` first.

        Returns
        -------
        float32 array (n_frames, n_features)
            Log-mel values, or MFCC where the specification asks for them.

        Raises
        ------
        TypeError
            When `clip` is not a one-dimensional array of int16 or float32.
        UserError
            When a float clip holds NaN or infinity.
        """
        pcm = self.padded(to_pcm(clip))
        frames = self.compute(pcm, self.spec.n_frames(len(clip)))
        if self.relative_db:
            lib.aed_clip_relative(ffi.from_buffer("float[]", frames), frames.size, self.relative_db)
        return frames

    def padded(self, pcm: Pcm) -> Pcm:
        """Return int16 samples with the padding that only a host can do; `compute` takes them."""
        if self.spec.center and self.spec.pad_mode != "constant":
            # A clip without a sample has nothing to repeat: it counts as silence.
            mode: PadMode = next(mode for mode in PAD_MODES if mode == self.spec.pad_mode)
            pcm = np.pad(pcm, self.spec.n_fft // 2, mode=mode if len(pcm) else PAD_MODES[0])
        return np.ascontiguousarray(pcm)

    def workspace(self) -> npt.NDArray[np.float64]:
        """Return the memory that one thread's work in ``dsp_c`` needs."""
        return np.empty(-(-lib.aed_clip_workspace_size(self.config, self.isa) // 8), np.float64)

    def compute(self, pcm: Pcm, n_frames: int) -> Floats:
        """Return the first `n_frames` frames of int16 samples, as ``dsp_c`` gives them: float32 (n_frames, n_features)."""
        frames = np.empty((n_frames, self.spec.n_features), np.float32)
        status = lib.aed_clip_frames(
            self.config,
            self.isa,
            ffi.from_buffer("int16_t[]", pcm),
            len(pcm),
            0,
            n_frames,
            ffi.from_buffer("float[]", frames),
            ffi.from_buffer(self.workspace()),
        )
        if status != lib.AED_OK:
            raise RuntimeError(f"aed_clip_frames: status {status}")
        return frames

    def patches_of(
        self, clips: Sequence[Pcm | Floats], empty: Callable[[tuple[int, ...]], Floats] | None = None
    ) -> list[Floats]:
        """Return the patches of each of some clips, computed by one call of ``dsp_c``.

        Parameters
        ----------
        clips : sequence of int16 or float32 arrays (n_samples,)
        empty : callable, optional
            Makes an uninitialised float32 array of a shape; default ``np.empty``.

        Returns
        -------
        list of float32 arrays (n_patches, n_features, patch_length)
        """
        pcm = [self.padded(to_pcm(clip)) for clip in clips]
        n_frames = [self.spec.n_frames(len(clip)) for clip in clips]
        starts = [np.array(self.spec.patch_starts(n), np.uint32) for n in n_frames]
        shapes = [(len(s), *self.spec.patch_shape) for s in starts]
        patches = [np.empty(shape, np.float32) if empty is None else empty(shape) for shape in shapes]
        frames = np.empty((max(n_frames, default=0), self.spec.n_features), np.float32)
        jobs = [
            (ffi.from_buffer("int16_t[]", p), len(p), n, ffi.from_buffer("uint32_t[]", s), len(s), ffi.from_buffer("float[]", q))
            for p, n, s, q in zip(pcm, n_frames, starts, patches)
        ]  # fmt: skip
        status = lib.aed_clips(
            self.config,
            self.isa,
            ffi.new("aed_clip[]", jobs),
            len(jobs),
            self.relative_db,
            ffi.from_buffer("float[]", frames),
            ffi.from_buffer(self.workspace()),
        )
        if status != lib.AED_OK:
            raise RuntimeError(f"aed_clips: status {status}")
        return patches

    def __call__(self, clip: Pcm | Floats) -> Floats:
        """Return the patches of a clip: int16 or float32 (n_samples,) to float32 (n_patches, n_features, patch_length)."""
        return self.patches_of([clip])[0]

    def batch(
        self,
        clips: Iterable[Pcm | Floats],
        workers: int | None = None,
        on_clip: Callable[[int], None] | None = None,
    ) -> list[Floats]:
        """Return the patches of many clips, computed by several threads.

        Parameters
        ----------
        clips : iterable of int16 or float32 arrays (n_samples,)
        workers : int, optional
            See `pyaed.workers.worker_count`.
        on_clip : callable, optional
            Called with the number of finished clips after each.

        Returns
        -------
        list of float32 arrays (n_patches, n_features, patch_length), in the order of the clips
            Many of them lie in one piece of memory of 8 MiB or more, which is freed with the last of them.
        """
        memory = threading.local()

        def work(group: list[Pcm | Floats]) -> list[Floats]:
            if not hasattr(memory, "empty"):
                memory.empty = slabs()
            return self.patches_of(group, memory.empty)

        patches: list[Floats] = []
        for results in executor(workers).map(work, _groups(clips)):
            for result in results:
                patches.append(result)
                if on_clip:
                    on_clip(len(patches))
        return patches

    def patches(self, log_mel: Floats) -> Floats:
        """Cut frames (n_frames, n_features) into float32 patches (n_patches, n_features, patch_length)."""
        starts = np.array(self.spec.patch_starts(len(log_mel)), np.uint32)
        log_mel = np.ascontiguousarray(log_mel, np.float32)
        if log_mel.ndim != 2 or log_mel.shape[1] != self.spec.n_features:
            raise TypeError(f"expected frames of {self.spec.n_features} values, got an array of shape {log_mel.shape}")
        patches = np.empty((len(starts), *self.spec.patch_shape), np.float32)
        lib.aed_clip_patches(
            self.config,
            ffi.from_buffer("float[]", log_mel),
            ffi.from_buffer("uint32_t[]", starts),
            len(starts),
            ffi.from_buffer("float[]", patches),
        )
        return patches


def quantize(x: npt.ArrayLike, scale: float, zero_point: int, dtype: npt.DTypeLike) -> np.ndarray:
    """Quantize float32 values of any shape to int8 or uint8, by TensorFlow Lite's rule as ``dsp_c`` states it.

    ``q = clamp(round(x / scale) + zero_point)``, a binary32 quotient, halves away from zero. A NaN gives the zero point.
    """
    x = np.ascontiguousarray(x, np.float32)
    q = np.empty(x.shape, dtype)
    function, ctype = {
        "int8": (lib.aed_quantize_s8, "int8_t *"),
        "uint8": (lib.aed_quantize_u8, "uint8_t *"),
    }[q.dtype.name]
    function(ffi.cast("float *", x.ctypes.data), x.size, scale, zero_point, ffi.cast(ctype, q.ctypes.data))
    return q
