"""The numbers of robustness curves, by hand."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from goldenpair.quality.robustness import Curve, Point, Robustness, robustness_table

DEFECT = np.array([1, 1, 1, 0, 0, 0, 0, 0], bool)
BEFORE = np.array([1, 1, 0, 1, 0, 0, 0, 0], bool)


def point(score, stopped, is_defect=DEFECT, before=BEFORE):
    return Point.of(2.0, "2 %", np.array(score, np.float32), is_defect, np.array(stopped, bool), before)


def test_flips_are_told_apart():
    found = point([3, 0.4, 2, 0.1, 0.5, 0.6, 0.1, 0.1], [1, 0, 1, 0, 1, 1, 0, 0])
    assert (found.flips.count, found.flips.of) == (5, 8)  # rows 1, 2, 3, 4 and 5
    assert (found.lost.count, found.lost.of) == (1, 3)  # row 1
    assert (found.gained.count, found.gained.of) == (2, 5)  # rows 4 and 5
    # every defect scores 0.4 or more, and so do two good parts
    assert (found.fpr_at_full_capture.count, found.fpr_at_full_capture.of) == (2, 5)


def test_nothing_changed_nothing_flips():
    found = point([3, 2, 1, 1, 0, 0, 0, 0], BEFORE)
    assert [one.count for one in (found.flips, found.lost, found.gained)] == [0, 0, 0]
    assert found.fpr_at_full_capture.count == 1  # as high as the lowest defect, which the cutoff lies just below


def test_no_number_is_stopped_at_every_cutoff():
    nan = float("nan")
    found = point([nan, 2, 1, nan, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0, 0, 0])
    assert found.fpr_at_full_capture.count == 1
    assert point([nan, nan, nan, 0, 0, 0, 0, 0], BEFORE).fpr_at_full_capture.count == 0


@pytest.mark.parametrize("kind", [0, 1])
def test_one_class_alone_has_no_rate_of_the_other(kind):
    only = np.full(8, kind, bool)
    found = point(range(8), BEFORE, is_defect=only)
    assert found.fpr_at_full_capture.value is None
    empty, full = (found.gained, found.lost) if kind else (found.lost, found.gained)
    assert empty.value is None and full.of == 8


@pytest.fixture
def measured():
    two = point([3, 2, 1, 1, 0, 0, 0, 0], BEFORE), point([3, 0, 1, 1, 0, 0, 0, 0], [1, 0, 0, 1, 0, 0, 0, 0])
    return Robustness(0.5, 3, 5, 40, two[0], (Curve("shift", "%", "moved", two),), 4)


def test_as_data(measured):
    found = measured.as_dict()
    assert {name: found[name] for name in ("cutoff", "defects", "good", "of")} == {
        "cutoff": 0.5, "defects": 3, "good": 5, "of": 40,
    }  # fmt: skip
    (curve,) = found["curves"]
    assert (curve["name"], curve["unit"], curve["said"]) == ("shift", "%", "moved")
    assert [one["lost"]["count"] for one in curve["points"]] == [0, 1]
    assert found["undisturbed"]["flips"]["value"] == 0


def test_the_table_says_of_how_many_parts_it_is(measured):
    console = Console(file=io.StringIO(), width=140)
    console.print(robustness_table(measured))
    text = " ".join(console.file.getvalue().split())
    assert "5 good parts and 3 defects of 40 parts" in text and "judged by the cutoff 0.5" in text
    assert text.count("shift") == 1 and text.count("2 %") == 3
    assert "33.33% (1 of 3)" in text
    console.print(robustness_table(replace(measured, cutoff=None)))
    assert "judged by cutoffs by component type" in " ".join(console.file.getvalue().split())
