"""The binding to ``dsp_c``: the very C that runs on the device makes the features on the host."""

import numpy as np

from pyaed.dsp._dsp import ffi, lib
from pyaed.dsp.spec import CLIP_MAXIMUM, FeatureSpec
from pyaed.dsp.tables import Tables, make_tables

TABLE_TYPES = {
    "window": "float *",
    "twiddle": "float *",
    "reverse": "uint16_t *",
    "mel_start": "uint16_t *",
    "mel_count": "uint16_t *",
    "mel_weight": "float *",
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
        "patch_length": spec.patch_length,
        "patch_hop": spec.patch_hop,
        "power": int(spec.power),
        "floor": tables.floor,
        "offset": tables.offset,
        "log_scale": tables.log_scale,
    }


class FrontEnd:
    """Log-mel features of int16 PCM, computed by the C that the device runs. Thread-safe; the GIL is released.

    Parameters
    ----------
    spec : FeatureSpec

    Examples
    --------
    >>> import numpy as np
    >>> from pyaed.dsp import FeatureSpec, FrontEnd
    >>> FrontEnd(FeatureSpec())(np.zeros(16000, np.int16)).shape
    (1, 64, 96)
    """

    def __init__(self, spec: FeatureSpec):
        self.spec = spec
        tables = make_tables(spec)
        self._tables = {name: np.ascontiguousarray(getattr(tables, name)) for name in TABLE_TYPES}
        self.config = ffi.new("aed_frontend_config *", config_values(spec, tables))
        for name, ctype in TABLE_TYPES.items():
            setattr(self.config, name, ffi.cast(ctype, self._tables[name].ctypes.data))
        if spec.center and spec.pad_mode != "constant":
            # The padding comes as samples then, not as the zeros in front of a stream.
            self.config.first_sample = spec.window_offset
        if lib.aed_frontend_check(self.config) != lib.AED_OK:
            raise RuntimeError(f"the C front end refuses {spec}")  # FeatureSpec's own rules are stricter

    def log_mel(self, pcm: np.ndarray) -> np.ndarray:
        """Return all frames of a clip.

        Parameters
        ----------
        pcm : int16 array (n_samples,)

        Returns
        -------
        float32 array (n_frames, n_mels)

        Raises
        ------
        TypeError
            When `pcm` is not a one-dimensional int16 array: rounding to int16 belongs to the decoder.
        """
        pcm = np.asarray(pcm)
        if pcm.dtype != np.int16 or pcm.ndim != 1:
            raise TypeError(f"expected a one-dimensional int16 array, got {pcm.dtype} with shape {pcm.shape}")
        n_frames = self.spec.n_frames(len(pcm))
        if self.spec.center and self.spec.pad_mode != "constant":
            pcm = np.pad(pcm, self.spec.n_fft // 2, mode=self.spec.pad_mode)
        pcm = np.ascontiguousarray(pcm)
        frames = np.empty((n_frames, self.spec.n_mels), np.float32)
        scratch = np.empty(lib.aed_frontend_scratch_size(self.config) // 8, np.float64)
        status = lib.aed_frontend_clip(
            self.config,
            ffi.from_buffer("int16_t[]", pcm),
            len(pcm),
            0,
            n_frames,
            ffi.from_buffer("float[]", frames),
            ffi.cast("void *", scratch.ctypes.data),
        )
        if status != lib.AED_OK:
            raise RuntimeError(f"aed_frontend_clip: status {status}")
        if self.spec.to_db and self.spec.db_reference == CLIP_MAXIMUM and n_frames:
            frames -= frames.max()
            np.maximum(frames, np.float32(-self.spec.top_db), out=frames)
        return frames

    def __call__(self, pcm: np.ndarray) -> np.ndarray:
        """Return the patches of a clip: int16 (n_samples,) to float32 (n_patches, n_mels, patch_length)."""
        return self.patches(self.log_mel(pcm))

    def patches(self, log_mel: np.ndarray) -> np.ndarray:
        """Cut frames (n_frames, n_mels) into float32 patches (n_patches, n_mels, patch_length)."""
        length = self.spec.patch_length
        starts = self.spec.patch_starts(len(log_mel))
        patches = np.empty((len(starts), *self.spec.patch_shape), np.float32)
        for patch, start in zip(patches, starts):
            patch[...] = log_mel[start : start + length].T
        return patches


def quantize(x: np.ndarray, scale: float, zero_point: int, dtype: np.dtype | type) -> np.ndarray:
    """Quantize float32 values of any shape to int8 or uint8, by TensorFlow Lite's rule as ``dsp_c`` states it.

    ``q = clamp(round(x / scale) + zero_point)``, a binary32 quotient, halves away from zero.
    """
    x = np.ascontiguousarray(x, np.float32)
    q = np.empty(x.shape, dtype)
    function, ctype = {
        np.dtype(np.int8): (lib.aed_quantize_s8, "int8_t *"),
        np.dtype(np.uint8): (lib.aed_quantize_u8, "uint8_t *"),
    }[np.dtype(dtype)]
    function(ffi.cast("float *", x.ctypes.data), x.size, scale, zero_point, ffi.cast(ctype, q.ctypes.data))
    return q
