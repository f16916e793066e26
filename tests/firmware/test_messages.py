"""The protocol: one YAML file, the same structures in C, in Python and in the documentation."""

import re
import subprocess

import pytest
from support import images

from pyaed.deploy import write_messages_header
from pyaed.link.messages import parse, protocol
from pyaed.sources import source_root

BAD = {
    "unaligned": "[{name: a, type: u8, text: x}, {name: b, type: u32, text: x}]",
    "padding": "[{name: a, type: u32, text: x}, {name: b, type: u8, text: x}]",
}


@pytest.mark.parametrize("compiler", ["gcc", "clang", "arm-none-eabi-gcc"])
def test_c_header_has_the_sizes_of_the_table(tmp_path, compiler):
    write_messages_header(tmp_path)
    bodies = [(m.name, b) for m in protocol().messages for b in (m.request, m.reply) if b.fields]
    bodies += [(e.name, e.body) for e in protocol().events]
    sizes = ", ".join(f"sizeof(aed_link_{name}_{body.side})" for name, body in bodies)
    source = tmp_path / "sizes.c"
    source.write_text(f'#include "aed_link_messages.h"\nconst unsigned sizes[] = {{{sizes}}};\n')
    flags = ["-std=c11", "-Wall", "-Wextra", "-Wpadded", "-Werror", "-c"]
    subprocess.run([compiler, *flags, str(source), "-o", str(tmp_path / "sizes.o")], check=True)


def test_fields_that_changed_places_do_not_compile(tmp_path):
    """Two fields of one size leave the structure's size alone: every field's own place is asserted."""
    text = write_messages_header(tmp_path).read_text()
    swapped = re.sub(r"(  uint32_t pc;.*\n)(  uint32_t lr;.*\n)", r"\2\1", text)
    assert swapped != text
    header, command = tmp_path / "aed_link_messages.h", ["gcc", "-std=c11", "-fsyntax-only", "-x", "c"]
    subprocess.run([*command, header], check=True)
    header.write_text(swapped)
    refused = subprocess.run([*command, header], capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "fault_event: pc moved" in refused.stderr


@pytest.mark.parametrize("case", BAD)
def test_a_table_that_would_need_padding_is_refused(case):
    text = f"""
protocol_version: 1
max_payload: 64
reply_bit: 128
header: [{{name: type, type: u8, text: x}}]
messages: [{{name: a, code: 1, text: x, request: {BAD[case]}, reply: []}}]
"""
    with pytest.raises(ValueError, match=r"multiple|padding"):
        parse(text)


@pytest.mark.parametrize("kind", ["messages", "events"])
def test_codes_leave_the_reply_bit_alone(kind):
    def with_code(code):
        entry = f"[{{name: a, code: {code}, text: x, request: [], reply: [], body: []}}]"
        lists = {"messages": "[]", **{kind: entry}}
        return "\n".join(
            ["protocol_version: 1", "max_payload: 64", "reply_bit: 64", "header: [{name: type, type: u8, text: x}]"]
            + [f"{name}: {value}" for name, value in lists.items()]
        )

    for code in (1, 63):
        assert getattr(parse(with_code(code)), kind)[0].code == code
    for code in (0, 64, 65):
        with pytest.raises(ValueError, match="between 1 and the reply bit"):
            parse(with_code(code))


def test_pack_and_unpack_are_inverse():
    for message in protocol().messages:
        for body in (message.request, message.reply):
            zero = body.unpack(bytes(body.size))
            values = {f.name: zero[f.name].encode() if f.type == "char" else zero[f.name] for f in body.fields}
            assert body.pack(**values) == bytes(body.size)
    with pytest.raises(ValueError, match="bytes where the protocol has"):
        protocol()["identify"].reply.unpack(bytes(7))


def test_documentation_states_the_table():
    text = (source_root() / "docs" / "link.md").read_text()
    assert f"version {protocol().protocol_version}" in text
    for message in (*protocol().messages, *protocol().events):
        section = re.search(rf"^### {message.code} `{message.name}`\n(.*?)(?=^##|\Z)", text, re.M | re.S)
        assert section, message.name
        for body in (message.body,) if hasattr(message, "body") else (message.request, message.reply):
            offset = 0
            for field in body.fields:
                count = f"[{field.count}]" if field.count > 1 else ""
                meaning = field.text + (f" (`{field.enum}`)" if field.enum else "")
                row = f"| {body.side} | {offset} | `{field.name}` | {field.type}{count} | {meaning} |"
                assert row in section[1], row
                offset += field.size
            if body.tail:
                row = f"| {body.side} | {offset} | `{body.tail.name}` | {body.tail.type}[...] | {body.tail.text} |"
                assert row in section[1], row

    for enum in protocol().enums:
        section = re.search(rf"^### `{enum.name}`\n(.*?)(?=^##|\Z)", text, re.M | re.S)
        assert section, enum.name
        for member in enum.values:
            assert f"| {member.value} | `{member.name}` | {member.text} |" in section[1]


OLDER = """
protocol_version: 5
oldest_version: 4
max_payload: 64
reply_bit: 128
enums: [{name: kind, text: x, values: [{name: a, value: 0, text: x}, {name: b, value: 1, text: x}]}]
header: [{name: type, type: u8, text: x}]
messages:
  - name: ask
    code: 1
    text: x
    request: [{name: a, type: u32, text: x}, {name: b, type: u32, since: 5, text: x}]
    reply: [{name: c, type: u32, enum: kind, text: x}, {name: d, type: u32, count: 2, since: 5, text: x}]
    reply_tail: {name: rest, type: u16, text: x}
"""


def test_an_older_image_has_fewer_fields():
    new = parse(OLDER)
    old = new.at(4)
    assert old.protocol_version == 4
    assert old["ask"].request.pack(a=7) == bytes([7, 0, 0, 0])
    assert new["ask"].request.pack(a=7, b=1) == bytes([7, 0, 0, 0, 1, 0, 0, 0])
    reply = bytes([1, 0, 0, 0, 2, 0])
    found = old["ask"].reply.unpack(reply)
    assert (found["c"], found["rest"].tolist()) == (1, [2])
    with pytest.raises(ValueError, match="bytes where the protocol has 12"):
        new["ask"].reply.unpack(reply)
    assert new.enum("kind")["b"] == 1
    assert new.enum("kind").named(1) == "b"
    assert new.enum("kind").named(2) is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("since: 5, text: x}]", "since: 6, text: x}]", "a field is appended"),
        ("{name: a, type: u32, text: x}, ", "{name: a, type: u32, since: 5, text: x}, ", None),
        (
            "type: u32, text: x}, {name: b, type: u32, since: 5",
            "type: u32, since: 5, text: x}, {name: b, type: u32",
            "a field is appended",
        ),
        ("name: c, type: u32", "name: c, type: u16", "multiple"),
        ("enum: kind", "enum: kinds", "no enumeration 'kinds'"),
        ("{name: b, value: 1", "{name: b, value: 0", "not unique"),
        ("text: x, values", "text: x, flags: true, values", "single bits"),
    ],
)
def test_changes_that_the_rules_forbid(old, new, message):
    assert old in OLDER
    text = OLDER.replace(old, new, 1)
    if message is None:
        parse(text)
        return
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_generated_sources_are_kept_apart():
    names = sorted(p.name for p in images.generated().iterdir() if p.is_file())
    assert [n for n in names if not n.endswith(".log")] == [
        "aed_detector_settings.c",
        "aed_detector_settings.h",
        "aed_engine_model.c",
        "aed_engine_model.h",
        "aed_features.c",
        "aed_features.h",
        "aed_identity.c",
        "aed_identity.h",
        "aed_link_messages.h",
        "aed_model.c",
        "aed_model.h",
        "plan.svg",
        "plan.txt",
    ]
