import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import t
from sklearn.metrics import average_precision_score

from goldenpair.metrics import false_alarm_rate
from goldenpair.quality import bootstrap
from goldenpair.quality.bootstrap import (
    average_precision_interval,
    defects_needed,
    draw_boards,
    false_call_interval,
)


def scores(parts: int = 400, boards: int = 12, share: float = 0.2, seed: int = 0, names: int = 1):
    """Whole numbers of boards need not be without gaps; scores have ties."""
    rng = np.random.default_rng(seed)
    is_defect = rng.random(parts) < share
    score = (rng.normal(size=parts) + 1.5 * is_defect).round(1).astype(np.float32)
    return score, is_defect, names * rng.integers(0, boards, parts)


def rows_drawn(board: np.ndarray, draws: int, seed: int = 0) -> list[np.ndarray]:
    """The rows of each draw, written out, a board as often as it was drawn."""
    names = np.unique(board)
    times = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    rows = [np.flatnonzero(board == name) for name in names]
    return [np.concatenate([np.tile(r, k) for r, k in zip(rows, one, strict=True)]) for one in times]


@pytest.mark.parametrize(("seed", "names"), [(0, 1), (1, 7)])
def test_draws_are_those_of_the_rows_written_out(seed, names):
    score, is_defect, board = scores(seed=seed, names=names)
    drawn = draw_boards(score, is_defect, board, draws=40)
    written = rows_drawn(board, 40)
    precision = [average_precision_score(is_defect[rows], score[rows]) for rows in written]
    assert drawn.average_precision() == pytest.approx(np.array(precision))
    for capture in (1.0, 0.97, 0.8, 0.5):
        rates = [false_alarm_rate(score[rows], is_defect[rows], capture) for rows in written]
        assert drawn.false_calls(capture) == pytest.approx(np.array(rates))


def test_draws_without_a_defect_are_left_out():
    score, is_defect, board = np.float32([0.1, 0.9, 0.2, 0.3]), np.array([0, 1, 0, 0], bool), np.array([0, 0, 1, 2])
    drawn = draw_boards(score, is_defect, board, draws=200)
    usable = [rows for rows in rows_drawn(board, 200) if is_defect[rows].any()]
    assert 0 < len(usable) < 200 and len(drawn.good) == len(usable)
    assert np.isfinite(drawn.false_calls(1.0)).all()


def test_the_same_seed_draws_the_same():
    table = scores()
    one, again, other = (draw_boards(*table, draws=30, seed=seed).average_precision() for seed in (5, 5, 6))
    assert (one == again).all() and (one != other).any()


def test_many_boards_and_scores_are_joined_without_changing_what_is_found(monkeypatch):
    score, is_defect, board = scores(parts=20_000, boards=1500, share=0.3)
    exact = draw_boards(score + np.random.default_rng(1).random(20_000), is_defect, board)
    monkeypatch.setattr(bootstrap, "UNITS", 400)
    monkeypatch.setattr(bootstrap, "LEVELS", 200)
    joined = draw_boards(score + np.random.default_rng(1).random(20_000), is_defect, board)
    assert joined.defects.shape[1] <= 200 < exact.defects.shape[1]
    for capture in (0.99, 0.97):
        one, other = exact.false_calls(capture), joined.false_calls(capture)
        assert other.mean() == pytest.approx(one.mean(), rel=0.01)
        assert other.std() == pytest.approx(one.std(), rel=0.15)
    one, other = exact.average_precision(), joined.average_precision()
    assert other.std() == pytest.approx(one.std(), rel=0.15)


@pytest.mark.parametrize(("capture", "defects"), [(1.0, None), (0.999, 5000), (0.99, 500), (0.97, 167), (0.5, 10)])
def test_defects_that_a_cutoff_needs(capture, defects):
    assert defects_needed(capture) == defects


def test_with_too_few_defects_there_is_no_interval():
    drawn = draw_boards(*scores(parts=2000))
    assert false_call_interval(drawn, 166, 0.97) is None
    assert false_call_interval(drawn, 10**9, 1.0) is None
    found, every = false_call_interval(drawn, 167, 0.97), drawn.false_calls(0.97)
    assert ((every < found.low).mean(), (every > found.high).mean()) == pytest.approx((0.025, 0.025), abs=0.003)


def test_the_interval_of_an_average_precision_is_around_it_and_within_0_and_1():
    score, is_defect, board = scores(parts=2000)
    drawn, value = draw_boards(score, is_defect, board), average_precision_score(is_defect, score)
    found = average_precision_interval(drawn, value, 12)
    spread = drawn.average_precision().std(ddof=1) / (value * (1 - value))
    ends = expit(logit(value) + np.array([-1, 1]) * t.ppf(0.975, 11) * spread)
    assert (found.low, found.high) == pytest.approx(tuple(ends))
    assert 0 < found.low < value < found.high < 1


@pytest.mark.parametrize(("value", "boards"), [(0.0, 12), (1.0, 12), (0.8, 1)])
def test_no_interval_where_nothing_varies(value, boards):
    assert average_precision_interval(draw_boards(*scores()), value, boards) is None
