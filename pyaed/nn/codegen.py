"""Prints a Program as C: const tables, one node table, one model."""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from pyaed import __version__
from pyaed.codegen import c_comment, c_initializer, c_number, c_template
from pyaed.codegen.literals import C_TYPES
from pyaed.errors import UserError
from pyaed.files import write_text
from pyaed.nn.lowering import KERNELS
from pyaed.nn.program import IO_TYPES, Node, Program, Stage, Value

MAX_TITLE = 63  # bytes


def write_c(program: Program, folder: str | os.PathLike[str], name: str = "aed_model") -> list[Path]:
    """Write ``<name>.c`` and ``<name>.h``: the model as const tables for ``aed_nn_run``.

    Parameters
    ----------
    program : Program, from ``compile_graph``
    folder : where to write; made when missing
    name : C identifier of the model and stem of the files

    Returns
    -------
    The paths written: the source and the header.

    Raises
    ------
    UserError
        `name` is no C identifier, or the folder cannot be written.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise UserError(f"'{name}' is not a C identifier")
    values = {
        "name": name,
        "program": program,
        "title": _short(program.name),
        "comment": c_comment(program.name),
        "version": __version__,
        "nodes": [_node(number, node) for number, node in enumerate(program.nodes)],
        "ends": [("input", _end(program.input)), ("output", _end(program.output))],
    }
    paths = []
    for suffix in ("c", "h"):
        text = c_template(f"aed_model.{suffix}.j2").render(values)
        paths.append(write_text(Path(folder) / f"{name}.{suffix}", text))
    return paths


def _node(number: int, node: Node) -> dict[str, Any]:
    shape = "x".join(str(d) for d in node.output.shape)
    return {
        "kernel": node.kernel,
        "label": node.name,
        "comment": f"{node.operator} -> {node.output.dtype} {shape}" + (f", {node.macs} MACs" if node.macs else ""),
        "structs": _structs(f"node{number}", node),
    }


def _structs(name: str, node: Node | Stage) -> list[dict[str, Any]]:
    """Return the parameter struct of a node or stage, after those of its own stages."""
    structs: list[dict[str, Any]] = []
    tables: list[dict[str, Any]] = []
    fields: list[tuple[str, str]] = []
    for field, value in node.params.items():
        if field == "stages":
            entries = []
            for i, stage in enumerate(value):
                structs += _structs(f"{name}_stage{i}", stage)
                fields_ = ", ".join(f".{k} = {v}" for k, v in stage.fields.items())
                entries.append(f"{{.kernel = {stage.kernel}, .params = &{name}_stage{i}, {fields_}}},")
            tables.append({"name": f"{name}_stages", "type": "aed_chain_stage", "size": len(value), "rows": entries})
            fields.append((field, f"{name}_stages"))
        elif isinstance(value, np.ndarray):
            table = f"{name}_{field}"
            tables.append(
                {"name": table, "type": C_TYPES[value.dtype.name], "size": value.size, "rows": c_initializer(value)}
            )
            fields.append((field, table))
        else:
            fields.append((field, c_number(value)))
    return [*structs, {"type": KERNELS[node.kernel], "name": name, "tables": tables, "fields": fields}]


def _end(value: Value) -> list[tuple[str, str]]:
    return [
        ("offset", str(value.offset)),
        ("n_elements", str(value.size)),
        ("n_dims", str(len(value.shape))),
        ("dims", c_number([*value.shape, 1, 1, 1][:4])),
        ("type", IO_TYPES[value.dtype]),
        ("scale", c_number(np.float32(value.scale))),
        ("zero_point", str(value.zero_point)),
    ]


def _short(text: str) -> str:
    """The text, cut at a character so that it fits the field of the link."""
    return text.encode()[:MAX_TITLE].decode(errors="ignore")
