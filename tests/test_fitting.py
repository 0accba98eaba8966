"""Fitted policies against hand-worked cases, brute force over all cutoffs, and simulated parts whose truth is known."""

import itertools

import numpy as np
import pytest

from goldenpair.errors import DataError, InputError, TableError
from goldenpair.metrics import above, cutoff_for_capture
from goldenpair.quality.fitting import SAME, fit_policy
from goldenpair.quality.policy import ERROR, FAIL, REVIEW, CaptureRule, CostRule, FalseCallRule, MissRule
from goldenpair.quality.scored import ScoredTable, with_scores

ALL = CaptureRule(share=1.0)


def scored(good, defects, **columns) -> ScoredTable:
    """A table of good parts, then defects."""
    score = np.array([*good, *defects], np.float32)
    n = len(score)
    label = ["PASS"] * len(good) + ["OPEN"] * len(defects)
    cells = {"input_path": [f"b{row % 7}" for row in range(n)], "object_name": [f"R{row}" for row in range(n)]}
    return with_scores("validation.csv", {**cells, "label": label, **columns}, score, sha256="aa")


def drawn(goods, defects, seed=0):
    rng = np.random.default_rng(seed)
    return scored(rng.normal(0, 1, goods), rng.normal(3, 1, defects))


def cutoffs(policy):
    return policy.band.review, policy.band.fail


def stopped(policy, table):
    kinds = policy.kinds_of(table.cells, table.source)
    return policy.decide(table.score, kinds).stopped


# by capture


@pytest.mark.parametrize("share", [1.0, 0.99, 0.97, 0.5, 0.01])
@pytest.mark.parametrize("seed", [0, 1])
def test_capture_is_as_in_the_metrics(share, seed):
    table = drawn(500, 37, seed)
    policy = fit_policy(table, CaptureRule(share=share))
    wanted = cutoff_for_capture(table.score, table.is_defect, share)
    assert (stopped(policy, table) == above(table.score, wanted)).all()
    assert wanted - 1.1 * SAME < policy.band.review == policy.band.fail <= wanted
    assert stopped(policy, table)[table.is_defect].mean() >= share
    higher = np.nextafter(np.float32(wanted), np.float32(9))
    assert above(table.score, float(higher))[table.is_defect].mean() < share


@pytest.mark.parametrize(
    "rule", [CaptureRule(share=0.9), FalseCallRule(ppm=50_000), CostRule(miss=20, false_call=1, review=0.3)]
)
def test_scores_that_come_out_a_little_differently_get_the_same_verdicts(rule):
    """Those of another batch size or of an exported model do, and the part that decided must not flip."""
    table = scored(np.arange(200) / 200, np.arange(100, 240) / 200 + 0.0025)
    policy = fit_policy(table, rule)
    wanted = policy.decide(table.score).code
    for shift in (-0.9 * SAME, 0.9 * SAME):
        assert (policy.decide(table.score + np.float32(shift)).code == wanted).all()


def test_capture_with_equal_scores():
    policy = fit_policy(scored([0.1, 0.5], [0.5, 0.5, 0.9]), CaptureRule(share=0.67))
    assert policy.decide(np.array([0.5], np.float32)).code[0] == FAIL


def test_capture_of_a_defect_with_score_zero_is_possible_and_said():
    policy = fit_policy(scored([0.1, 0.5], [0.0, 0.9]), ALL)
    assert policy.band.review < 0
    assert policy.decide(np.zeros(1, np.float32)).code[0] == FAIL
    assert "every good part is stopped: these scores do not allow better" in policy.notes


# by a risk that is proved


@pytest.mark.parametrize(("risk", "passes"), [(0.05, 0), (0.1, 1), (0.5, 9)])
def test_the_risk_of_19_defects(risk, passes):
    table = scored(np.linspace(0, 0.4, 50), np.linspace(0.5, 1, 19))
    policy = fit_policy(table, MissRule(risk=risk))
    assert (~stopped(policy, table) & table.is_defect).sum() == passes
    escape = policy.guarantees[0]
    assert escape.holds and escape.bound == pytest.approx((passes + 1) / 20) and escape.bound <= risk


def test_too_few_defects_for_a_risk():
    with pytest.raises(InputError, match="its 18 defects prove no risk of 0.05, only 5.26% and more; 19 defects"):
        fit_policy(scored([0.1], np.linspace(0.5, 1, 18)), MissRule(risk=0.05))


# by false calls


@pytest.mark.parametrize(("ppm", "stops"), [(0, 0), (9_999, 0), (10_000, 1), (25_000, 2), (990_000, 99)])
def test_false_calls_of_a_hundred_good_parts(ppm, stops):
    table = scored(np.arange(100) / 100, [2.0])
    policy = fit_policy(table, FalseCallRule(ppm=ppm))
    assert (stopped(policy, table) & ~table.is_defect).sum() == stops
    assert policy.band.review == pytest.approx((99 - stops) / 100 + SAME, rel=1e-6)
    assert policy.guarantees[1].bound == pytest.approx((stops + 1) / 101) and policy.guarantees[1].holds


def test_equal_scores_do_not_break_the_budget():
    table = scored([0.1] * 50 + [0.9] * 50, [2.0])
    assert not (stopped(fit_policy(table, FalseCallRule(ppm=100_000)), table) & ~table.is_defect).any()


def test_a_budget_that_so_few_parts_cannot_show_is_said():
    (said,) = [one for one in fit_policy(drawn(1000, 30), FalseCallRule(ppm=500)).notes if "ppm" in one]
    assert said == "500 ppm of false calls: 1,000 good parts are too few to show it, so none is allowed"
    assert not [one for one in fit_policy(drawn(2000, 30), FalseCallRule(ppm=500)).notes if "ppm" in one]


def test_a_budget_that_lets_every_defect_pass_is_said():
    policy = fit_policy(scored([0.1, 0.9], [0.5]), FalseCallRule(ppm=0))
    assert "every defect passes: these scores, or this rule, do not allow better" in policy.notes


# by cost


def total(rule, table, review, fail):
    score, defect = table.score, table.is_defect
    passes, fails = score <= np.float32(review), score > np.float32(fail)
    looked = ~passes & ~fails
    return (
        rule.miss * (passes & defect).sum()
        + rule.false_call * (fails & ~defect).sum()
        + (rule.review or 0) * looked.sum()
    )


@pytest.mark.parametrize("review", [None, 0.2, 0.9, 5.0])
@pytest.mark.parametrize("miss", [1.0, 7.5, 1000.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_lowest_cost_of_all_pairs_of_cutoffs(review, miss, seed):
    """Against all of them; of ties the lowest cutoff of review, then of FAIL. Scores are coarse, so that many tie."""
    rng = np.random.default_rng(seed)
    table = scored(rng.integers(0, 12, 30) / 8, rng.integers(4, 18, 8) / 8)
    rule = CostRule(miss=miss, false_call=1.0, review=review)
    at = [float(np.nextafter(table.score.min(), np.float32(-9))), *np.unique(table.score).tolist()]
    pairs = [(low, high) for low, high in itertools.product(at, at) if low == high or (review and low < high)]
    least = min(total(rule, table, *pair) for pair in pairs)
    best = min(pair for pair in pairs if total(rule, table, *pair) == pytest.approx(least))
    policy = fit_policy(table, rule)
    assert cutoffs(policy) == pytest.approx(best, abs=1.1 * SAME)
    assert total(rule, table, *cutoffs(policy)) == pytest.approx(least)


def test_cost_without_review_has_one_cutoff():
    policy = fit_policy(drawn(300, 30), CostRule(miss=100, false_call=1))
    assert policy.band.review == policy.band.fail and not policy.reviews


def test_a_miss_that_costs_more_stops_more():
    table = drawn(500, 40)
    found = [cutoffs(fit_policy(table, CostRule(miss=miss, false_call=1.0)))[0] for miss in (1, 10, 100, 1000)]
    assert found == sorted(found, reverse=True) and found[0] > found[-1]


# REVIEW


def test_the_rule_says_what_is_stopped_and_the_budget_what_is_fail():
    table = scored(np.arange(1000) / 1000, [0.7, 0.9, 3.0])
    policy = fit_policy(table, ALL, fail_false_call_ppm=5000)
    assert cutoffs(policy) == pytest.approx((0.7 - SAME, 0.994 + SAME), rel=1e-6)
    found = policy.decide(table.score)
    assert found.code[table.is_defect].tolist() == [REVIEW, REVIEW, FAIL]
    assert (found.code[~table.is_defect] == FAIL).sum() == 5
    assert [str(one.of) for one in policy.guarantees] == ["escape", "false call", "automatic FAIL of a good part"]
    assert [one.holds for one in policy.guarantees] == [True, False, True]


def test_where_the_budget_allows_it_all_that_is_stopped_is_fail():
    policy = fit_policy(scored(np.arange(100) / 100, [0.98, 2.0]), ALL, fail_false_call_ppm=50_000)
    assert policy.band.review == policy.band.fail


def test_a_band_between_two_budgets():
    table = scored(np.arange(1000) / 1000, [0.7, 3.0])
    found = fit_policy(table, FalseCallRule(ppm=20_000), fail_false_call_ppm=1000).decide(table.score)
    assert [(found.code == code).sum() for code in (REVIEW, FAIL)] == [19, 2]


# by type

OFFSETS = {"R0402": 0.0, "C0402": 0.1, "QFN": 1.0, "BGA": 1.2, "SOT": 0.6}
PACKAGES = {"R0402": "chip", "C0402": "chip", "QFN": "large", "BGA": "large", "SOT": "small"}


def by_type(seed=0, goods=800, defects=8):
    """Types that are alike but for an offset."""
    rng = np.random.default_rng(seed)
    good = {kind: rng.normal(offset, 0.2, goods) for kind, offset in OFFSETS.items()}
    bad = {kind: rng.normal(offset + 1.5, 0.3, defects) for kind, offset in OFFSETS.items()}
    kinds = [kind for part in (good, bad) for kind, scores in part.items() for _ in scores]
    columns = {"comp_type": kinds, "package": [PACKAGES[kind] for kind in kinds]}
    return scored(np.concatenate([*good.values()]), np.concatenate([*bad.values()]), **columns)


@pytest.mark.parametrize("rule", [ALL, CaptureRule(share=0.9), MissRule(risk=0.05)])
def test_the_target_holds_over_all_types_together(rule):
    table = by_type()
    policy = fit_policy(table, rule, type_column="comp_type", package_column="package")
    captured = stopped(policy, table)[table.is_defect].mean()
    plain = stopped(fit_policy(table, rule), table)[table.is_defect].mean()
    assert captured == plain >= getattr(rule, "share", 0.95)


def test_no_budget_is_broken_by_types():
    for seed, ppm in itertools.product(range(5), (0, 500, 20_000)):
        table = by_type(seed)
        found = fit_policy(table, FalseCallRule(ppm=ppm), type_column="comp_type")
        assert (stopped(found, table) & ~table.is_defect).sum() == int(4000 * ppm / 1e6)


def test_each_type_gets_about_the_same_share_of_false_calls():
    policy = fit_policy(by_type(), FalseCallRule(ppm=20_000), type_column="comp_type", package_column="package")
    other = by_type(seed=9, goods=20_000)
    false_calls = stopped(policy, other) & ~other.is_defect
    kinds = np.array(other.cells["comp_type"])
    shares = [false_calls[(kinds == kind) & ~other.is_defect].mean() for kind in OFFSETS]
    assert max(shares) < 0.035 and min(shares) > 0.01
    bands = {kind: band.review for kind, band in policy.types.items()}
    assert bands["BGA"] - bands["R0402"] == pytest.approx(1.2, abs=0.1)
    assert {kind: band.package for kind, band in policy.types.items()} == PACKAGES
    assert {(band.goods, band.defects) for band in policy.types.values()} == {(800, 8)}


def test_types_save_false_calls_on_other_parts_where_they_differ():
    plain, typed = (fit_policy(by_type(), ALL, type_column=column) for column in ("", "comp_type"))
    other = by_type(seed=9)
    false_calls = [(stopped(one, other) & ~other.is_defect).mean() for one in (plain, typed)]
    assert false_calls[1] < 0.3 * false_calls[0]


def test_an_unnamed_part_counts_in_the_global_band_only():
    table = by_type()
    kinds = [kind if kind != "SOT" else "" for kind in table.cells["comp_type"]]
    table = scored(table.score[~table.is_defect], table.score[table.is_defect], comp_type=kinds)
    policy = fit_policy(table, ALL, type_column="comp_type")
    assert set(policy.types) == set(OFFSETS) - {"SOT"}
    assert stopped(policy, table)[table.is_defect].all()


def mislabelled(defects_of_x=()):
    """Two types with defects, and one of 25 good parts, two of which are defects by their scores."""
    rng = np.random.default_rng(0)
    good = [*rng.normal(0.2, 0.1, 200), *rng.normal(0.4, 0.1, 200), *rng.normal(0.3, 0.1, 23), 3.0, 3.0]
    bad = [*rng.normal(1.5, 0.05, 20), *rng.normal(1.7, 0.05, 20), *defects_of_x]
    kinds = ["A"] * 200 + ["B"] * 200 + ["X"] * 25 + ["A"] * 20 + ["B"] * 20 + ["X"] * len(defects_of_x)
    return scored(good, bad, comp_type=kinds)


@pytest.mark.parametrize("rule", [ALL, FalseCallRule(ppm=5000), CostRule(miss=1000, false_call=1)])
@pytest.mark.parametrize("own", [[], [1.6]])
def test_good_parts_alone_give_no_type_a_cutoff_above_the_global_one(rule, own):
    table = mislabelled(own)
    policy = fit_policy(table, rule, type_column="comp_type")
    assert policy.types["X"].review <= policy.band.review < table.score[table.is_defect].min()
    assert policy.decide(np.full(12, 1.6, np.float32), ["X"] * 12).stopped.all()
    capped = "types of fewer than 5 defects get no cutoffs above the global ones, which hold for 1"
    assert any(note.startswith(capped) and note.endswith(": X") for note in policy.notes)
    assert any("without any defect" in note for note in policy.notes) == (not own)


def test_a_type_with_defects_of_its_own_may_be_above_the_global_cutoff():
    policy = fit_policy(by_type(), ALL, type_column="comp_type")
    assert policy.types["BGA"].review > policy.band.review
    assert not any("global ones" in note or "without any defect" in note for note in policy.notes)


def test_with_types_the_proofs_are_estimates():
    policy = fit_policy(by_type(), ALL, type_column="comp_type", fail_false_call_ppm=500)
    assert not any(one.holds for one in policy.guarantees)
    assert policy.guarantees[0].bound == pytest.approx(1 / 41)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_target_holds_to_the_last_digit(scale):
    """Cutoffs are float32, and levels are added to them: the defect that decides must still exceed its own."""
    for seed in range(20):
        table = by_type(seed, goods=30, defects=3)
        rows = scored(
            scale * table.score[~table.is_defect],
            scale * table.score[table.is_defect],
            **{"comp_type": table.cells["comp_type"]},
        )
        assert stopped(fit_policy(rows, ALL, type_column="comp_type"), rows)[rows.is_defect].all()


def test_a_guarantee_holds_as_often_as_it_says():
    """37 defects, one may pass: the next is missed in 2 of 38 draws, whatever the good parts are like."""
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(150):
        table = scored(rng.normal(0, 1, 40), rng.exponential(1, 37))
        policy = fit_policy(table, CaptureRule(share=36 / 37))
        missed += (~policy.decide(rng.exponential(1, 200).astype(np.float32)).stopped).sum()
    assert policy.guarantees[0].bound == pytest.approx(2 / 38)
    assert missed / 30_000 == pytest.approx(2 / 38, abs=0.009)


# what is said of the data


def test_what_the_policy_knows_of_its_data():
    table = scored([0.1, 0.2, np.nan, 0.3], [0.9, np.nan])
    fitted = fit_policy(table, ALL).fitted_on
    assert (fitted.name, fitted.sha256, fitted.score_column) == ("validation.csv", "aa", "siamese_score")
    assert (fitted.good, fitted.defects, fitted.unscored, fitted.boards) == (3, 1, 2, 6)
    assert fitted.parts.count == 6
    assert str(fitted) == "validation.csv: 3 good parts and 1 defects of 6 boards, 2 more without score or label"


def test_a_table_that_does_not_name_its_parts_is_said():
    table = with_scores("t.csv", {"label": ["PASS", "OPEN"]}, np.array([0.1, 0.9], np.float32))
    policy = fit_policy(table, ALL)
    assert policy.fitted_on.parts is None
    assert any("only the file itself is known again" in one for one in policy.notes)


def test_scores_that_tell_nothing_give_no_probabilities():
    policy = fit_policy(scored(np.linspace(1, 2, 50), np.linspace(0, 1, 10)), ALL)
    assert policy.calibration is None and any("no probabilities" in one for one in policy.notes)


def test_probabilities_are_of_the_score_beyond_the_types_level():
    table = by_type()
    policy = fit_policy(table, ALL, type_column="comp_type")
    score = np.array([0.8, 1.8], np.float32)
    low, high = policy.probability(score, ["R0402", "QFN"])
    assert low == pytest.approx(high, abs=0.05) and policy.calibration.method == "platt"


# refusals


@pytest.mark.parametrize(
    ("good", "defects", "told"),
    [
        ([0.1, 0.2], [], "none of its rows with a score are defects; a policy is fitted on both kinds"),
        ([], [0.5], "none of its rows with a score are good parts"),
        ([0.1], [np.nan], r"are defects \(1 rows have no score or no label\)"),
        ([np.nan], [np.nan], "are good parts"),
    ],
)
def test_data_without_one_of_the_classes(good, defects, told):
    with pytest.raises(TableError, match=told):
        fit_policy(scored(good, defects), ALL)


def test_every_mistake_at_once():
    with pytest.raises(TableError) as caught:
        fit_policy(scored([0.1], []), ALL, type_column="kind", package_column="class", fail_false_call_ppm=-1)
    told = str(caught.value)
    assert len(caught.value.problems) == 4
    assert all(word in told for word in ("'kind' (--type-column)", "'class' (--package-column)", "defects", "-1 ppm"))


@pytest.mark.parametrize(
    ("rule", "given", "told"),
    [
        (ALL, {"package_column": "label"}, "--package-column goes with --type-column"),
        (CostRule(miss=9, false_call=1), {"fail_false_call_ppm": 10}, "costs choose both cutoffs"),
        (FalseCallRule(ppm=5), {"fail_false_call_ppm": 10}, "10 ppm of automatic FAIL are more than the 5 ppm"),
    ],
)
def test_wishes_that_contradict_each_other(rule, given, told):
    with pytest.raises(TableError, match=told):
        fit_policy(scored([0.1], [0.9]), rule, **given)


def test_a_type_in_two_packages():
    table = scored([0.1, 0.2], [0.9], kind=["a", "a", "b"], package=["x", "y", "x"])
    with pytest.raises(DataError, match="1 types of 'kind' have several packages in 'package'; the first: 'a' stands"):
        fit_policy(table, ALL, type_column="kind", package_column="package")


@pytest.mark.parametrize(
    ("rule", "given"),
    [
        (CaptureRule, {"share": 0.0}),
        (CaptureRule, {"share": 1.1}),
        (CaptureRule, {"share": float("nan")}),
        (MissRule, {"risk": 0}),
        (FalseCallRule, {"ppm": -1}),
        (FalseCallRule, {"ppm": 1e6}),
        (CostRule, {"miss": 0, "false_call": 1}),
        (CostRule, {"miss": 1, "false_call": 1, "review": 0}),
        (CostRule, {"miss": float("inf"), "false_call": 1}),
    ],
)
def test_targets_that_cannot_be(rule, given):
    with pytest.raises(ValueError, match="validation error"):
        rule(**given)


def test_rows_without_a_score_are_errors_under_the_policy():
    table = scored([0.1, np.nan], [0.9, np.nan])
    found = fit_policy(table, ALL).decide(table.score)
    assert found.count(ERROR) == 2


# real scores


@pytest.mark.parametrize("network", ["oi", "vcn"])
@pytest.mark.parametrize("rule", [ALL, FalseCallRule(ppm=50_000), CostRule(miss=100, false_call=1, review=0.3)])
def test_nvidias_own_scores(real_data, network, rule):
    from goldenpair.quality.scored import read_scored

    table = read_scored(real_data / "tao-checkpoint" / network / "scores.csv")
    policy = fit_policy(table, rule)
    defects = stopped(policy, table)[table.is_defect]
    assert defects.all() if rule == ALL else defects.any()
    with pytest.raises(InputError, match="it was fitted on parts that it would be reported on"):
        policy.for_report(table.cells, table.source, table.sha256)
