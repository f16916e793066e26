"""One table of what a model costs on a board: our engine and ST's side by side, each figure with where it is from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pyaed import text
from pyaed.stedgeai import Report

OWN = "pyaed"
LOCAL = "ST Edge AI"
CLOUD = "ST Developer Cloud"

WEIGHTS = "flash: weights"
RUNTIME_FLASH = "flash: engine"
ACTIVATIONS = "RAM: activations"
RUNTIME_RAM = "RAM: engine"
MACS = "multiply-accumulates"
TIME = "one inference"


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes
    ----------
    engine : str
        `OWN`, `LOCAL` or `CLOUD`.
    name : str
        What of the model it is.
    value : float
    unit : str
    provenance : str
        Counted, estimated, measured or reported; by what, and for which chip.
    """

    engine: str
    name: str
    value: float
    unit: str
    provenance: str


def own_figures(
    weights: int, arena: int, macs: int, rooms: tuple[Mapping[str, int], Mapping[str, int]], board: str
) -> list[Figure]:
    """Return what our engine takes.

    Parameters
    ----------
    weights, arena, macs : int
        Of the lowered model: bytes of weights and of activations, multiply-accumulates.
    rooms : two mappings of room to bytes
        Of the image, flash and RAM (``pyaed.deploy.Image``).
    board : str
        That the image was linked for.
    """
    flash, ram = rooms
    linked = f"counted in the image for {board}"
    lowered = "counted in the generated C"
    found = [(WEIGHTS, weights, "bytes", lowered), (RUNTIME_FLASH, _engine(flash), "bytes", linked)]
    found += [(ACTIVATIONS, arena, "bytes", lowered), (RUNTIME_RAM, _engine(ram), "bytes", linked)]
    found += [(MACS, macs, "", lowered)]
    return [Figure(OWN, name, value, unit, source) for name, value, unit, source in found]


def _engine(rooms: Mapping[str, int]) -> int:
    return rooms.get("nn_c", 0) + rooms.get("engine", 0)


def st_figures(report: Report, engine: str, provenance: str) -> list[Figure]:
    """Return what a report of ST's tool says; what it doesn't know is left out.

    Parameters
    ----------
    report : Report
    engine : str
        `LOCAL` or `CLOUD`.
    provenance : str
        What made the report, and for which chip.
    """
    on = f" on {report.device}" if report.device else ""
    known: list[tuple[str, float | None, str, str]] = [
        (WEIGHTS, report.weights, "bytes", provenance),
        (RUNTIME_FLASH, report.runtime_flash, "bytes", provenance),
        (ACTIVATIONS, report.model_ram, "bytes", provenance),
        (RUNTIME_RAM, report.runtime_ram, "bytes", provenance),
        (MACS, report.macs, "", f"{provenance}; ST counts activations and conversions, too"),
        (TIME, report.cycles, "cycles", f"measured{on}, {provenance}"),
        (TIME, report.milliseconds, "ms", f"measured{on}, {provenance}"),
    ]
    return [Figure(engine, name, value, unit, source) for name, value, unit, source in known if value is not None]


def against_limits(figures: Sequence[Figure], board: str, flash: int, ram: int) -> list[str]:
    """Return a line for each engine that takes more than a board has.

    ST's tool doesn't refuse a model that is larger than the chip, so this is said here.
    """
    lines = []
    for engine in dict.fromkeys(figure.engine for figure in figures):
        own = {figure.name: figure.value for figure in figures if figure.engine == engine}
        for room, limit, parts in (
            ("flash", flash, (WEIGHTS, RUNTIME_FLASH)),
            ("RAM", ram, (ACTIVATIONS, RUNTIME_RAM)),
        ):
            needs = sum(own.get(part, 0) for part in parts)
            if needs > limit:
                lines.append(f"{engine}: {needs:,.0f} bytes of {room} for the model alone, {board} has {limit:,}")
    return lines


def table(figures: Sequence[Figure]) -> list[dict[str, Any]]:
    """Return one row a figure, the same figures of all engines below each other."""
    names = list(dict.fromkeys((figure.name, figure.unit) for figure in figures))
    ordered = sorted(figures, key=lambda figure: names.index((figure.name, figure.unit)))
    return [
        {
            "figure": f.name,
            "engine": f.engine,
            "value": int(f.value) if f.value == int(f.value) else round(f.value, 3),
            "unit": f.unit,
            "from": f.provenance,
        }
        for f in ordered
    ]


def as_text(figures: Sequence[Figure], board: str) -> str:
    """Return the table for a person."""
    return f"{board}, engine by engine:\n{text.format_table(table(figures))}\n"


def report_json(report: Report) -> dict[str, Any]:
    """Return a report of ST's tool as plain values."""
    found = asdict(report)
    return {**found, "version": str(report.version) if report.version else None}
