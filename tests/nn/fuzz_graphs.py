"""Damage int8 graphs at random, read, plan and run them; for an engine that is built under the sanitizers (docs/security.md).

    python tests/nn/fuzz_graphs.py --count 1000000 --at file

Mutation N is always the same: `--first N --count 1` repeats it. The number at hand stands in the file named by --at, for one
that kills the process.
"""

import argparse
import json
import random
import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from graphs import random_graph  # noqa: E402
from networks import convolution_stack, random_network, residual_network  # noqa: E402
from support.damage import damage  # noqa: E402

from pyaed.errors import UserError  # noqa: E402
from pyaed.nn import Engine, compile_graph, read_metadata_buffer, read_tflite  # noqa: E402

SECONDS = 8  # of processor time that one graph may take
WORK = 10**6  # multiply-accumulates, and bytes of arena, up to which a graph is run


def originals() -> list[bytes]:
    """Return small graphs with all operators and shapes of the tests."""
    made = [random_graph(random.Random(seed)) for seed in range(200)]
    made += [network(seed) for network in (random_network, convolution_stack) for seed in range(20)]
    return [*made, residual_network(metadata={"pyaed": b'{"format_version": 1}'})]


def mutation(graphs: list[bytes], number: int) -> bytes:
    """Return a damaged graph, small ones more often: by turns bytes anywhere, and small numbers (sizes, indices) off by little."""
    rng = random.Random(number)
    content = rng.choices(graphs, [1 / len(graph) for graph in graphs])[0]
    if number % 2:
        return damage(content, rng)
    changed = bytearray(content)
    for _ in range(rng.randrange(1, 4)):
        small = [rng.randrange(len(changed)) for _ in range(20)]
        at = next((i for i in small if 0 < changed[i] < 32), small[0])
        changed[at] = (changed[at] + rng.choice([-1, 1, 2, -4, 4, 127, 128])) % 256
    return bytes(changed)


def read_and_run(content: bytes, seed: int) -> bool:
    """Do all that a model file goes through; return whether it came to be run."""
    read_metadata_buffer(content)
    program = compile_graph(read_tflite(content))
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
    graphs = originals()
    found, start = {"refused": 0, "read": 0, "run": 0}, time.monotonic()
    for number in range(options.first, options.first + options.count):
        if options.at and number % 50 == 0:
            options.at.write_text(str(number))
        if number % 50 == 0:
            used = resource.getrusage(resource.RUSAGE_SELF)
            limit = int(used.ru_utime + used.ru_stime) + SECONDS
            resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))  # a hang kills the process
        try:
            found["run" if read_and_run(mutation(graphs, number), number) else "read"] += 1
        except UserError as error:
            if not 10 < len(str(error)) < 3000:
                raise AssertionError(f"mutation {number}: a poor message: {error}") from error
            found["refused"] += 1
        except Exception as error:
            raise AssertionError(f"mutation {number}: {type(error).__name__}: {error}") from error
    print(json.dumps(found | {"seconds": round(time.monotonic() - start)}))


if __name__ == "__main__":
    main()
