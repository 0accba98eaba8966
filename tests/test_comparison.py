"""Two models on the same parts: McNemar by hand and by SciPy, the bootstrap against drawn rows and scikit-learn."""

import json
from math import comb

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from goldenpair.errors import DataError, InputError, TableError
from goldenpair.metrics import false_alarm_rate
from goldenpair.quality import comparison
from goldenpair.quality.comparison import KINDS, Comparison, McNemar, _Ranked, compare
from goldenpair.quality.scored import ScoredTable, with_scores


def table_of(scores, labels, verdicts=None, boards=None, names=None, source="A.csv") -> ScoredTable:
    count = len(scores)
    cells = {
        "input_path": boards or [f"b{i % 4}" for i in range(count)],
        "object_name": names or [f"R{i}" for i in range(count)],
        "label": list(labels),
    }
    if verdicts:
        cells["verdict"] = verdicts
    return with_scores(source, cells, np.array(scores, np.float32))


def of_counts(both: int, only_a: int, only_b: int, neither: int) -> McNemar:
    counts = (both, only_a, only_b, neither)
    return McNemar.of(np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts))


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
    assert of_counts(0, 0, comparison._FEWEST, 0).p < comparison.SURE < of_counts(0, 0, comparison._FEWEST - 1, 0).p


LABELS = ["PASS"] * 6 + ["OPEN"] * 3
A = [0.1, 0.2, 0.3, 0.7, 0.8, 0.1, 0.9, 0.6, 0.2]
B = [0.1, 0.9, 0.3, 0.2, 0.8, 0.1, 0.9, 0.2, 0.8]


def test_counts_and_changes():
    found = compare(table_of(A, LABELS), table_of(B, LABELS, source="B.csv"), cutoff_a=0.5, cutoff_b=0.5)
    assert (found.defects.both, found.defects.only_a, found.defects.only_b, found.defects.neither) == (1, 1, 1, 0)
    assert (found.good.both, found.good.only_a, found.good.only_b, found.good.neither) == (1, 1, 1, 3)
    told = [(one.object_name, one.kind, one.stopped_a, one.stopped_b) for one in found.changes]
    assert told == [
        ("R7", "escape of B only", True, False),
        ("R8", "escape of A only", False, True),
        ("R1", "false call of B only", False, True),
        ("R3", "false call of A only", True, False),
    ]
    assert found.changes[0].label == "OPEN" and found.changes[0].input_path == "b3"
    assert (found.changes[0].score_a, found.changes[0].score_b) == pytest.approx((0.6, 0.2))
    assert (found.rule_a, found.rule_b) == ("cutoff 0.5", "cutoff 0.5")


def test_parts_are_found_by_their_names():
    """B has them in another order, without one and with another."""
    order = [8, 3, 5, 0, 2, 1, 7, 6]
    b = table_of(
        [B[i] for i in order] + [0.5],
        [LABELS[i] for i in order] + ["PASS"],
        boards=[f"b{i % 4}" for i in order] + ["b9"],
        names=[f"R{i}" for i in order] + ["R99"],
    )
    found = compare(table_of(A, LABELS), b, cutoff_a=0.5, cutoff_b=0.5)
    assert (found.parts, found.only_in_a, found.only_in_b) == (8, 1, 1)
    assert [one.object_name for one in found.changes] == ["R7", "R8", "R1", "R3"]


def test_the_largest_changes_of_a_kind_come_first():
    found = compare(
        table_of([0, 0, 0], ["PASS"] * 3), table_of([0.6, 0.9, 0.7], ["PASS"] * 3), cutoff_a=0.5, cutoff_b=0.5
    )
    assert [one.object_name for one in found.changes] == ["R1", "R2", "R0"]
    assert {one.kind for one in found.changes} == {KINDS[2]}


def test_verdicts_of_the_column():
    verdicts = ["PASS", "REVIEW", "FAIL", "PASS", "PASS", "PASS", "FAIL", "PASS", "REVIEW"]
    a = table_of(A, LABELS, verdicts)
    found = compare(a, table_of(B, LABELS), cutoff_b=0.5)
    assert found.rule_a == "column verdict"
    assert found.good.both + found.good.only_a == 2  # REVIEW stops a part too
    assert compare(a, a, cutoff_a=0.5, cutoff_b=0.5).rule_a == "cutoff 0.5"  # a cutoff goes first


def test_verdicts_that_are_none():
    a = table_of(A, LABELS, ["PASS"] * 8 + ["good"])
    with pytest.raises(TableError, match="column verdict holds 'good'; expected PASS, REVIEW, FAIL or ERROR"):
        compare(a, table_of(B, LABELS))


def test_cutoffs_of_their_own_are_told_to_be_optimistic():
    found = compare(table_of(A, LABELS), table_of(B, LABELS), capture=0.66)
    assert "chosen on these parts for 66 % capture: optimistic" in found.rule_a
    assert found.defects.both + found.defects.only_a == 2
    assert found.defects.both + found.defects.only_b == 2


def test_no_defects_and_no_verdicts():
    with pytest.raises(DataError, match="give --cutoff-a and --cutoff-b"):
        compare(table_of([0.1], ["PASS"]), table_of([0.2], ["PASS"]))


@pytest.mark.parametrize("capture", [0, -1, 1.01, float("nan")])
def test_captures_that_are_none(capture):
    with pytest.raises(InputError, match="expected a share"):
        compare(table_of(A, LABELS), table_of(B, LABELS), capture=capture)


def test_nothing_in_common():
    b = table_of(B, LABELS, boards=["other"] * 9, source="B.csv")
    with pytest.raises(DataError, match=r"A.csv and B.csv have no part in common.*b0/R0 and other/R0"):
        compare(table_of(A, LABELS), b)


def test_parts_that_stand_there_twice():
    a = table_of([0.1, 0.2], ["PASS"] * 2, boards=["b"] * 2, names=["R1"] * 2)
    with pytest.raises(TableError, match="1 rows are of parts that stand there before: b/R1"):
        compare(a, table_of(B, LABELS))


def test_tables_without_names():
    a = with_scores("A.csv", {"label": ["PASS"]}, np.zeros(1, np.float32))
    with pytest.raises(TableError, match="it has no input_path, object_name"):
        compare(a, table_of(B, LABELS))


def test_labels_that_contradict():
    with pytest.raises(DataError, match=r"1 parts are good in one and defects in the other(.|\n)*b1/R1: PASS and OPEN"):
        compare(table_of(A, LABELS), table_of(B, ["PASS", "OPEN", *LABELS[2:]]))


def test_names_of_defects_may_differ():
    b = table_of(B, ["PASS"] * 6 + ["SHORT"] * 3)
    assert compare(table_of(A, LABELS), b, cutoff_a=0.5, cutoff_b=0.5).defects.both == 1


def test_parts_that_one_has_not_measured():
    a = table_of([np.nan, *A[1:]], LABELS)
    b = table_of(B, [*LABELS[:8], ""])
    found = compare(a, b, cutoff_a=0.5, cutoff_b=0.5)
    assert (found.parts, found.not_measured) == (7, 2)


def test_none_is_measured_by_both():
    a = table_of([np.nan, 0.1], ["PASS"] * 2)
    with pytest.raises(DataError, match="2 parts in both, none with a label and a score in each"):
        compare(a, table_of([0.1, np.nan], ["PASS"] * 2))


def test_the_figures_of_both():
    found = compare(table_of(A, LABELS), table_of(B, LABELS), cutoff_a=0.5, cutoff_b=0.5)
    calls, area = found.differences
    assert calls.name == "false calls at 100 % capture" and area.name == "AUROC"
    # A's last defect has 0.2, which four good parts reach; B's too
    assert (calls.a, calls.b) == pytest.approx((4 / 6, 4 / 6))
    bad = [label != "PASS" for label in LABELS]
    assert (area.a, area.b) == pytest.approx((roc_auc_score(bad, A), roc_auc_score(bad, B)))
    assert area.difference == pytest.approx(area.b - area.a)


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


def compared(score_a, score_b, bad, board) -> Comparison:
    labels = ["OPEN" if one else "PASS" for one in bad]
    boards = [f"b{one}" for one in board]
    a, b = (table_of(score, labels, boards=boards) for score in (score_a, score_b))
    return compare(a, b, cutoff_a=5, cutoff_b=5)


def test_the_interval_of_a_model_against_itself_is_nothing():
    score, bad, board, _ = random_set(1)
    for one in compared(score, score, bad, board).differences:
        assert (one.difference, one.low, one.high) == (0, 0, 0)


def test_a_clearly_better_model_is_seen():
    score, bad, board, rng = random_set(2, boards=30, n=900)
    better = score + 12 * bad + rng.random(900).astype(np.float32)
    calls, area = compared(score, better, bad, board).differences
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
    area = compared(np.array(score_a), np.array(score_b), np.array(bad), board).differences[1]
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
    found = compared(np.array([0, 1]), np.array([1, 0]), np.array([False, True]), [0, 0])
    assert found.boards == 1
    assert [(one.low, one.high) for one in found.differences] == [(None, None)] * 2


def test_good_parts_only_have_no_figures():
    found = compare(table_of([0.1, 0.9], ["PASS"] * 2), table_of([0.2, 0.1], ["PASS"] * 2), cutoff_a=0.5, cutoff_b=0.5)
    assert [(one.a, one.b, one.difference, one.low) for one in found.differences] == [(None, None, None, None)] * 2
    assert found.words[1] == "There are no defects: nothing can be said of escapes."


def words_of(calls: tuple[int, int], escapes: tuple[int, int]) -> list[str]:
    """What is said where so many good parts are stopped by A and by B only, and so many defects."""
    base = compare(table_of(A, LABELS), table_of(A, LABELS), cutoff_a=0.5, cutoff_b=0.5)
    return comparison.replace(base, good=of_counts(1, *calls, 50), defects=of_counts(30, *escapes, 0)).words


@pytest.mark.parametrize(
    ("calls", "escapes", "said"),
    [
        ((14, 2), (0, 0), ["B makes 12 fewer false calls than A (p = 0.0042).", "B captures the same defects as A."]),
        ((0, 0), (1, 0), ["B makes the same false calls as A.", "B lets 1 more escape through than A: not provable"]),
        (
            (2, 6),
            (0, 7),
            ["4 more false calls than A (p = 0.29): not provable", "7 fewer escapes through than A (p = 0.016)."],
        ),
        ((4, 4), (2, 2), ["as many false calls as A, on other parts (4 and 4)", "as many escapes through as A"]),
        (
            (40, 0),
            (0, 3),
            ["40 fewer false calls than A (p = below 0.0001)", "3 parts on which they differ are too few"],
        ),
    ],
)
def test_plain_words(calls, escapes, said):
    found = words_of(calls, escapes)
    assert all(part in one for part, one in zip(said, found, strict=True)), found


def test_as_data():
    found = compare(table_of(A, LABELS), table_of(B, LABELS), cutoff_a=0.5, cutoff_b=0.5)
    read = json.loads(json.dumps(found.as_dict()))
    assert read["changes"] == dict.fromkeys(KINDS, 1)
    assert read["good"] == {"both": 1, "only_a": 1, "only_b": 1, "neither": 3, "p": 1.0}
    assert read["differences"][1]["difference"] == pytest.approx(found.differences[1].difference)
    assert read["words"] == found.words
