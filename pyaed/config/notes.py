"""What a configuration says and an operation doesn't do: told, never passed over in silence."""

from collections.abc import Callable
from typing import Any

from pyaed.config.schema import Config, Dataset, parts, uses

# Section and key, when to speak (by the value), and what to say. A key that has no rule here or in a service works.
_RULES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    (
        "dataset.expand_last_dim",
        lambda value: not value,
        "not used; patches get a channel axis exactly where a model has one",
    ),
    ("quantization.optimize", bool, "not done; quantization takes the model as it was trained"),
    *(
        (f"evaluation.{name}", bool, "not used; it concerns ST's tools, and pyaed takes a model's inputs as they are")
        for name in ("profile", "input_type", "output_type", "input_chpos", "output_chpos")
    ),
    *(
        (f"tools.{name}.footprints_on_target", bool, "not used; benchmarking.board says it")
        for name in ("stedgeai", "stm32ai")
    ),
    ("tools.path_to_cubeIDE", bool, "not used; pyaed builds its own firmware with GCC"),
    ("deployment.hardware_setup.serie", bool, "not used; deployment.hardware_setup.board says it"),
    ("deployment.build_conf", bool, "not used for pyaed's image, which is always built with optimization"),
    ("deployment.IDE", lambda value: value != "GCC", "not used; the image is built with GCC"),
    ("deployment.verbosity", lambda value: True, "not used; say pyaed --verbose or --quiet"),
)
_WITH_CLIPS = ("training", "evaluation", "quantization", "prediction", "deployment")
# Keys that not every operation which uses their section reads: the operations that do.
_READ_BY: dict[str, tuple[str, ...]] = {
    "general.display_figures": ("training", "evaluation"),
    **dict.fromkeys(
        (
            "general.logs_dir",
            "general.saved_models_dir",
            "general.global_seed",
            "general.gpu_memory_limit",
            "general.deterministic_ops",
            "dataset.shuffle",
        ),
        ("training",),
    ),
    "general.batch_size": ("training", "evaluation", "prediction"),
    **dict.fromkeys(("dataset.to_cache", "dataset.skip_bad_clips"), _WITH_CLIPS),
    **dict.fromkeys(
        (f"dataset.{name}" for name in Dataset.model_fields if name.endswith(("_path", "_folds", "_split"))),
        # `pyaed verify` takes its clips from there, for a deployment.
        ("training", "evaluation", "quantization", "deployment"),
    ),
    **dict.fromkeys(
        ("dataset.quantization_audio_path", "dataset.quantization_csv_path", "dataset.quantization_split"),
        ("quantization",),
    ),
    "evaluation.target": ("evaluation",),
    "evaluation.as_device": ("evaluation",),
    "deployment.engine": ("evaluation", "prediction", "deployment"),
    "deployment.detector": ("evaluation", "prediction", "benchmarking", "deployment"),
    "deployment.hardware_setup": ("evaluation", "prediction", "benchmarking", "deployment"),
}
_MODEL_KEYS = {"yamnet": ("n_stacks", "version", "pooling"), "miniresnet": ("embedding_size",)}


def notes(config: Config, mode: str | None = None) -> list[str]:
    """Return one line for everything in a configuration that `mode` (default: its own) takes no notice of."""
    mode = mode or config.operation_mode
    unused = [name for name in config.model_fields_set if not uses(mode, name)]
    lines = list(config._notes)
    if unused:
        names = ", ".join(name for name in Config.model_fields if name in unused)
        lines.append(f"ignored, {mode} doesn't use them: the sections {names}")
    for key, speaks, text in _RULES:
        *sections, name = key.split(".")
        section: str = sections[0]
        values: Any = config
        for part in sections:
            values = getattr(values, part, None)
        if (
            values is not None
            and uses(mode, section)
            and name in values.model_fields_set
            and speaks(getattr(values, name))
        ):
            lines.append(f"{key}: {getattr(values, name)}: {text}")
    if mode == "chain_tbqeb":
        lines.append(
            "operation_mode: chain_tbqeb: the float model is benchmarked by ST's tools only (docs/st-tools.md): pyaed's engine computes "
            "int8. The quantized model is evaluated and benchmarked"
        )
    lines += _tools(config, mode) + _unread(config, mode) + _training(config, mode) + _quantization(config, mode)
    model = config.training.model if config.training and uses(mode, "training") else None
    if model is not None:
        for name in _MODEL_KEYS.get(model.name.lower(), ()):
            if getattr(model, name) is not None:
                lines.append(f"training.model.{name}: {getattr(model, name)}: not used by {model.name}")
    return lines


def _tools(config: Config, mode: str | None) -> list[str]:
    """What of ST's tools a deployment takes no notice of."""
    if config.tools is None or "deployment" not in parts(mode) or "benchmarking" in parts(mode):
        return []
    if config.deployment.engine == "own":
        return ["tools: not used; the image has pyaed's engine (deployment.engine: stedgeai links ST's)"]
    clouds = [name for name in ("stedgeai", "stm32ai") if (section := getattr(config.tools, name)) and section.on_cloud]
    return [f"tools.{name}.on_cloud: True: not used; ST's C is generated by the installed tool" for name in clouds]


def _unread(config: Config, mode: str | None) -> list[str]:
    """Name the keys that were given, whose section the mode uses, and that it doesn't read all the same."""
    if mode is None:
        return []
    done, found = set(parts(mode)), []
    for key, readers in _READ_BY.items():
        section, name = key.split(".")
        if uses(mode, section) and name in getattr(config, section).model_fields_set and not done & set(readers):
            found.append(key)
    targets = [*(config.evaluation.target if "evaluation" in done else ())]
    targets += [config.prediction.target] if config.prediction and "prediction" in done else []
    if "num_threads_tflite" in config.general.model_fields_set and not {"tflite", "onnxruntime"} & set(targets):
        found.append("general.num_threads_tflite")
    return [f"not used by {mode}: {', '.join(found)}"] if found else []


def _training(config: Config, mode: str | None) -> list[str]:
    """What a training leaves as it is, or does another way."""
    section, lines = config.training, []
    if section is None or not uses(mode, "training"):
        return []
    if section.resume_training_from:
        lines += [
            f"training.{key}: not used; the training that is resumed goes on with its own"
            for key in ("fine_tune", "dropout", "optimizer")
            if key in section.model_fields_set
        ]
    callbacks = section.callbacks or {}
    if (callbacks.get("EarlyStopping") or {}).get("restore_best_weights") is False:
        lines.append(
            "training.callbacks.EarlyStopping.restore_best_weights: False: not used; best_model has the best epoch's weights "
            "and is evaluated, last_model the last epoch's"
        )
    if (callbacks.get("SwapEMAWeights") or {}).get("swap_on_epoch") is False:
        lines.append(
            "training.callbacks.SwapEMAWeights.swap_on_epoch: False: not used; at the end of every epoch the averages are validated, "
            "and the best model has them"
        )
    mask = config.data_augmentation.SpecAug
    if mask is not None and mask.enable:
        if mask.mask_value is not None:
            lines.append("data_augmentation.SpecAug.mask_value: not used; masks take the value of silence")
        for kind in ("freq", "time"):
            if getattr(mask, f"{kind}_mask_param") < 2:
                value = getattr(mask, f"{kind}_mask_param")
                lines.append(
                    f"data_augmentation.SpecAug.{kind}_mask_param: {value}: masks nothing, widths are drawn below it"
                )
    return lines


def _quantization(config: Config, mode: str | None) -> list[str]:
    """What concerns the other quantizer."""
    section, path = config.quantization, config.general.model_path
    if not uses(mode, "quantization") or (path or "").lower().endswith(".onnx"):
        return []
    return [
        f"quantization.{name}: {getattr(section, name)}: not used; it concerns ONNX models only"
        for name in ("target_opset", "onnx_quant_parameters", "onnx_extra_options")
        if name in section.model_fields_set and getattr(section, name)
    ]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the file for editors, with the spellings that are read besides YAML's own.

    Every value may also be empty, the text None, a tuple as text, or hold ``${...}``.
    """
    schema = Config.model_json_schema()
    spelling = {"type": "string", "pattern": r"^\s*(None|\(.*\)|.*\$\{.*\}.*)?\s*$"}
    for section in (schema, *schema.get("$defs", {}).values()):
        for name, value in section.get("properties", {}).items():
            rest = {key: value.pop(key) for key in ("default", "title", "description") if key in value}
            section["properties"][name] = {"anyOf": [value, {"type": "null"}, spelling], **rest}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "pyaed configuration"}
