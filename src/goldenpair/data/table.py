"""Tables of pairs and the rule that leads from a row to its pictures, as TAO has them.

Row i of a table stays row i everywhere, from reading to writing.
"""

import csv
import os
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from goldenpair.errors import TableError
from goldenpair.specs.common import Dataset

PASS = "PASS"
PATH_COLUMNS = ("input_path", "golden_path", "object_name")
_WANTED = "input_path, golden_path, label, object_name"
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class Layout:
    """How the pictures of one part are named, sized and joined.

    `lights` are the file suffixes in joining order, empty for one picture without a suffix. Each picture is
    `height` x `width`; they are joined row by row into `rows` x `columns` of them.
    """

    lights: tuple[str, ...]
    height: int
    width: int
    rows: int
    columns: int
    extension: str

    @classmethod
    def of(cls, dataset: Dataset) -> "Layout":
        rows, columns = dataset.grid
        return cls(
            lights=tuple(dataset.input_map or {}),
            height=dataset.image_height,
            width=dataset.image_width,
            rows=rows,
            columns=columns,
            extension=dataset.image_ext or "",  # null is a problem that the spec tells of
        )

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What follows the object name in the file names, one for each light."""
        return tuple(f"_{light}{self.extension}" for light in self.lights) or (self.extension,)

    @property
    def joined_height(self) -> int:
        return self.rows * self.height

    @property
    def joined_width(self) -> int:
        return self.columns * self.width


@dataclass(frozen=True)
class PairTable:
    """A table as it was read: every cell is text, so `001` stays `001`; every column is kept, in order."""

    source: str
    images_dir: Path
    cells: dict[str, list[str]]
    lines: Sequence[int] = ()
    """Where in the file each row ends; counted from the header on where it is not known."""

    def line(self, index: int) -> int:
        return self.lines[index] if len(self.lines) else index + 2

    def __len__(self) -> int:
        return len(next(iter(self.cells.values()), []))

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.cells)

    def absent(self, columns: Iterable[str]) -> list[str]:
        """Those of these columns that the table does not have."""
        return [column for column in columns if column not in self.cells]

    @property
    def is_defect(self) -> NDArray[np.bool_]:
        """True for every row whose label is not exactly PASS."""
        return np.array([label != PASS for label in self.cells["label"]], dtype=np.bool_)

    def row(self, index: int) -> dict[str, str]:
        return {column: values[index] for column, values in self.cells.items()}

    def describe(self, index: int) -> str:
        """A row's place in words, for messages."""
        cells = self.cells
        return f"line {self.line(index)}: {cells['object_name'][index]} in {cells['input_path'][index] or '.'}"


def read_table(csv_path: str | Path, images_dir: str | Path) -> PairTable:
    """Read a CSV with a header row. What its cells say is checked by the audit, not here.

    Raises TableError with everything that is wrong with a file that is missing, empty or not text, that has no
    header, or whose rows do not have the header's length.
    """
    (table,) = read_blocks(csv_path, images_dir, sys.maxsize)
    return table


def read_blocks(csv_path: str | Path, images_dir: str | Path, rows: int) -> Iterator[PairTable]:
    """A table as read_table reads it, but in parts of at most `rows` rows, so that a long one takes no more memory.

    There is at least one part, perhaps without rows. Raises TableError when it comes to a part that is wrong.
    """
    path, folder = Path(csv_path), Path(images_dir)
    block: _Block | None = None
    read = 0
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            for row in reader:
                read = reader.line_num
                if not row:
                    continue
                if block is None:
                    block = _Block([name.strip() for name in row])
                    continue
                if len(block.lines) == rows:
                    yield block.table(path, folder)
                    block = _Block(block.header)
                block.add(read, row)
    except FileNotFoundError:
        raise TableError(path, [f"there is no such file (looked in {Path.cwd()})"]) from None
    except UnicodeDecodeError:
        raise TableError(path, [where_no_text(path)]) from None
    except csv.Error as error:
        said = f"line {read + 1}: cannot be read as CSV: {error}"
        raise TableError(path, [*_header_problems(block.header if block else []), said]) from None
    except OSError as error:
        raise TableError(path, [f"cannot be read: {error}"]) from None
    if block is None:
        raise TableError(path, [f"it is empty; expected a header row with {_WANTED}"])
    yield block.table(path, folder, _nul_problems(path))


class _Block:
    """Rows as they are read, column by column."""

    def __init__(self, header: list[str]):
        self.header = header
        self.lines = array("q")
        self._columns: list[list[str]] = [[] for _ in header]
        self._known: dict[str, str] = {}  # a text that stands in a million cells is kept once
        self._uneven = _Uneven()

    def add(self, line: int, row: list[str]) -> None:
        if len(row) != len(self.header):
            self._uneven.add(line, row)
            return
        self.lines.append(line)
        known = self._known
        for column, cell in zip(self._columns, row, strict=True):
            column.append(known.setdefault(cell, cell))

    def table(self, path: Path, images_dir: Path, problems: Sequence[str] = ()) -> PairTable:
        found = [*_header_problems(self.header), *self._uneven.problems(len(self.header)), *problems]
        if found:
            raise TableError(path, found)
        return PairTable(str(path), images_dir, dict(zip(self.header, self._columns, strict=True)), self.lines)


class _Uneven:
    """Rows of another length than the header, counted; the first ten are kept in words."""

    def __init__(self) -> None:
        self._count = 0
        self._first: list[str] = []

    def add(self, line: int, row: list[str]) -> None:
        self._count += 1
        if len(self._first) < 10:
            self._first.append(f"line {line} with {len(row)}: {','.join(row)[:120]}")

    def problems(self, cells: int) -> list[str]:
        if not self._count:
            return []
        listed = "; ".join(self._first)
        rows = "1 row does" if self._count == 1 else f"{self._count} rows do"
        return [f"{rows} not have the header's {cells} cells; first line {listed.removeprefix('line ')}"]


def _header_problems(header: list[str]) -> list[str]:
    problems = []
    if header and not set(header) & {*PATH_COLUMNS, "label"}:
        text = ",".join(header)
        separator = next((name for sign, name in _SEPARATORS.items() if sign in text), None)
        if separator and "input_path" in text:
            problems.append(f"its cells are separated by {separator}; save it as a CSV file with commas")
        else:
            problems.append(f"the first row must be a header with {_WANTED}; found {text[:120]}")
    twice = [name for name, count in Counter(header).items() if count > 1]
    return problems + [f"column {name!r} stands there twice" for name in twice]


def _nul_problems(path: Path) -> list[str]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if b"\0" in line:
                return [f"line {number} holds a NUL byte: the file is damaged, or no text file"]
    return []


def where_no_text(path: Path) -> str:
    """Which place of a file is no UTF-8, and what to do."""
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "it is UTF-16, as Excel's 'Unicode text' is; save it as 'CSV UTF-8'"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        begin = content.rfind(b"\n", 0, error.start) + 1
        text = content[begin:].split(b"\n")[0].decode("cp1252", "replace").strip()[:120]
        return f"line {line}, byte {error.start + 1} of the file, is not UTF-8: {text}; save it as 'CSV UTF-8'"
    return "it is not UTF-8; save it as 'CSV UTF-8'"  # it was changed a moment ago


@dataclass(frozen=True)
class PartPictures:
    """Which pictures the rows of a table need, each named once.

    `paths` are the distinct files. `sample` and `golden` are int64 [N, L] indices into them; `golden_id` is
    int64 [N], equal for rows that share a golden.
    """

    paths: list[str]
    sample: NDArray[np.int64]
    golden: NDArray[np.int64]
    golden_id: NDArray[np.int64]

    def faults(self, broken: Mapping[int, str], rows: NDArray[np.int64]) -> list[str]:
        """What is wrong with the pictures of each of these rows, "" for nothing; `broken` tells it by picture."""
        if not broken:
            return [""] * len(rows)
        needed = np.concatenate([self.sample[rows], self.golden[rows]], axis=1)
        texts = [""] * len(rows)
        for i in np.flatnonzero(np.isin(needed, list(broken)).any(axis=1)):
            texts[i] = "; ".join(dict.fromkeys(broken[n] for n in needed[i].tolist() if n in broken))
        return texts

    def whole(self, broken: Mapping[int, str], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool [len(rows)]: which of these rows have no broken picture."""
        return np.array([not text for text in self.faults(broken, rows)], dtype=np.bool_)


def part_pictures(table: PairTable, layout: Layout) -> PartPictures:
    root, names = str(table.images_dir), table.cells["object_name"]
    numbers: dict[tuple[str, str], int] = {}
    parts = np.array(
        [
            [numbers.setdefault((folder, name), len(numbers)) for folder, name in zip(folders, names, strict=True)]
            for folders in (table.cells["input_path"], table.cells["golden_path"])
        ],
        dtype=np.int64,
    ).reshape(2, len(table))
    paths = [os.path.join(root, folder, name + suffix) for folder, name in numbers for suffix in layout.suffixes]
    lights = np.arange(len(layout.suffixes))
    of_part = parts[..., None] * len(layout.suffixes) + lights
    return PartPictures(paths, of_part[0], of_part[1], parts[1])


def evenly(count: int, wanted: int) -> NDArray[np.int64]:
    """At most `wanted` places of `count`, evenly spread, the first and the last among them: int64 [min(both)]."""
    return np.linspace(0, count - 1, min(count, wanted)).astype(np.int64)
