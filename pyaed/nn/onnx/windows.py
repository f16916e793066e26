"""Convolutions, pools and matrix products."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pyaed.nn.onnx.node import Fixed, Held, Node, Order
from pyaed.nn.onnx.translate import Translator


def channels_last(rank: int) -> Order:
    """Return the order (N, ..., C) of a tensor (N, C, ...)."""
    return (0, *range(2, rank), 1)


@dataclass(frozen=True)
class _Window:
    """A window over a map, two-dimensional: one of a line has a height of 1."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[tuple[int, int], tuple[int, int]]  # above and below, left and right

    @property
    def steps(self) -> dict[str, int]:
        return {"stride_h": self.strides[0], "stride_w": self.strides[1]}


def _map(t: Translator, node: Node) -> Held:
    """Return the input (N, C, L) or (N, C, H, W) as a stored map (N, H, W, C)."""
    x = t.read(node)
    rank = len(x.order)
    if rank not in (3, 4):
        t.refuse(node, f"an input of {rank} dimensions; expected 3 or 4")
    x = t.arranged(x, channels_last(rank))
    n, *sizes, c = t.stored(x)
    return x if rank == 4 else t.viewed(x, (n, 1, *sizes, c), x.order)


def _window(t: Translator, node: Node, kernel: Sequence[int], sizes: Sequence[int]) -> _Window:
    """Return a node's window over maps of `sizes`."""
    n = len(kernel)
    made = t.shape(node.outputs[0])[2:]
    strides = [int(v) for v in node.attribute("strides", [1] * n)]
    dilations = [int(v) for v in node.attribute("dilations", [1] * n)]
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    auto = node.attribute("auto_pad", b"NOTSET").decode()
    given = [int(v) for v in node.attribute("pads", [0] * (2 * n))]
    if not len(strides) == len(dilations) == len(given) // 2 == n == len(made) == len(sizes):
        t.refuse(node, "strides, dilations and pads do not fit its window")
    if any(v < 1 for v in (*strides, *dilations, *kernel)) or any(v < 0 for v in given):
        t.refuse(node, "a stride, dilation or size below 1, or a negative padding")
    pads = [(given[i], given[n + i]) for i in range(n)] if auto == "NOTSET" else [(0, 0)] * n
    if auto.startswith("SAME"):
        totals = [max((o - 1) * s + e - size, 0) for o, s, e, size in zip(made, strides, extents, sizes)]
        pads = [(v - v // 2, v // 2) if auto == "SAME_LOWER" else (v // 2, v - v // 2) for v in totals]
    if node.attribute("ceil_mode", 0):  # the last window may reach over the padding
        over = [
            max(0, (o - 1) * s + e - size - sum(p)) for o, s, e, size, p in zip(made, strides, extents, sizes, pads)
        ]
        pads = [(before, after + more) for (before, after), more in zip(pads, over)]
    front = [(1, 1, 1, (0, 0))] * (2 - n)
    k, s, d, p = zip(*front, *zip(kernel, strides, dilations, pads))
    return _Window(k, s, d, p)


def _padded(t: Translator, x: Held, window: _Window, value: int | None) -> int:
    """Return a map with the window's padding around it: `value`, or the number 0."""
    if not np.any(window.pads):
        return x.index
    n, h, w, c = t.stored(x)
    shape = (n, h + sum(window.pads[0]), w + sum(window.pads[1]), c)
    affine, name = t.affine(x.index), t.tensors[x.index].name
    made = t.tensor(name, shape, affine)
    pads = t.numbers([(0, 0), *window.pads, (0, 0)])
    if value is None:
        return t.emit("PAD", [x.index, pads], made)
    return t.emit("PADV2", [x.index, pads, t.tensor(name, (1,), affine, data=np.array([value]))], made)


def _bias(t: Translator, node: Node, position: int, scales: npt.NDArray[np.float64]) -> npt.NDArray[np.int64] | None:
    """Return a layer's bias as sums of products: steps of `scales`."""
    if not node.has(position):
        return None
    name = node.inputs[position]
    if name in t.fixed and t.fixed[name].data.dtype == np.int32:
        fixed = t.fixed[name]
        if not fixed.zeros.any() and np.allclose(fixed.scales, scales, rtol=1e-5, atol=0):
            return fixed.data.reshape(-1).astype(np.int64)
        real = fixed.real
    elif name in t.constants:
        real = t.constants[name].astype(np.float64)
    else:
        real = t.read_fixed(node, position).real
    real = np.asarray(real).reshape(-1)
    sizes = {len(real), len(scales)} - {1}
    if len(sizes) > 1:
        t.refuse(node, f"a bias of {len(real)} values for {len(scales)} channels")
    steps = np.rint(real / scales)
    if not (np.abs(steps) < 1 << 31).all():
        t.refuse(node, f"its bias '{name}' leaves 32 bits in steps of input scale times weight scale")
    return steps.astype(np.int64)


def _layer(
    t: Translator, node: Node, x: int, weights: Fixed, data: npt.NDArray[np.int8], axis: int, out_c: int
) -> list[int]:  # fmt: skip
    """Add a layer's constants to the graph; return its inputs."""
    scales = weights.scales
    index = t.channels(
        f"{node.inputs[1]}", data.shape, scales, np.broadcast_to(weights.zeros, scales.shape).copy(), axis, "int8", data
    )
    product = float(t.affine(x)[0]) * scales.astype(np.float64)
    found = _bias(t, node, 2, product)
    if found is None:
        return [x, index]
    values = np.broadcast_to(found, (out_c,))
    return [x, index, t.tensor(node.inputs[2], (out_c,), None, "int32", values)]


def convolution(t: Translator, node: Node) -> None:
    """Conv of one or two dimensions, in groups or not."""
    x, weights = _map(t, node), t.read_fixed(node, 1)
    rank = len(x.order)
    w = weights.data
    group, in_c = int(node.attribute("group", 1)), t.stored(x)[3]
    if w.dtype != np.int8 or w.ndim != rank or group < 1 or w.shape[1] * group != in_c or w.shape[0] % group:
        t.refuse(node, f"weights '{node.inputs[1]}' of the shape {list(w.shape)} in {group} groups for {in_c} channels")
    if len(weights.scales) > 1 and weights.axis != 0:
        t.refuse(node, f"weights '{node.inputs[1]}': expected one scale, or one per output channel (axis 0)")
    window = _window(t, node, w.shape[2:], t.stored(x)[1:3] if rank == 4 else t.stored(x)[2:3])
    w = w.reshape(*w.shape[:2], *window.kernel)
    given = _padded(t, x, window, None)
    depthwise = group == in_c > 1
    data, axis = (w.transpose(1, 2, 3, 0), 3) if depthwise else (w.transpose(0, 2, 3, 1), 0)
    inputs = _layer(t, node, given, weights, data, axis, len(w))
    name = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    options = {"dilation_h": window.dilations[0], "dilation_w": window.dilations[1], **window.steps}
    t.write(node, name, inputs, x.order, flat=rank == 3, padding="VALID", **options)


def matrix_product(t: Translator, node: Node) -> None:
    """MatMul or Gemm with constant weights: a fully connected layer."""
    x, weights = t.read(node), t.read_fixed(node, 1)
    w = weights.data
    gemm = node.type == "Gemm"
    if w.dtype != np.int8 or w.ndim != 2:
        t.refuse(node, f"weights '{node.inputs[1]}' of the shape {list(w.shape)}; expected a matrix of int8")
    if gemm and (node.attribute("transA", 0) or node.attribute("alpha", 1.0) != 1 or node.attribute("beta", 1.0) != 1):
        t.refuse(node, "transA, alpha and beta are not supported: expected 0, 1 and 1")
    rows_first = bool(gemm and node.attribute("transB", 0))
    if len(weights.scales) > 1 and weights.axis != (0 if rows_first else 1):
        t.refuse(node, f"weights '{node.inputs[1]}': expected one scale, or one per output")
    w = w if rows_first else w.T
    if len(x.order) < 2 or t.shape(node.inputs[0])[-1] != w.shape[1]:
        t.refuse(node, f"an input of {list(t.shape(node.inputs[0]))} for weights of {w.shape[1]} inputs")
    x = t.arranged(x, tuple(range(len(x.order))))
    inputs = _layer(t, node, x.index, weights, w, 0, len(w))
    t.write(node, "FULLY_CONNECTED", inputs, x.order, weights_format=0)


def pool(t: Translator, node: Node) -> None:
    """MaxPool or AveragePool."""
    x = _map(t, node)
    rank = len(x.order)
    if any(name and t.uses.get(name) for name in node.outputs[1:]):
        t.refuse(node, "its indices are used, which is not supported")
    sizes = t.stored(x)[1:3] if rank == 4 else t.stored(x)[2:3]
    window = _window(t, node, [int(v) for v in node.attribute("kernel_shape", [])], sizes)
    if window.dilations != (1, 1):
        t.refuse(node, "dilations of a pool are not supported")
    padding, given = "VALID", x.index
    if node.type == "MaxPool":
        given = _padded(t, x, window, -128)
    elif node.attribute("count_include_pad", 0) and not node.attribute("ceil_mode", 0):
        given = _padded(t, x, window, None)
    elif np.any(window.pads):
        made = [-(-n // s) for n, s in zip(t.stored(x)[1:3], window.strides)]
        same = [
            max((o - 1) * s + k - n, 0) for o, s, k, n in zip(made, window.strides, window.kernel, t.stored(x)[1:3])
        ]
        if [(v // 2, v - v // 2) for v in same] != list(window.pads):
            t.refuse(node, "a mean without the padding, in a padding that is not that of SAME_UPPER")
        padding = "SAME"
    order = x.order
    shape = [t.shape(node.outputs[0])[axis] for axis in order]
    wide = shape if rank == 4 else [shape[0], 1, *shape[1:]]
    made_index = t.tensor(node.outputs[0], wide, t.affine(x.index))
    name = "MAX_POOL_2D" if node.type == "MaxPool" else "AVERAGE_POOL_2D"
    options = {"kernel_h": window.kernel[0], "kernel_w": window.kernel[1], **window.steps}
    t.emit(name, [given], made_index, padding=padding, activation="NONE", **options)
    t.keep(node, t.viewed(Held(made_index, order), shape, order), exact=node.type == "MaxPool")
