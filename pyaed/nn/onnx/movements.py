"""Operators that move values without computing."""

import numpy as np

from pyaed.nn.onnx.node import Held, Node
from pyaed.nn.onnx.translate import Translator
from pyaed.nn.onnx.windows import channels_last


def alias(t: Translator, node: Node) -> None:
    """Identity, Dropout and Cast of an inference."""
    if node.type == "Cast" and t.model.dtypes[node.outputs[0]] != "float32":
        t.refuse(node, f"a cast to {t.model.dtypes[node.outputs[0]]}; expected float32")
    t.keep(node, t.read(node))


def transpose(t: Translator, node: Node) -> None:
    x = t.read(node)
    moves = [int(v) for v in node.attribute("perm", range(len(x.order))[::-1])]
    t.keep(node, Held(x.index, tuple(moves.index(axis) for axis in x.order)))


def reshape(t: Translator, node: Node) -> None:
    """Reshape, Flatten, Squeeze, Unsqueeze: a view of the elements in the file's order."""
    x = t.read(node)
    shape = t.shape(node.outputs[0])
    given = t.stored(x)
    # A map of one pixel, and what only has other dimensions of 1, is in the file's order already.
    if [n for n in given if n != 1] != [n for n in (t.shape(node.inputs[0])) if n != 1] or [
        axis for axis, n in zip(x.order, given) if n != 1
    ] != sorted(axis for axis, n in zip(x.order, given) if n != 1):
        x = t.arranged(x, tuple(range(len(x.order))))
    t.keep(node, t.viewed(x, shape, tuple(range(len(shape)))))


def concat(t: Translator, node: Node) -> None:
    inputs = [t.read(node, i) for i in range(len(node.inputs))]
    order = inputs[0].order
    axis = int(node.attribute("axis")) % len(order)
    name = node.outputs[0]
    affine = t.quantization(name)
    if affine is None and len({t.affine(x.index) for x in inputs}) > 1:
        t.refuse(node, "its inputs have different scales and nothing quantizes its output")
    affine = affine or t.affine(inputs[0].index)
    found = [t.requantized(t.arranged(x, order), affine).index for x in inputs]
    made = t.tensor(name, [t.shape(name)[a] for a in order], affine)
    t.emit("CONCATENATION", found, made, axis=order.index(axis), activation="NONE")
    t.held[name] = Held(made, order)


def pad(t: Translator, node: Node) -> None:
    x = t.read(node)
    pads = node.integers("pads", 1)
    rank = len(x.order)
    if node.attribute("mode", b"constant") != b"constant":
        t.refuse(node, f"the mode {node.attribute('mode').decode()}; expected constant")
    if pads is None:
        t.refuse(node, "its paddings have to be constants")
    axes = node.constant(3)
    chosen = list(range(rank)) if axes is None else [int(a) % rank for a in axes.reshape(-1)]
    if len(pads) != 2 * len(chosen) or min(pads) < 0:
        t.refuse(node, f"the paddings {pads} of a tensor of {rank} dimensions")
    own = {a: (pads[i], pads[len(chosen) + i]) for i, a in enumerate(chosen)}
    value = _fill(t, node)
    affine, name = t.affine(x.index), node.outputs[0]
    level = int(np.clip(np.rint(np.float32(value) / affine[0]) + affine[1], -128, 127))
    made = t.tensor(name, [t.shape(name)[a] for a in x.order], affine)
    fill = t.tensor(name, (1,), affine, data=np.array([level]))
    numbers = t.numbers([own.get(a, (0, 0)) for a in x.order])
    t.emit("PADV2", [x.index, numbers, fill], made)
    t.keep(node, Held(made, x.order), exact=affine[0] * np.float32(level - affine[1]) == np.float32(value))


def _fill(t: Translator, node: Node) -> float:
    name = node.inputs[2] if node.has(2) else ""
    if name in t.fixed:
        return float(t.fixed[name].real.reshape(-1)[0])
    if name and name not in t.constants:
        t.refuse(node, "the padding value has to be a constant")
    return float(t.constants[name].reshape(-1)[0]) if name else float(node.attribute("value", 0.0))


def _cut(t: Translator, node: Node, name: str, ranges: dict[int, tuple[int, int, int]]) -> None:
    """Add a slice: ``ranges`` gives begin, end and step of the file's dimensions that are cut."""
    x = t.read(node)
    given = t.stored(x)
    parts = [ranges.get(a, (0, n, 1)) for a, n in zip(x.order, given)]
    shape = [t.shape(name)[a] for a in x.order]
    made = t.tensor(name, shape, t.affine(x.index))
    numbers = [t.numbers([part[i] for part in parts]) for i in range(3)]
    masks = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    t.emit("STRIDED_SLICE", [x.index, *numbers], made, **dict.fromkeys(masks, 0))
    affine = t.quantization(name)
    held = Held(made, x.order)
    t.held[name] = held if affine is None else t.requantized(held, affine, name)


def slice_(t: Translator, node: Node) -> None:
    starts, ends = node.integers("starts", 1), node.integers("ends", 2)
    axes, steps = node.integers("axes", 3), node.integers("steps", 4)
    if starts is None or ends is None or (node.has(3) and axes is None) or (node.has(4) and steps is None):
        t.refuse(node, "its limits have to be constants")
    shape = t.shape(node.inputs[0])
    axes = [a % len(shape) for a in axes or range(len(starts))]
    steps = steps or [1] * len(starts)
    if any(step < 1 for step in steps):
        t.refuse(node, f"the steps {steps}; expected 1 and more")
    ranges = {}
    for axis, start, end, step in zip(axes, starts, ends, steps):
        begin, stop, _ = slice(start, end, step).indices(shape[axis])
        ranges[axis] = (begin, stop, step)
    _cut(t, node, node.outputs[0], ranges)


def split(t: Translator, node: Node) -> None:
    axis = int(node.attribute("axis", 0)) % len(t.shape(node.inputs[0]))
    start = 0
    for name in node.outputs:
        size = t.shape(name)[axis]
        _cut(t, node, name, {axis: (start, start + size, 1)})
        start += size


def mean_or_max(t: Translator, node: Node) -> None:
    """ReduceMean, ReduceMax and the global pools."""
    x = t.read(node)
    rank = len(x.order)
    if node.type.startswith("Global"):
        x, axes, keep = t.arranged(x, channels_last(rank)), list(range(2, rank)), True
    else:
        found = node.integers("axes", 1)
        if found is None and node.has(1):
            t.refuse(node, "its axes have to be constants")
        if not found and node.attribute("noop_with_empty_axes", 0):
            return alias(t, node)
        axes, keep = [a % rank for a in found or range(rank)], bool(node.attribute("keepdims", 1))
    positions = t.numbers([x.order.index(a) for a in axes])
    left = [a for a in x.order if a not in axes]
    order = x.order if keep else tuple(sorted(left).index(a) for a in left)
    if "Max" in node.type:
        name = node.outputs[0]
        made = t.tensor(name, [t.shape(name)[a] for a in order], t.affine(x.index))
        t.keep(node, Held(t.emit("REDUCE_MAX", [x.index, positions], made), order))
        return None
    return t.write(node, "MEAN", [x.index, positions], order)
