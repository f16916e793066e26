"""What a protobuf file will take in memory, counted in its bytes before anything is parsed.

A parser makes an object of 100 bytes and more of every two bytes that announce an empty message, and 8 bytes of every
number that takes one: a small file can take all memory. Here the fields are only counted.
"""

from pyaed.errors import UserError

MAX_FIELDS = 1 << 19  # of all messages together
MAX_NUMBERS = 1 << 28  # bytes that packed numbers take once they are unpacked
MAX_DEPTH = 16  # messages within messages

_REFUSED = "refused"
#: Message -> its fields that are messages, by the names of onnx.proto; what no detector needs is refused.
_MESSAGES: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 8: "OperatorSetIdProto", 14: "Entry", 20: _REFUSED, 25: _REFUSED, 26: _REFUSED},
    "GraphProto": {
        1: "NodeProto", 5: "TensorProto", 11: "ValueInfoProto", 12: "ValueInfoProto", 13: "ValueInfoProto",
        14: "TensorAnnotation", 15: _REFUSED, 16: "Entry",
    },
    "NodeProto": {5: "AttributeProto", 9: "Entry", 10: _REFUSED},
    "AttributeProto": {
        5: "TensorProto", 6: "GraphProto", 10: "TensorProto", 11: "GraphProto", 14: "TypeProto", 15: "TypeProto",
        22: _REFUSED, 23: _REFUSED,
    },
    "TensorProto": {3: "Segment", 13: "Entry", 16: "Entry"},
    "TensorAnnotation": {2: "Entry"},
    "ValueInfoProto": {2: "TypeProto", 4: "Entry"},
    "TypeProto": {1: "TensorType", 4: "ElementType", 5: "MapType", 7: _REFUSED, 8: "TensorType", 9: "ElementType"},
    "TensorType": {2: "TensorShapeProto"},
    "ElementType": {1: "TypeProto"},
    "MapType": {2: "TypeProto"},
    "TensorShapeProto": {1: "Dimension"},
}  # fmt: skip
#: Fields that are texts; where they are no UTF-8, the parser would give bytes.
_TEXTS = {
    "ModelProto": (2, 3, 4, 6), "OperatorSetIdProto": (1,), "Entry": (1, 2), "GraphProto": (2, 10),
    "NodeProto": (1, 2, 3, 4, 6, 7, 8), "AttributeProto": (1, 13, 21), "TensorProto": (8, 12), "TensorAnnotation": (1,),
    "ValueInfoProto": (1, 3), "TypeProto": (6,), "Dimension": (2, 3),
}  # fmt: skip
#: Fields of packed numbers of any length.
_NUMBERS = {"TensorProto": (1, 5, 7, 11), "AttributeProto": (8,)}


def check(content: bytes, name: str) -> None:
    """Refuse an ONNX file whose parsing would take too much memory, or that is no protobuf message.

    Parameters
    ----------
    content : bytes
    name : str
        The file, for messages.

    Raises
    ------
    UserError
        More than `MAX_FIELDS` fields, `MAX_NUMBERS` bytes of numbers or `MAX_DEPTH` levels, or broken off.
    """
    fields = numbers = 0
    pending = [("ModelProto", 0, len(content), 0)]
    while pending:
        message, at, end, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise UserError(f"{name}: its messages are nested more than {MAX_DEPTH} deep, which no model needs")
        inner, packed, texts = _MESSAGES.get(message, {}), _NUMBERS.get(message, ()), _TEXTS.get(message, ())
        while at < end:
            fields += 1
            if fields > MAX_FIELDS:
                raise UserError(f"{name}: more than {MAX_FIELDS} nodes, names and sizes, which no model needs")
            key, at = _varint(content, at, end, name)
            number, kind = key >> 3, key & 7
            if kind == 0:
                _, at = _varint(content, at, end, name)
            elif kind in (1, 5):
                at += 8 if kind == 1 else 4
            elif kind == 2:
                length, at = _varint(content, at, end, name)
                if length > end - at:
                    raise broken(name)
                if number in packed:
                    numbers += 8 * length
                    if numbers > MAX_NUMBERS:
                        raise UserError(f"{name}: its numbers take more than {MAX_NUMBERS} bytes")
                elif number in texts:
                    try:
                        content[at : at + length].decode()
                    except UnicodeDecodeError:
                        raise broken(name) from None
                elif number in inner:
                    if inner[number] == _REFUSED:
                        raise UserError(
                            f"{name}: field {number} of its {message}: functions, training graphs, sparse tensors and "
                            "devices are not supported; expected a plain graph for inference"
                        )
                    pending.append((inner[number], at, at + length, depth + 1))
                at += length
            else:
                raise broken(name)
        if at != end:
            raise broken(name)


def _varint(content: bytes, at: int, end: int, name: str) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise broken(name)


def broken(name: str) -> UserError:
    """Return the message for a file that is no ONNX model."""
    return UserError(f"{name}: not an ONNX model, or damaged")
