"""Outputs appear whole or not at all, whatever ends the process; what a kill leaves is cleaned up."""

import csv
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pyaed import files
from pyaed.errors import UserError


@pytest.fixture(autouse=True)
def every_write_sweeps(monkeypatch):
    monkeypatch.setattr(files, "_sweep_once", files.sweep)


def write_folder(path: Path, text: str) -> None:
    with files.atomic_path(path) as temporary:
        temporary.mkdir()
        (temporary / "a.txt").write_text(text)


def killed_at_rename(path: Path, text: str, number: int) -> None:
    """Replace a folder in a process that is killed before its rename of that number."""
    code = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_outputs import write_folder
rename, left = os.replace, {number}
def replace(a, b):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(a, b)
os.replace = replace
write_folder(Path({str(path)!r}), {text!r})
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize(("number", "found"), [(0, "old"), (1, "new")])
def test_a_kill_while_a_folder_is_replaced_loses_nothing(tmp_path, number, found):
    path = tmp_path / "deployment"
    write_folder(path, "old")
    killed_at_rename(path, "new", number)
    assert len(list(tmp_path.glob(f"{files.HOLDER}*"))) == 1
    files.write_text(tmp_path / "next.txt", "")  # the next start
    assert (path / "a.txt").read_text() == found
    write_folder(path, "newest")
    assert (path / "a.txt").read_text() == "newest"


def test_what_a_kill_left_goes_after_a_day(tmp_path):
    write_folder(tmp_path / "deployment", "old")
    killed_at_rename(tmp_path / "deployment", "new", 0)
    (holder,) = tmp_path.glob(f"{files.HOLDER}*")
    (tmp_path / ".keep.abcdefgh").mkdir()  # of somebody else
    os.utime(tmp_path / ".keep.abcdefgh", (0, 0))
    files.write_text(tmp_path / "next.txt", "")
    assert holder.exists()
    os.utime(holder, (0, 0))
    files.write_text(tmp_path / "next.txt", "")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".keep.abcdefgh", "deployment", "next.txt"]


def test_an_interrupt_between_the_renames_puts_the_old_folder_back(tmp_path, monkeypatch):
    path, rename = tmp_path / "deployment", os.replace
    write_folder(path, "old")

    def replace(source, target):
        if Path(target) == path and Path(source).name == "deployment":
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        write_folder(path, "new")
    assert (path / "a.txt").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["deployment"]


def test_a_message_names_what_was_to_be_written(tmp_path):
    def fail(path, error):
        with files.atomic_path(path) as temporary:
            temporary.mkdir()
            files.write_text(temporary / "a.txt", "whole")
            with files.atomic_path(temporary / "b.txt") as inner:
                raise error(inner)

    for error in (
        lambda inner: OSError(errno.ENOSPC, "No space left on device"),
        lambda inner: OSError(errno.EIO, "Input/output error", str(inner)),
    ):
        with pytest.raises(UserError, match=f"^cannot write {tmp_path}/sources/b.txt: (No space|Input/output)"):
            fail(tmp_path / "sources", error)
        assert not list(tmp_path.iterdir())


def test_an_error_of_reading_keeps_its_own_path(tmp_path):
    def read_inside():
        with files.atomic_path(tmp_path / "out"):
            (tmp_path / "missing").read_bytes()

    with pytest.raises(FileNotFoundError, match="missing"):
        read_inside()


@pytest.mark.parametrize("name", ["previous", "a~", "x" * 200, "ä" * 100, "new\nline", os.fsdecode(b"caf\xe9")])
def test_any_name_that_the_file_system_takes(tmp_path, name):
    files.write_text(tmp_path / name, "text")
    write_folder(tmp_path / "sub" / name, "old")
    write_folder(tmp_path / "sub" / name, "new")
    assert (tmp_path / "sub" / name / "a.txt").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == [name]


def test_tables_for_spreadsheets_are_harmless(tmp_path):
    row = ["=1+2", "+1", "-dog", "@x", "\tx", "\x1b[31m", os.fsdecode(b"caf\xe9.wav"), "a,b", "dog", -1.5, 3]
    path = files.write_csv(tmp_path / "a.csv", [row])
    with open(path, newline="", encoding="utf-8") as file:
        (read,) = csv.reader(file)
    expected = ["'=1+2", "'+1", "'-dog", "'@x", "\\tx", "\\x1b[31m", "caf\\xe9.wav", "a,b", "dog", "-1.5", "3"]
    assert read == expected
