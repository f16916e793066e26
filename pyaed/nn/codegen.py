"""Prints a Program as C: const tables, one node table, one model."""

import re
from pathlib import Path

import numpy as np

from pyaed import __version__
from pyaed.errors import UserError
from pyaed.files import write_text
from pyaed.nn.lowering import KERNELS
from pyaed.nn.program import IO_TYPES, Program, Value
from pyaed.sources import c_templates

_CTYPES = {"int8": "int8_t", "uint8": "uint8_t", "int32": "int32_t", "float32": "float", "float64": "double"}


def write_c(program: Program, folder, name: str = "aed_model") -> list[Path]:
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
    environment = c_templates()
    values = {
        "name": name,
        "program": program,
        "title": _string(program.name),
        "comment": _comment(program.name),
        "version": __version__,
        "nodes": [_node(number, node) for number, node in enumerate(program.nodes)],
        "ends": [("input", _end(program.input)), ("output", _end(program.output))],
    }
    paths = []
    for suffix in ("c", "h"):
        text = environment.get_template(f"aed_model.{suffix}.j2").render(values)
        paths.append(write_text(Path(folder) / f"{name}.{suffix}", text))
    return paths


def _node(number: int, node) -> dict:
    shape = "x".join(str(d) for d in node.output.shape)
    return {
        "kernel": node.kernel,
        "label": _string(node.name),
        "comment": f"{node.operator} -> {node.output.dtype} {shape}" + (f", {node.macs} MACs" if node.macs else ""),
        "structs": _structs(f"node{number}", node),
    }


def _structs(name: str, node) -> list[dict]:
    """Return the parameter struct of a node or stage, after those of its own stages."""
    structs, tables, fields = [], [], []
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
            tables.append({"name": table, "type": _CTYPES[value.dtype.name], "size": value.size, "rows": _rows(value)})
            fields.append((field, table))
        else:
            fields.append((field, _literal(value)))
    return [*structs, {"type": KERNELS[node.kernel], "name": name, "tables": tables, "fields": fields}]


def _end(value: Value) -> list[tuple[str, str]]:
    return [
        ("offset", str(value.offset)),
        ("n_elements", str(value.size)),
        ("n_dims", str(len(value.shape))),
        ("dims", _literal([*value.shape, 1, 1, 1][:4])),
        ("type", IO_TYPES[value.dtype]),
        ("scale", _literal(np.float32(value.scale))),
        ("zero_point", str(value.zero_point)),
    ]


def _literal(value) -> str:
    if value is None:
        return "0"
    if isinstance(value, list):
        return "{" + ", ".join(str(v) for v in value) + "}"
    if isinstance(value, float | np.floating):
        return f"{float(np.float32(value)).hex()}f"
    return str(int(value))


def _rows(values: np.ndarray, width: int = 112) -> list[str]:
    """Return the initialisers of a table as lines."""
    if values.dtype == np.float32:
        words = [_literal(v) for v in values]
    elif values.dtype == np.float64:
        words = [float(v).hex() for v in values]
    else:
        # The most negative int32 has no literal of its own in C.
        words = [str(v) if v != -(1 << 31) else "INT32_MIN" for v in values.tolist()]
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) + 2 > width:
            lines.append(line.rstrip())
            line = ""
        line += word + ", "
    return [*lines, line.rstrip()]


def _string(text: str) -> str:
    """Return a C string literal: printable ASCII, the rest as '?'."""
    safe = "".join(c if " " <= c <= "~" else "?" for c in text)
    return '"' + safe.replace("\\", "\\\\").replace('"', '\\"').replace("??", "?\\?") + '"'


def _comment(text: str) -> str:
    return _string(text)[1:-1].replace("*/", "* /").replace("/*", "/ *")
