"""What an image has to know about a model, whichever generator makes its C."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pyaed.codegen import c_template
from pyaed.files import write_text

ELEMENT = {"int8": 1, "uint8": 1, "float32": 4}


@dataclass(frozen=True)
class Tensor:
    """An end of a model: shape, batch first, and type (int8, uint8 or float32)."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes."""
        return self.size * ELEMENT[self.dtype]


@dataclass(frozen=True)
class EngineModel:
    """A model as a generator hands it to an image.

    Attributes
    ----------
    name : str
    input, output : Tensor
    flash : int
        Bytes of weights and other const tables.
    memory : int
        Bytes of RAM that the engine works in.
    node_names : tuple of str
        In the order in which they run.
    write : callable
        Writes all its files into a folder and returns their paths: ``aed_engine_model.h`` (sizes and the model's symbol,
        the same for every engine), C sources, and what else the generator can tell about the model.
    """

    name: str
    input: Tensor
    output: Tensor
    flash: int
    memory: int
    node_names: tuple[str, ...]
    write: Callable[[Path], list[Path]]


def write_header(model: EngineModel, folder: Path) -> Path:
    """Write ``aed_engine_model.h`` into `folder` and return its path."""
    text = c_template("aed_engine_model.h.j2").render(model=model)
    return write_text(folder / "aed_engine_model.h", text)
