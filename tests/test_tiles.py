"""Tiles: pictures within the page, as small as they have to be, and never more bytes than there is room for."""

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from goldenpair.errors import DataError
from goldenpair.quality.scored import with_scores
from goldenpair.reporting.tiles import LARGEST, Budget, Shown, data_uri, no_pictures, read_small, show_files, tiles


def noise(height=40, width=60, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def opened(uri):
    head, _, text = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(BytesIO(base64.b64decode(text)))


def test_a_data_uri_is_the_picture():
    smooth = np.repeat(np.arange(0, 240, 6, dtype=np.uint8)[:, None, None], 60, axis=1).repeat(3, axis=2)
    image = opened(data_uri(smooth))
    assert image.size == (60, 40)
    assert np.abs(np.asarray(image).astype(int) - smooth).max() < 12
    assert data_uri(smooth) == data_uri(smooth)


def test_each_light_has_golden_sample_and_heatmap():
    def show(row, height):
        return Shown([noise()] * 2, [noise(seed=1)] * 2, [noise(seed=2)] * 2)

    (tile,) = tiles([7], show, ["White", "Low"], Budget(10**7))
    assert tile.row == 7 and not tile.problem
    assert [one.caption for one in tile.pictures] == [
        "golden, White", "sample, White", "heatmap, White", "golden, Low", "sample, Low", "heatmap, Low",
    ]  # fmt: skip
    assert tile.pictures[0].uri == tile.pictures[3].uri != tile.pictures[1].uri


def test_one_picture_has_no_light_in_its_caption():
    (tile,) = tiles([0], lambda row, height: Shown([noise()], [noise()]), [], Budget(10**7))
    assert [one.caption for one in tile.pictures] == ["golden", "sample"]


def test_a_heatmap_says_how_hot_it_is():
    shown = Shown([noise()], [noise()], [noise()], ["0.41 times what good parts reach"])
    (tile,) = tiles([0], lambda row, height: shown, ["White"], Budget(10**6))
    captions = [one.caption for one in tile.pictures]
    assert captions == ["golden, White", "sample, White", "heatmap, White, 0.41 times what good parts reach"]


def test_the_budget_ends_the_tiles():
    size = 2 * len(data_uri(noise()))
    budget = Budget(size * 3 + 10)
    made = tiles(range(10), lambda row, height: Shown([noise()], [noise()]), [], budget)
    assert [one.row for one in made] == [0, 1, 2]
    assert (budget.spent, budget.left) == (size * 3, 10)


@pytest.mark.parametrize(("count", "height"), [(5, LARGEST), (60, 96), (200, 64)])
def test_many_tiles_are_small(count, height):
    asked = set()

    def show(row, high):
        asked.add(high)
        return Shown([noise(4, 4)], [noise(4, 4)])

    assert len(tiles(range(count), show, [], Budget(10**9))) == count
    assert asked == {height}


def test_what_cannot_be_read_is_a_tile_with_a_reason():
    def show(row, height):
        raise DataError(f"part {row}: it is cut off")

    (tile,) = tiles([3], show, [], Budget(1000))
    assert not tile.pictures and tile.problem == "part 3: it is cut off"


@pytest.fixture
def pictures(tmp_path):
    for folder, shade in (("b1", 200), ("golden", 90)):
        (tmp_path / folder).mkdir()
        for light in ("White", "Low"):
            Image.new("RGB", (400, 320), (shade, shade, 40)).save(tmp_path / folder / f"R1_{light}.jpg")
    return tmp_path


def table_of(**cells):
    return with_scores("x.csv", {"label": ["PASS"], "object_name": ["R1"], **cells}, np.zeros(1, np.float32))


def test_files_are_found_by_path_name_and_light(pictures):
    table = table_of(input_path=["b1"], golden_path=["golden"])
    shown = show_files(table, pictures, ["White", "Low"], ".jpg")(0, 160)
    assert [one.shape for one in (*shown.golden, *shown.sample)] == [(160, 200, 3)] * 4
    assert abs(int(shown.sample[0][0, 0, 0]) - 200) < 5 and abs(int(shown.golden[0][0, 0, 0]) - 90) < 5


def test_a_small_picture_is_not_made_larger(pictures):
    assert read_small(str(pictures / "b1" / "R1_Low.jpg"), 1000).shape == (320, 400, 3)


def test_a_file_that_is_not_there(pictures):
    show = show_files(table_of(input_path=["b2"], golden_path=["golden"]), pictures, ["White"], ".jpg")
    (tile,) = tiles([0], show, ["White"], Budget(10**6))
    assert "b2" in tile.problem and not tile.pictures


@pytest.mark.parametrize(
    ("folder", "lights", "extension", "said"),
    [
        ("", ["White"], ".jpg", None),
        ("", [], ".jpg", "ends in _Low.jpg, _White.jpg: say so with --lights and --ext"),
        ("", ["White"], ".png", "ends in _Low.jpg, _White.jpg"),
        ("b1", ["White"], ".jpg", "There is no folder"),
        ("", ["White", "Side"], ".jpg", "R1_Side.jpg"),
    ],
)
def test_pictures_that_are_not_found_are_told_with_what_is_there(pictures, folder, lights, extension, said):
    table = table_of(input_path=["b1"], golden_path=["golden"])
    told = no_pictures(table, pictures / folder, lights, extension)
    assert told == "" if said is None else said in told and told.startswith("1 of 1 parts")


def test_a_table_without_paths_is_refused(pictures):
    with pytest.raises(DataError, match="x.csv has no input_path, golden_path"):
        show_files(table_of(), pictures, [], ".jpg")
