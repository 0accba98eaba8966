"""The tables of all splits as one, so that goldens and samples of one are compared with those of the others."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.audit import UNLABELLED
from goldenpair.data.boards import TYPE_COLUMNS, boards_of_splits
from goldenpair.data.goldens import evenly
from goldenpair.data.table import PASS, PATH_COLUMNS, Layout, PairTable, PartPictures, part_pictures

_LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Joined:
    """N rows of some splits, each sample beside each golden once.

    `pairs` has absolute paths, and PASS where nobody has said what a part is. `row` is int64 [N], the row in the table
    of its `split` among `tables`, which have no other rows; `labelled` bool [N]; `board` and `kind` are names.
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

    def line(self, row: int) -> int:
        """Of the split's file."""
        return self.tables[self.split[row]].line(int(self.row[row]))

    def place(self, row: int) -> str:
        """A row's golden in words."""
        return "/".join(filter(None, (self.cell(row, "golden_path"), self.cell(row, "object_name"))))

    def rows_of(self, split: str, board: str) -> int:
        return sum(pair == (split, board) for pair in zip(self.split, self.board, strict=True))

    def describe(self, row: int) -> str:
        return f"{self.split[row]}, {self.tables[self.split[row]].describe(int(self.row[row]))}"


def join(given: Mapping[str, PairTable], layout: Layout, most: int) -> Joined:
    """The rows of these tables; of good parts and such without a label only so many, evenly spread, that there are
    about `most` pictures. A row that is in an earlier table, as those of infer_dataset often are, counts once."""
    keys: dict[tuple[str, ...], tuple[str, int]] = {}
    for name, table in given.items():
        root = os.path.abspath(table.images_dir)
        samples, goldens = ([os.path.join(root, one) for one in table.cells[column]] for column in PATH_COLUMNS[:2])
        for row, key in enumerate(zip(samples, goldens, table.cells["object_name"], strict=True)):
            keys.setdefault(key, (name, row))
    labels = {name: _labels(name, table) for name, table in given.items()}
    label = [labels[name][row] for name, row in keys.values()]
    good = np.array([one in ("", PASS) for one in label], np.bool_)
    keep = _kept(good, most // (2 * len(layout.suffixes))).tolist()
    places, names = list(keys.values()), list(keys)
    rows: dict[str, list[int]] = {name: [] for name in given}
    split = [places[place][0] for place in keep]
    new = np.empty(len(keep), np.int64)
    for i, place in enumerate(keep):
        name, old = places[place]
        new[i] = len(rows[name])
        rows[name].append(old)
    tables = {name: _some(table, rows[name]) for name, table in given.items()}
    boards, source = boards_of_splits({name: table.cells for name, table in tables.items()})
    kinds = {name: _kinds(table) for name, table in tables.items()}
    cells = {column: [names[place][i] for place in keep] for i, column in enumerate(PATH_COLUMNS)}
    cells["label"] = [label[place] or PASS for place in keep]
    pairs = PairTable("all splits", Path(os.path.abspath(os.curdir)), cells)
    return Joined(
        tables=tables,
        pairs=pairs,
        parts=part_pictures(pairs, layout),
        split=split,
        row=new,
        labelled=np.array([bool(label[place].strip()) for place in keep], np.bool_),
        board=[boards[name][i] for name, i in zip(split, new.tolist(), strict=True)],
        board_source=source,
        kind=[kinds[name][i] for name, i in zip(split, new.tolist(), strict=True)],
        left_out=len(names) - len(keep),
    )


def _labels(name: str, table: PairTable) -> Sequence[str]:
    """ "" where nobody has said what a part is."""
    return table.cells["label"] if name != UNLABELLED and "label" in table.cells else [""] * len(table)


def _some(table: PairTable, rows: Sequence[int]) -> PairTable:
    cells = {column: [values[row] for row in rows] for column, values in table.cells.items()}
    folder = Path(os.path.abspath(table.images_dir))
    return PairTable(table.source, folder, cells, [table.line(row) for row in rows])


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
