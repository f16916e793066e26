"""Operators of QDQ models: the engine's bytes against onnxruntime's, operator by operator."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto
from support.onnx_builder import Builder

from pyaed import nn
from pyaed.errors import UserError

RNG = np.random.default_rng(5)
X = 0.05  # the input's scale
SHAPE = (1, 6, 9, 7)  # channels first


@pytest.fixture(autouse=True)
def same_numbers(monkeypatch):
    """Whichever tests run."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(5))


def bytes_of(path, x, optimized=True):
    """Return onnxruntime's int8 outputs of float inputs."""
    options = onnxruntime.SessionOptions()
    if not optimized:  # as the file has it: dequantized, computed in float, quantized
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"patch": row[np.newaxis]})[0] for row in x])


def compared(b: Builder, y: str, folder, scale=0.1, zero=-5, n=8, spread=2.0):
    """Quantize y and return the steps by which the engine's bytes differ from those of the file as it stands."""
    shape = [d.dim_value for d in b.inputs[0].type.tensor_type.shape.dim]
    path = b.write(folder / "m.onnx", b.quantize(y, scale, zero), dtype=TensorProto.INT8)
    x = RNG.normal(size=(n, *shape[1:])).astype(np.float32) * spread
    x[0] = 100 * np.sign(x[0])  # both ends of the range
    engine = nn.Engine(path)
    given = np.rint(x / np.float32(X)) + 3
    ours = engine.run(np.clip(given, -128, 127).astype(np.int8)).reshape(n, -1).astype(int)
    theirs = bytes_of(path, x, optimized=False).reshape(n, -1).astype(int)
    assert len(np.unique(theirs)) > 8, "the test's scale leaves nothing to compare"
    return np.abs(ours - theirs)


def start(shape=SHAPE, opset: int = 17):
    b = Builder(opset)
    return b, b.fake(b.input(shape), X)


FUNCTIONS = [
    ("Abs", {}), ("Elu", {"alpha": 0.7}), ("Erf", {}), ("Exp", {}), ("HardSigmoid", {}), ("LeakyRelu", {"alpha": 0.2}), ("Neg", {}),
    ("Relu", {}), ("Sigmoid", {}), ("Softplus", {}), ("Softsign", {}), ("Tanh", {}), ("HardSwish", {}), ("ThresholdedRelu", {}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "attributes"), FUNCTIONS, ids=lambda v: v if isinstance(v, str) else "")
def test_functions_of_one_number(kind, attributes, tmp_path):
    """Each byte is what ONNX says: to nearest, ties to even; only what float exponentials round otherwise may differ, by one."""
    b, x = start()
    scale, zero = (0.0083, -100) if "igmoid" in kind or "Soft" in kind or kind in ("Erf", "Tanh") else (0.04, -60)
    off = compared(b, b.op(kind, x, **attributes), tmp_path, scale, zero)
    assert off.max() <= 1
    assert (off == 0).mean() > 0.999


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate, tmp_path):
    b, x = start(opset=20)
    assert compared(b, b.op("Gelu", x, approximate=approximate), tmp_path, 0.04, -60).mean() < 0.001


def test_functions_in_a_row(tmp_path):
    """Nothing quantizes between them: one table. A clip with odd limits, a product and a quotient with a number."""
    b, x = start()
    y = b.op("Clip", x, b.constant(-1.3), b.constant(2.2))
    y = b.op("Sigmoid", b.op("Neg", y))
    assert compared(b, y, tmp_path, 0.004, -128).max() <= 1
    b, x = start()
    y = b.fake(b.op("Div", x, b.constant(3.0)), 0.03, 2)
    y = b.fake(b.op("Sub", b.constant(1.5), y), 0.03, 0)
    y = b.op("Mul", y, b.constant([[[0.7]]]))
    assert compared(b, y, tmp_path, 0.02, 0).max() == 0
    assert [node.operator for node in nn.compile_graph(nn.read_onnx(tmp_path / "m.onnx")).nodes] == ["TABLE"] * 3


CONVOLUTIONS = [
    dict(out_c=8, kernel=(3, 3), pads=[1, 1, 1, 1]),
    dict(out_c=5, kernel=(1, 1)),
    dict(out_c=6, kernel=(3, 3), group=6, pads=[1, 1, 1, 1], strides=[2, 2]),
    dict(out_c=12, kernel=(3, 2), group=6, dilations=[2, 1]),
    dict(out_c=9, kernel=(3, 3), group=3, auto_pad="SAME_UPPER", strides=[2, 1]),
    dict(out_c=4, kernel=(4, 3), auto_pad="SAME_LOWER"),
    dict(out_c=4, kernel=(3, 5), pads=[0, 2, 1, 3], strides=[3, 2]),
]


@pytest.mark.parametrize("axis", [0, None], ids=["per channel", "per tensor"])
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=lambda c: "-".join(map(str, c.values())))
def test_convolutions(case, axis, tmp_path):
    """One step at most, at rounding ties of one bit of the scale: nearly all bytes are equal."""
    case = dict(case)
    out_c, kernel = case.pop("out_c"), case.pop("kernel")
    b, x = start()
    w, scales = b.weights(RNG.normal(size=(out_c, SHAPE[1] // case.get("group", 1), *kernel)) / 4, axis)
    bias = b.bias(RNG.normal(size=out_c), X, np.broadcast_to(scales, out_c) if axis == 0 else scales)
    off = compared(b, b.op("Conv", x, w, bias, kernel_shape=list(kernel), **case), tmp_path)
    assert off.max() <= 1
    assert (off == 0).mean() > 0.99


@pytest.mark.parametrize("weights", [np.int8, np.uint8])
def test_a_convolution_of_lines(weights, tmp_path):
    """Conv of one dimension, with uint8 weights around 128, without a bias, and a float one."""
    for bias in ((), (1,)):
        b, x = start((1, 6, 31))
        w, _ = b.weights(RNG.normal(size=(4, 6, 5)) / 4, 0, weights)
        more = [b.constant(RNG.normal(size=4))] * len(bias)
        y = b.op("Conv", x, w, *more, kernel_shape=[5], pads=[2, 2], strides=[2])
        y = b.op("MaxPool", b.fake(b.op("Relu", y), 0.05, -128), kernel_shape=[3], strides=[2])
        assert compared(b, y, tmp_path, 0.05, -128).max() <= 1


@pytest.mark.parametrize("clamp", ["Relu", "Clip6", "Clip"])
def test_what_cuts_off_a_convolution(clamp, tmp_path):
    """Relu and ReLU6 are the kernel's own; other limits cost a table, and all are exact on the convolution's bytes."""
    b, x = start()
    w, _ = b.weights(RNG.normal(size=(8, SHAPE[1], 1, 1)))
    y = b.op("Conv", x, w, kernel_shape=[1, 1])
    limits = {"Clip6": (0.0, 6.0), "Clip": (-1.04, 3.17)}.get(clamp)
    y = b.op("Relu", y) if limits is None else b.op("Clip", y, *(b.constant(v) for v in limits))
    off = compared(b, y, tmp_path, 0.05, -20)
    assert off.max() <= 1
    assert (off == 0).mean() > 0.99
    kernels = [node.kernel for node in nn.compile_graph(nn.read_onnx(tmp_path / "m.onnx")).nodes]
    assert kernels.count("aed_lut_8") == (clamp == "Clip")


@pytest.mark.parametrize("kind", ["Gemm", "Gemm transB", "MatMul"])
@pytest.mark.parametrize("axis", [True, None])
def test_matrix_products(kind, axis, tmp_path):
    b, x = start((1, 40))
    turned = kind == "Gemm transB"
    values = RNG.normal(size=(12, 40) if turned else (40, 12)) / 6
    w, scales = b.weights(values, None if axis is None else 0 if turned else 1)
    more = [] if kind == "MatMul" else [b.bias(RNG.normal(size=12), X, scales)]
    y = b.op(kind.split()[0], x, w, *more, **({"transB": 1} if turned else {}))
    off = compared(b, y, tmp_path, 0.05)
    assert off.max() <= 1
    assert (off == 0).mean() > 0.99


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Max", "Min"])
def test_two_operands(kind, tmp_path):
    """Of one map in two orders of its dimensions, and with a constant of one number a channel."""
    b, x = start()
    w, _ = b.weights(RNG.normal(size=(6, 6, 1, 1)))
    y = b.fake(b.op("Conv", x, w, kernel_shape=[1, 1]), 0.08, -7)  # channels last inside
    off = compared(b, b.op(kind, x, y), tmp_path, 0.15, 4)
    # What the convolution rounded otherwise is multiplied by up to 6.5 * 0.08 / 0.15.
    assert off.max() <= {"Max": 2, "Min": 2, "Mul": 4}.get(kind, 1)
    assert (off == 0).mean() > 0.9
    if kind in ("Max", "Min"):
        return
    b, x = start()
    constant, _ = b.weights(RNG.normal(size=(6, 1, 1)), None)
    assert compared(b, b.op(kind, x, constant), tmp_path, 0.1).max() <= 1


def test_prelu(tmp_path):
    b, x = start()
    slope, _ = b.weights(RNG.uniform(-0.5, 0.9, size=(6, 1, 1)), None)
    off = compared(b, b.op("PRelu", x, slope), tmp_path, 0.13)
    assert off.max() <= 1
    assert (off == 0).mean() > 0.99


POOLS = [
    ("MaxPool", dict(kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1])),
    ("MaxPool", dict(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)),
    ("MaxPool", dict(kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER")),
    ("AveragePool", dict(kernel_shape=[3, 3], strides=[2, 2])),
    ("AveragePool", dict(kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")),
    ("AveragePool", dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)),
    ("GlobalAveragePool", {}),
    ("GlobalMaxPool", {}),
    ("ReduceMean", dict(axes=[2, 3], keepdims=0)),
    ("ReduceMean", dict(axes=[3])),
    ("ReduceMax", dict(axes=[1], keepdims=0)),
]


@pytest.mark.parametrize(("kind", "attributes"), POOLS, ids=lambda v: v if isinstance(v, str) else "")
def test_pools(kind, attributes, tmp_path):
    """Maxima are exact; a mean is rounded in the input's steps or in the output's: one step of them."""
    b, x = start()
    scale = X if "Max" in kind or kind == "AveragePool" else 0.02
    off = compared(b, b.op(kind, x, **attributes), tmp_path, scale, 3)
    assert off.max() <= (0 if "Max" in kind else 1)
    assert (off == 0).mean() > 0.9


def test_movements(tmp_path):
    """Every element arrives where it should: slices, splits, paddings, views and transposes over stored and file's order."""
    b, x = start()
    w, _ = b.weights(RNG.normal(size=(6, 6, 1, 1)))
    y = b.fake(b.op("Conv", x, w, kernel_shape=[1, 1]))
    first, second = b.op("Split", y, b.constant([2, 4], np.int64), outputs=2, axis=1)
    y = b.op("Concat", b.op("Slice", second, *(b.constant(v, np.int64) for v in ([1], [-1], [1], [1]))), first, axis=1)
    y = b.op("Pad", y, b.constant([0, 0, 1, 0, 0, 0, 0, 2], np.int64), b.constant(0.05 * 7))
    y = b.op("Transpose", y, perm=[0, 3, 1, 2])
    y = b.op("Reshape", y, b.constant([1, 3, 3, -1], np.int64))
    y = b.op("Unsqueeze", b.op("Squeeze", y, b.constant([0], np.int64)), b.constant([0], np.int64))
    y = b.op("Flatten", y, axis=2)
    path = b.write(tmp_path / "m.onnx", b.quantize(y, 0.05, 3), dtype=TensorProto.INT8)
    x = RNG.normal(size=(4, *SHAPE[1:])).astype(np.float32) * 2
    theirs = bytes_of(path, x, optimized=False).reshape(4, -1)
    ours = nn.Engine(path).run(x).reshape(4, -1)
    assert len(np.unique(theirs)) > 20
    # A convolution's tie may round otherwise; a wrong place would show in most values.
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert (ours == theirs).mean() > 0.99


def test_joined_branches_of_other_scales(tmp_path):
    b, x = start()
    y = b.fake(b.op("Relu", x), 0.02, -128)
    z = b.fake(b.op("Tanh", x), 1 / 128, 0)
    assert compared(b, b.op("Concat", y, z, x, axis=1), tmp_path, 0.06, -9).max() <= 1


@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("quantized", [True, False])
def test_softmax(axis, quantized, tmp_path):
    """Over channels or the last dimension; steps of 1/256, whether the file quantizes the scores or leaves them float."""
    b, x = start((1, 5, 4))
    y = b.op("Softmax", x, axis=axis)
    path = b.write(tmp_path / "m.onnx", b.fake(y, 1 / 256, -128) if quantized else y)
    x = RNG.normal(size=(16, 5, 4)).astype(np.float32) * 2
    ours, theirs = nn.Engine(path).predict(x), bytes_of(path, x)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=(1.01 if quantized else 0.6) / 256)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_ends_of_integers(dtype, tmp_path):
    """uint8 activations are int8 ones, 128 lower: ends of either kind are as in the file."""
    middle = 128 if dtype == np.uint8 else 0
    b = Builder()
    kind = TensorProto.UINT8 if dtype == np.uint8 else TensorProto.INT8
    x = b.dequantize(b.input(SHAPE, dtype=kind), X, 3 + middle, dtype)
    y = b.fake(b.op("Relu", x), 0.04, -128 + middle, dtype)
    path = b.write(tmp_path / "m.onnx", b.quantize(b.op("Neg", y), 0.04, 100 + middle, dtype), dtype=kind)
    info = np.iinfo(dtype)
    x = RNG.integers(info.min, info.max + 1, (6, *SHAPE[1:])).astype(dtype)
    engine = nn.Engine(path)
    assert engine.program.input.dtype == engine.program.output.dtype == np.dtype(dtype).name
    np.testing.assert_array_equal(engine.run(x), bytes_of(path, x, optimized=False))


def test_weights_that_the_file_quantizes(tmp_path):
    """Float weights in front of a QuantizeLinear, as PyTorch exports models that were trained with quantization."""
    b, x = start()
    values = RNG.normal(size=(8, SHAPE[1], 3, 3)).astype(np.float32) / 4
    scales = np.abs(values).max(axis=(1, 2, 3)) / 127
    q = b.quantize(b.constant(values), scales, np.zeros(8), axis=0)
    w = b.dequantize(q, scales, np.zeros(8), axis=0)
    off = compared(b, b.op("Conv", x, w, kernel_shape=[3, 3]), tmp_path)
    assert off.max() <= 1
    assert (off == 0).mean() > 0.99


REFUSED = [
    ("not supported", lambda b, x: b.op("InstanceNormalization", x, b.constant(np.ones(6)), b.constant(np.ones(6))),
     r"InstanceNormalization computing 'InstanceNormalization_\d+_\d+': operator not supported by the engine \(supported: Abs"),
    ("float between", lambda b, x: b.op("Softmax", b.op("Add", x, x)), r"Add computing 'Add_\d+_\d+': its output .* stays float; expected a Quant"),
    ("float weights", lambda b, x: b.op("Conv", x, b.constant(np.ones((2, 6, 1, 1))), kernel_shape=[1, 1]),
     r"Conv computing 'Conv_\d+_\d+': its input 'c_\d+_\d+' has to be a quantized constant"),
    ("alpha", lambda b, x: b.op("Gemm", b.op("Flatten", x), b.weights(np.ones((378, 2)), 1)[0], alpha=0.5), "alpha and beta are not supported"),
    ("mode", lambda b, x: b.op("Pad", x, b.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64), mode="reflect"), "mode reflect; expected constant"),
    ("mean", lambda b, x: b.op("AveragePool", x, kernel_shape=[3, 3], pads=[0, 0, 2, 2]), "a mean without the padding"),
    ("steps", lambda b, x: b.op("Slice", x, *(b.constant(v, np.int64) for v in ([8], [0], [2], [-1]))), r"the steps \[-1\]"),
    ("scales", lambda b, x: b.op("Add", x, b.weights(np.ones((6, 1, 1)), 0)[0]), "expected int8 with one scale"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_does_not_fit_is_refused(build, message, tmp_path):
    """By operator and tensor."""
    b, x = start()
    path = b.write(tmp_path / "m.onnx", b.fake(build(b, x), 0.1))
    with pytest.raises(UserError, match=message) as error:
        nn.read_onnx(path)
    assert len(str(error.value).splitlines()) == 1
