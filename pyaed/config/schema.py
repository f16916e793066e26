"""The schema of the YAML file: sections and keys as ST's zoo names them, and the few that are ours (marked "pyaed")."""

import time
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, model_validator

from pyaed.config.values import (
    Integer,
    Named,
    Number,
    PathText,
    Positive,
    Share,
    Target,
    listed,
    lower,
    quantizer_name,
    upper,
)

OperationMode = Literal[
    "training",
    "evaluation",
    "quantization",
    "prediction",
    "benchmarking",
    "deployment",
    "chain_tbqeb",
    "chain_tqe",
    "chain_eqe",
    "chain_qb",
    "chain_eqeb",
    "chain_qd",
]
OPERATION_MODES: tuple[str, ...] = get_args(OperationMode)

# The sections that an operation reads; a chain reads those of its parts, and `general`, `mlflow` and `hydra` are always read.
_FEATURES = {"dataset", "preprocessing", "feature_extraction"}
_SECTIONS = {
    "training": {"training", "data_augmentation", "dataset_specific", "deployment", "evaluation"} | _FEATURES,
    "evaluation": {"evaluation", "dataset_specific", "deployment"} | _FEATURES,
    "quantization": {"quantization", "dataset_specific", "deployment"} | _FEATURES,
    "prediction": {"prediction", "deployment"} | _FEATURES,
    "benchmarking": {"benchmarking", "deployment", "tools", "mlflow"} | _FEATURES,
    "deployment": {"deployment", "tools"} | _FEATURES,
}
_PARTS = {"t": "training", "e": "evaluation", "q": "quantization", "b": "benchmarking", "d": "deployment"}


def parts(mode: str | None) -> list[str]:
    """Return the operations that a mode does in order: a chain's, or itself."""
    if mode is None:
        return []
    return [_PARTS[letter] for letter in mode.removeprefix("chain_")] if mode.startswith("chain_") else [mode]


def uses(mode: str | None, section: str) -> bool:
    """Tell whether an operation mode reads a section; without a mode every section counts."""
    if mode is None or section in ("general", "operation_mode", "mlflow", "hydra"):
        return True
    return any(section in _SECTIONS.get(part, Config.model_fields) for part in parts(mode))


class Section(BaseModel):
    """A section of the file: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, coerce_numbers_to_str=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, values: Any) -> Any:
        """An empty value of a known key means its default, as users of ST's files expect."""
        if isinstance(values, dict):
            return {k: v for k, v in values.items() if v is not None or k not in cls.model_fields}
        return values


class General(Section):
    project_name: str = "aed_project"
    model_path: PathText | None = None
    # pyaed: which axis a model has first that takes frames x mels, or flat features
    input_layout: Literal["mels_first", "frames_first"] | None = None
    logs_dir: PathText = "logs"
    saved_models_dir: PathText = "saved_models"
    global_seed: Integer = 120
    gpu_memory_limit: Annotated[Number, Field(gt=0)] | None = None
    display_figures: bool = False
    batch_size: Positive = 16
    deterministic_ops: bool = False
    num_threads_tflite: Positive | None = None


class Dataset(Section):
    name: Annotated[Literal["esc10", "esc50", "custom", "fsd50k"], BeforeValidator(lower)] = "custom"
    class_names: list[str] | None = None
    file_extension: str = ".wav"
    training_audio_path: PathText | None = None
    training_csv_path: PathText | None = None
    validation_audio_path: PathText | None = None
    validation_csv_path: PathText | None = None
    validation_split: Share = 0.2
    quantization_audio_path: PathText | None = None
    quantization_csv_path: PathText | None = None
    quantization_split: Annotated[Number, Field(gt=0, le=1)] | None = None
    test_audio_path: PathText | None = None
    test_csv_path: PathText | None = None
    test_split: Share | None = None
    multi_label: bool = False
    use_garbage_class: bool = False
    n_samples_per_garbage_class: Positive | None = None
    expand_last_dim: bool = True
    seed: Integer = 120
    to_cache: bool = True
    shuffle: bool = True
    # pyaed: grouped splits by the `fold` column; the rest of the folds is trained on
    training_folds: list[Integer] | None = None
    validation_folds: list[Integer] | None = None
    test_folds: list[Integer] | None = None
    # pyaed: how the validation set is drawn; by fold where every clip has one, unless folds are named
    split_by: Literal["fold", "random"] | None = None
    # pyaed: leave out clips that can't be used (unreadable, silent, too short) instead of stopping at them
    skip_bad_clips: bool = False


class Fsd50k(Section):
    csv_folder: PathText | None = None
    dev_audio_folder: PathText | None = None
    eval_audio_folder: PathText | None = None
    audioset_ontology_path: PathText | None = None
    only_keep_monolabel: bool = True


class DatasetSpecific(Section):
    fsd50k: Fsd50k | None = None


class Preprocessing(Section):
    min_length: Annotated[Number, Field(ge=0)] = 1
    max_length: Annotated[Number, Field(gt=0)] = 10
    target_rate: Annotated[Integer, Field(ge=8000, le=48000)] = 16000
    top_db: Annotated[Number, Field(gt=0)] = 60
    frame_length: Positive = 3200
    hop_length: Positive = 3200
    trim_last_second: bool = False
    lengthen: Literal["before", "after"] = "after"


class FeatureExtraction(Section):
    patch_length: Integer = 96
    n_mels: Integer = 64
    overlap: Number = 0.25
    n_fft: Integer = 512
    hop_length: Integer = 160
    window_length: Integer = 400
    window: str = "hann"
    center: bool = False
    pad_mode: str = "constant"
    power: Number = 1.0
    fmin: Number = 125
    fmax: Number = 7500
    norm: str | None = None
    htk: bool = True
    to_db: bool = False
    include_last_patch: bool = False
    # pyaed: so many cepstral coefficients (MFCC) instead of the log-mel bands, or 0
    n_mfcc: int = 0
    # pyaed: the reference of the decibel scale (full_scale, max or a number) and its depth
    db_reference: Number | str = "full_scale"
    top_db: Number = 80.0


class GaussianNoiseSettings(Section):
    enable: bool = False
    scale: Annotated[Number, Field(ge=0)] = 0.1


class VolumeAugmentSettings(Section):
    enable: bool = False
    min_scale: Annotated[Number, Field(gt=0)] = 0.8
    max_scale: Annotated[Number, Field(gt=0)] = 1.2


class SpecAugSettings(Section):
    enable: bool = False
    freq_mask_param: Annotated[Integer, Field(ge=0)] = 1
    time_mask_param: Annotated[Integer, Field(ge=0)] = 1
    n_freq_mask: Annotated[Integer, Field(ge=0)] = 1
    n_time_mask: Annotated[Integer, Field(ge=0)] = 1
    mask_value: Number | None = None


class DataAugmentation(Section):
    GaussianNoise: GaussianNoiseSettings | None = None
    VolumeAugment: VolumeAugmentSettings | None = None
    SpecAug: SpecAugSettings | None = None


class Model(Section):
    name: str
    embedding_size: Positive | None = None
    n_stacks: Positive | None = None
    version: str | None = None
    pooling: str | None = None
    input_shape: tuple[Positive, ...] | None = None
    pretrained_weights: bool = False


class Training(Section):
    model: Model | None = None
    fine_tune: bool = False
    dropout: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    batch_size: Positive = 16
    epochs: Positive = 50
    resume_training_from: PathText | None = None
    optimizer: Named = {"Adam": {"learning_rate": 0.001}}
    callbacks: Named | None = None
    trained_model_path: PathText | None = None
    # pyaed: the models also as best_model.h5, best_augmented_model.h5 and last_augmented_model.h5, as ST's zoo calls them
    h5_copies: bool = False


class Quantization(Section):
    # By default the model file's: onnx_quantizer for .onnx, TFlite_converter for Keras models.
    quantizer: Annotated[Literal["TFlite_converter", "onnx_quantizer"] | None, BeforeValidator(quantizer_name)] = None
    quantization_type: Annotated[Literal["PTQ"], BeforeValidator(upper)] = "PTQ"
    quantization_input_type: Literal["int8", "uint8", "float"] = "int8"
    quantization_output_type: Literal["int8", "uint8", "float"] = "float"
    granularity: Literal["per_channel", "per_tensor"] = "per_channel"
    optimize: bool = False
    target_opset: Positive = 17
    onnx_quant_parameters: dict[str, Any] | None = None
    onnx_extra_options: dict[str, Any] | None = None
    export_dir: PathText = "quantized_models"


class Evaluation(Section):
    target: Annotated[list[Target], BeforeValidator(listed)] = ["engine"]
    # How ST's tools evaluate on an STM32N6.
    profile: str | None = None
    input_type: Literal["int8", "uint8", "float32"] | None = None
    output_type: Literal["int8", "uint8", "float32"] | None = None
    input_chpos: Literal["chlast", "chfirst"] | None = None
    output_chpos: Literal["chlast", "chfirst"] | None = None
    # pyaed: clips as a board hears them: streamed, silence left in, silent patches passed over (deployment.detector)
    as_device: bool = False


class Prediction(Section):
    test_files_path: PathText
    target: Target = "engine"
    # pyaed: the events of whole recordings (onset, offset, class, score), with silence left in, instead of one decision
    timeline: bool = False


class EdgeAI(Section):
    version: str | None = None
    optimization: str = "balanced"
    on_cloud: bool = False
    footprints_on_target: str | bool | None = None
    path_to_stm32ai: PathText | None = None
    path_to_stedgeai: PathText | None = None


class Tools(Section):
    stedgeai: EdgeAI | None = None
    stm32ai: EdgeAI | None = None
    path_to_cubeIDE: PathText | None = None


class Benchmarking(Section):
    board: str = "mps2_an505"


class HardwareSetup(Section):
    serie: str | None = None
    board: str = "mps2_an505"
    options: dict[str, int] = Field(default_factory=dict)


class Detector(Section):
    """pyaed: how the answers to patches become events, on a board and in `predict` with `timeline`."""

    overlap: Share | None = None
    alpha: Annotated[Number, Field(gt=0, le=1)] = 1.0
    majority: Annotated[Integer, Field(ge=1, le=255)] = 1
    threshold: Annotated[Number, Field(ge=0, le=1)] | None = None
    class_thresholds: dict[str, Annotated[Number, Field(ge=0, le=1)]] = Field(default_factory=dict)
    hysteresis: Annotated[Number, Field(ge=0, le=1)] = 0.0
    min_duration: Annotated[Number, Field(ge=0, le=60)] = 0.0
    silence_gate: Annotated[Number, Field(ge=-100, le=0)] | None = None
    autostart: bool = False


class Deployment(Section):
    c_project_path: PathText | None = None
    IDE: str | None = None
    verbosity: int | str = 1
    build_conf: str | None = None
    # pyaed: whose engine runs the model on the board: pyaed's, or ST's of the installed tool (tools.stedgeai)
    engine: Literal["own", "stedgeai"] = "own"
    hardware_setup: HardwareSetup = Field(default_factory=HardwareSetup)
    unknown_class_threshold: Annotated[Number, Field(ge=0, le=1)] = 0.0
    detector: Detector = Field(default_factory=Detector)


class Mlflow(Section):
    uri: str | None = None


class HydraRun(Section):
    dir: PathText = Field(default_factory=lambda: time.strftime("experiments_outputs/%Y_%m_%d_%H_%M_%S"))


class Hydra(Section):
    run: HydraRun = Field(default_factory=HydraRun)


class Config(Section):
    """The whole file."""

    general: General = Field(default_factory=General)
    operation_mode: OperationMode | None = None
    dataset: Dataset = Field(default_factory=Dataset)
    dataset_specific: DatasetSpecific | None = None
    preprocessing: Preprocessing = Field(default_factory=Preprocessing)
    feature_extraction: FeatureExtraction = Field(default_factory=FeatureExtraction)
    data_augmentation: DataAugmentation = Field(default_factory=DataAugmentation)
    training: Training | None = None
    quantization: Quantization = Field(default_factory=Quantization)
    evaluation: Evaluation = Field(default_factory=Evaluation)
    prediction: Prediction | None = None
    tools: Tools | None = None
    benchmarking: Benchmarking = Field(default_factory=Benchmarking)
    deployment: Deployment = Field(default_factory=Deployment)
    mlflow: Mlflow | None = None
    hydra: Hydra = Field(default_factory=Hydra)

    # What was wrong in sections that the operation doesn't use.
    _notes: list[str] = PrivateAttr(default_factory=list)

    @model_validator(mode="after")
    def _one_way_to_know_nothing(self) -> "Config":
        threshold = self.deployment.unknown_class_threshold
        if self.dataset.use_garbage_class and threshold > 0:
            raise ValueError(
                f"dataset.use_garbage_class: True and deployment.unknown_class_threshold: {threshold:g} exclude each other; "
                "set the threshold to 0 or use_garbage_class to False"
            )
        return self
