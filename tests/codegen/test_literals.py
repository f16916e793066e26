"""Literals are what a C compiler reads back to the same bits."""

import json
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyaed.codegen import c_comment, c_float, c_initializer, c_number, c_string
from pyaed.codegen.literals import C_TYPES

TEXTS = ["", "dog", 'do"g', "a\\n", "été", "犬 🐕", "??/", "%s\t\n", "\\", "a\u2028b", "7" * 50 + "é0"]
VALUES = {
    "int8": [-128, -1, 0, 127],
    "uint8": [0, 255],
    "uint16": [0, 65535],
    "int32": [-(1 << 31), -1, (1 << 31) - 1],
    "uint32": [0, (1 << 32) - 1],
    "float32": [0.0, -0.0, 1e-45, 3.4028235e38, 1 / 3, -1.1754944e-38],
    "float64": [0.0, 5e-324, 1.7976931348623157e308, 1 / 3],
}


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_a_compiler_reads_the_same_bits_back(tmp_path, compiler):
    lines = ["#include <stdint.h>", "#include <stdio.h>", "int main(void) {"]
    expected = b""
    for text in TEXTS:
        lines.append(f"  {{ static const char t[] = {c_string(text)}; fwrite(t, 1, sizeof t, stdout); }}")
        expected += text.encode() + b"\0"
    for name, values in VALUES.items():
        array = np.array(values, name)
        rows = "\n".join(c_initializer(array, 30))
        lines.append(
            f"  {{ static const {C_TYPES[name]} t[] = {{\n{rows}\n}}; fwrite(t, sizeof t[0], {array.size}, stdout); }}"
        )
        expected += array.tobytes()
    lines.append(f"  {{ static const float t[] = {c_number([1.5, np.float32(0.1)])}; fwrite(t, 4, 2, stdout); }}")
    expected += np.array([1.5, 0.1], np.float32).tobytes()
    (tmp_path / "t.c").write_text("\n".join([*lines, "  return 0;", "}"]) + "\n")
    flags = ["-std=c11", "-Wall", "-Wextra", "-Wtrigraphs", "-Werror", "-fexec-charset=ISO-8859-1"]
    flags = flags if compiler == "gcc" else flags[:-1]
    subprocess.run([compiler, *flags, str(tmp_path / "t.c"), "-o", str(tmp_path / "t")], check=True)
    assert subprocess.run([tmp_path / "t"], capture_output=True, check=True).stdout == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39])
def test_what_is_not_finite_has_no_literal(value):
    with pytest.raises(ValueError, match="has no float32 literal"):
        c_float(value)


@given(st.text())
def test_comments_stay_comments(text):
    safe = c_comment(text)
    assert "*/" not in safe
    assert "/*" not in safe
    assert safe.isascii()
    assert "\n" not in safe
    assert not safe.endswith("\\")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_strings_hold_no_character_of_the_compilers_charset(text):
    literal = c_string(text)
    assert literal.isascii()
    assert "?" not in literal
    # The octal escapes and plain characters give the bytes back.
    assert bytes(literal[1:-1], "ascii").decode("unicode_escape").encode("latin-1") == text.encode()


def test_rows_keep_to_their_width():
    rows = c_initializer(np.arange(1000, dtype=np.int32), 40)
    assert max(map(len, rows)) <= 40
    assert json.loads("[" + "".join(rows).rstrip(",") + "]") == list(range(1000))
