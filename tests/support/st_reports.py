"""Reports as ST's tool lays them out, of every version, made of facts that a test chooses."""

import json
from dataclasses import dataclass, field

BANNERS = {
    "5.0.0": "Neural Network Tools for STM32 v1.2.0 (AI tools v5.0.0)",
    "7.1.0": "Neural Network Tools for STM32AI v1.6.0 (STM.ai v7.1.0-RC3)",
    "8.0.0": "Neural Network Tools for STM32AI v1.7.0 (STM.ai v8.0.0-19389)",
    "8.1.0": "Neural Network Tools for STM32 family v1.7.0 (stm.ai v8.1.0-19520)",
    "9.0.0": "STEdgeAI Core v9.0.0-19802",
    "1.0.0": "ST Edge AI Core v1.0.0-19894",
    "2.0.0": "ST Edge AI Core v2.0.0-20049",
    "2.2.0": "ST Edge AI Core v2.2.0-20266 2adc00962",
    "3.0.0": "ST Edge AI Core v3.0.0-20426 123672867",
    "4.0.1": "ST Edge AI Core v4.0.1-20581 7ed50de05",
}
ST_AI_FILES = ("_data.h", "_data.c", ".h", ".c", "_details.h")
LEGACY_FILES = ("_config.h", ".h", ".c", "_data_params.h", "_data_params.c", "_data.h", "_data.c")


@dataclass
class Facts:
    """What a report is to say; sizes in bytes, `runtime` None where no compiler was there."""

    version: str = "3.0.0"
    command: str = "generate"
    target: str = "stm32u5"
    c_name: str = "network"
    model: str = "tiny"
    model_hash: str = "5ed65e3c9c79b8384b9ad19cf341f1af"
    st_ai: bool = True
    layers: list = field(default_factory=lambda: [("conv2d_1", "Conv2D", 442400, 416), ("gemm_2", "Dense", 2570, 2600)])
    activations: int = 112196
    io: tuple = (0, 0)
    runtime: tuple | None = (31938, 1012)
    shape: tuple = (64, 96, 1)
    quantization: tuple | None = (0.053046469, 44)
    classes: int = 10
    answer: tuple | None = None
    arguments: str = ""
    cycles: int | None = None
    milliseconds: float | None = None
    device: str | None = None

    @property
    def macs(self):
        return sum(layer[2] for layer in self.layers)

    @property
    def weights(self):
        return sum(layer[3] for layer in self.layers)

    @property
    def old(self):
        return self.version[0] in "5678"

    @property
    def files(self):
        ends = ST_AI_FILES if self.st_ai and not self.old else LEGACY_FILES
        return [self.c_name + end for end in ends] if self.command == "generate" else []


def text(facts: Facts) -> str:
    """The text report."""
    f, shape = facts, (1, *facts.shape)
    items = 1
    for size in facts.shape:
        items *= size
    gap = " : " if f.version[0] in "57" else "   :   "
    hexadecimal = f.model_hash if f.old else f"0x{f.model_hash}"
    rows = [("model file", f"/home/somebody/{f.model}.tflite"), ("type", "tflite"), ("c_name", f.c_name),
            ("compression", "lossless"), ("options", "allocate-inputs" + (", use-st-ai" if f.st_ai and not f.old else "")),
            ("optimization", "balanced"), ("target/series", f.target), ("model_name", f.model), ("model_hash", hexadecimal)]  # fmt: skip
    if f.version[0] == "5":
        rows += [("input", f"input_0 [{items} items, 1.41 KiB, ai_float, FLOAT32, {f.shape}]"),
                 ("output", f"out [{f.classes} items, 28 B, ai_float, FLOAT32, ({f.classes},)]")]  # fmt: skip
    elif f.old:
        quantized = f"ai_i8, s={f.quantization[0]}, zp={f.quantization[1]}" if f.quantization else "ai_float, float"
        listed = ",".join(map(str, shape))
        rows += [("input 1/1", "'input_0' (domain:activations/**default**)"), ("", f"{items} items, 6.00 KiB, {quantized}, ({listed})"),
                 ("output 1/1", "'out' (domain:activations/**default**)"), ("", f"{f.classes} items, 24 B, ai_float, float, (1,{f.classes})")]  # fmt: skip
    else:
        kind = "int8" if f.quantization else "f32"
        quantized = f", QLinear({f.quantization[0]:.9f},{f.quantization[1]},int8)" if f.quantization else ""
        rows += [("input 1/1", f"'input_0', {kind}({'x'.join(map(str, shape))}), 6.00 KBytes{quantized}, activations"),
                 ("output 1/1", f"'out', {'int8' if f.answer else 'f32'}(1x{f.classes}), 40 Bytes{_qlinear(f.answer)}, activations")]  # fmt: skip
    ram = f.activations + sum(f.io)
    rows += [("macc", f"{f.macs:,}"), ("weights (ro)", f"{f.weights:,} B (1.0 KiB) (1 segment) / -399,744(-74.2%) vs float model"),
             ("activations (rw)", f"{f.activations:,} B (109.57 KiB) (1 segment) *"),
             ("ram (total)", f"{ram:,} B (109.57 KiB) = {f.activations:,} + {f.io[0]:,} + {f.io[1]:,}")]  # fmt: skip
    lines = [BANNERS[f.version], "Created date          : 2026-01-07 11:00:43"]
    if f.version[0] != "5":
        lines.append(f"Parameters            : {f.command} {f.arguments}")
    lines += ["", f"Exec/report summary ({f.command})", "-" * 80]
    lines += [f"{key:19}{gap}{value}      " for key, value in rows]
    lines += ["-" * 80, ""]
    if f.version[0] == "5":
        lines += [
            f"{'id':4}{'layer (type)':34}{'output shape':18}{'param #':12}{'connected to':25}{'macc':15}{'rom':20}",
            "-" * 120,
        ]
        for i, (name, kind, macs, rom) in enumerate(f.layers):
            lines.append(f"{i:<4}{f'{name} ({kind})':34}{'(1, 1)':18}{'1':12}{'x':25}{macs:<15,}{rom:<20,}")
        lines += [f"{'':4}{'drop (Dropout)':34}{'(1, 1)':18}", "-" * 120, f"{f.model} macc={f.macs}", ""]
        return "\n".join(lines) + "\n"
    lines += [
        f"Model name - {f.model}",
        "",
        f"C-Arrays ({2 + len(f.layers)})",
        "------ ------",
        "0      w",
        "1      x",
        "------ ------",
        "",
    ]
    rule = "------ ---------------- ---- --------------- --------- ------- ------------------ ----------- "
    lines += [
        f"C-Layers ({len(f.layers)})",
        rule,
        "c_id   name (*_layer)   id   layer_type      macc      rom     tensors            shape",
        rule,
    ]
    for i, (name, kind, macs, rom) in enumerate(f.layers):
        lines += [
            f"{i:<7}{name:17}{i:<5}{kind.lower() if f.old else kind:16}{macs:<10}{rom:<8}I: input_0           (1)",
            f"{'':60}O: x",
            rule,
        ]
    lines.append("")
    if f.runtime:
        flash, ram = f.runtime
        lines += [' Summary - "x" target', "   FLASH (ro)      %*   RAM (rw)      % ", f"  RT total    {flash:>10,}   18.7%   {ram:>7,}   0.9% ",
                  f"  TOTAL       {flash + f.weights:>10,}       {ram + f.activations + sum(f.io):>10,}        ", ""]  # fmt: skip
    if f.files:
        lines += [
            f"Generated files ({len(f.files)})",
            "-" * 60,
            *(f"C:\\Users\\somebody\\out\\{name}   " for name in f.files),
            "",
        ]
    if f.milliseconds is not None:
        lines += [
            f"  device.desc         :   {f.device}   ",
            f"  duration       :   {f.milliseconds} ms by sample (1.0/2.0/0.0)   ",
        ]
        lines += [f"  cycles/MACC    :   {f.cycles / f.macs:.2f}"] if f.cycles else []
    return "\n".join(lines) + "\n"


def _qlinear(quantization):
    return f", QLinear({quantization[0]:.9f},{quantization[1]},int8)" if quantization else ""


def c_info(facts: Facts) -> str:
    """The JSON that the tool writes from 9.0 on."""
    f = facts
    number, _, rest = BANNERS[f.version].partition(" v")[2].partition(" ")
    buffers = [
        {"id": 1, "name": "input_0_output_array", "shape": list(f.shape), "is_param": False,
         "format": "STAI_FORMAT_S8" if f.quantization else "STAI_FORMAT_FLOAT",
         "intq": {"scales": [f.quantization[0]], "offsets": [f.quantization[1]]} if f.quantization else {}},
        {"id": 2, "name": "out_array", "shape": [f.classes], "is_param": False,
         "format": "STAI_FORMAT_S8" if f.answer else "STAI_FORMAT_FLOAT",
         "intq": {"scales": [f.answer[0]], "offsets": [f.answer[1]]} if f.answer else {}},
    ]  # fmt: skip
    nodes = []
    for i, (name, kind, macs, rom) in enumerate(f.layers):
        buffers.append(
            {"id": 10 + i, "name": f"{name}_weights_array", "shape": [rom], "is_param": True, "size_bytes": rom}
        )
        nodes.append({"id": i, "name": name, "type": kind, "macc": macs, "inputs": [1, 10 + i], "outputs": [2]})
    flash, ram = f.runtime or (None, None)
    times = {"duration_ms": f.milliseconds, "cycles": f.cycles, "cycles_by_macc": None}
    tree = {
        "json_schema_version": "2.0",
        "buffers": buffers,
        "environment": {
            "device": f.device,
            "generated_model": {"name": f.c_name, "model_files": [{"name": name, "signature": "0x0"} for name in f.files]},
            "tools": [{"name": "ST.EdgeAI.Core", "version": f"{number} {rest}".strip(), "arguments": f"{f.command} {f.arguments}",
                       "input_model": {"name": f.model, "model_files": [{"name": f"{f.model}.tflite", "signature": f"0x{f.model_hash}"}]}}],
        },
        "graphs": [{"name": f.model, "inputs": [1], "outputs": [2], "nodes": nodes, "exec_time": times}],
        "memory_footprint": {"activations": f.activations, "weights": f.weights, "io": list(f.io), "kernel_flash": flash, "kernel_ram": ram,
                             "series": f.target if f.runtime else "generic", "toolchain_flash": None if flash is None else 0, "toolchain_ram": None if ram is None else 0},
    }  # fmt: skip
    return json.dumps(tree, indent=1)


def c_graph(facts: Facts) -> str:
    """The JSON of the graph that the tool wrote up to 1.0."""
    f = facts
    major, minor, micro = map(int, f.version.split("."))
    version = (
        {"stm_ai_version": {"major": major, "minor": minor, "micro": micro, "extra": "19520"}}
        if f.old
        else {"st_ai_version": f"{f.version}-19894"}
    )
    arrays = [
        {"name": "input_0_output_array", "format": "s8" if f.quantization else "float32", "tensors": [{"name": "x", "shape": [1] * f.old + list(f.shape)}],
         "scale": [f.quantization[0]] if f.quantization else [], "zeropoint": [f.quantization[1]] if f.quantization else []},
        {"name": "out_output_array", "format": "s8" if f.answer else "float", "tensors": [{"name": "y", "shape": [1] * f.old + [f.classes]}],
         "scale": [f.answer[0]] if f.answer else [], "zeropoint": [f.answer[1]] if f.answer else []},
    ]  # fmt: skip
    arrays += [{"name": f"{name}_weights_array", "format": "s8"} for name, *_ in f.layers]
    layers = [{"name": name, "layer_type": kind, "macc": macs, "rom": rom} for name, kind, macs, rom in f.layers]
    return json.dumps({
        "version": "1.2", **version, "c_name": f.c_name, "model_name": f.model, "model_signature": f.model_hash, "macc": f.macs,
        "memory_footprint": {"weights": f.weights, "activations": f.activations, "io": list(f.io), "series": "generic", "kernel_flash": 23668, "kernel_ram": 1672},
        "c_arrays": arrays, "c_layers": layers, "inputs": ["input_0_output"], "outputs": ["out_output"],
        "compilation_options": {"optimization": "balanced", "options": ["allocate-inputs"]},
    })  # fmt: skip


def report(facts: Facts, error: str | None = None) -> str:
    """The JSON report that the tool wrote up to 1.0, also of a run that failed."""
    f = facts
    major, minor, micro = map(int, f.version.split("."))
    return json.dumps({
        "report_version": 1.1, "exec_cmd": f.command, "name": f.c_name, "model_name": f.model, "hash": f.model_hash, "rom_n_macc": f.macs,
        "rom_size": f.weights, "ram_size": [f.activations, f.activations] if f.old else f.activations, "ram_io_size": list(f.io),
        "tools_version": {"major": major, "minor": minor, "micro": micro, "extra": None} if f.old else f"{f.version}-19894",
        "rom_inputs": [{"name": "input_0", "c_type": "s8" if f.quantization else "float"}], "rom_outputs": [{"name": "out", "c_type": "float"}],
        "cli_parameters": f"{f.command} --target {f.target}", "error": -1 if error else 0, "error_str": [error] if error else [],
    })  # fmt: skip
