"""Damage model files at random and read them: only UserError may come out.

    python tests/models/fuzz_containers.py .keras --first 0 --count 2000 --load-every 10

Prints one JSON object: how many were refused and read, and the peak of memory. Mutation N of a kind is always the same. The
number of the mutation at hand stands in the file named by --at, for one that kills the process.
"""

import argparse
import io
import json
import random
import resource
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.damage import damage

from pyaed import artefact
from pyaed.dsp import FeatureSpec
from pyaed.errors import UserError

METADATA = artefact.ModelMetadata(FeatureSpec(n_mels=8, patch_length=6), {}, ("a", "b", "c"))
RUNTIME = ("onnxruntime can't load ", "onnxruntime can't run ")
SECONDS = 8  # of processor time that one file may take


def original(kind: str) -> bytes:
    """Return a small model file with metadata."""
    if kind == ".onnx":
        return onnx_model()
    from pyaed.models.keras import import_keras

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"m{kind}"
        keras = import_keras()
        x = keras.Input((8, 6, 1), name="patch")
        y = keras.layers.Conv2D(4, 3, activation="relu")(x)
        y = keras.layers.BatchNormalization()(y)
        y = keras.layers.GlobalAveragePooling2D()(y)
        model = keras.Model(x, keras.layers.Dense(3, activation="softmax")(keras.layers.Dropout(0.1)(y)))
        if kind == ".tflite":
            import tensorflow as tf

            converter = tf.lite.TFLiteConverter.from_keras_model(model)
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            batches = np.random.default_rng(0).normal(size=(20, 1, 8, 6, 1)).astype(np.float32)
            converter.representative_dataset = lambda: ([batch] for batch in batches)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            path.write_bytes(converter.convert())
        else:
            model.save(path)
        artefact.write(path, METADATA)
        return path.read_bytes()


def onnx_model() -> bytes:
    """Return a small QDQ model: a convolution with a Relu, a mean, a matrix product and a softmax."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from support.onnx_builder import Builder

    rng, b = np.random.default_rng(0), Builder()
    x = b.fake(b.input(("N", 1, 8, 6)))
    w, scales = b.weights(rng.normal(size=(4, 1, 3, 3)))
    x = b.op(
        "Conv", x, w, b.bias(rng.normal(size=4), 0.05, scales), kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]
    )
    x = b.fake(b.op("GlobalAveragePool", b.fake(b.op("Relu", x), 0.03, -128)), 0.02, -128)
    x = b.fake(b.op("Reshape", x, b.constant([1, -1], np.int64)), 0.02, -128)
    x = b.fake(b.op("Gemm", x, b.weights(rng.normal(size=(3, 4)))[0], transB=1), 0.1)
    with tempfile.TemporaryDirectory() as folder:
        path = b.write(Path(folder) / "m.onnx", b.op("Softmax", x))
        artefact.write(path, METADATA)
        return path.read_bytes()


def peak_bytes() -> int:
    """Return the peak of this program's memory; what getrusage says begins with that of the process that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])


def changed_graph(data: bytes, rng: random.Random) -> bytes:
    """Return an ONNX model with one to three operators, names, sizes or numbers changed."""
    import onnx

    proto = onnx.ModelProto.FromString(data)
    graph = proto.graph
    number = lambda: rng.choice([-(1 << 62), -1, 0, 1, 2, 3, 255, 1 << 20, 1 << 40])  # noqa: E731
    for _ in range(rng.randrange(1, 4)):
        node, other, tensor = rng.choice(graph.node), rng.choice(graph.node), rng.choice(graph.initializer)
        kind = rng.randrange(9)
        if kind == 0 and node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice([*other.output, *other.input, ""])
        elif kind == 1:
            node.op_type = rng.choice(
                [other.op_type, "Flatten", "Split", "Slice", "Clip", "Relu", "Concat", "Mul", "MaxPool"]
            )
        elif kind == 2:
            for attribute in node.attribute:
                attribute.i = number()
                attribute.ints[:] = [number() if rng.random() < 0.3 else i for i in attribute.ints]
        elif kind == 3 and tensor.dims:
            tensor.dims[rng.randrange(len(tensor.dims))] = number()
        elif kind == 4:
            tensor.raw_data = bytes(rng.choice([c, 0, 127, 255, rng.randrange(256)]) for c in tensor.raw_data)
        elif kind == 5:
            tensor.data_type = rng.randrange(20)
        elif kind == 6 and len(graph.node) > 2:
            graph.node.remove(node)
        elif kind == 7 and node.input:
            del node.input[rng.randrange(len(node.input)) :]
        else:
            node.output[0] = rng.choice([other.output[0], "y", graph.output[0].name])
    return proto.SerializeToString()


def mutation(kind: str, data: bytes, number: int) -> bytes:
    """Return a damaged file; every second `.keras` or `.onnx` file is whole, with a damaged member or a changed graph."""
    rng = random.Random(f"{kind} {number}")
    if kind == ".onnx" and number % 2 == 0:
        return changed_graph(data, rng)
    if kind != ".keras" or number % 2:
        return damage(data, rng)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(sorted(members))
    members[name] = damage(members[name], rng)
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return result.getvalue()


def read(path: Path, whole: bool) -> None:
    """Do what reading a model does; the expensive end of it, Keras or onnxruntime, only when `whole`."""
    from pyaed import models
    from pyaed.artefact.containers import layer_graph
    from pyaed.models import allowed
    from pyaed.nn import compile_graph, onnx, read_model

    artefact.read(path)
    artefact.read_state(path)
    if path.suffix == ".onnx" and whole:
        from pyaed.models.onnx import runner

        runner(onnx.load(path), artefact.Input())(artefact.probes((8, 6)))
    elif path.suffix in (".tflite", ".onnx"):
        compile_graph(read_model(path))
    elif whole:
        models.load(path)
    else:
        allowed.check(path, layer_graph(path)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=[".keras", ".h5", ".onnx", ".tflite"])
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--load-every", type=int, default=1)
    parser.add_argument("--at", type=Path)
    options = parser.parse_args()
    data = original(options.kind)
    found = {"refused": 0, "read": 0}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"m{options.kind}"
        for number in range(options.first, options.first + options.count):
            if options.at:
                options.at.write_text(str(number))
            path.write_bytes(mutation(options.kind, data, number))
            used = resource.getrusage(resource.RUSAGE_SELF)
            limit = int(used.ru_utime + used.ru_stime) + SECONDS
            resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))  # a hang kills the process
            try:
                read(path, number % options.load_every == 0)
                found["read"] += 1
            except UserError as error:
                if len(str(error)) > 3000 or not str(error).startswith((str(path), "m:", *RUNTIME)):
                    raise AssertionError(f"mutation {number}: a poor message: {error}") from error
                found["refused"] += 1
            except Exception as error:
                raise AssertionError(f"mutation {number}: {type(error).__name__}: {error}") from error
    found["peak_bytes"] = peak_bytes()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
