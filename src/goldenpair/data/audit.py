"""Tables checked before any work: all faults of all of them at once, with counts and first examples."""

import hashlib
import os
import re
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np

from goldenpair.data.audit_files import Files, NumberedRows, Numbering
from goldenpair.data.audit_goldens import GoldenFolders
from goldenpair.data.audit_masks import with_labels
from goldenpair.data.audit_pictures import headers_to_read, picture_faults
from goldenpair.data.faults import AuditedTable, AuditReport, Fault
from goldenpair.data.labels import near_pass, no_value, sounds_good
from goldenpair.data.lists import read_split
from goldenpair.data.table import PASS, PATH_COLUMNS, SYNTHETIC, Layout, PairTable
from goldenpair.errors import TableError
from goldenpair.progress import Progress
from goldenpair.specs.common import SplitFiles
from goldenpair.specs.segment import ListFiles

UNLABELLED = "infer_dataset"
"""The split that needs no labels, and where a missing picture costs its row the verdict, not the run."""
_NOT_LETTERS = re.compile(r"[\W_]+")


def audit(
    splits: Mapping[str, SplitFiles], layout: Layout, progress: Progress | None = None
) -> tuple[dict[str, PairTable], AuditReport]:
    """Read and check the tables of these splits, and what lies between them.

    Every folder is listed once. Of the pictures headers are read, of a spread sample where there are many; the
    report says of how many. Masks are all decoded, and say which rows of a list are defects. Tables that cannot be
    read are faults of the report and not among the tables.
    """
    tables: dict[str, PairTable] = {}
    faults: list[Fault] = []
    of_masks: list[Fault] = []
    notes: list[str] = []
    for split, files in splits.items():
        try:
            table = read_split(files)
            if isinstance(files, ListFiles) and files.masks:
                decoded = _Steps(progress, len(table))
                table, found_in_masks, note = with_labels(split, table, files.masks, decoded.step)
                of_masks += found_in_masks
                notes += note
            tables[split] = table
            faults += _column_faults(split, table)
            if not len(table) and not table.absent(PATH_COLUMNS):
                what = "no name in the list" if isinstance(files, ListFiles) else "no rows below the header"
                faults.append(Fault(split, "no_rows", what, 1, (table.source,)))
        except TableError as error:
            what = f"table that cannot be read ({files.csv_path})"
            faults.append(Fault(split, "table_unreadable", what, len(error.problems), tuple(error.problems)))
    refused = {fault.split for fault in faults}  # nothing more can be said of them
    faults += of_masks
    numbering = Numbering()
    rows = {split: numbering.rows(table, layout.goldens) for split, table in tables.items() if split not in refused}
    steps = _Steps(progress, len(numbering.folders) + sum(headers_to_read(each, layout) for each in rows.values()))
    found = Files(numbering, rows.values(), layout, steps.step)
    folders = GoldenFolders(rows.values(), layout, steps.step) if layout.goldens > 1 else None
    for split, each in rows.items():
        faults += _name_and_label_faults(split, each.table) + _synthetic_faults(split, each.table)
        faults += _row_faults(split, each, folders)
        if not each.table.images_dir.is_dir():
            folder = str(each.table.images_dir)
            faults.append(Fault(split, "images_dir_missing", "images_dir is no folder", 1, (folder,)))
            continue
        strict, whole = split != UNLABELLED, found.whole(each)
        faults += found.faults(split, each, strict)
        if folders:
            faults += folders.faults(split, each, strict)
            whole &= folders.whole(each)
        of_pictures, note = picture_faults(split, each, whole, layout, steps.step, folders)
        faults += of_pictures
        notes += note
    faults += _shared_parts(rows)
    order = {split: place for place, split in enumerate(splits)}
    faults.sort(key=lambda fault: (not fault.fatal, order.get(fault.split, len(order))))
    told = tuple(_audited(split, table) for split, table in tables.items())
    return tables, AuditReport(told, tuple(faults), tuple(notes))


class _Steps:
    """Counts steps for a progress bar."""

    def __init__(self, progress: Progress | None, total: int):
        self._progress, self._total, self._done = progress, total, 0

    def step(self, count: int = 1) -> None:
        self._done += count
        if self._progress:
            self._progress(self._done, max(self._done, self._total))


def _audited(split: str, table: PairTable) -> AuditedTable:
    with Path(table.source).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    defects = int(table.is_defect.sum()) if "label" in table.cells else None
    return AuditedTable(
        split, table.source, digest, str(table.images_dir), len(table), defects, table.columns, len(table.synthetic)
    )


def _column_faults(split: str, table: PairTable) -> list[Fault]:
    if absent := table.absent(PATH_COLUMNS if split == UNLABELLED else (*PATH_COLUMNS, "label")):
        similar = {_NOT_LETTERS.sub("", name).lower(): name for name in table.columns}
        told = tuple(
            f"{column}  (there is {similar[bare]!r})" if (bare := column.replace("_", "")) in similar else column
            for column in absent
        )
        what = f"column missing (the header is: {', '.join(table.columns)})"
        return [Fault(split, "columns_missing", what, len(absent), told)]
    return []


def _name_and_label_faults(split: str, table: PairTable) -> list[Fault]:
    names = table.cells["object_name"]
    empty = [row for row, name in enumerate(names) if not name.strip()]
    faults = Fault.of(split, "object_name_empty", "object_name is empty", empty, table.describe)
    if split == UNLABELLED:
        return faults
    labels = table.cells["label"]
    kinds = set(labels) - {PASS}
    blank = {label for label in kinds if not label.strip()}
    near = {label for label in kinds if near_pass(label)}
    good = {label for label in kinds if sounds_good(label)}
    nothing = {label for label in kinds if no_value(label)} - blank
    padded = {label for label in kinds - blank - near - good - nothing if label != label.strip()}
    sentences = {
        "label_empty": (blank, "label is empty", True),
        "label_no_value": (nothing, "label is what programs write for an empty cell (LABELS)", True),
        "label_near_pass": (near, f"label is nearly {PASS} (LABELS); anything but {PASS} means a defect", True),
        "label_sounds_good": (good, f"label sounds good (LABELS), but anything but {PASS} means a defect", False),
        "label_blanks": (padded, "label has blanks around it (LABELS)", False),
    }
    for code, (found, sentence, fatal) in sentences.items():
        if found:
            what = sentence.replace("LABELS", ", ".join(map(repr, sorted(found)[:10])))
            places = [row for row, label in enumerate(labels) if label in found]
            faults += Fault.of(split, code, what, places, table.describe, fatal)
    return faults


def _synthetic_faults(split: str, table: PairTable) -> list[Fault]:
    """Made defects where only real ones may be, and such as are labelled good."""
    rows = table.synthetic

    def tell(row: int) -> str:
        return f"{table.describe(row)}: {' '.join(cells[row] for cells in table.marks).strip()}"

    if split == "train_dataset":
        good = [row for row in rows if table.cells["label"][row] == PASS]
        return Fault.of(split, "synthetic_good", f"synthetic defect with the label {PASS}", good, tell)
    if split == UNLABELLED:
        what = f"synthetic defect; the column {SYNTHETIC} marks it in the result too"
        return Fault.of(split, "synthetic_marked", what, rows, tell, fatal=False)
    what = "synthetic defect; these are for training only, and nothing may be measured by them"
    return Fault.of(split, "synthetic_measured", what, rows, tell)


def _row_faults(split: str, rows: NumberedRows, folders: GoldenFolders | None) -> list[Fault]:
    """Rows that say the same, that contradict each other, that compare a part with itself, or lead elsewhere."""
    table = rows.table

    def with_label(row: int) -> str:
        return f"{table.describe(row)}: {table.cells['label'][row]}"

    own = folders.own(rows) if folders else np.flatnonzero(rows.sample == rows.golden)
    what = "part and golden are the same pictures, which always pass"
    faults = Fault.of(split, "same_pictures", what, own, table.describe, fatal=False)
    _, pair = np.unique(rows.pair, return_inverse=True)
    again = np.bincount(pair)[pair] > 1
    contradicted = np.zeros(len(table), np.bool_)
    if split != UNLABELLED and again.any():
        share = np.bincount(pair, weights=table.is_defect) / np.bincount(pair)
        contradicted = (share[pair] > 0) & (share[pair] < 1)
    order = np.argsort(pair, kind="stable")  # rows that say the same stand together
    what = f"same part and golden, once {PASS} and once a defect"
    faults += Fault.of(split, "labels_contradict", what, order[contradicted[order]].astype(np.int64), with_label)
    later = np.ones(len(table), np.bool_)
    later[np.unique(pair, return_index=True)[1]] = False
    what = "row that stands there before"
    faults += Fault.of(split, "row_again", what, np.flatnonzero(later & ~contradicted), table.describe, fatal=False)
    return faults + _outside(split, table)


def _outside(split: str, table: PairTable) -> list[Fault]:
    root, made = str(table.images_dir), set(table.synthetic)  # which lie beside the real pictures

    def leaves(path: str) -> bool:
        return os.path.isabs(path) or os.path.normpath(path).split(os.sep)[0] == ".."

    faults = []
    for column in PATH_COLUMNS:
        cells = table.cells[column]
        strays = {cell for cell in set(cells) if leaves(cell)}
        if strays:

            def tell(row: int, column: str = column) -> str:
                cell = table.cells[column][row]
                return f"line {table.line(row)}: {cell} leads to {os.path.abspath(os.path.join(root, cell))}"

            what = f"{column} leaves images_dir"
            places = [row for row, cell in enumerate(cells) if cell in strays and row not in made]
            faults += Fault.of(split, "outside_images_dir", what, places, tell, fatal=False)
    return faults


def _shared_parts(rows: Mapping[str, NumberedRows]) -> list[Fault]:
    """Parts of one split that stand in another as well.

    A warning: a network is not worse for it, but the figures of the second split are too good. What inference reads
    is judged by nobody, so it may hold what it likes; goldens are meant to be shared.
    """
    faults = []
    judged = [split for split in rows if split != UNLABELLED]
    for first, second in combinations(judged, 2):
        table = rows[second].table
        places = np.flatnonzero(np.isin(rows[second].sample, rows[first].sample))
        harm = "a network that learns it there" if first == "train_dataset" else "a cutoff that is chosen there"
        what = f"part that stands in {first} too: {harm} looks too good here"
        faults += Fault.of(second, "in_two_splits", what, places, table.describe, fatal=False)
    return faults
