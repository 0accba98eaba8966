"""Pictures of masks, and which pairs come on a sheet."""

import numpy as np
import pytest
from PIL import Image

from goldenpair.overlays import (
    BAR,
    TILE,
    MaskedPair,
    kind_of,
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


@pytest.mark.parametrize("judged", [True, False])
def test_a_pair_side_by_side(judged):
    prediction, truth = square(5, 5), square(30, 30, 20)
    given = pair(prediction, truth if judged else None)
    page = np.asarray(pair_picture(given, BINARY))
    columns = [page[:, start : start + 64] for start in range(0, page.shape[1], 64 + BAR)]
    assert page.shape == (64, (5 if judged else 4) * (64 + BAR) - BAR, 3)
    assert (columns[0] == 200).all() and (columns[1] == (0, 60, 60)).all()
    assert np.array_equal(columns[2][..., 0], 255 * prediction)
    if judged:
        assert np.array_equal(columns[3][..., 0], 255 * truth)
    assert np.array_equal(columns[-1], np.asarray(overlay(given)))
    assert (page[:, 64 : 64 + BAR] == 128).all()


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
    kinds = [kind_of(one) for one in PAIRS.values()]
    wanted = ["found", "missed", "found", "no change", "missed", "false change", "found", "false change"]
    assert kinds == wanted  # a prediction beside the change does not find it


def named(limit: int) -> list[str]:
    names = list(PAIRS)
    return [names[row] for row in pairs_worth_seeing(list(PAIRS.values()), limit)]


def test_the_sheet_begins_with_what_was_missed_and_what_is_false():
    wanted = ["missed, large", "missed, small", "false, large", "false, small"]
    assert named(8) == [*wanted, "found badly", "found", "found well", "quiet"]
    assert named(5) == ["missed, large", "false, large", "found badly", "found", "quiet"]
    assert named(2) == ["missed, large", "false, large"]


@pytest.mark.parametrize("limit", [1, 3, 4, 7, 24])
def test_no_pair_comes_twice_and_no_more_than_wanted(limit):
    rng = np.random.default_rng(limit)
    found = [Confusion(rng.integers(0, 3, (2, 2))) for _ in range(40)]
    rows = pairs_worth_seeing(found, limit)
    assert len(rows) == len(set(rows)) == limit
    assert pairs_worth_seeing([], limit) == []
    if limit >= 4:
        assert {"missed", "false change"} <= {kind_of(found[row]) for row in rows}


def test_a_sheet_has_a_line_for_each_pair():
    pairs = [pair(square(5, 5), square(30, 30)), pair(square(5, 5), square(5, 5)), pair(square(5, 5), square(0, 0, 0))]
    one, all_of_them = (mask_sheet(some, BINARY, "Boards") for some in (pairs[:1], pairs))
    assert all_of_them.size[0] == one.size[0] >= 5 * TILE
    assert all_of_them.size[1] - one.size[1] == 2 * (TILE + 6)
    assert at(one, (200, 200, 200)).sum() > 1.5 * TILE**2  # the sample, alone and under the overlay
    assert at(one, (0, 60, 60)).sum() > 0.9 * TILE**2


def text_colours(one: MaskedPair) -> set[tuple[int, int, int]]:
    said = np.asarray(mask_sheet([one], BINARY, "Boards"))[56:, -300:].reshape(-1, 3)
    return {tuple(map(int, colour)) for colour in np.unique(said, axis=0)}


def test_mistakes_are_in_colour():
    missed, false, found = (
        text_colours(pair(square(5, 5), truth)) for truth in (square(30, 30), square(0, 0, 0), square(5, 5))
    )
    assert (200, 0, 0) in missed and (200, 120, 0) in false
    assert all(max(colour) == min(colour) for colour in found)


def test_without_truth_there_is_no_column_for_it():
    with_truth, without = (mask_sheet([pair(square(5, 5), one)], BINARY, "a") for one in (square(5, 5), None))
    assert with_truth.size[0] - without.size[0] == TILE + 2 + 6
    assert mask_sheet([], BINARY, "nothing").size[1] > 0
