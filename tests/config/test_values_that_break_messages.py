"""Values that no message can show as they are: one short message all the same, in little time."""

import pytest

from pyaed import config
from pyaed.errors import UserError, brief
from pyaed.training.expressions import MAX_DEPTH, compile_lambda

DIGITS = "9" * 6000
DEEP = ".".join(["a"] * 3000)

OVERRIDES = {
    "digits": (f"training.epochs={DIGITS}", "epochs"),
    "digits in base 16": ("training.epochs=0x" + "f" * 6000, "epochs"),
    "digits in a list": (f"dataset.test_folds=[{DIGITS}]", "not valid YAML"),
    "digits as a key": (f"training.optimizer={{{DIGITS}: 1}}", "not valid YAML"),
    "digits in a tuple": (f"training.model.input_shape=({DIGITS})", "input_shape"),
    "more than 64 bits": ("general.global_seed=9223372036854775808", "global_seed"),
    "NUL in a path": ("general.model_path=a\0b", "NUL"),
    "half a character in a path": ("general.model_path=\ud800", "can't hold the character"),
    "NUL in a time": ("hydra.run.dir=${now:\0}", "not a form of the time"),
    "NUL in a variable": ("general.model_path=${oc.env:A\0B}", "not set"),
    "deep key": (f"{DEEP}=1", "3000 parts, expected at most"),
    "deep new key": (f"++{DEEP}=1", "3000 parts, expected at most"),
    "deep key to remove": (f"~{DEEP}", "3000 parts, expected at most"),
    "long key": ("training." + "x" * 100_000 + "=1", "unknown key"),
    "deep value": ("training.optimizer=" + "{a: " * 500 + "}" * 500, "not valid YAML"),
}


@pytest.mark.parametrize("name", OVERRIDES)
def test_override(name):
    override, part = OVERRIDES[name]
    with pytest.raises(UserError) as error:
        config.load(None, [override], "training")
    assert part in str(error.value)
    assert max(map(len, str(error.value).split("\n"))) < 1500


FILES = {
    "digits": (f"training:\n  epochs: {DIGITS}\n", "line 2, column 11: a number of 6000 characters"),
    "digits in base 60": ("training:\n  epochs: " + "1:" * 2500 + "1\n", "line 2, column 11: a number of 5001 characters"),
    "NUL in a path": ('general:\n  model_path: "a\\0b"\n', "line 2: general.model_path: a path can't hold the character NUL"),
    "NUL in a time": ('hydra:\n  run:\n    dir: "${now:\\0}"\n', "line 3: hydra.run.dir: ${now:"),
    "a time that isn't": ("general: {project_name: 2001-12-14t21:59:43.10-99:00}\n", "not valid YAML"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_file(tmp_path, name):
    text, part = FILES[name]
    (tmp_path / "user.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        config.load(tmp_path / "user.yaml", [], "training")
    assert part in str(error.value)
    assert "sys.set" not in str(error.value)
    assert max(map(len, str(error.value).split("\n"))) < 1500


def test_a_path_of_raw_bytes_is_a_path():
    loaded = config.load(None, ["general.model_path=caf\udce9.keras"])
    assert loaded.general.model_path == "caf\udce9.keras"


def test_brief():
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    assert brief(10**5000) == "a number of more than 4300 digits"
    assert brief(nested) == "a value that is nested too deeply"
    assert brief("x" * 10_000).endswith("(10002 characters)")
    assert brief({"a": 1}) == "{'a': 1}"


@pytest.mark.parametrize("text", ["-" * 900 + "lr", "(" * 150 + "lr" + "+1)" * 150, "abs(" * 150 + "lr" + ")" * 150])
def test_a_formula_that_is_nested_deeply(text):
    with pytest.raises(UserError, match=r"nested more than|is not a formula"):
        compile_lambda(f"lambda epoch, lr: {text}")


def test_a_formula_as_deep_as_allowed_is_computed_with_little_stack_left():
    formula = compile_lambda("lambda epoch, lr: " + "-" * ((MAX_DEPTH - 2) // 2) + "lr")

    def deeper(n: int) -> float:
        return deeper(n - 1) if n else formula(0, 2.0)

    assert abs(deeper(800 - 2 * MAX_DEPTH)) == 2.0
