"""The memory plan and profiles as pictures (SVG, written by hand: nothing has to be installed for them) and as tables."""

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path

from pyaed import text
from pyaed.files import write_text
from pyaed.nn.plan import Block
from pyaed.nn.program import Program
from pyaed.text import printable

_FILLS = {"input": "#8fd19e", "output": "#8fd19e", "tensor": "#9ecae1", "scratch": "#fdd0a2"}
_FONT = 'font-family="sans-serif" font-size="11"'


def write_plan(program: Program, folder: str | os.PathLike[str]) -> list[Path]:
    """Write ``plan.txt`` and ``plan.svg`` into a folder and return their paths."""
    return [
        write_text(Path(folder) / "plan.txt", plan_text(program)),
        write_text(Path(folder) / "plan.svg", plan_svg(program)),
    ]


def plan_text(program: Program) -> str:
    """Return the memory plan as tables: every node with the bytes in use, every block, every stage of the chains."""
    nodes = [
        {"node": i, "operator": node.operator, "kernel": node.kernel, "output": "x".join(map(str, node.output.shape)),
         "MACs": node.macs, "tables": node.weights_bytes, "arena in use": in_use}
        for i, (node, in_use) in enumerate(zip(program.nodes, bytes_in_use(program)))
    ]  # fmt: skip
    blocks = [
        {"offset": at, "bytes": block.size, "from node": max(block.first, 0), "to node": _last(program, block),
         "what": _role(program, block), "name": block.name.split(";")[0]}
        for block, at in sorted(program.blocks, key=lambda b: (b[0].first, b[1]))
    ]  # fmt: skip
    parts = [
        f"{program.name}: {program.arena_size:,} bytes of arena, {program.weights_bytes:,} bytes of tables, "
        f"{program.macs:,} multiply-accumulates",
        text.format_table(nodes),
        "Blocks of the arena:\n" + text.format_table(blocks),
    ]
    for i, node in enumerate(program.nodes):
        if "stages" in node.params:
            stages = [
                {"stage": k, "kernel": stage.kernel, "rows": stage.fields["out_h"], "at a time": stage.fields["rows"],
                 "rows held": stage.fields["capacity"] or None, "row bytes": stage.fields["out_row"],
                 "writes to": stage.fields["output"]}
                for k, stage in enumerate(node.params["stages"])
            ]  # fmt: skip
            parts.append(f"Node {i} runs depth-first, in bands of rows:\n{text.format_table(stages)}")
    return "\n\n".join(parts) + "\n"


def bytes_in_use(program: Program) -> list[int]:
    """Return how many bytes of the arena are in use while each node runs."""
    return [
        sum(block.size for block, _ in program.blocks if block.first <= i <= block.last)
        for i in range(len(program.nodes))
    ]


def plan_svg(program: Program) -> str:
    """Return the memory plan as a picture: nodes from left to right, the arena from bottom to top."""
    left, top, height, column = 70, 40, 360, max(34, min(90, 1000 // max(1, len(program.nodes))))
    width = column * max(1, len(program.nodes))
    scale = height / max(1, program.arena_size)
    marks = [
        _text(left, 20, f"{program.name}: {program.arena_size:,} bytes of arena", size=14),
        _text(
            left,
            top + height + 160,
            "blue: tensors; green: input and output; orange: scratch memory, light: rows between the layers of a chain",
        ),
    ]
    for tick in range(5):
        y = top + height * (1 - tick / 4)
        marks.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + width}" y2="{y:.1f}" stroke="#ddd"/>')
        marks.append(_text(left - 6, y + 4, f"{program.arena_size * tick / 4 / 1024:.1f} KiB", anchor="end"))
    for block, at in program.blocks:
        first, last = max(block.first, 0), _last(program, block)
        x, w = left + first * column, (last - first + 1) * column
        h, y = block.size * scale, top + height - (at + block.size) * scale
        role = _role(program, block)
        title = f"{block.name.split(';')[0]}: {block.size:,} bytes at {at}, nodes {first} to {last}"
        marks.append(
            f'<rect x="{x + 1}" y="{y:.1f}" width="{w - 2}" height="{h:.1f}" fill="{_FILLS[role]}" stroke="#555">'
            f"<title>{escape(printable(title))}</title></rect>"
        )
        label = "scratch" if role == "scratch" else f"{block.size:,}"
        if h > 12 and w > 7 * len(label):
            marks.append(_text(x + w / 2, y + h / 2 + 4, label, anchor="middle"))
    for i, node in enumerate(program.nodes):
        middle = left + (i + 0.5) * column
        kernel = node.kernel.removeprefix("aed_")
        stages = node.params.get("stages", ())
        for stage in stages[:-1]:  # the rows that lie between the layers of a chain
            size, at = stage.fields["capacity"] * stage.fields["out_row"], stage.fields["output"]
            marks.append(
                f'<rect x="{middle - 0.3 * column:.1f}" y="{top + height - (at + size) * scale:.1f}" '
                f'width="{0.6 * column:.1f}" height="{size * scale:.1f}" fill="#fee6ce" stroke="#999">'
                f"<title>{stage.kernel}: {stage.fields['capacity']} rows of {stage.fields['out_row']} bytes</title></rect>"
            )
        label = f"{i} {kernel}" + (f" ({len(stages)} layers)" if stages else "")
        marks.append(_text(middle, top + height + 14, label, turn=60))
    return _svg(left + width + 90, top + height + 175, marks)


def profile_svg(title: str, rows: Sequence[tuple[str, float, float | None]], unit: str) -> str:
    """Return a bar chart.

    Parameters
    ----------
    title : str
    rows : sequence of (name, count, count per multiply-accumulate or None)
    unit : what is counted, for example ``instructions``
    """
    left, bar, width = 330, 20, 520
    total, most = sum(row[1] for row in rows) or 1, max((row[1] for row in rows), default=0) or 1
    marks = [_text(10, 20, title, size=14)]
    for i, (name, count, each) in enumerate(rows):
        y = 40 + i * bar
        marks.append(_text(left - 8, y + 13, name, anchor="end"))
        w = width * count / most
        marks.append(f'<rect x="{left}" y="{y + 2}" width="{w:.1f}" height="{bar - 4}" fill="#6baed6"/>')
        detail = f"{count:,.0f} {unit}, {count / total:.1%}" + (f", {each:.2f} a MAC" if each else "")
        marks.append(_text(left + w + 6, y + 13, detail))
    return _svg(left + width + 260, 50 + bar * len(rows), marks)


def _role(program: Program, block: Block) -> str:
    if block.name.startswith("scratch of "):
        return "scratch"
    return {program.input.name: "input", program.output.name: "output"}.get(block.name, "tensor")


def _last(program: Program, block: Block) -> int:
    return max(min(block.last, len(program.nodes) - 1), 0)


def _text(x: float, y: float, words: str, anchor: str = "start", size: int = 11, turn: int = 0) -> str:
    turned = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
    font = _FONT.replace("11", str(size))
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {font}{turned}>{escape(printable(words))}</text>'


def _svg(width: float, height: float, marks: list[str]) -> str:
    size = f'width="{width:.0f}" height="{height:.0f}"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', f'<rect {size} fill="white"/>', *marks, "</svg>"]
    return "\n".join(lines) + "\n"
