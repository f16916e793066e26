"""What a configuration says and an operation doesn't do: told, never passed over in silence."""

from collections.abc import Callable
from typing import Any

from pyaed.config.schema import Config, uses

# Section and key, when to speak (by the value), and what to say. A key that has no rule here or in a service works.
_RULES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("general.display_figures", bool, "no window is opened; figures are files in the run's folder"),
    (
        "dataset.expand_last_dim",
        lambda value: not value,
        "not used; patches get a channel axis exactly where a model has one",
    ),
    ("quantization.optimize", bool, "not done; quantization takes the model as it was trained"),
    ("quantization.target_opset", lambda value: True, "not used; it concerns ONNX models only"),
    ("quantization.onnx_quant_parameters", bool, "not used; it concerns ONNX models only"),
    ("quantization.onnx_extra_options", bool, "not used; it concerns ONNX models only"),
    ("deployment.build_conf", bool, "not used; the image is always built with optimization"),
    ("deployment.c_project_path", bool, "not used; pyaed builds its own firmware"),
    ("deployment.IDE", lambda value: value != "GCC", "not used; the image is built with GCC"),
    ("deployment.verbosity", lambda value: True, "not used; say pyaed --verbose or --quiet"),
)
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
        section, name = key.split(".")
        values = getattr(config, section)
        if uses(mode, section) and name in values.model_fields_set and speaks(getattr(values, name)):
            lines.append(f"{key}: {getattr(values, name)}: {text}")
    model = config.training.model if config.training and uses(mode, "training") else None
    if model is not None:
        for name in _MODEL_KEYS.get(model.name.lower(), ()):
            if getattr(model, name) is not None:
                lines.append(f"training.model.{name}: {getattr(model, name)}: not used by {model.name}")
    return lines


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
