"""Streaming gives exactly what one call gives, for any division into blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyaed.dsp._dsp import ffi, lib
from specs import HOST_ONLY, SPECS
from streams import Stream, streamable_part
from support.signals import signals

from pyaed.dsp import FrontEnd, quantize

STREAMABLE = {n: s for n, s in SPECS.items() if n not in HOST_ONLY}


@pytest.mark.parametrize("name", STREAMABLE)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_blocks_give_the_same_patches(name, data):
    spec = STREAMABLE[name]
    front_end = FrontEnd(spec)
    pcm = signals(data.draw(st.integers(9000, 40000), label="samples"))["noise"]
    sizes = st.sampled_from([0, 1, 2, 99, 160, 399, 400, 401, 1024, 5000])
    stream, at, patches = Stream(front_end), 0, []
    while at < len(pcm):
        size = data.draw(sizes, label="block")
        patches += stream.push(pcm[at : at + size])
        at += size if size else 0
        if size == 0:
            patches += stream.push(pcm[at : at + 777])
            at += 777
    expected = streamable_part(spec, front_end(pcm), len(pcm))
    assert len(patches) >= len(expected)
    for ours, theirs in zip(patches, expected):
        np.testing.assert_array_equal(ours.view(np.uint32), theirs.view(np.uint32))


def test_reset_forgets_everything():
    front_end = FrontEnd(SPECS["yamnet"])
    pcm = signals()["chirp"]
    stream = Stream(front_end)
    first = stream.push(pcm)
    stream.push(signals()["noise"][:1234])
    assert lib.aed_stream_reset(stream.stream) == lib.AED_OK
    again = stream.push(pcm)
    np.testing.assert_array_equal(first, again)


def test_quantized_patch_is_the_quantized_float_patch():
    front_end = FrontEnd(SPECS["yamnet"])
    pcm = signals()["noise"]
    expected = quantize(front_end(pcm)[0], 0.05, 60, np.int8)
    stream = Stream(front_end)
    consumed = ffi.new("size_t *")
    lib.aed_stream_push(stream.stream, ffi.from_buffer("int16_t[]", pcm), len(pcm), consumed)
    # A waiting patch must be taken before anything else is pushed.
    assert lib.aed_stream_push(stream.stream, ffi.from_buffer("int16_t[]", pcm), 10, consumed) == lib.AED_ERR_STATE
    assert consumed[0] == 0
    patch = np.empty(front_end.spec.patch_shape, np.int8)
    assert lib.aed_stream_patch_s8(stream.stream, 0.05, 60, ffi.from_buffer("int8_t[]", patch)) == lib.AED_OK
    np.testing.assert_array_equal(patch, expected)
    assert lib.aed_stream_patch_s8(stream.stream, 0.05, 60, ffi.from_buffer("int8_t[]", patch)) == lib.AED_ERR_STATE


def test_too_little_memory_is_refused():
    front_end = FrontEnd(SPECS["yamnet"])
    size = lib.aed_stream_size(front_end.config)
    memory = ffi.new("double[]", size // 8 + 1)
    stream = ffi.new("aed_stream *")
    assert lib.aed_stream_init(stream, front_end.config, memory, size - 1) == lib.AED_ERR_SIZE
    assert lib.aed_stream_init(stream, front_end.config, ffi.NULL, size) == lib.AED_ERR_ARGUMENT
