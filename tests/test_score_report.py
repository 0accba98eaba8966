"""The whole report of a table: what stands on the page, how large it is, and that it is the same each time."""

import json
import re

import numpy as np
import pytest

from factory import factory
from goldenpair.quality.policy import Policy
from goldenpair.quality.scored import with_scores
from goldenpair.quality.targets import Targets
from goldenpair.reporting.context import Context
from goldenpair.reporting.judged import by_capture, by_policy
from goldenpair.reporting.score_report import Report
from goldenpair.reporting.tiles import Shown
from test_page import EVIL, Checked

CUTOFF = Policy.of_cutoff(0.4, "given")
NO_TARGETS = Targets()
CHAPTERS = ["figures", "curves", "near", "breakdown", "parts", "doubts", "data", "run", "untested"]


def report_of(table, policy=CUTOFF, targets=NO_TARGETS):
    return Report.of(table, by_policy(table, policy), targets)


@pytest.fixture(scope="module")
def table():
    return factory(2000)


@pytest.fixture(scope="module")
def report(table):
    return report_of(table, targets=Targets(capture=0.97, false_calls_ppm=500))


@pytest.fixture(scope="module")
def html(report):
    return report.html(Context())


def anchors(text):
    return re.findall(r'<section id="([^"]+)">', text)


def test_it_is_a_whole_page(html):
    read = Checked(html)
    assert not read.faults
    assert len(read.ids) == len(set(read.ids))
    assert {link.removeprefix("#") for link in read.links} <= set(read.ids)
    assert anchors(html) == CHAPTERS
    assert read.tags.count("svg") == 5


def test_nothing_is_fetched(html):
    assert "http" not in html.replace("http-equiv", "")
    assert "url(" not in re.sub(r"url\(#[^)]*\)", "", html)


def test_figures_of_the_page_are_counted(html, table):
    words = " ".join(" ".join(Checked(html).words).split())
    stopped = table.score > np.float32(0.4)
    bad = table.is_defect
    for count, of in [
        ((stopped & bad).sum(), bad.sum()),
        ((~stopped & bad).sum(), bad.sum()),
        ((stopped & ~bad).sum(), (~bad).sum()),
        ((stopped & bad).sum(), stopped.sum()),
    ]:
        assert f"{count:,} of {of:,}" in words


def test_the_verdict_is_that_of_the_targets(report, html):
    assert report.findings.result in html
    for one in report.findings.findings:
        assert one.target in html
    assert "NO TARGET" in report_of(report.table).html(Context())


def test_the_same_table_gives_the_same_bytes(html, table):
    assert report_of(table, targets=Targets(capture=0.97, false_calls_ppm=500)).html(Context()) == html


def test_what_was_chosen_on_the_same_data_is_said_at_the_top(table):
    text = Report.of(table, by_capture(table, 1.0), Targets()).html(Context())
    assert text.index("so the figures flatter") < text.index("<nav")


def test_hostile_names_stay_words():
    table = factory(60, 12)
    cells = {name: list(column) for name, column in table.cells.items()}
    for row in np.flatnonzero(table.is_defect):
        cells["label"][row] = EVIL
    cells["object_name"] = [f"{EVIL}{row}" for row in range(60)]
    cells["input_path"] = [f"{EVIL}{row % 4}" for row in range(60)]
    cells[EVIL] = ["a", "b"] * 30
    evil = with_scores(EVIL, cells, table.score)
    text = report_of(evil).html(Context(title=EVIL))
    read = Checked(text)
    assert not read.faults and "script" not in read.tags and "<script" not in text
    assert "".join(read.words).count(EVIL) > 10


@pytest.mark.parametrize(("parts", "defects"), [(1, 0), (1, 1), (40, 0), (40, 40), (2, 1)])
def test_few_parts_and_one_class_only(parts, defects):
    text = report_of(factory(parts, defects, boards=2)).html(Context())
    assert not Checked(text).faults and anchors(text) == CHAPTERS


def test_errors_and_unlabelled_parts_are_told_and_not_counted():
    table = factory(50, 10)
    score, label = table.score.copy(), list(table.label)
    good = np.flatnonzero(~table.is_defect)
    score[good[:3]] = np.nan
    label[good[4]] = ""
    report = report_of(with_scores("x.csv", {**table.cells, "label": label}, score))
    assert report.as_dict()["verdicts"]["ERROR"] == 3
    text = report.html(Context())
    assert "3 parts without a score (ERROR)" in text and "1 parts without a label" in text
    assert (report.figures.errors, report.figures.unlabelled, report.figures.good) == (3, 1, 36)


def test_the_page_stays_small_with_pictures_of_thousands_of_escapes():
    table = factory(5000, 3000)
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (160, 320, 3), np.uint8)  # noise is the worst that a JPEG can hold

    def show(row, height):
        return Shown([picture[:height]] * 4, [picture[:height]] * 4)

    policy = Policy.of_cutoff(100.0, "given")  # everything passes
    text = report_of(table, policy).html(Context(show=show, lights=["A", "B", "C", "D"]))
    assert 2_000_000 < len(text.encode()) < 10_000_000
    shown = text.count('<article class="card">')
    assert 10 < shown < 3000
    assert re.search(r"[\d,]+ more not shown; all are in scores.csv", text)


def test_every_escape_is_a_tile(table):
    picture = np.zeros((8, 8, 3), np.uint8)
    text = report_of(table, Policy.of_cutoff(1.0, "x")).html(Context(show=lambda *_: Shown([picture], [picture])))
    escapes = np.flatnonzero(table.is_defect & (table.score <= 1))
    assert len(escapes) > 5
    cards = re.findall(r"<h4>([^<]*)</h4>", text)
    assert {table.describe(row) for row in escapes} <= set(cards)


def test_files_appear_together(tmp_path, report):
    report.write(tmp_path / "new", Context())
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == ["metrics.json", "report.html", "scores.csv"]
    told = json.loads((tmp_path / "new" / "metrics.json").read_text("utf-8"))
    assert told["point"]["capture"]["count"] == report.figures.point.capture.count
    assert told["targets"]["result"] == report.findings.result
    assert told["decided_by"] == "Cutoff 0.4: given."
    assert sum(told["verdicts"].values()) == len(report.table)
    assert [one["name"] for one in told["breakdowns"]][:1] == ["defect label"]


def test_nothing_is_left_where_writing_fails(tmp_path, report):
    (tmp_path / "scores.csv").mkdir()  # a folder where the file has to go
    with pytest.raises(Exception, match="scores.csv"):
        report.write(tmp_path, Context())
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]


def test_lines_for_the_terminal(report):
    lines = report.told()
    assert lines[0] == "Cutoff 0.4: given."
    assert len(lines) == 1  # targets have a table of their own


def test_the_first_lines_say_how_many_parts_have_no_score_and_no_label():
    table = factory(50, 10)
    score, label = table.score.copy(), list(table.label)
    bad, good = np.flatnonzero(table.is_defect), np.flatnonzero(~table.is_defect)
    score[[*bad[:5], *good[:2]]] = np.nan
    label[good[4]] = ""
    made = report_of(with_scores("x.csv", {**table.cells, "label": label}, score), targets=Targets(capture=0.1))
    said = "50 parts: 37 good, 5 defective, 7 without a score (5 of 10 defects, 2 of 39 good parts), 1 without a label"
    assert made.page(Context()).subtitle.startswith(f"{said}. ")
    assert "5 of 10 defects have no score" in made.findings.findings[0].text


def test_what_is_odd_about_the_file_is_a_mark(table):
    odd = with_scores("x.csv", table.cells, table.score, notes=["Odd scores."])
    made = report_of(odd)
    assert "Odd scores." in made.told() and made.as_dict()["marks"] == ["Odd scores."]
    assert "Odd scores." in made.html(Context())
