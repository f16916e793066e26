"""A stream of ``dsp_c`` and its memory, for tests."""

import numpy as np

from pyaed.dsp import FeatureSpec, FrontEnd, frontend


class Stream:
    """An `aed_stream` with its memory; `push` returns the patches that became ready."""

    def __init__(self, front_end: FrontEnd):
        self.ffi, self.lib = frontend.ffi, frontend.lib
        self.spec = front_end.spec
        self.memory = self.ffi.new("double[]", self.lib.aed_stream_size(front_end.config) // 8 + 1)
        self.front_end = front_end  # keeps the configuration alive
        self.stream = self.ffi.new("aed_stream *")
        size = self.ffi.sizeof(self.memory)
        assert self.lib.aed_stream_init(self.stream, front_end.config, self.memory, size) == self.lib.AED_OK

    def push(self, pcm: np.ndarray) -> list[np.ndarray]:
        ffi, lib = self.ffi, self.lib
        patches, consumed = [], ffi.new("size_t *")
        while True:
            block = ffi.from_buffer("int16_t[]", pcm) if len(pcm) else ffi.new("int16_t[1]")
            assert lib.aed_stream_push(self.stream, block, len(pcm), consumed) == lib.AED_OK
            pcm = pcm[consumed[0] :]
            if not lib.aed_stream_patch_ready(self.stream):
                assert not len(pcm)
                return patches
            patch = np.empty(self.spec.patch_shape, np.float32)
            assert lib.aed_stream_patch(self.stream, ffi.from_buffer("float[]", patch)) == lib.AED_OK
            patches.append(patch)


def streamable_part(spec: FeatureSpec, patches: np.ndarray, n: int) -> np.ndarray:
    """Return the patches that a stream gives too: those that don't reach into the padding behind a clip's end."""
    last_samples = [
        (start + spec.patch_length - 1) * spec.hop_length + spec.first_sample + spec.window_length
        for start in spec.patch_starts(spec.n_frames(n))
    ]
    return patches[: sum(last <= n for last in last_samples)]
