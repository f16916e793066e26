"""ST's boards as data (``st_boards.toml``): where ST's tools can benchmark, and what fits there."""

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class StBoard:
    """A board of ST's zoo.

    Attributes
    ----------
    name, core, series : str
        As ST writes them; the series is what ST's tools call a target (stm32u5).
    clock_hz : int
    flash, ram, external_flash, external_ram : int
        Bytes; 0 where there is none.
    source : str
        Where the figures are from.
    """

    name: str
    core: str
    series: str
    clock_hz: int
    flash: int
    ram: int
    external_flash: int
    external_ram: int
    source: str


@functools.cache
def st_boards() -> Mapping[str, StBoard]:
    """Return every board of ``st_boards.toml`` by its name."""
    tree = tomllib.loads(resources.files("pyaed.boards").joinpath("st_boards.toml").read_text(encoding="utf-8"))
    return {
        name: StBoard(
            name=name,
            core=row["core"],
            series=row["series"],
            clock_hz=row["clock"] * 1_000_000,
            flash=row["flash"] << 10,
            ram=row["ram"] << 10,
            external_flash=row.get("external_flash", 0) << 20,
            external_ram=row.get("external_ram", 0) << 20,
            source=tree["sources"][row["source"]],
        )
        for name, row in tree["boards"].items()
    }
