"""Repeatability, against the example of AIAG's manual, published tables and scikit-learn."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from goldenpair.errors import DataError
from goldenpair.metrics import Rate
from goldenpair.quality.gauge import Gauge, Readings, cohen_kappa, fleiss_kappa, gauge, graded

BAD = {3, 4, 5, 9, 12, 22, 25, 26, 30, 34, 37, 39, 42, 45, 48, 50}
"""AIAG, Measurement Systems Analysis, the attribute study of 50 parts: those that are not acceptable."""
MIXED = {  # accepted (1) or not by appraisers A, B, C in three trials each; all others are judged right throughout
    6: "110 110 100",
    7: "111 111 101",
    12: "000 000 010",
    14: "110 111 100",
    21: "110 101 010",
    22: "001 010 110",
    26: "010 000 001",
    30: "000 001 000",
    34: "001 001 011",
    36: "110 111 101",
    43: "101 111 110",
}


def readings(stopped, is_defect=None, score=None, appraisers=("A",)) -> Readings:
    """`stopped` is [appraisers, parts, trials]."""
    stopped = np.asarray(stopped, np.bool_)
    appraiser, part, trial = (axis.reshape(-1) for axis in np.indices(stopped.shape))
    return Readings(
        source="study.csv",
        parts=tuple(f"p{i + 1}" for i in range(stopped.shape[1])),
        appraisers=tuple(appraisers),
        part=part,
        appraiser=appraiser,
        trial=trial,
        stopped=stopped.reshape(-1),
        score=np.full(stopped.size, np.nan, np.float32) if score is None else np.asarray(score, np.float32).reshape(-1),
        is_defect=None if is_defect is None else np.asarray(is_defect, np.bool_),
    )


def kept(given: Readings, rows) -> Readings:
    """Some of the decisions, without a reference."""
    columns = {name: getattr(given, name)[rows] for name in ("part", "appraiser", "trial", "stopped", "score")}
    return replace(given, **columns, is_defect=None)


@pytest.fixture(scope="module")
def manual() -> Gauge:
    truth = np.array([number in BAD for number in range(1, 51)])
    stopped = np.repeat(np.repeat(truth[None, :, None], 3, 0), 3, 2)
    for number, words in MIXED.items():
        stopped[:, number - 1] = [[one == "0" for one in word] for word in words.split()]
    return gauge(readings(stopped, truth, appraisers="ABC"))


def test_effectiveness_of_the_manual(manual):
    assert [one.effectiveness.rate.count for one in manual.appraisers] == [42, 45, 40]
    assert [one.effectiveness.rate.value for one in manual.appraisers] == [0.84, 0.9, 0.8]
    assert [one.effectiveness.grade for one in manual.appraisers] == ["marginal", "acceptable", "marginal"]


def test_misses_of_the_manual(manual):
    assert [round(100 * one.misses.rate.value, 1) for one in manual.appraisers] == [6.2, 6.2, 12.5]  # 6.25: printed 6.3
    assert [one.misses.rate.of for one in manual.appraisers] == [48] * 3
    assert [one.misses.grade for one in manual.appraisers] == ["unacceptable"] * 3


def test_false_alarms_of_the_manual(manual):
    assert [round(100 * one.false_alarms.rate.value, 1) for one in manual.appraisers] == [4.9, 2.0, 8.8]
    assert [one.false_alarms.rate.of for one in manual.appraisers] == [102] * 3
    assert [one.false_alarms.grade for one in manual.appraisers] == ["acceptable", "acceptable", "marginal"]


def test_kappas_of_the_manual(manual):
    assert [(one.first + one.second, round(one.kappa, 2)) for one in manual.pairings] == [
        ("AB", 0.86),
        ("AC", 0.78),
        ("BC", 0.79),
    ]
    assert [round(one.kappa_of_reference, 2) for one in manual.appraisers] == [0.88, 0.92, 0.77]


def test_agreement_of_the_manual(manual):
    assert (manual.agreed.count, manual.agreed.of) == (39, 50)
    assert (manual.right.count, manual.right.of) == (39, 50)
    assert [one.repeated.count for one in manual.appraisers] == [42, 45, 40]
    assert manual.too_small == ""
    assert (manual.parts, manual.trials) == (50, 3)
    assert manual.unstable_parts == len(manual.unstable) == len(MIXED)


def test_intervals_are_exact(manual):
    rate = manual.appraisers[0].effectiveness.rate
    assert (rate.low, rate.high) == pytest.approx((0.7089, 0.9283), abs=2e-4)  # the manual prints 71 % and 93 %
    assert not manual.appraisers[0].effectiveness.proven


@pytest.mark.parametrize("seed", range(5))
def test_cohen_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 3, 60)
    second = np.where(rng.random(60) < 0.6, first, rng.integers(0, 3, 60))
    assert cohen_kappa(first, second) == pytest.approx(cohen_kappa_score(first, second))


def test_cohen_by_hand():
    """Of 50 proposals both accept 20 and both reject 15; one alone accepts 5, the other alone 10: 0.4."""
    first = np.repeat([True, True, False, False], [20, 5, 10, 15])
    second = np.repeat([True, False, True, False], [20, 5, 10, 15])
    assert cohen_kappa(first, second) == pytest.approx(0.4)


def test_cohen_where_chance_explains_all():
    assert cohen_kappa(np.ones(5), np.ones(5)) is None
    assert cohen_kappa(np.ones(0), np.ones(0)) is None


FLEISS = """
0 0 0 0 14
0 2 6 4 2
0 0 3 5 6
0 3 9 2 0
2 2 8 1 1
7 7 0 0 0
3 2 6 3 0
2 5 3 2 2
6 5 2 1 0
0 2 2 3 7
"""


def test_fleiss_of_the_known_table():
    """14 raters put 10 subjects into 5 categories: 0.210 in every text that has this example."""
    counts = np.array([row.split() for row in FLEISS.strip().splitlines()], np.int64)
    assert fleiss_kappa(counts) == pytest.approx(0.210, abs=5e-4)


def test_fleiss_of_two_ratings_is_scotts_pi():
    """By its definition: agreement beyond that of the pooled shares."""
    rng = np.random.default_rng(0)
    pair = rng.random((40, 2)) < 0.4
    counts = np.stack([(~pair).sum(axis=1), pair.sum(axis=1)], axis=1)
    share = pair.mean()
    by_chance = share**2 + (1 - share) ** 2
    agreed = (pair[:, 0] == pair[:, 1]).mean()
    assert fleiss_kappa(counts) == pytest.approx((agreed - by_chance) / (1 - by_chance))


def test_fleiss_where_there_is_nothing_to_tell():
    assert fleiss_kappa(np.array([[3, 0], [3, 0]])) is None
    assert fleiss_kappa(np.empty((0, 2), np.int64)) is None
    assert fleiss_kappa(np.array([[3, 0], [0, 3]])) == 1


def test_fleiss_of_unequal_counts_by_hand():
    """Two parts of two decisions that agree, one of four that are divided: shares 1, 0 and 1/2, agreement 1, 1, 1/3."""
    counts = np.array([[2, 0], [0, 2], [2, 2]])
    assert fleiss_kappa(counts) == pytest.approx((7 / 9 - 1 / 2) / (1 - 1 / 2))


def test_parts_with_more_trials_are_in_kappa():
    """Sixteen parts of three trials that agree, and fourteen of four that do not: not 1."""
    usual = readings(np.repeat(np.arange(16) < 8, 3).reshape(1, 16, 3))
    divided = readings(np.tile([True, True, False, False], (1, 14, 1)))
    both = Readings(
        "study.csv",
        tuple(f"p{i}" for i in range(30)),
        ("A",),
        np.concatenate([usual.part, divided.part + 16]),
        np.concatenate([usual.appraiser, divided.appraiser]),
        np.concatenate([usual.trial, divided.trial]),
        np.concatenate([usual.stopped, divided.stopped]),
        np.concatenate([usual.score, divided.score]),
        None,
    )
    study = gauge(both)
    agreed = (16 + 14 / 3) / 30
    assert study.appraisers[0].kappa_of_trials == pytest.approx((agreed - 0.5) / 0.5)
    assert study.kappa_of_all == study.appraisers[0].kappa_of_trials


@pytest.mark.parametrize(
    ("count", "of", "grade", "proven"),
    [
        (0, 10, "acceptable", False),
        (0, 1000, "acceptable", True),
        (30, 1000, "marginal", True),
        (25, 1000, "marginal", False),
        (9, 10, "unacceptable", True),
    ],
)
def test_grades_of_misses(count, of, grade, proven):
    found = graded(Rate.measured(count, of), (0.02, 0.05), high_is_good=False)
    assert (found.grade, found.proven) == (grade, proven)


@pytest.mark.parametrize(
    ("count", "grade"), [(90, "acceptable"), (89, "marginal"), (80, "marginal"), (79, "unacceptable")]
)
def test_grades_of_effectiveness(count, grade):
    assert graded(Rate.measured(count, 100), (0.9, 0.8), high_is_good=True).grade == grade


def test_nothing_to_grade():
    found = graded(Rate.measured(0, 0), (0.02, 0.05), high_is_good=False)
    assert (found.grade, found.proven) == ("unknown", False)
    study = gauge(readings([[[False, False]]], [False]))
    assert study.appraisers[0].misses.grade == "unknown"  # no defects among the parts


def test_a_study_without_reference():
    study = gauge(readings([[[True, True], [True, False]]]))
    (one,) = study.appraisers
    assert (one.effectiveness, one.misses, one.false_alarms, one.kappa_of_reference) == (None,) * 4
    assert study.right is None
    assert (one.repeated.count, one.repeated.of) == (1, 2)
    assert study.unstable[0].part == "p2" and (study.unstable[0].stopped, study.unstable[0].decisions) == (1, 2)


def test_always_wrong_is_repeatable():
    study = gauge(readings([[[True] * 3, [False] * 3]], [False, True]))
    (one,) = study.appraisers
    assert one.repeated.count == 2 and one.effectiveness.rate.count == 0
    assert one.kappa_of_trials == 1 and one.kappa_of_reference == -1


@pytest.mark.parametrize(("parts", "trials", "small"), [(50, 3, False), (49, 3, True), (50, 2, True)])
def test_small_studies_say_so(parts, trials, small):
    study = gauge(readings(np.zeros((1, parts, trials))))
    assert bool(study.too_small) is small
    if small:
        assert f"{parts} parts x {trials} trials are fewer than the 50 x 3" in study.too_small


def test_parts_that_were_measured_once():
    given = readings([[[True, True], [True, False], [True, True]]])
    keep = np.array([0, 1, 2, 4])
    once = replace(kept(given, keep), errors=1)
    with pytest.raises(DataError, match=r"2 parts have one verdict only \(1 rows are ERROR\).*: p2, p3; .*--part"):
        gauge(once)


def test_no_verdict_at_all():
    nothing = np.empty(0, np.int64)
    given = Readings("s.csv", ("p",), ("A",), nothing, nothing, nothing, nothing > 0, nothing.astype("f4"), None, 3)
    with pytest.raises(DataError, match="no row has a verdict"):
        gauge(given)


def test_scatter_of_scores():
    scores = [[[1.0, 2.0, 3.0], [5.0, 5.0, 5.0], [0.0, 4.0, 2.0]]]
    scatter = gauge(readings(np.zeros((1, 3, 3)), score=scores)).scatter
    deviations = [np.std(row, ddof=1) for row in scores[0]]
    assert scatter.pooled == pytest.approx(np.sqrt(np.mean(np.square(deviations))))
    assert scatter.median == pytest.approx(np.median(deviations))
    assert (scatter.largest, scatter.part) == (pytest.approx(deviations[2]), "p3")


def test_scatter_is_within_an_appraiser():
    """Two machines with scores on other levels, each of which repeats itself."""
    scores = [[[1.0, 1.0]], [[9.0, 9.0]]]
    scatter = gauge(readings(np.zeros((2, 1, 2)), score=scores, appraisers="AB")).scatter
    assert scatter.largest == 0 and scatter.part == "p1 by A"


def test_scatter_without_scores():
    assert gauge(readings(np.zeros((1, 2, 2)))).scatter is None


def test_unstable_parts_in_the_order_of_their_doubt():
    stopped = [[[True, False, False, False], [True, True, False, False], [True] * 4, [True, True, True, False]]]
    scores = np.arange(16).reshape(1, 4, 4)
    study = gauge(readings(stopped, score=scores))
    assert [(one.part, one.stopped, one.lowest, one.highest) for one in study.unstable] == [
        ("p2", 2, 4, 7),
        ("p1", 1, 0, 3),
        ("p4", 3, 12, 15),
    ]


def test_many_unstable_parts_are_counted():
    study = gauge(readings(np.tile([True, False], (1, 30, 1))))
    assert (len(study.unstable), study.unstable_parts) == (20, 30)


def test_appraisers_with_other_parts():
    """Pairs of decisions are those that both have."""
    given = readings([[[True, True], [False, False]], [[True, True], [True, True]]], appraisers="AB")
    keep = ~((given.appraiser == 1) & (given.part == 1))
    study = gauge(kept(given, keep))
    assert [one.repeated.of for one in study.appraisers] == [2, 1]
    assert study.pairings[0].kappa is None  # both stop the one part they share: no chance to disagree


def test_as_data(manual):
    read = json.loads(json.dumps(manual.as_dict()))
    assert read["appraisers"][0]["effectiveness"]["rate"]["count"] == 42
    assert read["pairings"][0]["kappa"] == pytest.approx(0.86, abs=5e-3)
    assert read["too_small"] == ""
