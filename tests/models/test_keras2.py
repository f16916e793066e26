"""Every layer of Keras 2 that Keras 3 still has is read: files laid out as Keras 2 wrote them, the same outputs."""

import json

import h5py
import numpy as np
import pytest
from keras2_files import write_keras2

from pyaed import models
from pyaed.errors import UserError
from pyaed.models import keras2_layers
from pyaed.models.keras import import_keras, import_tensorflow

LINE, MAP, BOX, ROW = (8, 3), (8, 6, 4), (4, 4, 4, 2), (5,)
WINDOWS = {"1D": LINE, "2D": MAP, "3D": BOX}
GLOROT = {"class_name": "GlorotUniform", "config": {"seed": None}}

#: Kind -> shape of the input, arguments, and where Keras 2 kept the weights below the layer (default: beside each other).
CASES: dict[str, tuple] = {
    "Activation": (ROW, {"activation": "swish"}),
    "ActivityRegularization": (ROW, {}),
    "AlphaDropout": (ROW, {"rate": 0.3}),
    "BatchNormalization": (MAP, {"axis": [3], "momentum": 0.9, "epsilon": 0.01}),
    "CenterCrop": (MAP, {"height": 4, "width": 2}),
    "Dense": (ROW, {"units": 3, "activation": "gelu", "kernel_initializer": GLOROT}),
    "Dropout": (ROW, {"rate": 0.5, "noise_shape": None, "seed": None}),
    "ELU": (ROW, {"alpha": 0.7}),
    "EinsumDense": (LINE, {"equation": "abc,cd->abd", "output_shape": [8, 2], "bias_axes": "d"}),
    "Flatten": (MAP, {}),
    "GaussianDropout": (ROW, {"rate": 0.5}),
    "GaussianNoise": (ROW, {"stddev": 0.5}),
    "GroupNormalization": (MAP, {"groups": 2, "axis": -1}),
    "Identity": (ROW, {}),
    "LayerNormalization": (MAP, {"axis": [3], "epsilon": 0.01}),
    "LeakyReLU": (ROW, {"alpha": 0.25}),
    "Masking": (LINE, {"mask_value": 0.0}),
    "Normalization": (MAP, {"axis": [-1], "mean": None, "variance": None}),
    "PReLU": (MAP, {"shared_axes": [1, 2]}),
    "Permute": (MAP, {"dims": [2, 1, 3]}),
    "ReLU": (ROW, {"max_value": 0.8, "negative_slope": 0.1, "threshold": 0.2}),
    "RepeatVector": (ROW, {"n": 3}),
    "Rescaling": (ROW, {"scale": 0.5, "offset": -1.0}),
    "Reshape": (MAP, {"target_shape": [24, 8]}),
    "Resizing": (MAP, {"height": 4, "width": 3, "interpolation": "bilinear"}),
    "Softmax": (ROW, {"axis": -1}),
    "UnitNormalization": (ROW, {"axis": -1}),
    "SimpleRNN": (LINE, {"units": 4, "activation": "tanh", "return_sequences": True}, "simple_rnn_cell/"),
    "GRU": (
        LINE,
        {"units": 4, "recurrent_activation": "sigmoid", "reset_after": True, "time_major": False},
        "gru_cell/",
    ),
    "LSTM": (LINE, {"units": 4, "recurrent_activation": "sigmoid", "go_backwards": True}, "lstm_cell_3/"),
}
for size, shape in WINDOWS.items():
    rank = int(size[0])
    CASES |= {
        f"AveragePooling{size}": (shape, {"pool_size": [2] * rank, "strides": [2] * rank, "padding": "same"}),
        f"MaxPooling{size}": (shape, {"pool_size": [2] * rank, "strides": [1] * rank, "padding": "valid"}),
        f"GlobalAveragePooling{size}": (shape, {"keepdims": True}),
        f"GlobalMaxPooling{size}": (shape, {"keepdims": False}),
        f"Conv{size}": (shape, {"filters": 3, "kernel_size": [3] * rank, "padding": "same", "activation": "relu"}),
        f"Conv{size}Transpose": (shape, {"filters": 3, "kernel_size": [3] * rank, "strides": [2] * rank}),
        f"ConvLSTM{size}": ((3, *shape), {"filters": 2, "kernel_size": [2] * rank, "recurrent_activation": "sigmoid"}),
        f"Cropping{size}": (shape, {"cropping": [1, 1] if rank == 1 else [[1, 1]] * rank}),
        f"SpatialDropout{size}": (shape, {"rate": 0.5}),
        f"UpSampling{size}": (shape, {"size": 2 if rank == 1 else [2] * rank}),
        f"ZeroPadding{size}": (shape, {"padding": [1, 2] if rank == 1 else [[1, 2]] * rank}),
    }
    if rank < 3:
        CASES |= {
            f"DepthwiseConv{size}": (shape, {"kernel_size": [3] * rank, "depth_multiplier": 2, "use_bias": True}),
            f"SeparableConv{size}": (shape, {"filters": 3, "kernel_size": [3] * rank, "activation": "relu6"}),
        }
MERGES = {
    "Add": {}, "Subtract": {}, "Multiply": {}, "Average": {}, "Maximum": {}, "Minimum": {}, "Concatenate": {"axis": -1},
    "Dot": {"axes": [2, 2]}, "Attention": {"use_scale": True}, "AdditiveAttention": {}, "MultiHeadAttention": {"num_heads": 2, "key_dim": 3},
}  # fmt: skip
KERAS2_NAMES = {("DepthwiseConv1D", "kernel"): "depthwise_kernel", ("DepthwiseConv2D", "kernel"): "depthwise_kernel"}


def random_weights(layer) -> list[np.ndarray]:
    random = np.random.default_rng(7)
    values = [random.uniform(0.2, 1.0, v.shape).astype(np.float32) for v in layer.weights if "seed" not in v.path]
    state = [v.numpy() for v in layer.weights if "seed" in v.path]
    layer.set_weights([*values, *state])
    if hasattr(layer, "finalize_state"):
        layer.finalize_state()
    return values


def named(kind, layer, values, below=""):
    variables = [v for v in layer.weights if "seed" not in v.path]
    values = [x.astype(np.int64) if v.name == "count" else x for v, x in zip(variables, values)]
    return {f"{below}{KERAS2_NAMES.get((kind, v.name), v.name)}": x for v, x in zip(variables, values)}


def keras3_arguments(kind, arguments):
    given = {key: value for key, value in arguments.items() if key not in ("time_major", "kernel_initializer")}
    if kind == "LeakyReLU":
        given["negative_slope"] = given.pop("alpha")
    if kind.endswith("Normalization") and kind != "Normalization" and isinstance(given.get("axis"), list):
        (given["axis"],) = given["axis"]
    return given


def test_every_kind_has_its_case():
    assert sorted([*CASES, *MERGES, "Embedding"]) == sorted(keras2_layers.LAYERS)
    assert all(hasattr(import_keras().layers, kind) for kind in (*keras2_layers.LAYERS, *keras2_layers.WRAPPERS))


@pytest.mark.parametrize("kind", CASES)
def test_layer(tmp_path, kind):
    shape, arguments, *below = CASES[kind]
    keras = import_keras()
    layer = getattr(keras.layers, kind)(**keras3_arguments(kind, arguments))
    x = np.random.default_rng(1).normal(size=(2, *shape)).astype(np.float32)
    layer.build((None, *shape)) if not layer.built else None
    expected_model = keras.Sequential([keras.Input(shape), layer])
    values = random_weights(layer)
    config = {"trainable": True, "dtype": "float32", "data_format": "channels_last", **arguments}
    if kind in ("Activation", "Dense", "Flatten", "Masking") or len(shape) < 3:
        config.pop("data_format")
    path = write_keras2(
        tmp_path / "m.h5",
        [("InputLayer", "x", {"batch_input_shape": [None, *shape]}, []), (kind, "my/layer", config, ["x"])],
        {"my/layer": named(kind, layer, values, *below)},
    )
    np.testing.assert_allclose(models.load(path)(x), expected_model(x, training=False), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", MERGES)
def test_merging_layer(tmp_path, kind):
    keras = import_keras()
    layer = getattr(keras.layers, kind)(**MERGES[kind])
    given = keras.Input(LINE)
    turned = keras.layers.Activation("tanh")(given)
    called = (given, turned) if kind == "MultiHeadAttention" else ([given, turned],)
    expected = keras.Model(given, layer(*called))
    values = random_weights(layer)
    weights = {}
    if kind == "MultiHeadAttention":
        variables = [v for v in layer.weights if "seed" not in v.path]
        weights = {"/".join(v.path.split("/")[-2:]): x for v, x in zip(variables, values)}
    elif values:
        weights = named(kind, layer, values)
    entries = [
        ("InputLayer", "x", {"batch_input_shape": [None, *LINE]}, []),
        ("Activation", "t", {"activation": "tanh"}, ["x"]),
        (kind, "m", MERGES[kind], ["x"] if kind == "MultiHeadAttention" else ["x", "t"]),
    ]
    path = write_keras2(tmp_path / "m.h5", entries, {"m": weights} if weights else {})
    if kind == "MultiHeadAttention":
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            config["config"]["layers"][2]["inbound_nodes"][0][0][3] = {"value": ["t", 0, 0], "training": None}
            file.attrs["model_config"] = json.dumps(config)
    x = np.random.default_rng(1).normal(size=(2, *LINE)).astype(np.float32)
    np.testing.assert_allclose(models.load(path)(x), expected(x), rtol=1e-5, atol=1e-6)


def test_embedding(tmp_path):
    table = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    entries = [
        ("InputLayer", "x", {"batch_input_shape": [None, 4]}, []),
        ("Embedding", "e", {"input_dim": 10, "output_dim": 3, "mask_zero": False, "input_length": None}, ["x"]),
    ]
    path = write_keras2(tmp_path / "m.h5", entries, {"e": {"embeddings": table}})
    np.testing.assert_array_equal(models.load(path)(np.array([[1, 9, 0, 3]], np.float32))[0], table[[1, 9, 0, 3]])


def test_wrappers(tmp_path):
    keras = import_keras()
    both = keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True))
    each = keras.layers.TimeDistributed(keras.layers.Dense(2))
    expected = keras.Sequential([keras.Input(LINE), both, each])
    values, dense = random_weights(both), random_weights(each)
    names = [
        f"{way}_lstm/lstm_cell_1/{name}"
        for way in ("forward", "backward")
        for name in ("kernel", "recurrent_kernel", "bias")
    ]
    inner = {
        "class_name": "LSTM",
        "config": {"name": "lstm", "units": 3, "return_sequences": True, "activation": "tanh"},
    }
    entries = [
        ("InputLayer", "x", {"batch_input_shape": [None, *LINE]}, []),
        ("Bidirectional", "b", {"layer": inner, "merge_mode": "concat"}, ["x"]),
        ("TimeDistributed", "t", {"layer": {"class_name": "Dense", "config": {"name": "d", "units": 2}}}, ["b"]),
    ]
    weights = {"b": dict(zip(names, values)), "t": dict(zip(["kernel", "bias"], dense))}
    path = write_keras2(tmp_path / "m.h5", entries, weights)
    x = np.random.default_rng(1).normal(size=(2, *LINE)).astype(np.float32)
    np.testing.assert_allclose(models.load(path)(x), expected(x), rtol=1e-5, atol=1e-6)


def test_hard_sigmoid_is_that_of_keras_2(tmp_path):
    kernel = np.eye(5, dtype=np.float32)
    entries = [
        ("InputLayer", "x", {"batch_input_shape": [None, 5]}, []),
        ("Dense", "d", {"units": 5, "activation": "hard_sigmoid", "use_bias": False}, ["x"]),
        ("Activation", "a", {"activation": "hard_sigmoid"}, ["d"]),
    ]
    path = write_keras2(tmp_path / "m.h5", entries, {"d": {"kernel": kernel}})
    x = np.array([[-4, -1, 0, 1, 4]], np.float32)
    once = np.clip(0.2 * x + 0.5, 0, 1)
    np.testing.assert_allclose(models.load(path)(x), np.clip(0.2 * once + 0.5, 0, 1), rtol=1e-6)
    entries[1:] = [("LSTM", "l", {"units": 2, "recurrent_activation": "hard_sigmoid"}, ["x"])]
    entries[0] = ("InputLayer", "x", {"batch_input_shape": [None, 5, 2]}, [])
    with pytest.raises(UserError, match="layer l has the recurrent_activation hard_sigmoid, which is another function"):
        models.load(write_keras2(tmp_path / "l.h5", entries, {}))


def test_normalization_with_given_values(tmp_path):
    entries = [
        ("InputLayer", "x", {"batch_input_shape": [None, 2]}, []),
        ("Normalization", "n", {"axis": [-1], "mean": [1.0, 2.0], "variance": [4.0, 9.0]}, ["x"]),
    ]
    path = write_keras2(tmp_path / "m.h5", entries, {})
    np.testing.assert_allclose(models.load(path)(np.array([[3, 8]], np.float32)), [[1, 2]], rtol=1e-6)


def test_layers_that_are_used_several_times(tmp_path):
    """One layer on two maps, on its own output, and with its second use before what that is computed from."""
    kernel = np.array([[0.5, 1.0], [-1.0, 2.0]], np.float32)
    entries = [
        ("InputLayer", "x", {"batch_input_shape": [None, 2]}, []),
        ("Dense", "d", {"units": 2, "use_bias": False}, [["x"], ["t"], [("d", 1)]]),
        ("Activation", "t", {"activation": "tanh"}, [("d", 0)]),
        ("Concatenate", "c", {"axis": -1}, [("d", 0), ("d", 1), ("d", 2)]),
    ]
    path = write_keras2(tmp_path / "m.h5", entries, {"d": {"kernel": kernel}})
    model, x = models.load(path), np.array([[0.3, -0.2], [1, 2]], np.float32)
    once = x @ kernel
    twice = np.tanh(once) @ kernel
    np.testing.assert_allclose(model(x), np.concatenate([once, twice, twice @ kernel], axis=1), rtol=1e-5)
    assert len(model.weights) == 1
    path = write_keras2(tmp_path / "second.h5", entries[:3], {"d": {"kernel": kernel}}, outputs=("d", 1))
    np.testing.assert_allclose(models.load(path)(x), twice, rtol=1e-5)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([["x"], [("d", 1)]], r"layer d \(Dense\) is computed from something that the file doesn't have"),
        ([["x"], ["nothing"]], r"layer d \(Dense\) is computed from something that the file doesn't have"),
    ],
)
def test_circles_end(tmp_path, nodes, message):
    entries = [("InputLayer", "x", {"batch_input_shape": [None, 2]}, []), ("Dense", "d", {"units": 2}, nodes)]
    with pytest.raises(UserError, match=message):
        models.load(write_keras2(tmp_path / "m.h5", entries, {}))


def test_a_model_within_that_is_used_twice_is_named(tmp_path):
    inner = {
        "name": "inner",
        "layers": [
            {"class_name": "InputLayer", "name": "i", "config": {"name": "i", "batch_input_shape": [None, 2]}, "inbound_nodes": []},
            {"class_name": "ReLU", "name": "r", "config": {"name": "r"}, "inbound_nodes": [[["i", 0, 0, {}]]]},
        ],
        "input_layers": [["i", 0, 0]],
        "output_layers": [["r", 0, 0]],
    }  # fmt: skip
    entries = [
        ("InputLayer", "x", {"batch_input_shape": [None, 2]}, []),
        ("Functional", "inner", inner, [["x"], [("inner", 0)]]),
    ]
    with pytest.raises(UserError, match="the model inner within it is used several times, once is expected"):
        models.load(write_keras2(tmp_path / "m.h5", entries, {}, outputs=("inner", 1)))


@pytest.mark.parametrize(
    ("kind", "config", "message"),
    [
        ("ThresholdedReLU", {"theta": 1.0}, "is of the kind ThresholdedReLU, which can't be read.*known kinds"),
        ("Conv2d", {"filters": 1}, r"did you mean 'Conv2D'\?"),
        ("TFOpLambda", {"function": "io.read_file"}, "TensorFlow function io.read_file, which can't be read"),
        ("Dense", {"units": {"class_name": "os"}}, "layer l has the units .*expected a number, a text"),
        ("Dense", {"units": "many"}, r"layer l \(Dense\) can't be made"),
    ],
)
def test_what_is_not_known_is_named(tmp_path, kind, config, message):
    entries = [("InputLayer", "x", {"batch_input_shape": [None, 4]}, []), (kind, "l", config, ["x"])]
    with pytest.raises(UserError, match=message):
        models.load(write_keras2(tmp_path / "m.h5", entries, {}))


def test_cases(shared):
    """Sums and quotients in the graph, a `.keras` file of Keras 2, and one-dimensional convolutions."""
    tf, folder = import_tensorflow(), shared / "cases" / "14-keras2-files"
    x = np.random.default_rng(2).normal(size=(3, 32, 32, 1)).astype(np.float32)
    for name, scaled in (("k2_tfop.h5", (x + 1) / 80), ("k2_v3.keras", x)):
        model = models.load(folder / name)
        kernel, bias, weights, other = (v.numpy() for v in model.weights)
        maps = tf.nn.conv2d(scaled, kernel, 1, "VALID").numpy() + bias
        logits = maps.mean(axis=(1, 2)) @ weights + other
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(model(x), expected, rtol=1e-4)
        assert np.abs(weights).max() > 0.1
    np.testing.assert_allclose(np.sum(models.load(folder / "k2_c1d.h5")(x), axis=1), 1, rtol=1e-5)
