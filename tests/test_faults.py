import json

import pytest
from rich.console import Console

from goldenpair.data.faults import EXAMPLES, AuditedTable, AuditReport, Fault
from goldenpair.errors import DataError

MILD = Fault("train_dataset", "row_again", "row that stands there before", 1, ("line 3: R1 in b1",), fatal=False)
BAD = Fault("test_dataset", "label_empty", "label is empty", 12, tuple(f"line {i}" for i in range(10)))
TABLE = AuditedTable("train_dataset", "train.csv", "ab" * 32, "images", 40, 5, ("input_path", "label"))


def test_a_fault_keeps_its_count_and_the_first_ten_places():
    (fault,) = Fault.of("train_dataset", "code", "what", range(5, 30), lambda place: f"place {place}")
    assert EXAMPLES == 10
    assert fault.count == 25 and fault.examples == tuple(f"place {i}" for i in range(5, 15)) and fault.fatal


def test_no_places_are_no_fault():
    assert Fault.of("train_dataset", "code", "what", [], str) == []


def test_a_report_is_fatal_if_one_fault_is():
    assert not AuditReport((), ()).fatal
    assert not AuditReport((), (MILD,)).fatal
    assert AuditReport((), (MILD, BAD)).fatal


def test_refuse_raises_with_the_faults_of_all_tables_if_one_is_fatal():
    AuditReport((), (MILD,)).refuse()
    with pytest.raises(DataError) as caught:
        AuditReport((), (MILD, BAD)).refuse()
    for part in ("the data cannot be used", MILD.what, BAD.what, "line 3: R1 in b1", "line 9", "... and 2 more"):
        assert part in str(caught.value)


def test_text_tells_tables_counts_and_kinds():
    text = str(AuditReport((TABLE,), (BAD, MILD), ("headers of 5 of 9 pictures were read",)))
    lines = text.splitlines()
    assert lines[0] == "train_dataset: 40 rows, 5 of them defects (train.csv)"
    row = next(line for line in lines if "fatal" in line)
    assert row.split() == ["label", "is", "empty", "test_dataset", "12", "fatal"]
    row = next(line for line in lines if "warning" in line)
    assert row.split()[-3:] == ["train_dataset", "1", "warning"]
    assert lines[-1] == "headers of 5 of 9 pictures were read"
    assert "No faults" not in text and not any(line.endswith(" ") for line in lines)


def test_an_unlabelled_table_has_no_count_of_defects():
    table = AuditedTable("infer_dataset", "infer.csv", "", "images", 40, None, ())
    assert str(AuditReport((table,), ())).splitlines() == [
        "infer_dataset: 40 rows (infer.csv)",
        "No faults were found.",
    ]


def test_long_paths_and_brackets_stay_as_they_are_however_narrow_the_terminal(capsys):
    place = "line 2: /data/[bold]/" + "x" * 200 + ".jpg"
    report = AuditReport((), (Fault("a", "b", "what [red]is[/red]", 1, (place,)),))
    assert f"  {place}" in str(report).splitlines()
    report.show(Console(width=40))
    said = capsys.readouterr().out
    assert f"  {place}\n" in said and "a: what [red]is[/red]\n" in said


def test_a_report_as_data_is_plain_json():
    told = json.loads(json.dumps(AuditReport((TABLE,), (MILD, BAD), ("note",)).as_dict()))
    assert told["fatal"] is True and told["notes"] == ["note"]
    assert told["tables"][0] == {
        "split": "train_dataset",
        "csv_path": "train.csv",
        "sha256": "ab" * 32,
        "images_dir": "images",
        "rows": 40,
        "defects": 5,
        "columns": ["input_path", "label"],
        "synthetic": 0,
    }
    assert told["faults"][0] == {
        "split": "train_dataset",
        "code": "row_again",
        "what": "row that stands there before",
        "count": 1,
        "examples": ["line 3: R1 in b1"],
        "fatal": False,
    }
