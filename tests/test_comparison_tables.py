"""A comparison as people see it, and the parts that changed as a table."""

import csv
import io
from dataclasses import replace

import numpy as np
from rich.console import Console

from goldenpair.quality.cfx import LabelMap
from goldenpair.quality.comparison import Comparison, compare
from goldenpair.quality.comparison_tables import comparison_tables, what_is_compared, write_changes
from goldenpair.quality.scored import with_scores


def compared(score_b, labels=("PASS", "PASS", "OPEN"), boards=("b1", "b2", "b[3]")) -> Comparison:
    def table(scores, source):
        count = len(scores)
        cells = {
            "input_path": [boards[i % len(boards)] for i in range(count)],
            "object_name": [f"R{i}" for i in range(count)],
            "label": [labels[i % len(labels)] for i in range(count)],
        }
        return with_scores(source, cells, np.array(scores, np.float32))

    return compare(table([0.1] * len(score_b), "A.csv"), table(score_b, "B.csv"), cutoff_a=0.5, cutoff_b=0.5)


def told(comparison: Comparison) -> str:
    console = Console(file=io.StringIO(), width=120)
    for table in comparison_tables(comparison):
        console.print(table)
    return console.file.getvalue()


def test_for_people():
    text = told(compared([0.9, 0.1, 0.8]))
    assert "2 parts changed their verdict" in text
    assert "b[3]/R2" in text and "escape of A only" in text
    assert "95 % (3 boards drawn)" in text


def test_what_is_compared():
    found = compared([0.9, 0.1, 0.8])
    assert what_is_compared(found) == ["A: A.csv (cutoff 0.5)", "B: B.csv (cutoff 0.5)", "3 parts compared"]
    less = replace(found, parts=1234, only_in_a=2, not_measured=1)
    assert what_is_compared(less)[2] == (
        "1,234 parts compared, 2 only in A, 1 in both, but without label or score in one"
    )


def test_nothing_changed():
    assert "changed" not in told(compared([0.1, 0.1, 0.1]))


def test_one_board_and_one_class():
    text = told(compared([0.9, 0.1], labels=("PASS",), boards=("b",)))
    assert "one board: none" in text


def test_many_changes_are_counted_on():
    text = told(compared([0.9] * 30))
    assert "30 parts changed" in text and "and 10 more" in text


def test_the_changes_as_a_table(tmp_path):
    path = tmp_path / "changes.csv"
    found = compared([0.9, 0.1, 0.8])
    write_changes(path, found.changes)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["object_name"] for row in rows] == ["R2", "R0"]
    assert rows[0] == {
        "input_path": "b[3]",
        "object_name": "R2",
        "label": "OPEN",
        "what": "escape of A only",
        "score_a": "0.1",
        "score_b": "0.8",
        "stopped_a": "False",
        "stopped_b": "True",
    }


def test_cells_are_text_and_no_formulas(tmp_path):
    """Neither for a spreadsheet nor for the terminal, whose markup a label may look like."""
    found = compared([0.9, 0.1, 0.8], labels=("PASS", "PASS", "\\[/x]"), boards=("=1+1", "b2", "b3"))
    assert "\\[/x]" in told(found) and "=1+1/R0" in told(found)
    path = tmp_path / "changes.csv"
    write_changes(path, found.changes)
    with path.open(newline="") as file:
        assert {row["input_path"] for row in csv.DictReader(file)} == {"'=1+1", "b3"}


def test_with_names_of_cfx(tmp_path):
    path = tmp_path / "changes.csv"
    write_changes(path, compared([0.9, 0.1, 0.8]).changes, LabelMap("here", {"OPEN": "LiftedLead"}))
    with path.open(newline="") as file:
        assert [row["cfx_category"] for row in csv.DictReader(file)] == ["LiftedLead", ""]
