import numpy as np
import pytest
from scipy.stats import norm, t
from sklearn.metrics import roc_auc_score

from goldenpair.quality.auroc import _hanley_mcneil, _variance, auroc_interval


def boards_of_scores(seed: int = 0, boards: int = 30, good: int = 20, defects: int = 60, alike: float = 0.3):
    rng = np.random.default_rng(seed)
    is_defect = np.arange(boards * good + defects) >= boards * good
    board = np.where(is_defect, rng.integers(0, boards, len(is_defect)), np.arange(len(is_defect)) % boards)
    score = rng.normal(0, np.sqrt(alike), boards)[board] + rng.normal(0, np.sqrt(1 - alike), len(board))
    return (score + 2 * is_defect).astype(np.float32), is_defect, board


def test_the_model_of_hanley_and_mcneil():
    """Their example of 1982: an area of 0.893 with 51 abnormal and 58 normal cases has a standard error of 0.032."""
    assert np.sqrt(_hanley_mcneil(0.893, 51, 58)) == pytest.approx(0.032, abs=6e-4)


def variance_by_pairs(score, is_defect, board) -> float:
    """Obuchowski's formula (1997) over the matrix of all pairs."""
    pairs = np.sign(score[is_defect][:, None] - score[~is_defect]) / 2 + 0.5
    area, (m, n) = pairs.mean(), pairs.shape
    of_defects, of_good = pairs.mean(axis=1) - area, pairs.mean(axis=0) - area
    x = {one: of_defects[board[is_defect] == one].sum() for one in set(board)}
    y = {one: of_good[board[~is_defect] == one].sum() for one in set(board)}
    i10, i01, both = len(set(board[is_defect])), len(set(board[~is_defect])), len(set(board))
    s10 = i10 / ((i10 - 1) * m) * sum(x[one] ** 2 for one in x)
    s01 = i01 / ((i01 - 1) * n) * sum(y[one] ** 2 for one in y)
    s11 = both / (both - 1) * sum(x[one] * y[one] for one in x)
    return s10 / m + s01 / n + 2 * s11 / (m * n)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_variance_is_obuchowskis(seed, ties):
    score, is_defect, board = boards_of_scores(seed)
    score = score.round(1) if ties else score
    pairs = np.sign(score[is_defect][:, None] - score[~is_defect]) / 2 + 0.5
    below, above = pairs.mean(axis=1) - pairs.mean(), pairs.mean(axis=0) - pairs.mean()
    assert _variance(below, above, board, is_defect) == pytest.approx(variance_by_pairs(score, is_defect, board))


@pytest.mark.parametrize("seed", range(3))
def test_with_many_defects_it_is_nearly_the_plain_interval_of_obuchowskis_variance(seed):
    score, is_defect, board = boards_of_scores(seed, boards=100, defects=1000, alike=0.2)
    found, value = auroc_interval(score, is_defect, board), roc_auc_score(is_defect, score)
    reach = t.ppf(0.975, 99) * np.sqrt(variance_by_pairs(score, is_defect, board))
    assert found.low < value < found.high
    assert found.high - found.low == pytest.approx(2 * reach, rel=0.05)
    assert (found.low + found.high) / 2 == pytest.approx(value, abs=0.3 * reach)


def test_a_perfect_ranking_of_few_defects_is_not_certain():
    board = np.arange(200) % 20
    is_defect = np.arange(200) < 10
    found = auroc_interval(is_defect.astype(np.float32), is_defect, board)
    assert 0.6 < found.low < 0.95 and found.high == 1.0
    more = auroc_interval(np.repeat(is_defect, 10).astype(np.float32), np.repeat(is_defect, 10), np.repeat(board, 10))
    assert found.low < more.low < 1


def test_the_worst_ranking_is_an_interval_too():
    is_defect = np.arange(200) < 10
    found = auroc_interval(-is_defect.astype(np.float32), is_defect, np.arange(200) % 20)
    assert found.low == 0.0 <= found.high < 0.5


@pytest.mark.parametrize("defects", [[], [0], [0, 10]])
def test_defects_of_one_board_tell_nothing_of_boards(defects):
    is_defect = np.isin(np.arange(40), defects)
    assert auroc_interval(np.linspace(0, 1, 40, dtype=np.float32), is_defect, np.arange(40) % 10) is None


def test_without_good_parts_there_is_none():
    assert auroc_interval(np.float32([1, 2]), np.ones(2, bool), np.arange(2)) is None


def test_it_holds_the_truth():
    """A small part of benchmarks/intervals.py."""
    truth, held = norm.cdf(2 / np.sqrt(2)), 0
    for seed in range(300):
        found = auroc_interval(*boards_of_scores(seed, boards=40, good=10, alike=0.1))
        held += found.low <= truth <= found.high
    assert 0.92 < held / 300 < 0.99
