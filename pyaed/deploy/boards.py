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
    text : str
        What it is.
    """

    name: str
    flash: int
    ram: int
    text: str


BOARDS = {
    board.name: board
    for board in (
        Board("mps2_an505", 2 << 20, 768 << 10, "Cortex-M33 emulated by QEMU, capped to the STM32U585's flash and RAM"),
    )
}


def find_board(name: str) -> Board:
    """Return the board of that name, or raise UserError."""
    if name not in BOARDS:
        raise UserError(f"board '{name}' is not known; boards: {', '.join(BOARDS)}{nearest(name, BOARDS)}")
    return BOARDS[name]
