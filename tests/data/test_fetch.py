"""`pyaed dataset fetch` from a server of our own: loads that are cut off, wrong checksums, archives in parts, no network."""

import logging
import sys
import zipfile
import zlib

import numpy as np
import pytest
import soundata
from support.sets_server import environment, index, md5, packed, prepare, serving, small_esc50, sound, url

from pyaed import cli
from pyaed.config import load
from pyaed.data import fetch as module
from pyaed.data import read_sets
from pyaed.data.archives import CENTRAL, END, END_MARK, open_archive


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(module, "PAUSE_S", 0.0)
    with serving() as server:
        yield server


def remote(server, name, data, **options):
    """Serve `data` and return soundata's description of it."""
    server.files[name] = data
    return soundata.download_utils.RemoteFileMetadata(name, url(server, name), md5(data), **options)


def in_parts(data, size):
    """Cut an archive into parts as `zip -s` does; returns (ending, content) of each."""
    end = data.rfind(END_MARK)
    _, _, _, _, count, n_directory, at, _ = END.unpack_from(data, end)
    body, directory = b"PK\7\x08" + data[:at], bytearray(data[at : at + n_directory])
    start, at = len(body), 0
    for _ in range(count):
        entry = list(CENTRAL.unpack_from(directory, at))
        entry[15], entry[18] = divmod(entry[18] + 4, size)
        CENTRAL.pack_into(directory, at, *entry)
        at += CENTRAL.size + sum(entry[12:15])
    last = (start + n_directory + END.size - 1) // size
    whole = body + directory + END.pack(END_MARK, last, start // size, count, count, n_directory, start % size, 0)
    parts = [whole[i : i + size] for i in range(0, len(whole), size)]
    return [(f".z{i:02d}" if i < len(parts) else ".zip", part) for i, part in enumerate(parts, 1)]


def index_of(server, files, monkeypatch, name):
    server.files["index.json"] = text = index(files)
    listed = soundata.core.Index("index.json", url(server, "index.json"), md5(text))
    monkeypatch.setattr(f"soundata.datasets.{name}.INDEXES", {"default": "1", "1": listed})


@pytest.fixture
def esc50(server, monkeypatch):
    """A small ESC-50 behind the server; returns its files."""
    import soundata.datasets.esc50 as tables

    files = small_esc50(server)
    for name in ("REMOTES", "INDEXES"):
        monkeypatch.setattr(tables, name, getattr(tables, name))  # so that it is put back
    for name, value in environment(server).items():
        monkeypatch.setenv(name, value)
    prepare()
    return files


def fetch(*arguments, monkeypatch, capsys):
    """Run the command in this process, as soundata's tables are changed here; return exit code, output and errors."""
    monkeypatch.setattr(sys, "argv", ["pyaed", "dataset", "fetch", *map(str, arguments)])
    code = 0
    try:
        cli.main()
    except SystemExit as stop:
        code = stop.code or 0
    finally:
        logging.getLogger("pyaed").handlers.clear()  # they write to this test's standard error
    done = capsys.readouterr()
    return code, done.out, done.err


def test_loads_unpacks_checks_and_says_what_to_write(server, esc50, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "esc"
    code, out, err = fetch("esc50", "--to", folder, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0, err
    for path, data in esc50.items():
        assert (folder / path).read_bytes() == data
    assert sorted(p.name for p in folder.iterdir()) == [".archives", "audio", "meta"]
    assert [p.name for p in (folder / ".archives").iterdir()] == ["index.json"]
    (tmp_path / "user.yaml").write_text(out)
    sets = read_sets(load(tmp_path / "user.yaml").dataset)
    assert sets.class_names == ("dog", "rain")
    assert len(sets.training) + len(sets.validation) == 6

    del server.asked[:]
    code, _, err = fetch("esc50", "--to", folder, monkeypatch=monkeypatch, capsys=capsys)
    assert (code, server.asked) == (0, []), err
    (folder / "audio/1-0-A-0.wav").write_bytes(b"damaged")
    code, _, err = fetch("esc50", "--to", folder, monkeypatch=monkeypatch, capsys=capsys)
    assert (code, [name for name, _ in server.asked]) == (0, ["ESC-50-master.zip"]), err
    assert (folder / "audio/1-0-A-0.wav").read_bytes() == esc50["audio/1-0-A-0.wav"]


def test_a_load_that_is_cut_off_goes_on(server, esc50, tmp_path, monkeypatch, capsys):
    server.cuts["ESC-50-master.zip"] = 2
    code, _, err = fetch("esc50", "--to", tmp_path / "esc", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0, err
    ranges = [asked for name, asked in server.asked if name.endswith(".zip")]
    size = len(server.files["ESC-50-master.zip"])
    assert ranges == [None, f"bytes={size // 2}-", f"bytes={size // 2 + (size - size // 2) // 2}-"]


@pytest.mark.parametrize("ranges", [True, False])
def test_the_same_command_goes_on_after_a_failure(server, esc50, tmp_path, monkeypatch, capsys, ranges):
    server.ranges, size = ranges, len(server.files["ESC-50-master.zip"])
    monkeypatch.setattr(module, "TRIES", 1)
    server.cuts["ESC-50-master.zip"] = 1
    code, _, err = fetch("esc50", "--to", tmp_path / "esc", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2
    assert f"cut off after {size // 2} of {size} bytes" in err
    assert "The same command goes on" in err
    part = tmp_path / "esc/.archives/ESC-50-master.zip.part"
    assert part.stat().st_size == size // 2
    code, _, err = fetch("esc50", "--to", tmp_path / "esc", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0, err
    assert not part.exists()
    assert server.asked[-1] == ("ESC-50-master.zip", f"bytes={size // 2}-")


def test_a_wrong_checksum(server, esc50, tmp_path, monkeypatch, capsys):
    server.files["ESC-50-master.zip"] = b"another file"
    code, _, err = fetch("esc50", "--to", tmp_path / "esc", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2
    assert f"have the MD5 {md5(b'another file')}, expected " in err
    assert [p.name for p in (tmp_path / "esc/.archives").iterdir()] == ["index.json"]
    assert not (tmp_path / "esc/audio").exists()


def test_an_archive_without_a_listed_file(server, esc50, tmp_path, monkeypatch, capsys):
    index_of(server, {**esc50, "audio/9-9-A-0.wav": b""}, monkeypatch, "esc50")
    code, _, err = fetch("esc50", "--to", tmp_path / "esc", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2
    assert "1 files of esc50 are missing and 0 have a wrong checksum, such as" in err
    assert "9-9-A-0.wav" in err


def test_fsd50k_comes_in_parts(server, tmp_path, monkeypatch, capsys):
    """Archives in parts, as FSD50K's are."""
    __import__("soundata.datasets.fsd50k")
    files = {f"FSD50K.dev_audio/{i}.wav": sound(i) for i in range(4)}
    parts = in_parts(packed(files), 70_000)
    assert len(parts) > 3
    truth = {"FSD50K.ground_truth/dev.csv": b"fname,labels,mids,split\n0,Bark,/m/1,train\n"}
    monkeypatch.setattr(
        "soundata.datasets.fsd50k.REMOTES",
        {
            "FSD50K.dev_audio": [remote(server, f"FSD50K.dev_audio{ending}", data) for ending, data in parts],
            "ground_truth": remote(server, "FSD50K.ground_truth.zip", packed(truth)),
        },
    )
    index_of(server, files | truth, monkeypatch, "fsd50k")
    code, out, err = fetch("fsd50k", "--to", tmp_path / "fsd", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0, err
    for path, data in (files | truth).items():
        assert (tmp_path / "fsd" / path).read_bytes() == data
    assert f"csv_folder: {tmp_path / 'fsd'}/FSD50K.ground_truth" in out
    (tmp_path / "user.yaml").write_text(out)
    assert load(tmp_path / "user.yaml").dataset_specific.fsd50k.only_keep_monolabel
    assert sorted(p.name for p in (tmp_path / "fsd").iterdir()) == [
        ".archives", "FSD50K.dev_audio", "FSD50K.ground_truth",
    ]  # fmt: skip


@pytest.mark.parametrize("size", [30, 1000, 2000])
def test_parts_are_read_as_the_whole(tmp_path, size):
    rng = np.random.default_rng(size)
    files = {f"a/{i}.bin": rng.integers(0, 4, 100 * i, dtype=np.uint8).tobytes() for i in range(9)} | {"ä.txt": b"x"}
    paths = []
    for ending, data in in_parts(packed(files), size):
        paths.append(tmp_path / f"set{ending}")
        paths[-1].write_bytes(data)
    archive, members = open_archive(paths[::-1])
    with archive:
        assert {member.filename: archive.read(member) for member in members} == files
        for member in members:
            archive.extract(member, tmp_path / "out")
    assert all((tmp_path / "out" / name).read_bytes() == data for name, data in files.items())

    with pytest.raises(zipfile.BadZipFile, match=f"it has {len(paths)} parts, {len(paths) - 1} are given"):
        open_archive(paths[1:])
    with pytest.raises(zipfile.BadZipFile, match="no directory at its end"):
        open_archive(paths[:2])


@pytest.mark.parametrize("place", range(-120, 0, 3))
def test_a_damaged_directory_is_an_error(tmp_path, place):
    """A byte of the directory is another one: an error of zipfile's kind, or other names, never anything else."""
    paths = []
    for ending, data in in_parts(packed({"a.bin": bytes(300), "b.bin": bytes(range(200))}), 400):
        paths.append(tmp_path / f"set{ending}")
        paths[-1].write_bytes(data)
    data = bytearray(paths[-1].read_bytes())
    data[place] ^= 0x5A
    paths[-1].write_bytes(data)
    try:
        archive, members = open_archive(paths)
        with archive:
            for member in members:
                archive.extract(member, tmp_path / "out")
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError):  # what the caller tells as an error
        pass
    assert {path.name for path in tmp_path.iterdir()} <= {"out", *(path.name for path in paths)}


def test_no_network_no_soundata_no_such_set(server, esc50, tmp_path, monkeypatch, capsys):
    server.shutdown()
    server.server_close()
    code, _, err = fetch("esc50", "--to", tmp_path / "esc", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2
    assert "index.json can't be loaded ([Errno 111] Connection refused)" in err
    code, _, err = fetch("esc5", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2
    assert "'esc5' can't be fetched; expected one of esc50, fsd50k (did you mean 'esc50'?)" in err
    monkeypatch.setitem(sys.modules, "soundata", None)
    code, _, err = fetch("esc50", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2
    assert "pip install 'pyaed[fetch]'" in err
