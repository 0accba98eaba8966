import os
from time import perf_counter

import pytest

from goldenpair.data.audit import Fault, audit, refuse
from goldenpair.data.table import PairTable, read_table
from goldenpair.errors import DataError

LIGHTS = ("Solder", "White")
HEADER = ("input_path", "golden_path", "label", "object_name")


@pytest.fixture
def checked(tao_set):
    """A function that writes a table over a whole data set, reads it and audits it."""

    def check(rows=None, header="input_path,golden_path,label,object_name", label=True, all_files=True, **changes):
        made = tao_set(lights=LIGHTS, **changes)
        if rows is not None:
            made.csv_path.write_text("\n".join([header, *rows]) + "\n")
        table = read_table(made.csv_path, made.images_dir)
        return audit(table, made.layout, needs_label=label, needs_all_files=all_files)

    return check


def test_a_whole_set_has_no_faults(checked):
    assert checked() == []


def test_missing_columns_are_listed_with_the_header_that_is_there(checked):
    (fault,) = checked(["b1,PASS"], header="input_path,label")
    assert fault.count == 2 and set(fault.examples) == {"golden_path", "object_name"} and fault.fatal
    assert "input_path, label" in fault.what


def test_label_is_wanted_only_where_it_is_needed(checked):
    header = "input_path,golden_path,object_name"
    (fault,) = checked(["b1,golden,R1"], header=header)
    assert fault.examples == ("label",)
    assert checked(["b1,golden,R1"], header=header, label=False) == []


@pytest.mark.parametrize("separator", [";", "\t"])
def test_another_separator_is_guessed(checked, separator):
    header = separator.join(["input_path", "golden_path", "label", "object_name"])
    (fault,) = checked([separator.join(["b1", "golden", "PASS", "R1"])], header=header)
    assert fault.count == 4 and "is the separator a comma?" in fault.what


def test_no_rows_is_a_fault(checked):
    (fault,) = checked([])
    assert fault.what == "no rows below the header" and fault.fatal


def test_no_images_dir_is_one_fault_not_one_for_each_picture(tao_set):
    made = tao_set()
    table = read_table(made.csv_path, made.images_dir / "nowhere")
    (fault,) = audit(table, made.layout, needs_label=True, needs_all_files=False)
    assert fault.what == "images_dir is no folder" and fault.examples == (str(made.images_dir / "nowhere"),)
    assert fault.fatal


@pytest.mark.parametrize("label", ["pass", "Pass", " PASS", "PASS "])
def test_a_label_that_is_nearly_pass_is_a_fault_and_no_defect(checked, label):
    (fault,) = checked(["b1,golden,PASS,R1", f"b2,golden,{label},R1"])
    assert repr(label) in fault.what and fault.count == 1 and fault.fatal
    assert fault.examples == ("line 3: R1 in b2",)


@pytest.mark.parametrize("label", ["", "  "])
def test_an_empty_label_is_a_fault(checked, label):
    (fault,) = checked([f"b1,golden,{label},R1"])
    assert fault.what == "label is empty" and fault.count == 1


@pytest.mark.parametrize("label", ["PASSED", "MISSING", "NA", "None", "0"])
def test_any_other_text_is_a_defect(checked, label):
    assert checked([f"b1,golden,{label},R1"]) == []


def test_labels_are_not_looked_at_where_they_are_not_needed(checked):
    assert checked(["b1,golden,pass,R1", "b1,golden,,R1"], label=False) == []


def test_all_faults_come_at_once_with_counts_and_first_examples(checked):
    rows = [
        "b1,golden,PASS,R1",
        *[f"b1,golden,pass,N{i}" for i in range(7)],
        "b1,golden,,C1",
        "b1,golden,PASS,",
    ]
    by_kind = {fault.what.split(" (")[0]: fault for fault in checked(rows)}
    assert {what: fault.count for what, fault in by_kind.items()} == {
        "object_name is empty": 1,
        "label is nearly PASS": 7,
        "label is empty": 1,
        "picture missing": 8,  # N0 to N6 and the part without a name
        "golden picture missing": 8,
    }
    near = by_kind["label is nearly PASS"]
    assert near.examples == tuple(f"line {3 + i}: N{i} in b1" for i in range(5))
    assert "7 x label is nearly PASS" in str(near) and "... and 2 more" in str(near)


def test_one_missing_light_is_enough_and_is_named(tao_set):
    made = tao_set(lights=LIGHTS)
    gone = made.files("b2", "C1")[1]
    gone.unlink()
    (fault,) = audit(read_table(made.csv_path, made.images_dir), made.layout, needs_label=True, needs_all_files=True)
    assert fault.what == "picture missing" and fault.count == 1 and fault.fatal
    assert fault.examples[0].startswith(f"line 5: {gone}")
    assert "there is C1_Solder.png" in fault.examples[0]


def test_a_missing_golden_counts_once_and_names_its_first_row(tao_set):
    made = tao_set(lights=LIGHTS)
    made.files("golden", "R1")[0].unlink()
    (fault,) = audit(read_table(made.csv_path, made.images_dir), made.layout, needs_label=True, needs_all_files=True)
    assert fault.what == "golden picture missing" and fault.count == 1
    assert fault.examples[0].startswith("line 2: ")


def test_another_extension_is_hinted_at(tao_set):
    made = tao_set()
    table = read_table(made.csv_path, made.images_dir)
    layout = type(made)(**{**vars(made), "extension": ".jpg"}).layout
    sample, golden = audit(table, layout, needs_label=True, needs_all_files=True)
    assert "there is R1.png" in sample.examples[0] and "there is R1.png" in golden.examples[0]


def test_a_missing_folder_is_hinted_at(checked):
    (fault,) = checked(["b1,golden,PASS,R1", "nowhere,golden,PASS,R1"])
    assert "the folder is missing or empty" in fault.examples[0]


def test_missing_pictures_are_not_fatal_where_rows_are_left(checked):
    (fault,) = checked(["b1,golden,PASS,R1", "b9,golden,PASS,R1"], all_files=False)
    assert fault.what == "picture missing" and not fault.fatal


def test_missing_pictures_are_fatal_where_no_row_is_whole(checked):
    faults = checked(["b9,golden,PASS,R1", "b1,nowhere,PASS,R1"], all_files=False)
    assert [fault.what for fault in faults] == ["picture missing", "golden picture missing"]
    assert all(fault.fatal for fault in faults)


def test_names_may_hold_folders_and_folders_may_be_absolute(tao_set):
    made = tao_set()
    made.csv_path.write_text(
        f"input_path,golden_path,label,object_name\n.,golden/..,PASS,b1/R1\n{made.images_dir}/b2,golden,PASS,C1\n"
    )
    table = read_table(made.csv_path, made.images_dir)
    assert [fault.what for fault in audit(table, made.layout, needs_label=True, needs_all_files=True)] == [
        "part and golden are the same pictures, which always pass"  # golden/.. is the part's own folder
    ]


def test_refuse_raises_with_the_faults_of_all_tables_if_one_is_fatal():
    fatal, mild = Fault("bad thing", 2, ("here", "there")), Fault("mild thing", 1, ("somewhere",), fatal=False)
    with pytest.raises(DataError) as caught:
        refuse({"train.csv": [mild], "val.csv": [fatal]})
    for part in ("train.csv", "val.csv", "1 x mild thing", "2 x bad thing", "here", "there", "somewhere"):
        assert part in str(caught.value)


def test_refuse_hands_back_what_is_not_fatal():
    lines = refuse({"train.csv": [Fault("mild thing", 1, ("somewhere",), fatal=False)], "val.csv": []})
    assert len(lines) == 1 and "train.csv" in lines[0] and "mild thing" in lines[0] and "somewhere" in lines[0]


def test_twenty_thousand_rows_are_checked_in_a_moment(tao_set, tmp_path, monkeypatch):
    """Each folder is listed once, however many rows point to it."""
    names, images = [f"R{i}" for i in range(100)], tmp_path / "images"
    folders = ["golden", *(f"b{i}" for i in range(20))]
    for folder in folders:
        (images / folder).mkdir(parents=True)
        for name in names:
            for light in LIGHTS:
                (images / folder / f"{name}_{light}.png").touch()
    rows = [(f"b{i % 20}", "golden", "PASS", names[i // 20 % 100]) for i in range(20_000)]
    cells = dict(zip(HEADER, map(list, zip(*rows, strict=True)), strict=True))
    table, layout = PairTable("big.csv", images, cells), tao_set(lights=LIGHTS).layout
    listed = []
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: listed.append(folder) or listdir(folder))
    began = perf_counter()
    assert audit(table, layout, needs_label=True, needs_all_files=True) == []
    assert perf_counter() - began < 3
    assert sorted(listed) == sorted(str(images / folder) for folder in folders)
