"""What stands in the files of others: each budget at its last value and one more, and messages for what is damaged."""

import io
import re
import zipfile

import h5py
import numpy as np
import pytest

from pyaed.artefact.containers import (
    damaged,
    layer_graph,
    member,
    open_h5,
    open_zip,
    read_json,
    read_member,
)
from pyaed.errors import UserError

MI = 1 << 20  # the numbers below are those of docs/security.md


def archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def test_members_of_a_zip(tmp_path):
    path = archive(tmp_path / "m.keras", **{str(i): b"" for i in range(4096)})
    with open_zip(path) as file:
        assert len(file.namelist()) == 4096
    archive(path, **{str(i): b"" for i in range(4097)})
    with pytest.raises(UserError, match=re.escape(f"{path}: 4097 members of 0 bytes")), open_zip(path):
        pass


def test_bytes_of_a_zip(tmp_path):
    part = bytes(64 * MI)
    path = archive(tmp_path / "m.keras", a=part, b=part, c=part, d=part)
    with open_zip(path) as file:
        assert member(file, "e", 8, path) is None
        assert len(member(file, "a", 64 * MI, path)) == 64 * MI
        with pytest.raises(UserError, match=f"a has more than {64 * MI - 1} bytes"):
            member(file, "a", 64 * MI - 1, path)
    archive(path, a=part, b=part, c=part, d=part, e=b"1")
    with pytest.raises(UserError, match=f"5 members of {256 * MI + 1} bytes"), open_zip(path):
        pass


def test_bytes_of_a_layer_graph(tmp_path):
    path = archive(tmp_path / "m.keras", **{"config.json": b"{}".ljust(16 * MI)})
    assert read_member(path, "config.json") == {}
    archive(path, **{"config.json": b"{}".ljust(16 * MI + 1)})
    with pytest.raises(UserError, match=f"config.json has more than {16 * MI} bytes"):
        read_member(path, "config.json")


def test_objects_of_a_h5(tmp_path):
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        for i in range(16384):
            file.create_group(str(i))
    with open_h5(path, path) as file:
        assert len(file) == 16384
    with h5py.File(path, "a") as file:
        file.create_group("more")
    with pytest.raises(UserError, match="more than 16384 groups and arrays"), open_h5(path, path):
        pass


def test_bytes_of_a_h5(tmp_path):
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("deep/a", (4, 64 * MI), np.uint8, compression=1, chunks=(1, 64 * MI))[0] = 1
    with open_h5(path, path) as file:
        assert file["deep/a"].nbytes == 256 * MI
    with h5py.File(path, "a") as file:
        file["b"] = np.uint8(1)
    with pytest.raises(UserError, match=f"its arrays take more than {256 * MI} bytes"), open_h5(path, path):
        pass


@pytest.mark.parametrize("kind", ["soft link", "external link", "external array", "virtual array", "nothing stored"])
def test_what_a_h5_may_not_hold(tmp_path, kind):
    other, path = tmp_path / "other.h5", tmp_path / "m.h5"
    with h5py.File(other, "w") as file:
        file["a"] = np.arange(4)
    with h5py.File(path, "w") as file:
        file["good"] = np.arange(3)
        file["type"] = np.dtype("f8")  # neither group nor array
        if kind == "soft link":
            file["it"] = h5py.SoftLink("/good")
        elif kind == "external link":
            file["it"] = h5py.ExternalLink(str(other), "a")
        elif kind == "external array":
            file.create_dataset("it", (4,), np.uint8, external=[(str(other), 0, 4)])
        elif kind == "virtual array":
            layout = h5py.VirtualLayout((4,), np.int64)
            layout[:] = h5py.VirtualSource(str(other), "a", (4,))
            file.create_virtual_dataset("it", layout)
        else:
            file.create_dataset("it", (4,), np.uint8, chunks=(4,))
    with pytest.raises(UserError, match=r"m\.h5: it (is a link to|is not a plain array|announces 4 bytes)"):
        open_h5(path, path).__enter__()
    with h5py.File(path, "a") as file:
        del file["it"]
    with open_h5(path, path) as file:
        assert list(file["good"][:]) == [0, 1, 2]


def test_what_a_damaged_file_raises_is_one_line(tmp_path):
    for suffix, kind in {
        ".h5": "HDF5 model",
        ".keras": "Keras 3 model",
        ".KERAS": "Keras 3 model",
        ".x": "model",
    }.items():
        words = rf"^a{re.escape(suffix)}: not a {kind} file, or damaged \(boom\)$"
        with pytest.raises(UserError, match=words), damaged(f"a{suffix}"):
            raise OSError("boom\nbang")
    with pytest.raises(KeyboardInterrupt), damaged("a.h5"):
        raise KeyboardInterrupt
    with pytest.raises(UserError, match=r"no such model file"), open_h5(tmp_path / "none.h5", tmp_path / "none.h5"):
        pass


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Expecting property name"),
        ("[" * 100000, "recursion|nested too deeply"),
        ('{"a": NaN}', "NaN is no finite number"),
        ("1e999", "1e999 is no"),
    ],
)
def test_json(text, message):
    with pytest.raises(UserError, match=f"m.keras: its graph is not JSON.*{message}"):
        read_json(text, "m.keras", "graph")
    assert read_json('{"a": [1, 2.5, null]}', "m.keras", "graph") == {"a": [1, 2.5, None]}


def test_the_layer_graph_and_what_the_file_holds(tmp_path):
    stored = io.BytesIO()
    with h5py.File(stored, "w") as file:
        file["layers/a"], file["layers/b/c"] = np.zeros((2, 3), np.float32), np.zeros(5)
    path = archive(tmp_path / "m.keras", **{"config.json": '{"x": 1}', "model.weights.h5": stored.getvalue()})
    assert layer_graph(path) == ({"x": 1}, 11)
    archive(path, **{"config.json": "[1]", "model.weights.h5": stored.getvalue()})
    with pytest.raises(UserError, match=r"m\.keras"):
        layer_graph(path)
    archive(path, **{"config.json": "{}"})
    with pytest.raises(UserError, match=r"its weights \(model.weights.h5\) are missing"):
        layer_graph(path)
