"""Builds small quantized .tflite models from tables, and runs them through TensorFlow Lite's reference kernels."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import flatbuffers
import numpy as np

#: TensorFlow Lite operator -> (options class, version that accepts int8).
OPERATORS = {
    "ADD": ("AddOptions", 2),
    "AVERAGE_POOL_2D": ("Pool2DOptions", 2),
    "BATCH_TO_SPACE_ND": ("BatchToSpaceNDOptions", 2),
    "CONCATENATION": ("ConcatenationOptions", 2),
    "CONV_2D": ("Conv2DOptions", 3),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", 3),
    "DEQUANTIZE": ("DequantizeOptions", 2),
    "EXPAND_DIMS": ("ExpandDimsOptions", 1),
    "FULLY_CONNECTED": ("FullyConnectedOptions", 4),
    "GELU": ("GeluOptions", 2),
    "HARD_SWISH": ("HardSwishOptions", 1),
    "LEAKY_RELU": ("LeakyReluOptions", 2),
    "LOGISTIC": (None, 2),
    "LOG_SOFTMAX": ("LogSoftmaxOptions", 2),
    "MAXIMUM": ("MaximumMinimumOptions", 2),
    "MAX_POOL_2D": ("Pool2DOptions", 2),
    "MEAN": ("ReducerOptions", 2),
    "MINIMUM": ("MaximumMinimumOptions", 2),
    "MUL": ("MulOptions", 2),
    "PACK": ("PackOptions", 2),
    "PAD": ("PadOptions", 2),
    "PADV2": ("PadV2Options", 2),
    "PRELU": (None, 1),
    "QUANTIZE": ("QuantizeOptions", 2),
    "REDUCE_MAX": ("ReducerOptions", 2),
    "RELU": (None, 2),
    "RELU6": (None, 2),
    "RELU_N1_TO_1": (None, 1),
    "RESHAPE": ("ReshapeOptions", 1),
    "SLICE": ("SliceOptions", 2),
    "SOFTMAX": ("SoftmaxOptions", 2),
    "SPACE_TO_BATCH_ND": ("SpaceToBatchNDOptions", 2),
    "SQUARED_DIFFERENCE": ("SquaredDifferenceOptions", 2),
    "SQUEEZE": ("SqueezeOptions", 1),
    "STRIDED_SLICE": ("StridedSliceOptions", 2),
    "SUB": ("SubOptions", 2),
    "TANH": (None, 2),
    "TRANSPOSE": ("TransposeOptions", 2),
}


def tensor(shape, dtype="int8", scale=None, zero_point=0, axis=0, data=None, name=None) -> dict:
    """Describe one tensor; `scale` and `zero_point` are numbers or one per channel."""
    return dict(shape=tuple(shape), dtype=dtype, scale=scale, zero_point=zero_point, axis=axis, data=data, name=name)


def build(tensors: list[dict], operators: list[tuple], metadata: dict[str, bytes] | None = None) -> bytes:
    """Return a .tflite file.

    Parameters
    ----------
    tensors : from `tensor`; the first is the model's input, the last its output
    operators : (name, input indices, output indices, {option: value}); options are the schema's fields
    metadata : metadata buffers by name
    """
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT()
    model.version = 3
    model.description = "test"
    empty = schema.BufferT()
    model.buffers = [empty]
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = [], []
    for number, entry in enumerate(tensors):
        t = schema.TensorT()
        t.name = entry["name"] or f"t{number}"
        t.shape = list(entry["shape"])
        t.type = getattr(schema.TensorType, entry["dtype"].upper())
        t.buffer = 0
        if entry["data"] is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.asarray(entry["data"], entry["dtype"]).tobytes(), np.uint8)
            t.buffer = len(model.buffers)
            model.buffers.append(buffer)
        if entry["scale"] is not None:
            t.quantization = schema.QuantizationParametersT()
            t.quantization.scale = np.atleast_1d(np.asarray(entry["scale"], np.float32))
            zero_points = np.broadcast_to(np.asarray(entry["zero_point"], np.int64), t.quantization.scale.shape)
            t.quantization.zeroPoint = np.array(zero_points)
            t.quantization.quantizedDimension = entry["axis"]
        graph.tensors.append(t)
    model.operatorCodes = []
    for name, inputs, outputs, options in operators:
        options_name, version = OPERATORS[name]
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = version
        operator = schema.OperatorT()
        operator.opcodeIndex = len(model.operatorCodes)
        model.operatorCodes.append(code)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if options_name:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options_name)
            operator.builtinOptions = getattr(schema, f"{options_name}T")()
            for key, value in options.items():
                if not hasattr(operator.builtinOptions, key):
                    raise KeyError(key)
                setattr(operator.builtinOptions, key, value)
        graph.operators.append(operator)
    graph.inputs, graph.outputs = [0], [len(tensors) - 1]
    model.subgraphs = [graph]
    model.metadata = []
    for key, value in (metadata or {}).items():
        entry, buffer = schema.MetadataT(), schema.BufferT()
        buffer.data = np.frombuffer(value, np.uint8)
        entry.name, entry.buffer = key, len(model.buffers)
        model.buffers.append(buffer)
        model.metadata.append(entry)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


class Reference:
    """TensorFlow Lite's reference kernels over one model; every tensor can be read after `run`."""

    def __init__(self, content: bytes):
        import tensorflow as tf

        self._interpreter = tf.lite.Interpreter(
            model_content=content,
            experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF,
            experimental_preserve_all_tensors=True,
        )
        self._interpreter.allocate_tensors()
        self.input = self._interpreter.get_input_details()[0]
        self.output = self._interpreter.get_output_details()[0]

    def run(self, x: np.ndarray) -> np.ndarray:
        """Run one input and return the output."""
        self._interpreter.set_tensor(self.input["index"], x.reshape(self.input["shape"]))
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self.output["index"])

    def tensor(self, index: int) -> np.ndarray:
        """Return what the last run left in a tensor."""
        return self._interpreter.get_tensor(index)


def differences(engine, reference: Reference, x: np.ndarray) -> list[str]:
    """Run one input through both and describe every layer that is not equal in every byte."""
    expected = reference.run(x)
    result = []
    for node, (name, got) in zip(engine.program.nodes, engine.run_layers(x)):
        wanted = np.ascontiguousarray(reference.tensor(node.output.tensor))
        if wanted.dtype != got.dtype or wanted.tobytes() != got.tobytes():
            where = np.flatnonzero(wanted.reshape(-1) != got.reshape(-1))
            result.append(
                f"{node.operator} '{name}': {len(where)} of {got.size} differ, first at {where[:1]}: "
                f"{got.reshape(-1)[where[:3]]} instead of {wanted.reshape(-1)[where[:3]]}"
            )
    if expected.tobytes() != engine.run(x[np.newaxis])[0].tobytes():
        result.append("the output differs")
    return result
