import dataclasses
import os
import re
from pathlib import Path

import numpy as np
import pytest

from goldenpair.data.table import Layout, PairTable, part_pictures, read_blocks, read_table
from goldenpair.errors import DataError, TableError
from goldenpair.specs.common import Dataset

PLAIN = "input_path,golden_path,label,object_name\nb1,golden,PASS,001\nb2,golden,MISSING,R2\n"


@pytest.fixture
def table_of(tmp_path):
    """A function that reads a table of the given content."""

    def read(content: str | bytes) -> PairTable:
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(path, tmp_path / "images")

    return read


def layout_of(**values) -> Layout:
    return Layout.of(Dataset(image_height=10, image_width=7, **values))


def test_lights_stand_in_key_order_whatever_their_numbers():
    layout = layout_of(input_map={"White": 3, "Low": 0, "Solder": 1}, num_input=3, image_ext=".png")
    assert layout.lights == ("White", "Low", "Solder")
    assert layout.suffixes == ("_White.png", "_Low.png", "_Solder.png")


@pytest.mark.parametrize("name", ["synthetic", "Synthetic", "SYNTHETIC", " synthetic "])
def test_the_mark_of_made_defects_is_found_in_any_case(table_of, name):
    table = table_of(f"input_path,golden_path,label,object_name,{name}\nb1,g,PASS,R1,\nb1,g,MISSING,R2,missing\n")
    assert table.synthetic == [1]
    assert "1 row is synthetic defects" in table.refusal()[0]


def test_a_table_with_two_marks_heeds_both(table_of):
    header = "input_path,golden_path,label,object_name,Synthetic,synthetic"
    table = table_of(f"{header}\nb1,g,X,R1,shift,\nb1,g,PASS,R2,, \nb1,g,X,R3,,missing\n")
    assert table.synthetic == [0, 2]
    assert table_of(PLAIN).synthetic == []


@pytest.mark.parametrize("empty", [None, {}])
def test_a_single_picture_has_no_suffix(empty):
    layout = layout_of(input_map=empty, num_input=1)
    assert layout.lights == ()
    assert layout.suffixes == (".jpg",)
    assert (layout.rows, layout.columns) == (1, 1)


FOUR = {name: 0 for name in "abcd"}
SIX = {name: 0 for name in "abcdef"}


@pytest.mark.parametrize(
    ("values", "height", "width"),
    [
        ({"input_map": None, "num_input": 1}, 10, 7),
        ({"input_map": FOUR, "concat_type": "linear"}, 40, 7),
        ({"input_map": FOUR, "concat_type": None}, 40, 7),
        ({"input_map": FOUR, "concat_type": "linear", "grid_map": {"x": 2, "y": 2}}, 40, 7),
        ({"input_map": FOUR, "concat_type": "grid", "grid_map": {"x": 2, "y": 2}}, 20, 14),
        ({"input_map": SIX, "num_input": 6, "concat_type": "grid", "grid_map": {"x": 3, "y": 2}}, 20, 21),
        ({"input_map": SIX, "num_input": 6, "concat_type": "grid", "grid_map": {"x": 2, "y": 3}}, 30, 14),
    ],
)
def test_size_of_the_joined_picture(values, height, width):
    layout = layout_of(**values)
    assert (layout.joined_height, layout.joined_width) == (height, width)


def test_reads_cells_as_text_and_labels_as_tao(table_of, tmp_path):
    table = table_of(PLAIN)
    assert len(table) == 2
    assert table.columns == ("input_path", "golden_path", "label", "object_name")
    assert table.row(0) == {"input_path": "b1", "golden_path": "golden", "label": "PASS", "object_name": "001"}
    assert table.images_dir == tmp_path / "images"
    assert table.describe(1) == "line 3: R2 in b2"


@pytest.mark.parametrize("label", ["pass", " PASS", "Pass", "", "NA", "MISSING", "0"])
def test_whatever_is_not_exactly_pass_is_a_defect(table_of, label):
    table = table_of(f"label,input_path\n{label},a\nPASS,b\n")
    assert table.is_defect.tolist() == [True, False]


def test_columns_may_stand_in_any_order_and_more_of_them_are_kept(table_of):
    table = table_of("machine,object_name,label,golden_path,input_path,note\nM1,R1,PASS,golden,b1,NA\n")
    assert table.columns == ("machine", "object_name", "label", "golden_path", "input_path", "note")
    assert table.row(0)["machine"] == "M1" and table.row(0)["note"] == "NA"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xef\xbb\xbf" + PLAIN.encode(), id="byte order mark"),
        pytest.param(PLAIN.replace("\n", "\r\n").encode(), id="lines of Windows"),
        pytest.param(PLAIN.rstrip("\n").encode(), id="no newline at the end"),
        pytest.param((PLAIN + "\n\n").encode(), id="blank lines at the end"),
        pytest.param(PLAIN.replace("input_path,golden_path", " input_path , golden_path").encode(), id="blanks"),
        pytest.param(
            b'"input_path","golden_path",label,object_name\n"b1",golden,PASS,001\nb2,golden,"MISSING",R2\n',
            id="quotes",
        ),
    ],
)
def test_the_same_table_however_it_is_written(table_of, content):
    assert table_of(content).cells == table_of(PLAIN).cells


def test_quoted_commas_quotes_and_newlines_stay_in_their_cell(table_of):
    table = table_of('object_name,note\nR1,"a, ""b""\nc"\nR2,d\n')
    assert table.cells["note"] == ['a, "b"\nc', "d"]


def test_letters_beyond_ascii(table_of):
    assert table_of("object_name\nWiderstand_Ω_ü\n").cells["object_name"] == ["Widerstand_Ω_ü"]


def test_a_header_alone_is_an_empty_table_with_its_columns(table_of):
    table = table_of("input_path,golden_path,label,object_name\n")
    assert len(table) == 0
    assert table.columns == ("input_path", "golden_path", "label", "object_name")


HEADER = b"input_path,golden_path,label,object_name\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", ["it is empty; expected a header row with input_path"], id="empty"),
        pytest.param(b"\n\n", ["it is empty"], id="blank lines"),
        pytest.param(b"\xef\xbb\xbf", ["it is empty"], id="byte order mark"),
        pytest.param(
            b"label,b\n1,2\n1,2,3\n\n1\n",
            ["2 rows do not have the header's 2 cells; first line 3 with 3: 1,2,3; line 5 with 1: 1"],
            id="rows of another length",
        ),
        pytest.param(b"label,b,label\n1,2,3\n", ["column 'label' stands there twice"], id="a column twice"),
        pytest.param(
            b"b1,golden,PASS,R1\nb2,golden,PASS,R1\n",
            [r"the first row must be a header with input_path, .*, object_name; found b1,golden,PASS,R1"],
            id="no header",
        ),
        pytest.param(PLAIN.replace(",", ";").encode(), ["separated by semicolons; save it as a CSV file with commas"]),
        pytest.param(PLAIN.replace(",", "\t").encode(), ["separated by tabs; save it as a CSV file with commas"]),
        pytest.param(
            HEADER.replace(b",", b";") + b"b1;golden;SHIFT, 2 mm;R1\n",
            ["separated by semicolons", "1 row does not have the header's 1 cells"],
            id="semicolons and commas",
        ),
        pytest.param(
            HEADER + "b1,golden,PASS,R1\nb1,golden,Lötbrücke,R2\n".encode("cp1252"),
            [r"line 3, byte 71 of the file, is not UTF-8: b1,golden,Lötbrücke,R2; save it as 'CSV UTF-8'"],
            id="another encoding",
        ),
        pytest.param(PLAIN.encode("utf-16"), ["it is UTF-16, .*; save it as 'CSV UTF-8'"], id="UTF-16"),
        pytest.param(
            HEADER + b"b1,golden,PASS,R1\nb1,golden,\0\0\0\0,R2\n", ["line 3 holds a NUL byte"], id="NUL bytes"
        ),
        pytest.param(HEADER + b'b1,golden,PASS,"1"x\n', ["line 2: cannot be read as CSV: "], id="quotes"),
        pytest.param(
            HEADER + b'b1,golden,PASS,"R1\nb2,golden,PASS,R1\n',
            ["cannot be read as CSV: unexpected end"],
            id="open quote",
        ),
        pytest.param(
            b"label,label\n1\n\0,2\n",
            ["column 'label' stands there twice", "1 row does not have", "line 3 holds a NUL byte"],
            id="all at once",
        ),
    ],
)
def test_what_is_no_table_is_refused_with_everything_that_is_wrong(table_of, content, said):
    with pytest.raises(TableError) as caught:
        table_of(content)
    assert "table.csv" in str(caught.value)
    assert len(caught.value.problems) == len(said)
    for problem, wanted in zip(caught.value.problems, said, strict=True):
        assert re.search(wanted, problem) and problem in str(caught.value)


def test_of_many_uneven_rows_the_first_ten_are_told(table_of):
    with pytest.raises(TableError) as caught:
        table_of("label,object_name\n" + "PASS,R1\nPASS\n" * 30)
    (problem,) = caught.value.problems
    assert problem.startswith("30 rows") and "line 21 with 1" in problem and "line 23" not in problem


def test_a_text_of_many_rows_is_kept_once(table_of):
    table = table_of("input_path,object_name\n" + "".join(f"board,R{i % 2}\n" for i in range(50)))
    assert len({id(cell) for cell in table.cells["input_path"]}) == 1
    assert len({id(cell) for cell in table.cells["object_name"]}) == 2


def test_a_missing_table_is_named_with_the_folder_looked_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="no such file") as caught:
        read_table("gone.csv", "images")
    assert str(tmp_path) in str(caught.value) and "gone.csv" in str(caught.value)


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path, tmp_path)


SHARING = [
    # input_path, golden_path, object_name
    ("b1", "gold", "R1"),
    ("b1", "gold", "C1"),
    ("b2", "gold", "R1"),
    ("b2", "other", "R1"),
    ("gold", "gold", "R1"),  # a golden inspected as a sample
    ("b1", "gold", "R1"),  # a row that stands there twice
]


def parts_of(lights: dict[str, int] | None, rows=SHARING, root="/data"):
    cells = {"input_path": [row[0] for row in rows], "golden_path": [row[1] for row in rows]}
    table = PairTable("t.csv", Path(root), {**cells, "object_name": [row[2] for row in rows]})
    return part_pictures(table, layout_of(input_map=lights, num_input=len(lights or [0])))


@pytest.mark.parametrize("lights", [None, {"White": 0}, {"White": 1, "Low": 0}])
def test_indices_lead_from_each_row_to_its_files(lights):
    parts = parts_of(lights)
    suffixes = [f"_{light}.jpg" for light in lights] if lights else [".jpg"]
    goldens = parts.golden(np.arange(len(SHARING)))
    assert parts.sample.shape == goldens.shape == (len(SHARING), len(suffixes))
    for i, (folder, golden, name) in enumerate(SHARING):
        assert [parts.paths[n] for n in parts.sample[i]] == [f"/data/{folder}/{name}{suffix}" for suffix in suffixes]
        assert [parts.paths[n] for n in goldens[i]] == [f"/data/{golden}/{name}{suffix}" for suffix in suffixes]


def test_each_file_is_named_once():
    parts = parts_of({"White": 0, "Low": 0})
    distinct = {(folder, name) for a, b, name in SHARING for folder in (a, b)}
    assert len(parts.paths) == len(set(parts.paths)) == 2 * len(distinct)


def test_rows_share_a_golden_exactly_if_folder_and_name_agree():
    parts = parts_of({"White": 0, "Low": 0})
    keys = [(golden, name) for _, golden, name in SHARING]
    same = [[one == other for other in keys] for one in keys]
    assert np.equal.outer(parts.golden_id, parts.golden_id).tolist() == same


def test_an_absolute_folder_replaces_images_dir():
    parts = parts_of(None, [("/elsewhere/b1", "gold", "R1")])
    assert parts.paths[parts.sample[0, 0]] == "/elsewhere/b1/R1.jpg"
    assert parts.paths[parts.golden(np.array([0]))[0, 0]] == "/data/gold/R1.jpg"


def test_an_empty_table_needs_no_pictures():
    parts = parts_of({"White": 0, "Low": 0}, [])
    assert parts.paths == [] and parts.sample.shape == (0, 2) and parts.golden_id.shape == (0,)


def test_what_is_wrong_with_the_pictures_of_rows():
    parts = parts_of({"White": 0, "Low": 0})
    goldens = parts.golden(np.arange(len(SHARING)))
    shared = int(goldens[0, 1])  # by rows 0, 2, 4 and 5; row 4 has it as its sample as well
    own = int(parts.sample[1, 0])
    told = parts.faults({shared: "golden cut", own: "sample black"}, np.array([5, 1, 0, 3, 4]))
    assert told == ["golden cut", "sample black", "golden cut", "", "golden cut"]
    assert parts.faults({own: "a", int(goldens[1, 0]): "b"}, np.array([1])) == ["a; b"]
    assert parts.faults({}, np.array([0, 1])) == ["", ""]


# in parts


def test_parts_hold_all_rows_in_order_with_their_lines(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("input_path,golden_path,label,object_name\n" + "".join(f"b,g,PASS,R{i}\n" for i in range(7)))
    parts = list(read_blocks(path, tmp_path, 3))
    assert [len(part) for part in parts] == [3, 3, 1]
    assert [name for part in parts for name in part.cells["object_name"]] == [f"R{i}" for i in range(7)]
    assert [part.line(0) for part in parts] == [2, 5, 8]
    assert [len(part) for part in read_blocks(path, tmp_path, 7)] == [7]


def test_a_table_without_rows_is_one_part_without_rows(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("input_path,golden_path,label,object_name\n")
    assert [len(part) for part in read_blocks(path, tmp_path, 3)] == [0]


def test_a_mistake_is_told_with_its_part(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("input_path,golden_path,label,object_name\nb,g,PASS,R1\nb,g,PASS,R2\nb,g,PASS\n")
    parts = read_blocks(path, tmp_path, 1)
    assert next(parts).cells["object_name"] == ["R1"]
    with pytest.raises(TableError, match="line 4 with 3: b,g,PASS"):
        list(parts)


# several goldens


@pytest.fixture
def folders(tmp_path):
    """Folders a, b and c with 5, 2 and no goldens of two lights; a function that gives the pictures of rows."""
    for folder, names in {"a": "vwxyz", "b": "pq", "c": ""}.items():
        (tmp_path / folder).mkdir()
        for name in names:
            for light in ("White", "Low"):
                (tmp_path / folder / f"{name}_{light}.jpg").touch()
    (tmp_path / "c" / "n_White.jpg").touch()

    def parts(rows, goldens=3):
        cells = {"input_path": [row[0] for row in rows], "golden_path": [row[1] for row in rows]}
        table = PairTable("t.csv", tmp_path, {**cells, "object_name": [row[2] for row in rows]})
        layout = dataclasses.replace(layout_of(input_map={"White": 0, "Low": 1}, num_input=2), goldens=goldens)
        return part_pictures(table, layout)

    return parts


def named(parts, numbers) -> list[str]:
    """The goldens of a row: folder and name, where both lights agree."""
    paths = [[Path(parts.paths[number]) for number in golden] for golden in numbers.tolist()]
    for lights in paths:
        assert [path.name.split("_")[1] for path in lights] == ["White.jpg", "Low.jpg"]
        assert len({(path.parent, path.name.split("_")[0]) for path in lights}) == 1
    return [f"{lights[0].parent.name}/{lights[0].name.split('_')[0]}" for lights in paths]


FOLDED = [("b1", "a", "R1"), ("b1", "b", "R1"), ("b2", "a", "R7"), ("a", "a", "x")]


def test_outside_of_training_the_goldens_are_spread_or_repeated(folders):
    parts = folders(FOLDED)
    found = [named(parts, golden) for golden in parts.golden(np.arange(4))]
    spread = ["a/v", "a/x", "a/z"]
    assert found == [spread, ["b/p", "b/q", "b/p"], spread, spread]
    assert parts.golden_id.tolist() == [0, 1, 0, 0]
    assert len(parts.paths) == len(set(parts.paths)) == 2 * (3 + 4 + 2)  # a golden of a is a sample too


def test_neither_the_order_of_a_listing_nor_how_often_a_folder_stands_there_matters(folders, monkeypatch):
    parts, listings = folders(FOLDED * 50), []

    def reverse(folder):
        listings.append(folder)
        return sorted(os.listdir(folder), reverse=True)

    monkeypatch.setattr("goldenpair.data.table.listed", reverse)
    other = folders(FOLDED * 50)
    assert other.paths == parts.paths and np.array_equal(other.chosen, parts.chosen)
    assert len(listings) == 2  # each folder once


def test_training_draws_by_seed_epoch_and_row_from_all_goldens(folders):
    parts, rows = folders(FOLDED), np.array([2, 1, 0, 2])
    found = parts.golden(rows, draw=(7, 1))
    assert found.shape == (4, 3, 2)
    assert np.array_equal(found[0], found[3])  # a row that is drawn twice in an epoch
    assert np.array_equal(found[2], parts.golden(np.array([0]), draw=(7, 1))[0])  # whatever the batch
    for draw in ((7, 2), (8, 1)):
        assert not np.array_equal(found, parts.golden(rows, draw=draw))
    drawn = [named(parts, parts.golden(np.array([0]), draw=(7, epoch))[0]) for epoch in range(40)]
    assert {name for names in drawn for name in names} == {f"a/{name}" for name in "vwxyz"}
    assert all(len(set(names)) == 3 for names in drawn)
    assert parts.golden(np.empty(0, np.int64), draw=(7, 1)).shape == (0, 3, 2)


def test_a_folder_without_a_golden_leads_to_a_file_that_there_is_not(folders):
    parts = folders([("b1", "c", "R1"), ("b1", "none", "R1")], goldens=2)
    assert named(parts, parts.golden(np.array([0]))[0]) == ["c/*", "c/*"]
    assert not any(os.path.exists(path) for path in parts.paths[4:])


def test_a_broken_golden_costs_the_rows_that_are_compared_with_it(folders):
    parts = folders(FOLDED)
    broken = {int(parts.chosen[0, 1, 0]): "a/x is broken"}
    assert parts.faults(broken, np.arange(4)) == ["a/x is broken", "", "a/x is broken", "a/x is broken"]
    drawn = parts.golden(np.arange(3), draw=(0, 0))
    hit = np.isin(drawn, list(broken)).any(axis=(1, 2))
    assert np.array_equal(parts.whole(broken, np.arange(3), draw=(0, 0)), ~hit)


def test_training_can_do_without_broken_goldens_but_not_without_any(folders):
    parts = folders(FOLDED)
    of_a = {int(parts.pools[0][place, 1]): "broken" for place in (0, 3)}
    left = parts.without(of_a)
    assert left.whole(of_a, np.array([0, 1, 2])).all()
    names = {name for epoch in range(30) for name in named(left, left.golden(np.array([0]), draw=(1, epoch))[0])}
    assert names == {"a/w", "a/x", "a/z"}
    of_b = {int(number): "broken" for number in parts.pools[1][:, 0]}
    assert parts.without(of_b).whole(of_b, np.arange(3)).tolist() == [True, False, True]
    assert parts.plan() != left.plan() and parts.plan()["num_golden"] == 3


def test_with_one_golden_there_is_nothing_to_draw():
    parts = parts_of({"White": 0, "Low": 0})
    rows = np.arange(len(SHARING))
    assert np.array_equal(parts.golden(rows, draw=(1, 2)), parts.golden(rows))
    assert parts.without({0: "broken"}) is parts and parts.plan() == {}
