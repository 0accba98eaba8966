"""The export, put together again by the steps that TAO's tools take, against the table that was written directly."""

import csv
from io import StringIO

import pytest

from goldenpair.simulation.plan import plan
from goldenpair.simulation.tables import (
    COLUMNS,
    EXPORT_COLUMNS,
    GOLDEN_COLUMNS,
    csv_text,
    export_rows,
    golden_rows,
    rows,
)
from goldenpair.specs.simulate import LIGHTS, SimulateSpec

SPEC = SimulateSpec(boards=8, designs=2, parts_per_board=120, defect_rate=0.25)
LINE = plan(SPEC)


def table(header, found) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(csv_text(header, found))))


EXPORTS = {board.serial: table(EXPORT_COLUMNS, export_rows(board, LIGHTS, ".jpg", 1)) for board in LINE.boards}


def joined(verdicts: list[str]) -> str:
    return "_".join(sorted({one for one in verdicts if one != "PASS"})) or "PASS"


@pytest.mark.parametrize("board", LINE.boards, ids=lambda board: board.serial)
def test_the_export_says_what_the_table_says(board):
    goldens = {
        (row["CompName"], row["TOP_BOT"], row["TB_Panel"]): row["directory"]
        for row in table(GOLDEN_COLUMNS, golden_rows(board.design, ".jpg", LIGHTS))
    }
    parts: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in EXPORTS[board.serial]:
        key = tuple(row[name] for name in ("Project", "BoardSN", "TOP_BOT", "CompName", "TB_Panel", "directory"))
        parts.setdefault(key, []).append(row)
    built = [
        {
            "input_path": found[0]["directory"],
            "golden_path": goldens[found[0]["CompName"], found[0]["TOP_BOT"], found[0]["TB_Panel"]],
            "label": joined([row["ConfirmDefect"] for row in found]),
            "object_name": found[0]["image_name"].split("_")[0],
            "board": found[0]["BoardSN"],
            "design": found[0]["Project"],
            "component_type": found[0]["Type"],
            "package": found[0]["Package"],
            "panel": found[0]["TB_Panel"],
        }
        for found in parts.values()
    ]
    direct = table(COLUMNS, rows(board, {}))
    assert built == [{name: row[name] for name in built[0]} for row in direct]
    assert all([row["LightingCondition"] for row in found] == list(LIGHTS) for found in parts.values())
    assert len(parts) == SPEC.parts_per_board


def test_severity_and_box_stand_with_defects_only():
    board = LINE.boards[0]
    place, defect = next(iter(board.defects.items()))
    found = table(COLUMNS, rows(board, {place: "1 2 3 4"}))
    assert (found[place]["label"], found[place]["box"]) == (defect.label, "1 2 3 4")
    assert float(found[place]["severity"]) == defect.severity
    assert all(row["severity"] == "" for row in found if row["label"] == "PASS")


def test_pictures_are_named_by_part_panel_and_light():
    row = EXPORTS["SN000002"][-1]
    assert row["TB_Panel"] == "2"
    assert row["image_name"] == f"{row['CompName']}@2_{row['LightingCondition']}.jpg"


def test_the_machine_makes_false_calls_and_misses_little():
    good = bad = false = caught = 0
    for found in EXPORTS.values():
        for first in range(0, len(found), len(LIGHTS)):
            of_part = found[first : first + len(LIGHTS)]
            called = joined([row["MachineDefect"] for row in of_part])
            assert all((row["Status"] == "PASS") == (row["MachineDefect"] == "PASS") for row in of_part)
            if of_part[0]["ConfirmDefect"] == "PASS":
                good, false = good + 1, false + (called != "PASS")
            else:
                bad, caught = bad + 1, caught + (called == of_part[0]["ConfirmDefect"])
    assert 0.01 < false / good < 0.06
    assert 0.85 < caught / bad < 1


def test_pins_are_the_packages():
    pins = {row["Package"]: row["Pins"] for found in EXPORTS.values() for row in found}
    assert pins["R0603"] == "2" and pins["SOT23"] == "3"
    assert all(pins[name] == name.removeprefix("SOIC") for name in pins if name.startswith("SOIC"))


def test_nothing_is_drawn_at_random_twice():
    board = LINE.boards[0]
    assert table(EXPORT_COLUMNS, export_rows(board, LIGHTS, ".jpg", 1)) == EXPORTS[board.serial]
    assert table(EXPORT_COLUMNS, export_rows(board, LIGHTS, ".jpg", 2)) != EXPORTS[board.serial]
