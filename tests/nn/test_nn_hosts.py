"""Kernels for other hosts than this one, and the portable ones, give the same bytes as those that run here."""

import ctypes
import subprocess

import numpy as np
import pytest
from networks import convolution_stack, residual_network
from pyaed.nn._nn import ffi
from support.cores import c_sources, includes

from pyaed.nn import Engine, compile_graph, read_tflite


@pytest.fixture(scope="module", params=[[], ["-DAED_PORTABLE"]], ids=["no instruction set", "no tiles either"])
def kernels(request, tmp_path_factory):
    """Return a function from a kernel's name to the kernel, as built from the portable files alone."""
    library = tmp_path_factory.mktemp("kernels") / "kernels.so"
    subprocess.run(
        ["gcc", "-O2", "-std=c11", "-ffp-contract=off", "-shared", "-fPIC", *request.param, *includes("nn_c", "dsp_c"),
         *c_sources("nn_c"), "-o", library],
        check=True,
    )  # fmt: skip
    loaded = ctypes.CDLL(str(library))
    return lambda name: ffi.cast("aed_nn_kernel", ctypes.cast(getattr(loaded, name), ctypes.c_void_p).value)


@pytest.mark.parametrize("content", [residual_network(), *(convolution_stack(seed) for seed in range(12))])
def test_the_same_bytes(kernels, content):
    engine = Engine(compile_graph(read_tflite(content), 0), workers=1)
    shape, dtype = engine.program.input.shape, engine.program.input.dtype
    batch = np.random.default_rng(1).integers(-128, 128, (3, *shape[1:])).astype(dtype)
    expected = engine.run(batch).tobytes()
    for node, entry in zip(engine.program.nodes, engine._nodes):
        entry.kernel = kernels(node.kernel)
        stages = node.params.get("stages", ())
        for number, stage in enumerate(stages):
            chain = ffi.cast("aed_chain_params *", entry.params)
            ffi.cast("aed_chain_stage *", chain.stages)[number].kernel = kernels(stage.kernel)
    assert engine.run(batch).tobytes() == expected
