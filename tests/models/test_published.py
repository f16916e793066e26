"""The published models: every file loads, and gives what its int8 sibling gives."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from pyaed import models
from pyaed.dsp import FeatureSpec, FrontEnd

YAMNET = FeatureSpec()
MINIRESNET = FeatureSpec(
    n_fft=1024,
    window_length=1024,
    hop_length=320,
    center=True,
    power=2.0,
    fmin=20.0,
    norm="slaney",
    htk=False,
    to_db=True,
    db_reference="max",
    patch_length=50,
)


@pytest.fixture(scope="module")
def zoo(shared):
    return shared / "pretrained" / "st_model_zoo"


def real_patches(shared, spec, n):
    """Patches of real clips, every 8th clip of the data set, spread over the classes."""
    from pyaed.data import decode

    frontend, patches = FrontEnd(spec), []
    for path in sorted((shared / "datasets" / "esc10" / "audio").iterdir())[::8]:
        pcm = np.clip(np.round(decode(path, spec.sample_rate) * 32768), -32768, 32767).astype(np.int16)
        patches.append(frontend(pcm))
    patches = np.concatenate(patches)
    return patches[np.linspace(0, len(patches) - 1, n).astype(int)]


def reference_outputs(path, patches):
    """Outputs of an int8 model with float output, by TensorFlow Lite's reference kernels."""
    from pyaed.models.keras import import_tensorflow

    lite = import_tensorflow().lite
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        resolver = lite.experimental.OpResolverType.BUILTIN_REF
        interpreter = lite.Interpreter(str(path), experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    given, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = given["quantization"]
    outputs = []
    for patch in np.clip(np.round(patches / scale) + zero_point, -128, 127).astype(np.int8):
        interpreter.set_tensor(given["index"], patch[np.newaxis, ..., np.newaxis])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result["index"])[0])
    return np.array(outputs)


@pytest.mark.parametrize(
    ("name", "spec"), [("yamnet_256_64x96_tl", YAMNET), ("miniresnet_1stacks_64x50_tl", MINIRESNET)]
)
def test_float_model_equals_its_int8_sibling(shared, zoo, name, spec):
    patches = real_patches(shared, spec, 100)
    ours = models.predictor(models.load(zoo / f"{name}.h5"))(patches)
    theirs = reference_outputs(zoo / f"{name}_int8.tflite", patches)
    error = np.abs(ours - theirs)
    # What is left is quantization: small on average, and no decision turns unless it was close.
    assert error.mean() < 0.006
    assert np.quantile(error, 0.98) < 0.06
    turned = ours.argmax(axis=1) != theirs.argmax(axis=1)
    ranked = np.sort(ours, axis=1)
    assert turned.mean() <= 0.05
    assert (ranked[turned, -1] - ranked[turned, -2] < 0.15).all()


BACKBONES = [("yamnet", {"embedding_size": 256}, "yamnet_256_f32.h5")] + [
    (
        "miniresnet",
        {"version": version, "n_stacks": n_stacks, "pooling": pooling},
        f"{'pooled_' if pooling else ''}miniresnet{'v2' if version == 'v2' else ''}_{n_stacks}_stacks_backbone.h5",
    )
    for version in ("v1", "v2")
    for n_stacks in (1, 2)
    for pooling in (None, "avg")
]


@pytest.mark.parametrize(("name", "options", "file"), BACKBONES)
def test_backbones(zoo, monkeypatch, name, options, file):
    """Our own backbone, filled from the file, equals the file's own layer graph; loading uses every weight."""
    import keras

    monkeypatch.setenv("PYAED_PRETRAINED", str(zoo))
    shape = (64, 96) if name == "yamnet" else (64, 50)
    built = models.build(SimpleNamespace(name=name, pretrained_weights=True, **options), 5, shape)
    assert {variable.path.split("/")[0] for variable in built.trainable_variables} == {"new_head"}
    embedding = keras.Model(built.inputs[0], built.get_layer("embedding").output)
    original = models.load(zoo / file)
    x = np.random.default_rng(1).normal(scale=3, size=(2, *shape, 1)).astype(np.float32)
    expected = original(x.transpose(0, 2, 1, 3) if name == "yamnet" else x).numpy()
    np.testing.assert_allclose(embedding(x).numpy(), expected.reshape(2, -1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_max_pooling_with_pretrained_weights(zoo, monkeypatch, caplog, version):
    """The convolutions of the pooled backbone, the largest value of each map."""
    import keras

    monkeypatch.setenv("PYAED_PRETRAINED", str(zoo))
    options = SimpleNamespace(name="miniresnet", version=version, pooling="max", pretrained_weights=True)
    built = models.build(options, 5, (64, 50))
    assert "training.model.pooling=max" in caplog.text
    original = models.load(zoo / f"pooled_miniresnet{'v2' if version == 'v2' else ''}_1_stacks_backbone.h5")
    maps = keras.Model(original.inputs[0], original.layers[-1].input)
    x = np.random.default_rng(1).normal(scale=3, size=(2, 64, 50, 1)).astype(np.float32)
    embedding = keras.Model(built.inputs[0], built.get_layer("embedding").output)
    np.testing.assert_allclose(embedding(x), maps(x).numpy().max(axis=(1, 2)), rtol=1e-5, atol=1e-5)


def test_fine_tune_trains_the_backbone(zoo, monkeypatch):
    monkeypatch.setenv("PYAED_PRETRAINED", str(zoo))
    model = models.build(SimpleNamespace(name="yamnet", pretrained_weights=True), 5, (64, 96), fine_tune=True)
    assert len(model.trainable_variables) > 20


def test_frozen_backbone_keeps_its_batch_statistics(zoo, monkeypatch):
    """In a training step a frozen backbone computes what it computes in inference."""
    monkeypatch.setenv("PYAED_PRETRAINED", str(zoo))
    model = models.build(SimpleNamespace(name="yamnet", pretrained_weights=True), 5, (64, 96))
    x = np.random.default_rng(1).normal(scale=3, size=(2, 64, 96, 1)).astype(np.float32)
    np.testing.assert_array_equal(model(x, training=True), model(x, training=False))
