import json

import numpy as np
import pytest
from scipy.stats import beta, binom, t
from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score, roc_curve

from goldenpair.metrics import (
    Interval,
    Rate,
    TaoMetrics,
    WorkingPoint,
    cutoff_for_capture,
    false_alarm_rate,
    lower_bound,
    percent,
    ranking,
    short,
    upper_bound,
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


@pytest.mark.parametrize(("count", "of"), [(0, 37), (1, 37), (36, 37), (37, 37), (205, 21111)])
def test_one_sided_bounds_against_the_definition(count, of):
    """At the bound the count is just as improbable as it says."""
    low, high = lower_bound(count, of, 0.95), upper_bound(count, of, 0.95)
    assert low == 0 if count == 0 else binom.sf(count - 1, of, low) == pytest.approx(0.05)
    assert high == 1 if count == of else binom.cdf(count, of, high) == pytest.approx(0.05)


# NVIDIA's published points, counts rebuilt from the rates: capture, false calls, per 1000 parts, share that is real
CARDS = [
    ("SiameseOI at 0.3", 37, 205, (0.905, 1), (0.0084, 0.0111), 11.4, 0.15),
    ("SiameseOI at 0.5", 36, 23, (0.858, 0.999), (0.0007, 0.0016), 2.8, 0.61),
    ("ChangeNet at 0.03", 36, 63, (0.858, 0.999), (0.0023, 0.0038), 4.7, 0.36),
]


@pytest.mark.parametrize(("_", "found", "stopped", "of_capture", "of_false_calls", "flags", "real"), CARDS)
def test_what_the_model_cards_prove(_, found, stopped, of_capture, of_false_calls, flags, real):
    is_defect = np.arange(21148) < 37
    flag = (np.arange(21148) < found) | (np.arange(21148) >= 21148 - stopped)
    point = WorkingPoint.of(flag, is_defect, None)
    assert (point.capture.of, point.false_calls.of) == (37, 21111)
    assert (point.capture.low, point.capture.high) == pytest.approx(of_capture, abs=5e-4)
    assert (point.false_calls.low, point.false_calls.high) == pytest.approx(of_false_calls, abs=5e-5)
    assert 1000 * flag.mean() == pytest.approx(flags, abs=0.05)
    assert Rate.by_board(is_defect, flag).value == pytest.approx(real, abs=0.005)


def korn_graubard(count: np.ndarray, of: np.ndarray) -> tuple[float, float, float]:
    """As Korn and Graubard (1998) write it, in the terms of their paper: v of a ratio, design effect, adjusted n."""
    boards, parts = len(of), of.sum()
    p = count.sum() / parts
    v = boards / (boards - 1) * sum((c - p * n) ** 2 for c, n in zip(count, of, strict=True)) / parts**2
    design_effect = v / (p * (1 - p) / parts)
    adjusted = parts / design_effect * (t.ppf(0.975, parts - 1) / t.ppf(0.975, boards - 1)) ** 2
    n, x = min(parts, adjusted), p * min(parts, adjusted)
    return beta.ppf(0.025, x, n - x + 1), beta.ppf(0.975, x + 1, n - x), n


@pytest.mark.parametrize("seed", range(4))
def test_interval_by_board_is_korn_and_graubards(seed):
    rng = np.random.default_rng(seed)
    of = rng.integers(20, 60, 25)
    count = rng.binomial(of, rng.beta(0.5, 5, 25))
    board = np.repeat(np.arange(25), of)
    flag = np.concatenate([np.arange(n) < c for c, n in zip(count, of, strict=True)])
    rate = Rate.by_board(flag, np.ones(len(flag), bool), board)
    low, high, effective = korn_graubard(count, of)
    # they compare with Student's t for all parts, here the normal distribution stands for so many
    assert rate.boards.effective == pytest.approx(effective, rel=0.01)
    assert (rate.boards.low, rate.boards.high) == pytest.approx((low, high), rel=0.01)
    assert rate.boards.low < rate.low and rate.high < rate.boards.high


def test_boards_without_such_parts_do_not_count():
    """The rows of board 1 are of the other class; what they say of it is not asked."""
    counted = np.array([1, 0, 1, 1, 0, 0, 1, 0], bool)
    among = np.array([1, 1, 0, 0, 0, 1, 1, 1], bool)
    board = np.array([0, 0, 1, 1, 1, 2, 2, 2])
    assert Rate.by_board(counted, among, board) == Rate.by_board(counted[among], among[among], board[among])


@pytest.mark.parametrize("count", [0, 6])
def test_where_nothing_or_everything_counts_boards_tell_nothing(count):
    counted = np.arange(6) < count
    assert Rate.by_board(counted, np.ones(6, bool), np.arange(6) % 3) == Rate.measured(count, 6)


def test_of_one_board_nothing_is_said():
    assert Rate.by_board(np.arange(6) < 2, np.ones(6, bool), np.zeros(6, int)).boards is None


def test_boards_that_do_not_differ_leave_the_exact_interval():
    """Also where they differ less than chance has it: the interval never claims more than the exact one."""
    rate = Rate.by_board(np.arange(40) % 10 < 3, np.ones(40, bool), np.arange(40) // 10)
    assert rate.boards == Interval(pytest.approx(rate.low), pytest.approx(rate.high), 40)


def test_intervals_by_board_hold_where_exact_ones_do_not():
    """A third of benchmarks/intervals.py, small: 300 times 40 boards of 60 parts, each with a rate of its own."""
    rng, held = np.random.default_rng(0), np.zeros(2)
    board, everything = np.repeat(np.arange(40), 60), np.ones(2400, bool)
    for _ in range(300):
        rate = Rate.by_board(rng.random(2400) < rng.beta(0.5, 4.5, 40)[board], everything, board)
        held += [rate.low <= 0.1 <= rate.high, rate.boards.low <= 0.1 <= rate.boards.high]
    assert held[0] / 300 < 0.7 and 0.91 < held[1] / 300 < 0.98


@pytest.mark.parametrize(
    ("share", "ends", "said"),
    [
        (0.25, (), "25.00%"),
        (0, (), "0.00%"),
        (1, (), "100.00%"),
        (1 / 21148, (), "0.0047%"),  # of which older reports make 0.0
        (21147 / 21148, (), "99.9953%"),
        (1 / 21148, (0.0000012, 0.000263), "0.0001% to 0.0263%"),
        (0.5, (0.00001, 0.99999), "0.00% to 100.00%"),
    ],
)
def test_one_part_in_many_does_not_vanish(share, ends, said):
    assert percent(share, *ends) == said


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


def test_taos_percent_are_over_their_own_class():
    """3 of 10 good parts and 1 of 4 defects go wrong: TAO 7.3 says 30 and 25 %, older ones 3/14 and 1/14."""
    score = np.array([0, 0, 0, 0, 0, 0, 0, 3, 3, 3, 0, 3, 3, 3], np.float32)
    is_defect = np.arange(14) >= 10
    tao = TaoMetrics.of(working_point(score, is_defect, 2.0))
    assert tao.test_fpr == pytest.approx(30) and tao.test_fnr == pytest.approx(25)
    assert tao.defect_acc == pytest.approx(75) and tao.test_acc == pytest.approx(100 * 10 / 14)


def test_taos_percent_of_an_empty_class_are_0():
    good = TaoMetrics.of(working_point(np.float32([0, 3]), np.array([False, False]), 2.0))
    assert (good.test_acc, good.test_fpr, good.test_fnr, good.defect_acc) == (50, 50, 0, 0)
    assert TaoMetrics.of(working_point(np.float32([]), np.array([], bool), 2.0)) == TaoMetrics(0, 0, 0, 0)


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
