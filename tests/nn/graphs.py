"""Random whole graphs: branches that join again, views, dilations, strides, extreme scales and zero points.

`random_graph` takes its choices from a ``random.Random``, which hypothesis can shrink and a seed can repeat.
"""

import numpy as np
from tflite_builder import build, tensor

#: Elements of the largest tensor.
LIMIT = 3000
_STEP = dict(strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1)


class Net:
    """A graph being made: tensors, operators, and the int8 tensors that may be read."""

    def __init__(self, choices):
        self.choices = choices
        self.random = np.random.default_rng(choices.getrandbits(32))
        self.tensors: list[dict] = []
        self.operators: list[tuple] = []
        self.alive: list[int] = []

    def among(self, *values):
        return values[self.choices.randrange(len(values))]

    def whole(self, low: int, high: int) -> int:
        """Both ends included."""
        return self.choices.randint(low, high)

    def chance(self, percent: int) -> bool:
        return self.choices.randrange(100) < percent

    def fused(self, scale: float) -> int:
        """A fused activation. TensorFlow Lite refuses bounds beyond 32 bits of quantized values."""
        return self.among(0, 0, 0, 1, 2, 3) if scale > 2**-20 else self.among(0, 1)

    def shape(self, index: int) -> tuple:
        return self.tensors[index]["shape"]

    def scale(self, index: int) -> float:
        return float(self.tensors[index]["scale"])

    def power(self, low: float, high: float) -> np.float32:
        """A scale: one in four an exact power of two."""
        exponent = low + (high - low) * self.whole(0, 1000) / 1000
        return np.float32(2.0 ** (round(exponent) if self.chance(25) else exponent))

    def zero(self, like: int | None = None) -> int:
        """A zero point: mostly near that of a tensor, or in the middle, so that not all outputs end at one clamp."""
        if self.chance(12):
            return self.among(-128, 127, 0, self.whole(-128, 127))
        near = 0 if like is None else int(self.tensors[like]["zero_point"])
        return min(127, max(-128, near + self.whole(-30, 30)))

    def add(self, entry: dict) -> int:
        self.tensors.append(entry)
        return len(self.tensors) - 1

    def ints(self, values) -> int:
        return self.add(tensor(np.shape(values), "int32", data=values))

    def op(self, name, inputs, shape, scale=None, zero=0, like=None, dtype="int8", **options) -> int:
        """Add an operator; its output has the quantization of `like` or the one given."""
        if like is not None:
            scale, zero = self.tensors[like]["scale"], self.tensors[like]["zero_point"]
        y = self.add(tensor(shape, dtype, scale, zero))
        self.operators.append((name, list(inputs), [y], options))
        return y


def random_graph(choices) -> bytes:
    """A random graph of some ten operators, with one input and one output of int8, uint8 or float32.

    Parameters
    ----------
    choices : random.Random
    """
    net = Net(choices)
    rank3 = net.chance(10)
    shape = (1, net.whole(1, 12), net.whole(1, 10), net.among(1, 1, 2, 3, 4, 5, 8, 12))
    ends = net.among("int8", "int8", "int8", "uint8", "float32")
    scale, zero = net.power(-7, -1), net.zero()
    given = shape[1:] if rank3 and len(shape) == 4 and shape[1] == 1 else shape
    x = net.add(
        tensor(
            given, ends, None if ends == "float32" else scale, 0 if ends == "float32" else zero + 128 * (ends[0] == "u")
        )
    )
    if ends != "int8":
        x = net.op("QUANTIZE", [x], given, scale, zero)
    if given != shape:
        x = net.op("EXPAND_DIMS", [x, net.ints([0])], shape, like=x)
    net.alive.append(x)
    for _ in range(net.whole(1, 12)):
        if len(net.shape(x)) < 4:
            break
        before = len(net.tensors), len(net.operators)
        source = net.alive[-1] if net.chance(60) else net.among(*net.alive[-4:])
        made = net.among(*MAKERS)(net, source)
        if made is None or int(np.prod(net.shape(made))) > LIMIT:
            del net.tensors[before[0] :], net.operators[before[1] :]
            continue
        x = made
        net.alive.append(x)
    if net.chance(30):
        x = head(net, x)
    if net.chance(10) or not net.operators:
        x = net.op("QUANTIZE", [x], net.shape(x), net.scale(x) * net.power(-1, 1), net.zero(x))
    if ends == "float32":
        net.op("DEQUANTIZE", [x], net.shape(x), dtype="float32")
    elif ends == "uint8":
        net.op("QUANTIZE", [x], net.shape(x), net.scale(x), net.tensors[x]["zero_point"] + 128, dtype="uint8")
    elif x != len(net.tensors) - 1 or not net.operators or net.operators[-1][2] != [x]:
        net.op("QUANTIZE", [x], net.shape(x), net.scale(x) * net.power(-1, 1), net.zero(x))
    return build(net.tensors, net.operators)


def inputs(end, n: int, seed: int) -> np.ndarray:
    """Return n inputs of a model; the last holds only the extremes of its type."""
    numbers = np.random.default_rng(seed)
    if end.dtype == "float32":
        return numbers.normal(0, 2, (n, *end.shape)).astype(np.float32)
    info = np.iinfo(end.dtype)
    batch = numbers.integers(info.min, info.max + 1, (n, *end.shape)).astype(end.dtype)
    batch[-1] = numbers.choice([info.min, info.max], end.shape)
    return batch


def _weighted(net: Net, name: str, x: int, shape: tuple, axis: int, depth: int, out: tuple, **options) -> int:
    """A layer with weights of `shape`: biases lie near rounding ties, outputs fill a part of the range or saturate."""
    extreme, n = net.chance(15), shape[axis]
    data = net.random.choice([-127, 127], shape) if net.chance(15) else net.random.integers(-127, 128, shape)
    scale = net.power(-16, 8) if extreme else net.power(-7, -2)
    levels = net.power(0, 11) if extreme else net.power(4, 7)
    spread = 2.0 ** net.random.uniform(-2, 1, n if net.chance(70) else 1)
    factor = spread * float(levels) / (73 * 73 * depth**0.5)
    w_scale = (factor * float(scale) / net.scale(x)).astype(np.float32)
    real = net.scale(x) * np.broadcast_to(w_scale, n).astype(np.float64) / float(scale)
    bias = (net.random.integers(-40, 40, n) + 0.5) / real + net.random.integers(-1, 2, n)
    bias = np.clip(np.rint(bias), -(2**22), 2**22).astype(np.int32)
    inputs = [x, net.add(tensor(shape, scale=w_scale, axis=axis, data=data))]
    if name != "FULLY_CONNECTED" or net.chance(70):  # the reference kernel of CONV_2D insists on a bias
        inputs.append(net.add(tensor((n,), "int32", net.scale(x) * w_scale, data=bias)))
    fused = net.among(0, 1, 1, 2, 3)
    if fused > 1 and scale > 1 / 20:  # a few steps only
        fused = 1
    zero = -128 if fused in (1, 3) and net.chance(80) else net.zero()
    return net.op(name, inputs, out, scale, zero, fusedActivationFunction=fused, **options)


def _out(size: int, kernel: int, stride: int, same: bool) -> int:
    return -(-size // stride) if same else (size - kernel) // stride + 1


def convolution(net: Net, x: int) -> int:
    _, h, w, c = net.shape(x)
    depthwise = net.chance(40)
    kernel = net.among((1, 1), (1, 1), (3, 3), (3, 3), (net.whole(1, 5), net.whole(1, 5)))
    strides = net.among((1, 1), (1, 1), (2, 2), (1, 2), (3, 1))
    dilations = (net.whole(1, 3), net.whole(1, 3)) if strides == (1, 1) and net.chance(25) else (1, 1)
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    same = net.chance(60) or h < extent[0] or w < extent[1]
    out = [_out(d, e, s, same) for d, e, s in zip((h, w), extent, strides)]
    options = dict(padding=0 if same else 1, strideH=strides[0], strideW=strides[1])
    options |= dict(dilationHFactor=dilations[0], dilationWFactor=dilations[1])
    if depthwise:
        n = c * net.among(1, 1, 1, 2, 3)
        shape, depth, axis = (1, *kernel, n), kernel[0] * kernel[1], 3
        options["depthMultiplier"] = n // c
    else:
        groups = net.among(*(g for g in (1, 2, 3, 4) if c % g == 0)) if net.chance(30) else 1
        n = groups * net.among(1, 2, 3, 4, 8, 12 // groups)
        shape, depth, axis = (n, *kernel, c // groups), kernel[0] * kernel[1] * c // groups, 0
    kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    return _weighted(net, kind, x, shape, axis, depth, (1, *out, n), **options)


def between_batches(net: Net, x: int) -> int | None:
    """A dilated convolution in the form SPACE_TO_BATCH_ND, convolution, BATCH_TO_SPACE_ND."""
    _, h, w, c = net.shape(x)
    kernel, block = (net.whole(1, 3), net.whole(1, 3)), (net.whole(1, 3), net.whole(1, 3))
    extent = [(k - 1) * b for k, b in zip(kernel, block)]
    before = [e // 2 for e in extent]
    after = [-(d + p) % b + b * -(-max(0, k * b - d - p) // b) for d, p, b, k in zip((h, w), before, block, kernel)]
    inner = [(d + p + q) // b for d, p, q, b in zip((h, w), before, after, block)]
    outer = [i - k + 1 for i, k in zip(inner, kernel)]
    crops = [max(0, o * b - d) for o, b, d in zip(outer, block, (h, w))]
    count = block[0] * block[1]
    pads = net.ints([[p, q] for p, q in zip(before, after)])
    y = net.op("SPACE_TO_BATCH_ND", [x, net.ints(block), pads], (count, *inner, c), like=x)
    n, options = net.whole(1, 6), dict(_STEP, padding=1)
    if net.chance(50):
        taps = kernel[0] * kernel[1]
        y = _weighted(
            net, "DEPTHWISE_CONV_2D", y, (1, *kernel, c), 3, taps, (count, *outer, c), depthMultiplier=1, **options
        )
    else:
        depth = kernel[0] * kernel[1] * c
        y = _weighted(net, "CONV_2D", y, (n, *kernel, c), 0, depth, (count, *outer, n), **options)
    shape = (1, *(o * b - q for o, b, q in zip(outer, block, crops)), net.shape(y)[3])
    return net.op("BATCH_TO_SPACE_ND", [y, net.ints(block), net.ints([[0, q] for q in crops])], shape, like=y)


def pool(net: Net, x: int) -> int:
    _, h, w, c = net.shape(x)
    kernel, strides = (net.whole(1, 4), net.whole(1, 4)), (net.whole(1, 3), net.whole(1, 3))
    same = net.chance(60) or h < kernel[0] or w < kernel[1]
    out = [_out(d, k, s, same) for d, k, s in zip((h, w), kernel, strides)]
    name = net.among("MAX_POOL_2D", "AVERAGE_POOL_2D")
    return net.op(name, [x], (1, *out, c), like=x, padding=0 if same else 1, strideH=strides[0], strideW=strides[1],
                  filterHeight=kernel[0], filterWidth=kernel[1], fusedActivationFunction=net.fused(net.scale(x)))  # fmt: skip


def reduction(net: Net, x: int) -> int:
    axes = net.among((1, 2), (1, 2), (1,), (2,), (3,), (2, 3))
    shape = tuple(1 if a in axes else d for a, d in enumerate(net.shape(x)))
    if net.chance(30):
        return net.op("REDUCE_MAX", [x, net.ints(axes)], shape, like=x, keepDims=True)
    return net.op("MEAN", [x, net.ints(axes)], shape, net.scale(x) * net.power(-3, 0), net.zero(x), keepDims=True)


def activation(net: Net, x: int) -> int:
    name = net.among("RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "HARD_SWISH", "LOGISTIC", "TANH", "GELU", "QUANTIZE", "PRELU")  # fmt: skip
    shape, inputs, options = net.shape(x), [x], {}
    scale, zero = net.scale(x) * net.power(-1, 1), net.zero(x)
    if name == "LEAKY_RELU":
        options = dict(alpha=float(net.power(-5, 1)))
    elif name == "LOGISTIC":
        scale, zero = 1 / 256, -128
    elif name == "TANH":
        scale, zero = 1 / 128, 0
    elif name == "PRELU":
        slopes = [1, 1, shape[3]] if net.chance(60) else list(shape[1:])
        inputs.append(net.add(tensor(slopes, scale=net.power(-9, -5), zero_point=net.zero(),
                                     data=net.random.integers(-128, 128, slopes))))  # fmt: skip
    return net.op(name, inputs, shape, scale, zero, **options)


def pair(net: Net, x: int) -> int:
    """Two operands: another branch of the same shape, a gate per channel, or a constant."""
    shape = net.shape(x)
    mates = [t for t in net.alive if net.shape(t) in (shape, (1, 1, 1, shape[3]))]
    name = net.among("ADD", "ADD", "SUB", "MUL", "MUL", "SQUARED_DIFFERENCE", "MINIMUM", "MAXIMUM")
    if len(mates) > 1 and net.chance(75):
        other = net.among(*mates)
        if other == x and net.chance(80):
            other = net.among(*(t for t in mates if t != x))
    else:
        kind = net.among((), (shape[3],), (1, 1, 1, shape[3]), shape)
        entry = tensor(
            kind,
            scale=net.scale(x) * net.power(-3, 1),
            zero_point=net.zero(),
            data=net.random.integers(-128, 128, kind),
        )
        other = net.add(entry)
    if name in ("MINIMUM", "MAXIMUM"):
        if net.tensors[other]["data"] is not None:
            net.tensors[other] |= dict(scale=net.tensors[x]["scale"], zero_point=net.tensors[x]["zero_point"])
        elif net.tensors[other]["scale"] != net.tensors[x]["scale"] or (
            net.tensors[other]["zero_point"] != net.tensors[x]["zero_point"]
        ):
            if net.scale(other) > net.scale(x) * 2**16:  # a larger factor is refused
                other = x
            other = net.op("QUANTIZE", [other], net.shape(other), like=x)
        return net.op(name, [x, other] if net.chance(50) else [other, x], shape, like=x)
    a, b = net.scale(x), net.scale(other)
    scale = a * b * net.power(4, 7) if name == "MUL" else max(a, b) * net.power(-1, 1)
    inputs = [x, other] if net.chance(50) else [other, x]
    if name == "SQUARED_DIFFERENCE":
        return net.op(name, inputs, shape, max(a, b) ** 2 * net.power(5, 9), net.zero(x))
    return net.op(
        name,
        inputs,
        shape,
        scale,
        net.zero(None if name == "SUB" else x),
        fusedActivationFunction=net.fused(scale),
    )


def squeeze_and_excite(net: Net, x: int) -> int:
    c = net.shape(x)[3]
    gate = net.op("MEAN", [x, net.ints([1, 2])], (1, 1, 1, c), like=x, keepDims=True)
    n = net.whole(1, 4)
    gate = _weighted(net, "CONV_2D", gate, (n, 1, 1, c), 0, c, (1, 1, 1, n), **_STEP)
    gate = _weighted(net, "CONV_2D", gate, (c, 1, 1, n), 0, n, (1, 1, 1, c), **_STEP)
    gate = net.op("LOGISTIC", [gate], (1, 1, 1, c), 1 / 256, -128)
    return net.op("MUL", [x, gate], net.shape(x), net.scale(x), net.zero(x))


def padding(net: Net, x: int) -> int:
    pads = [[0, 0], *([net.whole(0, 2), net.whole(0, 2)] for _ in range(2)), [0, net.among(0, 0, 1)]]
    shape = [d + sum(p) for d, p in zip(net.shape(x), pads)]
    inputs = [x, net.ints(pads)]
    if net.chance(30):
        entry = dict(net.tensors[x], shape=(1,), data=[net.whole(-128, 127)], name=None)
        return net.op("PADV2", [*inputs, net.add(entry)], shape, like=x)
    return net.op("PAD", inputs, shape, like=x)


def transpose(net: Net, x: int) -> int:
    order = net.among((0, 2, 1, 3), (0, 3, 1, 2), (0, 1, 3, 2), (0, 3, 2, 1))
    return net.op("TRANSPOSE", [x, net.ints(order)], [net.shape(x)[a] for a in order], like=x)


def strided_slice(net: Net, x: int) -> int:
    slices = [slice(0, 1, 1)]
    for d in net.shape(x)[1:]:
        step = net.among(1, 1, 1, 2, 3, -1)
        low = net.whole(0, (d - 1) // 2)
        high = net.whole(low + 1, d)
        slices.append(slice(low, high, step) if step > 0 else slice(high - 1 - d, low - 1 - d, step))
    shape = np.zeros(net.shape(x))[tuple(slices)].shape
    parts = [net.ints([getattr(s, name) for s in slices]) for name in ("start", "stop", "step")]
    return net.op("STRIDED_SLICE", [x, *parts], shape, like=x)


def concatenation(net: Net, x: int) -> int:
    axis = net.among(1, 2, 3, 3, -1)
    rest = [d for a, d in enumerate(net.shape(x)) if a != axis % 4]
    mates = [t for t in net.alive if [d for a, d in enumerate(net.shape(t)) if a != axis % 4] == rest]
    mates = [t for t in mates if net.scale(t) < net.scale(x) * 2**16]  # a larger factor is refused
    inputs = [x, *(net.among(*mates) for _ in range(net.whole(1, 3)))]
    same = ("scale", "zero_point")
    inputs = [
        t
        if all(net.tensors[t][k] == net.tensors[x][k] for k in same)
        else net.op("QUANTIZE", [t], net.shape(t), like=x)
        for t in inputs
    ]
    shape = list(net.shape(x))
    shape[axis] = sum(net.shape(t)[axis] for t in inputs)
    return net.op("CONCATENATION", inputs, shape, like=x, axis=axis)


def views(net: Net, x: int) -> int:
    """Reshapes that end in a map of other sides."""
    _, h, w, c = net.shape(x)
    flat = net.op("RESHAPE", [x, net.ints([1, h * w, c])], (1, h * w, c), like=x)
    y = net.op("EXPAND_DIMS", [flat, net.ints([1])], (1, 1, h * w, c), like=x)
    if net.chance(50):
        y = net.op("SQUEEZE", [y], (1, h * w, c), like=x, squeezeDims=[1])
        y = net.op("RESHAPE", [y, net.ints([1, h * w, 1, c])], (1, h * w, 1, c), like=x)
    return y


def head(net: Net, x: int) -> int:
    """What classifiers end with: flat or pooled features, a fully connected layer, sometimes a softmax."""
    shape = net.shape(x)
    if net.chance(50):
        x = net.op("MEAN", [x, net.ints([1, 2])], (1, shape[3]), like=x)
    else:
        x = net.op("RESHAPE", [x, net.ints([1, -1])], (1, int(np.prod(shape))), like=x)
    depth, n = net.shape(x)[1], net.whole(1, 7)
    x = _weighted(net, "FULLY_CONNECTED", x, (n, depth), 0, depth, (1, n))
    return net.op("SOFTMAX", [x], (1, n), 1 / 256, -128, beta=net.among(1.0, 0.5)) if net.chance(60) else x


MAKERS = (
    *[convolution] * 8, between_batches, *[pool] * 2, reduction, *[activation] * 3, *[pair] * 5, squeeze_and_excite,
    padding, transpose, strided_slice, *[concatenation] * 2, views,
)  # fmt: skip
