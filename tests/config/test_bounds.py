"""A few bytes of YAML that stand for more than a machine holds end as one message, soon."""

import time

import pytest

from pyaed.config import document, load, override, variables
from pyaed.errors import UserError


def refuse(tmp_path, text: str, message: str) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(UserError, match=message) as caught:
        load(path)
    assert time.process_time() - began < 20
    assert len(str(caught.value)) < 30_000
    assert str(path) in str(caught.value)


def bomb(n: int) -> str:
    """Lists of ten aliases of lists of ten aliases ..."""
    levels = ["&a0 [x, x]"] + [f"&a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, n)]
    return "[" + ", ".join(levels) + "]"


CASES = {
    "bomb": (f"general: {bomb(12)}", "a YAML alias stands for too many"),
    "bomb as a key": (f"? {bomb(12)}\n: 1", "line 1: a sequence cannot be a key"),
    "mapping as a key": ("general: {{a: 1}: 2}", "line 1: a mapping cannot be a key"),
    "bomb of merges": (
        "a0: &a0 {x: 1}\n" + "\n".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, 9)),
        "a YAML alias stands for too many",
    ),
    "alias of itself": ("general: &a {x: *a}", "found undefined alias|nested too deeply|stands here"),
    "brackets": ("general: " + "[" * 50_000, "nested too deeply"),
    "braces": ("general: " + "{a: " * 50_000, "nested too deeply"),
    "questions": ("? " * 50_000, "nested too deeply"),
    "many keys": ("\n".join(f"k{i}: 1" for i in range(20_000)), "line 1000[01], column .*: more than 20000 values"),
    "many values": ("general: [" + "1," * 21_000 + "]", "more than 20000 values"),
    "a long file": ("general: {}\n" + "#" * document.MAX_BYTES, "has more than 262144 bytes"),
    "base-60": ("general: {global_seed: 1" + ":59" * 50_000 + "}", "line 1, column 24: a number of 150001 characters"),
    "digits": ("general: {global_seed: " + "9" * 5_000 + "}", "a number of 5000 characters, expected at most 64"),
    "hexadecimal": ("general: {global_seed: 0x" + "f" * 200_000 + "}", "a number of 200002 characters"),
    "a long key": ("general: {" + "k" * 1_000 + ": 1}", "line 1: a key of 1000 characters"),
    "variables": (
        'general: {project_name: "' + "${b}" * 3_000 + '"}\nb: "' + "${c}" * 3_000 + '"\nc: "' + "x" * 3_000 + '"',
        "general.project_name: .*its variables stand for more than 10000 characters",
    ),
    "variables that grow by and by": (
        "\n".join(f'v{i}: "{"${v" + str(i + 1) + "}"}{"${v" + str(i + 1) + "}"}"' for i in range(40)) + "\nv40: x",
        "its variables stand for more than|unknown key",
    ),
    "variables in all values": (
        f"b: {'x' * 9_000}\ndataset: {{class_names: [" + ", ".join(['"${b}"'] * 5_000) + "]}",
        r"dataset.class_names.\d+: .*its variables stand for more than",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_refused(tmp_path, case):
    refuse(tmp_path, *CASES[case])


def test_as_many_values_as_are_allowed(tmp_path):
    names = [f"class {i}" for i in range(1024)]
    path = tmp_path / "my.yaml"
    path.write_text(f"general: {{project_name: p}}\ndataset: {{class_names: {names}}}\n")
    assert load(path, mode="training").dataset.class_names == names


def test_values_of_overrides_are_bounded():
    for value in (bomb(12), "[" * 1_000, "[" + "1," * 21_000 + "]", "[" + "9" * 5_000 + "]"):
        with pytest.raises(UserError, match="the value is not valid YAML"):
            override({}, [f"general.project_name={value}"])


def test_only_so_many_mistakes_are_told(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text("\n".join(f"k{i}: 1" for i in range(5_000)))
    with pytest.raises(UserError) as caught:
        load(path)
    assert len(str(caught.value).splitlines()) == 100


def test_a_file_without_end():
    with pytest.raises(UserError, match="configuration file /dev/zero has more than 262144 bytes"):
        load("/dev/zero")


@pytest.mark.parametrize("name", ["laughkey.yaml", "expo.yaml"])
def test_files_that_were_sent(shared, name):
    with pytest.raises(UserError, match=r"a sequence cannot be a key|its variables stand for more than"):
        load(shared / "cases" / "17-hostile" / name)


def test_variables_within_the_bounds_are_replaced():
    tree = {"a": "x" * 4_000, "b": "${a}-${a}"}
    assert variables.Variables(tree).expand("${b}") == tree["a"] + "-" + tree["a"]
