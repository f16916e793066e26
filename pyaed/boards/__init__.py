"""Boards as data: what each is, how an image is flashed onto it, and its emulator."""

from pyaed.boards.description import (
    BoardDescription,
    board_folders,
    boards,
    check_rate,
    emulated_board,
    find_board,
    find_st_board,
)
from pyaed.boards.flashing import flash
from pyaed.boards.st_boards import StBoard, st_boards

__all__ = [
    "BoardDescription",
    "StBoard",
    "board_folders",
    "boards",
    "check_rate",
    "emulated_board",
    "find_board",
    "find_st_board",
    "flash",
    "st_boards",
]
