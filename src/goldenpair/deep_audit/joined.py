"""The tables of all splits as one, so that goldens and samples of one are compared with those of the others."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.audit import UNLABELLED
from goldenpair.data.boards import TYPE_COLUMNS, boards_of
from goldenpair.data.goldens import evenly
from goldenpair.data.table import PASS, Layout, PairTable, PartPictures, part_pictures

_LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Joined:
    """N rows of some splits, each sample beside each golden once.

    `pairs` has absolute paths, and PASS where nobody has said what a part is. `row` is int64 [N], the row in `tables`
    of `split`; `labelled` bool [N]; `board` and `kind` are names.
    """

    tables: Mapping[str, PairTable]
    pairs: PairTable
    parts: PartPictures
    split: Sequence[str]
    row: NDArray[np.int64]
    labelled: NDArray[np.bool_]
    board: Sequence[str]
    board_source: str
    kind: Sequence[str]
    """Of what component type a row is: a column of the table, else the letters of its object_name."""
    left_out: int
    """Good parts that are not looked at, as there are too many."""

    def __len__(self) -> int:
        return len(self.row)

    @property
    def bad(self) -> NDArray[np.bool_]:
        """bool [N]: labelled as a defect."""
        return self.pairs.is_defect

    def cell(self, row: int, column: str) -> str:
        """As the split's table has it, "" where it has no such column."""
        cells = self.tables[self.split[row]].cells
        return cells[column][int(self.row[row])] if column in cells else ""

    def describe(self, row: int) -> str:
        return f"{self.split[row]}, {self.tables[self.split[row]].describe(int(self.row[row]))}"


def join(tables: Mapping[str, PairTable], layout: Layout, most: int) -> Joined:
    """The rows of these tables; of good parts and such without a label only so many, evenly spread, that there are
    `most` pictures. A row that is in an earlier table, as those of infer_dataset often are, counts once."""
    split: list[str] = []
    row: list[int] = []
    cells: dict[str, list[str]] = {name: [] for name in ("input_path", "golden_path", "object_name", "label")}
    boards: list[str] = []
    kinds: list[str] = []
    source = "no boards are known"
    seen: set[tuple[str, str, str]] = set()
    for name, table in tables.items():
        root = os.path.abspath(table.images_dir)
        own, source = boards_of(table.cells)
        own_kinds = _kinds(table)
        labels = table.cells["label"] if name != UNLABELLED and "label" in table.cells else [""] * len(table)
        paths = {column: [os.path.join(root, one) for one in table.cells[column]] for column in list(cells)[:2]}
        for place, part in enumerate(table.cells["object_name"]):
            key = (paths["input_path"][place], paths["golden_path"][place], part)
            if key in seen:
                continue
            seen.add(key)
            split.append(name)
            row.append(place)
            for column, cell in zip(cells, (*key, labels[place]), strict=True):
                cells[column].append(cell)
            boards.append(own[place] if own else "")
            kinds.append(own_kinds[place])
    label = cells["label"]
    keep = _kept(np.array([one in ("", PASS) for one in label], np.bool_), most // max(1, 2 * len(layout.suffixes)))

    def of(values: Sequence[str]) -> list[str]:
        return [values[place] for place in keep.tolist()]

    labelled = np.array([bool(one.strip()) for one in label], np.bool_)[keep]
    chosen = {column: of(values) for column, values in cells.items()}
    chosen["label"] = [one or PASS for one in chosen["label"]]
    pairs = PairTable("all splits", next(iter(tables.values())).images_dir, chosen)
    left_out = len(row) - len(keep)
    parts = part_pictures(pairs, layout)
    rows = np.array(row, np.int64)[keep]
    return Joined(tables, pairs, parts, of(split), rows, labelled, of(boards), source, of(kinds), left_out)


def _kept(good: NDArray[np.bool_], most: int) -> NDArray[np.int64]:
    """All places that are not good, and evenly spread of those that are so many that there are `most` in all."""
    if len(good) <= most:
        return np.arange(len(good))
    places = np.flatnonzero(good)
    chosen = places[evenly(len(places), max(1, most - int((~good).sum())))]
    return np.sort(np.concatenate([np.flatnonzero(~good), chosen]))


def _kinds(table: PairTable) -> list[str]:
    column = next((one for one in TYPE_COLUMNS if one in table.cells), None)
    names = table.cells["object_name"]
    letters = [match[0].upper() if (match := _LETTERS.match(name)) else "" for name in names]
    if column is None:
        return letters
    return [kind.strip() or letter for kind, letter in zip(table.cells[column], letters, strict=True)]
