"""From a QDQ model to a Graph: numbers between a DequantizeLinear and a QuantizeLinear become int8 tensors.

A tensor of the file is held in an order of its dimensions that suits the kernels (channels last); a Transpose changes only
the order that is noted, and elements move where an operator needs another one.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from pyaed.errors import UserError
from pyaed.nn.graph import Graph, Operator, Tensor
from pyaed.nn.onnx.functions import CLAMPS, quantized, table
from pyaed.nn.onnx.model import OnnxModel
from pyaed.nn.onnx.node import Affine, Fixed, Held, Node, Order, constant_of
from pyaed.nn.onnx.shapes import shown
from pyaed.nn.quantize import activation_range
from pyaed.text import printable

if TYPE_CHECKING:
    pass

Reader = Callable[["Translator", Node], None]
INT8 = ("int8", "uint8")
UNIT: Affine = (np.float32(1 / 256), -128)  # of scores


class Translator:
    """A QDQ model on its way to a Graph."""

    def __init__(self, model: OnnxModel, operators: Mapping[str, Reader], movements: Collection[str]):
        """`operators`: what reads each; `movements`: those that only move elements."""
        import onnx

        self.readers, self.movements = operators, movements

        self.model = model
        graph = model.proto.graph
        self.constants = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
        for proto in graph.node:
            if proto.op_type == "Constant" and (value := constant_of(proto)) is not None:
                self.constants[proto.output[0]] = value
        self.nodes = [Node(proto, self.constants) for proto in graph.node if proto.output[0] not in self.constants]
        self.uses: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.inputs:
                self.uses.setdefault(name, []).append(node)
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        self.held: dict[str, Held] = {}  # quantized tensors, and what their DequantizeLinear gives
        self.fixed: dict[str, Fixed] = {}  # the same of constants
        self.done: set[str] = set()  # outputs that belong to an operator before
        self.files: dict[int, tuple[str, Order]] = {}  # tensor of the graph -> quantized tensor of the file, its order

    # Tensors of the graph.

    def tensor(
        self, name: str, shape: Sequence[int], affine: Affine | None, dtype: str = "int8",
        data: npt.NDArray[Any] | None = None,
    ) -> int:  # fmt: skip
        scales = np.array([] if affine is None else [affine[0]], np.float32)
        zeros = np.array([] if affine is None else [affine[1]], np.int64)
        return self.channels(name, shape, scales, zeros, 0, dtype, data)

    def channels(
        self, name: str, shape: Sequence[int], scales: npt.NDArray[np.float32], zeros: npt.NDArray[np.int64], axis: int,
        dtype: str, data: npt.NDArray[Any] | None,
    ) -> int:  # fmt: skip
        index = len(self.tensors)
        if data is not None:
            data = np.ascontiguousarray(data.reshape(shape), dtype)
        self.tensors.append(Tensor(index, printable(name), tuple(shape), dtype, scales, zeros, axis, data))
        return index

    def numbers(self, values: Any) -> int:
        """Add a constant of int32 numbers: axes, sizes, paddings."""
        data = np.asarray(values, np.int32)
        return self.tensor("numbers", data.shape, None, "int32", data)

    def emit(self, operator: str, inputs: Sequence[int], output: int, **options: Any) -> int:
        self.operators.append(Operator(operator, tuple(inputs), (output,), options))
        return output

    def affine(self, index: int) -> Affine:
        found = self.tensors[index]
        return found.scales[0], int(found.zero_points[0])

    def stored(self, held: Held) -> tuple[int, ...]:
        return self.tensors[held.index].shape

    # What an operator reads.

    def refuse(self, node: Node, reason: str) -> NoReturn:
        raise UserError(f"{self.model.name}: {shown(node.proto)}: {reason}")

    def read(self, node: Node, position: int = 0) -> Held:
        """Return a computed input, which has to be quantized."""
        if not node.has(position):
            self.refuse(node, f"input {position} is missing")
        name = node.inputs[position]
        if name not in self.held:
            kind = "a constant" if name in self.fixed or name in self.constants else "float"
            self.refuse(
                node,
                f"its input '{printable(name)}' is {kind}; expected int8 behind a DequantizeLinear: quantize what computes it",
            )
        return self.held[name]

    def read_fixed(self, node: Node, position: int) -> Fixed:
        name = node.inputs[position] if node.has(position) else ""
        if name not in self.fixed:
            self.refuse(
                node, f"its input '{printable(name)}' has to be a quantized constant: int8 behind a DequantizeLinear"
            )
        return self.fixed[name]

    def shape(self, name: str) -> tuple[int, ...]:
        return self.model.shapes[name]

    def arranged(self, held: Held, order: Order) -> Held:
        """Return a tensor in another order: its elements move where that is more than a view."""
        if held.order == order:
            return held
        moves = [held.order.index(axis) for axis in order]
        given = self.stored(held)
        shape = [given[i] for i in moves]
        name = self.tensors[held.index].name
        made = self.tensor(name, shape, self.affine(held.index), self.tensors[held.index].dtype)
        if [i for i in moves if given[i] != 1] == [i for i in range(len(given)) if given[i] != 1]:
            self.emit("RESHAPE", [held.index], made)
        else:
            self.emit("TRANSPOSE", [held.index, self.numbers(moves)], made)
        return Held(made, order)

    def viewed(self, held: Held, shape: Sequence[int], order: Order) -> Held:
        """Return a tensor's memory under another stored shape."""
        if self.stored(held) == tuple(shape):
            return Held(held.index, order)
        given = self.tensors[held.index]
        made = self.tensor(given.name, shape, self.affine(held.index), given.dtype)
        return Held(self.emit("RESHAPE", [held.index], made), order)

    def requantized(self, held: Held, affine: Affine, name: str | None = None) -> Held:
        """Return a tensor with another scale and zero point: each value to the nearest, ties to even."""
        given = self.affine(held.index)
        if given == affine:
            return held
        made = self.tensor(name or self.tensors[held.index].name, self.stored(held), affine)
        values = table(lambda x: x, given, affine)
        return Held(self.emit("TABLE", [held.index], made, values=values, function=""), held.order)

    # What an operator writes.

    def quantization(self, name: str) -> Affine | None:
        """Return how a float tensor of the file is quantized next, behind what only moves its elements; None where it isn't."""
        found = []
        for use in self.uses.get(name, ()):
            if use.type == "QuantizeLinear":
                found.append(self.parameters(use))
            elif use.type in self.movements and use.inputs[0] == name:
                found += [one for made in use.outputs if (one := self.quantization(made)) is not None]
        if any(one != found[0] for one in found):
            self.refuse(self.uses[name][0], f"'{printable(name)}' is quantized in different ways")
        return found[0] if found else None

    def parameters(self, node: Node) -> Affine:
        """Return scale and zero point of a QuantizeLinear or DequantizeLinear of activations, of int8."""
        scale = node.constant(1)
        if scale is None or scale.size != 1:
            self.refuse(node, "an activation needs one constant scale")
        zero, dtype = self.zero_points(node)
        if zero.size != 1:
            self.refuse(node, "an activation needs one zero point")
        return self.checked_scale(node, scale)[0], int(zero[0]) - 128 * (dtype == "uint8")

    def zero_points(self, node: Node) -> tuple[npt.NDArray[np.int64], str]:
        """Return the zero points, and the type of the quantized numbers."""
        zero = node.constant(2)
        if node.has(2) and zero is None:
            self.refuse(node, "its zero point has to be a constant")
        if node.attribute("block_size", 0):
            self.refuse(node, "scales for blocks of values are not supported")
        if zero is not None:
            return zero.reshape(-1).astype(np.int64), zero.dtype.name
        side = node.inputs[0] if node.type == "DequantizeLinear" else node.outputs[0]
        return np.zeros(1, np.int64), self.model.dtypes.get(side, "undefined")

    def checked_scale(self, node: Node, scale: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        scales = scale.reshape(-1).astype(np.float32)
        if not (np.isfinite(scales).all() and (scales > 0).all()):
            self.refuse(node, "a scale is not a number above 0")
        return scales

    def write(
        self, node: Node, operator: str, inputs: Sequence[int], order: Order, flat: bool = False, **options: Any
    ) -> None:
        """Add the operator for a node, with the output's scale and what only cuts its range off behind it.

        `flat`: the kernel's output is a map of height 1, the file's a line.
        """
        name, low, high = self.clamped(node.outputs[0])
        affine = self.quantization(name)
        if affine is None:
            self.refuse(
                node,
                f"its output '{printable(name)}' stays float; expected a QuantizeLinear behind it (op_types_to_quantize)",
            )
        least, most = (int(v) for v in quantized(np.array([low, high], np.float32), *affine))
        words = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
        word = next((w for w in words if activation_range(w, *affine) == (least, most)), None)
        shape = [self.shape(name)[axis] for axis in order]
        made = self.tensor(name, [shape[0], 1, *shape[1:]] if flat else shape, affine)
        self.emit(operator, inputs, made, activation=word or "NONE", rounded_once=True, **options)
        if word is None:
            cut = self.tensor(name, self.tensors[made].shape, affine)
            made = self.emit("TABLE", [made], cut, values=np.arange(-128, 128).clip(least, most), function="")
        self.held[name] = self.viewed(Held(made, order), shape, order)

    def clamped(self, name: str) -> tuple[str, float, float]:
        """Follow Relu and Clip behind a tensor that nothing else reads; return the last one's output, and the limits."""
        low, high = -np.inf, np.inf
        while (
            len(self.uses.get(name, ())) == 1 and self.uses[name][0].type in CLAMPS and name not in self.model.outputs
        ):
            node = self.uses[name][0]
            least, most = (np.float32(0), np.float32(np.inf)) if node.type == "Relu" else node.bounds()
            low, high = min(max(low, float(least)), float(most)), min(max(high, float(least)), float(most))
            name = node.outputs[0]
            self.done.add(name)
        return name, low, high

    def keep(self, node: Node, held: Held, exact: bool = True) -> None:
        """Note what a node gives whose output has its input's scale: another one, if the file says so, comes behind it."""
        name = node.outputs[0]
        affine = self.quantization(name)
        if affine is None and not exact:
            self.refuse(node, f"its output '{printable(name)}' stays float; expected a QuantizeLinear behind it")
        self.held[name] = held if affine is None else self.requantized(held, affine, name)

    # The whole.

    def graph(self) -> Graph:
        """Translate, and return the graph."""
        inputs = [self.input(name) for name in self.model.inputs]
        for node in self.nodes:
            if node.outputs[0] in self.done:
                continue
            if node.type not in self.readers:
                known = ", ".join(sorted(self.readers))
                self.refuse(node, f"operator not supported by the engine (supported: {known})")
            self.readers[node.type](self, node)
        outputs = [self.output(name) for name in self.model.outputs]
        return Graph(
            self.model.name, self.model.hash, tuple(self.tensors), tuple(self.operators), tuple(inputs), tuple(outputs),
            {entry.key: entry.value.encode() for entry in self.model.proto.metadata_props},
        )  # fmt: skip

    def input(self, name: str) -> int:
        """Return the tensor of an input: int8, or uint8 where the file has it, whatever is quantized first."""
        shape, dtype = self.shape(name), self.model.dtypes[name]
        order = tuple(range(len(shape)))
        if dtype in INT8:
            uses = self.uses.get(name, ())
            if not uses or any(use.type != "DequantizeLinear" for use in uses):
                raise UserError(f"{self.model.name}: input '{printable(name)}' is {dtype} without a DequantizeLinear")
            affine = self.parameters(uses[0])
            given = self.tensor(name, shape, (affine[0], affine[1] + 128 * (dtype == "uint8")), dtype)
            inner = given
            if dtype == "uint8":
                inner = self.emit("QUANTIZE", [given], self.tensor(name, shape, affine))
            self.held[name] = Held(inner, order)
            return given
        found = self.quantization(name) if dtype == "float32" else None
        if found is None:
            raise UserError(
                f"{self.model.name}: input '{printable(name)}' is {dtype}; expected float32 that is quantized first, int8 or uint8"
            )
        made = self.tensor(name, shape, found)
        self.held[name] = Held(made, order)
        return made

    def output(self, name: str) -> int:
        dtype = self.model.dtypes[name]
        if name not in self.held or dtype not in ("float32", *INT8):
            raise UserError(
                f"{self.model.name}: output '{printable(name)}' is {dtype} and not computed from int8; expected scores of int8"
            )
        held = self.held[name]
        held = self.arranged(held, tuple(range(len(held.order))))
        if dtype == "int8":
            return held.index
        affine = self.affine(held.index)
        if dtype == "uint8":
            made = self.tensor(name, self.stored(held), (affine[0], affine[1] + 128), "uint8")
            return self.emit("QUANTIZE", [held.index], made)
        made = self.tensor(name, self.stored(held), None, "float32")
        return self.emit("DEQUANTIZE", [held.index], made)
