"""ST's three JSON files: ``c_info`` (from 9.0 on), ``c_graph`` and ``report`` (up to 1.0)."""

import itertools
from collections.abc import Iterable
from pathlib import PurePosixPath, PureWindowsPath

from pyaed.errors import UserError
from pyaed.stedgeai.json_fields import Fields, parse
from pyaed.stedgeai.report import Layer, Report, Tensor, total
from pyaed.stedgeai.versions import ToolVersion, find_version

_DTYPES = {
    "s8": "int8", "u8": "uint8", "s16": "int16", "u16": "uint16", "s32": "int32",
    "float": "float32", "float32": "float32", "float16": "float16", "ai_float": "float32", "ai_i8": "int8", "ai_u8": "uint8",
}  # fmt: skip


def read_json(text: str, where: str) -> Report:
    """Read one of the three, whichever it is.

    Parameters
    ----------
    text : str
    where : str
        The file's path or address, for messages.

    Raises
    ------
    UserError
        For JSON that is none of them, is cut, or holds what can't be.
    """
    top = parse(text, where)
    if top.has("json_schema_version") or (top.has("graphs") and top.has("environment")):
        return _c_info(top)
    if top.has("c_layers") or top.has("c_arrays"):
        return _c_graph(top)
    if top.has("report_version") or top.has("rom_n_macc"):
        return _report(top)
    raise UserError(f"{where}: none of the JSON files of ST's tool (c_info, c_graph, report)")


def _c_info(top: Fields) -> Report:
    for needed in ("environment", "graphs", "memory_footprint", "buffers"):
        if not top.has(needed):
            raise UserError(f"{top.where}: {needed}: missing; was its writing cut short?")
    environment, sizes = top.object("environment"), top.object("memory_footprint")
    tool = next(environment.objects("tools"), Fields({}, f"{top.where}: environment: tools"))
    graph = next(top.objects("graphs"), Fields({}, f"{top.where}: graphs"))
    model = tool.object("input_model")
    arguments = (tool.text("arguments") or "").split()
    buffers: dict[object, Fields] = {}
    for buffer in top.objects("buffers"):
        buffers[buffer.count("id")] = buffer
    times = graph.object("exec_time")
    cycles = times.count("cycles") or None  # a validation on the host writes 0, and a time that says nothing
    weights, activations, io = sizes.count("weights"), sizes.count("activations"), _io(sizes.counts("io"))
    flash, ram = sizes.count("kernel_flash"), sizes.count("kernel_ram")
    series = sizes.text("series")
    files = tuple(_names(file.text("name") for file in environment.object("generated_model").objects("model_files")))
    nodes = list(graph.objects("nodes"))
    return Report(
        source=f"c_info {top.text('json_schema_version') or ''}".strip(),
        version=find_version(f"ST Edge AI Core v{tool.text('version')}"),
        command=arguments[0] if arguments else None,
        target=_target(series, arguments),
        c_name=environment.object("generated_model").text("name"),
        optimization=_option(arguments, "--optimization", "-O"),
        st_ai=_st_ai(files),
        model_name=model.text("name"),
        model_hash=_hash(next((file.text("signature") for file in model.objects("model_files")), None)),
        macs=sum(node.count("macc") or 0 for node in nodes) or None,
        weights=weights,
        activations=activations,
        io=io,
        runtime_flash=flash,
        runtime_ram=ram,
        toolchain_flash=sizes.count("toolchain_flash"),
        toolchain_ram=sizes.count("toolchain_ram"),
        total_flash=total(weights, flash),
        total_ram=total(activations, ram, None if io is None else sum(io)),
        arrays=len(buffers),
        inputs=tuple(_buffer(buffers, key, graph) for key in graph.counts("inputs")),
        outputs=tuple(_buffer(buffers, key, graph) for key in graph.counts("outputs")),
        layers=tuple(_node(node, buffers) for node in nodes),
        files=files,
        device=environment.text("device"),
        milliseconds=times.number("duration_ms") if cycles else None,
        cycles=cycles,
    )


def _node(node: Fields, buffers: dict[object, Fields]) -> Layer:
    weights = 0
    for key in node.counts("inputs"):
        buffer = buffers.get(key)
        if buffer is not None and buffer.value.get("is_param") is True:
            weights += buffer.count("size_bytes") or 0
    times = node.object("exec_time")
    cycles = times.count("cycles") or None
    return Layer(
        name=node.text("name") or "",
        kind=(node.text("type") or node.text("description") or "").lower(),
        macs=node.count("macc"),
        weights=weights,
        milliseconds=times.number("duration_ms") if cycles else None,
        cycles=cycles,
    )


def _buffer(buffers: dict[object, Fields], key: int, graph: Fields) -> Tensor:
    buffer = buffers.get(key)
    if buffer is None:
        raise UserError(f"{graph.where}: there is no buffer {key}")
    quantized = buffer.object("intq")
    return Tensor(
        name=(buffer.text("name") or "").removesuffix("_array").removesuffix("_output"),
        shape=(1, *buffer.counts("shape")),
        dtype=_DTYPES.get((buffer.text("format") or "").removeprefix("STAI_FORMAT_").lower()),
        scale=_only(quantized.numbers("scales")),
        zero_point=_whole(_only(quantized.numbers("offsets"))),
    )


def _c_graph(top: Fields) -> Report:
    sizes = top.object("memory_footprint")
    if not top.has("memory_footprint") or not top.has("c_layers"):
        raise UserError(f"{top.where}: memory_footprint or c_layers: missing; was its writing cut short?")
    arguments = (top.text("arguments") or "").split()
    options = top.object("compilation_options")
    version = _version(top, "st_ai_version", "stm_ai_version")
    # Up to 8.1 its kernel sizes belong to no chip (series "generic"): not known for the target.
    series = sizes.text("series")
    sized = series not in (None, "generic")
    weights, activations, io = sizes.count("weights"), sizes.count("activations"), _io(sizes.counts("io"))
    flash = sizes.count("kernel_flash") if sized else None
    ram = sizes.count("kernel_ram") if sized else None
    batch = () if version is not None and version.generation == 8 else (1,)
    arrays = {array.text("name"): array for array in top.objects("c_arrays")}
    return Report(
        source=f"c_graph {top.text('version') or ''}".strip(),
        version=version,
        command=arguments[0] if arguments else None,
        target=_target(series, arguments),
        c_name=top.text("c_name"),
        optimization=options.text("optimization"),
        st_ai="use-st-ai" in options.texts("options") if options.has("options") else None,
        model_name=top.text("model_name"),
        model_hash=_hash(top.text("model_signature")),
        macs=top.count("macc"),
        weights=weights,
        activations=activations,
        io=io,
        runtime_flash=flash,
        runtime_ram=ram,
        total_flash=total(weights, flash),
        total_ram=total(activations, ram, None if io is None else sum(io)),
        arrays=len(arrays),
        inputs=tuple(_array(arrays, name, batch) for name in top.texts("inputs")),
        outputs=tuple(_array(arrays, name, batch) for name in top.texts("outputs")),
        layers=tuple(
            Layer(
                layer.text("name") or "",
                (layer.text("layer_type") or "").lower(),
                layer.count("macc"),
                layer.count("rom"),
            )
            for layer in top.objects("c_layers")
        ),
    )


def _array(arrays: dict[str | None, Fields], name: str, batch: tuple[int, ...]) -> Tensor:
    array = arrays.get(f"{name}_array")
    short = name.removesuffix("_output")
    if array is None:
        return Tensor(short)
    shape = next((tensor.counts("shape") for tensor in array.objects("tensors")), None)
    return Tensor(
        name=short,
        shape=None if shape is None else (*batch, *shape),
        dtype=_DTYPES.get((array.text("format") or "").lower()),
        scale=_only(array.numbers("scale")),
        zero_point=_whole(_only(array.numbers("zeropoint"))),
    )


def _report(top: Fields) -> Report:
    arguments = (top.text("cli_parameters") or "").split()
    ram = top.value.get("ram_size")
    activations = next(iter(top.counts("ram_size")), None) if isinstance(ram, list) else top.count("ram_size")
    code = top.number("error")
    errors = tuple(top.texts("error_str")) or ((f"error {code:g}",) if code else ())
    return Report(
        source=f"report {top.value.get('report_version') or ''}".strip()[:32],
        version=_version(top, "tools_version"),
        command=top.text("exec_cmd"),
        target=_target(None, arguments),
        c_name=top.text("name"),
        optimization=_option(arguments, "--optimization", "-O"),
        model_name=top.text("model_name"),
        model_hash=_hash(top.text("hash")),
        macs=top.count("rom_n_macc"),
        weights=top.count("rom_size"),
        activations=activations,
        io=_outside(top),
        inputs=_ends(top.objects("rom_inputs")),
        outputs=_ends(top.objects("rom_outputs")),
        errors=errors,
    )


def _outside(top: Fields) -> tuple[int, int] | None:
    """Return the bytes of inputs and outputs that are not within the activations, which counts them all the same."""
    io = _io(top.counts("ram_io_size"))
    if io is None:
        return None
    return (0 if top.value.get("_allocate_inputs") else io[0], 0 if top.value.get("_allocate_outputs") else io[1])


def _ends(items: Iterable[Fields]) -> tuple[Tensor, ...]:
    return tuple(Tensor(item.text("name") or "", None, _DTYPES.get(item.text("c_type") or "")) for item in items)


def _version(top: Fields, *keys: str) -> ToolVersion | None:
    """Return the version that stands there as a text, or, up to 8.1, as an object of its numbers."""
    key = next((key for key in keys if top.has(key)), keys[0])
    if not isinstance(top.value.get(key), dict):
        return find_version(f"STEdgeAI Core v{top.text(key)}")
    parts = top.object(key)
    number = ".".join(str(parts.count(part) or 0) for part in ("major", "minor", "micro"))
    extra = f"-{parts.text('extra')}" if parts.has("extra") else ""
    return find_version(f"Neural Network Tools for STM32 v0 (STM.ai v{number}{extra})")


def _io(sizes: tuple[int, ...]) -> tuple[int, int] | None:
    return (sizes[0], sizes[1]) if len(sizes) == 2 else None


def _option(arguments: list[str], *names: str) -> str | None:
    for name, value in itertools.pairwise(arguments):
        if name in names:
            return value
    return None


def _target(series: str | None, arguments: list[str]) -> str | None:
    if series in (None, "generic"):
        series = _option(arguments, "--target", "--series")
    return series.lower() if series else None


def _st_ai(files: tuple[str, ...]) -> bool | None:
    return any(name.endswith("_details.h") for name in files) if files else None


def _names(paths: Iterable[str | None]) -> list[str]:
    return [PureWindowsPath(PurePosixPath(path).name).name for path in paths if path]


def _hash(text: str | None) -> str | None:
    return text.removeprefix("0x").lower() if text else None


def _only(values: tuple[float, ...]) -> float | None:
    return values[0] if len(values) == 1 else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
