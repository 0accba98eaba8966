from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from goldenpair.data.audit import audit
from goldenpair.data.goldens import listed
from goldenpair.specs.common import SplitFiles

HEADER = "input_path,golden_path,label,object_name"
LIGHTS = ("Solder", "White")
ROWS = (("b1", "R1", "R1"), ("b2", "R1", "R1"), ("b1", "C1", "C1"), ("b2", "C1", "C1"))


def picture(path, size=(10, 12)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(len(str(path))).integers(1, 256, (*size, 3), np.uint8)).save(path)


@pytest.fixture
def made(tao_set):
    """Two parts on two boards; folders of three goldens each, of two lights."""
    made = tao_set([(folder, folder, "PASS", name) for folder, _, name in ROWS], lights=LIGHTS, height=12, width=10)
    for part in ("R1", "C1"):
        for golden in ("old", "new", "other"):
            for path in made.files(part, golden):
                picture(path, (12, 10))
    return made


@pytest.fixture
def report_of(made):
    """A function that audits rows of input_path, golden_path and object_name."""

    def check(rows=ROWS, goldens=3, split="train_dataset", label="PASS"):
        table = [HEADER, *(f"{folder},{golden},{label},{name}" for folder, golden, name in rows)]
        made.csv_path.write_text("\n".join(table) + "\n")
        files = SplitFiles(csv_path=str(made.csv_path), images_dir=str(made.images_dir))
        return audit({split: files}, replace(made.layout, goldens=goldens))[1]

    return check


def told(report):
    return {fault.code: (fault.count, fault.examples, fault.fatal) for fault in report.faults}


def test_a_whole_set_has_no_faults(report_of):
    assert told(report_of()) == {} and not report_of().notes


def test_fewer_goldens_than_asked_for_are_said_once_for_each_folder(report_of, made):
    made.files("R1", "old")[1].unlink()
    found = told(report_of())
    count, examples, fatal = found.pop("goldens_few")
    assert (count, fatal) == (1, False) and examples == (f"line 2: {made.images_dir / 'R1'} has 2",)
    count, examples, fatal = found.pop("goldens_unused")
    assert (count, fatal) == (1, False) and examples[0].endswith("R1 has old_Solder.png")
    assert not found
    assert told(report_of(goldens=5))["goldens_few"][:2] == (
        2,
        (f"line 2: {made.images_dir / 'R1'} has 2", f"line 4: {made.images_dir / 'C1'} has 3"),
    )


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda made, paths: [path.unlink() for path in paths], "it is empty"),
        (lambda made, paths: [path.rename(path.with_suffix(".jpg")) for path in paths], "there is new_Solder.jpg"),
        (lambda made, paths: [path.unlink() for path in paths if "White" in path.name], "new_Solder.png has no"),
    ],
)
def test_a_folder_without_a_golden_is_fatal_and_says_why(report_of, made, harm, why):
    harm(made, sorted((made.images_dir / "C1").iterdir()))
    report = report_of()
    count, (line,), fatal = told(report)["golden_folder_empty"]
    assert report.fatal and (count, fatal) == (1, True)
    assert line.startswith(f"line 4: {made.images_dir / 'C1'}  (") and why in line
    # inference goes on with the rows that have one
    assert not report_of(split="infer_dataset").fatal
    assert report_of(ROWS[2:], split="infer_dataset").fatal


@pytest.mark.parametrize(
    ("golden", "why"),
    [
        ("old", "there is no such folder, but old_Solder.png"),
        ("old_White.png", "it is a file"),
        ("nowhere ", "there is no such folder; golden_path has blanks around it"),
    ],
)
def test_a_path_of_single_goldens_is_no_folder_of_them(report_of, made, golden, why):
    _, (line,), fatal = told(report_of([("b1", f"R1/{golden}", "R1")]))["golden_folder_empty"]
    assert fatal and why in line


def test_a_folder_of_single_goldens_for_many_parts_is_told(report_of, made):
    """TAO's usual layout: with several goldens each part would be compared with those of others."""
    for name in ("R1", "C1", "U1"):
        for path in made.files("golden", name):
            picture(path, (12, 10))
    rows = [(folder, "golden", name) for folder, _, name in ROWS]
    count, (line,), fatal = told(report_of(rows))["goldens_of_many_parts"]
    assert (count, fatal) == (1, False) and line.endswith("golden has C1, R1")
    assert "goldens_of_many_parts" not in told(report_of(rows[:2]))  # one part may have a golden of its name


def test_a_part_that_is_its_own_golden_is_told(report_of, made):
    rows = [("R1", "./R1/", "old"), ("b1", "R1", "R1"), ("C1", "R1", "old"), ("R1", "R1", "gone")]
    count, examples, fatal = told(report_of(rows))["same_pictures"]
    assert (count, fatal) == (1, False) and examples == ("line 2: old in R1",)


def test_rows_with_the_same_part_and_folder_say_the_same(report_of, made):
    made.csv_path.write_text("")
    assert told(report_of([*ROWS, ROWS[0], ("b1", "C1", "R1")]))["row_again"][0] == 1


def test_headers_of_the_goldens_that_are_compared_are_read(report_of, made):
    made.files("R1", "new")[0].write_bytes(b"broken")
    count, (line,), fatal = told(report_of())["picture_unreadable"]
    assert (count, fatal) == (1, False) and "new_Solder.png" in line
    made.files("R1", "zzz")[0].write_bytes(b"broken")  # not even looked at: it has no other light
    assert told(report_of())["picture_unreadable"][0] == 1
    for path in made.files("C1", "old"):
        picture(path, (48, 40))
    assert told(report_of())["picture_size_differs"][0] == 4  # two lights on two boards


def test_folders_are_listed_once_and_steps_add_up(report_of, made, monkeypatch):
    listings, steps = [], []
    monkeypatch.setattr(
        "goldenpair.data.audit_goldens.listed", lambda folder: listings.append(folder) or listed(folder)
    )
    files = SplitFiles(csv_path=str(made.csv_path), images_dir=str(made.images_dir))
    rows = [f"b1,{('R1', 'C1', './R1/')[i % 3]},PASS,R1" for i in range(300)]
    made.csv_path.write_text("\n".join([HEADER, *rows]) + "\n")
    audit({"train_dataset": files}, replace(made.layout, goldens=2), lambda done, total: steps.append((done, total)))
    assert len(listings) == 2
    # three folders, and the headers of the sample and of the goldens that are compared with it
    assert [done for done, _ in steps] == [1, 2, 3, 3 + 2 + 2 * 2 * 2]
