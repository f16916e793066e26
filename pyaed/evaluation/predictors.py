"""One form for everything that predicts: patches float32 (n, n_mels, patch_length) to probabilities (n, n_classes)."""

import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from pyaed.artefact import Input, Scores
from pyaed.artefact.ends import FRAMES_FIRST
from pyaed.errors import UserError
from pyaed.progress import progress
from pyaed.text import first_line

if TYPE_CHECKING:
    from pyaed.data import Patches
    from pyaed.nn.onnx import OnnxModel

Predictor = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
BATCH = 32
AS_IT_IS = Input(), Scores()
IO_DTYPES = (np.int8, np.uint8, np.float32)


class Network(Protocol):
    """`pyaed.nn.Engine`."""

    def predict(self, patches: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]: ...


class Ends(Protocol):
    """Types and quantization (scale, zero point) of a network's ends."""

    @property
    def input_dtype(self) -> np.dtype[Any]: ...

    @property
    def output_dtype(self) -> np.dtype[Any]: ...

    @property
    def input_quantization(self) -> tuple[float, int]: ...

    @property
    def output_quantization(self) -> tuple[float, int]: ...


class Device(Protocol):
    """`pyaed.link.board.Board`."""

    def identify(self) -> Ends: ...

    def infer(self, patch: np.ndarray) -> np.ndarray: ...


def predict_patches(
    predictor: Predictor, patches: "Patches", label: str = "predict", batch: int = BATCH
) -> npt.NDArray[np.float32]:
    """Run a predictor batch by batch, with progress.

    Returns
    -------
    ndarray of float32, shape (n_patches, n_classes)

    Raises
    ------
    ValueError
        When the predictor's output has another shape or isn't finite.
    """
    starts = range(0, len(patches), batch)
    parts = []
    for start in progress(starts, len(starts), label, "batches"):
        part = patches[start : start + batch]
        out = np.asarray(predictor(part), dtype=np.float32)
        if out.ndim != 2 or len(out) != len(part):
            raise ValueError(f"the predictor gives shape {out.shape} for {len(part)} patches")
        if not np.isfinite(out).all():
            raise ValueError("the predictor gives values that are not finite")
        parts.append(out)
    return np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)


def keras_predictor(model: Any) -> Predictor:
    """Predict with a Keras model (needs TensorFlow, extra `train`)."""
    from pyaed.models import predictor

    return predictor(model)


def tflite_predictor(
    path: str | os.PathLike[str],
    reference: bool = False,
    num_threads: int | None = None,
    taken: Input = AS_IT_IS[0],
    scores: Scores = AS_IT_IS[1],
) -> Predictor:
    """Predict with TensorFlow Lite (needs TensorFlow, extra `train`).

    Patches are quantized by `pyaed.dsp.quantize` with the model's input parameters, outputs dequantized with its
    output parameters.

    Parameters
    ----------
    path : path
        The .tflite file.
    reference : bool
        Use the reference kernels; the default is TensorFlow Lite's optimized ones.
    num_threads : int, optional
        Default: one for the reference kernels, else what TensorFlow Lite chooses.
    taken : Input
        How patches become the input.
    scores : Scores
        How the output becomes one score a class.
    """
    from pyaed.dsp import quantize
    from pyaed.models.keras import import_tensorflow, quiet_stderr

    tf = import_tensorflow()
    types = tf.lite.experimental.OpResolverType
    try:
        with warnings.catch_warnings(), quiet_stderr():
            warnings.simplefilter("ignore")  # every construction announces the interpreter's move to another package
            interpreter = tf.lite.Interpreter(
                model_path=os.fspath(path),
                experimental_op_resolver_type=types.BUILTIN_REF if reference else types.AUTO,
                num_threads=num_threads or (1 if reference else None),
            )
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError, OSError) as error:
        raise UserError(f"TensorFlow Lite can't load {path}: {first_line(error)}") from error
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    shape = tuple(source["shape"][1:])
    for end in (source, sink):
        if end["dtype"] not in IO_DTYPES or (end["dtype"] != np.float32 and not end["quantization"][0]):
            raise UserError(
                f"{path}: '{end['name']}' is {np.dtype(end['dtype']).name} with the scale {end['quantization'][0]}, expected "
                "int8 or uint8 with a scale, or float32"
            )

    def predict(patches: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if patches[0].size != np.prod(shape):
            raise UserError(f"the patches have the shape {patches.shape[1:]}, but {path} takes {shape}")
        x = patches.transpose(0, 2, 1) if taken.layout == FRAMES_FIRST else patches
        if source["dtype"] != np.float32:
            scale, zero_point = source["quantization"]
            x = quantize(np.ascontiguousarray(x), scale, zero_point, source["dtype"])
        rows = []
        for patch in x:
            interpreter.set_tensor(source["index"], patch.reshape(1, *shape))
            interpreter.invoke()
            rows.append(interpreter.get_tensor(sink["index"])[0].ravel())
        out = np.stack(rows)
        return scores.apply(out if sink["dtype"] == np.float32 else _dequantize(out, *sink["quantization"]))

    return predict


def onnx_predictor(model: "OnnxModel", taken: Input, scores: Scores, num_threads: int | None = None) -> Predictor:
    """Predict with onnxruntime (extra `onnx`).

    Parameters
    ----------
    model : pyaed.nn.onnx.OnnxModel
    taken : Input
        How patches become the input.
    scores : Scores
        How the output becomes one score a class.
    num_threads : int, optional
        Default: one.
    """
    from pyaed.models.onnx import runner

    run = runner(model, taken, num_threads)
    return lambda patches: scores.apply(run(patches))


def engine_predictor(engine: Network) -> Predictor:
    """Predict with `pyaed.nn.Engine`: the C that runs on the device, on the host."""
    return lambda patches: engine.predict(patches).reshape(len(patches), -1)


def board_predictor(board: Device) -> Predictor:
    """Predict on a board (or the emulator) with `pyaed.link.board.Board`, patch by patch.

    Patches are quantized, and outputs dequantized, with the parameters that the device reports.
    """
    from pyaed.dsp import quantize

    device = board.identify()

    def predict(patches: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        x = patches
        if device.input_dtype != np.float32:
            x = quantize(patches, *device.input_quantization, device.input_dtype)
        out = np.stack([board.infer(patch).ravel() for patch in x])
        if device.output_dtype == np.float32:
            return out
        return _dequantize(out, *device.output_quantization)

    return predict


def _dequantize(q: np.ndarray, scale: float, zero_point: int) -> npt.NDArray[np.float32]:
    real: npt.NDArray[np.float32] = np.float32(scale) * (q.astype(np.int32) - np.int32(zero_point)).astype(np.float32)
    return real
