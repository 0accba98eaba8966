"""Tables checked before any work: all faults at once, with counts and first examples."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from goldenpair.data.table import PASS, PATH_COLUMNS, Layout, PairTable
from goldenpair.errors import DataError

_EXAMPLES = 5


@dataclass(frozen=True)
class Fault:
    """One kind of mistake in one table: what it is, how often, and the first few places."""

    what: str
    count: int
    examples: tuple[str, ...]
    fatal: bool = True

    def __str__(self) -> str:
        more = f" ... and {self.count - len(self.examples)} more" if self.count > len(self.examples) else ""
        return f"{self.count} x {self.what}:\n      " + "\n      ".join([*self.examples, *([more] if more else [])])


def audit(table: PairTable, layout: Layout, *, needs_label: bool, needs_all_files: bool) -> list[Fault]:
    """Check columns, names, labels and files of a table.

    With `needs_all_files` false a missing picture is a fault that is not fatal, unless no row is left that has
    all of its pictures.
    """
    wanted = (*PATH_COLUMNS, "label") if needs_label else PATH_COLUMNS
    absent = [column for column in wanted if column not in table.cells]
    if absent:
        found = ", ".join(table.columns)
        hint = "; is the separator a comma?" if ";" in found or "\t" in found else ""
        return [Fault(f"column missing (the header is: {found}{hint})", len(absent), tuple(absent))]
    if not len(table):
        return [Fault("no rows below the header", 1, (table.source,))]
    faults = _text_faults(table, needs_label) + _same_pictures(table)
    if not table.images_dir.is_dir():
        return [*faults, Fault("images_dir is no folder", 1, (str(table.images_dir),))]
    return faults + _file_faults(table, layout, needs_all_files)


def refuse(faults: Mapping[str, list[Fault]]) -> list[str]:
    """Raise DataError with the faults of all tables if any is fatal; else return them as warnings."""
    lines = [f"  {source}\n    {fault}" for source, found in faults.items() for fault in found]
    if any(fault.fatal for found in faults.values() for fault in found):
        raise DataError("\n".join(["the data cannot be used:", *lines]))
    return lines


def _fault(table: PairTable, what: str, rows: list[int], fatal: bool = True) -> list[Fault]:
    if not rows:
        return []
    return [Fault(what, len(rows), tuple(table.describe(row) for row in rows[:_EXAMPLES]), fatal)]


def _text_faults(table: PairTable, needs_label: bool) -> list[Fault]:
    names = table.cells["object_name"]
    faults = _fault(table, "object_name is empty", [i for i, name in enumerate(names) if not name.strip()])
    if needs_label:
        labels = table.cells["label"]
        kinds = set(labels)
        near = {label for label in kinds if label != PASS and label.strip().upper() == PASS}
        blank = {label for label in kinds if not label.strip()}
        faults += _fault(
            table,
            f"label is nearly {PASS} ({', '.join(map(repr, sorted(near)))}); anything but {PASS} means a defect",
            [i for i, label in enumerate(labels) if label in near],
        )
        faults += _fault(table, "label is empty", [i for i, label in enumerate(labels) if label in blank])
    return faults


def _same_pictures(table: PairTable) -> list[Fault]:
    folders = zip(table.cells["input_path"], table.cells["golden_path"], strict=True)
    same = [row for row, pair in enumerate(folders) if len(set(map(os.path.normpath, pair))) == 1]
    return _fault(table, "part and golden are the same pictures, which always pass", same, fatal=False)


def _file_faults(table: PairTable, layout: Layout, needs_all_files: bool) -> list[Fault]:
    """Missing pictures, folder by folder: each folder is listed once, however many rows point to it."""
    listed: dict[str, set[str]] = {}
    faults: list[Fault] = []
    broken: set[int] = set()
    checked: dict[tuple[str, str], str] = {}
    for role, column in (("picture", "input_path"), ("golden picture", "golden_path")):
        missing: dict[str, int] = {}
        for row, (folder, name) in enumerate(zip(table.cells[column], table.cells["object_name"], strict=True)):
            if (folder, name) not in checked:
                checked[folder, name] = _first_missing(table, layout, folder, name, listed)
            path = checked[folder, name]
            if path:
                broken.add(row)
                missing.setdefault(path, row)
        if missing:
            rows_hit = f"{role} missing"
            examples = tuple(
                f"line {table.line(row)}: {path}{_near(path, listed)}"
                for path, row in list(missing.items())[:_EXAMPLES]
            )
            faults.append(Fault(rows_hit, len(missing), examples, needs_all_files))
    if faults and len(broken) == len(table):
        return [Fault(fault.what, fault.count, fault.examples) for fault in faults]
    return faults


def _first_missing(table: PairTable, layout: Layout, folder: str, name: str, listed: dict[str, set[str]]) -> str:
    directory = os.path.join(str(table.images_dir), folder)
    for suffix in layout.suffixes:
        # the name may hold a folder part, so list the folder that the file itself is in
        path = os.path.join(directory, name + suffix)
        parent, leaf = os.path.split(path)
        if parent not in listed:
            try:
                listed[parent] = set(os.listdir(parent))
            except OSError:
                listed[parent] = set()
        if leaf not in listed[parent]:
            return path
    return ""


def _near(path: str, listed: dict[str, set[str]]) -> str:
    """What is there instead, where that helps: another extension, another light, or no folder at all."""
    parent, leaf = os.path.split(path)
    if not listed.get(parent):
        return "  (the folder is missing or empty)"
    stem = leaf.split(".")[0].split("_")[0]
    others = sorted(name for name in listed[parent] if name.startswith(stem))[:3]
    return f"  (there is {', '.join(others)})" if others else ""
