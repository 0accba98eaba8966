"""Levels of component types: hand-worked weights, and simulated types whose truth is known."""

import math

import numpy as np
import pytest

from goldenpair.quality.shrinkage import LEAST, LEAST_DEFECTS, _Group, credibility, levels

PLENTY = {f"T{n}": 99 for n in range(60)}
"""Of defects of each type."""


def test_k_by_hand():
    """Two groups of 10 and 30, quantiles 1 and 3, n times variance 2 each. Mean 2.5; spread 10 * 2.25 + 30 * 0.25 = 30;
    by chance 1 * 2; effective 40 - 1000 / 40 = 15; between 28 / 15; k = 2 / (28 / 15)."""
    groups = [_Group(10, 1.0, 2.0, "a"), _Group(30, 3.0, 2.0, "a")]
    assert credibility(groups) == pytest.approx(30 / 28)


def test_k_is_of_differences_within_the_packages():
    """The same twice, far apart: what differs between packages is none of the types' business."""
    near = [_Group(10, 1.0, 2.0, "a"), _Group(30, 3.0, 2.0, "a")]
    far = [_Group(10, 101.0, 2.0, "b"), _Group(30, 103.0, 2.0, "b")]
    assert credibility([*near, *far]) == pytest.approx(30 / 28)


@pytest.mark.parametrize(
    "groups",
    [
        [],
        [_Group(10, 1.0, 2.0, "a")],
        [_Group(10, 1.0, 2.0, "a"), _Group(10, 5.0, 2.0, "b")],
        [_Group(10, 1.0, 2.0, "a"), _Group(10, 1.1, 2.0, "a")],
    ],
)
def test_groups_that_do_not_differ_by_more_than_chance_or_have_no_sibling_get_no_weight(groups):
    assert credibility(groups) == math.inf


def scores(offsets, goods, seed=0):
    rng = np.random.default_rng(seed)
    kinds = [f"T{number}" for number, count in enumerate(goods) for _ in range(count)]
    return rng.normal(np.repeat(offsets, goods), 0.1), kinds


def test_types_that_are_all_alike_share_a_level():
    score, kinds = scores(np.zeros(40), [50] * 40)
    overall, found = levels(score, kinds, PLENTY, {f"T{n}": "" for n in range(40)}, 0.05)
    own = [np.quantile(score[50 * n : 50 * n + 50], 0.95) for n in range(40)]
    assert np.std([one.value for one in found.values()]) < 0.3 * np.std(own)
    assert overall == pytest.approx(np.quantile(score, 0.95))


def test_types_that_differ_keep_their_own_levels():
    offsets = np.random.default_rng(3).normal(0, 1, 30)
    score, kinds = scores(offsets, [400] * 30)
    _, found = levels(score, kinds, PLENTY, {f"T{n}": "" for n in range(30)}, 0.05)
    truth = offsets + 0.1 * 1.6449
    assert np.abs(np.array([one.value for one in found.values()]) - truth).max() < 0.06
    assert min(one.weight for one in found.values()) > 0.95


def test_shrunk_levels_are_nearer_to_the_truth_than_own_or_common_ones():
    """Types that differ somewhat, most of them with few good parts, as on real boards."""
    rng = np.random.default_rng(4)
    offsets, goods = rng.normal(0, 0.05, 60), rng.integers(20, 200, 60)
    errors = {"own": 0.0, "common": 0.0, "shrunk": 0.0}
    for seed in range(10):
        score, kinds = scores(offsets, goods, seed)
        overall, found = levels(score, kinds, PLENTY, {f"T{n}": "" for n in range(60)}, 0.02)
        ends = np.cumsum(goods)
        for number, truth in enumerate(offsets + 0.1 * 2.0537):
            own = np.quantile(score[ends[number] - goods[number] : ends[number]], 0.98)
            for name, value in (("own", own), ("common", overall), ("shrunk", found[f"T{number}"].value)):
                errors[name] += (value - truth) ** 2
    assert errors["shrunk"] < 0.9 * min(errors["own"], errors["common"])


def test_a_type_of_few_good_parts_gets_its_packages_level():
    offsets = np.array([0.0, 0.01, -0.01, 5.0, 5.1, 4.9, 5.0])
    score, kinds = scores(offsets, [300, 300, 300, 300, 300, 300, LEAST - 1])
    package_of = {f"T{n}": "small" if n < 3 else "large" for n in range(7)} | {"T9": "small", "T8": "unseen"}
    overall, found = levels(score, kinds, PLENTY, package_of, 0.05)
    assert found["T6"].weight == 0 and found["T6"].value == pytest.approx(5.2, abs=0.15)
    assert found["T9"].goods == 0 and found["T9"].value == pytest.approx(0.17, abs=0.1)
    assert found["T8"].value == overall


def test_a_part_without_a_type_counts_in_the_whole_only():
    score, kinds = scores(np.array([0.0, 1.0]), [100, 100])
    overall, found = levels(np.append(score, [9.0] * 50), [*kinds, *[""] * 50], PLENTY, {"T0": "", "T1": ""}, 0.05)
    assert overall == 9.0 and [one.goods for one in found.values()] == [100, 100]
    assert max(one.value for one in found.values()) < 9


@pytest.mark.parametrize("defects", [0, LEAST_DEFECTS - 1, LEAST_DEFECTS])
def test_a_type_of_few_defects_is_never_above_the_whole(defects):
    score, kinds = scores(np.array([0.0, 0.0, 0.0, 1.0]), [500, 500, 500, 30])
    given = PLENTY | {"T3": defects}
    overall, found = levels(score, kinds, given, {f"T{n}": "" for n in range(4)}, 0.05)
    capped = defects < LEAST_DEFECTS
    assert (found["T3"].value == overall, found["T3"].capped) == (capped, capped)
    assert found["T3"].defects == defects and found["T0"].value < overall and not found["T0"].capped
