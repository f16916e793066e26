"""Decisions and metrics against hand-made truths and scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from pyaed.evaluation import (
    UNKNOWN,
    average_precision,
    best_thresholds,
    class_scores,
    clip_decisions,
    confusion_matrix,
    mean_interval,
    wilson_interval,
)


def test_the_clip_with_the_larger_sum_wins_not_the_majority():
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4], [0.1, 0.9], [1.0, 0.0]])
    scores, decided = clip_decisions(probabilities, np.array([0, 0, 0, 1]), 2)
    assert decided.tolist() == [1, 0]
    np.testing.assert_allclose(scores, [[1.3 / 3, 1.7 / 3], [1, 0]])


def test_several_labels_hold_at_a_mean_of_one_half():
    probabilities = np.array([[0.5, 0.9, 0.1], [0.5, 0.0, 0.2]], np.float32)
    scores, decided = clip_decisions(probabilities, np.array([0, 0]), 1, multi_label=True)
    assert decided.tolist() == [[True, False, False]]
    assert scores.shape == (1, 3)
    probabilities[1, 1] = 0.2
    assert clip_decisions(probabilities, np.array([0, 0]), 1, True, 0.6).decided.tolist() == [[False] * 3]


def test_unknown_below_the_threshold():
    probabilities = np.array([[0.5, 0.5], [0.7, 0.3], [0.2, 0.8]])
    index = np.arange(3)
    assert clip_decisions(probabilities, index, 3, unknown_class_threshold=0.7).decided.tolist() == [UNKNOWN, 0, 1]
    assert clip_decisions(probabilities, index, 3).decided.tolist() == [0, 0, 1], "the first of two equals"


def test_a_clip_none_of_whose_patches_was_judged_is_unknown():
    scores, decided = clip_decisions(np.ones((2, 2)), np.array([0, 2]), 3)
    assert decided.tolist() == [0, UNKNOWN, 0]
    assert scores.tolist() == [[1, 1], [0, 0], [1, 1]]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=200))
def test_confusion_and_class_scores_equal_scikit_learn(pairs):
    truth, decided = np.array(pairs).T
    matrix = confusion_matrix(truth, decided, 4)
    np.testing.assert_array_equal(matrix, sk.confusion_matrix(truth, decided, labels=range(4)))
    rows = class_scores(matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0))
    expected = sk.precision_recall_fscore_support(truth, decided, labels=range(4), zero_division=np.nan)
    for key, values in zip(("precision", "recall", "f1", "support"), expected):
        np.testing.assert_allclose([row[key] for row in rows], values, err_msg=key)


def test_wilson_against_published_values():
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81/263, 15/148, 0/20, 1/29
    for right, total, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611),
                                    (1, 29, 0.0061, 0.1718)):  # fmt: skip
        p = wilson_interval(right, total)
        assert (round(p.low, 4), round(p.high, 4)) == (low, high)
        assert p.value == right / total


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_is_symmetric(case):
    right, total = case
    p, q = wilson_interval(right, total), wilson_interval(total - right, total)
    assert 0 <= p.low <= p.value <= p.high <= 1
    assert math.isclose(p.low, 1 - q.high, abs_tol=1e-12)


def test_a_proportion_in_words():
    assert str(wilson_interval(81, 263)) == "30.8 % (81 of 263; 95 % interval 25.5 to 36.6)"
    assert str(wilson_interval(0, 0)) == "nan % (0 of 0; 95 % interval 0.0 to 100.0)"


def test_wilson_without_trials():
    p = wilson_interval(0, 0)
    assert math.isnan(p.value)
    assert (p.low, p.high) == (0, 1)


@pytest.mark.parametrize("seed", range(8))
def test_average_precision_is_scikit_learns(seed):
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(seed)
    truth = rng.random(60) < 0.3
    scores = np.round(rng.random(60), 1 if seed % 2 else 8)
    assert average_precision(truth, scores) == pytest.approx(average_precision_score(truth, scores), abs=1e-12)
    assert np.isnan(average_precision(np.zeros(60, bool), scores))


def test_best_thresholds_separate_and_fall_back():
    truth = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]], bool)
    scores = np.array([[0.9, 0.10, 0.2], [0.3, 0.12, 0.9], [0.2, 0.14, 0.1], [0.1, 0.13, 0.4]])
    low, high, none = best_thresholds(truth, scores)
    assert 0.2 < low < 0.3
    assert high == pytest.approx(0.125)
    assert none == 0.5
    decided = clip_decisions(scores, np.arange(4), 4, multi_label=True, class_thresholds=[low, high, none]).decided
    np.testing.assert_array_equal(decided[:, :2], truth[:, :2])


def test_of_equal_thresholds_the_one_nearest_to_the_default_is_taken():
    # The first clip alone and all four have the same F1, 2/3; what lies between has less.
    truth = np.array([[1], [0], [0], [1]], bool)
    for scores, default, expected in (
        ([0.9, 0.6, 0.4, 0.2], 0.5, 0.75),
        ([0.98, 0.8, 0.45, 0.4], 0.5, 0.2),
        ([0.98, 0.8, 0.45, 0.4], 0.6, 0.89),
        ([0.9, 0.4, 0.3, 0.2], 0.5, 0.5),
    ):
        assert best_thresholds(truth, np.array(scores)[:, None], default) == [expected]


def test_mean_interval_is_students():
    found = mean_interval([0.9, 0.8, 0.85, 0.95, 0.9])
    assert found["mean"] == pytest.approx(0.88)
    assert found["high"] - found["mean"] == pytest.approx(2.776 * 0.0570088 / 5**0.5, abs=1e-5)
    assert found["mean"] - found["low"] == pytest.approx(found["high"] - found["mean"])
    assert found["std"] == pytest.approx(0.0570088, abs=1e-7)
    single = mean_interval([0.5])
    assert single["mean"] == 0.5
    assert all(np.isnan(single[key]) for key in ("std", "low", "high"))


def test_mean_interval_uses_the_quantile_of_its_degrees_of_freedom():
    from scipy import stats

    for n in range(2, 40):
        found = mean_interval([0.0, 1.0] + [0.5] * (n - 2))
        quantile = (found["high"] - found["mean"]) / found["std"] * n**0.5
        # From 22 values on the normal distribution stands for Student's.
        assert quantile == pytest.approx(stats.t.ppf(0.975, n - 1) if n <= 21 else stats.norm.ppf(0.975), abs=6e-4)


def test_average_precision_of_runs_of_equal_scores():
    truth, scores = np.array([1, 0, 1, 0, 1], bool), np.array([0.9, 0.9, 0.5, 0.5, 0.1])
    assert average_precision(truth, scores) == pytest.approx((1 / 2 + 2 / 4 + 3 / 5) / 3)
    assert average_precision(truth[:1], scores[:1]) == 1
    assert np.isnan(average_precision(truth[:0], scores[:0]))


def test_best_thresholds_hold_for_scores_that_all_count():
    scores = np.array([[0.2], [0.4]])
    assert best_thresholds(np.array([[True], [True]]), scores) == [0.1]
    assert best_thresholds(np.array([[True], [True]]), scores, default=0.15) == [0.15]
    assert best_thresholds(np.array([[False], [True]]), np.array([[0.1], [0.3333333]]), 0.9) == [0.216667]
