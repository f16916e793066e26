"""From a quantized model to a firmware image: fit check, generated C, build, sizes."""

from pyaed.boards.flashing import flash
from pyaed.deploy.boards import BOARDS, Board, find_board
from pyaed.deploy.build import Image, build_image, check_options
from pyaed.deploy.generate import check_fit, generate, needs, write_messages_header

__all__ = [
    "BOARDS",
    "Board",
    "Image",
    "build_image",
    "check_fit",
    "check_options",
    "find_board",
    "flash",
    "generate",
    "needs",
    "write_messages_header",
]
