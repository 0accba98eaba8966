"""Plots are elements of a page: the same bytes each time, small, with words that say their numbers."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from goldenpair.metrics import Rate, WorkingPoint, above
from goldenpair.quality.robustness import Curve, Point
from goldenpair.reporting import plots
from goldenpair.reporting.curves import BreakEven, break_even, sweep

RATIOS = (10, 100, 1000)


def factory(parts=3000, defects=37, seed=0):
    random = np.random.default_rng(seed)
    is_defect = np.arange(parts) < defects
    score = np.where(is_defect, random.gamma(6, 0.25, parts), random.gamma(1.2, 0.06, parts)).astype(np.float32)
    return score, is_defect


def point_at(score, is_defect, cutoff):
    return WorkingPoint.of(above(score, cutoff), is_defect, cutoff)


def all_plots(score, is_defect, cutoff=0.3):
    curve, point = sweep(score, is_defect), point_at(score, is_defect, cutoff)
    even = break_even(curve, point.escapes.count, point.false_calls.count)
    rate = Rate.measured(1, 4)
    points = tuple(Point(level, f"{level} %", rate, rate, rate, rate) for level in (0.0, 5.0, 10.0))
    return [
        plots.roc_plot(curve, point, [cutoff]),
        plots.cutoff_plot(curve, [cutoff]),
        plots.histogram_plot(score, is_defect, [cutoff]),
        plots.cost_plot(curve, RATIOS, [cutoff], even),
        plots.neighbours_plot((score - np.float32(cutoff))[:20], is_defect[:20]),
        plots.calibration_plot(np.clip(score, 0, 1).astype(np.float64), is_defect),
        plots.robustness_plot(Curve("shift", "% of the crop", "Samples were moved.", points), 1),
    ]


@pytest.fixture(scope="module")
def drawn():
    return all_plots(*factory())


def test_they_are_well_formed_and_say_what_they_are(drawn):
    for plot in drawn:
        root = ElementTree.fromstring(plot.svg.replace("xlink:href", "href"))
        assert root.tag == "svg" and root.get("role") == "img"
        title, description = root[0], root[1]
        assert (title.tag, title.text) == ("title", plot.title)
        assert (description.tag, description.text) == ("desc", plot.alt)
        assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"


def test_names_within_are_of_one_plot_only_and_lead_somewhere(drawn):
    ids = [one for plot in drawn for one in re.findall(r' id="([^"]+)"', plot.svg)]
    assert len(ids) == len(set(ids)) > 20
    used = {
        one for plot in drawn for one in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', plot.svg) for one in one if one
    }
    assert used and used <= set(ids)


def test_nothing_is_fetched_and_letters_stay_letters(drawn):
    for plot in drawn:
        assert "http" not in plot.svg and "@import" not in plot.svg and "<style" not in plot.svg
        assert "DejaVu" not in plot.svg and "<text" in plot.svg
    assert "false calls, share of good parts" in drawn[0].svg


def test_the_same_numbers_give_the_same_bytes(drawn):
    assert [one.svg for one in all_plots(*factory())] == [one.svg for one in drawn]
    other = all_plots(*factory(seed=1))
    assert all(one.svg != two.svg for one, two in zip(other[:4], drawn, strict=False))


def test_many_parts_give_a_small_drawing():
    drawn = all_plots(*factory(200_000, 2000))
    assert max(len(plot.svg) for plot in drawn) < 150_000


def test_words_of_the_roc(drawn):
    score, is_defect = factory()
    point = point_at(score, is_defect, 0.3)
    said = drawn[0].alt
    assert f"capture {point.capture}" in said and f"false calls {point.false_calls}" in said
    allowed = np.sort(score[~is_defect])[::-1][: int(0.01 * (~is_defect).sum()) + 1][-1]
    assert f"{(score[is_defect] > allowed).mean():.2%} at 1.00%" in said


def test_words_of_the_cutoffs(drawn):
    score, is_defect = factory()
    lowest = score[is_defect].min()
    share = (score[~is_defect] >= lowest).mean()
    assert f"{share:.2%} false calls at 100% capture (score {lowest:.4g})" in drawn[1].alt
    assert "cutoff 0.3" in drawn[1].alt


def test_words_of_the_histogram(drawn):
    score, is_defect = factory()
    assert f"defects from {score[is_defect].min():.4g} to {score[is_defect].max():.4g}" in drawn[2].alt


def test_two_cutoffs_are_two_lines_and_none_is_told():
    score, is_defect = factory()
    two = plots.histogram_plot(score, is_defect, [0.3, 0.6])
    none = plots.histogram_plot(score, is_defect, [])
    assert "cutoff 0.3 and 0.6" in two.alt
    assert "none is drawn" in none.alt
    assert len(two.svg) > len(none.svg)


def test_words_of_the_break_even():
    assert "at least 3 false calls" in plots.told(BreakEven(3, np.inf))
    assert "between 2 and 5.5 false calls" in plots.told(BreakEven(2, 5.5))
    assert "at most 5.5 false calls" in plots.told(BreakEven(0, 5.5))
    assert "only where an escape costs nothing" in plots.told(BreakEven(0, 0))
    assert "some single cutoff would have cost no more" in plots.told(BreakEven(np.inf, 0))


def test_calibration_by_hand():
    stated = np.array([0.05, 0.05, 0.95, 0.95, 0.95, 0.95])
    plot = plots.calibration_plot(stated, np.array([False, True, True, True, True, False]))
    assert "5.0% stated, 50.0% found, 2 parts" in plot.alt
    assert "95.0% stated, 75.0% found, 4 parts" in plot.alt


def test_neighbours_say_who_is_wrong():
    margin = np.array([0.2, 0.1, -0.1], np.float32)
    plot = plots.neighbours_plot(margin, np.array([True, False, True]))
    assert "2 are defects, and 2 are on the wrong side" in plot.alt


def test_what_has_no_order_is_bars_with_names():
    rate = Rate.measured(1, 2)
    lights = tuple(Point(float(place), name, rate, rate, rate, rate) for place, name in enumerate(("Solder", "White")))
    named = plots.robustness_plot(Curve("light missing", "", "A lamp is off.", lights), 4)
    assert ">Solder<" in named.svg and ">White<" in named.svg and ">light missing<" not in named.svg
    levels = tuple(Point(level, f"{level:g}", rate, rate, rate, rate) for level in (50.0, 95.0))
    ordered = plots.robustness_plot(Curve("JPEG quality", "", "Compressed.", levels), 5)
    assert ordered.title == "JPEG quality" and ">JPEG quality<" in ordered.svg


def test_a_curve_without_defects_says_a_dash():
    none, rate = Rate.measured(0, 0), Rate.measured(1, 2)
    point = Point(1.0, "1 px", none, rate, none, rate)
    assert "1 px: 50.00% flip, -" in plots.robustness_plot(Curve("shift", "px", "Moved.", (point,)), 2).alt


def test_hostile_names_are_escaped():
    rate = Rate.measured(1, 2)
    point = Point(1.0, "<script>alert(1)</script>", rate, rate, rate, rate)
    plot = plots.robustness_plot(Curve("<b>", "px", "Moved & turned.", (point,)), 3)
    assert "<script>" not in plot.svg and "<b>" not in plot.svg.lower()
    ElementTree.fromstring(plot.svg.replace("xlink:href", "href"))
