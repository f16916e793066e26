"""Depth-first execution: convolutions that run one after the other in bands of rows, so that the maps between them never
exist whole (kernel aed_chain_s8)."""

from dataclasses import replace

from pyaed.nn.lowering import Step, scratch_bytes

KERNELS = ("aed_conv_s8", "aed_pointwise_s8", "aed_depthwise_s8")
MAX_STAGES = 16  # AED_CHAIN_STAGES in nn_c/include/aed_nn_kernels.h


def chain(stages: list[Step], band: int) -> Step:
    """Join convolutions into one step.

    Parameters
    ----------
    stages : list of Step
        2 to MAX_STAGES of them; each reads the output of the one before, which nobody else does.
    band : int
        Output rows of the last stage at a time.

    Returns
    -------
    Step whose scratch memory holds the buffers between the stages, then what the stages themselves need.
    """
    held, most = _rows(stages, band)
    buffers, end = [], 0
    for stage, rows in zip(stages[:-1], held):
        buffers.append(end)
        end += -(-rows * stage.params["out_w"] * stage.params["out_c"] // 4) * 4
    joined, scratch = [], 0
    for stage, rows in zip(stages, most):
        tile, size = scratch_bytes(stage.kernel, stage.params, rows)
        joined.append(replace(stage, params=stage.params | {"tile": tile, "scratch": end}))
        scratch = max(scratch, size)
    return Step(
        "+".join(stage.operator for stage in stages),
        "aed_chain_s8",
        stages[0].reads,
        stages[-1].output,
        {"n_stages": len(stages), "band": band},
        scratch=end + scratch,
        macs=sum(stage.macs for stage in stages),
        stages=tuple(joined),
        buffers=tuple(buffers),
    )


def _rows(stages: list[Step], band: int) -> tuple[list[int], list[int]]:
    """Follow aed_chain_s8: the most rows that each stage's buffer holds, and that it computes at a time."""
    params = [stage.params for stage in stages]
    n = len(stages)
    start, done, held, most = ([0] * n for _ in range(4))

    def first(s: int, row: int) -> int:
        return row * params[s]["stride_h"] - params[s]["pad_top"]

    while done[-1] < params[-1]["out_h"]:
        need = [0] * n
        need[-1] = min(done[-1] + band, params[-1]["out_h"])
        for s in range(n - 1, 0, -1):
            p = params[s]
            end = first(s, need[s] - 1) + (p["kernel_h"] - 1) * p["dilation_h"] + 1
            need[s - 1] = min(max(end, done[s - 1]), p["in_h"])
        for s in range(n):
            if s < n - 1 and need[s] > done[s]:
                start[s] = min(max(first(s + 1, done[s + 1]), start[s]), done[s])
            most[s] = max(most[s], need[s] - done[s])
            done[s] = need[s]
            held[s] = max(held[s], done[s] - start[s])
    return held, most


def runs(steps: list[Step], readers: dict[int, int]) -> list[tuple[int, int]]:
    """Return (first, last) of the longest runs of steps that could form a chain; `readers` counts who reads a tensor."""
    result, first = [], 0
    for i, step in enumerate(steps):
        before = steps[i - 1]
        linked = (
            i > first
            and step.kernel in KERNELS
            and before.kernel in KERNELS
            and step.reads["input"] == before.output
            and readers.get(before.output) == 1
        )
        if not linked:
            if i - 1 > first:
                result.append((first, i - 1))
            first = i
    if len(steps) - 1 > first:
        result.append((first, len(steps) - 1))
    return result
