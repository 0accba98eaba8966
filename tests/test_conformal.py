"""What n parts prove, against the theory of order statistics and against simulated draws."""

from fractions import Fraction

import numpy as np
import pytest

from goldenpair.metrics import above, cutoff_for_capture
from goldenpair.quality.conformal import bound, guarantee, needed, rank


@pytest.mark.parametrize(("risk", "defects"), [(0.05, 19), (0.02, 49), (0.01, 99), (0.001, 999), (0.0001, 9999)])
def test_defects_that_a_risk_needs(risk, defects):
    """The published table: n >= 1 / risk - 1."""
    assert needed(risk) == defects
    assert rank(defects, risk) == 1 and rank(defects - 1, risk) == 0


def test_the_best_claim_of_37_defects():
    assert bound(37, 0) == pytest.approx(1 / 38)
    assert bound(37, 1) == pytest.approx(2 / 38)


@pytest.mark.parametrize("risk", [0.3, 0.1, 0.05, 1 / 3, 0.07])
@pytest.mark.parametrize("n", [3, 19, 20, 99, 1000])
def test_the_rank_is_the_largest_that_keeps_the_risk(n, risk):
    k = rank(n, risk)
    near = Fraction(risk) + Fraction(1, 10**8)
    assert Fraction(k, n + 1) <= near < Fraction(k + 1, n + 1)


@pytest.mark.parametrize(("n", "risk"), [(19, 0.05), (37, 0.06), (60, 0.2)])
@pytest.mark.parametrize("draw", ["normal", "exponential", "cauchy"])
def test_coverage_is_that_of_the_theory_whatever_the_scores(n, risk, draw):
    """A cutoff just below the k-th lowest of n misses the next with a probability of k / (n + 1), exactly."""
    rng = np.random.default_rng(5)
    sample = {"normal": rng.standard_normal, "exponential": rng.standard_exponential, "cauchy": rng.standard_cauchy}
    scores = sample[draw]((20_000, n + 1)).astype(np.float32)
    k = rank(n, risk)
    cutoff = np.nextafter(np.sort(scores[:, :n], axis=1)[:, k - 1], np.float32(-np.inf))
    missed = (scores[:, n] <= cutoff).mean()
    assert k / (n + 1) <= risk
    assert missed == pytest.approx(k / (n + 1), abs=4 * np.sqrt(risk / 20_000))


def test_equal_scores_are_covered_too():
    """Coarse scores: the next defect is missed no more often than is said; that may be less often."""
    rng = np.random.default_rng(6)
    scores = rng.integers(0, 4, (20_000, 20)).astype(np.float32)
    cutoff = np.nextafter(np.sort(scores[:, :19], axis=1)[:, 1], np.float32(-np.inf))
    assert (scores[:, 19] <= cutoff).mean() < bound(19, 1)


def test_the_guarantee_of_a_capture_target_by_hand():
    defects = np.arange(1, 41, dtype=np.float32)  # 95 % of 40: two may pass
    cutoff = cutoff_for_capture(defects, np.ones(40, bool), 0.95)
    assert int((~above(defects, cutoff)).sum()) == 2
    found = guarantee("escape", 40, 2, 2)
    assert found.bound == pytest.approx(3 / 41) and found.holds
    assert str(found) == "escape: at most 7.32% for the next defect (2 of 40 defects here)"


def test_with_equal_scores_the_bound_is_that_of_what_was_allowed():
    """Two might have passed; because of equal scores none did, which nobody knew before."""
    assert guarantee("escape", 40, 0, 2).bound == pytest.approx(3 / 41)


def test_without_a_number_fixed_before_it_is_an_estimate():
    found = guarantee("false call", 9999, 1, None)
    assert not found.holds and found.bound == pytest.approx(2e-4)
    assert str(found) == "false call: estimated as 200 ppm for the next good part (1 of 9,999 good parts here)"
