"""The protocol of the serial link, read from ``messages.yaml``: structures of the wire for Python and for C.

Fields are only ever appended, marked with the version that has them first, so that a host speaks with older images
(docs/compatibility.md).
"""

import functools
import struct
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

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


#: The values of a packet by the fields' names: numbers, text, tuples of numbers, an array as the tail.
Values = dict[str, Any]


@dataclass(frozen=True)
class Member:
    """One value of an enumeration."""

    name: str
    value: int
    text: str


@dataclass(frozen=True)
class Enumeration:
    """Named values of fields; of `flags` a field holds a sum."""

    name: str
    text: str
    values: tuple[Member, ...]
    flags: bool = False

    def __getitem__(self, name: str) -> int:
        return next(member.value for member in self.values if member.name == name)

    def named(self, value: int) -> str | None:
        """Return the name of a value, None for one that isn't known."""
        return next((member.name for member in self.values if member.value == value), None)


@dataclass(frozen=True)
class Field:
    """One field: `count` values of `type` (a key of `TYPES`), `since` the first version of the protocol that has it."""

    name: str
    type: str
    text: str
    count: int = 1
    enum: str | None = None
    since: int = 0

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

    def at(self, version: int) -> "Body":
        """Return what a version of the protocol has of it."""
        return replace(self, fields=tuple(field for field in self.fields if field.since <= version))

    def pack(self, tail: bytes = b"", **values: Any) -> bytes:
        """Return the bytes of a body; every field must be given."""
        if sorted(values) != sorted(f.name for f in self.fields):
            raise TypeError(f"fields are {[f.name for f in self.fields]}, not {sorted(values)}")
        flat: list[Any] = []
        for field in self.fields:
            value = values[field.name]
            flat.extend(value if field.count > 1 and field.type != "char" else [value])
        return struct.pack(self.format, *flat) + tail

    def unpack(self, data: bytes) -> Values:
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
        values: Values = {}
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
    """The whole of ``messages.yaml``.

    Attributes
    ----------
    protocol_version, oldest_version : int
        The version that it describes, and the oldest one of an image that a host of this version still speaks with.
    """

    protocol_version: int
    oldest_version: int
    max_payload: int
    reply_bit: int
    header: Body
    messages: tuple[Message, ...]
    events: tuple[Event, ...] = ()
    enums: tuple[Enumeration, ...] = ()

    def __getitem__(self, name: str) -> Message:
        return next(m for m in self.messages if m.name == name)

    def enum(self, name: str) -> Enumeration:
        """Return the enumeration of that name."""
        return next(e for e in self.enums if e.name == name)

    def at(self, version: int) -> "Protocol":
        """Return the protocol as an image of an older version speaks it: without the fields that came later."""
        return replace(
            self,
            protocol_version=version,
            messages=tuple(replace(m, request=m.request.at(version), reply=m.reply.at(version)) for m in self.messages),
            events=tuple(replace(e, body=e.body.at(version)) for e in self.events),
        )


def _body(side: str, fields: list[dict[str, Any]], tail: dict[str, Any] | None, newest: int) -> Body:
    body = Body(side, tuple(Field(**f) for f in fields), Field(**tail) if tail else None)
    versions = [field.since for field in body.fields]
    if versions != sorted(versions) or any(since > newest for since in versions):
        raise ValueError(f"messages.yaml: fields of a {side} in the order of versions {versions}: a field is appended")
    for version in {*versions, newest}:
        _check_alignment(body.at(version))
    return body


def _check_alignment(body: Body) -> None:
    offset = 0
    for field in (*body.fields, *([body.tail] if body.tail else [])):
        if offset % (field.size // field.count):
            raise ValueError(
                f"messages.yaml: {body.side} field '{field.name}' stands at byte {offset}: not its own multiple"
            )
        offset += field.size
    if body.fields and body.size % max(f.size // f.count for f in body.fields):
        raise ValueError(f"messages.yaml: a {body.side} of {body.size} bytes ends in padding")


def _enumeration(raw: dict[str, Any]) -> Enumeration:
    found = Enumeration(raw["name"], raw["text"], tuple(Member(**v) for v in raw["values"]), raw.get("flags", False))
    numbers = [member.value for member in found.values]
    if len({*numbers}) != len(numbers) or len({member.name for member in found.values}) != len(numbers):
        raise ValueError(f"messages.yaml: enumeration '{found.name}': not unique: {numbers}")
    if found.flags and any(value <= 0 or value & (value - 1) for value in numbers):
        raise ValueError(f"messages.yaml: enumeration '{found.name}': flags are single bits, not {numbers}")
    return found


def parse(text: str) -> Protocol:
    """Build the protocol from the YAML text.

    Raises
    ------
    ValueError
        When a field isn't aligned to its size, a structure would need padding, a field of a later version doesn't stand
        behind the earlier ones, an enumeration isn't there, or two messages share a name or a code.
    """
    raw = yaml.safe_load(text)
    newest = raw["protocol_version"]
    enums = tuple(_enumeration(e) for e in raw.get("enums", ()))
    messages = tuple(
        Message(
            m["name"],
            m["code"],
            m["text"],
            _body("request", m["request"], m.get("request_tail"), newest),
            _body("reply", m["reply"], m.get("reply_tail"), newest),
        )
        for m in raw["messages"]
    )
    events = tuple(
        Event(e["name"], e["code"], e["text"], _body("event", e["body"], e.get("body_tail"), newest))
        for e in raw.get("events", ())
    )
    codes = [m.code for m in messages] + [e.code for e in events]
    for values in ([m.name for m in messages], codes, [e.name for e in events]):
        if len(set(values)) != len(values):
            raise ValueError(f"messages.yaml: not unique: {values}")
    if any(not 0 < code < raw["reply_bit"] for code in codes):
        raise ValueError("messages.yaml: a code must lie between 1 and the reply bit")
    header = _body("header", raw["header"], None, newest)
    for body in (header, *(b for m in messages for b in (m.request, m.reply)), *(e.body for e in events)):
        for field in body.fields:
            if field.enum is not None and field.enum not in [e.name for e in enums]:
                raise ValueError(f"messages.yaml: field '{field.name}': no enumeration '{field.enum}'")
    return Protocol(
        newest, raw.get("oldest_version", newest), raw["max_payload"], raw["reply_bit"], header, messages, events, enums
    )


@functools.cache
def protocol() -> Protocol:
    """Return the protocol of this version of pyaed."""
    return parse(resources.files("pyaed.link").joinpath("messages.yaml").read_text(encoding="utf-8"))
