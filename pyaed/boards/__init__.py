"""Boards as data: what each is, how an image is flashed onto it, and its emulator."""

from pyaed.boards.description import BoardDescription, board_folders, boards, check_rate, emulated_board, find_board
from pyaed.boards.flashing import flash

__all__ = ["BoardDescription", "board_folders", "boards", "check_rate", "emulated_board", "find_board", "flash"]
