"""The host engine: runs the C kernels of ``nn_c`` on the numbers that the C emitter would print."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pyaed.dsp import quantize
from pyaed.errors import UserError
from pyaed.nn._nn import ffi, lib
from pyaed.nn.lowering import KERNELS
from pyaed.nn.program import IO_TYPES, ModelSource, Program, Value, load
from pyaed.workers import executor, worker_count

_CTYPES = {"int8": "int8_t[]", "uint8": "uint8_t[]", "int32": "int32_t[]", "float32": "float[]", "float64": "double[]"}


class Engine:
    """An int8 network on the host, bit-equal to the generated firmware.

    Parameters
    ----------
    source : path of a ``.tflite`` or ``.onnx`` file, a ``.tflite``'s content, a Graph or a Program
    workers : how many inferences of a batch run side by side; see `pyaed.workers.worker_count`

    Raises
    ------
    UserError
        The model cannot be read or holds an operator, type or shape that is not supported.
    """

    def __init__(self, source: ModelSource, workers: int | None = None):
        self.program: Program = load(source)
        self.workers = worker_count(workers)
        self._alive: list[Any] = []  # what the C structs point at
        nodes = ffi.new("aed_nn_node[]", max(1, len(self.program.nodes)))
        for node, entry in zip(self.program.nodes, nodes):
            entry.kernel = ffi.addressof(lib, node.kernel)
            entry.params = self._params(KERNELS[node.kernel], node.params)
        self._nodes = nodes
        self._model = ffi.new("aed_nn_model *")
        self._model.name = self._keep(ffi.new("char[]", self.program.name.encode()))
        self._model.hash = self._keep(ffi.new("char[]", self.program.hash.encode()))
        self._model.nodes = nodes
        self._model.n_nodes = len(self.program.nodes)
        self._model.arena_size = self.program.arena_size
        for end, value in ((self._model.input, self.program.input), (self._model.output, self.program.output)):
            end.offset, end.n_elements, end.n_dims = value.offset, value.size, len(value.shape)
            end.dims = [*value.shape, 1, 1, 1][:4]
            end.type = getattr(lib, IO_TYPES[value.dtype])
            end.scale, end.zero_point = value.scale, value.zero_point

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Run a batch.

        Parameters
        ----------
        batch : [N, ...] in the model's input dtype, or float32, which is quantized as the firmware quantizes patches.
            The shape after N is the model's input shape; dimensions of 1 may be left out.

        Returns
        -------
        [N, ...] in the model's output dtype and shape.

        Raises
        ------
        UserError
            The batch has the wrong shape or dtype, or holds values that are not finite.
        """
        inputs = self._inputs(batch)
        end = self.program.output
        outputs = np.empty((len(inputs), end.size), end.dtype)

        def work(rows: np.ndarray) -> None:
            arena = _arena(self.program.arena_size)
            for row in rows:
                status = lib.aed_nn_run(
                    self._model,
                    ffi.from_buffer(inputs[row]),
                    ffi.from_buffer(outputs[row], require_writable=True),
                    ffi.from_buffer(arena),
                    ffi.NULL,
                    ffi.NULL,
                )
                if status != lib.AED_OK:
                    raise RuntimeError(f"aed_nn_run returned {status}")

        workers = max(1, min(self.workers, len(inputs)))
        for _ in executor(workers).map(work, np.array_split(np.arange(len(inputs)), workers)):
            pass
        return outputs.reshape(len(inputs), *_without_batch(end))

    def predict(self, patches: np.ndarray) -> npt.NDArray[np.float32]:
        """Run a batch and return real values: float32, dequantized where the model's output is quantized.

        Parameters
        ----------
        patches : as for `run`

        Returns
        -------
        float32 [N, ...] in the model's output shape.
        """
        outputs = self.run(patches)
        end = self.program.output
        if end.dtype == "float32":
            return outputs
        real: npt.NDArray[np.float32] = np.float32(end.scale) * (outputs.astype(np.int32) - end.zero_point).astype(
            np.float32
        )
        return real

    def run_layers(self, x: np.ndarray) -> list[tuple[str, np.ndarray]]:
        """Run one input and return what every node computed.

        Parameters
        ----------
        x : one input, as one member of a batch for `run`

        Returns
        -------
        list of (tensor name, array in the tensor's dtype and shape), one per node, in order.
        """
        row = self._inputs(np.asarray(x)[np.newaxis])[0]
        arena = _arena(self.program.arena_size)
        _write(arena, self.program.input, row)
        result = []
        for node, entry in zip(self.program.nodes, self._nodes):
            entry.kernel(entry.params, ffi.cast("uint8_t *", ffi.from_buffer(arena)))
            result.append((node.name, _read(arena, node.output)))
        return result

    def profile(self, x: np.ndarray, runs: int = 25) -> list[float]:
        """Measure the time of every node on this machine, in one thread.

        Parameters
        ----------
        x : one input, as one member of a batch for `run`
        runs : int
            The median of so many inferences is returned.

        Returns
        -------
        list of float
            Microseconds of each node, in order; below about 1 it is the measuring itself.
        """
        row = self._inputs(np.asarray(x)[np.newaxis])[0]
        memory = _arena(self.program.arena_size)
        arena = ffi.cast("uint8_t *", ffi.from_buffer(memory))
        times = np.zeros((max(1, runs), len(self.program.nodes)))
        for run in times:
            _write(memory, self.program.input, row)
            for number, entry in enumerate(self._nodes[0 : len(run)]):
                start = time.perf_counter()
                entry.kernel(entry.params, arena)
                run[number] = 1e6 * (time.perf_counter() - start)
        return [float(median) for median in np.median(times, axis=0)]

    def _inputs(self, batch: np.ndarray) -> np.ndarray:
        end = self.program.input
        batch = np.asarray(batch)
        wanted = [d for d in _without_batch(end) if d != 1]
        if batch.ndim < 1 or [d for d in batch.shape[1:] if d != 1] != wanted:
            raise UserError(
                f"{self.program.name}: a batch of shape {list(batch.shape)}, expected [N, "
                f"{', '.join(str(d) for d in _without_batch(end))}]"
            )
        if batch.dtype == np.float32 and end.dtype != "float32":
            if not np.isfinite(batch).all():
                raise UserError(f"{self.program.name}: the batch holds values that are not finite")
            batch = quantize(batch, end.scale, end.zero_point, np.dtype(end.dtype))
        if batch.dtype != end.dtype:
            raise UserError(f"{self.program.name}: a batch of {batch.dtype}, expected {end.dtype} or float32")
        return np.ascontiguousarray(batch).reshape(len(batch), end.size)

    def _keep(self, pointer: Any) -> Any:
        self._alive.append(pointer)
        return pointer

    def _params(self, struct: str, values: Mapping[str, Any]) -> Any:
        fields = {}
        for name, value in values.items():
            if name == "stages":
                fields[name] = self._keep(ffi.new("aed_chain_stage[]", len(value)))
                for stage, entry in zip(value, fields[name]):
                    entry.kernel = ffi.addressof(lib, stage.kernel)
                    entry.params = self._params(KERNELS[stage.kernel], stage.params)
                    for field, number in stage.fields.items():
                        setattr(entry, field, getattr(lib, number) if field == "kind" else number)
            elif isinstance(value, np.ndarray):
                fields[name] = self._keep(ffi.from_buffer(_CTYPES[value.dtype.name], np.ascontiguousarray(value)))
            elif value is not None:
                fields[name] = value if isinstance(value, list) else value.item() if hasattr(value, "item") else value
        return self._keep(ffi.new(f"{struct} *", fields))


def _without_batch(value: Value) -> tuple[int, ...]:
    return value.shape[1:] if value.shape[0] == 1 else value.shape


def _arena(size: int) -> npt.NDArray[np.uint8]:
    """Return `size` bytes that start on a multiple of 16."""
    memory = np.zeros(size + 16, np.uint8)
    return memory[-memory.ctypes.data % 16 :][:size]


def _write(arena: npt.NDArray[np.uint8], value: Value, row: np.ndarray) -> None:
    data = row.view(np.uint8)
    arena[value.offset : value.offset + len(data)] = data


def _read(arena: npt.NDArray[np.uint8], value: Value) -> np.ndarray:
    dtype = np.dtype(value.dtype)
    own: np.ndarray = arena[value.offset : value.offset + value.size * dtype.itemsize].copy().view(dtype)
    return own.reshape(value.shape)
