"""Values of the YAML file: what is read in several spellings, and what is refused with more than its type's message."""

import os
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from pyaed.errors import brief
from pyaed.files import native_path


def no_switch(value: Any) -> Any:
    """YAML's switches are no numbers."""
    if isinstance(value, bool):
        raise ValueError(f"{value} is not allowed, expected a number")
    return value


def with_arguments(value: Any) -> Any:
    """Names with their arguments; one on a line of its own has none."""
    if isinstance(value, str):
        return {value: None}
    if not isinstance(value, dict):
        raise ValueError(f"{brief(value)} is not allowed, expected a name, or {{name: {{argument: value}}}}")
    for name, arguments in value.items():
        if arguments is not None and not isinstance(arguments, dict):
            raise ValueError(f"{name}: {brief(arguments)} is not allowed, expected its arguments: {{argument: value}}")
    return value


def lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def quantizer_name(value: Any) -> Any:
    """ST writes it in several ways: TFlite_converter, TFLite_converter."""
    known = {"tflite_converter": "TFlite_converter", "onnx_quantizer": "onnx_quantizer"}
    return known.get(value.lower(), value) if isinstance(value, str) else value


def target_name(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("stedgeai_"):
        board = " and a board with an STM32N6" if value == "stedgeai_n6" else ""
        raise ValueError(
            f"{value} needs ST Edge AI Core{board}, which pyaed doesn't drive; expected engine (what ST calls host), tflite, "
            "onnxruntime or emulator"
        )
    return value


def listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def path_text(text: str) -> str:
    try:
        if b"\0" in os.fsencode(text):
            raise ValueError("a path can't hold the character NUL")
    except UnicodeEncodeError as error:
        raise ValueError(f"a path can't hold the character {error.object[error.start]!a}") from None
    return str(native_path(text))


# An optimizer or callbacks: Keras' names and arguments, which training checks.
Named = Annotated[
    dict[str, dict[str, Any] | None], BeforeValidator(with_arguments, json_schema_input_type=str | dict[str, Any])
]
# What C and TensorFlow hold in 64 bits.
Integer = Annotated[int, BeforeValidator(no_switch), Field(ge=-(2**63), lt=2**63)]
Number = Annotated[float, BeforeValidator(no_switch)]
Share = Annotated[Number, Field(ge=0, lt=1)]
Positive = Annotated[Integer, Field(ge=1)]
# A path may be written with backslashes on every system.
PathText = Annotated[str, AfterValidator(path_text)]
# What computes a quantized model's outputs; tflite for .tflite and onnxruntime for .onnx files only.
Target = Annotated[Literal["tflite", "onnxruntime", "engine", "emulator"], BeforeValidator(target_name)]
