import io
import re
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from goldenpair.data.packs import Contents, PackInfo
from goldenpair.metrics import above
from goldenpair.pixels import Confusion, PixelMetrics
from goldenpair.quality.figures import figures
from goldenpair.quality.targets import Targets, judge
from goldenpair.report import (
    SheetRow,
    cache_table,
    contact_sheet,
    cutoff_table,
    kpi_table,
    outcome,
    pixel_table,
    rows_worth_seeing,
    target_table,
)
from scored_tables import scored_table


def printed(table) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(table)
    return console.file.getvalue()


#                  0    1    2    3    4    5    6    7    8    9     10
SCORE = np.array([0.1, 0.9, 0.7, 0.2, 0.4, 0.8, 0.1, 0.6, 0.3, 0.45, np.nan])
DEFECT = np.array([0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 1], bool)


def test_worst_false_calls_then_worst_escapes_then_the_nearest_right_ones():
    """At 0.5: 1 and 2 are false calls, 6, 3 and 4 escapes; of the right ones 7, 5 are defects and 9, 8, 0 good."""
    assert rows_worth_seeing(SCORE, DEFECT, 0.5) == [1, 2, 6, 3, 4, 7, 5, 9, 8, 0]


def test_of_many_mistakes_a_third_each_and_the_rest_is_shared():
    assert rows_worth_seeing(SCORE, DEFECT, 0.5, limit=6) == [1, 2, 6, 3, 7, 9]


def test_where_there_are_no_mistakes_the_nearest_right_ones_fill_the_sheet():
    score, defect = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9]), np.arange(8) >= 4
    assert rows_worth_seeing(score, defect, 0.5, limit=4) == [4, 5, 3, 2]
    assert rows_worth_seeing(score, np.zeros(8, bool), 1.0, limit=3) == [7, 6, 5]
    assert rows_worth_seeing(score, np.ones(8, bool), 0.0, limit=3) == [0, 1, 2]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("limit", [0, 1, 3, 12, 24, 500])
def test_no_part_comes_twice_and_none_beyond_the_limit(seed, limit):
    rng = np.random.default_rng(seed)
    score, defect = rng.random(100), rng.random(100) < 0.1
    score[rng.random(100) < 0.1] = np.nan
    rows = rows_worth_seeing(score, defect, 0.5, limit)
    assert len(rows) == len(set(rows)) <= limit and np.isfinite(score[rows]).all()


def test_nothing_scored_leaves_nothing_to_see():
    assert rows_worth_seeing(np.full(3, np.nan), np.zeros(3, bool), 0.5) == []


@pytest.mark.parametrize(
    ("label", "verdict", "kind"),
    [
        ("PASS", "PASS", "right"),
        ("PASS", "FAIL", "false call"),
        ("MISSING", "PASS", "escape"),
        ("MISSING", "FAIL", "right"),
        ("pass", "PASS", "escape"),
        ("MISSING", "ERROR", "error"),
        ("PASS", "ERROR", "error"),
        ("", "FAIL", "right"),
    ],
)
def test_kind_of_a_part(label, verdict, kind):
    pictures = np.zeros((1, 3, 2, 2), np.uint8)
    assert SheetRow(pictures, pictures, "R1", label, 0.5, verdict).kind == kind


RED, BLUE = (220, 20, 20), (20, 20, 220)


def plain(colour, lights: int = 2, height: int = 44, width: int = 22) -> np.ndarray:
    return np.broadcast_to(np.uint8(colour)[None, :, None, None], (lights, 3, height, width)).copy()


def row(label: str = "PASS", verdict: str = "FAIL", **size) -> SheetRow:
    return SheetRow(plain(RED, **size), plain(BLUE, **size), "R1 in b1", label, 0.5, verdict)


def count(page: np.ndarray, colour) -> int:
    return int((np.abs(page.astype(int) - colour).max(axis=-1) <= 2).sum())


def sheet(path, rows, title: str = "title") -> np.ndarray:
    contact_sheet(rows, title, path)
    with Image.open(path) as image:
        assert image.format == "PNG" and image.mode == "RGB"
        return np.asarray(image)


def test_the_sheet_shows_golden_and_sample_of_every_light_in_colour(tmp_path):
    one, three = sheet(tmp_path / "1.png", [row()]), sheet(tmp_path / "3.png", [row()] * 3)
    tile = 88 * 44  # 44 x 22 enlarged to 88 high
    assert count(one, RED) == count(one, BLUE) == 2 * tile
    assert count(three, RED) == count(three, BLUE) == 6 * tile
    assert three.shape[1] == one.shape[1] and three.shape[0] - one.shape[0] == 2 * (88 + 6)
    assert np.argwhere((one == RED).all(-1))[:, 1].max() < np.argwhere((one == BLUE).all(-1))[:, 1].min()


@pytest.mark.parametrize(
    "size", [{"height": 1, "width": 1}, {"height": 600, "width": 300}, {"lights": 1}, {"lights": 4}]
)
def test_the_sheet_holds_pictures_of_any_size(tmp_path, size):
    page = sheet(tmp_path / "sheet.png", [row(**size)])
    shown = count(page, RED)
    assert shown == count(page, BLUE) > 0
    assert shown / size.get("lights", 2) >= 88 * 44 * 0.99


@pytest.mark.parametrize("label", ["PASS", "MISSING"])
def test_mistakes_are_in_colour_and_right_verdicts_in_grey(tmp_path, label):
    pages = {
        verdict: sheet(tmp_path / f"{verdict}.png", [row(label, verdict)]) for verdict in ("PASS", "FAIL", "ERROR")
    }
    right = "PASS" if label == "PASS" else "FAIL"
    for verdict, page in pages.items():
        said = page[50:, -300:].astype(int)
        coloured = (said.max(-1) - said.min(-1) > 60).any()
        assert coloured == (verdict != right)


def test_an_empty_sheet_still_says_its_title(tmp_path):
    page = sheet(tmp_path / "sheet.png", [])
    assert (page != 255).any()


def test_the_sheet_replaces_an_old_one_and_leaves_nothing_else(tmp_path):
    for _ in range(2):
        sheet(tmp_path / "sheet.png", [row()])
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def measured(score, is_defect, board=None):
    table = scored_table(score, is_defect, board)
    return figures(table, above(table.score, 1.0), 1.0)


def metrics_by_hand(**changes):
    """4 good parts and 4 defects at cutoff 1: 3 captured, 1 false call; all captured at the price of 2."""
    score = np.float32([0.1, 0.2, 0.5, 1.5, 0.4, 2, 3, 4])
    return measured(changes.get("score", score), changes.get("defect", np.arange(8) >= 4))


@pytest.mark.parametrize(
    ("score", "defects", "said"),
    [
        ([0.4, 2], 1, "cutoff 1: 0 false calls of 1 good part, 0 escapes of 1 defect"),
        ([2, 0.4], 1, "cutoff 1: 1 false call of 1 good part, 1 escape of 1 defect"),
        ([2, 3, 0.1, 0.4, 2], 2, "cutoff 1: 2 false calls of 3 good parts, 1 escape of 2 defects"),
        ([2, np.nan, 0.1, np.nan], 1, "cutoff 1: 1 false call of 2 good parts, 0 escapes of 0 defects, 2 ERROR"),
    ],
)
def test_the_outcome_in_a_line(score, defects, said):
    score = np.float32(score)
    assert outcome(measured(score, np.arange(len(score)) >= len(score) - defects)) == said


def cells(table) -> dict[str, list[str]]:
    """What is printed, by the first cell of the line."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in printed(table).splitlines()]
    return {line[0]: line[1:] for line in lines if line[0]}


def test_the_kpi_table_has_the_counts_behind_each_share():
    found = cells(kpi_table(metrics_by_hand()))
    assert "8 parts: 4 good, 4 defective" in found
    assert found["capture"] == ["1", "75.00%", "3 of 4", "19.41% to 99.37%"]  # intervals of Clopper and Pearson
    assert found["escapes"] == ["1", "25.00%", "1 of 4", "0.63% to 80.59%"]
    assert found["false calls"] == ["1", "25.00%", "250,000", "1 of 4", "0.63% to 80.59%"]
    assert found["false calls at 100% capture"][1:] == ["50.00%", "500,000", "2 of 4", "6.76% to 93.24%"]
    assert found["AUROC"] == ["0.8750", "4 + 4"]  # 14 of 16 pairs are in order
    assert "ERROR" not in printed(kpi_table(metrics_by_hand()))


def test_the_kpi_table_has_intervals_by_board_and_drops_the_lowest_defects():
    rng = np.random.default_rng(0)
    board = np.repeat(np.arange(30), 100)
    is_defect = np.arange(3000) % 50 == 0
    score = rng.normal(-1.5, 0.7, 30)[board] + rng.normal(size=3000) + 4 * is_defect
    metrics = measured(score, is_defect, board)
    found, point = cells(kpi_table(metrics)), metrics.point
    low, high = (100 * one for one in (point.false_calls.boards.low, point.false_calls.boards.high))
    assert found["false calls"][-1] == f"{low:.2f}% to {high:.2f}%" != found["false calls"][-2]
    assert found["boards stopped for nothing"][2] == f"{metrics.false_fails.count} of 30"
    dropped = metrics.at_capture[0].dropped
    for name, one in zip(
        ("lowest defect", "2 lowest defects", "3 lowest defects", "5 lowest defects"), dropped, strict=True
    ):
        assert found[f"without the {name}"][3] == f"{one.false_calls.count} of 2,940"
    assert found["AUROC"][-1] == f"{metrics.auroc_boards.low:.4f} to {metrics.auroc_boards.high:.4f}"
    assert "30 boards (column board)" in printed(kpi_table(metrics))
    assert max(map(len, printed(kpi_table(metrics)).splitlines())) <= 120


def test_an_escape_of_many_parts_does_not_vanish_from_the_table():
    """Older reports make 0.0 of it."""
    is_defect = np.arange(21148) < 37
    found = cells(kpi_table(measured(np.where(is_defect & (np.arange(21148) > 0), 2, 0), is_defect)))
    assert found["escapes, of parts"] == ["1", "0.0047%", "47", "1 of 21,148", "0.0001% to 0.0263%"]


def test_the_table_of_targets():
    found = judge(metrics_by_hand(), Targets(capture=0.9, false_calls_ppm=1000))
    text = " ".join(printed(target_table(found)).split())
    assert "Targets: NOT MET" in text and "capture at least 90 % NOT PROVABLE 3 of 4:" in text
    assert "false calls at most 1000 ppm of good parts NOT MET 1 of 4:" in text


def test_the_kpi_table_says_what_cannot_be_measured_and_what_has_no_score():
    found = cells(kpi_table(metrics_by_hand(score=np.float32([0, 1, np.nan]), defect=np.zeros(3, bool))))
    assert "3 parts: 2 good, 0 defective, 1 without a score (1 of 3 good parts)" in found
    assert found["capture"] == found["escapes"] == ["1", "-", "0 of 0"]
    assert found["false calls"][:4] == ["1", "0.00%", "0", "0 of 2"]
    assert [found[f"false calls at {share}% capture"] for share in (100, 99, 97)] == [["-", "no defects"]] * 3
    assert found["AUROC"] == found["average precision"] == ["-", "0 + 2"]
    assert found["without a score (ERROR)"] == ["1", "of 3"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_narrow_terminal_cuts_no_number(width):
    is_defect = np.arange(21148) < 37
    board = np.arange(21148) // 100
    found = measured(np.where(is_defect & (np.arange(21148) > 0), 2, 0.5), is_defect, board)
    console = Console(file=io.StringIO(), width=width)
    console.print(kpi_table(found))
    text = console.file.getvalue()
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    assert "21,148" in text and "0.0263" in text


@pytest.mark.parametrize("seed", range(5))
def test_a_cutoff_read_off_the_table_does_what_the_table_says(seed):
    """Rounded upwards it would let the very defect escape that it was chosen for."""
    score, is_defect = np.random.default_rng(seed).random(40).astype(np.float32), np.arange(40) >= 30
    found = cells(kpi_table(measured(score, is_defect)))
    cutoff = float(found["false calls at 100% capture"][0])
    assert (score[is_defect] > cutoff).all()


def test_the_cutoff_table_has_a_line_for_each_cutoff():
    metrics = metrics_by_hand()
    found = cells(cutoff_table(metrics.table))
    assert [key for key in found if key[0].isdigit()] == [f"{point.cutoff:g}" for point in metrics.table]
    assert found["0.3"] == ["100.00% (4 of 4)", "50.00% (2 of 4)"]
    assert found["1.5"] == ["75.00% (3 of 4)", "0.00% (0 of 4)"]


def test_the_table_of_masks_has_a_line_for_each_class():
    metrics = PixelMetrics.of(Confusion(np.array([[900, 50, 0], [25, 25, 0], [0, 0, 0]])))
    found = cells(pixel_table(metrics, 12))
    assert "12 pairs, 1,000 pixels: 92.50% of pixels right" in found
    assert found["0, no change"] == ["0.9231", "0.9600", "0.9730", "0.9474", "950"]
    assert found["1"] == ["0.2500", "0.4000", "0.3333", "0.5000", "50"]
    assert found["2"] == ["n/a", "n/a", "n/a", "n/a", "0"]
    assert found["mean"] == ["0.5865", "0.6800", "0.6532", "0.7237"]


def test_the_table_of_masks_without_a_judged_pixel():
    found = cells(pixel_table(PixelMetrics.of(Confusion.empty(2)), 1))
    assert "1 pairs, 0 pixels: no pixels" in found
    assert found["1, change"] == ["n/a", "n/a", "n/a", "n/a", "0"] and found["mean"] == ["n/a"] * 4


@pytest.mark.parametrize(
    ("seconds", "age"),
    [(0, "just now"), (119, "just now"), (125, "2 minutes"), (7300, "2 hours"), (172_900, "2 days"), (9e6, "104 days")],
)
def test_the_cache_as_a_table(seconds, age):
    packs = [PackInfo("/line 3/images", 1200, 128, 96, 44_236_800, time.time() - seconds)]
    text = printed(cache_table(Path("kept"), Contents(packs, size=2_500_000_000)))
    assert re.search(rf"/line 3/images +96 x 128 +1200 +44\.2 +{age}", text)
    assert "Cache kept" in text and "1 entries, 2.50 GB; the limit is 20 GB" in text
    assert "damaged" not in text and "killed" not in text and "written" not in text


def test_what_is_wrong_in_the_cache_is_told():
    text = printed(cache_table(Path("kept"), Contents(damaged=1, in_work=2, leftovers=3)))
    assert "0 entries" in text
    for said in ("1 damaged", "2 being written", "3 left by killed runs"):
        assert said in text
