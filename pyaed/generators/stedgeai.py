"""ST's generator: the C that its tool wrote for a model, run by ``firmware/engine/stedgeai`` over ST's own library."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from pyaed.codegen import c_template
from pyaed.codegen.literals import c_float, c_string
from pyaed.errors import UserError
from pyaed.files import write_text
from pyaed.generators.model import ELEMENT, EngineModel, Tensor, write_header
from pyaed.stedgeai import Report
from pyaed.stedgeai import Tensor as StTensor
from pyaed.stedgeai.runtime import Runtime

_ALIGNMENT = 16


@dataclass(frozen=True)
class _End:
    tensor: Tensor
    scale: str
    zero_point: int


def engine_model(report: Report, sources: Path, runtime: Runtime, name: str, model_hash: str) -> EngineModel:
    """Return what an image has to know about a model that ST's tool has made C of.

    Parameters
    ----------
    report : Report
        Of the run that wrote the C.
    sources : Path
        The folder with network.c and its like.
    runtime : Runtime
    name, model_hash : str
        As pyaed calls the model; the hexadecimal SHA-256 of its file.

    Returns
    -------
    EngineModel
        It writes aed_engine_model.h, .c and .cmake, and ST's C into the folder st.

    Raises
    ------
    UserError
        For a network that isn't one input and one output of types that the image knows.
    """
    if len(report.inputs) != 1 or len(report.outputs) != 1:
        raise UserError(
            f"{name}: {len(report.inputs)} inputs and {len(report.outputs)} outputs; ST's engine is linked for one of each"
        )
    given, answer = (_end(name, end) for end in (report.inputs[0], report.outputs[0]))
    memory = report.activations or 0

    def write(folder: Path) -> list[Path]:
        values = {"name": c_string(name), "hash": model_hash, "input": given, "output": answer}
        places = {"include": runtime.include.resolve(), "library": runtime.library.resolve()}
        target = folder / "st"
        target.mkdir()
        copied = [shutil.copy(path, target) for path in sorted(sources.glob("*.[ch]"))]
        return [
            *map(Path, copied),
            write_header(model, folder),
            write_text(folder / "aed_engine_model.c", c_template("aed_engine_model_stedgeai.c.j2").render(values)),
            write_text(
                folder / "aed_engine_model.cmake", c_template("aed_engine_model_stedgeai.cmake.j2").render(places)
            ),
        ]

    model = EngineModel(
        name=name,
        input=given.tensor,
        output=answer.tensor,
        flash=(report.weights or 0) + (report.runtime_flash or 0),
        memory=(memory + _ALIGNMENT - 1) // _ALIGNMENT * _ALIGNMENT,
        node_names=("network",),
        write=write,
    )
    return model


def _end(name: str, end: StTensor) -> _End:
    if end.shape is None or end.dtype not in ELEMENT or not 1 <= len(end.shape) <= 4:
        raise UserError(
            f"{name}: {end.name}: {end.dtype} of {end.shape}; expected int8, uint8 or float32 of 1 to 4 dimensions"
        )
    if end.dtype != "float32" and (end.scale is None or end.zero_point is None):
        raise UserError(f"{name}: {end.name}: {end.dtype} without scale and zero point in ST's report")
    scale, zero = (1.0, 0) if end.dtype == "float32" else (end.scale or 0.0, end.zero_point or 0)
    return _End(Tensor(end.shape, end.dtype), c_float(scale), zero)
