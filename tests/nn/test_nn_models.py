"""Published models equal TensorFlow Lite's reference kernels in every byte of every layer."""

import numpy as np
import pytest
from keras_models import patches
from networks import residual_network
from tflite_builder import Reference, differences

from pyaed.nn import Engine, compile_graph, read_tflite

PUBLISHED = {
    "st_model_zoo/yamnet_256_64x96_tl_int8.tflite": 23_902_720,
    "st_model_zoo/miniresnet_1stacks_64x50_tl_int8.tflite": 7_361_536,
    "mlperf_tiny/kws_ref_model.tflite": 2_656_768,
    "mlperf_tiny/pretrainedResnet_quant.tflite": 12_501_632,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models(shared, name):
    content = (shared / "pretrained" / name).read_bytes()
    engine, reference = Engine(content, workers=2), Reference(content)
    assert engine.program.macs == PUBLISHED[name]
    shape = engine.program.input.shape[1:]
    random = np.random.default_rng(0)
    real = np.broadcast_to(patches(shape[:2], 3, seed=1)[..., np.newaxis], (3, *shape))
    quantized = np.clip(np.rint(real / engine.program.input.scale) + engine.program.input.zero_point, -128, 127).astype(
        np.int8
    )
    batch = np.concatenate([
        quantized,
        random.integers(-128, 128, (2, *shape)).astype(np.int8),
        np.full((1, *shape), -128, np.int8),
        np.full((1, *shape), 127, np.int8),
    ])  # fmt: skip
    for x in batch:
        assert differences(engine, reference, x) == []
    together = engine.run(batch)
    alone = np.concatenate([engine.run(x[np.newaxis]) for x in batch])
    assert together.tobytes() == alone.tobytes()


def test_float_batches_are_quantized_and_channels_may_be_left_out():
    engine = Engine(residual_network(), workers=3)
    batch = np.random.default_rng(0).normal(0, 1, (7, 12, 10)).astype(np.float32)
    assert (engine.run(batch) == engine.run(batch[..., np.newaxis])).all()
    assert engine.run(batch).shape == (7, 5)
    assert engine.run(batch[:0]).shape == (0, 5)
    assert (engine.predict(batch) == engine.run(batch)).all()


def test_the_program_of_a_file_and_of_its_bytes_are_the_same(tmp_path):
    content = residual_network()
    (tmp_path / "net.tflite").write_bytes(content)
    a, b = compile_graph(read_tflite(tmp_path / "net.tflite")), compile_graph(read_tflite(content))
    assert (a.hash, a.arena_size, a.table()) == (b.hash, b.arena_size, b.table())
