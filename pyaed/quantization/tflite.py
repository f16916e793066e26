"""Post-training quantization with TensorFlow Lite's converter."""

import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pyaed.artefact import ModelMetadata, embed_tflite
from pyaed.errors import UserError, nearest
from pyaed.files import atomic_path
from pyaed.models import as_input
from pyaed.models.keras import import_tensorflow, quiet_stderr
from pyaed.progress import progress
from pyaed.text import first_line

BLOCK = 256  # patches that are looked at together
GRANULARITIES = ("per_channel", "per_tensor")
TYPES = {"float": "float32", "int8": "int8", "uint8": "uint8"}

if TYPE_CHECKING:
    from pyaed.data import Patches

log = logging.getLogger(__name__)


def quantize(
    model: Any,
    representative_patches: "Patches | npt.NDArray[np.float32]",
    quantization_cfg: object,
    metadata: ModelMetadata | None,
    path: str | os.PathLike[str],
) -> Path:
    """Quantize a float model to int8 and write it as `.tflite` with the metadata buffer `pyaed`.

    Weights and activations become int8, biases int32; the input's batch is fixed to 1, so that all shapes are static.

    Parameters
    ----------
    model : keras.Model
        Input float32 (batch, n_mels, patch_length, 1).
    representative_patches : ndarray or pyaed.data's store on disk, float32, shape (n_patches, n_mels, patch_length)
        Their ranges become the activations' scales: a few hundred patches of all classes.
    quantization_cfg : object
        Section `quantization`: `granularity` of the weights' scales (per_channel, per_tensor),
        `quantization_input_type` and `quantization_output_type` (int8, uint8, float).
    metadata : ModelMetadata, optional
    path : path-like
        The `.tflite` file; appears whole or not at all.

    Returns
    -------
    Path

    Raises
    ------
    UserError
        For a setting that can't be used, patches of another shape than the model's input, or a model that TensorFlow
        Lite can't convert.
    """
    tf = import_tensorflow()
    path = Path(path)
    if path.suffix != ".tflite":
        raise UserError(f"{path}: a quantized model file has to end with .tflite")
    quantizer = _choice(quantization_cfg, "quantizer", ("TFlite_converter",))
    _choice(quantization_cfg, "quantization_type", ("PTQ",))
    granularity = _choice(quantization_cfg, "granularity", GRANULARITIES)
    input_type = _choice(quantization_cfg, "quantization_input_type", ("int8", "uint8", "float"))
    output_type = _choice(quantization_cfg, "quantization_output_type", ("float", "int8", "uint8"))
    if len(representative_patches) == 0:
        raise UserError("quantization needs representative patches, there are none")

    def samples() -> Iterator[list[np.ndarray]]:
        for i in progress(range(len(representative_patches)), label="quantization", unit="patches"):
            yield [as_input(model, representative_patches[i : i + 1])]

    for i in range(0, len(representative_patches), BLOCK):
        if not np.isfinite(as_input(model, representative_patches[i : i + BLOCK])).all():
            raise UserError("the representative patches have values that are not numbers")

    log.info(
        "quantizing %s with %s, %s, %d representative patches",
        model.name, quantizer, granularity, len(representative_patches),
    )  # fmt: skip
    converter = tf.lite.TFLiteConverter.from_concrete_functions([_frozen(model)])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.as_dtype(TYPES[input_type])
    converter.inference_output_type = tf.as_dtype(TYPES[output_type])
    converter._experimental_disable_per_channel = granularity == "per_tensor"  # has no public name
    try:
        with quiet_stderr(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = converter.convert()
    except Exception as error:  # the converter raises its own and C++ exceptions of many kinds
        raise UserError(f"TensorFlow Lite can't quantize the model {model.name}: {first_line(error, 300)}") from error
    if metadata is not None:
        content = embed_tflite(content, metadata)
    _verify(content, path)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return path


def _frozen(model: Any) -> Any:
    """Return the model's inference with batch 1 as a function without variables, which every converter version takes."""
    tf = import_tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="patch")
    inference = tf.function(lambda patch: model(patch, training=False))
    return convert_variables_to_constants_v2(inference.get_concrete_function(signature))


def _verify(content: bytes, path: Path) -> None:
    """Run what will be written once, so that a file that can't be loaded is never left behind."""
    tf = import_tensorflow()
    try:
        with quiet_stderr(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TensorFlow says where its interpreter will move to
            interpreter = tf.lite.Interpreter(
                model_content=content,
                experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF,
            )
            interpreter.allocate_tensors()
            (given,) = interpreter.get_input_details()
            interpreter.set_tensor(given["index"], np.zeros(given["shape"], given["dtype"]))
            interpreter.invoke()
    except Exception as error:
        raise UserError(f"{path}: the quantized model does not run in TensorFlow Lite ({error})") from error


def _choice(cfg: object, key: str, choices: tuple[str, ...]) -> str:
    """Return a setting that has to be one of `choices`; the first is the default."""
    value = getattr(cfg, key, None) or choices[0]
    if value not in choices:
        raise UserError(
            f"quantization.{key} is '{value}', expected one of {', '.join(choices)}{nearest(str(value), choices)}"
        )
    return value
