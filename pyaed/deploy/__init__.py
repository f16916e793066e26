"""From a quantized model to a firmware image: fit check, generated C, build, sizes."""

from pyaed.deploy.build import Image, build_image, check_options
from pyaed.deploy.generate import check_fit, generate, needs, write_messages_header

__all__ = [
    "Image",
    "build_image",
    "check_fit",
    "check_options",
    "generate",
    "needs",
    "write_messages_header",
]
