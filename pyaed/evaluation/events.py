"""The events of recordings as files."""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyaed.files import atomic_path, write_text

COLUMNS = ("file", "onset", "offset", "class", "score")


def write_events(folder: str | os.PathLike[str], events: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Path]:
    """Write ``events.csv`` (one line an event) and ``events.json`` (file -> its events); returns the two paths."""
    folder = Path(folder)
    with atomic_path(folder / "events.csv") as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows({"file": name, **event} for name, found in events.items() for event in found)
    return [folder / "events.csv", write_text(folder / "events.json", json.dumps(events, indent=1) + "\n")]
