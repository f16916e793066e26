"""The events of recordings as files."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyaed.files import write_csv, write_text

COLUMNS = ("file", "onset", "offset", "class", "score")


def write_events(folder: str | os.PathLike[str], events: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Path]:
    """Write ``events.csv`` (one line an event) and ``events.json`` (file -> its events); returns the two paths."""
    folder = Path(folder)
    rows = ((name, *(event[key] for key in COLUMNS[1:])) for name, found in events.items() for event in found)
    return [
        write_csv(folder / "events.csv", (COLUMNS, *rows)),
        write_text(folder / "events.json", json.dumps(events, indent=1) + "\n"),
    ]
