"""A quantized network's ends: what they are, and operators in front and behind that make them patches and scores."""

import dataclasses

import numpy as np

from pyaed.errors import UserError
from pyaed.nn.graph import Graph, Operator, Tensor

_ACTIVATIONS = {"SOFTMAX": "softmax", "LOGISTIC": "sigmoid", "Sigmoid": "sigmoid"}
_PASSING = ("DEQUANTIZE", "QUANTIZE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS")


def activation(graph: Graph) -> str | None:
    """Return "softmax" or "sigmoid" where the last operator that changes values is one."""
    producers = {index: op for op in graph.operators for index in op.outputs}
    op = producers.get(graph.outputs[0]) if graph.outputs else None
    for _ in graph.operators:
        if op is None or (op.name not in _PASSING and op.options.get("function") != ""):
            break
        op = producers.get(op.inputs[0])
    return None if op is None else _ACTIVATIONS.get(op.options.get("function", op.name))


def fitted(
    graph: Graph,
    patch_shape: tuple[int, int],
    frames_first: bool = False,
    logits: str | None = None,
    two_classes: bool = False,
) -> Graph:
    """Return the graph with patches (n_mels, patch_length) as its input and one score a class as its output.

    Operators are added at the ends, so the engine on host and device computes what is added by the same kernels.

    Parameters
    ----------
    graph : Graph
        One input of as many values as a patch.
    patch_shape : (int, int)
        (n_mels, patch_length)
    frames_first : bool
        The graph takes patches frame by frame: they are transposed.
    logits : {None, "softmax", "sigmoid"}
        What is applied to the output.
    two_classes : bool
        The one output p becomes 1 - p and p.

    Raises
    ------
    UserError
        Where the end's type is one that the added operator is not made for.
    """
    ends = _Ends(graph)
    if frames_first:
        ends.transpose(patch_shape)
    elif graph.tensors[graph.inputs[0]].shape == (1, patch_shape[0] * patch_shape[1]) and 1 not in patch_shape:
        ends.shape_patches(patch_shape)
    if logits or two_classes:
        ends.quantized_output()
    if logits:
        ends.append("SOFTMAX" if logits == "softmax" else "LOGISTIC", {"beta": 1.0}, logits)
    if two_classes:
        ends.split()
    return ends.graph()


class _Ends:
    """A graph that grows at its ends."""

    def __init__(self, graph: Graph):
        self.base = graph
        self.tensors, self.operators = list(graph.tensors), list(graph.operators)
        self.input, self.output = graph.inputs[0], graph.outputs[0]

    def graph(self) -> Graph:
        return dataclasses.replace(
            self.base,
            tensors=tuple(self.tensors),
            operators=tuple(self.operators),
            inputs=(self.input,),
            outputs=(self.output,),
        )

    def tensor(
        self, name: str, shape: tuple[int, ...], dtype: str, scale: float | None, zero: int = 0,
        data: np.ndarray | None = None,
    ) -> int:  # fmt: skip
        scales = np.array([] if scale is None else [scale], np.float32)
        zeros = np.full(len(scales), zero, np.int64)
        self.tensors.append(Tensor(len(self.tensors), name, shape, dtype, scales, zeros, 0, data))
        return len(self.tensors) - 1

    def shape_patches(self, patch_shape: tuple[int, int]) -> None:
        """Let a flat input take patches as they are."""
        given = self.tensors[self.input]
        scale, zero = (float(given.scales[0]), int(given.zero_points[0])) if len(given.scales) else (None, 0)
        patch = self.tensor("patch", (1, *patch_shape), given.dtype, scale, zero)
        self.operators.insert(0, Operator("RESHAPE", (patch,), (self.input,), {}))
        self.input = patch

    def transpose(self, patch_shape: tuple[int, int]) -> None:
        given = self.tensors[self.input]
        if given.dtype not in ("int8", "uint8"):
            raise UserError(
                f"{self.base.name}: takes patches frame by frame as {given.dtype}; they are transposed for int8 and uint8 "
                "inputs only: convert the model with inference_input_type int8"
            )
        scale, zero = float(given.scales[0]), int(given.zero_points[0])
        n_mels, frames = patch_shape
        patch = self.tensor("patch", (1, n_mels, frames), given.dtype, scale, zero)
        turned = self.tensor("patch, frames first", (1, frames, n_mels), given.dtype, scale, zero)
        order = self.tensor("axes", (3,), "int32", None, data=np.array([0, 2, 1], np.int32))
        added = [
            Operator("TRANSPOSE", (patch, order), (turned,), {}),
            Operator("RESHAPE", (turned,), (self.input,), {}),
        ]
        self.operators[:0] = added
        self.input = patch

    def quantized_output(self) -> None:
        """Go back behind a last DEQUANTIZE or QUANTIZE to the int8 tensor before it."""
        producers = {index: op for op in self.operators for index in op.outputs}
        op = producers.get(self.output)
        while op is not None and op.name in ("DEQUANTIZE", "QUANTIZE"):
            self.output = op.inputs[0]
            op = producers.get(self.output)
        found = self.tensors[self.output]
        if found.dtype != "int8":
            raise UserError(
                f"{self.base.name}: its outputs are no scores of the classes, and what makes them scores can be added to "
                f"int8 outputs only, not to {found}: give the model a softmax or sigmoid for every class before it is "
                "converted"
            )

    def append(self, operator: str, options: dict[str, float], name: str) -> None:
        size = self.tensors[self.output].size
        if self.tensors[self.output].shape != (1, size):
            given = self.tensors[self.output]
            flat = self.tensor("logits", (1, size), "int8", float(given.scales[0]), int(given.zero_points[0]))
            self.operators.append(Operator("RESHAPE", (self.output,), (flat,), {}))
            self.output = flat
        made = self.tensor(name, (1, size), "int8", 1 / 256, -128)
        self.operators.append(Operator(operator, (self.output,), (made,), options))
        self.output = made

    def split(self) -> None:
        """Add the fully connected layer that makes 1 - p and p of p."""
        given = self.tensors[self.output]
        scale = float(given.scales[0]) / 127
        weights = self.tensor("signs", (2, 1), "int8", 1 / 127, data=np.array([[-127], [127]], np.int8))
        # With p = scale * (q - zero): the folded zero point is the lowering's work.
        bias = self.tensor("one", (2,), "int32", scale, data=np.array([round(1 / scale), 0], np.int32))
        made = self.tensor("two classes", (1, 2), "int8", 1 / 256, -128)
        options = {"activation": "NONE", "weights_format": 0}
        self.operators.append(Operator("FULLY_CONNECTED", (self.output, weights, bias), (made,), options))
        self.output = made
