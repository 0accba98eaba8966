"""Tables of boards and goldens as they are read, in the writings that programs give them."""

import csv
import hashlib

import pytest

from goldenpair.converting.raw_tables import KEPT, copied_columns, read_board, read_goldens
from goldenpair.errors import TableError
from raw_export import HEADER, LIGHTS, rows_of, write_table

NAME = "L1_P_TOP_B1.csv"


def board(tmp_path, rows, name=NAME, **options):
    return read_board(write_table(tmp_path / name, rows, **options), "train")


def changed(component="R1", light=None, **cells):
    """The rows of board B1 with other cells in a component's."""
    rows = rows_of("B1")
    for row in rows:
        if row["CompName"] == component and light in (None, row["LightingCondition"]):
            row.update(cells)
    return rows


def without(*columns):
    return [{key: cell for key, cell in row.items() if key not in columns} for row in rows_of("B1")]


def test_a_plain_table(tmp_path):
    read = board(tmp_path, rows_of("B1"))
    assert read.rows == 6 and read.sha256 == hashlib.sha256((tmp_path / NAME).read_bytes()).hexdigest()
    assert [part.object_name for part in read.parts] == ["R1@1", "C_2@1", "U3@1"]
    first = read.parts[0]
    assert (first.design, first.board, first.side, first.comp_name, first.panel) == ("P", "B1", "TOP", "R1", "1")
    assert (first.folder, first.lights, first.extension) == ("P/AOI_T/cap_B1/PerComponent", LIGHTS, ".jpg")
    assert first.verdicts == ("MISSING", "MISSING") and first.status == ("OK", "OK")
    assert [part.line for part in read.parts] == [2, 4, 6] and not any(part.cause for part in read.parts)
    assert read.kept == {"board", "design", "side", "comp_name", "panel", "machine_verdict", "machine_status"}
    assert not read.strange and not read.misnamed


def test_rows_in_any_order(tmp_path):
    rows = rows_of("B1")
    by_light = sorted(rows, key=lambda row: row["LightingCondition"], reverse=True)
    first, second = board(tmp_path, rows), board(tmp_path, by_light, "L1_P_TOP_B1_again.csv")
    assert [(part.key, part.lights) for part in first.parts] == [(part.key, part.lights) for part in second.parts]


@pytest.mark.parametrize(
    "options",
    [{"encoding": "utf-8-sig"}, {"lineterminator": "\n"}, {"quoting": csv.QUOTE_ALL}],
    ids=["BOM", "LF", "quoted"],
)
def test_writings_of_a_csv(tmp_path, options):
    assert [part.comp_name for part in board(tmp_path, rows_of("B1"), **options).parts] == ["R1", "C_2", "U3"]


def test_semicolons_are_named(tmp_path):
    with pytest.raises(TableError, match="separated by semicolons"):
        board(tmp_path, rows_of("B1"), delimiter=";")


def test_every_row_has_its_own_directory(tmp_path):
    """TAO gives the first row's to all where the project is missing."""
    rows = [{**row, "directory": f"cap_{row['CompName']}"} for row in rows_of("B1")]
    assert [part.folder for part in board(tmp_path, rows).parts] == [
        "P/AOI_T/cap_R1", "P/AOI_T/cap_C_2", "P/AOI_T/cap_U3",
    ]  # fmt: skip


def test_panels_are_components_of_their_own(tmp_path):
    rows = rows_of("B1", panel="1") + rows_of("B1", panel="2.0")
    for row in rows:
        row["image_name"] = row["image_name"].replace("@2.0", "@2")
    parts = board(tmp_path, rows).parts
    assert [(part.comp_name, part.panel) for part in parts] == [
        (name, panel) for panel in "12" for name in ("R1", "C_2", "U3")
    ]
    assert len({part.object_name for part in parts}) == 6


@pytest.mark.parametrize("column", ["Project", "BoardSN", "TOP_BOT"])
def test_the_file_name_tells_what_no_column_does(tmp_path, column):
    parts = board(tmp_path, without(column)).parts
    assert {(part.design, part.side, part.board) for part in parts} == {("P", "TOP", "B1")}
    with pytest.raises(TableError, match=f"no column {column}, and its name is not <line>_<project>"):
        board(tmp_path, without(column), "odd.csv")


@pytest.mark.parametrize("column", ["CompName", "directory", "ConfirmDefect", "image_name"])
def test_columns_that_are_needed(tmp_path, column):
    with pytest.raises(TableError, match=f"no column {column} "):
        board(tmp_path, without(column))


def test_absent_columns_are_told_at_once(tmp_path):
    with pytest.raises(TableError) as caught:
        board(tmp_path, without("CompName", "ConfirmDefect", "BoardSN"), "odd.csv")
    assert len(caught.value.problems) == 2 and "CompName, ConfirmDefect" in caught.value.problems[0]


def test_without_lights_and_panels(tmp_path):
    rows = [{**row, "image_name": "R1.jpg"} for row in without("LightingCondition", "TB_Panel")[:1]]
    (part,) = board(tmp_path, rows).parts
    assert (part.object_name, part.lights, part.panel) == ("R1", ("",), "")
    assert "panel" not in board(tmp_path, rows).kept


@pytest.mark.parametrize(
    ("cells", "cause", "detail"),
    [
        ({"CompName": " "}, "cell_empty", "no CompName"),
        ({"directory": ""}, "cell_empty", "no directory"),
        ({"BoardSN": "", "Project": ""}, "cell_empty", "no Project, BoardSN"),
        ({"TOP_BOT": "T"}, "side_unknown", "'T'"),
        ({"directory": "P/../x"}, "directory_odd", "P/../x"),
        ({"directory": "C:\\x"}, "directory_odd", "C:\\x"),
        ({"image_name": "R1.jpg"}, "image_name_odd", "R1.jpg"),
        ({"image_name": ""}, "image_name_odd", "it is empty"),
        ({"LightingCondition": "Dark"}, "image_name_odd", "_SolderLight.jpg"),
        ({"TB_Panel": ""}, "", ""),
        ({"ConfirmDefect": ""}, "", ""),
        ({"TOP_BOT": "top"}, "", ""),
    ],
)
def test_cells_that_rule_a_part_out(tmp_path, cells, cause, detail):
    parts = board(tmp_path, changed(**cells)).parts
    assert [part.cause for part in parts] == [cause, "", ""]
    assert detail in parts[0].told() and parts[0].told().startswith(f"{NAME} line 2: ")


def test_rows_of_two_names_in_one_component(tmp_path):
    part = board(tmp_path, changed(light="WhiteLight", image_name="R9@1_WhiteLight.jpg")).parts[0]
    assert part.cause == "image_name_odd" and part.detail == "its rows name R1@1.jpg and R9@1.jpg"


def test_a_light_in_two_rows_is_known(tmp_path):
    rows = rows_of("B1")
    assert [part.repeated for part in board(tmp_path, [*rows, rows[0]]).parts] == [True, False, False]


def test_a_file_named_after_another_board(tmp_path):
    assert "of board B1" in board(tmp_path, rows_of("B1"), "L1_P_TOP_B2.csv").misnamed
    assert "of board B1" in board(tmp_path, rows_of("B1"), "boards.csv").misnamed


def test_production_columns_get_their_names(tmp_path):
    given = {
        "Type": "resistor", "Package": "R0603", "comp_type_1": "a", "Comp_Type_2": "b", "part_type": "c",
        "number_of_pins": "2", "Description": "1k, 5 %", "mpass_mfail": "mpass", "is_valid": "1",
    }  # fmt: skip
    read = board(tmp_path, [{**row, **given, "operator": "x"} for row in rows_of("B1")])
    assert list(copied_columns(read.parts[0]).values()) == list(given.values())
    assert read.kept == set(KEPT) and read.strange == {"operator"}


def test_an_empty_table_has_no_parts(tmp_path):
    assert board(tmp_path, []).parts == [] and board(tmp_path, []).misnamed == ""
    assert (tmp_path / NAME).read_text().strip() == ",".join(HEADER)


# goldens


GOLDENS = [
    {"CompName": "R1", "TOP_BOT": "TOP", "TB_Panel": "1", "directory": "D:\\aoi\\golden\\PTOP"},
    {"CompName": "R1", "TOP_BOT": "top", "TB_Panel": "2.0", "directory": "golden/PTOP2/"},
    {"CompName": "R1", "TOP_BOT": "BOT", "TB_Panel": "1", "directory": "golden/PBOT"},
]


def goldens(tmp_path, rows, side="TOP"):
    return read_goldens(write_table(tmp_path / "PTOP.csv", rows), side)


def test_goldens_of_a_side_each_with_its_own_directory(tmp_path):
    read = goldens(tmp_path, GOLDENS)
    assert read.folders == {("R1", "1"): "golden/PTOP", ("R1", "2"): "golden/PTOP2"}
    assert not read.twice and not read.odd
    assert goldens(tmp_path, GOLDENS, "BOT").folders == {("R1", "1"): "golden/PBOT"}


def test_goldens_without_sides_and_panels(tmp_path):
    rows = [{"compname": "R1", "Directory": "golden/a"}]
    assert goldens(tmp_path, rows).folders == {("R1", ""): "golden/a"}


def test_a_golden_in_two_places(tmp_path):
    rows = [GOLDENS[0], {**GOLDENS[0], "directory": "golden/PTOP"}, {**GOLDENS[0], "directory": "golden/other"}]
    read = goldens(tmp_path, rows)
    assert read.folders == {("R1", "1"): "golden/PTOP"}
    assert read.twice == ["PTOP.csv line 4: R1: golden/other, but golden/PTOP before, which serves"]


@pytest.mark.parametrize("cells", [{"CompName": ""}, {"directory": "E:\\x"}, {"directory": ""}, {"TOP_BOT": "T"}])
def test_odd_rows_of_goldens(tmp_path, cells):
    read = goldens(tmp_path, [{**GOLDENS[0], **cells}])
    assert not read.folders and len(read.odd) == 1 and read.odd[0].startswith("PTOP.csv line 2: ")


def test_columns_that_goldens_need(tmp_path):
    with pytest.raises(TableError, match="no column CompName, directory"):
        goldens(tmp_path, [{"TOP_BOT": "TOP"}])
