import json

import numpy as np
import pytest
from scipy.stats import beta
from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score, roc_curve

from goldenpair.metrics import (
    CARD_CUTOFFS,
    PROBABILITY_CUTOFFS,
    Rate,
    TaoMetrics,
    cutoff_for_capture,
    false_alarm_rate,
    measure,
    ranking,
    short,
    working_point,
)


def scores(good: int = 200, defects: int = 60, seed: int = 0, apart: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = np.concatenate([rng.gamma(2, 0.3, good), rng.gamma(2, 0.3, defects) + apart]).astype(np.float32)
    is_defect = np.arange(good + defects) >= good
    order = rng.permutation(good + defects)
    return score[order], is_defect[order]


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        # worked by hand: 0 of n is bounded by 1 - 0.025^(1/n), n of n mirrors it
        (0, 10, 0.0, 1 - 0.025**0.1),
        (10, 10, 0.025**0.1, 1.0),
        (0, 1, 0.0, 0.975),
        (0, 21148, 0.0, 1 - 0.025 ** (1 / 21148)),
        # Newcombe 1998, table I: 81 of 263, 15 of 148, 1 of 29
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (1, 29, 0.0009, 0.1776),
    ],
)
def test_interval_of_clopper_and_pearson(count, of, low, high):
    rate = Rate.measured(count, of)
    assert rate.value == count / of and (rate.count, rate.of) == (count, of)
    assert rate.low == pytest.approx(low, abs=6e-5) and rate.high == pytest.approx(high, abs=6e-5)


@pytest.mark.parametrize(("count", "of"), [(1, 7), (36, 37), (205, 21148), (5, 10)])
def test_interval_against_the_beta_distribution(count, of):
    rate = Rate.measured(count, of)
    assert rate.low == pytest.approx(beta.ppf(0.025, count, of - count + 1), rel=1e-6)
    assert rate.high == pytest.approx(beta.ppf(0.975, count + 1, of - count), rel=1e-6)


def test_a_share_of_nothing_is_not_a_number_but_not_zero_either():
    rate = Rate.measured(0, 0)
    assert (rate.value, rate.low, rate.high, rate.ppm) == (None, None, None, None)
    assert str(rate) == "not measurable (0 of 0)"


def test_a_rate_says_its_counts():
    rate = Rate.measured(1, 4)
    assert str(rate).startswith("25.00% (1 of 4; 95 %:")
    assert rate.ppm == 250_000


SCORE = np.array([0.1, 0.5, 0.5, 0.9, 0.2, 0.5, 0.7, 2.0], np.float32)
DEFECT = np.array([False, False, False, False, True, True, True, True])


@pytest.mark.parametrize(
    ("cutoff", "captured", "false_calls"),
    [(0.0, 4, 4), (0.1, 4, 3), (0.2, 3, 3), (0.5, 2, 1), (0.6, 2, 1), (0.9, 1, 0), (2.0, 0, 0)],
)
def test_working_point_by_hand(cutoff, captured, false_calls):
    """A score equal to the cutoff is PASS."""
    point = working_point(SCORE, DEFECT, cutoff)
    assert (point.capture.count, point.capture.of) == (captured, 4)
    assert (point.escapes.count, point.escapes.of) == (4 - captured, 4)
    assert (point.false_calls.count, point.false_calls.of) == (false_calls, 4)
    assert (point.accuracy.count, point.accuracy.of) == (captured + 4 - false_calls, 8)
    assert point.cutoff == cutoff


def test_working_point_against_scikit_learn():
    score, is_defect = scores()
    for cutoff in (0.2, 0.7, 1.3, 2.0):
        point = working_point(score, is_defect, cutoff)
        (passed, alarmed), (missed, caught) = confusion_matrix(is_defect, score > cutoff)
        assert (point.capture.count, point.escapes.count) == (caught, missed)
        assert (point.false_calls.count, point.false_calls.of) == (alarmed, passed + alarmed)
        assert point.accuracy.value == pytest.approx((passed + caught) / len(score))


@pytest.mark.parametrize("capture", [1.0, 0.99, 0.97, 0.9, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_cutoff_is_the_highest_that_reaches_the_capture(capture, seed):
    score, is_defect = scores(seed=seed, defects=100)
    cutoff = cutoff_for_capture(score, is_defect, capture)
    assert (score[is_defect] > cutoff).mean() >= capture
    above = min(score[is_defect][score[is_defect] > cutoff])  # one step up would lose this one
    assert (score[is_defect] > above).mean() < capture


@pytest.mark.parametrize(
    ("capture", "captured"), [(0.97, 97), (0.99, 99), (1.0, 100), (0.07, 7), (0.001, 1), (0.955, 96)]
)
def test_of_100_defects_no_more_are_asked_for_than_needed(capture, captured):
    score = np.arange(1, 101, dtype=np.float32)
    cutoff = cutoff_for_capture(score, np.ones(100, bool), capture)
    assert (score > cutoff).sum() == captured


def test_ties_are_captured_together():
    score = np.array([0.5, 0.5, 0.5, 0.9, 0.5, 0.1], np.float32)
    is_defect = np.array([True, True, True, True, False, False])
    cutoff = cutoff_for_capture(score, is_defect, 0.5)
    assert 0.1 < cutoff < 0.5
    point = working_point(score, is_defect, cutoff)
    assert point.capture.count == 4 and point.false_calls.count == 1
    assert false_alarm_rate(score, is_defect, 0.5) == 0.5


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_cutoff_survives_being_written_and_read_again(kind):
    """It goes through a spec file; as text it must still capture what it captured."""
    rng = np.random.default_rng(2)
    for _ in range(200):
        score = rng.random(5).astype(kind)
        cutoff = cutoff_for_capture(score, np.ones(5, bool), 1.0)
        assert (score > json.loads(json.dumps(cutoff))).all()


def test_false_alarm_rate_is_scikit_learns_point_of_the_roc():
    for seed in range(5):
        score, is_defect = scores(seed=seed, apart=0.3)
        far, tpr, _ = roc_curve(is_defect, score, drop_intermediate=False)
        for capture in (1.0, 0.97, 0.8):
            assert false_alarm_rate(score, is_defect, capture) == pytest.approx(far[tpr >= capture - 1e-12].min())


def test_nothing_to_capture_or_to_alarm():
    score = np.array([0.1, 0.2], np.float32)
    assert cutoff_for_capture(score, np.zeros(2, bool), 1.0) is None
    assert false_alarm_rate(score, np.zeros(2, bool)) is None
    assert false_alarm_rate(score, np.ones(2, bool)) is None


@pytest.mark.parametrize("apart", [0.0, 0.3, 3.0])
def test_ranking_is_scikit_learns_and_counts_pairs(apart):
    score, is_defect = scores(apart=apart)
    score = score.round(1)  # with ties
    auroc, precision = ranking(score, is_defect)
    higher = score[is_defect][:, None] > score[~is_defect]
    equal = score[is_defect][:, None] == score[~is_defect]
    assert auroc == pytest.approx((higher + 0.5 * equal).mean())
    assert auroc == pytest.approx(roc_auc_score(is_defect, score))
    assert precision == pytest.approx(average_precision_score(is_defect, score))


@pytest.mark.parametrize("defective", [False, True])
def test_one_class_alone_has_no_ranking(defective):
    metrics = measure(np.array([0.1, 3.0], np.float32), np.full(2, defective), 2.0)
    assert (metrics.auroc, metrics.average_precision) == (None, None)
    assert (metrics.point.capture.value is None) is not defective
    assert (metrics.point.false_calls.value is None) is defective
    assert [at.point is None for at in metrics.at_capture] == [not defective] * 3


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_rows_without_a_finite_score_are_errors_and_nothing_else(lost):
    score, is_defect = scores()
    whole = measure(score, is_defect, 1.0)
    hurt = measure(np.append(score, np.float32([lost] * 3)), np.append(is_defect, [True, False, True]), 1.0)
    assert hurt.errors == 3 and hurt.parts == whole.parts + 3
    assert (hurt.defects, hurt.good) == (whole.defects, whole.good)
    assert (hurt.point, hurt.table, hurt.auroc) == (whole.point, whole.table, whole.auroc)


def test_nothing_but_errors_is_measured_without_failing():
    metrics = measure(np.full(3, np.nan, np.float32), np.array([True, False, True]), 1.0)
    assert (metrics.parts, metrics.errors, metrics.good, metrics.defects) == (3, 3, 0, 0)
    assert metrics.point.accuracy.value is None and metrics.auroc is None


def test_measure_has_the_table_of_the_card_and_the_captures():
    score, is_defect = scores(apart=0.5)
    metrics = measure(score, is_defect, 0.8)
    assert metrics.parts == 260 and metrics.defects == 60 and metrics.good == 200 and metrics.errors == 0
    assert metrics.point == working_point(score, is_defect, 0.8)
    assert [point.cutoff for point in metrics.table] == list(CARD_CUTOFFS) and {0.3, 0.5} <= set(CARD_CUTOFFS)
    assert all(0 < one < 1 for one in PROBABILITY_CUTOFFS) and list(PROBABILITY_CUTOFFS) == sorted(PROBABILITY_CUTOFFS)
    assert [at.target for at in metrics.at_capture] == [1.0, 0.99, 0.97]
    for at, needed in zip(metrics.at_capture, (60, 60, 59), strict=True):  # 59.4 and 58.2 of 60, upwards
        assert at.point is not None and at.point.capture.count == needed
        assert at.point.false_calls.value == pytest.approx(false_alarm_rate(score, is_defect, at.target))


def test_taos_percent_are_over_their_own_class():
    """3 of 10 good parts and 1 of 4 defects go wrong: TAO 7.3 says 30 and 25 %, older ones 3/14 and 1/14."""
    score = np.array([0, 0, 0, 0, 0, 0, 0, 3, 3, 3, 0, 3, 3, 3], np.float32)
    is_defect = np.arange(14) >= 10
    tao = measure(score, is_defect, 2.0).tao
    assert tao.test_fpr == pytest.approx(30) and tao.test_fnr == pytest.approx(25)
    assert tao.defect_acc == pytest.approx(75) and tao.test_acc == pytest.approx(100 * 10 / 14)


def test_taos_percent_of_an_empty_class_are_0():
    good = TaoMetrics.of(working_point(np.float32([0, 3]), np.array([False, False]), 2.0))
    assert (good.test_acc, good.test_fpr, good.test_fnr, good.defect_acc) == (50, 50, 0, 0)
    assert TaoMetrics.of(working_point(np.float32([]), np.array([], bool), 2.0)) == TaoMetrics(0, 0, 0, 0)


def test_as_dict_is_plain_json_with_ppm_beside_every_rate():
    score, is_defect = scores(apart=0.2)
    plain = measure(score, is_defect, 0.8).as_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    rates = 0

    def check(value):
        nonlocal rates
        if isinstance(value, dict):
            if "value" in value:
                rates += 1
                assert value["ppm"] == pytest.approx(1e6 * value["count"] / value["of"])
            for inner in value.values():
                check(inner)
        elif isinstance(value, list):
            for inner in value:
                check(inner)

    check(plain)
    assert rates == 4 * (1 + 3 + len(CARD_CUTOFFS))


def test_as_dict_of_one_class_is_plain_json_too():
    plain = measure(np.float32([0.1, 0.2]), np.zeros(2, bool), 2.0).as_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["point"]["capture"] == {"value": None, "count": 0, "of": 0, "low": None, "high": None, "ppm": None}
    assert plain["at_capture"][0]["point"] is None


@pytest.mark.parametrize(
    ("cutoff", "wanted"),
    [
        (0.2965, "0.2965"),
        (0.29659, "0.2965"),
        (2.0, "2"),
        (0.0, "0"),
        (12345.6, "12340"),
        (1.99999, "1.999"),
        (-0.12345, "-0.1235"),
    ],
)
def test_a_cutoff_to_be_read_is_never_higher_than_it_is(cutoff, wanted):
    assert short(cutoff) == wanted
    assert float(short(cutoff)) <= cutoff
    assert short(float(short(cutoff))) == wanted
