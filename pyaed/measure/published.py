"""Figures that ST publishes for networks on an STM32U5 at 160 MHz, to stand next to our own counts; the one place for them."""

from typing import TypedDict

CUBE_AI_8, CUBE_AI_10, EDGE_AI_3 = "Cube.AI 8.1", "X-CUBE-AI 10.2", "ST Edge AI Core 3.0"


Published = TypedDict(
    "Published",
    {"model": str, "tool": str, "ms": float, "activations KiB": float | None, "weights KiB": float | None},
)


def _row(model: str, tool: str, ms: float, activations: float | None = None, weights: float | None = None) -> Published:
    return {"model": model, "tool": tool, "ms": ms, "activations KiB": activations, "weights KiB": weights}


#: Measured by ST, int8; time of one inference, RAM of activations and flash of weights alone. The audio networks on a
#: B-U585I-IOT02A (ST's model zoo), MLPerf Tiny's on a NUCLEO-U575ZI-Q, the same core and memory (its last round).
PUBLISHED = (
    _row("YAMNet-256 64x96", CUBE_AI_8, 300.3, 109.57, 135.91),
    _row("YAMNet-256 64x96", EDGE_AI_3, 280.0, 109.57, 135.91),
    _row("MiniResNet v1, 1 stack", EDGE_AI_3, 91.5, 59.89, 123.6),
    _row("MiniResNet v1, 2 stacks", EDGE_AI_3, 141.8, 59.89, 431.1),
    _row("MiniResNet v2, 1 stack", EDGE_AI_3, 187.3, 59.89, 124.0),
    _row("MiniResNet v2, 2 stacks", EDGE_AI_3, 307.3, 59.89, 432.0),
    _row("MLPerf Tiny DS-CNN", CUBE_AI_10, 29.0),
    _row("MLPerf Tiny ResNet-8", CUBE_AI_10, 109.5),
)

#: Milliseconds by network, of the newest tool that published it.
PUBLISHED_MS: dict[str, float] = {row["model"]: row["ms"] for row in PUBLISHED}

#: The rows of audio networks, which a benchmark is printed beside.
AUDIO = tuple(row for row in PUBLISHED if row["activations KiB"] is not None)
