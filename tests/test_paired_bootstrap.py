"""Differences of two models' figures: against drawn rows, scikit-learn and the textbook's standard error."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from goldenpair.metrics import false_alarm_rate
from goldenpair.quality.paired_bootstrap import Difference, _Ranked, differences


def random_set(seed: int, boards: int = 6, n: int = 200):
    rng = np.random.default_rng(seed)
    bad = rng.random(n) < 0.3
    score = (rng.integers(0, 20, n) + 4 * bad).astype(np.float32)  # with ties
    return score, bad, rng.integers(0, boards, n), rng


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("capture", [1.0, 0.97, 0.5])
def test_figures_of_drawn_boards_are_those_of_their_rows(seed, capture):
    score, bad, board, rng = random_set(seed)
    ranked = _Ranked.of(score, bad, board)
    times = np.bincount(rng.integers(0, 6, 6), minlength=6)
    rows = np.repeat(np.arange(len(score)), times[board])
    calls, area = ranked.figures(times, capture)
    assert calls == pytest.approx(false_alarm_rate(score[rows], bad[rows], capture))
    assert area == pytest.approx(roc_auc_score(bad[rows], score[rows]))


def test_boards_without_a_class_have_no_figures():
    ranked = _Ranked.of(np.array([0, 1], np.float32), np.array([False, True]), np.array([0, 1]))
    assert ranked.figures(np.array([2, 0]), 1.0) is None
    assert ranked.figures(np.array([0, 2]), 1.0) is None
    assert ranked.figures(np.array([1, 1]), 1.0) == (0.0, 1.0)


def compared(score_a, score_b, bad, board, capture=0.8) -> tuple[Difference, Difference]:
    """At 80 % capture, for which 25 defects are enough."""
    return differences(np.asarray(score_a, np.float32), np.asarray(score_b, np.float32), bad, board, capture, 0)


def test_the_interval_of_a_model_against_itself_is_nothing():
    score, bad, board, _ = random_set(1)
    for one in compared(score, score, bad, board):
        assert (one.difference, one.low, one.high) == (0, 0, 0)


def test_a_clearly_better_model_is_seen():
    score, bad, board, rng = random_set(2, boards=30, n=900)
    better = score + 12 * bad + rng.random(900).astype(np.float32)
    calls, area = compared(score, better, bad, board)
    assert calls.high < 0 < area.low
    assert calls.low <= calls.difference <= calls.high and area.low <= area.difference <= area.high


def test_the_interval_is_as_wide_as_boards_differ():
    """An interval of a difference of means over boards, where AUROC comes down to that: textbook standard error."""
    rng = np.random.default_rng(5)
    boards = 200
    gain = rng.random(boards) < 0.5  # boards whose defect B ranks above all good parts and A below them
    score_a, score_b, bad, board = [], [], [], []
    for i in range(boards):
        score_a += [0.0, 1.0]
        score_b += [2.0 if gain[i] else 0.0, 1.0]
        bad += [True, False]
        board += [i, i]
    area = compared(np.array(score_a), np.array(score_b), np.array(bad), np.array(board))[1]
    share = gain.mean()
    assert area.difference == pytest.approx(share)
    error = np.sqrt(share * (1 - share) / boards)
    assert area.low == pytest.approx(share - 1.96 * error, abs=0.015)
    assert area.high == pytest.approx(share + 1.96 * error, abs=0.015)


def test_the_same_seed_gives_the_same_interval():
    score, bad, board, rng = random_set(3)
    other = score + rng.normal(size=200).astype(np.float32)
    assert compared(score, other, bad, board) == compared(score, other, bad, board)


def test_one_board_has_no_interval():
    found = compared([0, 1], [1, 0], np.array([False, True]), np.array([0, 0]))
    assert [(one.low, one.high, one.unknown) for one in found] == [(None, None, "one board: none")] * 2


def test_no_interval_where_none_is_known_to_hold():
    """The rule of `bootstrap.defects_needed`: never at 100 % capture, and at 90 % with 50 defects."""
    score, bad, board, rng = random_set(2, boards=30, n=150)
    other = score + 5 * bad
    assert 25 <= bad.sum() < 50
    for capture, said in ((1.0, "none is known to hold"), (0.9, "needs 50 defects")):
        calls, area = compared(score, other, bad, board, capture)
        assert (calls.low, calls.high, calls.unknown) == (None, None, said)
        assert calls.difference < 0 < area.low
    assert compared(score, other, bad, board, 0.8)[0].high is not None
