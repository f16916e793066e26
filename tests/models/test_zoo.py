"""Building models of the zoo, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pytest

from pyaed import models
from pyaed.errors import UserError
from pyaed.models import miniresnet, zoo


def small(**options):
    """A model description; MiniResNet on any patch size builds in milliseconds."""
    return SimpleNamespace(**{"name": "miniresnet", "pooling": "avg", "pretrained_weights": False} | options)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("n_stacks", [1, 2, 4])
@pytest.mark.parametrize("pooling", [None, "None", "avg", "max"])
def test_miniresnet_from_scratch(version, n_stacks, pooling):
    model = models.build(small(version=version, n_stacks=n_stacks, pooling=pooling), 3, (64, 50))
    assert model.input_shape == (None, 64, 50, 1)
    assert model.output_shape == (None, 3)
    assert [layer.name for layer in model.layers][-2:] == ["embedding", "new_head"]
    n_trained = sum(variable.path.endswith(("gamma", "beta", "kernel", "bias")) for variable in model.variables)
    assert len(model.trainable_variables) == n_trained


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_any_number_of_stacks_that_the_memory_holds(version, monkeypatch):
    """n_stacks: the estimate by which a machine refuses fits the real number of weights."""
    model = models.build(small(version=version, n_stacks=4), 3, (64, 50))
    estimate = miniresnet.training_bytes(4) / miniresnet.BYTES_A_WEIGHT
    assert model.count_params() == pytest.approx(estimate, rel=0.02)
    monkeypatch.setattr(zoo, "memory_bytes", lambda: miniresnet.training_bytes(4))
    zoo.check(small(n_stacks=4), (64, 50))
    with pytest.raises(
        UserError, match=r"n_stacks is 5: .* 5 of them takes 0\.5 GiB.*has 0\.1 GiB; expected at most 4"
    ):
        zoo.check(small(n_stacks=5), (64, 50))


def test_seven_narrow_stacks(monkeypatch):
    monkeypatch.setattr(miniresnet, "FIRST_FILTERS", 2)
    model = models.build(small(n_stacks=7), 3, (64, 50))
    assert model.get_layer("embedding").output.shape == (None, 128)


@pytest.mark.parametrize("size", [256, 512, 1024])
def test_yamnet_from_scratch(size, caplog):
    model = models.build(SimpleNamespace(name="yamnet", embedding_size=size), 4, (64, 96, 1))
    assert "YAMNet is trained from scratch" in caplog.text
    assert model.get_layer("embedding").output.shape == (None, size)
    assert model.output_shape == (None, 4)


def test_outputs_are_probabilities():
    x = np.random.default_rng(0).normal(size=(5, 16, 12)).astype(np.float32)
    single = models.predictor(models.build(small(), 3, (16, 12)))(x)
    np.testing.assert_allclose(single.sum(axis=1), 1, rtol=1e-5)
    multi = models.build(small(), 3, (16, 12), multi_label=True)
    assert multi.layers[-1].activation.__name__ == "sigmoid"


def test_predictor_takes_any_number_of_patches():
    model = models.build(small(), 3, (16, 12))
    x = np.random.default_rng(0).normal(size=(7, 16, 12)).astype(np.float32)
    whole = models.predictor(model)(x)
    np.testing.assert_allclose(models.predictor(model, batch_size=3)(x), whole, rtol=1e-5)
    assert models.predictor(model)(x[:0]).shape == (0, 3)
    with pytest.raises(UserError, match=r"\(16, 11, 1\)"):
        models.predictor(model)(x[:, :, 1:])


def test_initial_weights_are_the_seed_s():
    def weights(**options):
        return np.concatenate([w.ravel() for w in models.build(small(), 3, (16, 12), **options).get_weights()])

    np.testing.assert_array_equal(weights(seed=4), weights(seed=4))
    assert (weights(seed=4) != weights(seed=5)).any()


def test_dropout_only_when_asked():
    names = [layer.name for layer in models.build(small(), 3, (16, 12), dropout=0.5).layers]
    assert names[-2:] == list(zoo.HEAD)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [("(64, 96, 1)", (64, 96, 1)), ("[64, 50]", (64, 50)), ([64, 50], (64, 50)), (" (64,96) ", (64, 96))],
)
def test_shapes_from_yaml(shape, expected):
    assert zoo.parse_shape(shape) == expected


@pytest.mark.parametrize("shape", ["64", "(64, x)", "__import__('os')", "(0, 4)", "(1.5, 2)", 7, [True, 4]])
def test_bad_shapes(shape):
    with pytest.raises(UserError, match="input_shape"):
        zoo.parse_shape(shape)


@pytest.mark.parametrize(
    ("options", "arguments", "message"),
    [
        ({"name": "yamnett"}, {}, "did you mean 'yamnet'"),
        ({"name": "custom"}, {}, r"a network of your own is a model file: general\.model_path"),
        ({"name": None}, {}, "expected one of yamnet, miniresnet"),
        ({"version": "v3"}, {}, "expected one of v1, v2"),
        ({"n_stacks": -1}, {}, "n_stacks is -1, expected a whole number from 1 on"),
        ({"n_stacks": 2.5}, {}, "n_stacks is 2.5, expected a whole number from 1 on"),
        ({"n_stacks": 3, "pretrained_weights": True}, {}, "n_stacks is 3: weights are published for 1 and 2 stacks"),
        ({"n_stacks": 10**6}, {}, "n_stacks is 1000000: .* expected at most"),
        ({"pooling": "average"}, {}, "expected one of None, avg, max"),
        ({"name": "yamnet", "embedding_size": 255}, {"input_shape": (64, 96)}, "expected one of 256, 512, 1024"),
        ({"name": "yamnet"}, {"input_shape": (64, 50)}, "64 mels x 96 frames"),
        ({"input_shape": "(64, 96)"}, {"input_shape": (64, 50)}, r"\(64, 96, 1\).*\(64, 50, 1\)"),
        ({}, {"input_shape": None}, "input_shape is missing"),
        ({}, {"dropout": 1.0}, "training.dropout is 1.0"),
        ({}, {"n_classes": 0}, "at least one class"),
    ],
)
def test_refused(options, arguments, message):
    arguments = {"n_classes": 3, "input_shape": (16, 12)} | arguments
    with pytest.raises(UserError, match=message):
        models.build(small(**options), **arguments)


def test_missing_weights_say_where(tmp_path, monkeypatch):
    monkeypatch.setenv("PYAED_PRETRAINED", f"{tmp_path}:{tmp_path / 'absent'}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "yamnet_256_f32_.h5").touch()
    with pytest.raises(UserError) as caught:
        models.find_pretrained("yamnet_256_f32.h5")
    message = str(caught.value)
    for part in (
        str(tmp_path),
        "absent (no such folder)",
        "cache",
        "stm32ai-modelzoo",
        "did you mean",
        "PYAED_PRETRAINED",
    ):
        assert part in message


def test_search_order(tmp_path, monkeypatch):
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    (folders[1] / "w.h5").touch()
    monkeypatch.setenv("PYAED_PRETRAINED", ":".join(map(str, folders)))
    assert models.find_pretrained("w.h5") == folders[1] / "w.h5"
    (folders[0] / "w.h5").touch()
    assert models.find_pretrained("w.h5") == folders[0] / "w.h5"


def test_the_file_of_weights_may_be_named_itself(tmp_path, monkeypatch):
    path = tmp_path / "yamnet_256_f32.h5"
    path.write_bytes(b"")
    monkeypatch.setenv("PYAED_PRETRAINED", str(path))
    assert models.find_pretrained("yamnet_256_f32.h5") == path
    with pytest.raises(UserError, match=r"yamnet_256_f32\.h5 \(a file called yamnet_256_f32\.h5, which is not the one"):
        models.find_pretrained("yamnet_512_f32.h5")
