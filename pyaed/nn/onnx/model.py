"""An ``.onnx`` file as a checked model: known operators, fixed shapes, all data in memory.

The file is untrusted input: budgets are checked before it is parsed, and whatever is wrong ends as a UserError.
"""

import hashlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyaed.errors import UserError, nearest
from pyaed.files import atomic_path, read_bytes
from pyaed.nn.graph import MAX_BYTES, MAX_ELEMENTS, MAX_OPERATORS
from pyaed.nn.onnx import wire
from pyaed.nn.onnx.shapes import STANDARD, guarded, infer, opset, shown
from pyaed.text import first_line, printable

if TYPE_CHECKING:
    import onnx

AnyPath = str | os.PathLike[str]
#: ONNX's quantization operators, that onnxruntime keeps a second time in its own domain.
CONTRIBUTED = {"com.microsoft": ("QuantizeLinear", "DequantizeLinear")}
_QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "ConvInteger", "MatMulInteger")


@dataclass(frozen=True)
class OnnxModel:
    """A checked model.

    Attributes
    ----------
    source : str
        The file, for messages.
    hash : str
        Hex SHA-256 of the file.
    proto : onnx.ModelProto
        Its batch is 1 and all its data is in it.
    shapes : dict
        Fixed shape of every tensor, batch first.
    dtypes : dict
        numpy's name of every tensor's type.
    """

    source: str
    hash: str
    proto: "onnx.ModelProto"
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return printable(Path(self.source).stem)

    @property
    def inputs(self) -> list[str]:
        """Names of the inputs, without those that are constants."""
        constants = {tensor.name for tensor in self.proto.graph.initializer}
        return [value.name for value in self.proto.graph.input if value.name not in constants]

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs."""
        return [value.name for value in self.proto.graph.output]

    @property
    def quantized(self) -> bool:
        """Whether its operators compute with quantized numbers."""
        return _computes_quantized(self.proto)


def load(source: AnyPath) -> OnnxModel:
    """Read an ``.onnx`` file.

    Parameters
    ----------
    source : path

    Returns
    -------
    OnnxModel

    Raises
    ------
    UserError
        The file can't be read, is no ONNX model, is larger than its budget, has operators that are not ONNX's own, data
        outside of its folder, or a size that is not fixed (the batch may be free). The message names operator and tensor.
    """
    path = Path(source)
    proto, digest = parse(path)
    with guarded(str(path)):
        _check_operators(proto, str(path))
        _load_data(proto, path)
        _fix_batch(proto, str(path))
        shapes, dtypes = infer(proto, str(path))
    model = OnnxModel(str(path), digest, proto, shapes, dtypes)
    if not model.inputs or not model.outputs:
        raise UserError(f"{path}: a model without an {'output' if model.inputs else 'input'}")
    return model


def parse(path: Path) -> tuple["onnx.ModelProto", str]:
    """Return an ``.onnx`` file's message as it stands there, and the hex SHA-256 of the file."""
    onnx = import_onnx(str(path))
    from google.protobuf.message import DecodeError

    content = read_bytes(path, MAX_BYTES, "model")
    wire.check(content, str(path))
    try:
        proto = onnx.ModelProto.FromString(content)
    except DecodeError:
        raise wire.broken(str(path)) from None
    if not proto.HasField("graph") or not proto.graph.node or not proto.opset_import:
        raise wire.broken(str(path))
    return proto, hashlib.sha256(content).hexdigest()


def import_onnx(source: str) -> Any:
    """Return the package `onnx`; UserError where it isn't installed."""
    try:
        import onnx
    except ImportError:
        raise UserError(f"{source}: .onnx models need the extra 'onnx': pip install 'pyaed[onnx]'") from None
    return onnx


def read_metadata(path: AnyPath, key: str) -> bytes | None:
    """Return the text that an ``.onnx`` file has under `key` in its metadata_props, or None."""
    proto, _ = parse(Path(path))
    return next((entry.value.encode() for entry in proto.metadata_props if entry.key == key), None)


def write_metadata(path: AnyPath, key: str, text: str) -> None:
    """Put a text under `key` into an ``.onnx`` file; one that is there already is replaced."""
    proto, _ = parse(Path(path))
    set_metadata(proto, key, text)
    with atomic_path(path) as temporary:
        temporary.write_bytes(proto.SerializeToString())


def set_metadata(proto: "onnx.ModelProto", key: str, text: str) -> None:
    """Put a text under `key` into a model's metadata_props."""
    others = [(entry.key, entry.value) for entry in proto.metadata_props if entry.key != key]
    del proto.metadata_props[:]
    for name, value in [*others, (key, text)]:
        proto.metadata_props.add(key=name, value=value)


def is_quantized(path: AnyPath) -> bool:
    """Tell whether an ``.onnx`` file's model computes with quantized numbers, in whatever form."""
    return _computes_quantized(parse(Path(path))[0])


def _computes_quantized(proto: "onnx.ModelProto") -> bool:
    return any(node.op_type in _QUANTIZED or node.op_type.startswith("QLinear") for node in proto.graph.node)


def _check_operators(proto: "onnx.ModelProto", source: str) -> None:
    import onnx

    version, newest = opset(proto), onnx.defs.onnx_opset_version()
    if not 1 <= version <= newest:
        raise UserError(
            f"{source}: it uses version {version} of ONNX's operators (opset), the installed package onnx "
            f"{onnx.__version__} knows 1 to {newest}: update it, or export the model with another opset"
        )
    if len(proto.graph.node) > MAX_OPERATORS:
        raise UserError(f"{source}: {len(proto.graph.node)} operators; at most {MAX_OPERATORS} are read")
    made = {value.name for value in [*proto.graph.input, *proto.graph.initializer]}
    for node in proto.graph.node:
        if node.domain not in STANDARD and node.op_type not in CONTRIBUTED.get(node.domain, ()):
            raise UserError(
                f"{source}: {shown(node)}: a custom operator of '{printable(node.domain)}'; expected ONNX's own operators"
            )
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            raise UserError(f"{source}: {shown(node)}: control flow is not supported; expected a plain graph")
        for name in node.output:
            if name in made:
                raise UserError(f"{source}: {shown(node)}: '{printable(name[:200])}' has a value already")
            if name:
                made.add(name)
        if node.domain in STANDARD:
            try:
                onnx.defs.get_schema(node.op_type, version, "")
            except onnx.defs.SchemaError:
                known = {schema.name for schema in onnx.defs.get_all_schemas()}
                raise UserError(
                    f"{source}: {shown(node)}: no operator of opset {version}{nearest(node.op_type, known)}"
                ) from None


def _tensors(proto: "onnx.ModelProto") -> Iterator["onnx.TensorProto"]:
    """Every constant of a model."""
    yield from proto.graph.initializer
    for node in proto.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _load_data(proto: "onnx.ModelProto", path: Path) -> None:
    """Read the data that lies beside the file, and check that every tensor has as much as its shape says."""
    import onnx

    total = 0
    for tensor in _tensors(proto):
        name = f"{path}: tensor '{printable(tensor.name[:200])}'"
        size = math.prod(tensor.dims)
        if any(n < 0 for n in tensor.dims) or size > MAX_ELEMENTS:
            raise UserError(f"{name} has the shape {list(tensor.dims)[:8]}; at most {MAX_ELEMENTS} values are read")
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            tensor.raw_data = _external(tensor, path, name, MAX_BYTES - total)
            total += len(tensor.raw_data)
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")
        try:
            if onnx.numpy_helper.to_array(tensor).size != size:
                raise ValueError(f"not {size} values")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(f"{name} is damaged ({first_line(error)})") from None


def _external(tensor: "onnx.TensorProto", path: Path, name: str, budget: int) -> bytes:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    folder = path.parent.resolve()
    location = entries.get("location", "")
    try:
        file = (folder / location).resolve()
        outside = not location or not file.is_relative_to(folder)
    except (OSError, ValueError):
        outside = True
    if outside:
        raise UserError(
            f"{name} has its data in '{printable(location[:200])}', outside of the model's folder; expected a file beside it"
        )
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", -1))
        stored = file.stat().st_size
        if length == -1:
            length = stored - offset
        if not (file.is_file() and offset >= 0 and 0 <= length <= stored - offset):
            raise ValueError
    except (ValueError, OSError):
        raise UserError(
            f"{name} has its data in '{printable(location[:200])}', which is not there or too short"
        ) from None
    if length > budget:
        raise UserError(f"{name}: data beside the model of more than {MAX_BYTES} bytes")
    with open(file, "rb") as opened:
        opened.seek(offset)
        return opened.read(length)


def _fix_batch(proto: "onnx.ModelProto", source: str) -> None:
    """Set a free batch to 1; refuse every other free size of an input."""
    constants = {tensor.name for tensor in proto.graph.initializer}
    for value in proto.graph.input:
        if value.name in constants:
            continue
        name = f"{source}: input '{printable(value.name[:200])}'"
        if not value.type.HasField("tensor_type") or not value.type.tensor_type.HasField("shape"):
            raise UserError(f"{name} is no tensor with a known number of dimensions")
        sizes = value.type.tensor_type.shape.dim
        for position, size in enumerate(sizes):
            free = size.WhichOneof("value") != "dim_value"
            if free and position > 0:
                raise UserError(
                    f"{name} has the dynamic size {printable(size.dim_param[:80]) or position}; expected fixed sizes: export "
                    "the model with them (the batch, which comes first, may be free)"
                )
            if position == 0 and not free and size.dim_value not in (1, -1, 0):
                raise UserError(f"{name} takes batches of {size.dim_value}; expected 1 or a free batch")
            if position > 0 and not 1 <= size.dim_value <= MAX_ELEMENTS:
                raise UserError(f"{name} has a size of {size.dim_value}")
        if sizes:
            sizes[0].dim_value = 1
