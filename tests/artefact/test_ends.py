"""The check of a model's ends: which layout its input has, and by which rule its outputs become scores."""

import numpy as np
import pytest

from pyaed.artefact import Input, Scores, check_input, check_outputs
from pyaed.errors import UserError


@pytest.mark.parametrize(
    ("shape", "patch", "said", "expected"),
    [
        ((64, 96, 1), (64, 96), None, Input("mels_first")),
        ((64, 96), (64, 96), None, Input("mels_first")),
        ((96, 64), (64, 96), None, Input("frames_first")),
        ((1, 96, 64, 1), (64, 96), None, Input("frames_first")),
        ((None, 96, 1), (64, 96), None, Input("mels_first")),
        ((None, 64, 1), (64, 96), None, Input("frames_first")),
        ((32, 32, 1), (32, 32), None, Input("mels_first", assumed=True)),
        ((32, 32, 1), (32, 32), "frames_first", Input("frames_first")),
        ((1960,), (40, 49), None, Input("frames_first", assumed=True)),
        ((1960,), (40, 49), "mels_first", Input("mels_first")),
    ],
)
def test_layout(shape, patch, said, expected):
    assert check_input("m.tflite", [shape], patch, said) == expected


@pytest.mark.parametrize(
    ("shapes", "said", "message"),
    [
        ([(50, 40)], None, r"m\.tflite takes an input of \(50, 40\).*n_mels 40 x patch_length 49"),
        ([(1961,)], None, r"an input of \(1961\)"),
        ([(49, 40), (3,)], None, "2 inputs, expected one"),
        ([(49, 40)], "mels_first", "general.input_layout is mels_first.*which is frames_first"),
    ],
)
def test_an_input_that_does_not_fit(shapes, said, message):
    with pytest.raises(UserError, match=message):
        check_input("m.tflite", shapes, (40, 49), said)


def never():
    raise AssertionError("the activation says it already")


def answers(*rows):
    return lambda: np.array(rows)


@pytest.mark.parametrize(
    ("sizes", "activation", "names", "multi_label", "given", "expected"),
    [
        ([3], "softmax", "abc", False, never, Scores()),
        ([3], "sigmoid", "abc", True, never, Scores()),
        ([1], "sigmoid", "ab", False, never, Scores(two_classes=True)),
        ([1], "sigmoid", "a", True, never, Scores()),
        ([3], None, "abc", False, answers([0.2, 0.5, 0.3], [0, 0, 1]), Scores()),
        ([3], None, "abc", False, answers([0.2, 0.5, 0.3], [0, -1.4, 12]), Scores("softmax")),
        ([3], None, "abc", False, answers([0.2, 0.5, 0.3], [0.9, 0.9, 0.1]), Scores("softmax")),
        # Rounding of an int8 output: a hundredth of slack, and a level of 1/256 for each score of a sum.
        ([3], None, "abc", False, answers([0.5, 0.25, 0.25 + 0.01 + 3 / 256 - 1e-6]), Scores()),
        ([3], None, "abc", False, answers([0.5, 0.25, 0.25 + 0.01 + 3 / 256 + 1e-6]), Scores("softmax")),
        ([3], None, "abc", False, answers([0.5, 0.25, 0.25 - 0.01 - 3 / 256 + 1e-6]), Scores()),
        ([3], None, "abc", False, answers([0.5, 0.25, 0.25 - 0.01 - 3 / 256 - 1e-6]), Scores("softmax")),
        ([3], None, "abc", True, answers([-0.01, 1.01, 0.1]), Scores()),
        ([3], None, "abc", True, answers([-0.01001, 1.0, 0.1]), Scores("sigmoid")),
        ([3], None, "abc", True, answers([0.0, 1.01001, 0.1]), Scores("sigmoid")),
        ([3], None, "abc", True, answers([0.9, 0.9, 0.1]), Scores()),
        ([3], None, "abc", True, answers([0.9, 1.9, 0.1]), Scores("sigmoid")),
        ([1], None, "ab", False, answers([-3.0], [4.0]), Scores("sigmoid", two_classes=True)),
    ],
)
def test_rule_of_the_outputs(sizes, activation, names, multi_label, given, expected):
    assert check_outputs("m.keras", sizes, activation, names, multi_label, given) == expected


@pytest.mark.parametrize(
    ("sizes", "activation", "names", "given", "message"),
    [
        ([3], "softmax", "ab", never, "3 outputs, but there are 2 classes: a, b"),
        ([2], "softmax", "abc", never, "2 outputs, but there are 3 classes"),
        ([1], "softmax", "ab", never, "1 output, but there are 2 classes"),
        ([2, 2], None, "ab", never, "2 output tensors, expected one"),
        ([2], None, "ab", answers([np.nan, 1]), "not finite"),
    ],
)
def test_outputs_that_do_not_fit(sizes, activation, names, given, message):
    with pytest.raises(UserError, match=f"m.keras.*{message}"):
        check_outputs("m.keras", sizes, activation, names, False, given)


def test_scores_of_logits():
    np.testing.assert_allclose(Scores("softmax").apply([[0.0, np.log(3)], [1000, 0]]), [[0.25, 0.75], [1, 0]])
    np.testing.assert_allclose(Scores("sigmoid").apply([[0.0, np.log(3)], [-1000, 1000]]), [[0.5, 0.75], [0, 1]])
    np.testing.assert_allclose(Scores("sigmoid", True).apply([[np.log(3)]]), [[0.25, 0.75]])
    np.testing.assert_allclose(Scores(two_classes=True).apply([[0.1]]), [[0.9, 0.1]])
