"""pyaed's own generator: a lowered model as C for ``nn_c``, run by ``firmware/engine/own``."""

from pathlib import Path

from pyaed import nn
from pyaed.codegen import c_template
from pyaed.files import write_text
from pyaed.generators.model import EngineModel, Tensor, write_header
from pyaed.nn.program import Value


def engine_model(program: nn.Program) -> EngineModel:
    """Return what an image has to know about a lowered model.

    Parameters
    ----------
    program : pyaed.nn.Program

    Returns
    -------
    EngineModel
        It writes aed_engine_model.h and .c, aed_model.h and .c, and the memory plan as plan.txt and plan.svg.
    """

    def write(folder: Path) -> list[Path]:
        values = {"node_outputs": [(node.output.offset, _tensor(node.output).nbytes) for node in program.nodes]}
        text = c_template("aed_engine_model_own.c.j2").render(values)
        return [
            *nn.write_c(program, folder),
            *nn.write_plan(program, folder),
            write_text(folder / "aed_engine_model.c", text),
            write_header(model, folder),
        ]

    model = EngineModel(
        name=program.name,
        input=_tensor(program.input),
        output=_tensor(program.output),
        flash=program.weights_bytes,
        memory=program.arena_size,
        node_names=tuple(node.name for node in program.nodes),
        write=write,
    )
    return model


def _tensor(value: Value) -> Tensor:
    return Tensor(value.shape, value.dtype)
