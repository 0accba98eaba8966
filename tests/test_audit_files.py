import os
from collections import Counter
from time import perf_counter

import numpy as np
import pytest

from goldenpair.data.audit import audit
from goldenpair.data.audit_files import Files, Numbering
from goldenpair.data.table import PairTable, read_table
from goldenpair.specs.common import SplitFiles

LIGHTS = ("Solder", "White")
HEADER = ("input_path", "golden_path", "label", "object_name")


def table_of(images, rows) -> PairTable:
    cells = dict(zip(HEADER, map(list, zip(*rows, strict=True)), strict=True))
    return PairTable("t.csv", images, cells)


def looked_at(made, table, strict=True):
    numbering = Numbering()
    rows = numbering.rows(table)
    files = Files(numbering, [rows], made.layout, lambda count: None)
    return files.whole(rows).tolist(), files.faults("train_dataset", rows, strict)


@pytest.fixture
def faults_of(tao_set):
    """A function that looks for the pictures of rows in a whole set."""

    def look(*rows, strict=True, **changes):
        made = tao_set(**{"lights": LIGHTS, **changes})
        return looked_at(made, table_of(made.images_dir, rows), strict)

    return look


def test_numbers_are_equal_exactly_where_real_folder_and_name_are(tmp_path):
    (tmp_path / "b1").mkdir()
    rows = [
        ("b1", "g", "", "R1"),
        ("./b1/", "b2/../g", "", "R1"),
        ("b1", "g", "", "R2"),
        (".", "g/..", "", "b1/R1"),
        (str(tmp_path / "b1"), "b1", "", "R1"),
    ]
    numbered = Numbering().rows(table_of(tmp_path, rows))
    s, g = numbered.sample.tolist(), numbered.golden.tolist()
    assert s[0] == s[1] == s[3] == s[4] != s[2]
    assert g[0] == g[1] != g[2] and g[3] == s[0] == g[4]
    pair = numbered.pair.tolist()
    assert pair[0] == pair[1] and pair[3] == pair[4] and len(set(pair)) == 3


def test_numbers_of_two_tables_can_be_compared(tmp_path):
    numbering = Numbering()
    first = numbering.rows(table_of(tmp_path / "images", [("b1", "g", "", "R1")]))
    second = numbering.rows(table_of(tmp_path, [("b1", "g", "", "R1"), ("images/b1", "g", "", "R1")]))
    assert np.isin(second.sample, first.sample).tolist() == [False, True]


def test_a_link_to_a_folder_is_that_folder(tmp_path):
    (tmp_path / "b1").mkdir()
    try:
        (tmp_path / "link").symlink_to(tmp_path / "b1", target_is_directory=True)
    except OSError:
        pytest.skip("no links here")
    rows = Numbering().rows(table_of(tmp_path, [("b1", "g", "", "R1"), ("link", "g", "", "R1")]))
    assert rows.sample[0] == rows.sample[1]


def test_a_whole_set(faults_of):
    assert faults_of(("b1", "golden", "PASS", "R1"), ("b2", "golden", "PASS", "C1")) == ([True, True], [])


def test_missing_pictures_count_once_whatever_the_rows_and_name_their_first(faults_of):
    whole, (fault,) = faults_of(
        ("b1", "golden", "PASS", "R1"), ("b9", "golden", "PASS", "R1"), ("b9", "golden", "PASS", "R1")
    )
    assert whole == [True, False, False]
    assert fault.code == "picture_missing" and fault.count == 1 and fault.fatal
    assert fault.examples[0].startswith("line 3: ") and "the folder is missing or empty" in fault.examples[0]


def test_examples_stand_in_table_order(faults_of):
    rows = [(folder, "golden", "PASS", "N1") for folder in ("b3", "b1", "b2")]
    _, faults = faults_of(*rows)
    assert [line.split(":")[0] for line in faults[0].examples] == ["line 2", "line 3", "line 4"]


def test_one_missing_light_is_enough_and_is_named(tao_set):
    made = tao_set(lights=LIGHTS)
    gone = made.files("b2", "C1")[1]
    gone.unlink()
    _, (fault,) = looked_at(made, read_table(made.csv_path, made.images_dir))
    assert fault.code == "picture_light_missing" and fault.count == 1 and fault.fatal
    assert fault.examples == (f"line 5: {gone}  (there is C1_Solder.png)",)


def test_a_missing_golden_counts_once_and_names_its_first_row(tao_set):
    made = tao_set(lights=LIGHTS)
    for path in made.files("golden", "R1"):
        path.unlink()
    whole, (fault,) = looked_at(made, read_table(made.csv_path, made.images_dir))
    assert whole == [False, True, False, True, False]
    assert fault.code == "golden_missing" and fault.count == 1
    assert fault.examples[0].startswith("line 2: ")


@pytest.mark.parametrize("extension", [".jpg", ".PNG"])
@pytest.mark.parametrize("lights", [LIGHTS, ()])
def test_another_extension_is_a_fault_of_its_own(tao_set, extension, lights):
    made = tao_set(lights=lights)
    if os.path.exists(made.files("b1", "R1")[0].with_suffix(extension)):
        pytest.skip("this system does not tell .png from .PNG")
    table = read_table(made.csv_path, made.images_dir)
    other = type(made)(**{**vars(made), "extension": extension})
    _, (sample, golden) = looked_at(other, table)
    assert (sample.code, golden.code) == ("picture_other_extension", "golden_other_extension")
    assert (sample.count, golden.count) == (5, 2) and extension in sample.what
    assert f"there is {made.files('b1', 'R1')[0].name}" in sample.examples[0]


def test_lights_of_another_case_are_hinted_at(tao_set):
    made = tao_set(lights=("solder",))
    other = type(made)(**{**vars(made), "lights": ("Solder",)})
    if os.path.exists(other.files("b1", "R1")[0]):
        pytest.skip("this system does not tell cases apart")
    _, (sample, _) = looked_at(other, read_table(made.csv_path, made.images_dir))
    assert sample.code == "picture_missing" and "there is R1_solder.png" in sample.examples[0]


@pytest.mark.parametrize("name", ["R1.png", "R1_Solder", "R1_White.png", "b1/R1", " R1", "R1 "])
def test_what_a_name_holds_too_much_is_said(faults_of, name):
    _, faults = faults_of(("b1", "golden", "PASS", name))
    assert faults[0].code == "picture_missing" and "(object_name should be 'R1')" in faults[0].examples[0]


@pytest.mark.parametrize(
    ("folder", "hint"), [("b1 ", "input_path has blanks around it"), ("x\\b1", "write '/'")], ids=["blank", "backslash"]
)
@pytest.mark.skipif(os.name == "nt", reason="Windows takes both")
def test_what_is_wrong_with_a_folder_is_said(faults_of, folder, hint):
    _, faults = faults_of((folder, "golden", "PASS", "R1"))
    assert hint in faults[0].examples[0]


def test_a_part_of_a_longer_name_is_no_hint(tao_set):
    made = tao_set([("b1", "golden", "PASS", "R10")])
    _, (sample, _) = looked_at(made, table_of(made.images_dir, [("b1", "golden", "PASS", "R1")]))
    assert sample.examples[0].endswith("R1.png")


def test_missing_pictures_are_not_fatal_where_rows_are_left(faults_of):
    rows = [("b1", "golden", "PASS", "R1"), ("b9", "golden", "PASS", "R1")]
    assert [fault.fatal for fault in faults_of(*rows, strict=False)[1]] == [False]
    assert [fault.fatal for fault in faults_of(*rows, strict=True)[1]] == [True]


def test_missing_pictures_are_fatal_where_no_row_is_whole(faults_of):
    _, faults = faults_of(("b9", "golden", "PASS", "R1"), ("b1", "nowhere", "PASS", "R1"), strict=False)
    assert [fault.code for fault in faults] == ["picture_missing", "golden_missing"]
    assert all(fault.fatal for fault in faults)


def test_names_may_hold_folders_and_folders_may_be_absolute(tao_set):
    made = tao_set()
    rows = [(".", "golden/..", "PASS", "b1/R1"), (f"{made.images_dir}/b2", "golden", "PASS", "C1")]
    assert looked_at(made, table_of(made.images_dir, rows)) == ([True, True], [])


def test_spaces_and_other_letters(tao_set):
    made = tao_set([("board 1 (über)", "golden Ω", "PASS", "R 1"), ("板", "golden Ω", "SHIFT", "C_1,2")], lights=LIGHTS)
    assert looked_at(made, read_table(made.csv_path, made.images_dir)) == ([True, True], [])


def test_each_folder_is_listed_once_however_many_rows_and_tables(tao_set, tmp_path, monkeypatch):
    made = tao_set(lights=LIGHTS)
    listed: Counter[str] = Counter()
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: listed.update([folder]) or listdir(folder))
    files = SplitFiles(csv_path=str(made.csv_path), images_dir=str(made.images_dir))
    audit({"train_dataset": files, "test_dataset": files}, made.layout)
    assert listed == Counter({os.path.realpath(made.images_dir / one): 1 for one in ("golden", "b1", "b2", "b3")})


def test_a_hundred_thousand_rows_in_a_moment(tao_set, tmp_path):
    """benchmarks/audit.py measures a million."""
    names, images = [f"R{i}" for i in range(1000)], tmp_path / "images"
    for folder in ("golden", "b0"):
        (images / folder).mkdir(parents=True)
        for name in names:
            (images / folder / f"{name}.png").touch()
    made = tao_set()
    text = "".join(f"b0,golden,PASS,R{i % 1000}\n" for i in range(100_000))
    made.csv_path.write_text(",".join(HEADER) + "\n" + text)
    began = perf_counter()
    whole, faults = looked_at(made, read_table(made.csv_path, images))
    assert perf_counter() - began < 3  # 0.3 s on an idle machine
    assert all(whole) and faults == []
