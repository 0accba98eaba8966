"""dataset_convert end to end: a plain export, and one with each fault that TAO's conversion has or hides."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import goldenpair
from goldenpair import DataError, audit, cli, dataset_convert, load_spec
from goldenpair.converting.judging import LEFT_OUT
from goldenpair.data.boards import boards_of
from goldenpair.data.table import read_table
from goldenpair.errors import SpecError
from goldenpair.quality.breakdown import component_types
from goldenpair.quality.scored import with_scores
from raw_export import COMPONENTS, DEFECTS, LIGHTS, TRAIN, VAL, Export, read, rows_of, write_table

OI, ACTION = "optical_inspection", "dataset_convert"
TAO = ["input_path", "golden_path", "label", "object_name"]


@pytest.fixture
def export(tmp_path):
    return Export(tmp_path / "factory")


def converted(export, *more, write=True):
    if write:
        export.write()
    return dataset_convert(load_spec(OI, {}, export.overrides(*more), ACTION))


def faults(result):
    return {fault.code: fault for fault in result.report.faults}


def names(rows):
    return [(row["board"], row["object_name"]) for row in rows]


def expected(boards):
    """What TAO would write of the plain export, in the order of the file names."""
    return [
        {
            "input_path": f"P/AOI_T/cap_{board}/PerComponent",
            "golden_path": "golden/images/PTOP",
            "label": DEFECTS.get((board, name), "PASS"),
            "object_name": f"{name}@1",
        }
        for board in boards
        for name in COMPONENTS
    ]


# a plain export


def test_a_plain_export(export):
    result = converted(export.draw())
    for split, boards in (("train", TRAIN), ("val", VAL)):
        rows = export.table(split)
        assert [{name: row[name] for name in TAO} for row in rows] == expected(boards)
        assert list(rows[0])[:4] == TAO
    assert not result.report.faults and not result.report.notes and result.left_out == 0
    assert not (export.out / "left_out.csv").exists() and not (export.out / "test_combined.csv").exists()
    assert (result.lights, result.image_ext, result.parts) == (LIGHTS, ".jpg", 15)
    assert result.tables == {"train": export.out / "train_combined.csv", "val": export.out / "valid_combined.csv"}


def test_the_tables_train_a_model_as_they_are(export):
    result = converted(export.draw())
    splits = {"train_dataset": "train", "validation_dataset": "val"}
    wish = [
        f"dataset.{name}.{key}={value}"
        for name, split in splits.items()
        for key, value in (("csv_path", result.tables[split]), ("images_dir", export.root / "images"))
    ]
    wish += [f"dataset.{word.replace(': ', '=', 1)}" for word in result.next_words.split(", ", 1)[:1]]
    wish.append("dataset.input_map={SolderLight: 0, WhiteLight: 1}")
    assert result.next_words == "num_input: 2, input_map: {SolderLight: 0, WhiteLight: 1}, image_ext: .jpg"
    report = audit(load_spec(OI, {}, wish, "train"))
    assert not report.fatal and [table.rows for table in report.tables] == [9, 6]


def test_the_same_export_gives_the_same_bytes(export):
    first = converted(export)
    before = {path.name: path.read_bytes() for path in export.out.iterdir()}
    converted(export, "dataset_convert.overwrite=true", write=False)
    after = {path.name: path.read_bytes() for path in export.out.iterdir()}
    assert before.pop("conversion.json") != after.pop("conversion.json")  # overwrite stands there
    assert before == after and len(after) == 2
    digests = {table.csv_path: table.sha256 for table in first.report.tables}
    assert digests == {str(export.out / name): hashlib.sha256(data).hexdigest() for name, data in after.items()}


def test_production_columns_are_kept_under_the_names_that_reports_know(export):
    for rows in export.boards.values():
        for row in rows:
            kind = {"R": "resistor", "C": "capacitor", "U": "ic"}[row["CompName"][0]]
            row.update(Type=kind, Package=f"{kind}-1", number_of_pins="2", operator="x")
    result = converted(export)
    rows = export.table("train")
    assert list(rows[0]) == [
        *TAO, "board", "design", "component_type", "package", "panel", "side", "comp_name", "pins", "machine_verdict",
        "machine_status",
    ]  # fmt: skip
    assert list(rows[0].values())[4:] == ["B1", "P", "resistor", "resistor-1", "1", "TOP", "R1", "2", "MISSING", "OK"]
    assert result.report.notes == ("Columns that are not kept: operator",)
    table = read_table(export.out / "train_combined.csv", export.root)
    assert boards_of(table.cells) == ([board for board in TRAIN for _ in COMPONENTS], "column board")
    scored = with_scores("t.csv", table.cells, np.full(len(table), 0.5, np.float32))
    assert component_types(scored) == ("component_type", table.cells["component_type"])


def test_conversion_json(export):
    export.drop("B2", "U3", "WhiteLight")
    result = converted(export)
    told = json.loads((export.out / "conversion.json").read_text("utf-8"))
    assert told["goldenpair"] == goldenpair.__version__ and told["options"]["overwrite"] is False
    assert (told["rows"], told["parts"], told["lights"], told["image_ext"]) == (29, 15, list(LIGHTS), ".jpg")
    assert told["left_out"] == {"light_missing": 1}
    assert told["splits"]["train"] == {
        "parts": 8, "labels": {"PASS": 7, "MISSING": 1}, "designs": {"P": 8}, "boards": list(TRAIN),
    }  # fmt: skip
    assert told["splits"]["val"]["labels"] == {"PASS": 5, "SHIFT": 1}
    for one in told["inputs"]:
        with open(one["path"], "rb") as file:
            assert one["sha256"] == hashlib.file_digest(file, "sha256").hexdigest()
    assert [one["split"] for one in told["inputs"]] == ["train"] * 3 + ["val"] * 2 + ["golden"]
    codes = [fault["code"] for fault in told["faults"]]
    assert codes == [fault.code for fault in result.report.faults] and "light_missing" in codes


# each fault of TAO's conversion


@pytest.mark.parametrize("text", ["TOP", "top", "BOT", "all", "null"])
def test_the_filter_of_sides_filters(export, text):
    """TAO looks at the first character only, logs an error and filters nothing; null crashes it."""
    for board in (*TRAIN, *VAL):
        export.boards[f"{board}b"] = rows_of(f"{board}b", side="BOT")
        export.splits[f"{board}b"] = export.splits[board]
    export.goldens["PBOT"] = [{**row, "TOP_BOT": "BOT"} for row in export.goldens["PTOP"]]
    result = converted(export, f"dataset_convert.bot_top={text}")
    wanted = {"TOP", "BOT"} if text in ("all", "null") else {text.upper()}
    assert {row["side"] for row in export.table("train")} == wanted
    other = {"TOP", "BOT"} - wanted
    assert [note for note in result.report.notes if "Not asked" in note] == [
        f"Not asked for: 15 parts of side {side}" for side in other
    ]
    folder = {"TOP": "AOI_T", "BOT": "AOI_B"}
    assert all(folder[row["side"]] in row["input_path"] for row in export.table("val"))


@pytest.mark.parametrize(("text", "designs"), [("null", {"P", "Q_2"}), ("all", {"P", "Q_2"}), ("Q_2", {"Q_2"})])
def test_no_project_name_means_all(export, text, designs):
    """null selects nothing in TAO, and fails later."""
    for board, split in (("X1", "train"), ("X2", "val")):
        export.boards[board] = rows_of(board, project="Q_2")
        export.splits[board] = split
    export.goldens["Q_2TOP"] = export.goldens["PTOP"]
    converted(export, f"dataset_convert.project_name={text}")
    assert {row["design"] for split in ("train", "val") for row in export.table(split)} == designs


def test_a_project_that_is_not_there(export):
    with pytest.raises(DataError, match=r"no part is left.*") as caught:
        converted(export, "dataset_convert.project_name=Z")
    assert "Not asked for: 15 parts of project P" in str(caught.value)


@pytest.mark.parametrize(("column", "wish"), [("TOP_BOT", "bot_top=TOP"), ("Project", "project_name=P")])
def test_a_part_that_does_not_say_whose_it_is_does_not_vanish(export, column, wish):
    export.change("B1", "R1", **{column: ""})  # a defect
    result = converted(export, f"dataset_convert.{wish}")
    (left,) = read(export.out / "left_out.csv")
    assert (left["reason"], left["comp_name"]) == ("cell_empty", "R1") and f"no {column}" in left["detail"]
    assert (result.parts, result.left_out, result.defects_left_out) == (15, 1, 1)


def test_a_project_in_another_case_is_the_same(export):
    assert converted(export, "dataset_convert.project_name=p").parts == 15


def test_directories_are_those_of_their_rows(export):
    """TAO gives the first row's directory to a whole board where the project does not stand before it."""
    for name in COMPONENTS:
        export.change("B1", name, directory=f"cap_{name}\\PerComponent\\")
    converted(export)
    assert [row["input_path"] for row in export.table("train")[:3]] == [
        f"P/AOI_T/cap_{name}/PerComponent" for name in COMPONENTS
    ]


def test_goldens_have_directories_of_their_own(export):
    """TAO lets the first row decide for all."""
    for row, name in zip(export.goldens["PTOP"], COMPONENTS, strict=True):
        row["directory"] = f"D:\\line\\golden\\{name}"
    converted(export)
    assert [row["golden_path"] for row in export.table("train")[:3]] == [f"golden/{name}" for name in COMPONENTS]


@pytest.mark.parametrize("lights", [("Red",), ("a", "b", "c"), tuple(f"L{n}" for n in range(8))])
def test_any_lights(export, lights):
    """TAO knows four, by their names."""
    export.boards = {board: rows_of(board, lights=lights) for board in export.boards}
    export.drop("B2", "R1", lights[0])
    if len(lights) == 1:
        export.boards["B2"] = rows_of("B2", lights=lights)
    result = converted(export)
    assert result.lights == lights
    left = faults(result).get("light_missing")
    assert (left is None) == (len(lights) == 1)
    if left:
        assert left.examples[0].endswith(f"R1, panel 1 of board B2 TOP: no {lights[0]}")
        assert ("B2", "R1@1") not in names(export.table("train"))


def test_pictures_without_lights(export):
    export.boards = {board: [row for row in rows_of(board, lights=("",))] for board in export.boards}
    for rows in export.boards.values():
        for row in rows:
            row["image_name"] = f"{row['CompName']}@1.jpg"
    result = converted(export)
    assert result.lights == ("",) and result.next_words == "num_input: 1, input_map: null, image_ext: .jpg"
    assert [row["object_name"] for row in export.table("train")[:3]] == [f"{name}@1" for name in COMPONENTS]


def test_lights_that_are_asked_for(export):
    for board in export.boards:
        export.drop(board, "U3", "WhiteLight")
        export.drop(board, "R1", "WhiteLight")
    result = converted(export)
    assert result.lights == ("SolderLight",) and faults(result)["light_rare"].examples == ("WhiteLight: 5 of 15 parts",)
    both = converted(export, "dataset_convert.lights=[SolderLight,WhiteLight]", "dataset_convert.overwrite=true")
    assert both.left_out == 10 and both.lights == LIGHTS


def test_names_with_underscores_stay_whole(export):
    """TAO cuts them at the first `_`."""
    converted(export)
    assert ("B1", "C_2@1") in names(export.table("train"))


def test_a_missing_verdict_is_no_pass(export):
    """In TAO it is."""
    export.change("B1", "U3", ConfirmDefect="")
    export.change("B2", "U3", "WhiteLight", ConfirmDefect="")
    export.change("B3", "U3", "WhiteLight", ConfirmDefect="nan")
    result = converted(export)
    left = faults(result)["verdict_missing"]
    assert (left.count, left.split, left.fatal) == (3, "train", False)
    assert len(export.table("train")) == 6 and "labelled_by" not in export.table("train")[0]
    listed = read(export.out / "left_out.csv")
    assert [(row["reason"], row["board"], row["comp_name"]) for row in listed] == [
        ("verdict_missing", board, "U3") for board in TRAIN
    ]


def test_a_missing_verdict_may_be_the_machines(export):
    export.change("B1", "U3", ConfirmDefect="", MachineDefect="BRIDGE")
    export.change("B2", "U3", ConfirmDefect="")
    export.change("B3", "U3", ConfirmDefect="", MachineDefect="")
    result = converted(export, "dataset_convert.missing_verdict=machine")
    rows = {(row["board"], row["comp_name"]): row for row in export.table("train")}
    assert (rows["B1", "U3"]["label"], rows["B1", "U3"]["labelled_by"]) == ("BRIDGE", "machine")
    assert (rows["B2", "U3"]["label"], rows["B2", "U3"]["labelled_by"]) == ("PASS", "machine")
    assert rows["B1", "R1"]["labelled_by"] == "operator" and ("B3", "U3") not in rows
    told = faults(result)["labelled_by_machine"]
    assert told.count == 2 and not told.fatal


def test_texts_that_are_nearly_pass(export):
    export.change("B1", "U3", ConfirmDefect="Pass")
    export.change("B2", "U3", ConfirmDefect="OK")
    result = converted(export)
    assert "'Pass'" in faults(result)["verdict_near_pass"].examples[0]
    assert faults(result)["verdict_doubtful"].examples == ("'OK' sounds good, but counts as a defect",)
    again = converted(export, "dataset_convert.pass_texts=[Pass,OK]", "dataset_convert.overwrite=true")
    assert again.left_out == 0 and "verdict_doubtful" not in faults(again)
    assert [row["label"] for row in export.table("train")].count("PASS") == 8


def test_panels_of_one_board_in_one_folder_are_kept_apart(export):
    """TAO keeps one of them: it takes parts for the same by component, board, side and directory."""
    export.boards["B1"] += rows_of("B1", panel="2")
    export.goldens["PTOP"] += [{**row, "TB_Panel": "2.0"} for row in export.goldens["PTOP"]]
    result = converted(export)
    assert result.left_out == 0
    assert [(row["object_name"], row["panel"]) for row in export.table("train") if row["comp_name"] == "R1"][:2] == [
        ("R1@1", "1"), ("R1@2", "2"),
    ]  # fmt: skip


def test_panels_with_the_same_pictures_are_told(export):
    other = [{**row, "TB_Panel": "2"} for row in rows_of("B1")]
    export.boards["B1"] += other
    export.goldens["PTOP"] += [{**row, "TB_Panel": "2"} for row in export.goldens["PTOP"]]
    result = converted(export)
    shared = faults(result)["pictures_shared"]
    assert shared.count == 6 and "R1@1 is of R1, panel 1 and R1, panel 2" in shared.examples[0]
    assert "B1" not in {row["board"] for row in export.table("train")}


def test_a_missing_golden_costs_its_own_parts_only(export):
    """One is enough for TAO to drop every row with any empty cell."""
    del export.goldens["PTOP"][1]
    export.change("B1", "R1", MachineDefect="", Status="")
    result = converted(export)
    of_train, of_val = [fault for fault in result.report.faults if fault.code == "golden_missing"]
    assert (of_train.split, of_train.count, of_val.split, of_val.count) == ("train", 3, "val", 2)
    assert of_train.examples[0].endswith("PTOP.csv has no C_2 with TB_Panel 1") and result.left_out == 5
    assert ("B1", "R1@1") in names(export.table("train"))


def test_no_table_of_goldens_for_a_side(export):
    export.boards["B1"] = rows_of("B1", side="BOT")
    result = converted(export)
    assert (
        faults(result)["golden_missing"]
        .examples[0]
        .endswith(f"there is no {export.root / 'export' / 'golden' / 'PBOT.csv'}")
    )
    assert {row["board"] for row in export.table("train")} == {"B2", "B3"}


def test_a_table_of_goldens_in_another_writing(export):
    export.goldens = {"p_top": export.goldens["PTOP"], "._PTOP": [{"CompName": "hidden"}]}
    assert converted(export).left_out == 0


# other faults


def test_a_board_in_both_folders_is_refused(export):
    export.splits["B2"] = "train+val"
    export.boards["B4b"] = rows_of("B4", side="BOT")  # the other side of a board of validation
    export.splits["B4b"] = "train"
    with pytest.raises(DataError) as caught:
        converted(export)
    text = str(caught.value)
    assert "board in two tables" in text and "B2 of P: train (L1_P_TOP_B2.csv) and val" in text and "B4 of P" in text
    assert not export.out.exists()


def test_a_table_that_cannot_be_read_is_refused(export):
    """A comment in a local code page is enough."""
    export.write()
    path = export.root / "export" / "all" / "L1_P_TOP_B1.csv"
    path.write_bytes(path.read_bytes() + "\u7535\u963b".encode("gbk"))
    with pytest.raises(DataError, match="unreadable_tables=leave_out goes on without") as caught:
        converted(export, write=False)
    assert str(path) in str(caught.value) and not export.out.exists()


@pytest.mark.parametrize(("first", "second"), [("PASS", "MISSING"), ("MISSING", "PASS"), ("", "MISSING")])
def test_two_columns_with_a_verdict_that_differ_are_refused(export, first, second):
    for row in export.boards["B1"]:
        row["Confirm_Defect"] = row["ConfirmDefect"]
    assert converted(export).parts == 15  # they say the same
    export.change("B1", "U3", "WhiteLight", ConfirmDefect=first, Confirm_Defect=second)
    with pytest.raises(DataError, match="ConfirmDefect and Confirm_Defect") as caught:
        converted(export, "dataset_convert.overwrite=true")
    assert f"line 7: {first!r} and {second!r}" in str(caught.value)


def test_tables_that_cannot_be_read_are_left_out_where_that_is_asked_for(export):
    export.write()
    folder = export.root / "export" / "all"
    (folder / "L1_P_TOP_B1.csv").write_bytes(b"Project;BoardSN\nP;B1\n")
    (folder / "L1_P_TOP_B2.csv").write_bytes(b"\xff\xfeP\0")
    result = converted(export, "dataset_convert.unreadable_tables=leave_out", write=False)
    left = faults(result)["board_table_unreadable"]
    assert (
        not left.fatal and left.count >= 2 and "semicolons" in left.examples[0] and "UTF-16" in " ".join(left.examples)
    )
    assert {row["board"] for row in export.table("train")} == {"B3"}


def test_a_file_named_after_another_board(export):
    export.names["B1"] = "L1_P_TOP_B7.csv"
    result = converted(export)
    assert faults(result)["file_misnamed"].count == 1 and "B1" in {row["board"] for row in export.table("train")}


def test_a_board_exported_twice(export):
    export.boards["again"] = rows_of("B1")
    export.names["again"] = "L1_P_TOP_B1_2.csv"
    export.splits["again"] = "train"
    result = converted(export)
    assert faults(result)["row_again"].count == 3 and len(export.table("train")) == 9
    export.change("again", "R1", ConfirmDefect="PASS")
    result = converted(export, "dataset_convert.overwrite=true")
    assert faults(result)["verdicts_contradict"].count == 2
    assert ("B1", "R1@1") not in names(export.table("train"))


def test_a_row_twice(export):
    export.boards["B1"].append(export.boards["B1"][0])
    result = converted(export)
    assert faults(result)["light_again"].count == 1 and result.left_out == 0


def test_board_numbers_of_two_projects(export):
    export.boards["X"] = rows_of("B1", project="Q")
    export.splits["X"] = "val"
    export.goldens["QTOP"] = export.goldens["PTOP"]
    result = converted(export)
    assert {row["board"] for row in export.table("train")} == {"P/B1", "B2", "B3"}
    assert {row["board"] for row in export.table("val")} == {"Q/B1", "B4", "B5"}
    assert faults(result)["board_of_two_projects"].examples == ("B1",)


def test_different_extensions(export):
    export.boards["B1"] = [{**row, "image_name": row["image_name"][:-3] + "png"} for row in rows_of("B1")]
    result = converted(export)
    assert result.image_ext == ".jpg"
    assert faults(result)["extensions_differ"].examples == (".jpg: 12 parts", ".png: 3 parts")


def test_pictures_that_are_not_there(export):
    export.draw()
    images = export.root / "images"
    (images / "P/AOI_T/cap_B1/PerComponent/R1@1_WhiteLight.jpg").unlink()
    (images / "golden/images/PTOP/U3@1_SolderLight.jpg").unlink()
    result = converted(export)
    found = {(fault.code, fault.split): fault for fault in result.report.faults}
    path = os.path.join(images, "P/AOI_T/cap_B1/PerComponent", "R1@1_WhiteLight.jpg")
    assert found["picture_missing", "train"].count == 1
    assert found["picture_missing", "train"].examples[0].endswith(f"{path}  (there is R1@1_SolderLight.jpg)")
    assert [found["golden_picture_missing", split].count for split in ("train", "val")] == [3, 2]
    assert (result.left_out, result.defects_left_out) == (6, 2)  # both defects that there are
    skipped = converted(export, "dataset_convert.check_pictures=false", "dataset_convert.overwrite=true")
    assert skipped.left_out == 0 and "check_pictures is false" in skipped.report.notes[0]


def test_where_no_picture_is_there_nothing_is_written(export):
    with pytest.raises(DataError, match="no part is left for train_combined.csv") as caught:
        converted(export, f"dataset_convert.images_dir={export.root.parent}")
    assert "left out: picture missing" in str(caught.value) and not export.out.exists()


def test_all_is_told_at_once(export):
    """One of each, and all others go on."""
    export.draw()
    export.change("B1", "R1", CompName="")
    export.change("B1", "C_2", TOP_BOT="X")
    export.change("B1", "U3", directory="../x")
    export.change("B2", "R1", image_name="R1.jpg")
    export.drop("B2", "C_2", "SolderLight")
    export.change("B2", "U3", ConfirmDefect="")
    export.change("B3", "R1", ConfirmDefect="pass")
    result = converted(export)
    causes = ["cell_empty", "side_unknown", "directory_odd", "image_name_odd", "light_missing"]
    causes += ["verdict_missing", "verdict_near_pass"]
    assert [fault.code for fault in result.report.faults if fault.code in LEFT_OUT] == causes
    assert [row["reason"] for row in read(export.out / "left_out.csv")] == causes
    assert result.left_out == 7 and names(export.table("train")) == [("B3", "C_2@1"), ("B3", "U3@1")]
    assert faults(result)["no_defects"].split == "train"
    (odd,) = [row for row in read(export.out / "left_out.csv") if row["reason"] == "image_name_odd"]
    assert (odd["file"], odd["board"], odd["comp_name"], odd["verdict"]) == ("L1_P_TOP_B2.csv", "B2", "R1", "PASS")


def test_left_out_is_safe_in_a_spreadsheet(export):
    export.change("B1", "R1", TOP_BOT="=1+1")
    export.names["B1"] = "=cmd_P_TOP_B1.csv"
    converted(export)
    (left,) = read(export.out / "left_out.csv")
    assert (left["side"], left["file"]) == ("'=1+1", "'=cmd_P_TOP_B1.csv")


# dividing boards


def many(export, boards=20):
    export.boards = {f"S{n:02d}": rows_of(f"S{n:02d}") for n in range(boards)}
    export.splits = dict.fromkeys(export.boards, "nowhere")
    for n in range(0, boards, 4):
        export.change(f"S{n:02d}", "R1", ConfirmDefect="MISSING")
    for n in range(0, boards, 2):  # both sides
        export.boards[f"S{n:02d}b"] = rows_of(f"S{n:02d}", side="BOT")
        export.splits[f"S{n:02d}b"] = "nowhere"
    export.goldens["PBOT"] = [{**row, "TOP_BOT": "BOT"} for row in export.goldens["PTOP"]]
    return export


DIVIDED = (
    "dataset_convert.train_pcb_dataset_dir=null",
    "dataset_convert.val_pcb_dataset_dir=null",
    "dataset_convert.split={by: board, val: 0.2, test: 0.2}",
)


def test_boards_are_divided_and_never_split(export):
    result = converted(many(export), *DIVIDED)
    boards = {split: {row["board"] for row in export.table(split)} for split in ("train", "val", "test")}
    assert {split: len(found) for split, found in boards.items()} == {"train": 12, "val": 4, "test": 4}
    assert len(set().union(*boards.values())) == 20
    labels = {split: [row["label"] for row in export.table(split)].count("MISSING") for split in boards}
    assert labels == {"train": 3, "val": 1, "test": 1}
    assert {split: set(count.boards) for split, count in result.splits.items()} == boards
    assert sum(count.parts for count in result.splits.values()) == 90


def test_the_seed_decides_and_what_is_left_behind_goes(export):
    converted(many(export), *DIVIDED)
    first = [export.table(split) for split in ("train", "val", "test")]
    converted(export, *DIVIDED, "dataset_convert.overwrite=true", write=False)
    assert [export.table(split) for split in ("train", "val", "test")] == first
    two = "dataset_convert.split={val: 0.2, test: 0, seed: 7}"
    converted(export, *DIVIDED, two, "dataset_convert.overwrite=true", write=False)
    assert export.table("train") != first[0] and not (export.out / "test_combined.csv").exists()


def test_too_few_boards_to_divide(export):
    export.boards = {name: export.boards[name] for name in ("B1", "B2")}
    with pytest.raises(DataError, match="too few boards for the 3 tables"):
        converted(export, *DIVIDED)


def test_a_folder_of_test_boards(export):
    export.splits["B3"] = "test"
    result = converted(export, "dataset_convert.test_pcb_dataset_dir=export/test")
    assert {row["board"] for row in export.table("test")} == {"B3"} and set(result.tables) == {"train", "val", "test"}


# the command


def test_the_command_line(export, capsys):
    export.write()
    assert cli.main([OI, ACTION, *export.overrides(), "-e", str(spec_file(export))]) == 0
    text = capsys.readouterr().out
    assert "train_combined.csv" in text and "15 parts, 0 left out" in text
    assert text.endswith("Execution status: PASS\n")
    assert cli.main([OI, ACTION, *export.overrides(), "-e", str(spec_file(export))]) == 2
    assert "there already; dataset_convert.overwrite=true replaces them" in capsys.readouterr().err


def spec_file(export):
    path = export.root / "spec.yaml"
    path.write_text("dataset_convert: {project_name: all, bot_top: all}\n")
    return path


@pytest.mark.parametrize("name", ["train_combined.csv", "test_combined.csv", "conversion.json", "left_out.csv"])
def test_what_is_there_stays(export, name):
    export.out.mkdir(parents=True)
    (export.out / name).write_text("mine")
    with pytest.raises(DataError, match=rf"{name} there already"):
        converted(export)
    assert [path.name for path in export.out.iterdir()] == [name] and (export.out / name).read_text() == "mine"


def test_faults_of_the_folders_end_with_2(export, capsys):
    export.write()
    wish = export.overrides("dataset_convert.golden_csv_dir=none", "dataset_convert.val_pcb_dataset_dir=none")
    assert cli.main([OI, ACTION, *wish, "-e", str(spec_file(export))]) == 2
    error = capsys.readouterr().err
    assert "golden_csv_dir is no folder" in error and "val_pcb_dataset_dir is no folder" in error


def test_the_other_network_says_so(export, capsys):
    export.write()
    assert cli.main(["visual_changenet", ACTION, "-e", str(spec_file(export))]) == 2
    assert "visual_changenet has no dataset_convert" in capsys.readouterr().err


def test_taos_console_command_needs_no_torch(export):
    export.write()
    words = [ACTION, "-e", str(spec_file(export)), *export.overrides()]
    program = f"import sys; from goldenpair import cli; sys.argv[1:] = {words!r}; code = cli.optical_inspection()"
    program += "; print(code, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["0 False"], done.stderr
    assert len(export.table("train")) == 9


def test_a_run_is_recorded_where_there_is_a_results_dir(export):
    results = export.root / "results"
    result = converted(export, f"results_dir={results}")
    folder = results / ACTION
    assert {path.name for path in folder.iterdir()} >= {"experiment.yaml", "status.json", "log.txt"}
    records = [json.loads(line) for line in (folder / "status.json").read_text().splitlines()]
    assert records[0]["message"] == "Starting Optical Inspection dataset_convert."
    assert records[-1]["status"] == "SUCCESS" and result.folder == export.out
    other = export.root / "other"
    converted(export, f"dataset_convert.results_dir={other}", "dataset_convert.overwrite=true")
    assert (other / "status.json").exists()


def test_a_failure_is_recorded(export):
    results = export.root / "results"
    with pytest.raises(DataError):
        converted(export, f"results_dir={results}", "dataset_convert.project_name=Z")
    last = json.loads((results / ACTION / "status.json").read_text().splitlines()[-1])
    assert last["status"] == "FAILURE" and "no part is left" in last["message"]
    assert not (results / ACTION / "experiment.yaml").exists()


def test_without_a_results_dir_nothing_else_is_written(export, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    converted(export)
    written = ["conversion.json", "train_combined.csv", "valid_combined.csv"]
    assert sorted(path.name for path in export.out.iterdir()) == written
    assert [path.name for path in tmp_path.iterdir()] == ["factory"]


def test_from_python_a_spec_without_its_folders():
    spec = load_spec(OI, {})
    with pytest.raises(SpecError, match="data_convert_output_dir"):
        dataset_convert(spec)


def test_options_without_effect_are_told(export, caplog):
    many(export)
    for name in ("train", "val"):
        write_table(export.root / "export" / name / "x.csv", [])
    converted(export, DIVIDED[-1])
    assert "train_pcb_dataset_dir is accepted and has no effect" in caplog.text


def test_every_code_is_explained():
    root = Path(__file__).parent.parent
    text = "".join(path.read_text() for path in (root / "src/goldenpair/converting").glob("*.py"))
    codes = set(re.findall(r'lines_fault\(\s*"(\w+)"', text)) | set(LEFT_OUT)
    assert set(re.findall(r'leave_out\(\s*"(\w+)"', text)) <= set(LEFT_OUT) and len(codes) > 20
    page = (root / "docs/optical_inspection.md").read_text().split("\n## dataset_convert\n")[1].split("\n## ")[0]
    assert not {code for code in codes if f"`{code}`" not in page}
