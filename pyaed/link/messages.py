"""The protocol of the serial link, read from ``messages.yaml``: structures of the wire for Python and for C."""

import functools
import struct
from dataclasses import dataclass
from importlib import resources

import numpy as np
import yaml

#: type in the file -> (format of `struct`, C type, NumPy type)
TYPES = {
    "u8": ("B", "uint8_t", "u1"),
    "u16": ("H", "uint16_t", "<u2"),
    "u32": ("I", "uint32_t", "<u4"),
    "i8": ("b", "int8_t", "i1"),
    "i16": ("h", "int16_t", "<i2"),
    "i32": ("i", "int32_t", "<i4"),
    "f32": ("f", "float", "<f4"),
    "char": ("s", "char", "u1"),
}


@dataclass(frozen=True)
class Field:
    """One field: `count` values of `type` (a key of `TYPES`)."""

    name: str
    type: str
    text: str
    count: int = 1

    @property
    def size(self) -> int:
        return struct.calcsize("<" + TYPES[self.type][0]) * self.count

    @property
    def format(self) -> str:
        letter = TYPES[self.type][0]
        return f"{self.count}{letter}" if self.count > 1 or letter == "s" else letter

    @property
    def c_type(self) -> str:
        return TYPES[self.type][1]


@dataclass(frozen=True)
class Body:
    """Fixed fields, then the array `tail` (or None) that fills the rest."""

    side: str
    fields: tuple[Field, ...]
    tail: Field | None = None

    @property
    def format(self) -> str:
        return "<" + "".join(f.format for f in self.fields)

    @property
    def size(self) -> int:
        return struct.calcsize(self.format)

    @property
    def tail_size(self) -> int:
        return self.tail.size if self.tail else 0

    def pack(self, tail: bytes = b"", **values) -> bytes:
        """Return the bytes of a body; every field must be given."""
        if sorted(values) != sorted(f.name for f in self.fields):
            raise TypeError(f"fields are {[f.name for f in self.fields]}, not {sorted(values)}")
        flat = []
        for field in self.fields:
            value = values[field.name]
            flat.extend(value if field.count > 1 and field.type != "char" else [value])
        return struct.pack(self.format, *flat) + tail

    def unpack(self, data: bytes) -> dict:
        """Return the values by name; the tail as an array under its own name.

        Raises
        ------
        ValueError
            When the length doesn't fit the protocol, or a text isn't UTF-8.
        """
        extra = len(data) - self.size
        if extra < 0 or (extra and not self.tail) or (self.tail and extra % self.tail.size):
            raise ValueError(
                f"{len(data)} bytes where the protocol has {self.size}{' and a tail' if self.tail else ''}"
            )
        flat = list(struct.unpack_from(self.format, data))
        values = {}
        for field in self.fields:
            if field.type == "char":
                values[field.name] = flat.pop(0).rstrip(b"\0").decode()
            elif field.count > 1:
                values[field.name], flat = tuple(flat[: field.count]), flat[field.count :]
            else:
                values[field.name] = flat.pop(0)
        if self.tail:
            values[self.tail.name] = np.frombuffer(data, TYPES[self.tail.type][2], offset=self.size)
        return values


@dataclass(frozen=True)
class Message:
    """One request and its reply."""

    name: str
    code: int
    text: str
    request: Body
    reply: Body


@dataclass(frozen=True)
class Event:
    """What the device sends unsolicited."""

    name: str
    code: int
    text: str
    body: Body


@dataclass(frozen=True)
class Protocol:
    """The whole of ``messages.yaml``."""

    protocol_version: int
    max_payload: int
    reply_bit: int
    header: Body
    messages: tuple[Message, ...]
    events: tuple[Event, ...] = ()

    def __getitem__(self, name: str) -> Message:
        return next(m for m in self.messages if m.name == name)


def _body(side: str, fields: list, tail: dict | None) -> Body:
    body = Body(side, tuple(Field(**f) for f in fields), Field(**tail) if tail else None)
    offset = 0
    for field in (*body.fields, *([body.tail] if body.tail else [])):
        if offset % (field.size // field.count):
            raise ValueError(
                f"messages.yaml: {side} field '{field.name}' stands at byte {offset}: not its own multiple"
            )
        offset += field.size
    if body.fields and body.size % max(f.size // f.count for f in body.fields):
        raise ValueError(f"messages.yaml: a {side} of {body.size} bytes ends in padding")
    return body


def parse(text: str) -> Protocol:
    """Build the protocol from the YAML text.

    Raises
    ------
    ValueError
        When a field isn't aligned to its size, a structure would need padding, or two messages share a name or a code.
    """
    raw = yaml.safe_load(text)
    messages = tuple(
        Message(
            m["name"],
            m["code"],
            m["text"],
            _body("request", m["request"], m.get("request_tail")),
            _body("reply", m["reply"], m.get("reply_tail")),
        )
        for m in raw["messages"]
    )
    events = tuple(
        Event(e["name"], e["code"], e["text"], _body("event", e["body"], e.get("body_tail")))
        for e in raw.get("events", ())
    )
    for values in ([m.name for m in messages], [m.code for m in (*messages, *events)], [e.name for e in events]):
        if len(set(values)) != len(values):
            raise ValueError(f"messages.yaml: not unique: {values}")
    if any(not 0 < m.code < raw["reply_bit"] for m in (*messages, *events)):
        raise ValueError("messages.yaml: a code must lie between 1 and the reply bit")
    header = _body("header", raw["header"], None)
    return Protocol(raw["protocol_version"], raw["max_payload"], raw["reply_bit"], header, messages, events)


@functools.cache
def protocol() -> Protocol:
    """Return the protocol of this version of pyaed."""
    return parse(resources.files("pyaed.link").joinpath("messages.yaml").read_text(encoding="utf-8"))
