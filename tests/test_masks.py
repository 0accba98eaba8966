import numpy as np
import pytest
from PIL import Image

from goldenpair.data.lists import read_split
from goldenpair.data.masks import Masks, decode_mask, masks_of, resize_mask
from goldenpair.errors import DataError
from goldenpair.specs.segment import IGNORED, MaskRule
from masked_pairs import draw, save, spec_of


def rule(transform="norm", classes=2):
    return MaskRule(folder="label", suffix=".png", transform=transform, classes=classes)


def written(tmp_path, values, mode=None):
    image = Image.fromarray(np.array(values, np.uint8))
    path = tmp_path / "mask.png"
    (image.convert(mode) if mode else image).save(path)
    return str(path)


def test_norm_makes_classes_of_black_and_white(tmp_path):
    found = decode_mask(written(tmp_path, [[0, 255], [255, 0], [0, 0]]), rule())
    assert found.dtype == np.uint8 and found.tolist() == [[0, 1], [1, 0], [0, 0]]


def test_without_transform_numbers_are_classes(tmp_path):
    values = [[0, 1], [2, IGNORED]]
    assert decode_mask(written(tmp_path, values), rule("None", 3)).tolist() == values


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "P"])
def test_masks_of_black_and_white_in_every_form(tmp_path, mode):
    path = written(tmp_path, [[0, 255, 0], [0, 0, 255]], mode)
    if mode == "P":  # a palette's numbers, not its colours
        image = Image.new("P", (3, 2))
        image.putpalette([9, 9, 9] * 256)
        image.putdata([0, 255, 0, 0, 0, 255])
        image.save(path)
    assert decode_mask(path, rule()).tolist() == [[0, 1, 0], [0, 0, 1]]


def test_palettes_give_their_numbers(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    image.putdata([2, 1])
    image.save(tmp_path / "mask.png")
    assert decode_mask(str(tmp_path / "mask.png"), rule("None", 3)).tolist() == [[2, 1]]


@pytest.mark.parametrize(
    ("values", "given", "said"),
    [
        ([[0, 7]], rule(), "it holds 7; label_transform norm knows 0 and 255 only"),
        ([[0, 1]], rule(), "it holds 1; label_transform norm"),
        ([[3, 1, 4]], rule("None", 3), "it holds 3, 4; num_classes 3 allows 0 to 2, and 255"),
        ([list(range(1, 9))], rule(), "it holds 1, 2, 3, 4, 5, ...; "),
    ],
)
def test_values_that_are_no_class_are_told(tmp_path, values, given, said):
    with pytest.raises(DataError) as caught:
        decode_mask(written(tmp_path, values), given)
    assert said in str(caught.value) and "mask.png" in str(caught.value)


def test_colours_and_jpegs_are_no_masks(tmp_path):
    colours = np.zeros((4, 4, 3), np.uint8)
    colours[0, 0] = 255, 0, 0
    save(tmp_path / "mask.png", colours)
    with pytest.raises(DataError, match="it has colours, where one channel of numbers is expected"):
        decode_mask(str(tmp_path / "mask.png"), rule())
    save(tmp_path / "mask.jpg", np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError, match="it is a JPEG, which does not keep numbers"):
        decode_mask(str(tmp_path / "mask.jpg"), rule())
    Image.fromarray(np.full((4, 4), 300, np.uint16)).save(tmp_path / "mask.png")
    with pytest.raises(DataError, match="more than 8 bits"):
        decode_mask(str(tmp_path / "mask.png"), rule())
    content = (tmp_path / "mask.png").read_bytes()
    (tmp_path / "mask.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"mask\.png"):
        decode_mask(str(tmp_path / "mask.png"), rule())


def resized_by_loops(mask, size):
    """Made smaller each source pixel votes where its centre lies; made larger each target pixel asks at its centre."""
    height, width = mask.shape
    votes = [[[] for _ in range(size)] for _ in range(size)]
    rows = [((y + 0.5) * size / height, y) for y in range(height)]
    columns = [((x + 0.5) * size / width, x) for x in range(width)]
    if height <= size:
        rows = [(y, int((y + 0.5) * height / size)) for y in range(size)]
    if width <= size:
        columns = [(x, int((x + 0.5) * width / size)) for x in range(size)]
    for top, y in rows:
        for left, x in columns:
            votes[int(top)][int(left)].append(int(mask[y, x]))
    out = np.empty((size, size), np.uint8)
    for y, x in np.ndindex(size, size):
        changes = [one for one in votes[y][x] if one not in (0, IGNORED)]
        out[y, x] = max(changes) if changes else 0 if 0 in votes[y][x] else IGNORED
    return out


@pytest.mark.parametrize(
    ("shape", "size"),
    [((16, 16), 4), ((13, 17), 5), ((9, 7), 8), ((8, 8), 8), ((4, 5), 16), ((1, 30), 7), ((48, 3), 32)],
)
def test_a_resized_mask_is_what_plain_loops_make(shape, size):
    rng = np.random.default_rng(size)
    for share in (0.02, 0.3, 0.9):
        mask = np.where(rng.random(shape) < share, rng.choice([1, 2, IGNORED], shape), 0).astype(np.uint8)
        found = resize_mask(mask, size)
        assert found.dtype == np.uint8 and np.array_equal(found, resized_by_loops(mask, size))


def test_masks_of_the_right_size_stay_as_they_are():
    mask = np.random.default_rng(0).choice(np.uint8([0, 1, 5, IGNORED]), (16, 16))
    assert np.array_equal(resize_mask(mask, 16), mask)


@pytest.mark.parametrize("size", [16, 48, 64, 250])
@pytest.mark.parametrize("side", [1, 3])
def test_no_small_defect_vanishes_wherever_it_is(size, side):
    for place in range(0, 256 - side, 5):
        mask = np.zeros((256, 256), np.uint8)
        mask[place : place + side, 255 - place - side : 255 - place] = 1
        found = resize_mask(mask, size)
        assert 1 <= (found == 1).sum() <= side**2 and found.max() == 1


def test_what_is_left_out_stays_only_where_nothing_else_is():
    mask = np.uint8([[255, 255, 255, 0], [255, 255, 255, 255], [255, 2, 0, 0], [1, 255, 0, 0]])
    assert resize_mask(mask, 2).tolist() == [[255, 0], [2, 0]]


def test_masks_of_a_table_are_resized(tmp_path):
    root = draw(tmp_path)
    files = spec_of(root).pairs.test_dataset
    table = read_split(files)
    masks = masks_of(table, files, 16, workers=2)
    found = masks.read(np.array([4, 0, 1]))
    assert found.shape == (3, 16, 16) and not found[1].any() and set(np.unique(found)) == {0, 1}
    whole = np.asarray(Image.open(root / "label" / "test4.png"))
    assert np.array_equal(found[0], resized_by_loops(whole // 255, 16))
    assert masks.read(np.array([], np.int64)).shape == (0, 16, 16)


def test_a_mask_that_breaks_is_left_out_and_told(tmp_path):
    save(tmp_path / "good.png", np.full((4, 4), 255, np.uint8))
    masks = Masks([str(tmp_path / "good.png"), str(tmp_path / "gone.png")], rule(), 8, 0)
    found = masks.read(np.array([0, 1]))
    assert (found[0] == 1).all() and (found[1] == IGNORED).all()
    assert masks.errors == {1: f"{tmp_path / 'gone.png'}: there is no such file"}


def test_tables_and_what_is_inferred_have_none(tmp_path, tao_set):
    made = tao_set()
    files = made.spec().pairs.test_dataset
    assert masks_of(read_split(files), files, 8, 0) is None
    files = spec_of(draw(tmp_path)).pairs.infer_dataset
    assert masks_of(read_split(files), files, 8, 0) is None
