"""docs/architecture.md says which room may use which: imports and includes keep to it, and nothing goes round in circles."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HELPERS = {
    f"pyaed/{name}.py" for name in ("__init__", "errors", "files", "logs", "progress", "sources", "text", "workers")
}
TENSORFLOW = {"pyaed/models", "pyaed/training", "pyaed/quantization", "pyaed/evaluation", "pyaed/artefact"}
C_ROOMS = ("dsp_c", "nn_c", "detector_c", "firmware/engine", "firmware/app", "firmware/boards")
EVERYTHING = "all rooms above"


@cache
def table() -> dict[str, list[str] | str]:
    """Room -> the rooms that it may use, in the page's order."""
    text = (
        (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Rooms")[2].partition("\n## ")[0]
    )
    rooms: dict[str, list[str] | str] = {}
    for first, _, last in re.findall(r"^\| (`.*?) \| (.*) \| ?(.*) ?\|$", text, re.M):
        names = re.findall(r"`([^`]+)`", first)
        allowed = last.strip() if last.strip() == EVERYTHING else re.findall(r"`([^`]+)`", last)
        for name in names:
            rooms[name] = allowed
    return rooms


@cache
def room(path: str) -> str | None:
    """The room of a file, by the longest name that the path begins with; None for helpers."""
    found = [name for name in table() if path == name or path.startswith(name + "/")]
    return max(found, key=len) if found else None


@cache
def arrows() -> dict[str, dict[str, str]]:
    """File -> the files of this project that it imports or includes, and the line that does so."""
    python = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "pyaed").rglob("*.py")}
    found = {name: _imports(name, path, python) for name, path in python.items()}
    headers: dict[str, list[str]] = {}
    sources = [p for folder in C_ROOMS for p in (ROOT / folder).rglob("*.[ch]") if "tests" not in p.parts]
    for path in sources:
        headers.setdefault(path.name, []).append(path.relative_to(ROOT).as_posix())
    for path in sources:
        name, own = path.relative_to(ROOT).as_posix(), {}
        for line, target in re.findall(r'^(\s*#\s*include\s+"(.+?)")', path.read_text(encoding="utf-8"), re.M):
            near = (path.parent / target).resolve()
            if near.is_file():
                own[near.relative_to(ROOT).as_posix()] = line
            elif len(headers.get(Path(target).name, ())) == 1:  # elsewhere: a generated header, or a user's CMSIS-DSP
                own[headers[Path(target).name][0]] = line
        found[name] = own
    return found


def _imports(name: str, path: Path, python: dict[str, Path]) -> dict[str, str]:
    def file_of(module: str) -> str | None:
        stem = module.replace(".", "/")
        folder, _, last = stem.rpartition("/")
        if last.startswith("_") and not name.startswith(folder + "/"):  # a compiled extension counts as its package
            return f"{folder}/__init__.py"
        return next((f for f in (f"{stem}.py", f"{stem}/__init__.py") if f in python), None)

    own = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            assert node.module is not None
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [module if file_of(module) else node.module for module in modules]
        else:
            continue
        for module in modules:
            if module.split(".")[0] == "pyaed" and (target := file_of(module)) in python and target != name:
                own[target] = ast.unparse(node)
    return own


def test_every_file_has_a_room():
    lost = [name for name in arrows() if room(name) is None and name not in HELPERS]
    assert not lost, "docs/architecture.md has no room for these"
    assert all((ROOT / name).exists() for name in table()), "docs/architecture.md names a room that is not there"


def test_rooms_use_only_what_they_may():
    order, wrong, used = list(table()), [], set()
    for source, targets in arrows().items():
        here = room(source)
        for target, line in targets.items():
            there = room(target)
            if there is None or there == here:
                if here is None and there is not None and source != "pyaed/__init__.py":
                    wrong.append(f"the helper {source} uses the room {there}: {line.strip()}")
                continue
            if here is None:
                wrong.append(f"the helper {source} uses the room {there}: {line.strip()}")
                continue
            allowed = table()[here]
            if allowed == EVERYTHING:
                fine = order.index(there) < order.index(here)
            else:
                fine = there.removeprefix("pyaed/") in allowed or there in allowed
                used.add((here, there.removeprefix("pyaed/")))
            if not fine:
                wrong.append(f"{source} ({here}) uses {there}: {line.strip()}")
    assert not wrong, "\n".join(wrong)
    stale = [
        f"{here} may use {there}, and doesn't"
        for here, allowed in table().items()
        if allowed != EVERYTHING
        for there in allowed
        if (here, there.removeprefix("pyaed/")) not in used
    ]
    assert not stale, "\n".join(stale)


def test_no_circles():
    state: dict[str, int] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert state.get(name) != 1, "in a circle: " + " -> ".join([*path[path.index(name) :], name])
        if name in state:
            return
        state[name] = 1
        for target in arrows().get(name, {}):
            visit(target, (*path, name))
        state[name] = 2

    for name in arrows():
        visit(name, ())


def test_the_table_is_in_the_order_of_use():
    order = list(table())
    for here, allowed in table().items():
        for there in [] if allowed == EVERYTHING else allowed:
            full = there if there in table() else f"pyaed/{there}"
            assert full in table(), f"{here} may use {there}, which is no room"
            assert order.index(full) < order.index(here), f"{here} stands above {there}"


@pytest.mark.parametrize("name", sorted(n for n in arrows() if n.startswith("pyaed/")))
def test_tensorflow_stays_in_its_rooms(name):
    for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
        modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if {module.split(".")[0] for module in modules} & {"tensorflow", "keras"}:
            assert room(name) in TENSORFLOW, f"{name}: {ast.unparse(node)}"
