"""The schema of the YAML file: sections and keys as ST's zoo names them, and the few that are ours (marked "pyaed")."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

OPERATION_MODES = (
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
)

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A section of the file: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, values: Any) -> Any:
        """An empty value of a known key means its default, as users of ST's files expect."""
        if isinstance(values, dict):
            return {k: v for k, v in values.items() if v is not None or k not in cls.model_fields}
        return values


class General(Section):
    project_name: str = "aed_project"
    model_path: str | None = None
    logs_dir: str = "logs"
    saved_models_dir: str = "saved_models"
    global_seed: int = 120
    gpu_memory_limit: float | None = None
    display_figures: bool = False
    batch_size: Positive = 16
    deterministic_ops: bool = False
    num_threads_tflite: Positive | None = None


class Dataset(Section):
    name: str = "custom"
    class_names: list[str] | None = None
    file_extension: str = ".wav"
    training_audio_path: str | None = None
    training_csv_path: str | None = None
    validation_audio_path: str | None = None
    validation_csv_path: str | None = None
    validation_split: Share = 0.2
    quantization_audio_path: str | None = None
    quantization_csv_path: str | None = None
    quantization_split: Annotated[float, Field(gt=0, le=1)] | None = None
    test_audio_path: str | None = None
    test_csv_path: str | None = None
    test_split: Share | None = None
    multi_label: bool = False
    use_garbage_class: bool = False
    n_samples_per_garbage_class: Positive | None = None
    expand_last_dim: bool = True
    seed: int = 120
    to_cache: bool = True
    shuffle: bool = True
    # pyaed: grouped splits by the `fold` column; the rest of the folds is trained on
    training_folds: list[int] | None = None
    validation_folds: list[int] | None = None
    test_folds: list[int] | None = None
    # pyaed: how the validation set is drawn; by fold where every clip has one, unless folds are named
    split_by: Literal["fold", "random"] | None = None
    # pyaed: leave out clips that can't be used (unreadable, silent, too short) instead of stopping at them
    skip_bad_clips: bool = False


class Preprocessing(Section):
    min_length: Annotated[float, Field(ge=0)] = 1
    max_length: Annotated[float, Field(gt=0)] = 10
    target_rate: Annotated[int, Field(ge=8000, le=48000)] = 16000
    top_db: Annotated[float, Field(gt=0)] = 60
    frame_length: Positive = 3200
    hop_length: Positive = 3200
    trim_last_second: bool = False
    lengthen: Literal["before", "after"] = "after"


class FeatureExtraction(Section):
    patch_length: int = 96
    n_mels: int = 64
    overlap: float = 0.25
    n_fft: int = 512
    hop_length: int = 160
    window_length: int = 400
    window: str = "hann"
    center: bool = False
    pad_mode: str = "constant"
    power: float = 1.0
    fmin: float = 125
    fmax: float = 7500
    norm: str | None = None
    htk: bool = True
    to_db: bool = False
    include_last_patch: bool = False
    # pyaed: the reference of the decibel scale (full_scale, max or a number) and its depth
    db_reference: float | str = "full_scale"
    top_db: float = 80.0


class GaussianNoiseSettings(Section):
    enable: bool = False
    scale: Annotated[float, Field(ge=0)] = 0.1


class VolumeAugmentSettings(Section):
    enable: bool = False
    min_scale: Annotated[float, Field(gt=0)] = 0.8
    max_scale: Annotated[float, Field(gt=0)] = 1.2


class SpecAugSettings(Section):
    enable: bool = False
    freq_mask_param: Annotated[int, Field(ge=0)] = 1
    time_mask_param: Annotated[int, Field(ge=0)] = 1
    n_freq_mask: Annotated[int, Field(ge=0)] = 1
    n_time_mask: Annotated[int, Field(ge=0)] = 1
    mask_value: float | None = None


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
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    batch_size: Positive = 16
    epochs: Positive = 50
    resume_training_from: str | None = None
    optimizer: dict[str, dict[str, Any] | None] = Field(default_factory=lambda: {"Adam": {"learning_rate": 0.001}})
    callbacks: dict[str, dict[str, Any] | None] | None = None
    trained_model_path: str | None = None


class Quantization(Section):
    quantizer: Literal["TFlite_converter", "onnx_quantizer"] = "TFlite_converter"
    quantization_type: Literal["PTQ"] = "PTQ"
    quantization_input_type: Literal["int8", "uint8", "float"] = "int8"
    quantization_output_type: Literal["int8", "uint8", "float"] = "float"
    granularity: Literal["per_channel", "per_tensor"] = "per_channel"
    optimize: bool = False
    target_opset: Positive = 17
    export_dir: str = "quantized_models"


class Evaluation(Section):
    # pyaed: what computes a .tflite model's outputs
    target: list[Literal["tflite", "engine", "emulator"]] = ["engine"]


class Prediction(Section):
    test_files_path: str
    # pyaed
    target: Literal["tflite", "engine", "emulator"] = "engine"


class EdgeAI(Section):
    version: str | None = None
    optimization: str = "balanced"
    on_cloud: bool = False
    path_to_stm32ai: str | None = None
    path_to_stedgeai: str | None = None


class Tools(Section):
    stedgeai: EdgeAI | None = None
    stm32ai: EdgeAI | None = None
    path_to_cubeIDE: str | None = None


class Benchmarking(Section):
    board: str = "mps2_an505"


class HardwareSetup(Section):
    serie: str | None = None
    board: str = "mps2_an505"


class Deployment(Section):
    c_project_path: str | None = None
    IDE: str | None = None
    verbosity: int | str = 1
    hardware_setup: HardwareSetup = Field(default_factory=HardwareSetup)
    unknown_class_threshold: Annotated[float, Field(ge=0, le=1)] = 0.0


class Mlflow(Section):
    uri: str | None = None


class HydraRun(Section):
    dir: str = "./experiments_outputs/${now:%Y_%m_%d_%H_%M_%S}"


class Hydra(Section):
    run: HydraRun = Field(default_factory=HydraRun)


class Config(Section):
    """The whole file."""

    general: General = Field(default_factory=General)
    operation_mode: Literal[OPERATION_MODES] | None = None
    dataset: Dataset = Field(default_factory=Dataset)
    dataset_specific: dict[str, Any] | None = None
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
