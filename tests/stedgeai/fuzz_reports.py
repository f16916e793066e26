"""Mutations of reports: each is read, or refused with one message, in bounded time.

``python tests/stedgeai/fuzz_reports.py FOLDER --count 100000`` takes the reports of a folder, else those made by code.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from pyaed.errors import UserError
from pyaed.stedgeai.reports import parse_report

SLOW_S = 2.0  # the largest sample takes 20 ms
PIECES = ("0", "-1", "1e400", "NaN", "null", "true", "[]", "{}", '"', ",", ":", "\n", "\r\n", "(", ")", "9" * 400, "-" * 2000, " " * 5000, "'", "\x00",
          "\x1b[31m", "é", "\ud800", "RT total", "Summary", "C-Layers (3)", "Generated files (1)", "QLinear(", "macc : ", "∞", "²", "٣")  # fmt: skip


def mutated(text: str, seed: int) -> str:
    """Return the text with one to four changes."""
    draw = random.Random(seed)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(text) + 1)
        end = min(len(text), at + draw.choice((0, 1, 2, 8, 40, 400)))
        kind = draw.randrange(6)
        if kind == 0:
            text = text[:at]
        elif kind == 1:
            text = text[:at] + text[end:]
        elif kind == 2:
            text = text[:at] + draw.choice(PIECES) + text[end:]
        elif kind == 3:
            text = text[:end] + text[at:]
        elif kind == 4:
            lines = text.split("\n")
            draw.shuffle(lines) if draw.random() < 0.1 else lines.insert(
                draw.randrange(len(lines) + 1), draw.choice(lines)
            )
            text = "\n".join(lines)
        else:
            digits = [i for i in range(at, min(at + 200, len(text))) if text[i].isdigit()]
            if digits:
                i = draw.choice(digits)
                text = text[:i] + draw.choice(PIECES) + text[i + 1 :]
    return text


def run(reports: Sequence[str], seeds: Iterable[int]) -> Counter[str]:
    """Read mutations; return how many were read and refused.

    Raises
    ------
    AssertionError
        Naming the seed, when one takes too long or ends in anything but a `UserError` of one line.
    """
    counts: Counter[str] = Counter()
    for seed in seeds:
        text = mutated(reports[seed % len(reports)], seed)
        start = time.process_time()
        try:
            parse_report(text, "report")
            counts["read"] += 1
        except UserError as error:
            counts["refused" if str(error).startswith("report: ") else "refused without a place"] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
        assert time.process_time() - start < SLOW_S, f"seed {seed} takes {time.process_time() - start:.1f} s"
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=100_000)
    options = parser.parse_args()
    if options.folder:
        paths = [p for p in sorted(options.folder.iterdir()) if "_report" in p.name or "_c_" in p.name]
        reports = [path.read_text(errors="replace") for path in paths]
    else:
        sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
        from support import st_reports

        reports = [st_reports.text(st_reports.Facts(version=v)) for v in st_reports.BANNERS] + [
            st_reports.c_info(st_reports.Facts())
        ]
    print(dict(run(reports, range(options.first, options.first + options.count))))


if __name__ == "__main__":
    main()
