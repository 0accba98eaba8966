"""What the folders hold that samples with several goldens are compared with: each is listed once."""

import os
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.audit_files import NumberedRows, Step
from goldenpair.data.faults import Fault
from goldenpair.data.goldens import GoldenFolder, golden_folder, listed
from goldenpair.data.table import Layout, PairTable


class GoldenFolders:
    """The goldens of each row of some tables, whose `golden` numbers are those of folders."""

    def __init__(self, tables: Iterable[NumberedRows], layout: Layout, step: Step):
        self._layout = layout
        self._found: dict[int, GoldenFolder] = {}
        for rows in tables:
            for number, row in _first_rows(rows):
                if number not in self._found:
                    leaves = listed(_path(rows.table, row))
                    self._found[number] = golden_folder(leaves, layout.suffixes, layout.extension)
                    step(1)

    def names(self, rows: NumberedRows, row: int) -> list[str]:
        """The goldens that the part of a row can be compared with."""
        return self._found[int(rows.golden[row])].names

    def whole(self, rows: NumberedRows) -> NDArray[np.bool_]:
        """bool [N], True for rows that have a golden."""
        numbers, place = np.unique(rows.golden, return_inverse=True)
        some = np.array([bool(self._found[number].names) for number in numbers.tolist()], np.bool_)
        return some[place.reshape(-1)]

    def own(self, rows: NumberedRows) -> NDArray[np.int64]:
        """The rows whose part is one of its own goldens."""
        names = rows.table.cells["object_name"]
        near = np.flatnonzero(rows.in_golden_folder).tolist()
        found = {number: set(folder.names) for number, folder in self._found.items()}
        golden = rows.golden.tolist()
        return np.array([row for row in near if os.path.basename(names[row]) in found[golden[row]]], np.int64)

    def faults(self, split: str, rows: NumberedRows, strict: bool) -> list[Fault]:
        """Folders without a golden, which is fatal if `strict` or if no row has one; and what else is odd in them."""
        wanted, extension = self._layout.goldens, self._layout.extension
        table, found = rows.table, self._found
        first = dict(_first_rows(rows))
        empty = [row for number, row in first.items() if not found[number].names]
        few = [row for number, row in first.items() if 0 < len(found[number].names) < wanted]
        stray = [row for number, row in first.items() if found[number].names and found[number].strays]
        mixed = self._mixed(rows, first)

        def tell_empty(row: int) -> str:
            return f"line {table.line(row)}: {_path(table, row)}  ({self._why_empty(rows, row)})"

        def tell_few(row: int) -> str:
            return f"line {table.line(row)}: {_path(table, row)} has {len(self.names(rows, row))}"

        def tell_stray(row: int) -> str:
            strays = found[int(rows.golden[row])].strays
            more = f" and {len(strays) - 3} more" if len(strays) > 3 else ""
            return f"line {table.line(row)}: {_path(table, row)} has {', '.join(strays[:3])}{more}"

        def tell_mixed(row: int) -> str:
            return f"line {table.line(row)}: {_path(table, row)} has {', '.join(mixed[row][:3])}"

        few_what = f"golden folder with fewer than num_golden ({wanted}): they are repeated"
        stray_what = f"golden folder with {extension} files that are not used, because a light of theirs is missing"
        mixed_what = (
            f"golden folder that holds goldens named as several of the parts compared with it: num_golden is {wanted}, "
            "so each of them is compared with all"
        )
        return [
            *Fault.of(
                split,
                "golden_folder_empty",
                f"folder of goldens without one (num_golden is {wanted}, so golden_path is a folder of them)",
                empty,
                tell_empty,
                strict or not self.whole(rows).any(),
            ),
            *Fault.of(split, "goldens_few", few_what, few, tell_few, fatal=False),
            *Fault.of(split, "goldens_unused", stray_what, stray, tell_stray, fatal=False),
            *Fault.of(split, "goldens_of_many_parts", mixed_what, list(mixed), tell_mixed, fatal=False),
        ]

    def _mixed(self, rows: NumberedRows, first: dict[int, int]) -> dict[int, list[str]]:
        """The first row of each folder with goldens of the names of several of its parts, and these names."""
        parts: defaultdict[int, set[str]] = defaultdict(set)
        for number, name in zip(rows.golden.tolist(), rows.table.cells["object_name"], strict=True):
            parts[number].add(name)
        named = {row: sorted(parts[number].intersection(self._found[number].names)) for number, row in first.items()}
        return {row: names for row, names in named.items() if len(names) > 1}

    def _why_empty(self, rows: NumberedRows, row: int) -> str:
        table, folder = rows.table, _path(rows.table, row)
        if os.path.isfile(folder):
            return "it is a file"
        if not os.path.isdir(folder):
            stem = os.path.basename(folder)
            like = sorted(leaf for leaf in listed(os.path.dirname(folder)) if stem and leaf.startswith(stem))
            if like:
                return f"there is no such folder, but {like[0]}"
            cell = table.cells["golden_path"][row]
            return "there is no such folder" + ("; golden_path has blanks around it" if cell != cell.strip() else "")
        strays = self._found[int(rows.golden[row])].strays
        if strays:
            return f"{strays[0]} has no picture for some of {', '.join(self._layout.lights)}"
        others = sorted(listed(folder))
        return f"there is {', '.join(others[:3])}" if others else "it is empty"


def _first_rows(rows: NumberedRows) -> list[tuple[int, int]]:
    """The folders of goldens and the first row of each, in the order of the rows."""
    numbers, first = np.unique(rows.golden, return_index=True)
    order = np.argsort(first)
    return list(zip(numbers[order].tolist(), first[order].tolist(), strict=True))


def _path(table: PairTable, row: int) -> str:
    return os.path.join(str(table.images_dir), table.cells["golden_path"][row])
