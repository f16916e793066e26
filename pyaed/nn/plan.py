"""Static memory plan: which bytes of the arena each tensor and each scratch area takes."""

from dataclasses import dataclass

ALIGNMENT = 4  # bytes; every offset is a multiple of it


@dataclass(frozen=True)
class Block:
    """Memory that is in use from node `first` to node `last`, both included (-1: before the first node)."""

    name: str
    size: int  # bytes
    first: int
    last: int


def pack(blocks: list[Block]) -> tuple[list[int], int]:
    """Give every block an offset such that blocks in use at the same time do not overlap.

    Greedy first fit in several orders; the smallest result wins.

    Parameters
    ----------
    blocks : list of Block

    Returns
    -------
    (offsets, total) : the byte offset of each block, in the order given, and the bytes needed for all.
    """
    numbers = range(len(blocks))
    orders = (
        sorted(numbers, key=lambda i: (-blocks[i].size, blocks[i].first)),
        sorted(numbers, key=lambda i: (blocks[i].first - blocks[i].last, -blocks[i].size)),
        sorted(numbers, key=lambda i: (-blocks[i].size * (blocks[i].last - blocks[i].first + 1), blocks[i].first)),
        sorted(numbers, key=lambda i: (blocks[i].first, -blocks[i].size)),
    )
    return min((_first_fit(blocks, order) for order in orders), key=lambda result: result[1])


def _first_fit(blocks: list[Block], order: list[int]) -> tuple[list[int], int]:
    offsets: dict[int, int] = {}
    for i in order:
        block = blocks[i]
        taken = sorted(
            (offset, offset + blocks[j].size)
            for j, offset in offsets.items()
            if blocks[j].first <= block.last and block.first <= blocks[j].last
        )
        position = 0
        for start, end in taken:
            if position + block.size <= start:
                break
            position = max(position, -(-end // ALIGNMENT) * ALIGNMENT)
        offsets[i] = position
    total = max((offsets[i] + blocks[i].size for i in offsets), default=0)
    return [offsets[i] for i in range(len(blocks))], -(-total // ALIGNMENT) * ALIGNMENT
