"""Which parts of some tables have all of their pictures: each folder is listed once, however many rows lead to it."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.faults import Fault
from goldenpair.data.goldens import listed
from goldenpair.data.table import Layout, PairTable

Step = Callable[[int], None]
"""Called with a number of steps done."""
_NAME_BITS = 32


class _State(IntEnum):
    WHOLE = 0
    MISSING = 1
    LIGHT_MISSING = 2
    OTHER_EXTENSION = 3


@dataclass(frozen=True)
class NumberedRows:
    """A table whose parts are numbers: int64 [N] `sample` and `golden`, equal where folder and name are the same.

    Where samples have several goldens, `golden` is the number of the folder that holds them.
    """

    table: PairTable
    sample: NDArray[np.int64]
    golden: NDArray[np.int64]

    @property
    def in_golden_folder(self) -> NDArray[np.bool_]:
        """bool [N], True where sample and golden lie in the same folder."""
        same: NDArray[np.bool_] = self.sample >> _NAME_BITS == self.golden >> _NAME_BITS
        return same

    @property
    def pair(self) -> NDArray[np.int64]:
        """int64 [N], equal for rows with the same sample and golden."""
        _, sample = np.unique(self.sample, return_inverse=True)
        goldens, golden = np.unique(self.golden, return_inverse=True)
        return np.asarray(sample.astype(np.int64) * max(1, len(goldens)) + golden)


class Numbering:
    """Numbers for the real folders and the names of several tables."""

    def __init__(self) -> None:
        self._folders: defaultdict[str, int] = defaultdict()
        self._folders.default_factory = self._folders.__len__
        self._names: defaultdict[str, int] = defaultdict()
        self._names.default_factory = self._names.__len__

    @property
    def folders(self) -> list[str]:
        return list(self._folders)

    @property
    def names(self) -> list[str]:
        return list(self._names)

    def rows(self, table: PairTable, goldens: int = 1) -> NumberedRows:
        """The rows of a table whose samples have so many goldens."""
        names = table.cells["object_name"]
        sample, golden = (self._folder_of_rows(table, column) for column in ("input_path", "golden_path"))
        deep = {name for name in set(names) if os.path.basename(name) != name}  # a name may hold folders
        if deep:
            root = str(table.images_dir)
            columns = [(sample, "input_path"), (golden, "golden_path")][: 1 if goldens > 1 else 2]
            for row in (row for row, name in enumerate(names) if name in deep):
                for folder, column in columns:
                    path = os.path.join(root, table.cells[column][row], os.path.dirname(names[row]))
                    folder[row] = self._folders[_real(path)]
            names = [os.path.basename(name) for name in names]
        name = np.fromiter(map(self._names.__getitem__, names), np.int64, len(names))
        of_golden = golden << _NAME_BITS | (name if goldens == 1 else self._names[""])
        return NumberedRows(table, sample << _NAME_BITS | name, of_golden)

    def _folder_of_rows(self, table: PairTable, column: str) -> NDArray[np.int64]:
        cells, root = table.cells[column], str(table.images_dir)
        numbers = {cell: self._folders[_real(os.path.join(root, cell))] for cell in dict.fromkeys(cells)}
        return np.fromiter(map(numbers.__getitem__, cells), np.int64, len(cells))


def _real(path: str) -> str:
    return os.path.normcase(os.path.realpath(path))


class Files:
    """What there is of the pictures of each part; folders of goldens are left to GoldenFolders."""

    def __init__(self, numbering: Numbering, tables: Iterable[NumberedRows], layout: Layout, step: Step):
        self._layout = layout
        parts = [part for rows in tables for _, _, part in self._roles(rows)]
        self._parts = np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)
        self._state = np.zeros(len(self._parts), np.uint8)
        folders, names = numbering.folders, numbering.names
        folder_of_part = self._parts >> _NAME_BITS
        starts = np.flatnonzero(np.diff(folder_of_part, prepend=-1))
        for start, end in pairwise([*starts, len(self._parts)]):
            numbers = self._parts[start:end] & ((1 << _NAME_BITS) - 1)
            found = _states(folders[folder_of_part[start]], [names[number] for number in numbers.tolist()], layout)
            self._state[start:end] = found
            step(1)

    def whole(self, rows: NumberedRows) -> NDArray[np.bool_]:
        """bool [N], True for rows that have all of their pictures."""
        states = [self._state_of(parts) for _, _, parts in self._roles(rows)]
        return np.asarray(np.max(states, axis=0) == _State.WHOLE.value)

    def _roles(self, rows: NumberedRows) -> list[tuple[str, str, NDArray[np.int64]]]:
        """What parts are, their column, and int64 [N] their numbers."""
        roles = [("picture", "input_path", rows.sample), ("golden", "golden_path", rows.golden)]
        return roles[: 1 if self._layout.goldens > 1 else 2]

    def faults(self, split: str, rows: NumberedRows, strict: bool) -> list[Fault]:
        """The parts without some picture; fatal if `strict`, or if no row of the table has all of its pictures."""
        fatal = strict or not self.whole(rows).any()
        extension = self._layout.extension
        faults: list[Fault] = []
        for role, column, parts in self._roles(rows):
            first = np.sort(np.unique(parts, return_index=True)[1])  # a golden of a thousand rows counts once
            state = self._state_of(parts[first])
            name = "golden picture" if role == "golden" else "picture"
            for kind, what in (
                (_State.MISSING, f"{name} missing"),
                (_State.LIGHT_MISSING, f"{name} missing for some lights only"),
                (
                    _State.OTHER_EXTENSION,
                    f"{name} has another extension than image_ext {extension!r}"
                    if extension
                    else f"{name} named without its extension",
                ),
            ):

                def tell(row: int, column: str = column) -> str:
                    return _missing(rows.table, row, column, self._layout)

                faults += Fault.of(split, f"{role}_{kind.name.lower()}", what, first[state == kind], tell, fatal)
        return faults

    def _state_of(self, parts: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._state[np.searchsorted(self._parts, parts)]


def _states(folder: str, names: list[str], layout: Layout) -> list[int]:
    there_are = set(listed(folder))
    if there_are.issuperset([name + suffix for name in names for suffix in layout.suffixes]):
        return [_State.WHOLE] * len(names)
    lower = {leaf.lower() for leaf in there_are}
    stems = {os.path.splitext(leaf)[0] for leaf in there_are}

    def there(leaf: str) -> bool:
        # some systems do not tell R1.jpg from R1.JPG
        return leaf in there_are or (leaf.lower() in lower and os.path.exists(os.path.join(folder, leaf)))

    found = []
    for name in names:
        leaves = [name + suffix for suffix in layout.suffixes]
        absent = [leaf for leaf in leaves if not there(leaf)]
        if not absent:
            found.append(_State.WHOLE)
        elif any(leaf.removesuffix(layout.extension) in stems for leaf in absent):
            found.append(_State.OTHER_EXTENSION)
        else:
            found.append(_State.LIGHT_MISSING if len(absent) < len(leaves) else _State.MISSING)
    return list(found)


def _missing(table: PairTable, row: int, column: str, layout: Layout) -> str:
    """A row whose picture is not there: the path, and what is there instead where that helps."""
    cell, name = table.cells[column][row], table.cells["object_name"][row]
    folder = os.path.join(str(table.images_dir), cell)
    paths = [os.path.join(folder, name + suffix) for suffix in layout.suffixes]
    path = next((path for path in paths if not os.path.exists(path)), paths[0])
    hint = _hint(folder, name, layout) or _hint(os.path.dirname(path), os.path.basename(name), layout)
    if not hint and not listed(os.path.dirname(path)):
        hint = "the folder is missing or empty"
        if cell != cell.strip():
            hint += f"; {column} has blanks around it"
        elif "\\" in cell and os.sep != "\\":
            hint += f"; {column} has backslashes, write '/'"
    return f"line {table.line(row)}: {path}" + (f"  ({hint})" if hint else "")


def _hint(folder: str, name: str, layout: Layout) -> str:
    there = sorted(listed(folder))
    bare = os.path.basename(name.strip())
    for ending in (layout.extension, *(f"_{light}" for light in layout.lights)):
        bare = bare.removesuffix(ending)
    if not layout.extension:  # the names of a list have their own
        bare = os.path.splitext(bare)[0]
    elif bare != name and bare + layout.suffixes[0] in there:
        return f"object_name should be {bare!r}"
    others = [leaf for leaf in there if bare and re.match(re.escape(bare) + r"[._]", leaf, re.IGNORECASE)]
    return f"there is {', '.join(others[:3])}" if others else ""
