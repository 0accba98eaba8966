"""Why parts cannot stand in a table, each rule by itself."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from goldenpair.converting.judging import (
    Verdicts,
    boards_in_two,
    common_lights,
    give_goldens,
    keep_apart,
    need_lights,
    need_pictures,
    same_name,
    shared_numbers,
)
from goldenpair.converting.raw_tables import GoldenTable, Part

PART = Part(
    split="train", file="f.csv", line=2, design="P", board="B1", side="TOP", comp_name="R1", panel="1", folder="P/cap",
    lights=("A", "B"), object_name="R1@1", extension=".jpg", verdicts=("PASS", "PASS"), machine=("", ""),
    status=("", ""), copied=(), repeated=False, label="PASS",
)  # fmt: skip


def part(**cells):
    return replace(PART, **cells)


# lights


def test_lights_that_half_of_the_parts_have():
    parts = [part(lights=("A", "B")), part(lights=("A", "B", "X")), part(lights=("A",)), part(lights=("A",))]
    assert common_lights(parts) == (["A", "B"], ["X: 1 of 4 parts"])
    assert common_lights([]) == ([], [])


def test_the_missing_light_is_named():
    parts = [part(), part(lights=("B",)), part(lights=()), part(lights=("A", "B", "C")), part(cause="side_unknown")]
    need_lights(parts, ["A", "B"])
    assert [one.cause for one in parts] == ["", "light_missing", "light_missing", "", "side_unknown"]
    assert [one.detail for one in parts[1:3]] == ["no A", "no A, B"]


# verdicts

TAOS_MERGE = [
    (("PASS", "PASS"), "PASS"),
    (("PASS", "SHIFT"), "SHIFT"),
    (("SHIFT", "MISSING", "SHIFT", "PASS"), "MISSING_SHIFT"),
    ((" SHIFT", "SHIFT"), "SHIFT"),
    (("", "SHIFT"), "SHIFT"),
    (("pass", "SHIFT"), "SHIFT"),
    (("OK", "PASS"), "OK"),
]


@pytest.mark.parametrize(("texts", "label"), TAOS_MERGE)
def test_verdicts_are_merged_as_in_tao(texts, label):
    (one,) = parts = [part(verdicts=texts)]
    Verdicts(["PASS"], by_machine=False).judge(parts)
    assert (one.label, one.cause) == (label, "")


@pytest.mark.parametrize(
    ("texts", "cause"),
    [
        (("", ""), "verdict_missing"),
        (("PASS", ""), "verdict_missing"),
        (("nan", "PASS"), "verdict_missing"),
        (("N/A", " "), "verdict_missing"),
        (("pass", "PASS"), "verdict_near_pass"),
        ((" PASS", ""), "verdict_near_pass"),
    ],
)
def test_what_is_no_verdict_is_never_pass(texts, cause):
    (one,) = parts = [part(verdicts=texts, machine=("PASS", "PASS"), label="")]
    Verdicts(["PASS"], by_machine=False).judge(parts)
    assert (one.label, one.cause) == ("", cause)
    assert one.detail == ", ".join(repr(text) for text in sorted(set(texts) - {"PASS"}))


def test_texts_that_the_user_says_mean_good():
    parts = [part(verdicts=("OK", "pass")), part(verdicts=("OK", "SHIFT")), part(verdicts=("PASS", "OK"))]
    Verdicts(["OK", "pass"], by_machine=False).judge(parts)
    assert [one.label for one in parts] == ["PASS", "SHIFT", "PASS"]


@pytest.mark.parametrize(
    ("verdicts", "machine", "label", "cause", "by_machine"),
    [
        (("", ""), ("PASS", "PASS"), "PASS", "", True),
        (("", ""), ("PASS", "SHIFT"), "SHIFT", "", True),
        (("", ""), ("", "PASS"), "", "verdict_missing", True),
        (("", ""), ("pass", "PASS"), "", "verdict_near_pass", True),
        (("PASS", "PASS"), ("SHIFT", "SHIFT"), "PASS", "", False),
        (("", "SHIFT"), ("PASS", "PASS"), "SHIFT", "", False),
        (("pass", "pass"), ("PASS", "PASS"), "", "verdict_near_pass", False),
    ],
)
def test_the_machine_decides_only_where_nobody_has(verdicts, machine, label, cause, by_machine):
    (one,) = parts = [part(verdicts=verdicts, machine=machine)]
    Verdicts(["PASS"], by_machine=True).judge(parts)
    assert (one.label, one.cause, one.by_machine) == (label, cause, by_machine)


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (("PASS", "PASS"), "PASS"),
        (("", ""), ""),
        (("PASS", ""), ""),
        (("", "SHIFT"), "SHIFT"),
        (("b", "a ", "PASS"), "a_b"),
        (("pass", "PASS"), "pass"),
    ],
)
def test_what_the_machine_said_is_kept(texts, told):
    (one,) = parts = [part(machine=texts, status=texts)]
    Verdicts(["PASS"], by_machine=False).judge(parts)
    assert (one.machine_verdict, one.machine_status) == (told, told)


def test_doubtful_verdicts_are_told():
    verdicts = Verdicts(["PASS"], by_machine=False)
    verdicts.judge([part(verdicts=("OK", "Good")), part(verdicts=("SHIFT ",)), part(verdicts=("pass", "", "PASS"))])
    assert verdicts.doubtful() == [
        "'Good' sounds good, but counts as a defect",
        "'OK' sounds good, but counts as a defect",
        "'SHIFT ': blanks around it are taken off",
    ]


def test_what_is_out_for_another_reason_has_its_label_too():
    parts = [part(verdicts=("SHIFT", ""), cause="light_missing"), part(verdicts=("",), cause="light_missing")]
    Verdicts(["PASS"], by_machine=False).judge(parts)
    assert [(one.label, one.cause, one.is_defect) for one in parts] == [
        ("SHIFT", "light_missing", True), ("", "light_missing", False),
    ]  # fmt: skip


# goldens


def test_goldens_by_component_and_panel():
    table = GoldenTable(Path("PTOP.csv"), "", {("R1", "1"): "golden/a", ("R1", "2"): "golden/b"})
    parts = [part(), part(panel="2"), part(panel="3"), part(comp_name="C1"), part(side="BOT"), part(panel="")]
    give_goldens(parts, {("P", "TOP"): table, ("P", "BOT"): "there is no g/PBOT.csv"})
    assert [one.golden for one in parts] == ["golden/a", "golden/b", "", "", "", ""]
    assert [one.cause for one in parts] == ["", "", *["golden_missing"] * 4]
    assert [one.detail for one in parts[2:]] == [
        "PTOP.csv has no R1 with TB_Panel 3",
        "PTOP.csv has no C1 with TB_Panel 1",
        "there is no g/PBOT.csv",
        "PTOP.csv has no R1",
    ]


# parts with the same pictures


def test_two_panels_with_the_same_pictures():
    parts = [part(), part(panel="2"), part(object_name="R1@2", panel="2")]
    keep_apart(parts)
    assert [one.cause for one in parts] == ["pictures_shared", "pictures_shared", ""]
    assert parts[0].detail == "P/cap/R1@1 is of R1, panel 1 and R1, panel 2"


def test_a_part_in_two_tables():
    agree = [part(), part(file="g.csv"), part(file="h.csv")]
    keep_apart(agree)
    assert [one.cause for one in agree] == ["", "row_again", "row_again"] and agree[1].detail == "as in f.csv"
    differ = [part(), part(file="g.csv", label="SHIFT")]
    keep_apart(differ)
    assert [one.cause for one in differ] == ["verdicts_contradict"] * 2
    assert differ[0].detail == "PASS (f.csv) and SHIFT (g.csv)"


def test_a_board_captured_twice_is_two_parts():
    parts = [part(), part(folder="P/cap2", label="SHIFT")]
    keep_apart(parts)
    assert not any(one.cause for one in parts)


def test_what_is_out_already_takes_no_place():
    parts = [part(cause="golden_missing"), part(panel="2")]
    keep_apart(parts)
    assert [one.cause for one in parts] == ["golden_missing", ""]


# pictures


@pytest.fixture
def images(tmp_path):
    for name in ("P/cap/R1@1_A.jpg", "P/cap/R1@1_B.jpg", "golden/R1@1_A.jpg", "golden/R1@1_B.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_pictures_that_are_there(images):
    parts, steps = [part(golden="golden") for _ in range(3)], []
    need_pictures(parts, images, ["A", "B"], lambda *step: steps.append(step))
    assert not any(one.cause for one in parts) and steps == [(1, 2), (2, 2)]


def test_pictures_that_are_not_there(images):
    parts = [
        part(golden="golden", extension=".png"),
        part(golden="golden", folder="P/none"),
        part(golden="none"),
        part(golden="golden", cause="light_missing"),
    ]
    need_pictures(parts, images, ["A", "B"], lambda done, total: None)
    assert [one.cause for one in parts] == [
        "picture_missing",
        "picture_missing",
        "golden_picture_missing",
        "light_missing",
    ]
    there = "(there is R1@1_A.jpg, R1@1_B.jpg)"
    path = os.path.join(images, "P/cap", "R1@1_A.png")
    assert parts[0].detail == f"{path}  {there}" or parts[0].detail.replace("P/cap", "golden") == f"{path}  {there}"
    assert parts[1].detail.endswith("(the folder is missing or empty)")
    assert parts[2].detail.startswith(os.path.join(images, "none", "R1@1_A.jpg"))


def test_one_light_that_is_not_there(images):
    (images / "P/cap/R1@1_B.jpg").unlink()
    parts = [part(golden="golden")]
    need_pictures(parts, images, ["A", "B"], lambda done, total: None)
    assert parts[0].detail == os.path.join(images, "P/cap", "R1@1_B.jpg") + "  (there is R1@1_A.jpg)"


def test_lights_without_a_name_have_no_suffix(images):
    (images / "P/cap/R1@1.jpg").touch()
    (images / "golden/R1@1.jpg").touch()
    parts = [part(golden="golden", lights=("",)), part(golden="golden", lights=("",), object_name="R2")]
    need_pictures(parts, images, [""], lambda done, total: None)
    assert [one.cause for one in parts] == ["", "golden_picture_missing"] or parts[1].cause == "picture_missing"


# boards


def test_a_board_in_two_splits_also_by_its_other_side():
    parts = [
        part(),
        part(side="BOT", split="val", file="g.csv"),
        part(board="B2", split="val"),
        part(design="Q", split="val"),
    ]
    assert boards_in_two(parts) == ["B1 of P: train (f.csv) and val (g.csv)"]


def test_numbers_that_two_projects_use():
    assert shared_numbers([part(), part(design="Q"), part(board="B2"), part(board="B2")]) == {"B1"}


@pytest.mark.parametrize(
    ("there", "found"), [(["ptop.csv", "x"], "ptop.csv"), (["P_TOP.CSV"], "P_TOP.CSV"), (["PBOT.csv"], None)]
)
def test_a_golden_table_in_another_writing(there, found):
    assert same_name("PTOP.csv", there) == found
