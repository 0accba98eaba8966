"""The other chapters: near the cutoff, policy, robustness, parts, doubts, data, run, and what was not tested."""

from pathlib import Path

import numpy as np
import pytest

from factory import factory
from goldenpair.data.duplicates import Duplicates, Twin
from goldenpair.data.table import PairTable
from goldenpair.metrics import Rate
from goldenpair.quality.breakdown import breakdowns
from goldenpair.quality.calibration import calibrate, expected_error
from goldenpair.quality.cfx import LabelMap
from goldenpair.quality.conformal import guarantee
from goldenpair.quality.figures import figures
from goldenpair.quality.policy import Band, CaptureRule, Policy, TypeBand
from goldenpair.quality.robustness import Curve, Point, Robustness, robustness_table
from goldenpair.quality.scored import with_scores
from goldenpair.quality.suspects import BetterGolden, BetterGoldens, OddGolden, OddGoldens, suspect_labels
from goldenpair.reporting.context import Context, Latency, Shared, Split
from goldenpair.reporting.curves import sweep
from goldenpair.reporting.doubts import doubts_section, twins_grid, twins_told
from goldenpair.reporting.evidence import data_section, parts_section, run_section
from goldenpair.reporting.judged import by_policy
from goldenpair.reporting.policies import policy_section, robustness_section
from goldenpair.reporting.sections import EACH_SIDE, cost_grid, curves_section, neighbours_section
from goldenpair.reporting.tiles import Shown
from goldenpair.reporting.untested import untested_section

TABLE = factory(600)
JUDGED = by_policy(TABLE, Policy.of_cutoff(0.4, "given"))


def test_near_the_cutoff():
    section = neighbours_section(TABLE, JUDGED)
    lines = section.grids[0].lines
    margins = [float(line.cells[-1]) for line in lines]
    assert len(lines) == 2 * EACH_SIDE and margins == sorted(margins, reverse=True)
    assert sum(margin > 0 for margin in margins) == EACH_SIDE
    nearest = np.sort(np.abs(TABLE.score - np.float32(0.4)))[0]
    assert f"{nearest:.4f}" in {line.cells[-1].lstrip("+-") for line in lines}
    assert {len(cell.lstrip("+-").split(".")[1]) for line in lines for cell in line.cells[-2:]} == {4}
    above = TABLE.score[TABLE.is_defect & (TABLE.score > 0.4)].min() - np.float32(0.4)
    assert f"{above:.4f} away" in section.said[0]


def test_a_distance_that_is_nearly_none_is_told_in_words():
    lowest = float(np.nextafter(TABLE.score[TABLE.is_defect].min(), np.float32(0)))
    section = neighbours_section(TABLE, by_policy(TABLE, Policy.of_cutoff(lowest, "given")))
    assert "less than 0.0001 away" in section.said[0]


def test_a_tile_shows_a_cutoff_that_can_be_typed():
    cutoff = 0.20029  # 0.2003 would let a score of 0.20030 pass
    judged = by_policy(TABLE, Policy.of_cutoff(cutoff, "given"))
    context = Context(show=lambda row, height: Shown([], []))
    cards = [card for gallery in parts_section(TABLE, judged, context).galleries for card in gallery.cards]
    assert cards and {dict(card.facts)["cutoff"] for card in cards} == {"0.2002"}


def test_no_cutoff_to_be_near_to():
    unknown = np.full(len(TABLE), np.nan)
    judged = type(JUDGED)(JUDGED.code, unknown, unknown, "a file")
    section = neighbours_section(TABLE, judged)
    assert not section.plots and "No cutoff is known" in section.said[0]


def test_the_cheapest_cutoffs_do_what_they_say():
    for line in cost_grid(sweep(TABLE.score, TABLE.is_defect), (1, 10, 1000)).lines:
        ratio, cutoff, escapes, flags = (line.cells[0].split(" :")[0], *line.cells[1:4])
        stopped = TABLE.score > np.float32(cutoff)
        missed, called = (~stopped & TABLE.is_defect).sum(), (stopped & ~TABLE.is_defect).sum()
        # the cutoff is shown in four digits, rounded down: it captures no less
        assert missed <= int(escapes) and called >= int(flags.replace(",", ""))
        assert line.cells[4] == f"{(float(ratio) * int(escapes) + int(flags)) / 600 * 1000:.4g}"


def test_one_class_only_has_no_curves():
    found = figures(TABLE, JUDGED.stopped, 0.4).point
    good = ~TABLE.is_defect
    section = curves_section(TABLE.score[good], TABLE.is_defect[good], found, [0.4], (10,))
    assert len(section.plots) == 1 and "no defects" in section.said[0]


def test_a_policy_says_its_rule_types_and_how_far_its_probabilities_are_off():
    band = TypeBand(review=0.3, fail=0.5, goods=200, defects=3, weight=0.75)
    policy = Policy(
        source="policy.json", band=Band(review=0.2, fail=0.6), rule=CaptureRule(share=0.97), column="type",
        types={"R": band}, calibration=calibrate(TABLE.score, TABLE.is_defect), notes=["a note"],
    )  # fmt: skip
    section = policy_section(policy, policy.probability(TABLE.score), TABLE.is_defect)
    words = " ".join(section.said)
    assert "Rule: " + str(policy.rule) in words and "97" in str(policy.rule)
    assert "exchangeable" not in words  # it has no guarantees
    proven = policy.model_copy(update={"guarantees": [guarantee("escape", 37, 0, 0)]})
    of_proven = policy_section(proven, policy.probability(TABLE.score), TABLE.is_defect)
    assert "come from where these came from (exchangeable" in " ".join(of_proven.said)
    assert "for the next defect" in of_proven.listed[0]
    error = expected_error(policy.probability(TABLE.score), TABLE.is_defect)
    assert f"parts of this page: {error:.3%}." in words
    assert len(section.plots) == 1
    assert section.grids[0].lines[0].cells == ("R", "0.3", "0.5", "200", "3", "0.75")
    assert section.listed == ["a note"]
    stated = policy.probability(TABLE.score)[TABLE.is_defect]
    assert (
        f"The 37 defects have a probability of {stated.mean():.1%} on average, and {(stated < 0.5).sum()} of" in words
    )


def test_robustness_has_a_plot_for_each_curve_and_a_line_for_each_point():
    rate = Rate.measured(1, 4)
    points = [Point(float(level), f"{level} px", rate, rate, rate, Rate.measured(0, 0)) for level in range(3)]
    curves = tuple(Curve(name, "px", "Moved.", tuple(points)) for name in ("shift", "blur"))
    section = robustness_section(Robustness(0.5, 8, 20, 40, points[0], curves, 9))
    assert len(section.plots) == 2 and len({plot.name for plot in section.plots}) == 2
    assert len(section.grids[0].lines) == 7
    assert section.grids[0].lines[0].cells == ("none", *["25.00% (1 of 4)"] * 3, "-")
    assert "cutoff 0.5" in section.said[0] and len(section.said) == 1


@pytest.mark.parametrize(("stopped", "what"), [(0, "nothing"), (28, "everything")])
def test_flips_of_a_cutoff_that_cannot_flip_say_nothing(stopped, what):
    rate = Rate.measured(0, 28)
    found = Robustness(0.5, 8, 20, 40, Point(0.0, "as it is", rate, rate, rate, rate), (), stopped)
    assert f"this cutoff stops {what}" in robustness_section(found).said[1]
    assert f"this cutoff stops {what}" in robustness_table(found).caption


def test_parts_without_pictures_are_tables():
    judged = by_policy(TABLE, Policy.of_cutoff(0.2, "given"))
    section = parts_section(TABLE, judged, Context())
    escapes = np.flatnonzero(TABLE.is_defect & ~judged.stopped)
    flags = np.flatnonzero(~TABLE.is_defect & judged.stopped)
    heads = [grid.caption for grid in section.grids]
    assert len(flags) > 20
    assert heads == [f"Escapes: {len(escapes)} defects that passed"] * bool(len(escapes)) + [
        f"The worst of {len(flags)} false calls"
    ]
    scores = [float(line.cells[3]) for line in section.grids[-1].lines]
    assert scores == sorted(scores, reverse=True) and len(scores) == min(20, len(flags))


def test_the_defects_that_were_missed_most_come_first_and_are_never_left_out():
    cells = {"object_name": [f"R{row}" for row in range(700)], "label": ["BAD"] * 700}
    table = with_scores("x.csv", cells, np.linspace(0, 0.4, 700, dtype=np.float32)[::-1])
    grid = parts_section(table, by_policy(table, Policy.of_cutoff(0.5, "given")), Context()).grids[0]
    assert [line.cells[0] for line in grid.lines] == [f"R{row}" for row in range(699, 199, -1)]
    assert "200 more" in grid.note


def test_no_mistakes_are_told():
    judged = by_policy(TABLE, Policy.of_cutoff(100.0, "given"))
    assert "There are no false calls." in parts_section(TABLE, judged, Context()).said


def test_suspected_labels_and_the_figures_without_them():
    label = list(TABLE.label)
    worst = int(np.where(TABLE.is_defect, TABLE.score, 0).argmax())
    label[worst] = "PASS"  # a defect that somebody called good
    table = with_scores("x.csv", {**TABLE.cells, "label": label}, TABLE.score)
    judged = by_policy(table, Policy.of_cutoff(0.4, "given"))
    section = doubts_section(table, judged, Context())
    assert section.grids[0].lines[0].cells[0] == table.describe(worst)
    kept = np.setdiff1d(np.arange(len(table)), [one.row for one in suspect_labels(table).listed])
    good = kept[~table.is_defect[kept]]
    assert f"({judged.stopped[good].sum()} of {len(good)};" in section.said[2]
    every = ~table.is_defect
    assert "With all parts: capture " in section.said[1]
    assert f"({judged.stopped[every].sum()} of {every.sum()};" in section.said[1]
    assert section.said[1].split(":", 1)[1] != section.said[2].split(":", 1)[1]
    assert table.measured.all()  # nothing was changed


def test_odd_goldens_say_why_and_what_cannot_be_read():
    odd = OddGolden("none/R1.jpg", 0, 1, 12, 9.0, ("dark: mean 3, siblings 90",))
    section = doubts_section(TABLE, JUDGED, Context(odd_goldens=OddGoldens((odd,), 1, 40, 2)))
    assert "1 of 40 pictures of goldens is unlike" in " ".join(section.said)
    (card,) = section.galleries[-1].cards
    assert card.heading == "golden/R1.jpg" and card.problem and dict(card.facts)["why"].startswith("dark")


def test_parts_that_look_like_another_golden_are_shown():
    found = BetterGoldens((BetterGolden(3, 1.2, 7, 0.25), BetterGolden(5, 1.1, 9, 0.375)), 4, 560)
    picture = np.zeros((4, 4, 3), np.uint8)
    context = Context(better_goldens=found, show=lambda row, height: Shown([picture], [picture]))
    section = doubts_section(TABLE, JUDGED, context)
    assert "4 of 560 good parts look much more like the golden of another part" in " ".join(section.said)
    gallery = section.galleries[-1]
    assert [card.heading for card in gallery.cards] == [TABLE.describe(3), TABLE.describe(5)]
    assert gallery.cards[0].facts == [
        ("looks like the golden of", TABLE.describe(7)),
        ("distance from it", "0.250"),
        ("from its own golden", "1.200"),
    ]
    assert gallery.note == "2 more are not shown." and len(gallery.cards[0].pictures) == 2


def test_labels_without_a_name_of_cfx_are_told():
    found, broken = figures(TABLE, JUDGED.stopped, 0.4), breakdowns(TABLE, JUDGED.stopped)
    labels = sorted({label for label, bad in zip(TABLE.label, TABLE.is_defect, strict=True) if bad})
    assert {"BRIDGE", "SHIFT"} <= set(labels)  # a label of the simulator's has its name without a map
    known = LabelMap("map.yaml", {"OPEN": "LiftedLead"})
    told = [one for one in untested_section(found, broken, JUDGED, Context(names=known)).listed if "IPC-CFX" in one]
    assert len(told) == 1 and "map.yaml" in told[0]
    assert "BRIDGE" not in told[0] and "SHIFT" in told[0]
    every = LabelMap("map.yaml", dict.fromkeys(labels, "LiftedLead"))
    for context in (Context(names=every), Context()):
        assert "IPC-CFX" not in " ".join(untested_section(found, broken, JUDGED, context).listed)


def test_what_splits_have_in_common():
    cells = {"input_path": ["b1", "b2"], "golden_path": ["g", "g"], "object_name": ["R1", "R2"]}
    tables = {name: PairTable(f"{name}.csv", Path("."), cells) for name in ("train", "test")}
    twin = Twin("test", 1, "train", 0, 0.0125)
    found = Duplicates(
        parts=4, unreadable=1, same=(), same_count=0, near=(twin,), near_count=3, threshold=0.1, golden_samples=(),
        golden_samples_count=0, boards={"train and test": ["b1", "b2"]}, board_source="column board",
    )  # fmt: skip
    words = " ".join(twins_told(found))
    assert "near-duplicates: 3" in words and "train and test share 2 boards (column board): b1, b2" in words
    grid = twins_grid(found, tables)
    assert grid.lines[0].cells == ("test, line 3: R2 in b2", "train, line 2: R1 in b1", "near", "0.013")
    assert "2 more are not shown" in grid.note
    section = data_section(TABLE, Context(shared=Shared(found, tables)))
    assert section.grids[-1].caption == grid.caption


def test_the_data_card_counts():
    context = Context(splits=[Split("train", "train.csv", 900, 40, "ab" * 32)])
    first, labels, splits = data_section(TABLE, context).grids
    facts = {line.cells[0]: line.cells[1] for line in first.lines}
    assert (facts["parts"], facts["good"], facts["defects"]) == ("600", "563", "37")
    assert facts["boards"] == f"{len(TABLE.boards)} (first folder of input_path)"
    assert sum(int(line.cells[1]) for line in labels.lines) == 600
    assert splits.lines[0].cells == ("train", "train.csv", "ab" * 32, "900", "40")


def test_time_and_versions():
    section = run_section(Context(facts=[("seed", "7")], latency=Latency(30, 0.001, 0.002, 0.0035, 1234.5)))
    cells = [line.cells for grid in section.grids for line in grid.lines]
    assert ("seed", "7") in cells and ("p99", "3.50 ms") in cells
    assert ("the whole table, decoding included", "1,234.5 pairs/s") in cells


def test_what_is_absent_is_told_and_what_is_there_is_not():
    found = figures(TABLE, JUDGED.stopped, 0.4)
    bare = " ".join(untested_section(found, [], JUDGED, Context()).listed)
    for word in (
        "Pictures",
        "Heatmaps",
        "Robustness",
        "Leakage",
        "The model",
        "Time",
        "Component types",
        "Repeatability",
    ):
        assert word in bare
    rich = Context(facts=[("seed", "7")], latency=Latency(1, 1, 1, 1, 1), heatmaps=True, show=lambda *_: None)
    told = " ".join(untested_section(found, [], JUDGED, rich).listed)
    for word in ("Pictures:", "Heatmaps:", "The model:", "Time:"):
        assert word not in told
    assert "Robustness" in told
