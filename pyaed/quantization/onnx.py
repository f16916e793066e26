"""Post-training quantization of a float ``.onnx`` model by onnxruntime's static quantizer, in the form QDQ."""

import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyaed.artefact import Input, ModelMetadata
from pyaed.errors import UserError, nearest
from pyaed.files import atomic_path
from pyaed.models.keras import quiet_stderr
from pyaed.models.onnx import arranged, import_onnxruntime, session
from pyaed.nn.onnx import OnnxModel, load, set_metadata
from pyaed.nn.onnx.operators import MOVEMENTS
from pyaed.nn.onnx.shapes import opset
from pyaed.progress import progress
from pyaed.text import first_line, printable

if TYPE_CHECKING:
    import onnx

    from pyaed.data import Patches

log = logging.getLogger(__name__)

TARGET_OPSET = 17
_TYPES = ("QInt8", "QUInt8")
_METHODS = ("MinMax", "Entropy", "Percentile", "Distribution")
#: `onnx_quant_parameters`: argument of onnxruntime's quantize_static -> type and, for a name, its values.
PARAMETERS: dict[str, tuple[type, tuple[str, ...]]] = {
    "op_types_to_quantize": (list, ()),
    "nodes_to_quantize": (list, ()),
    "nodes_to_exclude": (list, ()),
    "per_channel": (bool, ()),
    "reduce_range": (bool, ()),
    "calibrate_method": (str, _METHODS),
    "activation_type": (str, _TYPES),
    "weight_type": (str, _TYPES),
    "quant_format": (str, ("QDQ",)),
}
#: `onnx_extra_options`: those of onnxruntime that plain values can say, and their types.
OPTIONS: dict[str, type] = {
    **dict.fromkeys(
        (
            "ActivationSymmetric", "ActivationRestrictedAsymmetric", "WeightSymmetric", "ForceQuantizeNoInputCheck",
            "MatMulConstBOnly", "AddQDQPairToWeight", "QuantizeBias", "DedicatedQDQPair", "CalibTensorRangeSymmetric",
            "CalibMovingAverage", "QDQKeepRemovableActivations", "QDQDisableWeightAdjustForInt32Bias", "SmoothQuant",
            "SmoothQuantFolding", "UseQDQContribOps",
        ),
        bool,
    ),
    **dict.fromkeys(("CalibStridedMinMax", "CalibMaxIntermediateOutputs"), int),
    **dict.fromkeys(("CalibMovingAverageConstant", "CalibPercentile", "SmoothQuantAlpha", "MinimumRealRange"), float),
    "OpTypesToExcludeOutputQuantization": list,
    "QDQOpTypePerChannelSupportToAxis": dict,
}  # fmt: skip
_PREPROCESSED = ("onnx.quant.pre_process", "onnxruntime.quant")  # onnxruntime's quantizer asks for it


def check_onnx_settings(parameters: dict[str, Any] | None, options: dict[str, Any] | None) -> None:
    """Refuse settings of onnxruntime's quantizer that are none.

    Parameters
    ----------
    parameters, options : dict, optional
        `quantization.onnx_quant_parameters`, `quantization.onnx_extra_options`.

    Raises
    ------
    UserError
        With the key, what was expected and the nearest name.
    """
    known: dict[str, dict[str, tuple[type, tuple[str, ...]]]] = {
        "onnx_quant_parameters": PARAMETERS,
        "onnx_extra_options": {key: (kind, ()) for key, kind in OPTIONS.items()},
    }
    for section, given in (("onnx_quant_parameters", parameters), ("onnx_extra_options", options)):
        for key, value in (given or {}).items():
            name = f"quantization.{section}.{key}"
            if key not in known[section]:
                raise UserError(
                    f"{name}: no such setting, expected one of {', '.join(known[section])}{nearest(key, known[section])}"
                )
            kind, choices = known[section][key]
            fits = isinstance(value, (int, float) if kind is float else kind)
            if not fits or (isinstance(value, bool) and kind is not bool):
                words = {
                    list: "a list of names",
                    bool: "True or False",
                    int: "a whole number",
                    float: "a number",
                    dict: "a mapping",
                }
                raise UserError(f"{name}: {value!r}, expected {words.get(kind, ' or '.join(choices))}")
            if choices and value not in choices:
                raise UserError(f"{name}: {value!r}, expected one of {', '.join(choices)}{nearest(value, choices)}")
            if kind is list and not all(isinstance(v, str) for v in value):
                raise UserError(f"{name}: {value!r}, expected a list of names")


def quantize_onnx(
    model: OnnxModel,
    representative_patches: "Patches",
    taken: Input,
    quantization_cfg: Any,
    metadata: ModelMetadata | None,
    path: str | os.PathLike[str],
) -> Path:
    """Quantize a float ``.onnx`` model to int8 and write it as QDQ ``.onnx`` with the metadata `pyaed`.

    Parameters
    ----------
    model : OnnxModel
        A float one.
    representative_patches : ndarray or pyaed.data's store on disk, float32, shape (n_patches, n_mels, patch_length)
        Their ranges become the activations' scales.
    taken : Input
        How patches become the model's input.
    quantization_cfg : object
        Section `quantization`: `granularity`, `quantization_input_type`, `quantization_output_type`, `target_opset`,
        `onnx_quant_parameters`, `onnx_extra_options`.
    metadata : ModelMetadata, optional
    path : path-like
        The ``.onnx`` file; appears whole or not at all.

    Returns
    -------
    Path

    Raises
    ------
    UserError
        For a setting that can't be used, or a model that onnxruntime can't quantize.
    """
    import_onnxruntime(model.source)
    path, cfg = Path(path), quantization_cfg
    if path.suffix != ".onnx":
        raise UserError(f"{path}: a model that is quantized with onnx_quantizer has to end with .onnx")
    if model.quantized:
        raise UserError(f"{model.source}: it is quantized already; expected a float model")
    if len(representative_patches) == 0:
        raise UserError("quantization needs representative patches, there are none")
    given, options = dict(cfg.onnx_quant_parameters or {}), dict(cfg.onnx_extra_options or {})
    check_onnx_settings(given, options)
    per_channel = given.pop("per_channel", cfg.granularity == "per_channel")
    if per_channel != (cfg.granularity == "per_channel"):
        raise UserError(
            f"quantization.onnx_quant_parameters.per_channel is {per_channel}, quantization.granularity {cfg.granularity}; "
            "expected the same of both"
        )
    log.info(
        "quantizing %s with onnx_quantizer, %s, %d representative patches",
        model.name, cfg.granularity, len(representative_patches),
    )  # fmt: skip
    explicit = "target_opset" in getattr(cfg, "model_fields_set", {"target_opset"})
    with tempfile.TemporaryDirectory(prefix="pyaed-onnx-") as folder:
        proto = _optimized(_with_opset(model, cfg.target_opset, explicit), model.source, Path(folder))
        _check_names(proto, given)
        made = Path(folder) / "quantized.onnx"
        _quantize(proto, made, model, representative_patches, taken, per_channel, given, options)
        found = load(made)
    result = found.proto
    _integer_ends(found, cfg.quantization_input_type, cfg.quantization_output_type)
    del result.metadata_props[:]
    if metadata is not None:
        set_metadata(result, "pyaed", metadata.to_json())
    session(result, str(path))  # what can't be loaded is never left behind
    with atomic_path(path) as temporary:
        temporary.write_bytes(result.SerializeToString())
    return path


def _with_opset(model: OnnxModel, target: int, explicit: bool) -> "onnx.ModelProto":
    """Return the model in the target's operators; a newer one stays as it is unless the target was asked for."""
    import onnx

    found = opset(model.proto)
    if found == target or (found > target and not explicit):
        return model.proto
    if target > onnx.defs.onnx_opset_version() or target < 13:
        raise UserError(f"quantization.target_opset: {target}, expected 13 to {onnx.defs.onnx_opset_version()}")
    try:
        with quiet_stderr():
            return onnx.version_converter.convert_version(model.proto, target)
    except Exception as error:
        raise UserError(
            f"quantization.target_opset: {model.source} can't be brought from opset {found} to {target}: {first_line(error)}"
        ) from error


def _optimized(proto: "onnx.ModelProto", source: str, folder: Path) -> "onnx.ModelProto":
    """Return the model with batch normalizations and constants folded, as onnxruntime's own preparation does it."""
    runtime = import_onnxruntime(source)
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    session(proto, source, options=options)
    return load(folder / "optimized.onnx").proto


def _check_names(proto: "onnx.ModelProto", parameters: dict[str, Any]) -> None:
    import onnx

    names = [node.name for node in proto.graph.node]
    types = {schema.name for schema in onnx.defs.get_all_schemas()}
    for key, known in (("op_types_to_quantize", types), ("nodes_to_quantize", names), ("nodes_to_exclude", names)):
        for name in parameters.get(key, ()):
            if name not in known:
                kind = "ONNX operator" if key == "op_types_to_quantize" else "node of the model"
                raise UserError(
                    f"quantization.onnx_quant_parameters.{key}: '{printable(name)}' is no {kind}{nearest(name, known)}"
                )


def _quantize(
    proto: "onnx.ModelProto", made: Path, model: OnnxModel, patches: "Patches", taken: Input, per_channel: bool,
    parameters: dict[str, Any], options: dict[str, Any],
) -> None:  # fmt: skip
    from onnxruntime import quantization as service

    name = model.inputs[0]

    class Reader(service.CalibrationDataReader):  # type: ignore[misc]
        """Gives the representative patches, one at a time."""

        def __init__(self) -> None:
            self.set_range(0, len(patches))

        def __len__(self) -> int:
            return len(patches)

        def set_range(self, start_index: int, end_index: int) -> None:
            self.numbers = iter(progress(range(start_index, end_index), label="quantization", unit="patches"))

        def get_next(self) -> dict[str, np.ndarray] | None:
            number = next(self.numbers, None)
            if number is None:
                return None
            x = arranged(np.asarray(patches[number : number + 1]), model, taken)
            if not np.isfinite(x).all():
                raise UserError("the representative patches have values that are not numbers")
            return {name: x}

    enums = {
        "calibrate_method": service.CalibrationMethod, "activation_type": service.QuantType,
        "weight_type": service.QuantType, "quant_format": service.QuantFormat,
    }  # fmt: skip
    arguments = {key: enums[key][value] if key in enums else value for key, value in parameters.items()}
    set_metadata(proto, *_PREPROCESSED)
    prepared = made.with_name("prepared.onnx")
    prepared.write_bytes(proto.SerializeToString())
    root = logging.getLogger()
    level = root.level
    try:
        root.setLevel(logging.ERROR)  # it speaks of its own preparation on the root logger
        with quiet_stderr():
            service.quantize_static(
                str(prepared), str(made), Reader(), per_channel=per_channel, extra_options=options, **arguments
            )
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"onnxruntime can't quantize {model.source}: {first_line(error, 300)}") from error
    finally:
        root.setLevel(level)


def _integer_ends(model: OnnxModel, input_type: str, output_type: str) -> None:
    """Let the model take and give int8 or uint8 where that is asked for, in the steps in which its ends are quantized."""
    for kind, name in ((input_type, model.inputs[0]), (output_type, model.outputs[0])):
        if kind != "float":
            _integer_end(model, name, kind)


def _integer_end(model: OnnxModel, name: str, kind: str) -> None:
    import onnx
    from onnx import helper

    graph = model.proto.graph
    first = name in model.inputs
    (end,) = [value for value in (graph.input if first else graph.output) if value.name == name]
    node = _quantizer(graph, name, first)
    if node is None:
        raise UserError(
            f"quantization.quantization_{'input' if first else 'output'}_type: {kind}, but nothing quantizes the model's "
            f"{'input' if first else 'output'} '{printable(name)}'; expected float, or its operators among op_types_to_quantize"
        )
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    scale, zero = (values[i].reshape(-1)[0] for i in node.input[1:3])
    level = int(zero) + (128 if kind == "uint8" else 0) - (128 if zero.dtype == np.uint8 else 0)
    for suffix, value in (("scale", np.float32(scale)), ("zero_point", np.dtype(kind).type(level))):
        graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), f"{name}_{kind}_{suffix}"))
    # The end keeps its name; what the model computes with gets another one.
    inner = f"{name}_float"
    for other in graph.node:
        for names in (other.input, other.output):
            for i, used in enumerate(names):
                if used == name:
                    names[i] = inner
    operator, given, made = ("DequantizeLinear", name, inner) if first else ("QuantizeLinear", inner, name)
    added = helper.make_node(
        operator, [given, f"{name}_{kind}_scale", f"{name}_{kind}_zero_point"], [made], f"{name}_{kind}"
    )
    nodes = [added, *graph.node] if first else [*graph.node, added]
    kept = [onnx.NodeProto.FromString(n.SerializeToString()) for n in nodes]
    del graph.node[:]
    graph.node.extend(kept)
    end.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(kind))


def _quantizer(graph: "onnx.GraphProto", name: str, first: bool) -> "onnx.NodeProto | None":
    """Return the operator that quantizes an input, behind what only moves its elements, or that gives an output."""
    node: onnx.NodeProto
    for node in graph.node:
        if not first and name in node.output and node.op_type == "DequantizeLinear":
            return node
        if first and name in node.input and node.op_type == "QuantizeLinear":
            return node
        if first and name in node.input and node.op_type in MOVEMENTS:
            return _quantizer(graph, node.output[0], first)
    return None
