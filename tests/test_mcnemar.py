"""Tests of two models on the same parts: by hand, by SciPy, and on models that are equally good."""

from itertools import product
from math import comb

import numpy as np
import pytest
from scipy.stats import binomtest

from goldenpair.quality.mcnemar import FEWEST, SURE, McNemar, sign_flips


def of_counts(both: int, only_a: int, only_b: int, neither: int) -> McNemar:
    """Each part is of a board of its own."""
    counts = (both, only_a, only_b, neither)
    a, b = np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)
    return McNemar.of(a, b, np.arange(len(a)))


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (1, 9, 2 * (1 + 10) / 2**10),  # both tails of the binomial, by hand
        (9, 1, 2 * (1 + 10) / 2**10),
        (0, 6, 2 / 2**6),
        (0, 5, 2 / 2**5),
        (3, 3, 1.0),
        (0, 0, 1.0),
        (0, 1, 1.0),
    ],
)
def test_mcnemar_by_hand(only_a, only_b, p):
    found = of_counts(10, only_a, only_b, 20)
    assert (found.both, found.only_a, found.only_b, found.neither) == (10, only_a, only_b, 20)
    assert found.p == pytest.approx(p)


@pytest.mark.parametrize(("only_a", "only_b"), [(121, 59), (86, 150), (4, 15), (40, 41)])
def test_mcnemar_by_its_definition(only_a, only_b):
    n, least = only_a + only_b, min(only_a, only_b)
    p = min(1.0, 2 * sum(comb(n, k) for k in range(least + 1)) / 2**n)
    assert of_counts(5, only_a, only_b, 5).p == pytest.approx(p)
    assert p == pytest.approx(binomtest(only_a, n).pvalue)


def test_sixs_are_the_fewest_that_can_prove_anything():
    assert of_counts(0, 0, FEWEST, 0).p < SURE < of_counts(0, 0, FEWEST - 1, 0).p


@pytest.mark.parametrize(("only_a", "only_b"), [(2, 9), (0, 16), (5, 5), (12, 40), (121, 59)])
def test_boards_of_one_part_are_parts(only_a, only_b):
    """Then both tests are the same binomial one; beyond 16 boards it is drawn."""
    found = of_counts(3, only_a, only_b, 4)
    assert found.boards == only_a + only_b
    assert found.p_boards == pytest.approx(found.p, abs=1e-12 if found.boards <= 16 else 0.01)


@pytest.mark.parametrize("seed", range(4))
def test_signs_by_looking_at_all_of_them(seed):
    net = np.random.default_rng(seed).integers(-6, 9, 10)
    every = [abs(int(np.dot(signs, net))) for signs in product((-1, 1), repeat=10)]
    assert sign_flips(net) == pytest.approx(np.mean([one >= abs(net.sum()) for one in every]))


def test_drawn_signs_are_near_the_normal_distribution():
    """500 boards of one size: the sum is twice a binomial one."""
    net = np.repeat([3, -3, 0], [275, 225, 100])
    assert sign_flips(net) == pytest.approx(binomtest(275, 500).pvalue, abs=0.01)
    assert sign_flips(net, 1) == sign_flips(net, 1)


def test_a_board_that_is_alike_is_one_witness():
    """30 false calls of B on one board are no more than a board that went wrong."""
    a = np.zeros(60, np.bool_)
    b = np.arange(60) < 30
    found = McNemar.of(a, b, np.arange(60) // 30)
    assert (found.only_b, found.boards, found.p_boards) == (30, 1, 1.0)
    assert found.p < 1e-6 and not found.proven


def test_no_parts_at_all():
    none = np.zeros(0, np.bool_)
    found = McNemar.of(none, none, np.zeros(0, np.int64))
    assert (found.parts, found.p, found.p_boards, found.proven) == (0, 1.0, 1.0, False)


def test_equal_models_are_seldom_called_different():
    """2 % false calls that cluster by board: McNemar alone calls half of such pairs different."""
    rng = np.random.default_rng(1)
    board = np.repeat(np.arange(40), 100)
    found = []
    for _ in range(200):
        rate_a, rate_b = (np.repeat(rng.beta(0.2, 9.8, 40), 100) for _ in range(2))
        found.append(McNemar.of(rng.random(4000) < rate_a, rng.random(4000) < rate_b, board))
    assert np.mean([one.p < SURE for one in found]) > 0.4
    assert np.mean([one.proven for one in found]) < 0.08  # 0.05 and two standard errors of 200
