"""Two models on the same parts: what is counted, and what is said of it."""

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from goldenpair.errors import DataError, InputError, TableError
from goldenpair.quality import comparison
from goldenpair.quality.comparison import KINDS, Unjudged, compare, read_both
from goldenpair.quality.mcnemar import McNemar
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
    b = table_of([*B[:7], np.nan, 0.8], LABELS)
    found = compare(a, b, cutoff_a=0.5, cutoff_b=0.5)
    assert (found.parts, found.not_measured) == (7, 2)
    assert (found.unjudged_a, found.unjudged_b) == (Unjudged(0, 1), Unjudged(1, 0))
    assert found.words[2:] == [
        "A has no verdict (ERROR, no score or no row) for 1 good part that B has judged: they are left out.",
        "B has no verdict (ERROR, no score or no row) for 1 defect that A has judged: they are left out.",
    ]


def test_a_model_without_verdicts_is_not_called_as_good():
    """B has ERROR for one of A's three captures, and no row for another."""
    labels = ["PASS"] * 2 + ["OPEN"] * 3
    a = table_of([0.1, 0.1, 0.9, 0.9, 0.9], labels)
    b = table_of([0.1, 0.1, 0.9, np.nan], labels[:4])
    found = compare(a, b, cutoff_a=0.5, cutoff_b=0.5)
    assert found.unjudged_b == Unjudged(2, 0)
    assert found.words[1] == "Of the parts that both have judged, B captures the same defects as A."
    assert "B has no verdict (ERROR, no score or no row) for 2 defects" in found.words[2]


def test_labels_of_one_are_enough():
    b = table_of(B, [*LABELS[:7], "", ""])
    found = compare(table_of(A, LABELS), b, cutoff_a=0.5, cutoff_b=0.5)
    assert (found.parts, found.not_measured) == (9, 0)
    turned = compare(b, table_of(A, LABELS), cutoff_a=0.5, cutoff_b=0.5)
    assert (turned.defects.only_a, turned.defects.only_b) == (found.defects.only_b, found.defects.only_a) == (1, 1)
    assert [one.label for one in turned.changes[:2]] == ["OPEN"] * 2
    assert [one.kind for one in turned.changes[:2]] == list(KINDS[:2])


@pytest.mark.parametrize("cutoff", [float("nan"), float("inf"), 1e39])
def test_cutoffs_that_nothing_exceeds(cutoff):
    """Else every part would pass."""
    with pytest.raises(InputError, match="--cutoff-b: .* is no number that a score can exceed"):
        compare(table_of(A, LABELS), table_of(B, LABELS), cutoff_a=0.5, cutoff_b=cutoff)


def test_marks_of_verdicts_are_told():
    a = table_of(A, LABELS, ["PASS"] * 9)
    a.cells["policy_mark"] = ["fitted on these parts"] * 9
    assert compare(a, table_of(B, LABELS), cutoff_b=0.5).rule_a == "column verdict; fitted on these parts"


def written(tmp_path, name, columns, rows):
    path = tmp_path / name
    path.write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_file_without_labels_takes_the_others(tmp_path):
    columns = "input_path,object_name,siamese_score"
    a = written(tmp_path, "A.csv", f"{columns},label", ["b1,R1,0.1,PASS", "b2,R1,0.9,OPEN"])
    b = written(tmp_path, "B.csv", columns, ["b1,R1,0.8", "b2,R1,0.2", "b3,R1,0.2"])
    found = compare(*read_both(a, b), cutoff_a=0.5, cutoff_b=0.5)
    assert (found.good.only_b, found.defects.only_a, found.parts) == (1, 1, 2)
    turned = compare(*read_both(b, a), cutoff_a=0.5, cutoff_b=0.5)
    assert (turned.good.only_a, turned.defects.only_b) == (1, 1)


def test_neither_file_has_labels(tmp_path):
    path = written(tmp_path, "A.csv", "input_path,object_name,siamese_score", ["b1,R1,0.1"])
    with pytest.raises(TableError, match="no column 'label'"):
        read_both(path, path)


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


def test_good_parts_only_have_no_figures():
    found = compare(table_of([0.1, 0.9], ["PASS"] * 2), table_of([0.2, 0.1], ["PASS"] * 2), cutoff_a=0.5, cutoff_b=0.5)
    assert [(one.a, one.b, one.difference, one.low) for one in found.differences] == [(None, None, None, None)] * 2
    assert found.words[1] == "There are no defects: nothing can be said of escapes."


def of_counts(both: int, only_a: int, only_b: int, neither: int, boards: int = 10_000) -> McNemar:
    """Of so many parts, which are of that many boards in turn."""
    counts = (both, only_a, only_b, neither)
    a, b = np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)
    return McNemar.of(a, b, np.arange(len(a)) % boards)


def words_of(calls: tuple[int, int], escapes: tuple[int, int], boards: int = 10_000) -> list[str]:
    """What is said where so many good parts are stopped by A and by B only, and so many defects."""
    base = compare(table_of(A, LABELS), table_of(A, LABELS), cutoff_a=0.5, cutoff_b=0.5)
    return comparison.replace(
        base, good=of_counts(1, *calls, 50, boards), defects=of_counts(30, *escapes, 0, boards)
    ).words


@pytest.mark.parametrize(
    ("calls", "escapes", "said"),
    [
        (
            (14, 2),
            (0, 0),
            ["12 fewer false calls than A (p = 0.0042, by board 0.0042).", "B captures the same defects as A."],
        ),
        ((0, 0), (1, 0), ["B makes the same false calls as A.", "B lets 1 more escape through than A: not provable"]),
        (
            (2, 6),
            (0, 7),
            [
                "4 more false calls than A: not provable, it may be chance (p = 0.29, by board 0.29).",
                "7 fewer escapes through than A (p = 0.016, by board 0.016).",
            ],
        ),
        ((4, 4), (2, 2), ["as many false calls as A, on other parts (4 and 4)", "as many escapes through as A"]),
        (
            (40, 0),
            (0, 3),
            [
                "40 fewer false calls than A (p = below 0.0001, by board 0.0001)",
                "3 parts on which they differ are too few",
            ],
        ),
    ],
)
def test_plain_words(calls, escapes, said):
    found = words_of(calls, escapes)
    assert all(part in one for part, one in zip(said, found, strict=True)), found


def test_few_boards_prove_nothing():
    """A board's parts are alike, so that many of them are one witness."""
    (calls, _) = words_of((40, 0), (0, 0), boards=3)
    assert "40 fewer false calls than A: not provable, 3 boards on which they differ are too few" in calls
    assert calls.endswith("(p = below 0.0001, by board 0.25).")
    (calls, _) = words_of((40, 0), (0, 0), boards=1)
    assert "1 board on which they differ is too few" in calls


def test_boards_that_differ_by_chance():
    """Six boards, of which two make B's surplus and one goes the other way."""
    base = compare(table_of(A, LABELS), table_of(A, LABELS), cutoff_a=0.5, cutoff_b=0.5)
    only_a = np.repeat([True, False], [10, 40])
    board = np.repeat(np.arange(6), [10, 36, 1, 1, 1, 1])
    told = comparison.replace(base, good=McNemar.of(only_a, ~only_a, board)).words[0]
    assert "B makes 30 more false calls than A: not provable, boards whose parts are alike may differ" in told


def test_as_data():
    found = compare(table_of(A, LABELS), table_of(B, LABELS), cutoff_a=0.5, cutoff_b=0.5)
    read = json.loads(json.dumps(found.as_dict()))
    assert read["changes"] == dict.fromkeys(KINDS, 1)
    assert read["good"] == {"both": 1, "only_a": 1, "only_b": 1, "neither": 3, "p": 1.0, "boards": 2, "p_boards": 1.0}
    assert read["differences"][1]["difference"] == pytest.approx(found.differences[1].difference)
    assert read["words"] == found.words
