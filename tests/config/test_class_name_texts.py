"""Class names are text however they are written, and the garbage class excludes the unknown threshold."""

import pytest
import yaml

from pyaed.config import load
from pyaed.errors import UserError

NAMES = "[None, 010, 1.50, 0x10, 1_000, 12:30, 2024-01-31, '007', \"None\", 'nan']"
TEXTS = ["None", "010", "1.50", "0x10", "1_000", "12:30", "2024-01-31", "007", "None", "nan"]


@pytest.mark.parametrize("section", ["dataset", "general"])
def test_class_names_are_text(tmp_path, section):
    path = tmp_path / "a.yaml"
    path.write_text(f"{section}: {{class_names: {NAMES}}}\n")
    assert load(path).dataset.class_names == TEXTS
    path.write_text(f"{section}:\n  class_names:\n    - None\n    - 010\n    - 'dog'\n")
    assert load(path).dataset.class_names == ["None", "010", "dog"]


@pytest.mark.parametrize("sign", ["", "+", "++"])
def test_class_names_of_an_override_are_text(sign):
    assert load(None, [f"{sign}dataset.class_names={NAMES}"]).dataset.class_names == TEXTS


@pytest.mark.parametrize("text", ["None", "", "~", "null"])
def test_no_class_names(text):
    assert load(None, [f"dataset.class_names={text}"]).dataset.class_names is None


@pytest.mark.parametrize("text", ["[~, dog]", "[null, dog]", "['', dog]", "[dog, ]x", "[yes, dog]"])
def test_what_is_no_name_is_refused(text):
    with pytest.raises(UserError, match=r"dataset\.class_names"):
        load(None, [f"dataset.class_names={text}"])


def test_a_resolved_configuration_reads_back_the_same(tmp_path):
    config = load(None, ["dataset.class_names=[None, 010, dog]"])
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True)))
    assert load(path).dataset.class_names == ["None", "010", "dog"]


def test_the_reported_file(shared):
    assert load(shared / "cases/12-class-named-none/c.yaml").dataset.class_names == ["None", "dog"]


def test_garbage_class_and_threshold_exclude_each_other(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("dataset: {use_garbage_class: True}\ndeployment: {unknown_class_threshold: 0.4}\n")
    with pytest.raises(UserError) as error:
        load(path)
    assert "dataset.use_garbage_class: True and deployment.unknown_class_threshold: 0.4 exclude each other" in str(
        error.value
    )
    assert "set the threshold to 0 or use_garbage_class to False" in str(error.value)
    assert load(path, ["deployment.unknown_class_threshold=0"]).dataset.use_garbage_class
    assert load(path, ["dataset.use_garbage_class=False"]).deployment.unknown_class_threshold == 0.4
