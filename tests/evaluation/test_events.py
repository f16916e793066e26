"""Events as files."""

import csv
import json

from pyaed.evaluation import write_events


def test_files(tmp_path):
    events = {"a.wav": [{"onset": 0.0, "offset": 1.0, "class": "dog", "score": 1.0}], "b.wav": []}
    table, text = write_events(tmp_path, events)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert rows == [{"file": "a.wav", "onset": "0.0", "offset": "1.0", "class": "dog", "score": "1.0"}]
    assert json.loads(text.read_text()) == events
    assert text.read_text().startswith('{\n "a.wav": [\n  {\n   "onset": 0.0,')
    assert text.read_text().endswith("}\n")
    assert table.read_bytes() == b"file,onset,offset,class,score\na.wav,0.0,1.0,dog,1.0\n"
