"""Files of a data set that announce or hold more than anybody needs: one message, soon, and no memory for it."""

import json
import struct
import sys
import time
import tracemalloc
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from pyaed.data import Selection, budgets, decode, read_clips
from pyaed.data.cache import check_of, load_entry, save_entry
from pyaed.data.csv_file import has_columns, read_csv
from pyaed.data.fsd50k import read_fsd50k
from pyaed.errors import UserError


@contextmanager
def cheaply(megabytes=50):
    """What is done within takes no more than this, in Python and numpy, and little time."""
    began = time.process_time()
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes << 20
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 20


def refuse(path, message, megabytes=50, **options):
    with cheaply(megabytes), pytest.raises(UserError, match=message) as caught:
        decode(path, options.pop("rate", 16000), **options)
    assert str(path) in str(caught.value)


@pytest.fixture
def flac(tmp_path):
    """A FLAC file whose header announces any number of samples: bytes 13 to 17 of its first block."""
    soundfile.write(tmp_path / "a.flac", np.zeros(4800), 16000)

    def announce(n):
        content = bytearray((tmp_path / "a.flac").read_bytes())
        content[21:26] = ((content[21] >> 4) << 36 | n).to_bytes(5, "big")
        (tmp_path / "a.flac").write_bytes(content)
        return tmp_path / "a.flac"

    return announce


def test_a_header_that_announces_months(flac):
    refuse(
        flac(2**36 - 1), r"4294967 s of 1 channels at 16000 Hz are more than is read at once, 16777 s of them; cut it"
    )


def test_a_header_that_announces_hours_takes_no_memory_for_them(flac):
    """As many samples as are allowed; there are few."""
    with cheaply(), pytest.raises(UserError, match=r"cannot decode .*damaged or cut off"):
        decode(flac(budgets.MAX_SAMPLES), 16000)


def test_a_header_without_a_length(flac):
    refuse(flac(0), "its header doesn't say how long it is.*convert it to wav")


def test_the_start_of_a_long_recording_is_read(monkeypatch, tmp_path):
    monkeypatch.setattr(sys.modules["pyaed.data.decode"], "MAX_SAMPLES", 50_000)
    soundfile.write(tmp_path / "a.wav", np.zeros((32000, 2)), 16000)
    refuse(tmp_path / "a.wav", "2 s of 2 channels at 16000 Hz are more than is read at once, 2 s of them")
    assert len(decode(tmp_path / "a.wav", 16000, max_seconds=1.5)) == 24000


def test_a_low_rate_counts_as_what_it_becomes(monkeypatch, tmp_path):
    monkeypatch.setattr(sys.modules["pyaed.data.decode"], "MAX_SAMPLES", 50_000)
    soundfile.write(tmp_path / "a.wav", np.zeros(4000), 1000)
    assert len(decode(tmp_path / "a.wav", 12000)) == 48000
    refuse(tmp_path / "a.wav", "4 s of 1 channels at 1000 Hz are more than is read at once, 3 s of them", rate=16000)


@pytest.mark.parametrize(("at", "value"), [(24, 1), (24, 999), (24, 768001), (24, 2**32 - 1), (24, 0)])
def test_absurd_rates(tmp_path, at, value):
    soundfile.write(tmp_path / "a.wav", np.zeros(1000), 16000)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    struct.pack_into("<I", content, at, value)
    (tmp_path / "a.wav").write_bytes(content)
    refuse(tmp_path / "a.wav", "sample rate .* is outside 1000 to 768000 Hz|cannot decode")


@pytest.mark.parametrize("channels", [0, 1024, 1025, 65535])
def test_absurd_channels(tmp_path, channels):
    """What libsndfile takes is read; none of it takes memory that the file doesn't have."""
    soundfile.write(tmp_path / "a.wav", np.full(4096, 0.5), 16000)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    struct.pack_into("<HIIH", content, 22, channels, 16000, 32000 * channels % 2**32, 2 * channels % 2**16)
    (tmp_path / "a.wav").write_bytes(content)
    if channels == 1024:
        with cheaply():
            np.testing.assert_allclose(decode(tmp_path / "a.wav", 16000), 0.5, atol=1e-3)
    else:
        refuse(tmp_path / "a.wav", "cannot decode")


def test_a_sound_file_without_end(tmp_path):
    with open(tmp_path / "a.wav", "wb") as file:
        file.truncate(budgets.MAX_SOUND_BYTES + 1)  # takes no room on the disk
    refuse(tmp_path / "a.wav", "a sound file of more than 4294967296 bytes")


TABLES = {
    "a long file": ("filename,category\n" + "#" * budgets.MAX_TABLE_BYTES, "has more than 67108864 bytes"),
    "many lines": ("filename,category\n" + "\n" * 1_000_000 + "a,b\n", "line 1000002: a CSV file of more than 1000000 lines"),
    "many columns": ("filename,category" + "," * 99 + "\na,b\n", "line 1: 101 columns, expected at most 100"),
    "many cells": ("filename,category\na,b" + "," * 99 + "\n", "line 2: 101 columns, expected at most 100"),
    "a long cell": (f"filename,category\na,{'x' * 10_001}\n", "line 2: a cell of 10001 characters, expected at most 10000"),
    "an open quotation": ('filename,category\n"a,b\n' + "c,d\n" * 5_000, "cell of 200.. characters.* is a quotation mark open"),
    "a very long cell": (f"filename,category\na,{'x' * 200_000}\n", "not a CSV file in UTF-8: line 2: field larger than"),
    "many categories": (
        "filename,category\n" + "".join(f"{i},{i}\n" for i in range(10_001)), "10001 categories, expected at most 10000",
    ),
    "a long name": (f"filename,category\n{'a' * 5_000},b\n", "line 2: no file a+ in"),
    "a deep path": (f"filename,category\n{'a/' * 2_000}b,c\n", "line 2: no file a/a/"),
    "two names": ("filename,category,filename\na,b,c\n", "meta.csv has 2 columns 'filename', one is expected"),
    "a wild fold": (f"filename,category,fold\na,b,{'9' * 4_000}\n", "line 2: fold 9+.*does not fit into 32 bits"),
    "a fold beyond what Python reads": (f"filename,category,fold\na,b,{'9' * 5_000}\n", "line 2: fold '9+.*is not an integer"),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_tables(tmp_path, case):
    text, message = TABLES[case]
    (tmp_path / "audio").mkdir()
    (tmp_path / "meta.csv").write_text(text)
    with cheaply(300), pytest.raises(UserError, match=message) as caught:
        read_clips(tmp_path / "audio", tmp_path / "meta.csv")
    assert str(tmp_path / "meta.csv") in str(caught.value)
    assert len(str(caught.value)) < 12_000


def test_many_labels_of_a_clip(tmp_path):
    (tmp_path / "audio").mkdir()
    (tmp_path / "meta.csv").write_text(f'filename,category\na,"{",".join(map(str, range(101)))}"\n')
    with pytest.raises(UserError, match="line 2: 101 labels of one clip, expected at most 100"):
        read_clips(tmp_path / "audio", tmp_path / "meta.csv", Selection(multi_label=True))


def test_a_header_is_looked_at_without_reading_on(tmp_path):
    with open(tmp_path / "a.csv", "wb") as file:
        file.write(b"filename,category\n")
        file.truncate(1 << 40)  # takes no room on the disk
    with cheaply():
        assert has_columns(tmp_path / "a.csv", ("category", "filename"))
    with cheaply(100), pytest.raises(UserError, match="has more than 67108864 bytes"):
        read_csv(tmp_path / "a.csv")


def chain(n):
    """A class below the next one, and so on."""
    return [{"id": str(i), "child_ids": [str(i + 1)]} for i in range(n)]


ONTOLOGIES = {
    "brackets": ("[" * 100_000, "nested too deeply"),
    "digits": ("[" + "9" * 5_000 + "]", "is not AudioSet's ontology.json: Exceeds the limit"),
    "a number": ("3", "not iterable"),
    "an id that is a list": ('[{"id": [1], "child_ids": []}]', "an id that is no text"),
    "children that are numbers": ('[{"id": "a", "child_ids": [1]}]', "an id that is no text"),
    "children that are a text": ('[{"id": "a", "child_ids": "bc"}]', "an id that is no text"),
    "many classes": (json.dumps(chain(2_000)), "2001 classes with 2000 links, expected at most 2000 and 10000"),
    "many links": (json.dumps([{"id": "a", "child_ids": ["b"] * 10_001}]), "2 classes with 10001 links"),
    "a long file": (" " * (budgets.MAX_ONTOLOGY_BYTES + 1), "has more than 8388608 bytes"),
    "a circle": (
        json.dumps([{"id": "a", "child_ids": ["b"]}, {"id": "b", "child_ids": ["a"]}]),
        "dev.csv, line 2: in the ontology each of Dog, Animal lies above another of them",
    ),
}


def read_with(tmp_path, ontology, labels="Dog,Animal", **options):
    (tmp_path / "audio").mkdir()
    (tmp_path / "vocabulary.csv").write_text("0,Dog,a\n1,Animal,b\n")
    (tmp_path / "dev.csv").write_text(f'fname,labels\n1,"{labels}"\n')
    (tmp_path / "ontology.json").write_text(ontology)
    settings = SimpleNamespace(
        csv_folder=str(tmp_path), dev_audio_folder=str(tmp_path / "audio"),
        audioset_ontology_path=str(tmp_path / "ontology.json"),
    )  # fmt: skip
    return read_fsd50k("dev", settings, **options)


@pytest.mark.parametrize("case", ONTOLOGIES)
def test_ontologies(tmp_path, case):
    text, message = ONTOLOGIES[case]
    with cheaply(100), pytest.raises(UserError, match=message) as caught:
        read_with(tmp_path, text)
    assert str(tmp_path) in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_the_longest_chain_of_classes_is_read(tmp_path):
    missing = {}
    with cheaply(400):
        assert len(read_with(tmp_path, json.dumps(chain(1_999)), "Dog", missing=missing)) == 1
    assert list(missing) == ["1"]


def test_many_labels_of_fsd50k(tmp_path):
    with pytest.raises(UserError, match=r"dev.csv, line 2: 101 labels of one clip, expected at most 100"):
        read_with(tmp_path, "[]", ",".join(["Dog"] * 101))


def entry(path, header, body=b""):
    """An entry of the cache with any header, and the right CRC."""
    text = repr(header).encode() if isinstance(header, dict) else header
    content = b"\x93NUMPY\1\0" + struct.pack("<H", len(text) + 1) + text + b"\n" + body
    path.write_bytes(content + check_of(content))
    return path


FORMAT = {"descr": "<f4", "fortran_order": False}


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (FORMAT | {"shape": (2**40, 64)}, b"\0" * 64),
        (FORMAT | {"shape": (2**31, 2**31, 2**31)}, b"\0" * 64),
        (FORMAT | {"shape": (-1, 4)}, b"\0" * 64),
        (FORMAT | {"shape": (17,)}, b"\0" * 64),
        (FORMAT | {"shape": (16,), "descr": "|O"}, b"\0" * 128),
        (FORMAT | {"shape": (16,), "fortran_order": True}, b"\0" * 64),
        (FORMAT | {"shape": (16,)}, b"\0" * 64 + b"[" * 100_000),
        (FORMAT | {"shape": (16,)}, b"\0" * 64 + b"\xff{"),
        (FORMAT, b""),
        (b"(" * 5_000, b""),
        (b"__import__('os')", b""),
    ],
)
def test_entries_of_the_cache(tmp_path, header, body, caplog):
    with cheaply():
        assert load_entry(entry(tmp_path / "a.npy", header, body)) is None
    assert "a.npy is no entry; computing again" in caplog.text


def test_an_entry_as_it_was_written(tmp_path):
    patches = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    for said in (None, [["scaled", "peak 3"]]):
        assert save_entry(tmp_path / "a.npy", patches, said)
        found, words = load_entry(tmp_path / "a.npy")
        np.testing.assert_array_equal(found, patches)
        assert (found.dtype, words) == (np.float32, said)
