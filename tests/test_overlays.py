"""Pictures of masks, and which pairs come on a sheet."""

import numpy as np
import pytest
from PIL import Image

from goldenpair import overlays
from goldenpair.overlays import (
    BAR,
    TILE,
    JudgedPair,
    MaskedPair,
    marking,
    mask_picture,
    mask_sheet,
    overlay,
    pair_picture,
    pairs_worth_seeing,
    palette,
)
from goldenpair.pixels import Confusion
from goldenpair.specs.segment import SegmentDataset

ORANGE, BLUE = (230, 80, 0), (0, 114, 178)
BINARY = [(0, 0, 0), (255, 255, 255)]


def flat(colour: tuple[int, int, int], size: int = 64) -> np.ndarray:
    return np.broadcast_to(np.uint8(colour)[:, None, None], (3, size, size)).copy()


def square(top: int, left: int, side: int = 10, size: int = 64) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    mask[top : top + side, left : left + side] = 1
    return mask


def pair(prediction: np.ndarray, truth: np.ndarray | None, name: str = "b1.png") -> MaskedPair:
    size = prediction.shape[0]
    return MaskedPair(name, flat((200, 200, 200), size), flat((0, 60, 60), size), prediction, truth)


def judged(given: MaskedPair, label: str = "CHANGED", verdict: str = "FAIL", score: float = 0.75) -> JudgedPair:
    return JudgedPair(given, label, verdict, score)


def at(picture: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    return (np.asarray(picture) == colour).all(axis=-1)


def test_two_classes_are_black_and_white_as_in_tao():
    assert list(palette(SegmentDataset())) == BINARY


def test_a_color_map_and_landscd_say_their_colours():
    given = SegmentDataset(num_classes=3, color_map={"2": [1, 2, 3], "0": [4, 5, 6], "1": [7, 8, 9]})
    assert list(palette(given)) == [(4, 5, 6), (7, 8, 9), (1, 2, 3)]
    land = palette(SegmentDataset(num_classes=10, data_name="LandSCD"))
    assert land[0] == (255, 255, 255) and land[1] == (255, 165, 0) and len(set(land)) == 10
    assert palette(SegmentDataset(num_classes=11, data_name="LandSCD"))[0] == (0, 0, 0)


@pytest.mark.parametrize("classes", [3, 4, 7, 10])
def test_other_colours_are_apart_in_grey(classes):
    colours = palette(SegmentDataset(num_classes=classes))
    grey = [Image.new("RGB", (1, 1), one).convert("L").getpixel((0, 0)) for one in colours]
    assert len(colours) == classes and grey[0] == 0
    assert min(np.diff(grey)) >= 12


def test_a_mask_in_its_colours_with_what_nobody_judged_in_grey():
    found = np.asarray(mask_picture(np.uint8([[0, 1], [2, 255]]), [(0, 0, 0), (9, 8, 7), (1, 2, 3)]))
    assert found.tolist() == [[[0, 0, 0], [9, 8, 7]], [[1, 2, 3], [128, 128, 128]]]


def test_the_overlay_shows_through_and_has_its_outline_outside():
    picture = overlay(pair(square(20, 20), None))
    inside = np.asarray(picture)[20:30, 20:30]
    assert (np.abs(inside - (np.float32([200, 200, 200]) + ORANGE) / 2) <= 1).all()
    outline = square(18, 18, 14).astype(bool) & ~square(20, 20).astype(bool)
    assert np.array_equal(at(picture, ORANGE), outline)
    assert np.array_equal(at(picture, (200, 200, 200)), ~square(18, 18, 14).astype(bool))


def test_the_overlay_outlines_what_is_true_and_not_what_nobody_judged():
    truth = square(40, 40)
    truth[0:10, 0:10] = 255
    picture = overlay(pair(square(20, 20), truth))
    outline = square(38, 38, 14).astype(bool) & ~square(40, 40).astype(bool)
    assert np.array_equal(at(picture, BLUE), outline)


def test_outlines_of_large_pictures_are_wider():
    """Else they would be gone when a sheet makes them small."""
    picture = overlay(pair(square(400, 400, 10, 1024), None))
    assert at(picture, ORANGE).sum() == 26**2 - 10**2


def test_outlines_stop_at_the_edge():
    picture = overlay(pair(square(0, 54), None))
    assert at(picture, ORANGE).sum() == 12 * 12 - 10 * 10


@pytest.mark.parametrize("drawn", [True, False])
def test_a_pair_side_by_side(drawn):
    prediction, truth = square(5, 5), square(30, 30, 20)
    given = pair(prediction, truth if drawn else None)
    page = np.asarray(pair_picture(given, BINARY))
    side = 3 * 64  # the least multiple that is as large as a tile
    columns = [page[:, start : start + side] for start in range(0, page.shape[1], side + BAR)]
    assert page.shape == (side, (5 if drawn else 4) * (side + BAR) - BAR, 3)
    assert (columns[0] == 200).all() and (columns[1] == (0, 60, 60)).all()
    assert np.array_equal(columns[2][..., 0], np.kron(255 * prediction, np.ones((3, 3))))
    if drawn:
        assert np.array_equal(columns[3][..., 0], np.kron(255 * truth, np.ones((3, 3))))
    assert (page[:, side : side + BAR] == 128).all()


@pytest.mark.parametrize(("size", "shown"), [(16, 192), (32, 192), (80, 240), (192, 192), (256, 256)])
def test_small_pictures_are_enlarged_so_that_an_outline_hides_little(size, shown):
    given = pair(square(8, 8, 2, size), square(4, 4, 1, size))
    page = pair_picture(given, BINARY)
    assert page.height == shown
    drawn = np.asarray(page)[:, -shown:]
    times = shown // size
    assert (drawn == BLUE).all(-1).sum() == (times + 4) ** 2 - times**2  # 2 pixels around what is true
    assert (drawn[4 * times : 5 * times, 4 * times : 5 * times] == 200).all()


def counted(right: int, missed: int, false: int) -> Confusion:
    return Confusion(np.array([[1000, false], [missed, right]]))


PAIRS = {
    "found well": counted(90, 5, 5),
    "missed, small": counted(0, 10, 0),
    "found badly": counted(1, 99, 300),
    "quiet": counted(0, 0, 0),
    "missed, large": counted(0, 80, 7),
    "false, small": counted(0, 0, 4),
    "found": counted(50, 50, 0),
    "false, large": counted(0, 0, 400),
}


def test_what_became_of_a_pair():
    marks = [marking(one) for one in PAIRS.values()]
    wanted = ["found", "not found", "found", "no change", "elsewhere", "false change", "found", "false change"]
    assert marks == wanted  # a prediction beside the change does not find it


def named(limit: int) -> list[str]:
    names = list(PAIRS)
    return [names[row] for row in pairs_worth_seeing(list(PAIRS.values()), ["right"] * len(names), limit)]


def test_the_sheet_begins_with_wrong_verdicts_and_with_what_has_none():
    """Whatever the masks are like: the largest first, a third of the limit each, and all that have no score."""
    found = [counted(9, 1, 0), counted(0, 7, 0), counted(5, 9, 0), counted(0, 0, 3), counted(0, 0, 8)] * 2
    kinds = ["right", "escape", "escape", "false call", "false call", "right", "right", "error", "error", "escape"]
    assert pairs_worth_seeing(found, kinds) == [2, 1, 9, 4, 3, 7, 8, 6, 5, 0]
    assert pairs_worth_seeing(found, kinds, 3) == [2, 4, 7, 8, 6]
    assert pairs_worth_seeing(found, ["error"] * 10, 4) == [0, 1, 2, 3]


def test_the_sheet_goes_on_with_what_was_missed_and_what_is_false():
    wanted = ["missed, large", "missed, small", "false, large", "false, small"]
    assert named(8) == [*wanted, "found badly", "found", "found well", "quiet"]
    assert named(5) == ["missed, large", "false, large", "found badly", "found", "quiet"]
    assert named(2) == ["missed, large", "false, large"]


@pytest.mark.parametrize("limit", [1, 3, 4, 7, 24])
def test_no_pair_comes_twice_and_no_more_than_wanted(limit):
    rng = np.random.default_rng(limit)
    found = [Confusion(rng.integers(0, 3, (2, 2))) for _ in range(40)]
    rows = pairs_worth_seeing(found, ["right"] * 40, limit)
    assert len(rows) == len(set(rows)) == limit
    assert pairs_worth_seeing([], [], limit) == []
    if limit >= 4:
        marks = {marking(found[row]) for row in rows}
        assert "false change" in marks and marks & {"elsewhere", "not found"}
    kinds = rng.choice(["right", "escape", "false call", "error"], 40).tolist()
    rows = pairs_worth_seeing(found, kinds, limit)
    errors = [row for row in rows if kinds[row] == "error"]
    assert len(rows) == len(set(rows)) <= limit + len(errors) and len(errors) == min(limit, kinds.count("error"))


def test_a_sheet_has_a_line_for_each_pair():
    pairs = [judged(pair(square(5, 5), truth)) for truth in (square(30, 30), square(5, 5), square(0, 0, 0))]
    one, all_of_them = (mask_sheet(some, BINARY, "Boards") for some in (pairs[:1], pairs))
    assert all_of_them.size[0] == one.size[0] >= 5 * TILE
    assert all_of_them.size[1] - one.size[1] == 2 * (TILE + 6)
    assert at(one, (200, 200, 200)).sum() > 1.5 * TILE**2  # the sample, alone and under the overlay
    assert at(one, (0, 60, 60)).sum() > 0.9 * TILE**2


def said_of(one: JudgedPair, monkeypatch) -> list[tuple[str, tuple[int, int, int]]]:
    lines = []
    monkeypatch.setattr(overlays, "draw_page", lambda title, headings, given, tile: lines.extend(given))
    mask_sheet([one], BINARY, "Boards")
    return list(lines[0].said)


RED, AMBER, PURPLE = (200, 0, 0), (200, 120, 0), (120, 0, 160)


@pytest.mark.parametrize(
    ("label", "verdict", "colour", "second"),
    [
        ("CHANGED", "PASS", RED, "ESCAPE; labelled CHANGED"),
        ("PASS", "FAIL", AMBER, "FALSE CALL; labelled PASS"),
        ("CHANGED", "FAIL", None, "labelled CHANGED"),
        ("PASS", "PASS", None, "labelled PASS"),
    ],
)
@pytest.mark.parametrize("truth", [square(30, 30), square(5, 5), square(0, 0, 0)])
def test_only_wrong_verdicts_are_in_colour(label, verdict, colour, second, truth, monkeypatch):
    said = said_of(judged(pair(square(5, 5), truth), label, verdict, 0.50061), monkeypatch)
    assert [text for text, _ in said[:2]] == [f"score 0.5006  {verdict}", second]
    coloured = {one for _, one in said if max(one) != min(one)}
    assert coloured == ({colour} if colour else set())
    assert all(max(one) == min(one) for _, one in said[2:])


@pytest.mark.parametrize(
    ("prediction", "truth", "words"),
    [
        (square(5, 5), square(5, 5), ["IoU 1.000", "100 of 100 changed pixels, 0 false ones"]),
        (square(5, 5), square(30, 30), ["marked, but not where it changed", "0 of 100 changed pixels, 100 false ones"]),
        (square(0, 0, 0), square(30, 30), ["changed, but nothing is marked", "0 of 100 changed pixels, 0 false ones"]),
        (square(5, 5), square(0, 0, 0), ["marked where nothing changed", "0 of 0 changed pixels, 100 false ones"]),
        (
            square(0, 0, 0),
            square(0, 0, 0),
            ["nothing changed, nothing is marked", "0 of 0 changed pixels, 0 false ones"],
        ),
    ],
)
def test_how_the_mask_was_found_is_told_apart_from_the_verdict(prediction, truth, words, monkeypatch):
    said = said_of(judged(pair(prediction, truth)), monkeypatch)
    assert [text for text, _ in said[2:]] == [*words, "b1.png"]


def test_a_pair_without_a_score_tells_why(monkeypatch):
    nothing = np.full((64, 64), 255, np.uint8)
    one = JudgedPair(pair(nothing, square(5, 5)), "CHANGED", "ERROR", None, "A/b1.png: " + "it is cut off " * 30)
    page = np.asarray(mask_sheet([one], BINARY, "Boards"))
    assert (page == ORANGE).all(-1).sum() == 0 and (page == 128).all(-1).sum() >= 0.99 * TILE**2
    said = said_of(one, monkeypatch)
    assert said[:2] == [("no score  ERROR", PURPLE), ("labelled CHANGED", PURPLE)] and len(said) == 8
    assert said[2][0].startswith("A/b1.png: it is cut off") and said[-1][0] == "b1.png"
    assert all(len(text) <= 44 for text, _ in said)


def test_an_empty_sheet_has_a_title():
    assert mask_sheet([], BINARY, "nothing").size[1] > 0
