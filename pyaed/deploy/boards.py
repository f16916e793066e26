"""The boards that an image can be built for."""

from dataclasses import dataclass

from pyaed.errors import UserError, nearest


@dataclass(frozen=True)
class Board:
    """One folder of ``firmware/boards``.

    Attributes
    ----------
    name : str
        Name of the folder.
    flash, ram : int
        Bytes that an image may take.
    own_ram : int
        Bytes of RAM that the board's own code takes (rings, buffers, what survives a reset), rounded up.
    text : str
        What it is.
    """

    name: str
    flash: int
    ram: int
    own_ram: int
    text: str


BOARDS = {
    board.name: board
    for board in (
        Board("b_u585i_iot02a", 2 << 20, 768 << 10, 43 << 10, "ST's B-U585I-IOT02A, STM32U585AI at 160 MHz"),
        Board(
            "mps2_an505", 2 << 20, 768 << 10, 0, "Cortex-M33 emulated by QEMU, capped to the STM32U585's flash and RAM"
        ),
    )
}

#: Other spellings of a board's name; ST's files write the first one.
ALIASES = {"B-U585I-IOT02A": "b_u585i_iot02a"}


def find_board(name: str) -> Board:
    """Return the board of that name (or alias, in any case), or raise UserError."""
    name = ALIASES.get(name.upper(), name)
    if name not in BOARDS:
        raise UserError(f"board '{name}' is not known; boards: {', '.join(BOARDS)}{nearest(name, BOARDS)}")
    return BOARDS[name]
