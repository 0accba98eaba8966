import json
from time import perf_counter

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_score, roc_auc_score

from goldenpair.metrics import CARD_CUTOFFS, PROBABILITY_CUTOFFS, above, false_alarm_rate, working_point
from goldenpair.quality.figures import CAPTURES, DROPPED, Figures, figures
from goldenpair.quality.scored import with_scores
from scored_tables import scored_table


def scores(good: int = 200, defects: int = 60, seed: int = 0, apart: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = np.concatenate([rng.gamma(2, 0.3, good), rng.gamma(2, 0.3, defects) + apart]).astype(np.float32)
    order = rng.permutation(good + defects)
    return score[order], (np.arange(good + defects) >= good)[order]


def measured(score, is_defect, cutoff: float, board=None) -> Figures:
    table = scored_table(score, is_defect, board)
    return figures(table, above(table.score, cutoff), cutoff)


# by hand: three boards, cutoff 0.5
#           board 0 (no defect)    board 1 (one defect)   board 2 (no defect)
SCORE = np.float32([0.1, 0.2, 0.6, 0.1, 0.7, 0.9, 0.2, 0.3])
DEFECT = np.array([0, 0, 0, 0, 0, 1, 0, 0], bool)
BOARD = [0, 0, 0, 1, 1, 1, 2, 2]


def test_a_small_table_by_hand():
    found = measured(SCORE, DEFECT, 0.5, BOARD)
    assert (found.parts, found.defects, found.good, found.errors, found.unlabelled, found.boards) == (8, 1, 7, 0, 0, 3)
    point = found.point
    assert [(one.count, one.of) for one in (point.capture, point.escapes, point.false_calls, point.accuracy)] == [
        (1, 1),
        (0, 1),
        (2, 7),
        (6, 8),
    ]
    assert (found.escapes_of_parts.count, found.escapes_of_parts.of) == (0, 8)
    assert (found.precision.count, found.precision.of) == (1, 3)
    assert (found.flags.count, found.flags.of) == (3, 8)
    # of boards 0 and 2, which have no defect, board 0 has a false call; that of board 1 is not counted
    assert (found.false_fails.count, found.false_fails.of) == (1, 2)
    assert found.false_fails_of == "boards without a defect"
    assert found.board_source == "column board"


def test_boards_that_all_have_a_defect_are_counted_by_their_false_calls():
    found = measured([0.1, 0.9, 0.7, 0.2, 0.9, 0.9], np.array([0, 1, 0, 1, 1, 1], bool), 0.5, [0, 0, 1, 1, 2, 2])
    # boards 0 and 1 have a good part, that of board 1 is stopped
    assert (found.false_fails.count, found.false_fails.of, found.false_fails_of) == (1, 2, "all boards")


@pytest.mark.parametrize("board", [None, [0] * 8])
def test_without_two_boards_nothing_is_said_of_boards(board):
    found = measured(SCORE, DEFECT, 0.5, board)
    assert found.boards == 0 and found.false_fails.value is None
    assert found.point.false_calls.boards is None and found.auroc_boards is None
    assert all(at.false_calls is None for at in found.at_capture)


def test_precision_is_scikit_learns():
    score, is_defect = scores(apart=0.2)
    found = measured(score, is_defect, 0.8)
    assert found.precision.value == pytest.approx(precision_score(is_defect, score > np.float32(0.8)))
    assert found.auroc == pytest.approx(roc_auc_score(is_defect, score))
    assert found.average_precision == pytest.approx(average_precision_score(is_defect, score))


def test_what_is_stopped_may_come_from_elsewhere_than_a_cutoff():
    stopped = np.array([0, 0, 0, 1, 0, 1, 0, 1], bool)
    found = figures(scored_table(SCORE, DEFECT, BOARD), stopped)
    assert found.point.cutoff is None
    assert (found.point.false_calls.count, found.point.capture.count) == (2, 1)
    # good parts: 3 of board 1 and 7 of board 2
    assert (found.false_fails.count, found.false_fails.of) == (1, 2)


@pytest.mark.parametrize("defective", [False, True])
def test_one_class_alone_has_no_ranking(defective):
    found = measured([0.1, 3.0, 1], np.full(3, defective), 2.0, [0, 0, 1])
    assert (found.auroc, found.average_precision, found.auroc_boards, found.average_precision_boards) == (None,) * 4
    assert (found.point.capture.value is None) is not defective
    assert (found.point.false_calls.value is None) is defective
    assert [at.point is None for at in found.at_capture] == [not defective] * len(CAPTURES)
    assert found.presorted[0].good_passed is None and found.presorted[0].bad_found is None


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_rows_without_a_finite_score_are_errors_and_nothing_else(lost):
    score, is_defect = scores()
    whole = measured(score, is_defect, 1.0)
    hurt = measured(np.append(score, [lost] * 3), np.append(is_defect, [True, False, True]), 1.0)
    assert hurt.errors == 3 and hurt.parts == whole.parts + 3
    assert (hurt.defects, hurt.good) == (whole.defects, whole.good)
    assert (hurt.point, hurt.table, hurt.auroc, hurt.at_capture) == (
        whole.point,
        whole.table,
        whole.auroc,
        whole.at_capture,
    )


def test_a_row_without_a_score_is_in_no_rate_even_if_it_was_not_stopped():
    table = scored_table([0.1, 0.9, np.nan], [False, True, True])
    found = figures(table, np.array([False, True, False]), 0.5)
    assert (found.point.escapes.count, found.point.escapes.of, found.errors) == (0, 1, 1)


def test_rows_without_a_label_are_counted_apart():
    table = with_scores("x", {"label": ["PASS", " ", "BAD", ""]}, np.float32([0.1, 0.9, 0.9, np.nan]))
    found = figures(table, above(table.score, 0.5), 0.5)
    assert (found.parts, found.good, found.defects, found.unlabelled, found.errors) == (4, 1, 1, 1, 1)
    assert found.flags.of == 2


def test_nothing_but_errors_is_measured_without_failing():
    found = measured(np.full(3, np.nan), np.array([True, False, True]), 1.0, [0, 1, 2])
    assert (found.parts, found.errors, found.good, found.defects) == (3, 3, 0, 0)
    assert found.point.accuracy.value is None and found.auroc is None and found.false_fails.value is None


def test_other_cutoffs_and_captures():
    score, is_defect = scores(apart=0.5)
    found = measured(score, is_defect, 0.8)
    assert found.parts == 260 and found.defects == 60 and found.good == 200
    assert found.point == working_point(score, is_defect, 0.8)
    assert [point.cutoff for point in found.table] == list(CARD_CUTOFFS) and {0.3, 0.5} <= set(CARD_CUTOFFS)
    assert all(0 < one < 1 for one in PROBABILITY_CUTOFFS) and list(PROBABILITY_CUTOFFS) == sorted(PROBABILITY_CUTOFFS)
    assert [at.target for at in found.at_capture] == [1.0, 0.999, 0.99, 0.97]
    for at, needed in zip(found.at_capture, (60, 60, 60, 59), strict=True):  # 59.94, 59.4 and 58.2 of 60, upwards
        assert at.point is not None and at.point.capture.count == needed
        assert at.point.false_calls.value == pytest.approx(false_alarm_rate(score, is_defect, at.target))


@pytest.mark.parametrize("seed", range(3))
def test_dropped_is_what_the_table_without_the_lowest_defects_says(seed):
    score, is_defect = scores(seed=seed, defects=40, apart=0.3)
    for at in measured(score, is_defect, 1.0).at_capture:
        assert [one.defects for one in at.dropped] == list(DROPPED) == [1, 2, 3, 5]
        for one in at.dropped:
            lowest = np.flatnonzero(is_defect)[np.argsort(score[is_defect])[: one.defects]]
            rest = np.setdiff1d(np.arange(len(score)), lowest)
            assert one.false_calls.of == 200
            assert one.false_calls.value == false_alarm_rate(score[rest], is_defect[rest], at.target)


def test_more_defects_cannot_be_dropped_than_there_are():
    dropped = measured([0.1, 0.2, 0.9, 0.8], np.array([0, 0, 1, 1], bool), 0.5).at_capture[0].dropped
    assert [one.false_calls is None for one in dropped] == [False, True, True, True]


def quantile_by_hand(values, share: float) -> float:
    """Between two values in proportion, as the definition of PG and PB has it."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


@pytest.mark.parametrize("seed", range(4))
def test_pg_and_pb_against_a_count_by_hand(seed):
    score, is_defect = scores(seed=seed, good=151, defects=57, apart=0.4)
    bad, good = ([float(one) for one in score[rows]] for rows in (is_defect, ~is_defect))
    found = measured(score, is_defect, 1.0).presorted
    assert [one.lost for one in found] == [0, 0.01, 0.02]
    for one in found:
        accepted, refused = quantile_by_hand(bad, one.lost), quantile_by_hand(good, 1 - one.lost)
        assert (one.good_passed.count, one.good_passed.of) == (sum(x < accepted for x in good), 151)
        assert (one.missed.count, one.missed.of) == (sum(x < accepted for x in bad), 57)
        assert (one.bad_found.count, one.bad_found.of) == (sum(x > refused for x in bad), 57)
        assert (one.stopped.count, one.stopped.of) == (sum(x > refused for x in good), 151)


def test_pg_and_pb_of_separate_classes_are_whole():
    for one in measured([0.1, 0.2, 0.8, 0.9], np.array([0, 0, 1, 1], bool), 0.5).presorted:
        assert one.good_passed.value == one.bad_found.value == 1.0


def test_intervals_that_need_more_defects_say_how_many():
    rng = np.random.default_rng(0)
    is_defect = np.arange(3000) < 200
    score = rng.normal(size=3000) + 2 * is_defect
    found = {at.target: at for at in measured(score, is_defect, 1.0, rng.integers(0, 40, 3000)).at_capture}
    assert [found[target].needed for target in CAPTURES] == [None, 5000, 500, 167]
    assert [found[target].false_calls is None for target in CAPTURES] == [True, True, True, False]
    at = found[0.97]
    # it allows for the cutoff, which the exact one takes as given
    assert at.false_calls.low < at.point.false_calls.low and at.point.false_calls.high < at.false_calls.high


def test_as_dict_is_plain_json_with_ppm_beside_every_rate():
    score, is_defect = scores(apart=0.2)
    plain = measured(score, is_defect, 0.8, np.arange(260) % 20).as_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    rates = []

    def look(value):
        if isinstance(value, dict):
            if "value" in value:
                rates.append(value)
            for inner in value.values():
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    look(plain)
    assert all(one["ppm"] == pytest.approx(1e6 * one["count"] / one["of"]) for one in rates)
    points, dropped, presorted, alone = 1 + 4 + len(CARD_CUTOFFS), 4 * 4, 3 * 4, 4
    assert len(rates) == 4 * points + dropped + presorted + alone
    assert set(plain["point"]["false_calls"]["boards"]) == {"low", "high", "effective"}


def test_as_dict_of_one_class_is_plain_json_too():
    plain = measured([0.1, 0.2], np.zeros(2, bool), 2.0).as_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    nothing = {"value": None, "count": 0, "of": 0, "low": None, "high": None, "boards": None, "ppm": None}
    assert plain["point"]["capture"] == nothing
    assert plain["at_capture"][0]["point"] is None


def test_the_same_table_gives_the_same_figures():
    score, is_defect = scores()
    board = np.arange(260) % 13
    assert measured(score, is_defect, 1.0, board) == measured(score, is_defect, 1.0, board)


def test_many_rows_do_not_take_long():
    """A million are measured by hand; here is only what would make them take minutes."""
    rng = np.random.default_rng(0)
    is_defect = rng.random(100_000) < 0.3
    table = scored_table(rng.normal(size=100_000) + 2 * is_defect, is_defect, np.arange(100_000) // 10)
    started = perf_counter()
    assert figures(table, above(table.score, 1.0), 1.0).boards == 10_000
    assert perf_counter() - started < 30
