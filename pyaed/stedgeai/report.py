"""What a report of ST's tool says, whatever version wrote it: None where it doesn't say something, never 0."""

import math
from dataclasses import dataclass, field

from pyaed.stedgeai.versions import ToolVersion

#: Bytes of an element, by the names that `Tensor.dtype` has.
ELEMENT = {"int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "float16": 2, "int32": 4, "float32": 4}


@dataclass(frozen=True)
class Tensor:
    """An input or output of the model.

    Attributes
    ----------
    name : str
    shape : tuple of int or None
        Batch first, as the original model has it.
    dtype : str or None
        A key of `ELEMENT`.
    scale, zero_point : float, int or None
        Of a quantized one.
    """

    name: str
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    scale: float | None = None
    zero_point: int | None = None

    @property
    def nbytes(self) -> int | None:
        """Bytes of the values."""
        if self.shape is None or self.dtype not in ELEMENT:
            return None
        return math.prod(self.shape) * ELEMENT[self.dtype]


@dataclass(frozen=True)
class Layer:
    """A layer of the generated C.

    Attributes
    ----------
    name, kind : str
        Its name there, and ST's word for what it does, in lower case (words differ between versions).
    macs : int or None
        Multiply-accumulates, or what ST counts as such.
    weights : int or None
        Bytes.
    milliseconds, cycles : float, int or None
        After a validation that ran it.
    """

    name: str
    kind: str
    macs: int | None = None
    weights: int | None = None
    milliseconds: float | None = None
    cycles: int | None = None


@dataclass(frozen=True)
class Report:
    """One report of ST's tool. Sizes are bytes.

    Attributes
    ----------
    source : str
        What was read: 'text', or 'c_info', 'c_graph', 'report' (JSON) with the schema's number.
    version : ToolVersion or None
    command, target, c_name, optimization : str or None
        As the tool was called: analyze, generate or validate; chip family; prefix of the C names.
    st_ai : bool or None
        Whether the C has the st-ai interface; False is the legacy one.
    model_name, model_hash : str or None
        The hash is the MD5 of the model file in hexadecimal.
    macs, weights, activations : int or None
    io : tuple of two int or None
        Inputs and outputs that lie outside the activations.
    runtime_flash, runtime_ram : int or None
        ST's library and the generated code, the compiler's own library included; None where the tool had no compiler.
    toolchain_flash, toolchain_ram : int or None
        The part of it that is the compiler's.
    total_flash, total_ram : int or None
    arrays : int or None
        In the generated C.
    inputs, outputs : tuple of Tensor
    layers : tuple of Layer or None
        None where the report has no table of them.
    files : tuple of str
        Names of the C files that were generated.
    device : str or None
        What it was run on.
    milliseconds, cycles : float, int or None
        Of one inference, after a validation.
    errors : tuple of str
        What the tool says went wrong.
    """

    source: str
    version: ToolVersion | None = None
    command: str | None = None
    target: str | None = None
    c_name: str | None = None
    optimization: str | None = None
    st_ai: bool | None = None
    model_name: str | None = None
    model_hash: str | None = None
    macs: int | None = None
    weights: int | None = None
    activations: int | None = None
    io: tuple[int, int] | None = None
    runtime_flash: int | None = None
    runtime_ram: int | None = None
    toolchain_flash: int | None = None
    toolchain_ram: int | None = None
    total_flash: int | None = None
    total_ram: int | None = None
    arrays: int | None = None
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    layers: tuple[Layer, ...] | None = None
    files: tuple[str, ...] = field(default=())
    device: str | None = None
    milliseconds: float | None = None
    cycles: int | None = None
    errors: tuple[str, ...] = ()

    @property
    def model_ram(self) -> int | None:
        """Bytes of activations, inputs and outputs."""
        return None if self.activations is None or self.io is None else self.activations + sum(self.io)


def total(*parts: int | None) -> int | None:
    """Return the sum, or None when a part is not known."""
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
