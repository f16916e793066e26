"""The one place that imports onnxruntime: models of ``.onnx`` files run by it, patches in, outputs out."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pyaed.artefact import Input
from pyaed.artefact.ends import FRAMES_FIRST
from pyaed.errors import UserError
from pyaed.models.keras import quiet_stderr
from pyaed.text import first_line, printable

if TYPE_CHECKING:
    import onnx

    from pyaed.nn.onnx import OnnxModel

QUIET = 4  # onnxruntime logs nothing below a fatal error
IO_DTYPES = ("float32", "int8", "uint8")


def import_onnxruntime(source: str) -> Any:
    """Return the package `onnxruntime`; UserError where it isn't installed."""
    try:
        import onnxruntime
    except ImportError:
        raise UserError(f"{source}: running .onnx models needs the extra 'onnx': pip install 'pyaed[onnx]'") from None
    return onnxruntime


def session(proto: "onnx.ModelProto", source: str, threads: int | None = None, options: Any = None) -> Any:
    """Return an onnxruntime session of a checked model, on the processor.

    Raises
    ------
    UserError
        When onnxruntime can't run it.
    """
    runtime = import_onnxruntime(source)
    options = options or runtime.SessionOptions()
    options.log_severity_level = QUIET
    options.intra_op_num_threads = threads or 1
    try:
        with quiet_stderr():
            return runtime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own classes of many kinds
        raise UserError(f"onnxruntime can't load {source}: {first_line(error, 300)}") from error


def arranged(patches: npt.NDArray[np.float32], model: "OnnxModel", taken: Input) -> npt.NDArray[np.float32]:
    """Return patches (n, n_mels, patch_length) as inputs of a model."""
    shape = model.shapes[model.inputs[0]]
    if patches[0].size != np.prod(shape[1:]):
        raise UserError(f"{model.source}: takes {shape[1:]}, but the patches have the shape {patches.shape[1:]}")
    x = patches.transpose(0, 2, 1) if taken.layout == FRAMES_FIRST else patches
    return np.ascontiguousarray(x).reshape(len(x), *shape[1:])


def runner(
    model: "OnnxModel", taken: Input, threads: int | None = None
) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
    """Return what runs a model on patches.

    Parameters
    ----------
    model : OnnxModel
    taken : Input
        How patches become its input.
    threads : int, optional
        Default 1.

    Returns
    -------
    callable
        float32 (n, n_mels, patch_length) -> float32 (n, n_outputs). Ends of int8 and uint8 are quantized and dequantized with
        the numbers of their DequantizeLinear and QuantizeLinear.

    Raises
    ------
    UserError
        When onnxruntime can't run the model, or an end has another type or is quantized in no known way.
    """
    from pyaed.dsp import quantize
    from pyaed.nn.onnx import end_quantization

    given, made = model.inputs[0], model.outputs[0]
    scales = {name: end_quantization(model, name) for name in (given, made)}
    for name in (given, made):
        dtype = model.dtypes[name]
        if dtype not in IO_DTYPES or (dtype != "float32" and scales[name] is None):
            raise UserError(
                f"{model.source}: '{printable(name)}' is {dtype}{' of an unknown scale' if dtype in IO_DTYPES else ''}; expected "
                "float32, or int8 or uint8 between QuantizeLinear and DequantizeLinear"
            )
    loaded = session(model.proto, model.source, threads)

    def run(patches: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        x: npt.NDArray[Any] = arranged(patches, model, taken)
        if (found := scales[given]) is not None:
            x = quantize(x, *found, np.dtype(model.dtypes[given]))
        try:
            with quiet_stderr():
                rows = [loaded.run([made], {given: row[np.newaxis]})[0].reshape(-1) for row in x]
        except Exception as error:
            raise UserError(f"onnxruntime can't run {model.source}: {first_line(error, 300)}") from error
        out = np.stack(rows)
        if (found := scales[made]) is not None:
            out = np.float32(found[0]) * (out.astype(np.int32) - found[1]).astype(np.float32)
        return np.asarray(out, np.float32)

    return run
