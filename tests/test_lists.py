import numpy as np
import pytest

from goldenpair.data.lists import MASK_COLUMN, read_list, read_split
from goldenpair.data.table import Layout, part_pictures
from goldenpair.errors import TableError
from goldenpair.specs.segment import ListFiles, MaskRule
from masked_pairs import draw, save, spec_of, write_list

GREY = np.full((4, 4), 9, np.uint8)


def files_of(root, split="test", suffix=".png", masks=True):
    rule = MaskRule(folder="label", suffix=suffix, transform="norm", classes=2) if masks else None
    return ListFiles(
        csv_path=str(root / "list" / f"{split}.txt"),
        images_dir=str(root),
        sample_folder="A",
        golden_folder="B",
        masks=rule,
    )


def names_of(root, text, *samples):
    for name in samples:
        save(root / "A" / name, GREY)
    path = write_list(root, "test", [])
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_list(files_of(root)).cells["object_name"]


def test_a_list_is_a_table(tmp_path):
    root = draw(tmp_path)
    table = read_list(files_of(root))
    assert table.columns == ("input_path", "golden_path", "object_name", MASK_COLUMN)
    assert table.row(1) == {
        "input_path": "A",
        "golden_path": "B",
        "object_name": "test1.png",
        MASK_COLUMN: "label/test1.png",
    }
    assert len(table) == 5 and table.line(4) == 5 and table.source.endswith("test.txt")
    assert read_split(files_of(root)).cells == table.cells
    parts = part_pictures(table, Layout.of(spec_of(root).pairs))
    assert sorted(parts.paths) == sorted(str(root / folder / f"test{n}.png") for n in range(5) for folder in "AB")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a.png\nb.png\n", ["a.png", "b.png"]),
        ("a.png", ["a.png"]),  # TAO breaks on one line
        ("\ufeffa.png\r\nb.png\r\n", ["a.png", "b.png"]),
        ("\n  a.png  \n\n", ["a.png"]),
        ("a.png 0.7\nb.png\tx y\n", ["a.png", "b.png"]),  # the first word, as in TAO
        ("my board.png\n", ["my board.png"]),  # which TAO cuts
        ("gone board.png\n", ["gone board.png"]),
        ("# a comment\na.png\n#1.png\n", ["a.png", "#1.png"]),
        ("#\n", []),
        ("", []),
    ],
)
def test_lines_of_a_list(tmp_path, text, names):
    assert names_of(tmp_path, text, "a.png", "b.png", "my board.png", "#1.png") == names


def test_rows_know_their_lines(tmp_path):
    write_list(tmp_path, "test", ["", "a.png", "# no", "b.png"])
    table = read_list(files_of(tmp_path))
    assert [table.line(row) for row in range(2)] == [2, 4]
    assert table.describe(1) == "line 4: b.png in A"


@pytest.mark.parametrize(
    ("name", "suffix", "there", "found"),
    [
        ("a.jpg", ".png", ["a.png"], "a.png"),
        ("a.jpg", ".png", ["a.png", "a.jpg"], "a.png"),
        ("a.jpg", "_m.png", ["a_m.png"], "a_m.png"),
        ("a.png", ".tif", ["a.png"], "a.png"),  # TAO leaves other extensions as they are
        ("a.bmp", ".png", ["a.png"], "a.png"),  # and fails here
        ("a.bmp", ".png", ["a.bmp", "a.png"], "a.bmp"),
        ("a.jpg.bmp", ".png", ["a.jpg.png"], "a.jpg.png"),  # of which TAO replaces the .jpg
        ("sub/a.jpg", ".png", ["sub/a.png"], "sub/a.png"),
        ("a.jpg", ".png", [], "a.png"),
        ("a.png", ".tif", [], "a.tif"),
    ],
)
def test_the_name_of_a_mask(tmp_path, name, suffix, there, found):
    write_list(tmp_path, "test", [name])
    for one in there:
        (tmp_path / "label" / one).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "label" / one).write_bytes(b"")
    assert read_list(files_of(tmp_path, suffix=suffix)).cells[MASK_COLUMN] == [f"label/{found}"]


def test_without_truth_no_mask_is_looked_for(tmp_path):
    assert MASK_COLUMN not in read_list(files_of(draw(tmp_path), masks=False)).cells


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "there is no such file"), (b"caf\xe9.png\n", "line 1"), (b"\xff\xfea\0", "it is UTF-16")],
)
def test_lists_that_cannot_be_read(tmp_path, content, said):
    path = write_list(tmp_path, "test", [])
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(TableError, match="test.txt") as caught:
        read_list(files_of(tmp_path))
    assert said in str(caught.value)


def test_a_folder_is_no_list(tmp_path):
    (tmp_path / "list" / "test.txt").mkdir(parents=True)
    with pytest.raises(TableError, match=r"cannot be read|Permission"):
        read_list(files_of(tmp_path))
