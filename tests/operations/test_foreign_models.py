"""Models without pyaed's metadata, as people bring them: right answers, and everything assumed is said."""

import csv
import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pyaed import artefact, models, nn, operations
from pyaed.config import load
from pyaed.errors import UserError
from pyaed.evaluation import tflite_predictor
from pyaed.evaluation.predictors import engine_predictor
from pyaed.models.keras import import_keras, import_tensorflow, quiet_stderr
from pyaed.nn.ends import fitted

MELS, FRAMES = 16, 12
FEATURES = [
    f"feature_extraction.{key}={value}"
    for key, value in {"n_mels": MELS, "patch_length": FRAMES, "overlap": 0.5, "n_fft": 512, "hop_length": 256}.items()
]
PATCHES = np.random.default_rng(1).normal(-4, 3, (20, MELS, FRAMES)).astype(np.float32)


def network(classes: int, activation: str | None, shape=(MELS, FRAMES, 1), order=(1, 2)):
    """A linear classifier of the mel bands, seeded, whatever the shape of its input."""
    keras = import_keras()
    keras.utils.set_random_seed(4)
    given = x = keras.Input(shape)
    if len(shape) == 1:
        x = keras.layers.Reshape((FRAMES, MELS))(x)
    elif len(shape) == 3:
        x = keras.layers.Reshape(shape[:2])(x)
    if order == (2, 1):
        x = keras.layers.Permute(order)(x)
    steep = keras.initializers.RandomNormal(stddev=1.0)
    x = keras.layers.Dense(classes, kernel_initializer=steep)(keras.layers.Flatten()(x))
    if activation:
        x = keras.layers.Activation(activation)(x)
    return keras.Model(given, x)


def to_tflite(model, path: Path, patches=PATCHES, io: str = "int8") -> Path:
    """Quantize as people do, with the converter alone."""
    tf = import_tensorflow()
    shape = model.input_shape[1:]

    fixed = import_keras().Input(shape, batch_size=1)
    converter = tf.lite.TFLiteConverter.from_keras_model(import_keras().Model(fixed, model(fixed)))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([p.reshape(1, *shape)] for p in patches)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = getattr(tf, io)
    with quiet_stderr():
        path.write_bytes(converter.convert())
    return path


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "noise.wav"
    level = np.repeat([0.3, 0.01, 0.1, 0.003], 8000)
    soundfile.write(path, np.random.default_rng(2).normal(size=32000) * level, 16000)
    return path


def predict(model: Path, sound: Path, folder: Path, *overrides: str) -> dict[str, float]:
    """Return the scores that ``pyaed predict`` writes."""
    settings = [f"general.model_path={model}", f"prediction.test_files_path={sound}", f"hydra.run.dir={folder}"]
    operations.perform(load(None, [*FEATURES, *settings, *overrides], "prediction"), "prediction")
    (row,) = csv.DictReader((folder / "predictions.csv").read_text().splitlines())
    return {key[2:]: float(value) for key, value in row.items() if key.startswith("p_")}


def warned(caplog) -> str:
    return "\n".join(r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING)


def test_the_users_order_counts(tmp_path, sound, caplog):
    """Also over the alphabet; and what was assumed is a warning."""
    path = models.save(network(3, "softmax"), tmp_path / "m.keras")
    found = predict(path, sound, tmp_path / "a", "dataset.class_names=[rain,dog,alarm]")
    assert list(found) == ["rain", "dog", "alarm"]
    assert "m.keras carries no pyaed metadata" in warned(caplog)
    assert "rain, dog, alarm" in warned(caplog)
    other = predict(path, sound, tmp_path / "b", "general.class_names=[dog,alarm,rain]")
    assert list(found.values()) == list(other.values())
    assert list(other) == ["dog", "alarm", "rain"]


def test_the_zoos_order_is_alphabetical(tmp_path, sound, caplog):
    """A classifier called new_head in a model that Keras has named: the zoo sorts the names that its files give."""
    keras = import_keras()
    given = keras.Input((MELS, FRAMES, 1))
    head = keras.layers.Dense(3, activation="softmax", name="new_head")
    zoo = keras.Model(given, head(keras.layers.Flatten()(given)), name="model_1")
    path = models.save(zoo, tmp_path / "zoo.h5")
    assert list(predict(path, sound, tmp_path / "a", "dataset.class_names=[rain,dog,alarm]")) == [
        "alarm",
        "dog",
        "rain",
    ]
    assert "alphabetical" in warned(caplog)


def test_published_files_are_the_zoos(shared):
    folder = shared / "pretrained" / "st_model_zoo"
    found = [path.name for path in sorted(folder.iterdir()) if path.suffix in (".h5", ".tflite") and "_tl" in path.name]
    assert len(found) == 4
    assert all(operations.model.is_zoos(folder / name) for name in found)
    assert not operations.model.is_zoos(shared / "pretrained" / "mlperf_tiny" / "kws_ref_model.tflite")


def test_without_names(tmp_path, sound):
    path = models.save(network(3, "softmax"), tmp_path / "m.keras")
    with pytest.raises(UserError, match=r"m\.keras carries no pyaed metadata.*give dataset\.class_names"):
        predict(path, sound, tmp_path / "a")


@pytest.mark.parametrize("names", ["[a,b]", "[a,b,c,d]"])
@pytest.mark.parametrize("suffix", [".keras", ".tflite"])
def test_another_number_of_outputs(tmp_path, sound, suffix, names):
    model, path = network(3, "softmax"), tmp_path / f"m{suffix}"
    _ = models.save(model, path) if suffix == ".keras" else to_tflite(model, path)
    with pytest.raises(UserError, match=r"m\.(keras|tflite): the model has 3 outputs, but there are . classes"):
        predict(path, sound, tmp_path / "a", f"dataset.class_names={names}")


def test_two_output_tensors(tmp_path, sound):
    keras, model = import_keras(), network(3, "softmax")
    two = keras.Model(model.inputs, [model.outputs[0], model.layers[-2].output])
    path = models.save(two, tmp_path / "two.keras")
    with pytest.raises(UserError, match=r"two\.keras: the model has 2 output tensors, expected one"):
        predict(path, sound, tmp_path / "a", "dataset.class_names=[a,b,c]")


@pytest.mark.parametrize("io", ["float32", "int8", "uint8"])
def test_logits_become_probabilities(tmp_path, sound, caplog, io):
    """The same as of the model with a softmax: float, and int8 by TensorFlow Lite and by the engine."""
    names = "dataset.class_names=[a,b,c]"
    right = predict(models.save(network(3, "softmax"), tmp_path / "p.keras"), sound, tmp_path / "p", names)
    logits = network(3, None)
    found = predict(models.save(logits, tmp_path / "l.keras"), sound, tmp_path / "l", names)
    np.testing.assert_allclose(list(found.values()), list(right.values()), atol=1e-5)
    assert "l.keras: its outputs are logits, not probabilities: softmax is applied" in warned(caplog)
    path = to_tflite(logits, tmp_path / "l.tflite", io=io)
    for target in ("engine", "tflite"):
        found = predict(path, sound, tmp_path / target, names, f"prediction.target={target}")
        np.testing.assert_allclose(list(found.values()), list(right.values()), atol=0.1)
        assert abs(sum(found.values()) - 1) < 0.02


@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_one_output_for_two_classes(tmp_path, sound, caplog, activation):
    """1 - p for the first class, p for the second: the label 1 of binary cross-entropy."""
    model = network(1, activation)
    path = models.save(model, tmp_path / "one.keras")
    found = predict(path, sound, tmp_path / "a", "dataset.class_names=[rain,dog]")
    assert "1 - p is the first one's score" in warned(caplog)
    assert abs(found["rain"] + found["dog"] - 1) < 1e-5
    assert 0 < found["dog"] < 1
    engine = predict(to_tflite(model, tmp_path / "one.tflite"), sound, tmp_path / "b", "dataset.class_names=[rain,dog]")
    assert abs(engine["dog"] - found["dog"]) < 0.1
    assert abs(engine["rain"] - found["rain"]) < 0.1


def test_added_operators_compute_what_the_rule_says(tmp_path):
    """Engine with operators at the graph's ends against TensorFlow Lite's answer and the rule in numpy."""
    for size, scores in (
        (3, artefact.Scores("softmax")),
        (3, artefact.Scores("sigmoid")),
        (1, artefact.Scores("sigmoid", True)),
    ):
        path = to_tflite(network(size, None), tmp_path / f"{size}.tflite")
        graph = fitted(nn.read_tflite(path), (MELS, FRAMES), False, scores.activation, scores.two_classes)
        ours = engine_predictor(nn.Engine(graph))(PATCHES)
        np.testing.assert_allclose(ours, tflite_predictor(path, True, None, scores=scores)(PATCHES), atol=1 / 128)


@pytest.mark.parametrize("shape", [(FRAMES, MELS), (FRAMES, MELS, 1), (FRAMES * MELS,)])
def test_frames_first(tmp_path, sound, shape):
    """The layout follows from the shape; the answers are those of the model that takes mels first."""
    names = "dataset.class_names=[a,b,c]"
    right = predict(
        models.save(network(3, "softmax", order=(2, 1)), tmp_path / "r.keras"), sound, tmp_path / "r", names
    )
    turned = network(3, "softmax", shape)
    found = predict(models.save(turned, tmp_path / "m.keras"), sound, tmp_path / "m", names)
    np.testing.assert_allclose(list(found.values()), list(right.values()), atol=1e-5)
    path = to_tflite(turned, tmp_path / "m.tflite", PATCHES.transpose(0, 2, 1))
    graph = fitted(nn.read_tflite(path), (MELS, FRAMES), frames_first=True)
    flat = PATCHES.transpose(0, 2, 1).reshape(len(PATCHES), *[n for n in shape if n != 1])
    np.testing.assert_array_equal(nn.Engine(graph).run(PATCHES), nn.Engine(path).run(np.ascontiguousarray(flat)))
    for target in ("engine", "tflite"):
        found = predict(path, sound, tmp_path / target, names, f"prediction.target={target}")
        np.testing.assert_allclose(list(found.values()), list(right.values()), atol=0.1)


def test_what_a_flat_input_is_taken_for(tmp_path, sound, caplog):
    path = models.save(network(3, "softmax", (FRAMES * MELS,)), tmp_path / "flat.keras")
    names = "dataset.class_names=[a,b,c]"
    first = predict(path, sound, tmp_path / "a", names)
    assert "taken to be frames_first (general.input_layout=mels_first says the other)" in warned(caplog)
    caplog.clear()
    assert predict(path, sound, tmp_path / "b", names, "general.input_layout=frames_first") == first
    assert "input_layout" not in warned(caplog)
    assert predict(path, sound, tmp_path / "c", names, "general.input_layout=mels_first") != first


def test_a_foreign_model_becomes_one_that_a_board_runs(tmp_path, sound):
    """Frames first and logits: quantized, it takes the front end's patches and gives probabilities."""
    folder = tmp_path / "clips"
    folder.mkdir()
    noise = soundfile.read(sound)[0]
    for i in range(6):
        soundfile.write(folder / f"{i}.wav", noise[i * 1000 : i * 1000 + 20000], 16000)
    (tmp_path / "clips.csv").write_text(
        "filename,category\n" + "".join(f"{i}.wav,{'rain' if i % 2 else 'dog'}\n" for i in range(6))
    )
    path = models.save(network(2, None, (FRAMES, MELS)), tmp_path / "m.keras")
    settings = [
        f"general.model_path={path}", f"dataset.training_audio_path={folder}", "dataset.class_names=[rain,dog]",
        f"dataset.training_csv_path={tmp_path / 'clips.csv'}", f"hydra.run.dir={tmp_path / 'run'}",
    ]  # fmt: skip
    run = operations.perform(load(None, [*FEATURES, *settings], "quantization"), "quantization")
    program = nn.compile_graph(nn.read_tflite(run.quantized_model))
    assert program.input.shape == (1, MELS, FRAMES, 1)
    assert artefact.read(run.quantized_model).class_names == ("rain", "dog")
    outputs = nn.Engine(program).predict(PATCHES)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=0.02)


def test_names_from_the_data_set(tmp_path, sound, caplog):
    """An evaluation without class_names takes the CSV's classes, in alphabetical order, and says so."""
    path = models.save(network(2, "softmax"), tmp_path / "m.keras")
    settings = [
        f"general.model_path={path}", f"dataset.test_audio_path={sound.parent}", f"hydra.run.dir={tmp_path / 'run'}",
        f"dataset.test_csv_path={tmp_path / 'c.csv'}",
    ]  # fmt: skip
    (tmp_path / "c.csv").write_text(f"filename,category\n{sound.name},rain\nother.wav,dog\n")
    soundfile.write(sound.parent / "other.wav", np.random.default_rng(5).normal(size=20000) * 0.1, 16000)
    run = operations.perform(load(None, [*FEATURES, *settings], "evaluation"), "evaluation")
    assert list(run.reports["float"].classes) == ["dog", "rain"]
    assert "the data set's classes in alphabetical order: dog, rain" in warned(caplog)


def test_the_board_computes_what_was_added(tmp_path):
    """Patches transposed and logits made probabilities in the image: all bits as on the host."""
    path = to_tflite(network(3, None, (FRAMES, MELS)), tmp_path / "m.tflite", PATCHES.transpose(0, 2, 1))
    settings = [f"general.model_path={path}", "dataset.class_names=[b,a,c]", f"hydra.run.dir={tmp_path / 'run'}"]
    run = operations.start(load(None, [*FEATURES, *settings], "deployment"), mode="deployment")
    assert operations.verify(run)
    source = (tmp_path / "run" / "deployment" / "aed_identity.c").read_text()
    assert source.index('"b"') < source.index('"a"') < source.index('"c"')


def test_case_of_the_class_order(shared, tmp_path):
    """A foreign model gives what the same weights with metadata give."""
    case = shared / "cases" / "01-class-order"
    (tmp_path / "meta.csv").write_text((case / "meta.csv").read_text().replace(".wav", ".ogg"))
    found = {}
    for name in ("foreign", "own"):
        settings = [
            f"general.model_path={case / name}.keras", f"dataset.training_csv_path={tmp_path / 'meta.csv'}",
            f"dataset.training_audio_path={shared / 'datasets' / 'esc10' / 'audio'}", f"hydra.run.dir={tmp_path / name}",
        ]  # fmt: skip
        run = operations.perform(load(case / "c.yaml", settings, "evaluation"), "evaluation")
        found[name] = run.reports["float"]
    assert found["foreign"].clip_accuracy.value == found["own"].clip_accuracy.value > 0.5
    assert found["foreign"].wrong == found["own"].wrong


@pytest.mark.parametrize(
    ("folder", "model", "message"),
    [
        ("04-predict-output-count", "three.tflite", "the model has 3 outputs, but there are 2 classes: rain, dog"),
        ("04-predict-output-count", "logits.keras", "logits, not probabilities: softmax is applied"),
        ("16-flat-or-frames-first", "flat.tflite", "taken to be frames_first"),
    ],
)
def test_cases_of_outputs_and_inputs(shared, tmp_path, caplog, folder, model, message):
    cases = shared / "cases"
    clip = cases / "04-predict-output-count" / "clip.wav"
    settings = [f"general.model_path={cases / folder / model}", f"prediction.test_files_path={clip}"]
    config = load(cases / "04-predict-output-count" / "c.yaml", [*settings, f"hydra.run.dir={tmp_path}"], "prediction")
    if "outputs" in message:
        with pytest.raises(UserError, match=message):
            operations.perform(config, "prediction")
        return
    operations.perform(config, "prediction")
    assert message in warned(caplog)
    (row,) = csv.DictReader((tmp_path / "predictions.csv").read_text().splitlines())
    assert abs(float(row["p_rain"]) + float(row["p_dog"]) - 1) < 0.02
