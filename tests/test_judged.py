"""What was decided of each part, and the file that says it row by row."""

import csv

import numpy as np
import pytest

from factory import factory
from goldenpair.errors import DataError
from goldenpair.quality.cfx import LabelMap
from goldenpair.quality.policy import Band, Policy, TypeBand
from goldenpair.quality.scored import with_scores
from goldenpair.reporting.judged import KINDS, by_capture, by_column, by_policy, by_verdict, kinds, stated, write_scores

SCORE = np.array([0.1, 0.3, 0.5, 0.9, np.nan], np.float32)
LABEL = ["PASS", "BRIDGE", "PASS", "BRIDGE", "BRIDGE"]


def table_of(**more):
    return with_scores("x.csv", {"label": LABEL, "object_name": list("ABCDE"), **more}, SCORE)


def test_a_cutoff():
    judged = by_policy(table_of(), Policy.of_cutoff(0.3, "given"))
    assert judged.stopped.tolist() == [False, False, True, True, False]  # 0.3 does not exceed 0.3
    assert [judged.count(name) for name in ("PASS", "REVIEW", "FAIL", "ERROR")] == [2, 0, 2, 1]
    assert judged.cutoffs == [0.3] and stated(judged) == "Cutoff 0.3: given."
    assert [KINDS[kind] for kind in kinds(table_of(), judged)] == ["good", "escape", "false call", "captured", "error"]


def test_bands():
    judged = by_policy(table_of(), Policy(source="a file", band=Band(review=0.2, fail=0.6)))
    assert judged.stopped.tolist() == [False, True, True, True, False]
    assert judged.cutoffs == [0.2, 0.6]
    assert stated(judged) == "REVIEW above 0.2, FAIL above 0.6: a file."


def test_types_have_no_single_cutoff_and_unknown_ones_are_told():
    band = TypeBand(review=0.7, fail=0.7, goods=5, defects=1, weight=1)
    policy = Policy(source="a file", band=Band(review=0.2, fail=0.2), column="type", types={"R": band})
    judged = by_policy(table_of(type=["R", "R", "R", "C", ""]), policy)
    assert judged.stopped.tolist() == [False, False, False, True, False]
    assert judged.cutoffs == [] and stated(judged) == "Cutoffs by component type: a file."
    (mark,) = judged.marks
    assert "'C'" in mark and "1 without a type" in mark


def test_marks_of_a_policy_stay():
    policy = Policy.of_cutoff(0.3, "given").model_copy(update={"marks": ["fitted on these"]})
    assert by_policy(table_of(), policy).marks == ("fitted on these",)


def test_the_cutoff_for_a_capture_is_marked_as_chosen_here():
    table = factory()
    judged = by_capture(table, 1.0)
    assert judged.stopped[table.is_defect].all()
    (cutoff,) = judged.cutoffs
    lowest = table.score[table.is_defect].min()
    assert np.nextafter(np.float32(cutoff), np.float32(9)) == lowest
    assert "flatter" in judged.marks[0] and "this very table" in stated(judged)


def test_no_defects_to_choose_by():
    table = with_scores("x.csv", {"label": ["PASS"]}, np.zeros(1, np.float32))
    with pytest.raises(DataError, match="no defects to choose a cutoff by; give one"):
        by_capture(table, 1.0)


def test_the_files_own_verdicts_and_the_cutoff_that_explains_them():
    judged = by_column(table_of(verdict=["PASS", "PASS", "FAIL", "FAIL", "ERROR"]))
    assert judged.stopped.tolist() == [False, False, True, True, False]
    assert judged.policy is None and judged.cutoffs == []  # 0.3 to 0.5, and nobody knows which
    assert stated(judged) == (
        "Verdicts are those of the file's own column verdict; their cutoff is between 0.3, the highest PASS, and 0.5, "
        "the lowest above."
    )


def test_verdicts_with_review():
    judged = by_column(table_of(verdict=["PASS", "REVIEW", "REVIEW", "FAIL", "ERROR"]))
    assert judged.cutoffs == [] and (judged.review[0], judged.fail[0]) == (pytest.approx(0.1), pytest.approx(0.5))
    said = stated(judged)
    assert "between 0.1, the highest PASS, and 0.3, the lowest above" in said
    assert "and that of FAIL between 0.5, the highest REVIEW, and 0.9, the lowest above." in said


def test_review_is_counted_apart():
    judged = by_policy(table_of(), Policy(source="a file", band=Band(review=0.2, fail=0.6)))
    counts = [(one.verdict, one.defects, one.good) for one in by_verdict(table_of(), judged)]
    assert counts == [("PASS", 0, 1), ("REVIEW", 1, 1), ("FAIL", 1, 0)]  # the defect without a score is ERROR
    assert by_verdict(table_of(), by_policy(table_of(), Policy.of_cutoff(0.3, "given"))) == []


def test_verdicts_that_no_cutoff_explains():
    judged = by_column(table_of(verdict=["FAIL", "PASS", "FAIL", "PASS", "ERROR"]))
    assert judged.cutoffs == []
    assert stated(judged) == "Verdicts are those of the file's own column verdict; no single cutoff explains them."


def test_a_pass_without_a_score_is_an_error():
    judged = by_column(table_of(verdict=["PASS", "PASS", "PASS", "PASS", "PASS"]))
    assert judged.count("ERROR") == 1 and judged.count("PASS") == 4


def test_strange_verdicts():
    with pytest.raises(DataError, match="column verdict holds 'NG', 'ok', where PASS, REVIEW, FAIL, ERROR are known"):
        by_column(table_of(verdict=["ok", "ok", "NG", "NG", "ERROR"]))


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_scores_csv_row_by_row(tmp_path):
    table = table_of(input_path=["b1", "b1/x", "b2", "b2", "b2"])
    write_scores(tmp_path / "scores.csv", table, by_policy(table, Policy.of_cutoff(0.3, "given")))
    rows = rows_of(tmp_path / "scores.csv")
    assert list(rows[0]) == ["row", "part", "board", "label", "score", "verdict", "kind", "input_path", "object_name"]
    assert [row["row"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row["part"] for row in rows] == [table.describe(row) for row in range(5)]
    assert [row["board"] for row in rows] == ["b1", "b1", "b2", "b2", "b2"]
    assert [row["score"] for row in rows] == ["0.1", "0.3", "0.5", "0.9", ""]
    assert [row["verdict"] for row in rows] == ["PASS", "PASS", "FAIL", "FAIL", "ERROR"]
    assert [row["kind"] for row in rows] == ["good", "escape", "false call", "captured", "error"]


def test_scores_csv_with_names_of_cfx(tmp_path):
    """What was called is confirmed, rejected or not looked at; an ERROR is none."""
    cells = {"label": ["PASS", "PASS", "OPEN", "SHORT", "OPEN", "", "OPEN"]}
    table = with_scores("x.csv", cells, np.array([0.1, 0.9, 0.9, 0.8, 0.2, 0.7, np.nan], np.float32))
    judged = by_policy(table, Policy.of_cutoff(0.5, "given"))
    write_scores(tmp_path / "scores.csv", table, judged, LabelMap("map.yaml", {"OPEN": "LiftedLead"}))
    rows = rows_of(tmp_path / "scores.csv")
    assert [row["cfx_category"] for row in rows] == ["", "", "LiftedLead", "", "LiftedLead", "", "LiftedLead"]
    assert [row["verification"] for row in rows] == [
        "",
        "DefectRejected",
        "DefectConfirmed",
        "DefectConfirmed",
        "",
        "NotVerifiedYet",
        "",
    ]


def test_scores_csv_without_paths_and_labels(tmp_path):
    table = with_scores("x.csv", {"label": ["", "PASS"]}, np.array([0.5, 0.1], np.float32))
    write_scores(tmp_path / "scores.csv", table, by_policy(table, Policy.of_cutoff(0.3, "given")))
    first, second = rows_of(tmp_path / "scores.csv")
    assert (first["part"], first["kind"], second["kind"]) == ("row 1", "unlabelled", "good")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(tmp_path, start):
    evil = f'{start}HYPERLINK("http://x")'
    cells = {"input_path": [evil, "b"], "object_name": [evil, "R1"], "label": [evil, "PASS"]}
    table = with_scores("x.csv", cells, np.array([0.5, -0.25], np.float32))
    write_scores(tmp_path / "scores.csv", table, by_policy(table, Policy.of_cutoff(0.3, "given")))
    first, second = rows_of(tmp_path / "scores.csv")
    for column in ("part", "board", "label"):
        assert first[column].startswith(f"'{start}")
    assert second["score"] == "-0.25"  # a number, which no spreadsheet runs
