"""Time of one inference on this machine: our engine against TensorFlow Lite's reference and XNNPACK interpreters.

    python benchmarks/engine_host.py [MODEL.tflite ...] [--layers]

Without a model: YAMNet-256 with random weights. The median of several rounds, one inference in one thread; `batch` is one
clip's share of 64 on all processors. With `--layers` the time of each layer.
"""

import contextlib
import io
import os
import statistics
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from pyaed import text
from pyaed.nn import Engine


def milliseconds(run, budget: float = 1.5) -> float:
    """Return the median time of run() in ms, over as many rounds as `budget` seconds allow (at least 5)."""
    run()
    times = []
    end = time.perf_counter() + budget
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def interpreter(path: str, reference: bool, x: np.ndarray):
    """Return a function that runs one inference in TensorFlow Lite."""
    import tensorflow as tf

    kinds = tf.lite.experimental.OpResolverType
    kind = kinds.BUILTIN_REF if reference else kinds.AUTO
    lite = tf.lite.Interpreter(path, experimental_op_resolver_type=kind, num_threads=1)
    lite.allocate_tensors()
    lite.set_tensor(lite.get_input_details()[0]["index"], x)
    return lite.invoke


def _quietly(function):
    """Call a function without the lines that the converter prints."""
    with contextlib.redirect_stdout(io.StringIO()):
        return function()


def yamnet(folder: str) -> str:
    """Write an int8 YAMNet-256 with random weights and return its path."""
    import keras

    from pyaed.models import yamnet

    keras.utils.set_random_seed(0)
    inputs = keras.Input((64, 96, 1))
    outputs = keras.layers.Dense(10, activation="softmax")(yamnet.backbone(inputs, 256))
    model = keras.Model(inputs, outputs)
    return quantized(model, (1, 64, 96, 1), Path(folder) / "yamnet_256_random.tflite")


def quantized(model, shape: tuple[int, ...], path: Path) -> str:
    """Give a Keras model random weights, quantize it to int8 and return the path it was written to."""
    import tensorflow as tf

    random = np.random.default_rng(0)
    for weight in model.weights:  # as if trained: without this the signal dies out on the way
        if weight.path.endswith(("gamma", "moving_variance")):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        elif weight.path.endswith(("beta", "moving_mean")):
            weight.assign(random.normal(0, 0.3, weight.shape))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([random.normal(-4, 3, shape).astype(np.float32)] for _ in range(10))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    path.write_bytes(_quietly(converter.convert))
    return str(path)


def _layers(engine: Engine, x: np.ndarray) -> list[dict]:
    times = engine.profile(x)
    return [
        {"layer": node.name[-30:], "kernel": node.kernel, "MACs": node.macs, "us": us, "share": us / sum(times),
         "ns per MAC": 1e3 * us / node.macs if node.macs else None}
        for node, us in zip(engine.program.nodes, times)
    ]  # fmt: skip


def main(arguments: list[str]) -> None:
    paths = [a for a in arguments if a != "--layers"]
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as folder:
        table(paths or [yamnet(folder)], len(paths) < len(arguments))


def table(paths: list[str], layers: bool) -> None:
    """Print one row per model."""
    rows = []
    for path in paths:
        engine = Engine(path, workers=1)
        end = engine.program.input
        random = np.random.default_rng(0)
        x = random.normal(0, 1, end.shape).astype(np.float32)
        if end.dtype != "float32":
            info = np.iinfo(end.dtype)
            x = random.integers(info.min, info.max + 1, end.shape).astype(end.dtype)
        if layers:
            print(
                text.format_table(_layers(engine, x[0]), {"share": ".1%", "us": ".1f", "ns per MAC": ".3f"}), end="\n\n"
            )
        ours = milliseconds(partial(engine.run, x))
        batch = milliseconds(partial(Engine(engine.program).run, np.repeat(x, 64, axis=0))) / 64
        reference = milliseconds(interpreter(path, True, x))
        xnnpack = milliseconds(interpreter(path, False, x))
        rows.append((Path(path).stem, engine.program.macs / 1e6, ours, batch, reference, xnnpack, reference / ours))
    print(
        f"{'model':<40} {'M MACs':>8} {'pyaed ms':>9} {'batch':>7} {'ref ms':>9} {'XNNPACK ms':>11} {'ref/pyaed':>10}"
    )
    for name, macs, *times, ratio in rows:
        print(f"{name:<40} {macs:8.2f} {times[0]:9.2f} {times[1]:7.2f} {times[2]:9.2f} {times[3]:11.2f} {ratio:10.1f}")


if __name__ == "__main__":
    main(sys.argv[1:])
