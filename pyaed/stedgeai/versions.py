"""The tool's version: a banner in three forms, and two numberings (X-CUBE-AI's pack, ST Edge AI Core)."""

import re
from dataclasses import dataclass, replace

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CORE = re.compile(r"(ST ?Edge ?AI Core) v(\d{1,4}\.\d{1,4}\.\d{1,4})(?:-([\w.+-]{1,64}))?(?: ([0-9a-f]{7,40})\b)?")
_OLD = re.compile(
    r"(Neural Network Tools for STM32(?: family|AI)?) v[\d.]{1,16} "
    r"\((?:STM\.ai|stm\.ai|AI tools) v(\d{1,4}\.\d{1,4}\.\d{1,4})(?:-([\w.+-]{1,64}))?\)"
)
_PACK = re.compile(r"STM32CubeAI (\d{1,4}\.\d{1,4}\.\d{1,4})")

#: Pack of each Core whose pack is known: its numbering began anew after 9.0.
PACKS = {"1.0": "9.1", "2.0": "10.0", "2.1": "10.1", "2.2": "10.2", "3.0": "11.0", "4.0": "12.0"}

#: The first major numbers that can't be a Core's: the Core is at 4, the packs began to count here at 5.
FIRST_PACK = 5


@dataclass(frozen=True)
class ToolVersion:
    """Which tool wrote a report or answers a call.

    Attributes
    ----------
    product : str
        As its banner calls it.
    number : str
        The banner's: the Core's from 9.1 on, before that the pack's.
    build, commit : str or None
    told_pack : str or None
        The pack's number where the tool names it itself (``STM32CubeAI 10.0.0``).
    """

    product: str
    number: str
    build: str | None = None
    commit: str | None = None
    told_pack: str | None = None

    @property
    def core(self) -> str | None:
        """The Core's number, or None for a tool that came before the Core."""
        return self.number if self.major < FIRST_PACK else None

    @property
    def pack(self) -> str | None:
        """X-CUBE-AI's number, as far as it is known: told, or by the Core's major and minor."""
        if self.told_pack is not None or self.core is None:
            return self.told_pack or self.number
        return PACKS.get(self.number.rpartition(".")[0])

    @property
    def major(self) -> int:
        """The banner's first number."""
        return int(self.number.partition(".")[0])

    @property
    def generation(self) -> int:
        """Which command line it takes: 8 (``--series``), 9 (``--target``) or 10 (``--c-api`` too)."""
        if self.core is None:
            return 9 if self.major >= 9 else 8
        return 9 if self.major < 2 else 10

    def is_called(self, wanted: str) -> bool:
        """Tell whether a user's number, of the pack or of the Core, means this version; ``10`` and ``10.0`` do, too."""
        own = self.core if _major(wanted) < FIRST_PACK else self.pack
        parts, known = wanted.split("."), (own or "").split(".")
        return parts[: len(known)] == known[: len(parts)]

    def __str__(self) -> str:
        pack = f" (X-CUBE-AI {self.pack})" if self.core and self.pack else ""
        return f"{self.product} {self.number}{pack}"


def find_version(text: str) -> ToolVersion | None:
    """Return the version that a banner in a text names, or None where there is none.

    Parameters
    ----------
    text : str
        A report's first lines, or what ``--version`` prints; colours of a terminal are ignored.
    """
    text = _ANSI.sub("", text)
    pack = _PACK.search(text)
    found = None
    if match := _CORE.search(text):
        found = ToolVersion(match[1], match[2], match[3], match[4])
    elif match := _OLD.search(text):
        found = ToolVersion(match[1], match[2], match[3])
    if pack is None:
        return found
    return replace(found, told_pack=pack[1]) if found else ToolVersion("STM32CubeAI", pack[1])


def _major(number: str) -> int:
    first = number.partition(".")[0]
    return int(first) if first.isdecimal() and len(first) < 5 else 0
