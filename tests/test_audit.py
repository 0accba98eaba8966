import hashlib
from pathlib import Path

import pytest

from goldenpair.data.audit import audit
from goldenpair.data.table import Layout
from goldenpair.specs.common import Dataset, SplitFiles
from goldenpair.specs.load import load_spec

LIGHTS = ("Solder", "White")
HEADER = "input_path,golden_path,label,object_name"


@pytest.fixture
def report_of(tao_set):
    """A function that writes tables over one whole data set and audits them all."""

    def check(header=HEADER, **splits):
        made = tao_set(lights=LIGHTS, height=12, width=10)
        files = {}
        for split, rows in splits.items():
            path = made.csv_path
            if rows is not None:
                path = made.csv_path.with_name(f"{split}.csv")
                path.write_text("\n".join([header, *rows]) + "\n")
            files[f"{split}_dataset"] = SplitFiles(csv_path=str(path), images_dir=str(made.images_dir))
        return audit(files, made.layout)[1]

    return check


@pytest.fixture
def faults_of(report_of):
    """The faults of one table."""
    return lambda rows=None, header=HEADER, split="train": report_of(header, **{split: rows}).faults


def codes(faults) -> list[str]:
    return [fault.code for fault in faults]


def test_a_whole_set_has_no_faults(faults_of):
    assert faults_of() == ()


def test_tables_are_told_with_their_fingerprint(report_of, tmp_path):
    report = report_of(train=None, infer=["b1,golden,PASS,R1"])
    train, infer = report.tables
    assert (train.split, train.rows, train.defects) == ("train_dataset", 5, 2)
    assert train.columns == ("input_path", "golden_path", "label", "object_name")
    assert infer.sha256 == hashlib.sha256(Path(infer.csv_path).read_bytes()).hexdigest()
    assert infer.images_dir == str(tmp_path / "set")


def test_missing_columns_are_listed_with_the_header_that_is_there(faults_of):
    (fault,) = faults_of(["b1,PASS"], "input_path,label")
    assert fault.code == "columns_missing" and fault.count == 2 and fault.fatal
    assert fault.examples == ("golden_path", "object_name")
    assert "input_path, label" in fault.what


def test_a_column_of_nearly_that_name_is_pointed_at(faults_of):
    (fault,) = faults_of(["b1,golden,PASS,R1"], "input_path,Golden Path,Label,object_name")
    assert fault.examples == ("golden_path  (there is 'Golden Path')", "label  (there is 'Label')")


def test_label_is_wanted_only_where_it_is_needed(faults_of):
    header = "input_path,golden_path,object_name"
    (fault,) = faults_of(["b1,golden,R1"], header)
    assert fault.examples == ("label",)
    assert faults_of(["b1,golden,R1"], header, "infer") == ()


def test_no_rows_is_a_fault(faults_of):
    (fault,) = faults_of([])
    assert fault.code == "no_rows" and fault.fatal


def test_what_a_table_cannot_be_read_for_is_told_beside_the_other_tables(report_of, tmp_path):
    (tmp_path / "test.csv").write_text("")
    faults = report_of(
        train=["b1,golden,pass,R1"],
        validation=["b1,golden,PASS,R1,more", "b1,golden"],
        test=["b1,golden,PASS"],
    ).faults
    assert [(fault.split, fault.code) for fault in faults] == [
        ("train_dataset", "label_near_pass"),
        ("validation_dataset", "table_unreadable"),
        ("test_dataset", "table_unreadable"),
    ]
    assert all(fault.fatal for fault in faults)
    assert "2 rows do not have the header's 4 cells" in faults[1].examples[0]


def test_no_images_dir_is_one_fault_not_one_for_each_picture(tao_set):
    made = tao_set()
    nowhere = str(made.images_dir / "nowhere")
    for split in ("train_dataset", "infer_dataset"):
        files = SplitFiles(csv_path=str(made.csv_path), images_dir=nowhere)
        (fault,) = audit({split: files}, made.layout)[1].faults
        assert fault.code == "images_dir_missing" and fault.examples == (nowhere,) and fault.fatal


@pytest.mark.parametrize("label", ["pass", "Pass", " PASS", "PASS ", "'PASS'", "PASS."])
def test_a_label_that_is_nearly_pass_is_a_fault_and_no_defect(faults_of, label):
    (fault,) = faults_of(["b1,golden,PASS,R1", f"b2,golden,{label},R1"])
    assert fault.code == "label_near_pass" and repr(label) in fault.what and fault.count == 1 and fault.fatal
    assert fault.examples == ("line 3: R1 in b2",)


@pytest.mark.parametrize("label", ["", "  "])
def test_an_empty_label_is_a_fault(faults_of, label):
    (fault,) = faults_of([f"b1,golden,{label},R1"])
    assert fault.code == "label_empty" and fault.count == 1 and fault.fatal


@pytest.mark.parametrize("label", ["nan", "NaN", "N/A", "NA", "None", "null", "#N/A", "<NA>", " nan "])
def test_a_label_that_stands_for_an_empty_cell_is_a_fault_and_no_defect(faults_of, label):
    rows = ["b1,golden,PASS,R1", f"b2,golden,{label},R1", "b3,golden,NANOCRACK,R1"]
    (fault,) = faults_of(rows)
    assert fault.code == "label_no_value" and fault.count == 1 and fault.fatal
    assert repr(label) in fault.what and "empty cell" in fault.what
    assert fault.examples == ("line 3: R1 in b2",)
    assert faults_of(rows, split="infer") == ()


@pytest.mark.parametrize("label", ["PASSED", "passed", "ok", " Good "])
def test_a_defect_that_sounds_good_is_warned_about(faults_of, label):
    (fault,) = faults_of([f"b1,golden,{label},R1"])
    assert fault.code == "label_sounds_good" and repr(label) in fault.what and not fault.fatal


def test_blanks_around_the_name_of_a_defect_are_warned_about(faults_of):
    (fault,) = faults_of(["b1,golden,SHIFT ,R1", "b2,golden,SHIFT,R1"])
    assert fault.code == "label_blanks" and "'SHIFT '" in fault.what and fault.count == 1 and not fault.fatal


@pytest.mark.parametrize("label", ["MISSING", "NAN1", "NONE FOUND", "0", "BYPASS", "Lötbrücke"])
def test_any_other_text_is_a_defect(faults_of, label):
    assert faults_of([f"b1,golden,{label},R1"]) == ()


def test_labels_are_not_looked_at_where_they_are_not_needed(faults_of):
    assert faults_of(["b1,golden,pass,R1", "b2,golden,,R1"], split="infer") == ()


def test_an_object_without_a_name(faults_of):
    assert "object_name_empty" in codes(faults_of(["b1,golden,PASS, ", "b1,golden,PASS,R1"]))


def test_all_faults_come_at_once_with_counts_and_first_examples(faults_of):
    rows = ["b1,golden,PASS,R1", *[f"b1,golden,pass,N{i}" for i in range(12)], "b1,golden,,C1", "b1,golden,PASS,"]
    faults = {fault.code: fault for fault in faults_of(rows)}
    assert {code: fault.count for code, fault in faults.items()} == {
        "object_name_empty": 1,
        "label_near_pass": 12,
        "label_empty": 1,
        "picture_missing": 13,  # N0 to N11 and the part without a name
        "golden_missing": 13,
    }
    assert faults["label_near_pass"].examples == tuple(f"line {3 + i}: N{i} in b1" for i in range(10))


def test_a_part_compared_with_itself_is_warned_about(faults_of, tmp_path):
    (fault,) = faults_of(["b1,./b1/,PASS,R1", f"b2,{tmp_path / 'set' / 'golden'}/../golden,PASS,R1"])[:1]
    assert fault.code == "same_pictures" and fault.examples == ("line 2: R1 in b1",) and not fault.fatal


def test_a_row_that_stands_there_before_is_warned_about(faults_of):
    rows = ["b1,golden,PASS,R1", "b2,golden,PASS,R1", "./b1,golden/,PASS,R1", "b1,golden,PASS,R1"]
    (fault,) = faults_of(rows)
    assert fault.code == "row_again" and not fault.fatal
    assert fault.examples == ("line 4: R1 in ./b1", "line 5: R1 in b1")


def test_one_part_with_two_goldens_is_no_fault(faults_of):
    assert faults_of(["b1,golden,PASS,R1", "b1,b2,SHIFT,R1"]) == ()


def test_two_defects_of_one_part_do_not_contradict_each_other(faults_of):
    assert codes(faults_of(["b1,golden,SHIFT,C1", "b1,golden,MISSING,C1"])) == ["row_again"]


def test_the_same_part_both_pass_and_defect_is_a_fault(faults_of):
    rows = ["b1,golden,PASS,R1", "b2,golden,PASS,R1", "b1,golden,MISSING,C1", "b1,golden,SHIFT,R1"]
    (fault,) = faults_of(rows)
    assert fault.code == "labels_contradict" and fault.fatal and fault.count == 2
    assert fault.examples == ("line 2: R1 in b1: PASS", "line 5: R1 in b1: SHIFT")
    assert codes(faults_of(rows, split="infer")) == ["row_again"]


def test_folders_outside_of_images_dir_are_told_with_where_they_lead(faults_of, tmp_path):
    rows = ["b1,golden,PASS,R1", f"../set/b2,{tmp_path}/set/golden,PASS,R1", "b1/../b3,golden,PASS,R1"]
    faults = faults_of(rows)
    assert codes(faults) == ["outside_images_dir"] * 2 and not any(fault.fatal for fault in faults)
    assert "input_path" in faults[0].what and "golden_path" in faults[1].what
    assert faults[0].examples == (f"line 3: ../set/b2 leads to {tmp_path / 'set' / 'b2'}",)


def test_a_training_part_in_validation_or_test_is_warned_about(report_of):
    report = report_of(
        train=["b1,golden,PASS,R1", "b2,golden,PASS,R1"],
        validation=["b3,golden,PASS,R1", "./b1,golden,PASS,R1"],
        test=["b3,golden,PASS,R1", "b2,golden,SHIFT,C1"],
        infer=["b1,golden,PASS,R1", "b3,golden,PASS,R1"],
    )
    found = {(fault.split, "train_dataset" in fault.what): fault for fault in report.faults}
    assert set(found) == {("validation_dataset", True), ("test_dataset", False)}
    assert found["validation_dataset", True].examples == ("line 3: R1 in ./b1",)
    assert found["test_dataset", False].examples == ("line 2: R1 in b3",)
    assert all(fault.code == "in_two_splits" and not fault.fatal for fault in report.faults)


def test_splits_that_share_only_goldens_are_no_fault(report_of):
    assert report_of(train=["b1,golden,PASS,R1"], test=["b2,golden,PASS,R1"]).faults == ()


def test_fatal_faults_come_first(report_of):
    faults = report_of(train=["b1,b1,PASS,R1"], test=["b2,golden,,R1"]).faults
    assert codes(faults) == ["label_empty", "same_pictures"]


def test_progress_reaches_its_end(tao_set):
    made = tao_set(lights=LIGHTS, height=12, width=10)
    seen: list[tuple[int, int]] = []
    files = SplitFiles(csv_path=str(made.csv_path), images_dir=str(made.images_dir))
    audit({"train_dataset": files}, made.layout, lambda *state: seen.append(state))
    done = [state[0] for state in seen]
    assert done == sorted(done) and all(one <= total for one, total in seen)
    assert done[-1] == 4 + 14  # folders, pictures


def test_a_healthy_drawn_set_has_no_faults(boards):
    pairs = load_spec("optical_inspection", boards.spec_path).pairs
    splits = {name: getattr(pairs, f"{name}_dataset") for name in ("train", "validation", "test")}
    report = audit({f"{name}_dataset": files for name, files in splits.items()}, Layout.of(pairs))[1]
    assert report.faults == () and report.notes == ()


@pytest.mark.parametrize("name", ["deeppcb_oi", "lookout_oi"])
def test_real_data_have_no_faults(real_data, tao_set, name):
    light = "WhiteLight" if name == "lookout_oi" else "SolderLight"
    layout = Layout.of(Dataset(input_map={light: 0}, num_input=1))
    images = str(real_data / name / "images_dir")
    names = {"train_dataset": "train.csv", "validation_dataset": "val.csv"}
    splits = {
        split: SplitFiles(csv_path=str(real_data / name / table), images_dir=images) for split, table in names.items()
    }
    assert audit(splits, layout)[1].faults == ()


SYNTHETIC = HEADER + ",synthetic"


@pytest.mark.parametrize("split", ["validation", "test"])
def test_synthetic_defects_are_fatal_where_something_is_measured(report_of, split):
    rows = ["b1,golden,PASS,R1,", "b1,golden,MISSING,C1,missing", "b2,golden,SHIFT,C1,shift", "b3,golden,PASS,R1, "]
    report = report_of(SYNTHETIC, **{split: rows})
    (fault,) = [one for one in report.faults if one.code == "synthetic_measured"]
    assert fault.fatal and fault.count == 2 and report.fatal
    assert fault.examples == ("line 3: C1 in b1: missing", "line 4: C1 in b2: shift")
    assert report.tables[0].synthetic == 2 and "4 rows, 2 of them defects, 2 synthetic" in str(report)


@pytest.mark.parametrize("name", ["Synthetic", "SYNTHETIC"])
def test_synthetic_defects_are_fatal_under_a_header_in_any_case(report_of, name):
    report = report_of(f"{HEADER},{name}", test=["b1,golden,PASS,R1,", "b1,golden,MISSING,C1,missing"])
    (fault,) = [one for one in report.faults if one.code == "synthetic_measured"]
    assert report.fatal and fault.examples == ("line 3: C1 in b1: missing",)


def test_synthetic_defects_are_welcome_in_training_unless_they_are_labelled_good(report_of):
    assert report_of(SYNTHETIC, train=["b1,golden,PASS,R1,", "b1,golden,MISSING,C1,missing"]).faults == ()
    report = report_of(SYNTHETIC, train=["b1,golden,PASS,R1,scratch", "b1,golden,MISSING,C1,missing"])
    assert codes(report.faults) == ["synthetic_good"] and report.fatal


def test_synthetic_defects_are_said_of_where_they_are_inferred(report_of):
    (fault,) = report_of(SYNTHETIC, infer=["b1,golden,PASS,R1,", "b1,golden,MISSING,C1,missing"]).faults
    assert fault.code == "synthetic_marked" and not fault.fatal and fault.count == 1


def test_pictures_of_synthetic_defects_may_lie_elsewhere(report_of, tmp_path):
    made = (tmp_path / "set" / "b1").resolve().as_posix()
    report = report_of(SYNTHETIC, train=["b1,golden,PASS,R1,", f"{made},golden,MISSING,C1,missing"])
    assert report.faults == ()
    report = report_of(SYNTHETIC, train=["b1,golden,PASS,R1,", f"{made},golden,MISSING,C1,"])
    assert codes(report.faults) == ["outside_images_dir"]
