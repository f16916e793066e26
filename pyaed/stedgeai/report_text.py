"""The text report, from 5.0 to 4.0: a table of keys, tables of layers, the sizes of the runtime."""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath, PureWindowsPath

from pyaed.errors import UserError, brief
from pyaed.stedgeai.report import Layer, Report, Tensor
from pyaed.stedgeai.versions import find_version

_SUMMARY = re.compile(r"Exec/report summary \((\w+)")
_COUNT = re.compile(r"(\d{1,3}(?:,\d{3}){0,6}|\d{1,18})(?: |$)")
_RAM = re.compile(r"= ([\d,]{1,24}) \+ ([\d,]{1,24}) \+ ([\d,]{1,24})$")
_END = re.compile(r"(input|output)(?: \d+/\d+)?")
_RUNTIME = re.compile(r"(RT total\*{0,2}|TOTAL) +([\d,]{1,24}) +(?:[\d.]{1,8}% +)?([\d,]{1,24})(?: +[\d.]{1,8}%)?")
_SHAPE = re.compile(r"\((\d{1,9}(?:, ?\d{1,9}){0,7}),?\)")
_QLINEAR = re.compile(r"QLinear\((-?\d{1,16}(?:\.\d{1,16})?(?:e-?\d{1,2})?),(-?\d{1,6}),\w+\)")
_NEW_END = re.compile(r"'([^']{0,1000})', (\w{1,16})\((\d{1,9}(?:x\d{1,9}){0,7})\)")
_DTYPES = {
    "ai_i8": "int8", "ai_u8": "uint8", "ai_float": "float32",
    "int8": "int8", "uint8": "uint8", "int16": "int16", "uint16": "uint16", "int32": "int32",
    "f16": "float16", "f32": "float32", "float": "float32", "float32": "float32",
}  # fmt: skip
_CUT = "was its writing cut short?"


def read_text(text: str, where: str) -> Report:
    """Read a text report of any version and command.

    Parameters
    ----------
    text : str
    where : str
        The file's path, for messages.

    Raises
    ------
    UserError
        For a text that is no such report, is cut within a table, or holds what can't be.
    """
    lines = [line.rstrip() for line in text.split("\n")[:-1]]  # a last line without an end was cut
    version = find_version("\n".join(lines[:2]))
    if version is None:
        raise UserError(f"{where}: its first line names no version of ST's tool; expected one of its reports")
    fields = _fields(lines, where)
    arguments = fields.get("Parameters", "").split()
    if "Exec/report summary" not in fields and not arguments:
        raise UserError(f"{where}: a report without a summary; {_CUT}")
    macs = _count(fields, "macc", where)
    sizes, device, timed = _runtime(lines, where)
    ram = _RAM.search(fields.get("ram (total)", ""))
    options = fields.get("options")
    target = fields.get("target/series")
    model_hash = fields.get("model_hash")
    return Report(
        source="text",
        version=version,
        command=fields.get("Exec/report summary") or (arguments[0] if arguments else None),
        target=target.lower() if target else None,
        c_name=fields.get("c_name"),
        optimization=fields.get("optimization"),
        st_ai=None if options is None else "use-st-ai" in options,
        model_name=fields.get("model_name"),
        model_hash=model_hash.removeprefix("0x").lower() if model_hash else None,
        macs=macs,
        weights=_count(fields, "weights (ro)", where),
        activations=_count(fields, "activations (rw)", where),
        io=(_plain(ram[2]), _plain(ram[3])) if ram else None,
        runtime_flash=sizes["RT total"][0],
        runtime_ram=sizes["RT total"][1],
        total_flash=sizes["TOTAL"][0],
        total_ram=sizes["TOTAL"][1],
        arrays=_arrays(lines),
        inputs=_ends(fields, "input", where),
        outputs=_ends(fields, "output", where),
        layers=_layers(lines, macs, where),
        files=_files(lines, where),
        device=device,
        milliseconds=timed,
        errors=(fields["error"],) if "error" in fields else (),
    )


def _fields(lines: Sequence[str], where: str) -> dict[str, str]:
    """Return the summary's keys and values; a value that goes on in the next line is one with it."""
    found: dict[str, str] = {}
    last = ""
    for line in lines[1:200]:
        if match := _SUMMARY.search(line):
            found["Exec/report summary"] = match[1]
            continue
        if line.startswith(("Model name", "id  layer", "m_id")):
            break
        key, colon, value = line.partition(":")
        key, value = key.strip(), value.strip()
        if not colon:
            continue
        if not key and last:
            found[last] += f", {value}"
        elif key not in found:
            found[key], last = value, key
    return found


def _count(fields: dict[str, str], key: str, where: str) -> int | None:
    text = fields.get(key)
    if text is None:
        return None
    if not (match := _COUNT.match(text)):
        raise UserError(f"{where}: {key}: {brief(text)}; expected a number")
    return _plain(match[1])


def _plain(text: str) -> int:
    return int(text.replace(",", "") or "0")


def _ends(fields: dict[str, str], which: str, where: str) -> tuple[Tensor, ...]:
    found = []
    for key, value in fields.items():
        match = _END.fullmatch(key)
        if match and match[1] == which:
            found.append(_end(value, f"{where}: {key}"))
    return tuple(found)


def _end(value: str, where: str) -> Tensor:
    if match := _NEW_END.match(value):  # from 9.0: 'name', int8(1x64x96x1), 6.00 KBytes, QLinear(0.05,44,int8)
        shape = tuple(int(part) for part in match[3].split("x"))
        quantized = _QLINEAR.search(value)
        scale = float(quantized[1]) if quantized else None
        return Tensor(match[1], shape, _DTYPES.get(match[2]), scale, int(quantized[2]) if quantized else None)
    # Before: 'name' (domain:...), 6144 items, 6.00 KiB, ai_i8, s=0.05, zp=33, (1,64,96,1); in 5: name [360 items, ...]
    if value.startswith("'"):
        name, _, rest = value[1:].partition("'")
    else:
        name, _, rest = value.partition(" [")
    parts = [part.strip(" ]") for part in rest.split(",")]
    dtype = next((_DTYPES[part] for part in parts if part.startswith("ai_") and part in _DTYPES), None)
    shapes = _SHAPE.findall(rest)
    if dtype is None or not shapes:
        raise UserError(f"{where}: {brief(value)}; expected a tensor's name, type and shape; {_CUT}")
    scale = next((_number(part[2:], where) for part in parts if part.startswith("s=")), None)
    zero = next((_number(part[3:], where) for part in parts if part.startswith("zp=")), None)
    shape = tuple(int(part) for part in shapes[-1].split(","))
    return Tensor(name, shape, dtype, scale, None if zero is None else int(zero))


def _number(text: str, where: str) -> float:
    if not re.fullmatch(r"-?\d{1,16}(\.\d{1,16})?(e-?\d{1,2})?", text, re.ASCII):
        raise UserError(f"{where}: {brief(text)}; expected a number")
    return float(text)


def _runtime(
    lines: Sequence[str], where: str
) -> tuple[dict[str, tuple[int | None, int | None]], str | None, float | None]:
    """Return flash and RAM of the runtime and altogether, the device, and the milliseconds where they mean something."""
    sizes: dict[str, tuple[int | None, int | None]] = {"RT total": (None, None), "TOTAL": (None, None)}
    within, device, duration, counted = False, None, None, False
    for line in lines:
        text = line.strip()
        if text.startswith("Summary"):
            within = True
        elif within and (match := _RUNTIME.fullmatch(text)):
            sizes[match[1].rstrip("*")] = (_plain(match[2]), _plain(match[3]))
        elif text.startswith("device.desc"):
            device = text.partition(":")[2].strip()
        elif text.startswith("duration") and (match := re.match(r"duration +: +([\d.]{1,16}) ms by sample", text)):
            duration = _number(match[1], where)
        elif text.startswith("cycles/MACC"):
            counted = True  # on a device; durations of the host say nothing about a chip
    return sizes, device, duration if counted else None


def _table(lines: Sequence[str], title: str) -> tuple[int, list[str]] | None:
    """Return the number that stands behind a title, and the lines from there on; None without such a title."""
    for i, line in enumerate(lines):
        if line.startswith(title) and (match := re.fullmatch(r"\((\d{1,6})\)", line[len(title) :].strip())):
            return int(match[1]), list(lines[i + 1 :])
    return None


def _arrays(lines: Sequence[str]) -> int | None:
    table = _table(lines, "C-Arrays")
    return table[0] if table else None


def _layers(lines: Sequence[str], macs: int | None, where: str) -> tuple[Layer, ...] | None:
    table = _table(lines, "C-Layers")
    if table is None:
        return _old_layers(lines, macs, where)
    count, rest = table
    rule = rest[0] if rest else ""
    spans = [match.span() for match in re.finditer(r"-+", rule)]
    layers: list[Layer] = []
    closed = False
    for line in rest[1:] if len(spans) >= 6 else ():
        if not line:
            break
        closed = line == rule.rstrip() and len(layers) == count
        cells = [line[start:end].strip() for start, end in spans[:6]]
        if cells[0].isdecimal():
            macc, rom = ({"macc": cells[4]}, {"rom": cells[5]})
            layers.append(
                Layer(
                    cells[1], cells[3].partition("/")[0].lower(), _count(macc, "macc", where), _count(rom, "rom", where)
                )
            )
    if not closed:
        raise UserError(f"{where}: C-Layers: {len(layers)} layers, not the {count} that its title promises; {_CUT}")
    return tuple(layers)


def _old_layers(lines: Sequence[str], macs: int | None, where: str) -> tuple[Layer, ...] | None:
    """Read the table of version 5, where one table is of the layers and of their C."""
    start = next((i for i, line in enumerate(lines) if line.startswith("id  layer (type)")), None)
    if start is None:
        return None
    heading = lines[start]
    at = {name: heading.find(name) for name in ("layer (type)", "output shape", "macc", "rom")}
    if min(at.values()) < 0:
        raise UserError(f"{where}: the table of layers has other columns than version 5 writes")
    layers = []
    for line in lines[start + 1 :]:
        if not line:
            break
        name, _, kind = line[at["layer (type)"] : at["output shape"]].strip().partition(" (")
        cost, rom = line[at["macc"] : at["rom"]].strip(), line[at["rom"] :].strip()
        if cost and not line.startswith("-") and kind.endswith(")"):
            weights = _count({"rom": rom}, "rom", where) if rom else 0
            layers.append(Layer(name, kind[:-1].lower(), _count({"macc": cost}, "macc", where), weights))
    if macs is not None and sum(layer.macs or 0 for layer in layers) != macs:
        raise UserError(f"{where}: the layers' macc are not {macs:,} together; {_CUT}")
    return tuple(layers)


def _files(lines: Sequence[str], where: str) -> tuple[str, ...]:
    table = _table(lines, "Generated files")
    if table is None:
        return ()
    count, rest = table
    names = [PureWindowsPath(PurePosixPath(line.strip()).name).name for line in _until_blank(rest[1:])]
    if len(names) != count:
        raise UserError(f"{where}: Generated files: {len(names)}, not the {count} that its title promises; {_CUT}")
    return tuple(names)


def _until_blank(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if not line.strip():
            return
        yield line
