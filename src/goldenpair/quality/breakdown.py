"""Capture and false calls by defect label, component type, board and whatever else a table's columns tell."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.boards import BOARD_COLUMNS, TYPE_COLUMNS
from goldenpair.errors import InputError
from goldenpair.metrics import Flag, Rate, lower_bounds
from goldenpair.quality.policy import MARK_COLUMN
from goldenpair.quality.scored import SCORE_COLUMNS, ScoredTable
from goldenpair.quality.targets import FEWEST

SMALL = FEWEST
"""A share of fewer parts than this proves nothing."""
MOST_VALUES = 50
"""A column with more values than this is broken down only where it is named."""
_PATHS = {"input_path", "golden_path", "object_name"}
_OURS = {"verdict", "error", "probability", "heatmap", MARK_COLUMN, *SCORE_COLUMNS}
_OURS |= {"cfx_category", "verification"}  # what goldenpair writes says nothing of a part
_DESIGNATOR = re.compile(r"([A-Za-z]{1,5})\d")
_MOST_ODD_NAMES = 0.1  # of object names that are no reference designators


@dataclass(frozen=True)
class Cell:
    """The measured parts that have one value in a column."""

    name: str
    parts: int
    capture: Rate
    false_calls: Rate

    @property
    def few_defects(self) -> bool:
        """Whether `capture` rests on fewer than SMALL defects."""
        return self.capture.of < SMALL

    @property
    def few_good(self) -> bool:
        """Whether `false_calls` rests on fewer than SMALL good parts."""
        return self.false_calls.of < SMALL

    @property
    def small(self) -> bool:
        """Whether neither of the shares rests on SMALL parts."""
        return self.few_defects and self.few_good

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "few_defects": self.few_defects, "few_good": self.few_good, "small": self.small}


@dataclass(frozen=True)
class Breakdown:
    """The cells of one column, the worst and best supported first."""

    name: str
    source: str
    """Where the values are from, in words."""
    cells: tuple[Cell, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "source": self.source, "cells": [cell.as_dict() for cell in self.cells]}


def breakdowns(table: ScoredTable, stopped: Flag, columns: Sequence[str] | None = None) -> tuple[Breakdown, ...]:
    """By defect label, component type and board, and by `columns`, where None are all with 2 to MOST_VALUES values.

    `stopped` is bool [N], True for REVIEW and FAIL. Rows that are not measured are in no cell. Cells are in the order
    of the lower ends of their intervals, of escapes first and of false calls then: 30 of 100 missed is worse than 1 of
    2. Raises InputError for columns that the table does not have.
    """
    if absent := [name for name in columns or () if name not in table.cells]:
        raise InputError(
            f"{table.source}: no column {', '.join(absent)} to break down by, but {', '.join(table.cells)}"
        )
    labels = [label if bad else "" for label, bad in zip(table.label, table.is_defect, strict=True)]
    found = [_by_label(table, stopped, labels)]
    taken: set[str] = set()
    if types := component_types(table):
        source, names = types
        taken.add(source)
        told = f"column {source}" if source in table.cells else source
        known = names if source in table.cells else [one or "(other names)" for one in names]
        found.append(_broken_down("component type", told, table, stopped, *_coded(known)))
    if len(table.boards) > 1:
        taken.update(name for name in BOARD_COLUMNS if name in table.cells)
        boards = [name or "(empty)" for name in table.boards]
        found.append(_broken_down("board", table.board_source, table, stopped, boards, table.board))
    for name, cells in table.cells.items():
        chosen = name in columns if columns is not None else _tells(table, name)
        if chosen and name not in taken:
            found.append(_broken_down(name, f"column {name}", table, stopped, *_coded(cells)))
    return tuple(one for one in found if one.cells)


def component_types(table: ScoredTable) -> tuple[str, Sequence[str]] | None:
    """Where component types are from and that of each row: one of TYPE_COLUMNS, else the letters of designators.

    None where there is no such column and the object names are not R12, C3, LED2 and the like of at least two kinds.
    """
    for column in TYPE_COLUMNS:
        if column in table.cells and len(set(table.cells[column])) > 1:
            return column, table.cells[column]
    names = table.cells.get("object_name", ())
    known = {name: match[1].upper() if (match := _DESIGNATOR.match(name)) else "" for name in dict.fromkeys(names)}
    letters = [known[name] for name in names]
    kinds = set(known.values()) - {""}
    if letters.count("") > _MOST_ODD_NAMES * len(letters) or not 2 <= len(kinds) <= MOST_VALUES:
        return None
    return "letters of object_name", letters


def _tells(table: ScoredTable, name: str) -> bool:
    """Whether a column is neither what was found, now or before, nor a path, nor different in each row."""
    cells = table.cells[name]
    if name in _PATHS or name.split("_before")[0] in _OURS or name == table.score_column or cells is table.label:
        return False
    return 2 <= len(set(cells)) <= MOST_VALUES


def _coded(cells: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """The distinct values of a column, and int64 [N], each row's place among them."""
    places = {one: place for place, one in enumerate(dict.fromkeys(cells))}
    code = np.fromiter(map(places.__getitem__, cells), np.int64, len(cells))
    return [one or "(empty)" for one in places], code


def _by_label(table: ScoredTable, stopped: Flag, labels: Sequence[str]) -> Breakdown:
    names, code = _coded(labels)
    found = _broken_down("defect label", "column of the labels", table, stopped, names, code)
    return Breakdown(found.name, found.source, tuple(cell for cell in found.cells if cell.capture.of))


def _broken_down(
    name: str, source: str, table: ScoredTable, stopped: Flag, names: Sequence[str], code: NDArray[np.int64]
) -> Breakdown:
    bad, good = table.measured & table.is_defect, table.measured & ~table.is_defect

    def counted(rows: Flag) -> NDArray[np.int64]:
        return np.bincount(code[rows], minlength=len(names))

    defects, goods = counted(bad), counted(good)
    capture = rates(counted(bad & stopped), defects)
    false_calls = rates(counted(good & stopped), goods)
    cells = [
        Cell(one, int(here), of_bad, of_good)
        for one, here, of_bad, of_good in zip(names, defects + goods, capture, false_calls, strict=True)
        if here
    ]
    return Breakdown(name, source, tuple(sorted(cells, key=_goodness)))


def _goodness(cell: Cell) -> tuple[float, float, int, str]:
    """Small for what is surely bad: the escapes that are certain, then such false calls, then many parts."""
    escapes = 1 - cell.capture.high if cell.capture.high is not None else 0.0
    return -escapes, -(cell.false_calls.low or 0.0), -cell.parts, cell.name


def rates(counts: NDArray[np.int64], of: NDArray[np.int64]) -> list[Rate]:
    """`Rate.measured` of many pairs at once: a table may have ten thousand boards."""
    low, high = lower_bounds(counts, of, 0.975), 1 - lower_bounds(of - counts, of, 0.975)
    rows = zip(counts.tolist(), of.tolist(), low.tolist(), high.tolist(), strict=True)
    return [Rate(k / n, k, n, lo, hi) if n else Rate(None, 0, 0, None, None) for k, n, lo, hi in rows]
