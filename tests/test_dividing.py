"""Boards divided into tables: whole, the same each time, and as even as boards allow."""

from collections import Counter

import pytest

from goldenpair.converting.dividing import board_of, divided, shares_of
from goldenpair.converting.raw_tables import Part
from goldenpair.specs.dataset_convert import BoardSplit

SPLIT = BoardSplit()


def part(board, label="PASS", design="P"):
    return Part(
        split="all", file="f.csv", line=2, design=design, board=board, side="TOP", comp_name="R1", panel="1",
        folder="f", lights=("L",), object_name="R1", extension=".jpg", verdicts=(label,), machine=("",), status=("",),
        copied=(), repeated=False, label=label,
    )  # fmt: skip


def boards(count, size=10, design="P"):
    return [part(f"{design}{n:03d}", design=design) for n in range(count) for _ in range(size)]


def tally(parts, table, *kinds):
    """Parts by table; of the kinds "defect" and "design" in numbers of each."""
    return Counter((table[board_of(one)], *(getattr(one, kind) for kind in kinds)) for one in parts)


def test_shares():
    assert shares_of(SPLIT) == pytest.approx({"train": 0.6, "val": 0.2, "test": 0.2})
    assert shares_of(BoardSplit(val=0.25, test=0)) == {"train": 0.75, "val": 0.25}


def test_equal_boards_are_divided_by_the_shares():
    table = divided(boards(50), SPLIT)
    assert Counter(table.values()) == {"train": 30, "val": 10, "test": 10}


def test_the_same_seed_gives_the_same_and_another_one_another():
    parts = boards(30)
    assert divided(parts, SPLIT) == divided(list(reversed(parts)), SPLIT)
    assert divided(parts, SPLIT) != divided(parts, BoardSplit(seed=5))


@pytest.mark.parametrize("seed", range(5))
def test_defects_are_spread(seed):
    parts = boards(40) + [part(f"P{n:03d}", "MISSING") for n in range(0, 40, 4)]
    table = divided(parts, BoardSplit(seed=seed))
    found = tally(parts, table, "label")
    assert [found[name, "MISSING"] for name in ("train", "val", "test")] == [6, 2, 2]
    assert [round(found[name, "PASS"], -1) for name in ("train", "val", "test")] == [240, 80, 80]


@pytest.mark.parametrize("seed", range(5))
def test_designs_are_spread(seed):
    parts = [one for name in "PQ" for one in boards(20, design=name)] + boards(5, 40, "R")
    found = tally(parts, divided(parts, BoardSplit(seed=seed)), "design")
    for name, total in (("P", 200), ("Q", 200), ("R", 200)):
        assert found["train", name] / total == pytest.approx(0.6, abs=0.1)
        assert found["val", name] and found["test", name]


@pytest.mark.parametrize("seed", range(5))
def test_labels_are_spread_where_there_are_enough(seed):
    labels = ["MISSING"] * 10 + ["SHIFT"] * 10
    parts = boards(40) + [part(f"P{n:03d}", label) for n, label in enumerate(labels)]
    found = tally(parts, divided(parts, BoardSplit(seed=seed)), "label")
    for label in ("MISSING", "SHIFT"):
        assert [found[name, label] for name in ("train", "val", "test")] == [6, 2, 2]


@pytest.mark.parametrize("labels", [["A", "B", "C"], ["A", "A", "A"]])
def test_few_defects_go_to_every_table(labels):
    """Of three boards with a defect each table gets one: without defects nothing can be measured."""
    parts = boards(30) + [part(f"P{n:03d}", label) for n, label in enumerate(labels)]
    table = divided(parts, SPLIT)
    assert {table["P", f"P{n:03d}"] for n in range(3)} == {"train", "val", "test"}


@pytest.mark.parametrize("count", [3, 4, 5])
def test_no_table_is_empty(count):
    assert set(divided(boards(count), SPLIT).values()) == {"train", "val", "test"}
    assert set(divided(boards(count), BoardSplit(val=0.01, test=0.01)).values()) == {"train", "val", "test"}


def test_boards_of_two_projects_with_one_number_are_two():
    parts = [part(str(n), design=name) for n in range(6) for name in "PQ"]
    assert len(divided(parts, SPLIT)) == 12


def test_a_board_with_nearly_everything_goes_to_train():
    parts = boards(9) + [part("big") for _ in range(500)]
    assert divided(parts, SPLIT)["P", "big"] == "train"
