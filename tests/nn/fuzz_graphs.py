"""Damage int8 graphs at random, files by turns with graphs as they are read; plan and run them.

For an engine that is built under the sanitizers (docs/security.md).

    python tests/nn/fuzz_graphs.py --count 1000000 --at file

Mutation N is always the same: `--first N --count 1` repeats it. The number at hand stands in the file named by --at, for one
that kills the process.
"""

import argparse
import json
import math
import random
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from graphs import random_graph  # noqa: E402
from networks import convolution_stack, random_network, residual_network  # noqa: E402
from support.damage import damage  # noqa: E402

from pyaed.errors import UserError  # noqa: E402
from pyaed.nn import Engine, Graph, compile_graph, read_metadata_buffer, read_tflite  # noqa: E402
from pyaed.nn.graph import Operator, Tensor  # noqa: E402

SECONDS = 8  # of processor time that one graph may take
EVERY = 20_000  # mutations between two lines of figures
WORK = 10**6  # multiply-accumulates, and bytes of arena, up to which a graph is run


def originals() -> list[bytes]:
    """Return small graphs with all operators and shapes of the tests."""
    made = [random_graph(random.Random(seed)) for seed in range(200)]
    made += [network(seed) for network in (random_network, convolution_stack) for seed in range(20)]
    return [*made, residual_network(metadata={"pyaed": b'{"format_version": 1}'})]


def damaged_file(rng: random.Random, content: bytes) -> bytes:
    """Return a damaged file: bytes anywhere, or small numbers (sizes, offsets, indices) off by little."""
    if rng.random() < 0.5:
        return damage(content, rng)
    changed = bytearray(content)
    for _ in range(rng.randrange(1, 4)):
        small = [rng.randrange(len(changed)) for _ in range(20)]
        at = next((i for i in small if 0 < changed[i] < 32), small[0])
        changed[at] = (changed[at] + rng.choice([-1, 1, 2, -4, 4, 127, 128])) % 256
    return bytes(changed)


def strange_graph(rng: random.Random, graph: Graph) -> Graph:
    """Return a graph with fields changed that the reader takes as they come; what they mean together is the lowering's to check."""
    tensors, operators = list(graph.tensors), list(graph.operators)
    inputs, outputs = graph.inputs, graph.outputs
    for _ in range(rng.randrange(1, 4)):
        if rng.random() < 0.6:
            at = rng.randrange(len(tensors))
            tensors[at] = _strange_tensor(rng, tensors[at])
        elif operators and rng.random() < 0.9:
            at = rng.randrange(len(operators))
            operators[at] = _strange_operator(rng, operators[at], operators, len(tensors))
        else:
            inputs, outputs = rng.choice(
                [(outputs, inputs), (inputs, (rng.randrange(len(tensors)),)), (inputs, inputs)]
            )
    return replace(graph, tensors=tuple(tensors), operators=tuple(operators), inputs=inputs, outputs=outputs)


def _strange_tensor(rng: random.Random, tensor: Tensor) -> Tensor:
    kind, shape, data = rng.randrange(6), list(tensor.shape), tensor.data
    if kind == 0 and shape:
        at = rng.randrange(len(shape))
        shape[at] = rng.choice([0, 1, 2, 3, 7, shape[at] + 1, max(0, shape[at] - 1), shape[at] * 2, 1000])
    elif kind == 1:
        rng.shuffle(shape)
        shape = shape[rng.randrange(2) :] + [1] * rng.randrange(2)
    elif kind == 2:
        return replace(tensor, dtype=rng.choice(["int8", "uint8", "int16", "int32", "float32", "bool"]), data=None)
    elif kind == 3 and len(tensor.scales):
        factors = [2.0**-30, 0.5, 1.001, 2.0, 1e6, 2.0**30] if rng.random() < 0.7 else [1e-40, 1e38]
        scales = tensor.scales.astype(np.float64) * rng.choice(factors)
        return replace(tensor, scales=np.clip(scales, 1e-44, 3e38).astype(np.float32))
    elif kind == 4 and len(tensor.scales):
        wild = [-129, -128, -1, 0, 1, 127, 128, 255, 2**31 - 1, -(2**31)]
        return replace(tensor, zero_points=np.full(len(tensor.scales), rng.choice(wild), np.int64))
    elif data is not None and data.size:
        flat, edge = data.ravel().copy(), np.finfo if data.dtype.kind == "f" else np.iinfo
        value = rng.choice([0, 1, -1, 5, edge(data.dtype).min, edge(data.dtype).max])
        flat[rng.randrange(len(flat)) :][: rng.choice([1, len(flat)])] = np.asarray(value).astype(data.dtype)
        return replace(tensor, data=flat.reshape(data.shape))
    if math.prod(shape) > 10**6 or (
        len(tensor.scales) > 1 and shape[tensor.axis : tensor.axis + 1] != [len(tensor.scales)]
    ):
        return tensor
    return replace(tensor, shape=tuple(shape), data=None if data is None else np.resize(data, shape))


def _strange_operator(rng: random.Random, operator: Operator, others: list[Operator], n_tensors: int) -> Operator:
    kind = rng.randrange(4)
    if kind == 0 and operator.options:
        key = rng.choice(sorted(operator.options))
        alike = [other.options[key] for other in others if key in other.options]
        wild = [0, 1, 2, 3, 255, -1, -(2**31), 2**31 - 1] if isinstance(operator.options[key], int) else alike
        return replace(operator, options=operator.options | {key: rng.choice(wild)})
    if kind == 1 and operator.inputs:
        inputs = list(operator.inputs)
        inputs[rng.randrange(len(inputs))] = rng.randrange(-1, n_tensors)
        return replace(operator, inputs=tuple(inputs[: rng.choice([len(inputs), len(inputs) - 1])]))
    if kind == 2:
        return replace(operator, outputs=(rng.randrange(n_tensors),))
    other = rng.choice(others)
    return replace(other, inputs=operator.inputs, outputs=operator.outputs)


def run(graph: Graph, seed: int) -> bool:
    """Lower, plan and run a graph; return whether it was small enough to be run."""
    program = compile_graph(graph)
    if program.macs >= WORK or program.arena_size >= WORK:
        return False
    end = program.input
    rng = np.random.default_rng(seed)
    shape = (1, *end.shape[1:])
    if end.dtype == "float32":
        x = rng.normal(size=shape).astype(np.float32)
    else:
        info = np.iinfo(end.dtype)
        x = rng.integers(info.min, info.max + 1, size=shape).astype(end.dtype)
    Engine(program, workers=1).run(x)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--at", type=Path)
    options = parser.parse_args()
    contents = originals()
    graphs, weights = [read_tflite(content) for content in contents], [len(content) ** -2 for content in contents]
    found, start, work = {"refused": 0, "read": 0, "run": 0}, time.monotonic(), time.process_time()
    for number in range(options.first, options.first + options.count):
        if options.at and number % 50 == 0:
            options.at.write_text(str(number))
        if number % 50 == 0:
            used = resource.getrusage(resource.RUSAGE_SELF)
            limit = int(used.ru_utime + used.ru_stime) + SECONDS
            resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))  # a hang kills the process
        try:
            rng = random.Random(number)
            chosen = rng.choices(range(len(graphs)), weights)[0]  # small ones more often
            if number % 2:
                content = damaged_file(rng, contents[chosen])
                read_metadata_buffer(content)
                graph = read_tflite(content)
            else:
                graph = strange_graph(rng, graphs[chosen])
            found["run" if run(graph, number) else "read"] += 1
        except UserError as error:
            if not 10 < len(str(error)) < 3000:
                raise AssertionError(f"mutation {number}: a poor message: {error}") from error
            found["refused"] += 1
        except Exception as error:
            raise AssertionError(f"mutation {number}: {type(error).__name__}: {error}") from error
        if (number + 1) % EVERY == 0 or number + 1 == options.first + options.count:
            spent = {"seconds": time.monotonic() - start, "of processor": time.process_time() - work}
            print(json.dumps(found | {key: round(value) for key, value in spent.items()}), flush=True)


if __name__ == "__main__":
    main()
