"""`config check` refuses what `train` would refuse: whatever needs no data."""

import pytest
from support.commands import pyaed

from pyaed import config, operations
from pyaed.errors import UserError

TREE = {
    "operation_mode": "training",
    "feature_extraction": {"patch_length": 50},
    "training": {
        "model": {"name": "miniresnet"},
        "optimizer": {"Adam": {"learning_rate": 0.001}},
        "callbacks": {
            "EarlyStopping": {"monitor": "val_loss", "patience": 5},
            "LearningRateScheduler": {"schedule": "lambda epoch, lr: lr * 0.9"},
        },
    },
}

MISTAKES = {
    "optimizer": ("training.optimizer={Adan: {learning_rate: 0.1}}", "did you mean 'Adam'"),
    "argument": ("training.optimizer={Adam: {lerning_rate: 0.1}}", "did you mean 'learning_rate'"),
    "decimal comma": ("training.optimizer={Adam: {learning_rate: '0,1'}}", "0,1"),
    "optimizer on one line": ("training.optimizer=adam", "did you mean 'Adam'"),
    "optimizer's schedule": ("training.optimizer={Adam: {learning_rate: {CosineDecay: {decay_steps: 9}}}}", "is missing"),
    "built in": ("training.callbacks={CSVLogger: {filename: a.csv}}", "built in"),
    "callback": ("training.callbacks={EarlyStoping: {patience: 5}}", "did you mean 'EarlyStopping'"),
    "callback's argument": ("training.callbacks={EarlyStopping: {patiense: 5}}", "did you mean 'patience'"),
    "monitor": ("training.callbacks={EarlyStopping: {monitor: val_los}}", "did you mean 'val_loss'"),
    "two rates": ("++training.callbacks.LRExponentialDecay={initial_lr: 1, hold_steps: 1, decay_rate: 1}", "keep one"),
    "formula": ("training.callbacks={LearningRateScheduler: {schedule: 'lambda epoch: open(1)'}}", "open"),
    "augmentation": ("data_augmentation.VolumeAugment={enable: True, min_scale: 2, max_scale: 1}", "min_scale"),
    "model": ("training.model.name=miniresnett", "did you mean 'miniresnet'"),
    "model's option": ("training.model.n_stacks=20000", "n_stacks"),
    "shape": ("training.model.input_shape=(64, 96, 1)", "make them equal"),
    "no model": ("~training.model", "training.model: missing"),
    "two models": ("general.model_path=gone.keras", "expected one of them"),
    "empty bands": ("feature_extraction.n_mels=200", "covers no bin"),
}  # fmt: skip


def test_right_settings_pass():
    assert operations.check(config.parse(TREE)) == []
    assert operations.check(config.parse({**TREE, "operation_mode": "chain_tqe"})) == []


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_the_same_for_check_and_train(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    override, part = MISTAKES[name]
    (tmp_path / "gone.keras").write_bytes(b"")
    loaded = config.parse(config.override(TREE, [override, "hydra.run.dir=run"]))
    with pytest.raises(UserError) as checked:
        operations.check(loaded)
    assert part in str(checked.value)
    with pytest.raises(UserError) as trained:
        operations.perform(loaded)
    assert str(trained.value) == str(checked.value)


@pytest.mark.parametrize(
    ("model", "patch_length", "file"),
    [
        ({"name": "yamnet", "pretrained_weights": True}, 96, "yamnet_256_f32.h5"),
        ({"name": "miniresnet", "version": "v2", "pooling": "max", "pretrained_weights": True}, 50,
         "pooled_miniresnetv2_1_stacks_backbone.h5"),
    ],
)  # fmt: skip
def test_missing_weights_are_missing_files(tmp_path, monkeypatch, model, patch_length, file):
    monkeypatch.setenv("PYAED_PRETRAINED", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tree = {
        "operation_mode": "chain_tqe",
        "feature_extraction": {"patch_length": patch_length},
        "training": {"model": model},
    }
    (line,) = operations.check(config.parse(tree))
    assert line.startswith(
        f"training.model.pretrained_weights: {file}; looked in {tmp_path}, {tmp_path}/cache/pyaed/pretrained"
    )
    (tmp_path / "my.yaml").write_text(str(tree))
    done = pyaed("config", "check", "my.yaml", cwd=tmp_path)
    assert done.code == 1
    assert f"missing: training.model.pretrained_weights: {file}" in done.out
    (tmp_path / file).touch()
    assert operations.check(config.parse(tree)) == []


@pytest.mark.parametrize("name", ["cb", "opt_name", "mels"])
def test_cases(shared, name):
    (folder,) = (shared / "cases").glob("09-*")
    assert pyaed("config", "check", f"{name}.yaml", cwd=folder).code == 2


def test_a_rate_that_no_microphone_of_the_board_has():
    deployment = {"hardware_setup": {"board": "B-U585I-IOT02A"}}
    features = {"n_fft": 1024, "window_length": 1024, "patch_length": 50}
    tree = {
        **TREE,
        "feature_extraction": features,
        "operation_mode": "chain_qd",
        "general": {"model_path": "m.keras"},
        "deployment": deployment,
        "preprocessing": {"target_rate": 22050},
    }
    with pytest.raises(UserError, match="microphone of b_u585i_iot02a gives 16000, 32000, 48000 Hz"):
        operations.check(config.parse(tree))
    tree["preprocessing"] = {"target_rate": 32000}
    operations.check(config.parse(tree))


@pytest.mark.parametrize(
    ("mode", "given", "text"),
    [
        ("benchmarking", None, "missing; this operation needs a quantized model (.tflite, .onnx) or a float model (.keras, .h5, .onnx)"),
        ("deployment", "m.keras", "m.keras is a float model; this operation needs a quantized model (.tflite, .onnx); pyaed quantize, chain_qb"),
        ("quantization", "m.tflite", "m.tflite is a quantized model; this operation needs a float model (.keras, .h5, .onnx)"),
        ("chain_eqe", "m.tflite", "m.tflite is a quantized model; this operation needs a float model (.keras, .h5, .onnx)"),
        ("chain_qd", None, "missing; this operation needs a float model (.keras, .h5, .onnx)"),
        ("training", "m.tflite", "m.tflite is a quantized model; this operation needs a float model"),
        ("evaluation", None, "missing; this operation needs a quantized model (.tflite, .onnx) or a float model (.keras, .h5, .onnx)"),
        ("prediction", "m.pb", "m.pb is no model file, expected one of .keras, .h5, .tflite, .onnx"),
    ],
)  # fmt: skip
def test_the_wrong_kind_of_model_is_the_same_for_check_and_the_operation(tmp_path, mode, given, text):
    tree = {
        "operation_mode": mode,
        "prediction": {"test_files_path": str(tmp_path)},
        "hydra": {"run": {"dir": str(tmp_path)}},
    }
    tree |= {"training": {}} if mode == "training" else {}
    if given:
        tree["general"] = {"model_path": str(tmp_path / given)}
        (tmp_path / given).write_text("x")
    settings = config.parse(tree)
    messages = []
    for act in (operations.check, operations.perform):
        with pytest.raises(UserError) as error:
            act(settings)
        messages.append(str(error.value))
    assert text in messages[0]
    assert "general.model_path: " in messages[0]
    assert mode.startswith(("chain_e", "evaluation")) or messages[0] == messages[1]


def test_what_a_prediction_takes_is_missing_for_check_too():
    with pytest.raises(UserError, match=r"prediction\.test_files_path: missing"):
        operations.check(config.parse({"operation_mode": "prediction", "general": {"model_path": "m.tflite"}}))


def test_chain_tbqeb_says_who_benchmarks_the_float_model():
    lines = config.notes(config.parse({**TREE, "operation_mode": "chain_tbqeb"}))
    assert any("chain_tbqeb: the float model is benchmarked by ST's tools only" in line for line in lines)
    assert not any(
        "benchmarked" in line for line in config.notes(config.parse({**TREE, "operation_mode": "chain_tqe"}))
    )
