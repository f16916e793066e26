"""The stack behind docs/firmware.md: python tests/firmware/stack.py MODEL.tflite

The image of a model listens to the microphone of the modelled chip until it has classified one patch; prints sizes and `counters`.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1])]

from support.u585 import Chip  # noqa: E402

from pyaed import artefact, deploy, nn, text  # noqa: E402
from pyaed.artefact import ModelMetadata  # noqa: E402
from pyaed.boards import boards  # noqa: E402
from pyaed.dsp import FeatureSpec  # noqa: E402
from pyaed.link import packets  # noqa: E402
from pyaed.link.messages import protocol  # noqa: E402

BLOCK, SETTLING = 256, 8  # samples of an interrupt; blocks that the microphone's start drops


def ask(chip: Chip, name: str, **fields) -> dict:
    """Send a request and return its reply, which is the last packet."""
    message, header = protocol()[name], protocol().header
    request = header.pack(type=message.code, status=0, sequence=1, dropped=0) + message.request.pack(**fields)
    chip.sent.clear()
    chip.receive(packets.encode(request))
    reply = packets.Receiver(protocol().max_payload, header.size).feed(bytes(chip.sent))[-1]
    return message.reply.unpack(reply[header.size :])


def main(model: str) -> None:
    n_classes = nn.compile_graph(nn.read_tflite(model)).output.size
    known = artefact.read(model) or ModelMetadata(FeatureSpec(), {}, tuple(f"class_{i}" for i in range(n_classes)))
    with tempfile.TemporaryDirectory() as folder:
        for board in boards():
            sources = deploy.generate(model, known.features, known, Path(folder) / board, board)
            image = deploy.build_image(sources, board)
            print(f"{board}\n{text.format_table(image.table())}\n")
            if board != "b_u585i_iot02a":
                continue
            chip = Chip(image.elf)
            chip.run()
            patch = ask(chip, "listen", source=1, output=7)["patch_samples"]
            chip.sent.clear()
            noise = (np.random.default_rng(0).normal(size=patch + BLOCK * (SETTLING + 2)) * 3000).astype(np.int16)
            for at in range(0, len(noise) - BLOCK, BLOCK):
                chip.hear(noise[at : at + BLOCK].tobytes())
                chip.run()
            assert chip.sent, "no patch was classified"
            assert chip.errors == [], chip.errors
            print(ask(chip, "counters"), "\n")


if __name__ == "__main__":
    main(sys.argv[1])
