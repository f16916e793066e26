"""Files damaged at random, the same way for the same `random.Random`."""

import random


def damage(data: bytes, rng: random.Random) -> bytes:
    """Return `data` with some bytes changed, cut off, zeroed or repeated."""
    content = bytearray(data)
    kind = rng.randrange(8)
    at = rng.randrange(max(1, len(content)))
    if kind == 0:
        del content[at:]
    elif kind == 1:
        content[at : at + rng.randrange(1, 64)] = bytes(rng.randrange(64))
    elif kind == 2:
        content[at:at] = content[rng.randrange(len(content)) :][: rng.randrange(1, 200)]
    elif kind == 3:  # a number, where there is one
        digits = [i for i, c in enumerate(content) if 48 <= c < 58]
        spot = rng.choice(digits or [at])
        content[spot : spot + 1] = rng.choice([b"-1", b"99999999", b"1e400", b"NaN", b"null", b"[]", b"9" * 5000])
    else:
        for _ in range(rng.randrange(1, 5)):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)
