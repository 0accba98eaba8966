"""Chapters of figures and breakdowns: their cells are the figures' own numbers, and few parts are grey."""

import numpy as np
from scipy.stats import beta

from factory import factory
from goldenpair.metrics import Interval, Rate
from goldenpair.quality.breakdown import breakdowns
from goldenpair.quality.figures import figures
from goldenpair.quality.targets import Targets, judge
from goldenpair.reporting.kpis import between, breakdown_section, counted, figures_section, judged_targets

TABLE = factory(800)
STOPPED = TABLE.score > 0.4
FOUND = figures(TABLE, STOPPED, 0.4)


def grid(number):
    return figures_section(FOUND, "Cutoff 0.4.").grids[number]


def test_each_share_stands_with_its_counts_and_both_intervals():
    lines = {line.cells[0]: line.cells for line in grid(0).lines}
    rate = FOUND.point.false_calls
    assert lines["false calls"][2:6] == (
        f"{rate.value:.2%}", f"{rate.ppm:,.0f}", counted(rate), f"{rate.low:.2%} to {rate.high:.2%}",
    )  # fmt: skip
    assert lines["false calls"][6] == f"{rate.boards.low:.2%} to {rate.boards.high:.2%}"
    assert lines["AUROC"][2] == f"{FOUND.auroc:.4f}"
    assert lines["capture"][4] == f"{(STOPPED & TABLE.is_defect).sum()} of 37"
    assert all(len(line.cells) == len(grid(0).columns) for line in grid(0).lines)


def test_every_capture_has_a_line_and_says_how_many_defects_it_would_need():
    assert [line.cells[0] for line in grid(1).lines] == ["100%", "99.9%", "99%", "97%"]
    assert grid(1).lines[0].cells[-1] == "not to be told from any number of defects"
    assert grid(1).lines[3].cells[-1].startswith("not to be told below ")


def test_dropped_defects_and_presorting():
    assert grid(2).columns[2:] == tuple(f"without the lowest {count}" for count in (1, 2, 3, 5))
    first = FOUND.at_capture[0].dropped[0].false_calls
    assert grid(2).lines[0].cells[2] == f"{first.value:.2%} ({first.count:,})"
    assert [line.cells[0] for line in grid(3).lines] == ["0%", "1%", "2%"]


def test_fewer_than_ten_are_grey():
    table = factory(100, 4)
    found = figures(table, table.score > 0.4, 0.4)
    lines = {line.cells[0]: line for line in figures_section(found, "x").grids[0].lines}
    assert lines["capture"].small and not lines["false calls"].small


def test_breakdowns_name_their_source_and_grey_their_few():
    found = breakdowns(TABLE, STOPPED)
    section = breakdown_section(found)
    assert [one.caption for one in section.grids] == [f"By {one.name} ({one.source})" for one in found]
    for one, made in zip(found, section.grids, strict=True):
        for cell, line in zip(one.cells, made.lines, strict=False):
            assert line.cells[0] == cell.name and line.small == cell.small
            assert (2 in line.grey) == (cell.capture.of < 10) and (4 in line.grey) == (cell.false_calls.of < 10)


def test_words_of_the_verdict():
    assert judged_targets(judge(FOUND, Targets()))[0] == "NO TARGET"
    state, said, findings = judged_targets(judge(FOUND, Targets(capture=0.5, false_calls_ppm=900_000)))
    assert state == "MET" and "all 2 targets" in said and len(findings) == 2
    assert judged_targets(judge(FOUND, Targets(false_calls_ppm=0)))[0] == "NOT MET"
    assert judged_targets(judge(FOUND, Targets(capture=1.0)))[0] in ("NOT MET", "NOT PROVABLE")


def test_small_words():
    assert counted(Rate.measured(1, 1234)) == "1 of 1,234"
    assert between(None, 0.2) == "" and between(Interval(0.1, 0.25), 0.2) == "10.00% to 25.00%"


def test_an_escape_in_many_parts_is_never_shown_as_none():
    table = factory(30_000, 1)
    found = figures(table, np.zeros(30_000, bool), 99.0)
    lines = {line.cells[0]: line.cells for line in figures_section(found, "x").grids[0].lines}
    assert lines["escapes, of parts"][2:6] == ("0.0033%", "33", "1 of 30,000", "0.0001% to 0.0186%")
    low, high = beta.ppf(0.025, 1, 30_000), beta.ppf(0.975, 2, 29_999)
    assert (f"{low:.4%}", f"{high:.4%}") == ("0.0001%", "0.0186%")
