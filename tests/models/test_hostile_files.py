"""Model files made to hurt: what they may name, what they may take, what damage ends in."""

import io
import json
import os
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from pyaed import artefact, models
from pyaed.artefact import containers, h5_process
from pyaed.errors import UserError
from pyaed.models import allowed
from pyaed.models.keras import import_keras


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A small model as `.keras`, with the layers that have state of their own."""
    keras = import_keras()
    x = keras.Input((4, 4, 1))
    y = keras.layers.BatchNormalization()(keras.layers.Conv2D(2, 3, kernel_regularizer="l2")(x))
    y = keras.layers.Dense(2)(keras.layers.Dropout(0.5)(keras.layers.Flatten()(y)))
    model = keras.Model(x, y)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, 10)), "mse", ["mae"])
    path = tmp_path_factory.mktemp("saved") / "m.keras"
    model.save(path)
    return path


def changed(path: Path, target: Path, change=None, weights=None, compression=zipfile.ZIP_STORED) -> Path:
    """Write a `.keras` file with a changed layer graph, or with other weights."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if change:
        members["config.json"] = change(members["config.json"].decode()).encode()
    if weights:
        members["model.weights.h5"] = weights(members["model.weights.h5"])
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target


@pytest.mark.parametrize("compiled", [False, True])
def test_an_honest_file_is_read(saved, compiled):
    assert models.load(saved, compiled).count_params() == 2 * 10 + 2 * 4 + 9 * 2 - 2 + 2


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        ("keras.layers", "TFSMLayer"),
        ("keras.layers", "Lambda"),
        ("keras.layers", "StringLookup"),
        ("keras.layers", "TextVectorization"),
        ("keras.layers", "TorchModuleWrapper"),
        ("keras.layers", "Wrapper"),
        ("keras.utils", "get_file"),
        ("keras.config", "enable_unsafe_deserialization"),
        ("keras.src.saving.serialization_lib", "deserialize_keras_object"),
        ("keras.src.utils.file_utils", "get_file"),
        ("keras.saving", "load_model"),
        ("keras", "load_model"),
        ("keras.models", "load_model"),
        ("keras.optimizers", "get"),
        ("keras.losses", "os"),
        ("builtins", "function"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("keras.ops", "map"),
        ("kerasx.layers", "Dense"),
        ("os", "system"),
        (None, "Lambda"),
        (None, "__lambda__"),
        (None, "function"),
        (None, "TFSMLayer"),
        (None, ["Dense"]),
        (3, "Dense"),
    ],
)
def test_names_outside_of_the_list(saved, tmp_path, module, kind):
    def change(config):
        tree = json.loads(config)
        layer = next(item for item in tree["config"]["layers"] if item["class_name"] == "Dense")
        layer |= {"module": module, "class_name": kind, "registered_name": None}
        return json.dumps(tree)

    with pytest.raises(UserError, match=r"m\.keras: it holds .*executed; pyaed loads models made of Keras' own layers"):
        models.load(changed(saved, tmp_path / "m.keras", change))


def test_a_name_in_the_settings_of_a_layer(saved, tmp_path):
    harm = {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "function"}
    for spot in ('"padding": "valid"', '"trainable": true', '"kernel_initializer": {'):
        target = changed(
            saved, tmp_path / "m.keras", lambda c, s=spot: c.replace(s, f'"x": {json.dumps(harm)}, {s}', 1)
        )
        with pytest.raises(UserError, match=r"it holds 'function' of 'keras\.utils'"):
            models.load(target)


def test_every_layer_of_the_list_exists_and_reads_nothing():
    keras = import_keras()
    assert {name for name in allowed.LAYERS if not hasattr(keras.layers, name)} == set()
    assert not allowed.LAYERS & {"Lambda", "TFSMLayer", "StringLookup", "IntegerLookup", "TextVectorization"}


def test_units_that_are_not_stored(saved, tmp_path):
    target = changed(saved, tmp_path / "m.keras", lambda c: c.replace('"units": 2', '"units": 1200000000'))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=r"m\.keras: its layers need \d+ numbers, the file holds \d+$"):
        models.load(target)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_outputs_beyond_any_patch(saved, tmp_path):
    keras = import_keras()
    x = keras.Input((4, 4, 1))
    model = keras.Model(x, keras.layers.ZeroPadding2D(20_000)(keras.layers.Conv2D(1, 1)(x)))
    for suffix in (".keras", ".h5"):
        model.save(tmp_path / f"p{suffix}")
        with pytest.raises(UserError, match=r"a layer's output has the shape \(None, 40004, 40004, 1\)"):
            models.load(tmp_path / f"p{suffix}")


def test_a_file_that_inflates(saved, tmp_path):
    target = changed(
        saved, tmp_path / "m.keras", weights=lambda _: bytes(containers.MAX_UNPACKED), compression=zipfile.ZIP_DEFLATED
    )
    assert target.stat().st_size < 1 << 20
    for read in (models.load, artefact.read, artefact.read_state):
        with pytest.raises(UserError, match="bytes unpacked; at most"):
            read(target)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_large_network_s_file_is_read(saved, tmp_path, monkeypatch, suffix):
    """What a file really stores may be more than the budget: a network of many stacks."""
    source = models.save(models.load(saved), tmp_path / f"m{suffix}")
    monkeypatch.setattr(containers, "MAX_UNPACKED", 1 << 10)
    assert source.stat().st_size > 1 << 12
    models.load(source)


def test_many_members(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        for number in range(containers.MAX_MEMBERS + 1):
            archive.writestr(str(number), "")
    with pytest.raises(UserError, match="4097 members"):
        artefact.read(tmp_path / "m.keras")


def link(file):
    other = Path(file.filename).with_name("other.h5") if isinstance(file.filename, str) else Path("/tmp/other.h5")
    file["layers/dense/more"] = h5py.ExternalLink(str(other), "secret")


def soft(file):
    file["layers/dense/more"] = h5py.SoftLink("/nowhere")


def external(file):
    file.create_dataset("layers/dense/more", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def virtual(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    file.create_virtual_dataset("layers/dense/more", layout)


def unstored(file):
    file.create_dataset("layers/dense/more", (10_000_000,), "f4")


def inflated(file):
    file.create_dataset(
        "layers/dense/more", (containers.MAX_UNPACKED // 4 + 1,), "f4", chunks=(1 << 20,), compression=9
    )


def loop(file):
    file["layers/dense/loop"] = file["layers"]


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (link, "is a link to elsewhere"),
        (soft, "is a link to elsewhere"),
        (external, "its data lies in another file"),
        (virtual, "its data lies in another file"),
        (unstored, "announces 40000000 bytes and stores none"),
        (inflated, "its arrays take more than"),
    ],
)
def test_weights_that_lead_elsewhere(saved, tmp_path, harm, message):
    def weights(data):
        buffer = io.BytesIO(data)
        with h5py.File(buffer, "r+") as file:
            file.require_group("layers/dense")
            harm(file)
        return buffer.getvalue()

    with pytest.raises(UserError, match=rf"m\.keras: .*{message}"):
        models.load(changed(saved, tmp_path / "m.keras", weights=weights))
    import_keras().models.load_model(saved).save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        harm(file)
    for read in (models.load, artefact.read):
        with pytest.raises(UserError, match=rf"m\.h5: .*{message}"):
            read(tmp_path / "m.h5")


def test_groups_that_hold_themselves_end(saved, tmp_path):
    import_keras().models.load_model(saved).save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        file["loop"] = file["/"]
    assert artefact.read(tmp_path / "m.h5") is None


METADATA = [
    3,
    [1],
    np.zeros(3),
    np.zeros(0),
    "",
    "[" * 60_000,
    '{"a":' * 60_000,
    "9" * 4_400,
    '{"format_version": 1e400}',
]


@pytest.mark.parametrize("number", range(len(METADATA)))
def test_metadata_that_is_none(tmp_path, number):
    value = METADATA[number]
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["pyaed"] = value
    with pytest.raises(UserError, match=r"m\.h5: "):
        artefact.read(tmp_path / "m.h5")
    if isinstance(value, str):
        with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
            archive.writestr("pyaed.json", value)
        with pytest.raises(UserError, match=r"m\.keras: "):
            artefact.read(tmp_path / "m.keras")


def test_encrypted_members(saved, tmp_path):
    data = bytearray(saved.read_bytes())
    for sign, at in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        spot = -1
        while (spot := data.find(sign, spot + 1)) >= 0:
            data[spot + at] |= 1
    (tmp_path / "m.keras").write_bytes(data)
    with pytest.raises(UserError, match=r"m\.keras: not a Keras 3 model file, or damaged \(.*encrypted"):
        models.load(tmp_path / "m.keras")


def test_one_flipped_bit(shared):
    with pytest.raises(UserError, match=r"flipped_bit\.h5: "):
        models.load(shared / "cases" / "17-hostile" / "flipped_bit.h5")


#: So many of each kind here; PYAED_MUTATIONS=2000 is the whole run (docs/security.md).
MUTATIONS = int(os.environ.get("PYAED_MUTATIONS", "400"))
#: Mutations of `.h5` on which HDF5's own code does not come to an end, in a text of variable length.
ENDLESS = (1379,)


def fuzz(kind, first, count, *options):
    script = Path(__file__).with_name("fuzz_containers.py")
    command = [sys.executable, str(script), kind, "--first", str(first), "--count", str(count), *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("number", ENDLESS)
def test_files_that_hdf5_does_not_end_with(number):
    result = fuzz(".h5", number, 1)
    assert result.returncode == 0, result.stderr[-2000:]
    assert json.loads(result.stdout.splitlines()[-1])["refused"] == 1


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import os; os.abort()", "HDF5 crashes on it, exit code -6"),
        ("import sys; sys.stdin.buffer.read(9); sys.exit(3)", "HDF5 crashes on it, exit code 3"),
        ("import time; time.sleep(60)", "HDF5 does not come to an end with it in 2 s"),
        ("import resource as r; r.setrlimit(r.RLIMIT_CPU, (1, 2))\nwhile True: pass",
         "HDF5 does not come to an end with it in 10 s of processor time"),
        ("print('{', flush=False, end='')", "HDF5 crashes on it, exit code 0"),
    ],
)  # fmt: skip
def test_the_process_that_looks_first_may_end_in_any_way(monkeypatch, program, reason):
    monkeypatch.setattr(h5_process, "MAX_WAIT_S", 2.0 if "sleep" in program else 60.0)
    lookout = h5_process.Lookout(100)
    right = lookout._command
    lookout._command = [sys.executable, "-c", program]
    assert lookout.look(b"x" * 100_000, 1 << 20) == {"damaged": reason}
    lookout._command = right
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["a"] = np.zeros(10)
    assert lookout.look(buffer.getvalue(), 1 << 20) == {}
    assert "damaged" in lookout.look(b"no HDF5", 1 << 20)
    assert lookout.look(buffer.getvalue(), 1 << 20) == {}


def test_memory_that_many_references_to_one_text_stand_for(tmp_path, monkeypatch):
    """Each of 65,536 members of an array is the same text of a mebibyte."""
    text = "x" * (1 << 20)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        data = file.create_dataset("texts", (65_536,), h5py.string_dtype(), chunks=(65_536,))
        data[0] = text
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        place = file["texts"].id.get_chunk_info(0)
        chunk = bytearray(file["texts"].id.read_direct_chunk((0,))[1])
        chunk[:] = chunk[:16] * 65_536
        file["texts"].id.write_direct_chunk((0,), bytes(chunk))
        assert place.size == len(chunk)
    with pytest.raises(UserError, match=r"m\.h5: not a HDF5 model file, or damaged \("):
        artefact.read(tmp_path / "m.h5")


@pytest.mark.parametrize("kind", [".keras", ".h5", ".onnx", ".tflite"])
def test_damaged_files(kind, tmp_path):
    result = fuzz(kind, 0, MUTATIONS, "--load-every", 25, "--at", tmp_path / "at")
    assert result.returncode == 0, f"mutation {(tmp_path / 'at').read_text()}: {result.stderr[-2000:]}"
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["refused"] > 0
    assert found["peak_bytes"] < 1e9
