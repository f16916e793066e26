"""Where each kind of model file keeps what it carries: the metadata, and where a training stands.

``.keras``: the zip members ``pyaed.json`` and ``pyaed_training.json``; ``.h5``: the root attribute ``pyaed``; ``.tflite``: the
metadata buffer ``pyaed``; ``.onnx``: the key ``pyaed`` of its metadata_props.
"""

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyaed.artefact.containers import member, open_h5, open_zip, read_json
from pyaed.artefact.metadata import ModelMetadata
from pyaed.errors import UserError
from pyaed.files import atomic_path

NAME = "pyaed"
ZIP_MEMBER = f"{NAME}.json"
STATE_MEMBER = "pyaed_training.json"
MAX_BYTES = 1 << 20
#: How the kinds of model files begin: where, and with what.
_BEGINNINGS = {".keras": (0, b"PK\x03\x04"), ".h5": (0, b"\x89HDF"), ".tflite": (4, b"TFL3")}
MAX_STATE_BYTES = 16 << 20


def read(path: str | os.PathLike[str]) -> ModelMetadata | None:
    """Return the metadata of a ``.keras``, ``.h5``, ``.tflite`` or ``.onnx`` model, or None where it has none.

    Raises
    ------
    UserError
        File not found, of another kind, broken, or with metadata that can't be used.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"model file not found: {path}")
    readers = {".keras": _read_keras, ".h5": _read_h5, ".tflite": _read_tflite, ".onnx": _read_onnx}
    if path.suffix not in readers:
        raise UserError(f"{path}: not a model file, expected one of {', '.join(readers)}")
    check_kind(path)
    text = readers[path.suffix](path)
    return None if text is None else ModelMetadata.from_json(text, str(path))


def check_kind(path: Path) -> None:
    """Refuse a model file whose name ends as that of another kind, by how its content begins.

    Raises
    ------
    UserError
        With the kind that it is, where that is one of ours.
    """
    with open(path, "rb") as file:
        start = file.read(8)
    found = next((kind for kind, (at, magic) in _BEGINNINGS.items() if start[at : at + len(magic)] == magic), None)
    if found is not None and found != path.suffix.lower():
        raise UserError(
            f"{path}: it is a {found} file by its content, though its name ends with {path.suffix}: rename it to "
            f"{path.with_suffix(found).name}"
        )


def write(path: str | os.PathLike[str], metadata: ModelMetadata) -> None:
    """Put metadata into a saved ``.keras``, ``.h5``, ``.tflite`` or ``.onnx`` file; replaces what stands there."""
    path, text = Path(path), metadata.to_json()
    if path.suffix == ".h5":
        import h5py

        with h5py.File(path, "r+") as file:
            file.attrs[NAME] = text
    elif path.suffix == ".onnx":
        from pyaed.nn.onnx import write_metadata

        write_metadata(path, NAME, text)
    elif path.suffix == ".tflite":
        content = embed_tflite(path.read_bytes(), metadata)
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)
    else:
        _write_member(path, ZIP_MEMBER, text)


def embed_tflite(content: bytes, metadata: ModelMetadata) -> bytes:
    """Return a ``.tflite`` model with the metadata in its buffer ``pyaed``; one that is there already is replaced.

    Needs TensorFlow, whose object form of the schema can be written again.
    """
    import numpy as np
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(metadata.to_json().encode("utf-8"), dtype=np.uint8)
    name = NAME.encode()
    model.metadata = model.metadata or []
    for entry in model.metadata:
        if entry.name == name:
            model.buffers[entry.buffer] = buffer
            break
    else:
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, len(model.buffers)
        model.buffers.append(buffer)
        model.metadata.append(entry)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def write_state(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Put where a training stands into a ``.keras`` file, for `read_state`."""
    _write_member(Path(path), STATE_MEMBER, json.dumps(state))


def read_state(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return the training state that `write_state` put into a ``.keras`` file, None where there is none."""
    path = Path(path)
    if path.suffix.lower() != ".keras":
        return None
    text = _member(path, STATE_MEMBER, MAX_STATE_BYTES)
    if text is None:
        return None
    state = read_json(text, path, "training state")
    if not isinstance(state, dict):
        raise UserError(f"{path}: its training state is a {type(state).__name__}, expected an object")
    return state


def _write_member(path: Path, name: str, text: str) -> None:
    with atomic_path(path) as temporary, zipfile.ZipFile(path) as source, zipfile.ZipFile(temporary, "w") as target:
        for item in source.infolist():
            if item.filename != name:
                target.writestr(item, source.read(item))
        target.writestr(name, text)


def _member(path: Path, name: str, limit: int) -> str | None:
    """Return a text member of a zip archive, None where there is none; never more than `limit` bytes are unpacked."""
    with open_zip(path) as archive:
        data = member(archive, name, limit, path)
    return None if data is None else data.decode("utf-8", "replace")


def _read_keras(path: Path) -> str | None:
    return _member(path, ZIP_MEMBER, MAX_BYTES)


def _read_h5(path: Path) -> str | None:
    with open_h5(path, path) as file:
        text = file.attrs.get(NAME)
        if text is not None and not isinstance(text, (str, bytes)):
            raise UserError(f"{path}: its attribute '{NAME}' is no text")
    if text is not None and len(text) > MAX_BYTES:
        raise UserError(f"{path}: pyaed metadata of more than {MAX_BYTES} bytes")
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def _read_tflite(path: Path) -> str | None:
    from pyaed.nn import read_metadata_buffer

    return _text(path, read_metadata_buffer(path, NAME))


def _read_onnx(path: Path) -> str | None:
    from pyaed.nn.onnx import read_metadata

    return _text(path, read_metadata(path, NAME))


def _text(path: Path, data: bytes | None) -> str | None:
    if data is not None and len(data) > MAX_BYTES:
        raise UserError(f"{path}: pyaed metadata of more than {MAX_BYTES} bytes")
    return None if data is None else bytes(data).decode("utf-8", "replace")
