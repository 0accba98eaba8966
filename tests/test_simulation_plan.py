"""What is planned, against counts that the options say."""

from collections import Counter

import pytest

from goldenpair.errors import DataError
from goldenpair.simulation.plan import SPLITS, Plan, plan
from goldenpair.specs.simulate import SimulateSpec


def labels(line: Plan, split: str) -> Counter:
    return Counter(defect.label for board in line.boards if board.split == split for defect in board.defects.values())


@pytest.fixture(scope="module")
def line() -> Plan:
    return plan(SimulateSpec(boards=20, designs=3, parts_per_board=50, defect_rate=0.2))


def test_boards_are_divided_and_designs_take_turns(line):
    assert Counter(board.split for board in line.boards) == {"train": 12, "validation": 3, "test": 5}
    assert sorted(board.number for board in line.boards) == list(range(1, 21))
    assert Counter(board.design.project for board in line.boards) == {"GP100": 7, "GP101": 7, "GP102": 6}
    assert len({board.serial for board in line.boards}) == len({board.capture for board in line.boards}) == 20


def test_boards_are_in_the_order_of_their_tables(line):
    names = [board.table for board in line.boards]
    assert names == sorted(names)
    for board in line.boards:
        _, project, side, serial = board.table.removesuffix(".csv").split("_")
        assert (project, side, serial) == (board.design.project, "TOP", board.serial)


@pytest.mark.parametrize("split", SPLITS)
def test_the_share_of_defects_is_exact(line, split):
    boards = sum(board.split == split for board in line.boards)
    assert labels(line, split).total() == boards * 50 // 5


def test_every_kind_comes_about_as_often(line):
    often = labels(line, "train")
    assert len(often) == 16 and max(often.values()) - min(often.values()) <= 2


def test_defects_are_those_that_can_happen(line):
    for board in line.boards:
        for place, defect in board.defects.items():
            assert defect.label in board.design.places[place].package.defects


@pytest.mark.parametrize("least", [0.0, 0.6, 1.0])
def test_severities_reach_from_the_least_to_1(least):
    line = plan(SimulateSpec(boards=20, parts_per_board=50, defect_rate=0.3, min_severity=least))
    found = [defect.severity for board in line.boards for defect in board.defects.values()]
    assert min(found) >= least and max(found) <= 1
    assert abs(sum(found) / len(found) - (1 + least) / 2) < 0.04


@pytest.mark.parametrize(("rate", "least"), [(0, 0), (0.0001, 1)])
def test_each_split_has_a_defect_unless_none_is_wanted(rate, least):
    line = plan(SimulateSpec(boards=4, parts_per_board=5, defect_rate=rate))
    assert [labels(line, split).total() for split in SPLITS] == [least] * 3


@pytest.mark.parametrize(
    ("shares", "counts"), [((0.15, 0.25), (6, 2, 2)), ((0.01, 0.01), (8, 1, 1)), ((0.05, 1 / 3), (6, 1, 3))]
)
def test_shares_of_boards_are_rounded_and_at_least_one(shares, counts):
    line = plan(SimulateSpec(boards=10, parts_per_board=3, validation_share=shares[0], test_share=shares[1]))
    assert tuple(sum(board.split == split for board in line.boards) for split in SPLITS) == counts


def test_a_plan_is_a_function_of_the_options():
    wish = SimulateSpec(boards=6, designs=2, parts_per_board=9)
    assert plan(wish).boards == plan(wish.model_copy(update={"workers": 4, "size": 32})).boards
    assert plan(wish).boards != plan(wish.model_copy(update={"seed": 4})).boards


def test_only_the_kinds_asked_for_come_and_as_many(line):
    asked = plan(line.spec.model_copy(update={"kinds": ["MISSING", "TOMBSTONE"]}))
    found = labels(asked, "train")
    assert set(found) == {"MISSING", "TOMBSTONE"} and found.total() == labels(line, "train").total()
    assert abs(found["MISSING"] - found["TOMBSTONE"]) <= 2


def test_kinds_that_no_part_can_have_are_refused():
    few = SimulateSpec(boards=4, parts_per_board=3, kinds=["MISSING", "LIFTED_LEAD", "CRACK"], seed=1)
    packages = {
        place.package.name for place in plan(SimulateSpec(boards=4, parts_per_board=3, seed=1)).designs[0].places
    }
    with pytest.raises(DataError, match="no part of these designs can have LIFTED_LEAD; they have") as told:
        plan(few)
    assert all(name in str(told.value) for name in packages)


def test_a_share_that_too_few_parts_can_have_is_refused():
    with pytest.raises(
        DataError, match=r"0.8 of the \d+ parts of train are \d+, and only \d+ can have LIFTED_LEAD; lower"
    ):
        plan(SimulateSpec(boards=4, parts_per_board=40, defect_rate=0.8, kinds=["LIFTED_LEAD"]))
