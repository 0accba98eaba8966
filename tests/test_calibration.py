"""Probabilities against hand-worked cases, scikit-learn, and scores whose probability is known."""

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

from goldenpair.quality.calibration import Calibration, calibrate, expected_error


def drawn(n, share, seed=0):
    """Scores whose probability of a defect is known: two normal classes make a logistic curve."""
    rng = np.random.default_rng(seed)
    defect = rng.random(n) < share
    score = rng.normal(np.where(defect, 2.0, 0.0), 1.0).astype(np.float32)
    return score, defect, 1 / (1 + np.exp(-(2 * score.astype(np.float64) - 2 + np.log(share / (1 - share)))))


# ECE


def test_ece_worked_by_hand():
    """Bins of two: |0.1 - 0| , |0.35 - 0.5|, |0.8 - 1|, each a third."""
    probability = np.array([0.05, 0.15, 0.3, 0.4, 0.7, 0.9])
    defect = np.array([0, 0, 1, 0, 1, 1], bool)
    assert expected_error(probability, defect, bins=3) == pytest.approx((0.1 + 0.15 + 0.2) / 3)


def test_ece_of_bins_that_are_not_equally_full():
    """Five parts in two bins: three and two, weighed by their number."""
    probability = np.array([0.1, 0.1, 0.4, 0.6, 0.8])
    defect = np.array([0, 1, 0, 1, 1], bool)
    first, second = abs(0.2 - 1 / 3), abs(0.7 - 1)
    assert expected_error(probability, defect, bins=2) == pytest.approx(0.6 * first + 0.4 * second)


def test_ece_does_not_depend_on_the_order_of_equal_probabilities():
    probability = np.full(10, 0.5)
    defect = np.arange(10) < 5
    shuffled = np.random.default_rng(0).permutation(defect)
    assert expected_error(probability, defect, 5) == expected_error(probability, shuffled, 5) == pytest.approx(0)


def test_ece_of_fewer_parts_than_bins():
    assert expected_error(np.array([0.25]), np.array([True])) == pytest.approx(0.75)


def test_true_probabilities_have_a_small_ece_and_wrong_ones_a_large_one():
    score, defect, truth = drawn(50_000, 0.2)
    assert expected_error(truth, defect) < 0.01
    assert expected_error(np.clip(truth + 0.2, 0, 1), defect) > 0.1
    del score


# curves


def test_few_defects_get_platts_curve():
    score, defect, _ = drawn(400, 0.1)
    found = calibrate(score, defect)
    assert found.method == "platt" and found.defects == defect.sum() and found.goods == (~defect).sum()
    high, low = (defect.sum() + 1) / (defect.sum() + 2), 1 / ((~defect).sum() + 2)
    target = np.where(defect, high, low)

    def loss(given):
        z = given[0] * score.astype(np.float64) + given[1]
        return np.logaddexp(0, z).sum() - (target * z).sum()

    slope, shift = minimize(loss, [1.0, 0.0]).x
    at = np.linspace(-3, 5, 50)
    assert found.of(at) == pytest.approx(1 / (1 + np.exp(-(slope * at + shift))), abs=1e-3)


def test_many_defects_get_the_isotonic_curve():
    score, defect, truth = drawn(20_000, 0.05)
    found = calibrate(score, defect)
    assert found.method == "isotonic"
    low, high = 1 / ((~defect).sum() + 2), 1 - 1 / (defect.sum() + 2)
    oracle = IsotonicRegression(y_min=low, y_max=high, out_of_bounds="clip").fit(score.astype(float), defect)
    assert found.of(score) == pytest.approx(oracle.predict(score.astype(float)), abs=1e-9)
    assert np.abs(found.of(score) - truth).mean() < 0.01
    assert 0 < found.of(np.array([-1e6]))[0] and found.of(np.array([1e6]))[0] < 1


@pytest.mark.parametrize(("n", "share"), [(300, 0.1), (5000, 0.1)])
def test_the_curve_holds_on_other_parts(n, share):
    score, defect, _ = drawn(n, share)
    other, truth, _ = drawn(20_000, share, seed=1)
    assert expected_error(calibrate(score, defect).of(other), truth) < 0.04


def test_classes_that_are_apart_have_a_curve_too():
    """An unregularised logistic curve would become a step."""
    score = np.array([0.1, 0.2, 0.3, 0.8, 0.9], np.float32)
    found = calibrate(score, score > 0.5)
    assert found.of(np.array([0.1]))[0] < 0.35 and found.of(np.array([0.9]))[0] > 0.65
    assert 0.2 < found.of(np.array([0.55]))[0] < 0.8


@pytest.mark.parametrize("n", [200, 4000])
def test_no_probabilities_where_higher_scores_mean_fewer_defects(n):
    score, defect, _ = drawn(n, 0.3)
    assert calibrate(-score, defect) is None


def test_no_probabilities_of_scores_that_are_all_the_same():
    assert calibrate(np.zeros(10, np.float32), np.arange(10) > 5) is None


def test_a_score_that_is_no_number_has_no_probability():
    score, defect, _ = drawn(300, 0.2)
    found = calibrate(score, defect).of(np.array([0.5, np.nan, np.inf, -np.inf], np.float32))
    assert np.isfinite(found).tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"score": [0.0]}, "1 scores but 2 probabilities"),
        ({"score": [1.0, 0.0]}, "scores must rise"),
        ({"score": [1.0, 1.0]}, "scores must rise"),
        ({"probability": [0.5, 0.1]}, "must not fall"),
        ({"probability": [0.5, 1.5]}, "between 0 and 1"),
        ({"probability": [float("nan"), 0.5]}, "finite"),
        ({"score": [], "probability": []}, "at least 1"),
    ],
)
def test_a_damaged_curve_is_refused(changes, told):
    whole = {"method": "platt", "score": [0.0, 1.0], "probability": [0.1, 0.9], "goods": 9, "defects": 1, "ece": 0.0}
    assert Calibration(**whole)
    with pytest.raises(ValidationError, match=told):
        Calibration(**whole | changes)
