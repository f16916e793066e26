"""Small networks made by code, for tests that need a whole model."""

import numpy as np
from tflite_builder import build, tensor

_WINDOW = dict(dilationHFactor=1, dilationWFactor=1)


def residual_network(seed: int = 0, metadata: dict[str, bytes] | None = None) -> bytes:
    """Nearly every operator in one model: float32 (1, 12, 10, 1) in, float32 (1, 5) out, and an unused branch."""
    random = np.random.default_rng(seed)

    def weights(shape, axis=0, channels=None):
        scale = (2.0 ** random.uniform(-9, -6, channels or shape[axis])).astype(np.float32)
        return tensor(shape, scale=scale, axis=axis, data=random.integers(-127, 128, shape))

    def bias(n):
        return tensor((n,), "int32", data=random.integers(-500, 500, n))

    def ints(values):
        return tensor(np.shape(values), "int32", data=values)

    tensors, operators = [tensor((1, 12, 10, 1), "float32", name="patch")], []

    def add(entry) -> int:
        tensors.append(entry)
        return len(tensors) - 1

    def op(name, inputs, shape, scale=0.05, zero=0, dtype="int8", **options) -> int:
        y = add(tensor(shape, dtype, None if dtype == "float32" else scale, zero))
        operators.append((name, inputs, [y], options))
        return y

    x = op("QUANTIZE", [0], (1, 12, 10, 1), 0.02, 10)
    x = op("TRANSPOSE", [x, add(ints([0, 2, 1, 3]))], (1, 10, 12, 1), 0.02, 10)
    x = op("PAD", [x, add(ints([[0, 0], [1, 1], [1, 0], [0, 0]]))], (1, 12, 13, 1), 0.02, 10)
    x = op("CONV_2D", [x, add(weights((6, 3, 3, 1))), add(bias(6))], (1, 10, 11, 6), 0.03, -128, padding=1,
           strideH=1, strideW=1, fusedActivationFunction=1, **_WINDOW)  # fmt: skip
    x = op("MAX_POOL_2D", [x], (1, 5, 6, 6), 0.03, -128, strideH=2, strideW=2, filterHeight=2, filterWidth=2)
    left = op("DEPTHWISE_CONV_2D", [x, add(weights((1, 3, 3, 6), 3)), add(bias(6))], (1, 5, 6, 6), 0.02, -9,
              strideH=1, strideW=1, depthMultiplier=1, **_WINDOW)  # fmt: skip
    right = op("CONV_2D", [x, add(weights((6, 1, 1, 6))), add(bias(6))], (1, 5, 6, 6), 0.04, 3, strideH=1, strideW=1,
               fusedActivationFunction=3, **_WINDOW)  # fmt: skip
    x = op("ADD", [left, right], (1, 5, 6, 6), 0.05, -20, fusedActivationFunction=1)
    gate = op("MEAN", [x, add(ints([1, 2]))], (1, 1, 1, 6), 0.02, -60, keepDims=True)
    gate = op("LOGISTIC", [gate], (1, 1, 1, 6), 1 / 256, -128)
    x = op("MUL", [x, gate], (1, 5, 6, 6), 0.03, -40)
    x = op("AVERAGE_POOL_2D", [x], (1, 3, 3, 6), 0.03, -40, strideH=2, strideW=2, filterHeight=2, filterWidth=2)
    x = op("RESHAPE", [x, add(ints([1, 54]))], (1, 54), 0.03, -40)
    op("RELU6", [x], (1, 54), 0.03, -40)  # nobody reads this one
    x = op("FULLY_CONNECTED", [x, add(weights((5, 54))), add(bias(5))], (1, 5), 0.06, 12)
    x = op("SOFTMAX", [x], (1, 5), 1 / 256, -128, beta=1.0)
    op("DEQUANTIZE", [x], (1, 5), dtype="float32")
    return build(tensors, operators, metadata)


def random_network(seed: int) -> bytes:
    """A random graph of up to ten operators, with branches that join again, int8 (1, h, w, c) in and out."""
    random = np.random.default_rng(seed)
    shape = (1, *random.integers(3, 10, 2).tolist(), int(random.integers(1, 7)))
    tensors, operators = [], []

    def quantized(shape, like=None) -> int:
        if like is not None:
            scale, zero = tensors[like]["scale"], tensors[like]["zero_point"]
        else:
            scale, zero = np.float32(2.0 ** random.uniform(-6, -2)), int(random.integers(-128, 128))
        tensors.append(tensor(shape, scale=scale, zero_point=zero))
        return len(tensors) - 1

    def constant(*args, **kwargs) -> int:
        tensors.append(tensor(*args, **kwargs))
        return len(tensors) - 1

    def convolution(x, depthwise: bool) -> int:
        _, h, w, c = tensors[x]["shape"]
        k, stride = int(random.integers(1, 4)), int(random.integers(1, 3))
        n = c * int(random.integers(1, 3)) if depthwise else int(random.integers(1, 9))
        kernel = (1, k, k, n) if depthwise else (n, k, k, c)
        scale = (2.0 ** random.uniform(-9, -5, n)).astype(np.float32)
        weights = constant(kernel, scale=scale, axis=3 if depthwise else 0, data=random.integers(-127, 128, kernel))
        bias = constant((n,), "int32", data=random.integers(-900, 900, n))
        y = quantized((1, -(-h // stride), -(-w // stride), n))
        options = dict(strideH=stride, strideW=stride, fusedActivationFunction=int(random.integers(0, 4)), **_WINDOW)
        operators.append(("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", [x, weights, bias], [y], options))
        return y

    def same(name, inputs, like=None, **options) -> int:
        y = quantized(tensors[inputs[0]]["shape"], like)
        operators.append((name, inputs, [y], options))
        return y

    def pad(x) -> int:
        pads = random.integers(0, 2, (4, 2)) * [[0], [1], [1], [0]]
        y = quantized([d + int(p.sum()) for d, p in zip(tensors[x]["shape"], pads)], x)
        operators.append(("PAD", [x, constant((4, 2), "int32", data=pads)], [y], {}))
        return y

    def transpose(x) -> int:
        y = quantized([tensors[x]["shape"][a] for a in (0, 2, 1, 3)], x)
        operators.append(("TRANSPOSE", [x, constant((4,), "int32", data=[0, 2, 1, 3])], [y], {}))
        return y

    def pool(x) -> int:
        _, h, w, c = tensors[x]["shape"]
        y = quantized((1, -(-h // 2), -(-w // 2), c), x)
        name = random.choice(["MAX_POOL_2D", "AVERAGE_POOL_2D"])
        operators.append((name, [x], [y], dict(strideH=2, strideW=2, filterHeight=3, filterWidth=2)))
        return y

    makers = [
        lambda x: convolution(x, False),
        lambda x: convolution(x, True),
        lambda x: same("RELU", [x]),
        lambda x: same("QUANTIZE", [x]),
        pad,
        transpose,
        pool,
    ]
    x = quantized(shape)
    alive = [x]
    for _ in range(random.integers(2, 11)):
        mates = [t for t in alive if tensors[t]["shape"] == tensors[x]["shape"]]
        if len(mates) > 1 and random.random() < 0.4:
            a, b = random.choice(mates, 2)
            x = same(str(random.choice(["ADD", "MUL"])), [int(a), int(b)])
        else:
            x = makers[random.integers(len(makers))](int(random.choice(alive[-3:])))
        alive.append(x)
    same("QUANTIZE", [x])
    return build(tensors, operators)


def convolution_stack(seed: int) -> bytes:
    """Three to six convolutions in a row, int8 (1, h, w, c) in and out."""
    random = np.random.default_rng(seed)
    h, w = (int(v) for v in random.integers(4, 25, 2))
    shape = (1, h, w, int(random.choice([1, 4, 8])))
    tensors, operators = [tensor(shape, scale=0.5, zero_point=int(random.integers(-128, 128)))], []
    for _ in range(int(random.integers(3, 7))):
        _, h, w, c = shape
        depthwise = bool(random.integers(2))
        n = c if depthwise else int(random.choice([4, 7, 8, 12]))
        k = (1, 1) if not depthwise and random.random() < 0.5 else [(3, 3), (3, 3), (2, 4), (5, 1)][random.integers(4)]
        strides = tuple(random.choice([1, 1, 2], 2).tolist())
        same = bool(random.integers(2)) or h < k[0] or w < k[1]
        sizes = [-(-d // s) if same else (d - e) // s + 1 for d, e, s in zip((h, w), k, strides)]
        weights = (1, *k, n) if depthwise else (n, *k, c)
        depth = k[0] * k[1] * (1 if depthwise else c)
        scale = (2.0 ** random.uniform(-2, 1, n) / np.sqrt(depth) / 60).astype(np.float32)
        x, zero = len(tensors) - 1, int(random.choice([-128, -128, int(random.integers(-128, 128))]))
        shape = (1, *sizes, n)
        tensors.append(
            tensor(weights, scale=scale, axis=3 if depthwise else 0, data=random.integers(-127, 128, weights))
        )
        tensors.append(tensor((n,), "int32", data=random.integers(-900, 900, n)))
        tensors.append(tensor(shape, scale=0.5, zero_point=zero))
        options = dict(strideH=strides[0], strideW=strides[1], padding=0 if same else 1, fusedActivationFunction=1)
        name = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        operators.append((name, [x, x + 1, x + 2], [x + 3], options | _WINDOW))
    return build(tensors, operators)
