import numpy as np
import pytest
from PIL import Image

from goldenpair.data.lists import read_split
from goldenpair.data.masks import Masks, decode_mask, masks_of
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


def test_masks_of_a_table_are_resized_to_the_nearest(tmp_path):
    root = draw(tmp_path)
    files = spec_of(root).pairs.test_dataset
    table = read_split(files)
    masks = masks_of(table, files, 16, workers=2)
    found = masks.read(np.array([4, 0, 1]))
    assert found.shape == (3, 16, 16) and not found[1].any() and set(np.unique(found)) == {0, 1}
    whole = np.asarray(Image.open(root / "label" / "test4.png"))
    assert np.array_equal(found[0], whole[1::2, 1::2] // 255)  # of two pixels Pillow takes the second
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
