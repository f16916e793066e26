"""Wrong configurations and the message that the user sees: the line, the key, what was expected, the nearest name."""

import pytest

from pyaed.config import json_schema, load, notes
from pyaed.dsp import FeatureSpec
from pyaed.errors import UserError

BASE = """\
general:
  project_name: p
operation_mode: training
dataset:
  training_audio_path: audio
  training_csv_path: meta.csv
training:
  model: {name: yamnet}
  epochs: 3
"""

# What is put behind BASE's lines (or overrides, joined by "&"), and the message.
MISTAKES = [
    ("trainin:\n  epochs: 3", "line 10: trainin: unknown key (did you mean 'training'?)"),
    ("epochs: 3", "line 10: epochs: unknown key (did you mean 'training.epochs'?)"),
    ("prediction_mode: x", "line 10: prediction_mode: unknown key"),
    ("feature_extraction:\n  n_mel: 64", "line 11: feature_extraction.n_mel: unknown key (did you mean 'n_mels'?)"),
    ("feature_extraction:\n  nfft: 64", "line 11: feature_extraction.nfft: unknown key (did you mean 'n_fft'?)"),
    ("feature_extraction: 64", "line 10: feature_extraction: 64 is not allowed, expected"),
    ("feature_extraction: [n_mels, 64]", "line 10: feature_extraction: ['n_mels', 64] is not allowed"),
    ("preprocessing:\n  target_rate: 4000", "line 11: preprocessing.target_rate: 4000 is not allowed, expected greater"),
    ("preprocessing:\n  target_rate: 96000", "preprocessing.target_rate: 96000 is not allowed, expected less than or equal"),
    ("preprocessing:\n  target_rate: fast", "preprocessing.target_rate: 'fast' is not allowed, expected integer"),
    ("preprocessing:\n  target_rate: 16000.5", "preprocessing.target_rate: 16000.5 is not allowed, expected integer"),
    ("preprocessing:\n  target_rate: True", "preprocessing.target_rate: True is not allowed, expected a number"),
    ("preprocessing:\n  min_length: -1", "preprocessing.min_length: -1 is not allowed, expected greater than or equal to 0"),
    ("preprocessing:\n  max_length: 0", "preprocessing.max_length: 0 is not allowed, expected greater than 0"),
    ("preprocessing:\n  max_length: .inf", "preprocessing.max_length: inf is not allowed, expected a finite number"),
    ("preprocessing:\n  top_db: .nan", "preprocessing.top_db: nan is not allowed"),
    ("preprocessing:\n  lengthen: afterwards", "preprocessing.lengthen: 'afterwards' is not allowed, expected one of before, after"),
    ("preprocessing:\n  trim_last_second: maybe", "preprocessing.trim_last_second: 'maybe' is not allowed, expected boolean"),
    ("preprocessing:\n  top_db: 60\n  top_db: 40", "line 12: preprocessing.top_db stands here and in line 11"),
    ("general:\n  global_seed: 1", "line 10: general stands here and in line 1"),
    ("data_augmentation:\n  GausianNoise: {}", "data_augmentation.GausianNoise: unknown key (did you mean 'GaussianNoise'?)"),
    ("data_augmentation:\n  GaussianNoise:\n    scale: -1", "line 12: data_augmentation.GaussianNoise.scale: -1 is not allowed"),
    ("data_augmentation:\n  VolumeAugment: {min_scale: 0}", "VolumeAugment.min_scale: 0 is not allowed, expected greater than 0"),
    ("data_augmentation:\n  SpecAug: {freq_mask_param: 1.5}", "SpecAug.freq_mask_param: 1.5 is not allowed, expected integer"),
    ("deployment:\n  unknown_class_threshold: 1.5", "deployment.unknown_class_threshold: 1.5 is not allowed"),
    ("deployment:\n  hardware_setup: {bord: x}", "deployment.hardware_setup.bord: unknown key (did you mean 'board'?)"),
    ("dataset_specific:\n  fsd50: {}", "dataset_specific.fsd50: unknown key (did you mean 'fsd50k'?)"),
    ("dataset_specific:\n  fsd50k: {csv_foldr: x}", "dataset_specific.fsd50k.csv_foldr: unknown key (did you mean 'csv_folder'?)"),
    ("dataset_specific:\n  fsd50k: {only_keep_monolabel: 7}", "fsd50k.only_keep_monolabel: 7 is not allowed, expected boolean"),
    ("hydra:\n  run: {dirr: x}", "hydra.run.dirr: unknown key (did you mean 'dir'?)"),
    ("hydra:\n  run: {dir: 'out/${PYAED_NO_SUCH}'}", "hydra.run.dir: ${PYAED_NO_SUCH}: the environment variable PYAED_NO_SUCH is not set"),
    ("mlflow:\n  url: x", "mlflow.url: unknown key (did you mean 'uri'?)"),
    ("evaluation:\n  target: [tflight]", "evaluation.target: 'tflight' is not allowed, expected one of tflite, onnxruntime, engine, emulator"),
    ("evaluation:\n  target: tflight", "evaluation.target: 'tflight' is not allowed, expected one of tflite, onnxruntime, engine, emulator"),
    ("dataset: [1", "not valid YAML: line"),
    (" outdented: 3", "not valid YAML: line 10"),
    ("a:\n\t- tab", "not valid YAML: line 11, column 1"),
    ("key without colon", "not valid YAML: line"),
    ("x: !!python/object/apply:os.system ['true']", "not valid YAML: line 10, column 4"),
    ("training.epochs=0", "override 'training.epochs=0': training.epochs: 0 is not allowed, expected greater than or equal to 1"),
    ("training.epochs=many", "training.epochs: 'many' is not allowed, expected integer"),
    ("training.epochs=None.5", "training.epochs: 'None.5' is not allowed, expected integer"),
    ("training.epochs=true", "training.epochs: True is not allowed, expected a number"),
    ("training.epoks=3", "override 'training.epoks=3': training.epoks: unknown key (did you mean 'epochs'?)"),
    ("training.epochs.x=1", "'epochs' holds a value, not keys"),
    ("training.batch_size=[16]", "training.batch_size: [16] is not allowed, expected integer"),
    ("training.dropout=1", "training.dropout: 1 is not allowed, expected less than 1"),
    ("training.fine_tune=perhaps", "training.fine_tune: 'perhaps' is not allowed, expected boolean"),
    ("training.optimizer=[Adam]", "training.optimizer: ['Adam'] is not allowed"),
    ("training.model=yamnet", "training.model: 'yamnet' is not allowed"),
    ("training.model.name=", "training.model.name: missing, a value is required"),
    ("training.model.input_shape=(64, x)", "training.model.input_shape: '(64, x)' is not allowed"),
    ("training.model.n_stacks=0", "training.model.n_stacks: 0 is not allowed"),
    ("operation_mode=train", "operation_mode: 'train' is not allowed, expected one of training,"),
    ("operation_mode=chain_tqb", "operation_mode: 'chain_tqb' is not allowed"),
    ("dataset.validation_split=1", "dataset.validation_split: 1 is not allowed, expected less than 1"),
    ("dataset.validation_split=20%", "dataset.validation_split: '20%' is not allowed, expected number"),
    ("dataset.test_folds=5", "dataset.test_folds: 5 is not allowed, expected list"),
    ("dataset.test_folds=[five]", "dataset.test_folds: 'five' is not allowed, expected integer"),
    ("dataset.class_names=dog", "dataset.class_names: 'dog' is not allowed, expected list"),
    ("dataset.class_names=[yes, dog]", "dataset.class_names: True is not allowed, expected text; YAML reads a bare yes"),
    ("dataset.name=esc-50", "dataset.name: 'esc-50' is not allowed, expected one of esc10, esc50, custom, fsd50k (did you mean 'esc50'?)"),
    ("dataset.split_by=group", "dataset.split_by: 'group' is not allowed, expected one of fold, random"),
    ("dataset.n_samples_per_garbage_class=0", "dataset.n_samples_per_garbage_class: 0 is not allowed"),
    ("general.batch_size=-4", "general.batch_size: -4 is not allowed"),
    ("general.gpu_memory_limit=0", "general.gpu_memory_limit: 0 is not allowed, expected greater than 0"),
    ("general.modelpath=x", "general.modelpath: unknown key (did you mean 'model_path'?)"),
    ("quantization.quantizer=onnx_quantiser & operation_mode=chain_tqe", "'onnx_quantiser' is not allowed, expected one of TFlite_converter, onnx_quantizer (did you mean 'onnx_quantizer'?)"),
    ("quantization.granularity=per_chanel & operation_mode=chain_tqe", "did you mean 'per_channel'"),
    ("quantization.quantization_input_type=int16 & operation_mode=chain_tqe", "expected one of int8, uint8, float"),
    ("training", "expected key=value"),
    ("=3", "expected key=value"),
    ("training..epochs=3", "expected key=value"),
    ("+training.epochs=3", "training.epochs is 3 already; expected training.epochs=... or ++training.epochs=..."),
    ("~training.epoch", "there is no such training.epoch to take away (did you mean 'epochs'?)"),
    ("~training.epochs=9", "there is no such training.epochs to take away; it is 3"),
    ("training.callbacks=[{", "the value is not valid YAML"),
]  # fmt: skip
FEATURES = [
    ("n_fft=500", "feature_extraction.n_fft: 500 is not allowed, expected a power of two from 64 to 4096"),
    ("window_length=600", "window_length: 600 is not allowed, expected 1 to n_fft (512) samples"),
    ("fmax=9000", "fmax: 9000.0 is not allowed, expected at most half the sample rate (8000 Hz)"),
    ("fmin=7600", "fmin: 7600.0 is not allowed"),
    ("window=hannn", "feature_extraction.window: 'hannn' is not known"),
    ("overlap=1", "overlap: 1.0 is not allowed, expected 0 to below 1"),
    ("norm=l2", "norm: 'l2' is not allowed, expected None or slaney"),
    ("power=3", "power: 3.0 is not allowed, expected 1.0 or 2.0"),
    ("pad_mode=mirror", "pad_mode: 'mirror' is not allowed"),
    ("db_reference=maximum", "db_reference: 'maximum' is not allowed, expected full_scale, max or a positive number"),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES, ids=[m.replace("\n", " ") for m, _ in MISTAKES])
def test_what_is_wrong_is_named(tmp_path, mistake, message):
    path = tmp_path / "my.yaml"
    in_file = ":" in mistake or mistake == "key without colon"
    path.write_text(BASE + mistake + "\n" if in_file else BASE)
    overrides = [] if in_file else mistake.split(" & ")
    with pytest.raises(UserError) as error:
        load(path, overrides)
    assert message in str(error.value)
    assert str(path) in str(error.value) or "override" in str(error.value)


@pytest.mark.parametrize(("override", "message"), FEATURES)
def test_features_that_contradict_each_other(tmp_path, override, message):
    config = load(None, [f"feature_extraction.{override}"])
    with pytest.raises(UserError) as error:
        FeatureSpec.from_sections(config.feature_extraction, config.preprocessing)
    assert message in str(error.value)


def test_the_tables_are_as_long_as_promised():
    assert len(MISTAKES) + len(FEATURES) >= 60


def test_all_mistakes_at_once_with_their_lines(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(
        "general:\n  seed: 1\noperation_mode: training\ndataset:\n  validation_split: 2\n  nam: ${PYAED_NO}\n"
    )
    with pytest.raises(UserError) as error:
        load(path, ["training.epochs=0"])
    lines = str(error.value).splitlines()
    assert [line.partition(": ")[0].rpartition("/")[2] for line in lines] == [
        "my.yaml, line 6", "my.yaml, line 2", "my.yaml, line 5", "my.yaml, line 6", "override 'training.epochs=0'",
    ]  # fmt: skip


def test_overrides_in_hydras_grammar(tmp_path, monkeypatch):
    path = tmp_path / "my.yaml"
    path.write_text(BASE + "data_augmentation: {GaussianNoise: {enable: True}}\n")
    monkeypatch.setenv("PYAED_TEST_AUDIO", r"D:\sounds")
    config = load(
        path,
        [
            "+training.dropout=0.5",
            "++training.epochs=8",
            "~data_augmentation.GaussianNoise",
            r"dataset.training_audio_path=..\my sounds\take #3",
            "dataset.test_audio_path=${oc.env:PYAED_TEST_AUDIO}",
            "dataset.test_csv_path=${oc.env:PYAED_NOT_SET,${oc.env:PYAED_TEST_AUDIO}/meta.csv}",
            "general.project_name='quoted, name'",
            "hydra.run.dir=out/${general.project_name}",
            "dataset.class_names=[dog, 'rain']",
            "dataset.validation_csv_path=",
        ],
    )
    assert (config.training.dropout, config.training.epochs) == (0.5, 8)
    assert config.data_augmentation.GaussianNoise is None
    assert config.dataset.training_audio_path == "../my sounds/take #3"
    assert config.dataset.test_audio_path == "D:/sounds"
    assert config.dataset.test_csv_path == "D:/sounds/meta.csv"
    assert config.hydra.run.dir == "out/quoted, name"
    assert config.dataset.class_names == ["dog", "rain"]
    assert config.dataset.validation_csv_path is None


def test_sections_that_the_operation_does_not_use_are_noted(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(BASE + "prediction:\n  test_files_path:\ntools: {stm32ai: {version: 8.1}, speed: 3}\n")
    config = load(path)
    assert config.training.epochs == 3
    told = notes(config)
    assert any("line 11: prediction.test_files_path: missing" in line and "training" in line for line in told)
    assert any("line 12: tools.speed: unknown key" in line for line in told)
    with pytest.raises(UserError, match=r"line 11: prediction\.test_files_path: missing"):
        load(path, mode="prediction")


@pytest.mark.parametrize(
    ("override", "text"),
    [
        (
            "training.optimizer=[Adam]",
            "training.optimizer: ['Adam'] is not allowed, expected a name, or {name: {argument",
        ),
        ("training.optimizer=0.1", "training.optimizer: 0.1 is not allowed, expected a name"),
        ("training.optimizer={Adam: 0.1}", "training.optimizer: Adam: 0.1 is not allowed, expected its arguments"),
        ("training.callbacks=[EarlyStopping]", "training.callbacks: ['EarlyStopping'] is not allowed, expected a name"),
        (
            "training.callbacks={EarlyStopping: 5}",
            "training.callbacks: EarlyStopping: 5 is not allowed, expected its arg",
        ),
    ],
)
def test_optimizer_and_callbacks_are_names_with_arguments(override, text):
    with pytest.raises(UserError) as caught:
        load(None, [override])
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    assert load(None, ["training.callbacks=TerminateOnNaN"]).training.callbacks == {"TerminateOnNaN": None}


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("operation_mode=deployment general.display_figures=True", "not used by deployment: general.display_figures"),
        ("dataset.expand_last_dim=False", "channel axis"),
        ("training.model.n_stacks=2", "not used by yamnet"),
        ("operation_mode=chain_tqe quantization.optimize=True", "quantization takes the model as it was trained"),
        ("operation_mode=chain_tqe quantization.target_opset=17", "ONNX models only"),
        ("deployment.IDE=iar", "built with GCC"),
        ("prediction.test_files_path=x", "doesn't use them: the sections prediction"),
    ],
)
def test_keys_without_effect_are_noted(tmp_path, override, text):
    path = tmp_path / "my.yaml"
    path.write_text(BASE)
    assert any(text in line for line in notes(load(path, override.split())))


@pytest.mark.parametrize(
    "override",
    [
        "general.display_figures=False",
        "dataset.expand_last_dim=True",
        "quantization.optimize=False",
        "deployment.IDE=GCC",
    ],
)
def test_keys_that_ask_for_nothing_are_not_noted(tmp_path, override):
    path = tmp_path / "my.yaml"
    path.write_text(BASE)
    mode = "deployment" if override.startswith("deployment") else "chain_tqe"
    assert override.split("=")[0] not in "".join(notes(load(path, [f"operation_mode={mode}", override])))


def test_aliases_that_stand_for_billions_of_values_are_refused(tmp_path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    path = tmp_path / "my.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(UserError, match="more than 20000 values"):
        load(path)


def test_an_alias_to_itself_is_refused(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text("a: &a\n  b: *a\n")
    with pytest.raises(UserError, match=r"nested too deeply|more than"):
        load(path)


def test_the_schema_for_editors_takes_the_published_files(shared):
    import jsonschema
    import yaml

    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for path in [*shared.glob("configs/st_model_zoo/*.yaml"), *shared.glob("pretrained/**/*_config.yaml")]:
        tree = yaml.safe_load(path.read_text())
        assert not list(validator.iter_errors(tree)), path
        tree["dataset"] = {"clas_names": ["dog"]}
        assert list(validator.iter_errors(tree))
