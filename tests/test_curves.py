"""Sweeps over all cutoffs against counting by hand, one cutoff at a time."""

import numpy as np
import pytest

from goldenpair.quality import fitting
from goldenpair.quality.policy import CostRule
from goldenpair.reporting.curves import break_even, cheapest, histogram, nearest, sweep


def drawn(parts=120, seed=0):
    random = np.random.default_rng(seed)
    is_defect = random.random(parts) < 0.2
    score = np.where(is_defect, random.normal(1, 0.5, parts), random.normal(0, 0.5, parts)).round(1).astype(np.float32)
    return score, is_defect


def test_every_point_is_what_counting_gives():
    score, is_defect = drawn()
    curve = sweep(score, is_defect)
    assert (curve.captured[0], curve.false_calls[0]) == (0, 0)
    assert len(curve.score) == len(set(score.tolist())) + 1
    for place in range(1, len(curve.score)):
        stopped = score >= curve.score[place]
        assert curve.captured[place] == (stopped & is_defect).sum()
        assert curve.false_calls[place] == (stopped & ~is_defect).sum()
    assert (curve.defects, curve.good) == (is_defect.sum(), (~is_defect).sum())
    assert curve.capture[-1] == curve.false_call_rate[-1] == 1


def test_no_parts():
    curve = sweep(np.zeros(0, np.float32), np.zeros(0, bool))
    assert len(curve.score) == 1 and curve.defects == curve.good == 0
    assert curve.cost(10).tolist() == [0]


def test_thinning_keeps_points_as_they_are_and_both_ends():
    random = np.random.default_rng(1)
    is_defect = random.random(50_000) < 0.01
    score = random.normal(is_defect, 1).astype(np.float32)
    curve = sweep(score, is_defect)
    thin = curve.thinned()
    assert len(curve.score) > 40_000 and len(thin.score) < 2000
    points = set(zip(curve.captured.tolist(), curve.false_calls.tolist(), curve.score.tolist(), strict=True))
    assert set(zip(thin.captured.tolist(), thin.false_calls.tolist(), thin.score.tolist(), strict=True)) <= points
    assert (thin.false_calls[0], thin.false_calls[-1]) == (0, curve.good)
    # no step of the curve is left out: at any share of false calls it is off by less than a thousandth
    at = np.geomspace(1, curve.good, 500)
    exact = curve.captured[np.searchsorted(curve.false_calls, at, side="right") - 1]
    near = thin.captured[np.searchsorted(thin.false_calls, at, side="right") - 1]
    assert np.abs(exact - near).max() <= 0.02 * curve.defects


def test_a_short_curve_is_not_thinned():
    curve = sweep(*drawn())
    assert curve.thinned() is curve


def test_cost_and_the_cheapest_cutoff():
    score = np.array([0.1, 0.2, 0.3, 0.4, 0.9], np.float32)
    is_defect = np.array([False, True, False, False, True])
    curve = sweep(score, is_defect)
    # just below 0.9, 0.4, 0.3, 0.2, 0.1; before them nothing is stopped
    np.testing.assert_allclose(curve.cost(10), [4000, 2000, 2200, 2400, 400, 600])
    assert curve.score[cheapest(curve, 10)] == np.float32(0.2)
    assert curve.score[cheapest(curve, 1.5)] == np.float32(0.9)


@pytest.mark.parametrize("ratio", [0.5, 1, 2, 3, 10])
@pytest.mark.parametrize("seed", range(5))
def test_of_equally_cheap_cutoffs_the_page_and_a_policy_take_the_one_with_the_fewest_escapes(ratio, seed):
    score, is_defect = drawn(seed=seed)
    values = np.unique(score)
    costs = {
        float(cutoff): ratio * (is_defect & (score <= cutoff)).sum() + (~is_defect & (score > cutoff)).sum()
        for cutoff in [values[0] - 1, *values]
    }
    least = min(costs.values())
    lowest = min(cutoff for cutoff, cost in costs.items() if cost == least)
    curve = sweep(score, is_defect)
    place = cheapest(curve, ratio)
    assert curve.score[place] == values[values > lowest].min(initial=curve.score[0])
    assert fitting.cheapest(CostRule(miss=ratio, false_call=1), score, is_defect)[0].low == pytest.approx(lowest, abs=1)


@pytest.mark.parametrize("seed", range(5))
def test_break_even_against_trying_many_ratios(seed):
    score, is_defect = drawn(seed=seed)
    curve = sweep(score, is_defect)
    ratios = np.geomspace(0.01, 1000, 300)
    for place in range(len(curve.score)):
        escapes, flags = int(curve.defects - curve.captured[place]), int(curve.false_calls[place])
        found = break_even(curve, escapes, flags)
        best = [ratio for ratio in ratios if curve.cost(ratio)[place] <= curve.cost(ratio).min() + 1e-9]
        inside = [ratio for ratio in ratios if found.low <= ratio <= found.high]
        assert len(best) == pytest.approx(len(inside), abs=1)
        if best:
            assert found.ever


def test_break_even_where_no_escape_is_left():
    score, is_defect = np.array([0, 1, 2], np.float32), np.array([False, False, True])
    found = break_even(sweep(score, is_defect), 0, 0)
    assert (found.low, found.high) == (0, np.inf) and found.ever
    assert not break_even(sweep(score, is_defect), 0, 1).ever  # the same capture is to be had without a false call


def test_histogram_counts_each_part_once():
    score, is_defect = drawn()
    edges, good, defects = histogram(score, is_defect, bins=7)
    assert len(edges) == 8 and good.sum() == (~is_defect).sum() and defects.sum() == is_defect.sum()
    assert (edges[0], edges[-1]) == (score.min(), score.max())
    edges, good, _ = histogram(np.ones(3, np.float32), np.zeros(3, bool))
    assert good.sum() == 3 and edges[-1] > edges[0]


def test_nearest_rows_on_both_sides():
    margin = np.array([0.5, -0.1, np.nan, 0.0, 0.2, -3, 0.1], np.float32)
    assert nearest(margin, 2) == [4, 6, 3, 1]
    assert nearest(margin, 9) == [0, 4, 6, 3, 1, 5]
    assert nearest(np.array([np.nan], np.float32), 2) == []
