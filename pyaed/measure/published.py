"""Figures that ST publishes for its models on the B-U585I-IOT02A, to stand next to our own counts."""

#: Measured by ST at 160 MHz, int8, ESC-10; time of one inference, RAM of activations and flash of weights alone.
PUBLISHED = [
    {"model": "YAMNet-256 64x96", "tool": "Cube.AI 8.1", "ms": 300.3, "activations KiB": 109.57, "weights KiB": 135.91},
    {
        "model": "YAMNet-256 64x96",
        "tool": "ST Edge AI Core 3.0",
        "ms": 280.0,
        "activations KiB": 109.57,
        "weights KiB": 135.91,
    },
    {
        "model": "MiniResNet v1, 1 stack",
        "tool": "ST Edge AI Core 3.0",
        "ms": 91.5,
        "activations KiB": 59.89,
        "weights KiB": 123.6,
    },
    {
        "model": "MiniResNet v1, 2 stacks",
        "tool": "ST Edge AI Core 3.0",
        "ms": 141.8,
        "activations KiB": 59.89,
        "weights KiB": 431.1,
    },
    {
        "model": "MiniResNet v2, 1 stack",
        "tool": "ST Edge AI Core 3.0",
        "ms": 187.3,
        "activations KiB": 59.89,
        "weights KiB": 124.0,
    },
    {
        "model": "MiniResNet v2, 2 stacks",
        "tool": "ST Edge AI Core 3.0",
        "ms": 307.3,
        "activations KiB": 59.89,
        "weights KiB": 432.0,
    },
]
