"""ONNX models made by code: QDQ ones of a few operators, and float ones of the shape that PyTorch exports."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


class Builder:
    """A graph that grows operator by operator; each method returns the name of a float tensor."""

    def __init__(self, opset: int = OPSET):
        self.opset, self.nodes, self.constants, self.inputs = opset, [], [], []

    def name(self, stem: str = "t") -> str:
        return f"{stem}_{len(self.nodes)}_{len(self.constants)}"

    def input(self, shape, name: str = "patch", dtype: int = TensorProto.FLOAT) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, dtype, list(shape)))
        return name

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = self.name("c")
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        names = [self.name(f"{kind}{i or ''}") for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, names[0], **attributes))
        return names[0] if outputs == 1 else names

    def quantize(self, x: str, scale: Any, zero: Any = 0, dtype: Any = np.int8, **attributes: Any) -> str:
        """Return the name of the quantized tensor."""
        return self.op("QuantizeLinear", x, self.constant(scale), self.constant(zero, dtype), **attributes)

    def dequantize(self, q: str, scale: Any, zero: Any = 0, dtype: Any = np.int8, **attributes: Any) -> str:
        return self.op("DequantizeLinear", q, self.constant(scale), self.constant(zero, dtype), **attributes)

    def fake(self, x: str, scale: float = 0.05, zero: int = 3, dtype: Any = np.int8) -> str:
        """Quantize and dequantize."""
        return self.dequantize(self.quantize(x, scale, zero, dtype), scale, zero, dtype)

    def weights(self, values: np.ndarray, axis: int | None = 0, dtype: Any = np.int8) -> tuple[str, np.ndarray]:
        """Return quantized weights, dequantized, and their scales: one, or one for each index of an axis."""
        others = None if axis is None else tuple(i for i in range(values.ndim) if i != axis)
        scales = np.maximum(np.abs(values).max(axis=others, keepdims=axis is not None), 1e-6) / 127
        middle = 128 if dtype == np.uint8 else 0
        q = self.constant(np.clip(np.rint(values / scales), -127, 127) + middle, dtype)
        scales = scales.reshape(-1).astype(np.float32)
        zeros = np.full(scales.shape, middle)
        if axis is None:
            return self.dequantize(q, scales[0], zeros[0], dtype), scales
        return self.dequantize(q, scales, zeros, dtype, axis=axis), scales

    def bias(self, values: np.ndarray, x_scale: float, scales: np.ndarray) -> str:
        steps = np.float32(x_scale) * scales
        q = self.constant(np.rint(values / steps), np.int32)
        if len(steps) == 1:
            return self.dequantize(q, steps[0], 0, np.int32)
        return self.dequantize(q, steps, np.zeros(len(steps)), np.int32, axis=0)

    def model(self, *outputs: str, dtype: int = TensorProto.FLOAT) -> onnx.ModelProto:
        values = [helper.make_tensor_value_info(name, dtype, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "graph", self.inputs, values, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)

    def write(self, path: Path, *outputs: str, dtype: int = TensorProto.FLOAT) -> Path:
        path.write_bytes(self.model(*outputs, dtype=dtype).SerializeToString())
        return path


def residual_network(
    classes: int = 3,
    shape=(1, 16, 12),
    seed: int = 0,
    head: str | None = "Softmax",
    batch: Any = "batch",
    opset: int = OPSET,
) -> Builder:
    """A float network as PyTorch exports it: channels first, Conv with bias, a residual sum, Flatten and Gemm with transB."""
    rng = np.random.default_rng(seed)
    b = Builder(opset)

    def conv(x: str, in_c: int, out_c: int, kernel: int, group: int = 1, **attributes: Any) -> str:
        w = rng.normal(size=(out_c, in_c // group, kernel, kernel)) / np.sqrt(in_c / group * kernel * kernel)
        bias = rng.normal(size=out_c) * 0.2
        pad = kernel // 2
        return b.op(
            "Conv",
            x,
            b.constant(w),
            b.constant(bias),
            kernel_shape=[kernel] * 2,
            pads=[pad] * 4,
            group=group,
            **attributes,
        )

    x = b.op("Relu", conv(b.input((batch, *shape)), 1, 8, 3, strides=[2, 2]))
    x = b.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    y = b.op("Relu", conv(x, 8, 8, 3, group=8))
    y = b.op("Relu", b.op("Add", conv(y, 8, 8, 1), x))
    y = b.op("Flatten", b.op("GlobalAveragePool", y), axis=1)
    w = rng.normal(size=(classes, 8)) * 2
    y = b.op("Gemm", y, b.constant(w), b.constant(rng.normal(size=classes)), transB=1)
    b.last = b.op(head, y) if head else y
    return b
