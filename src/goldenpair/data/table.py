"""Tables of pairs and the rule that leads from a row to its pictures, as TAO has them.

Row i of a table stays row i everywhere, from reading to writing.
"""

import csv
import os
import sys
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.goldens import drawn_choice, fixed_choice, golden_folder, listed
from goldenpair.errors import TableError
from goldenpair.specs.common import Dataset

PASS = "PASS"
PATH_COLUMNS = ("input_path", "golden_path", "object_name")
SYNTHETIC = "synthetic"
"""The column that says of a row which defect was made of a good part; empty for real ones. Read in any case of its
letters, as a spreadsheet may write `Synthetic`: a mark that is overlooked would let made defects be measured by."""
_WANTED = "input_path, golden_path, label, object_name"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_AT_ONCE = 4096
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def harmless(cell: str) -> str:
    """A cell for a table that people open in a spreadsheet: what begins as a formula gets an apostrophe before it."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


@dataclass(frozen=True)
class Layout:
    """How the pictures of one part are named, sized and joined.

    `lights` are the file suffixes in joining order, empty for one picture without a suffix. Each picture is
    `height` x `width`; they are joined row by row into `rows` x `columns` of them. With more than one of `goldens`
    a sample is compared with so many, and golden_path is a folder of any number of them.
    """

    lights: tuple[str, ...]
    height: int
    width: int
    rows: int
    columns: int
    extension: str
    goldens: int = 1

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
            goldens=dataset.goldens,
        )

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What follows the object name in the file names, one for each light."""
        return tuple(f"_{light}{self.extension}" for light in self.lights) or (self.extension,)

    @property
    def golden_axis(self) -> tuple[int, ...]:
        """The axis that goldens have in a tensor after that of the pairs: none where a sample has one golden."""
        return (self.goldens,) if self.goldens > 1 else ()

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

    @property
    def synthetic(self) -> list[int]:
        """The rows whose defects were made, and are none that a line has had."""
        return [row for row, kinds in enumerate(zip(*self.marks, strict=True)) if any(kind.strip() for kind in kinds)]

    @property
    def marks(self) -> list[list[str]]:
        """The cells of SYNTHETIC; of several columns where headers differ by case only."""
        return [cells for column, cells in self.cells.items() if column.casefold() == SYNTHETIC]

    def refusal(self) -> list[str]:
        """What a reader says who measures by this table, where it has rows that nothing may be measured by."""
        if not (rows := self.synthetic):
            return []
        named = self.describe(rows[0]) if not self.absent(PATH_COLUMNS) else f"line {self.line(rows[0])}"
        many = f"{len(rows):,} rows are" if len(rows) > 1 else "1 row is"
        return [
            f"{many} synthetic defects by the column {SYNTHETIC!r}, such as {named}: they are for training only, and "
            "figures on them say nothing about real ones; remove these rows"
        ]

    def row(self, index: int) -> dict[str, str]:
        return {column: values[index] for column, values in self.cells.items()}

    def describe(self, index: int) -> str:
        """A row's place in words, for messages."""
        cells = self.cells
        return f"line {self.line(index)}: {cells['object_name'][index]} in {cells['input_path'][index] or '.'}"


def read_table(csv_path: str | Path, images_dir: str | Path, of_pairs: bool = True) -> PairTable:
    """Read a CSV with a header row. What its cells say is checked by the audit, not here.

    A table that is not `of_pairs` may have any columns. Raises TableError with everything that is wrong with a file
    that is missing, empty or not text, that has no header, or whose rows do not have the header's length.
    """
    (table,) = read_blocks(csv_path, images_dir, sys.maxsize, of_pairs)
    return table


def read_blocks(csv_path: str | Path, images_dir: str | Path, rows: int, of_pairs: bool = True) -> Iterator[PairTable]:
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
                    block = _Block([name.strip() for name in row], of_pairs)
                    continue
                if len(block.lines) == rows:
                    yield block.table(path, folder)
                    block = _Block(block.header, of_pairs)
                block.add(read, row)
    except FileNotFoundError:
        raise TableError(path, [f"there is no such file (looked in {Path.cwd()})"]) from None
    except UnicodeDecodeError:
        raise TableError(path, [where_no_text(path)]) from None
    except csv.Error as error:
        said = f"line {read + 1}: cannot be read as CSV: {error}"
        raise TableError(path, [*_header_problems(block.header if block else [], of_pairs), said]) from None
    except OSError as error:
        raise TableError(path, [f"cannot be read: {error}"]) from None
    if block is None:
        expected = f" with {_WANTED}" if of_pairs else ""
        raise TableError(path, [f"it is empty; expected a header row{expected}"])
    yield block.table(path, folder, _nul_problems(path))


class _Block:
    """Rows as they are read, column by column."""

    def __init__(self, header: list[str], of_pairs: bool):
        self.header = header
        self._of_pairs = of_pairs
        self.lines = array("q")
        self._columns: list[list[str]] = [[] for _ in header]
        self._known: dict[str, str] = {}  # a text that stands in a million cells is kept once
        self._waiting: list[list[str]] = []  # many rows at once become columns faster than one
        self._uneven = _Uneven()

    def add(self, line: int, row: list[str]) -> None:
        if len(row) != len(self.header):
            self._uneven.add(line, row)
            return
        self.lines.append(line)
        self._waiting.append(row)
        if len(self._waiting) == _AT_ONCE:
            self._move()

    def _move(self) -> None:
        columns = zip(*self._waiting, strict=True)
        for column, cells in zip(self._columns, columns, strict=False):  # of no rows there are no columns
            column.extend(map(self._known.setdefault, cells, cells))
        self._waiting.clear()

    def table(self, path: Path, images_dir: Path, problems: Sequence[str] = ()) -> PairTable:
        found = [*_header_problems(self.header, self._of_pairs), *self._uneven.problems(len(self.header)), *problems]
        if found:
            raise TableError(path, found)
        self._move()
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


def _header_problems(header: list[str], of_pairs: bool) -> list[str]:
    problems = []
    text = ",".join(header)
    separator = next((name for sign, name in _SEPARATORS.items() if sign in text), None)
    if separator and len(header) == 1 and not of_pairs:
        problems.append(f"its cells are separated by {separator}; save it as a CSV file with commas")
    elif of_pairs and header and not set(header) & {*PATH_COLUMNS, "label"}:
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


Draw = tuple[int, int]
"""Seed and epoch, which say what goldens a row is trained with."""


@dataclass(frozen=True)
class PartPictures:
    """Which pictures the rows of a table need, each named once.

    `paths` are the distinct files. `sample` is int64 [N, L] of indices into them. `golden_id` is int64 [N], equal for
    rows that share a golden, or a folder of goldens. `chosen` are the goldens of each id outside of training, int64
    [ids, G, L]; where G is more than 1, `pools` are those that training draws from, int64 [any number, L] each.
    """

    paths: list[str]
    sample: NDArray[np.int64]
    golden_id: NDArray[np.int64]
    chosen: NDArray[np.int64]
    pools: Sequence[NDArray[np.int64]] = ()

    def golden(self, rows: NDArray[np.int64], draw: Draw | None = None) -> NDArray[np.int64]:
        """The goldens of these rows: int64 [n, L], or [n, G, L] where there are several; in training by a `draw`."""
        ids, several = self.golden_id[rows], self.chosen.shape[1]
        if draw is None or not self.pools:
            found: NDArray[np.int64] = self.chosen[ids]
        else:
            # one more than the row: a zero at the end would not tell it from the draw of the rows
            seeds = [(*draw, row + 1) for row in rows.tolist()]
            drawn = [drawn_choice(self.pools[one], several, seed) for one, seed in zip(ids, seeds, strict=True)]
            found = np.array(drawn, np.int64).reshape(len(rows), *self.chosen.shape[1:])
        return found[:, 0] if several == 1 else found

    def faults(self, broken: Mapping[int, str], rows: NDArray[np.int64], draw: Draw | None = None) -> list[str]:
        """What is wrong with the pictures of each of these rows, "" for nothing; `broken` tells it by picture."""
        if not broken:
            return [""] * len(rows)
        golden = self.golden(rows, draw).reshape(len(rows), -1)
        needed = np.concatenate([self.sample[rows], golden], axis=1)
        texts = [""] * len(rows)
        for i in np.flatnonzero(np.isin(needed, list(broken)).any(axis=1)):
            texts[i] = "; ".join(dict.fromkeys(broken[n] for n in needed[i].tolist() if n in broken))
        return texts

    def whole(self, broken: Mapping[int, str], rows: NDArray[np.int64], draw: Draw | None = None) -> NDArray[np.bool_]:
        """bool [len(rows)]: which of these rows have no broken picture."""
        return np.array([not text for text in self.faults(broken, rows, draw)], dtype=np.bool_)

    def plan(self) -> dict[str, int]:
        """What the batches of training depend on where goldens are drawn."""
        if not self.pools:
            return {}
        names = [os.path.basename(self.paths[first]) for pool in self.pools for first in pool[:, 0]]
        sizes = [len(pool) for pool in self.pools]
        return {
            "num_golden": self.chosen.shape[1],
            "checksum of the goldens": zlib.crc32(repr((sizes, names)).encode("utf-8", "surrogatepass")),
        }

    def without(self, broken: Mapping[int, str]) -> "PartPictures":
        """The same without the goldens of folders that are known to be broken, but where a folder has no other."""
        if not broken or not self.pools:
            return self
        bad = [np.isin(pool, list(broken)).any(axis=1) for pool in self.pools]
        pools = [pool if lost.all() else pool[~lost] for pool, lost in zip(self.pools, bad, strict=True)]
        chosen = np.stack([fixed_choice(pool, self.chosen.shape[1]) for pool in pools])
        return replace(self, chosen=chosen, pools=pools)


def part_pictures(table: PairTable, layout: Layout) -> PartPictures:
    """The pictures of a table's rows. A folder of goldens is listed once, however many rows lead to it."""
    root, suffixes = str(table.images_dir), layout.suffixes
    numbers: dict[tuple[str, str], int] = {}

    def numbered(folders: Iterable[str], names: Iterable[str]) -> NDArray[np.int64]:
        pairs = zip(folders, names, strict=True)
        return np.array([numbers.setdefault(pair, len(numbers)) for pair in pairs], np.int64)

    cells, names = table.cells["golden_path"], table.cells["object_name"]
    sample = numbered(table.cells["input_path"], names)
    folders = {folder: place for place, folder in enumerate(dict.fromkeys(cells))} if layout.goldens > 1 else {}
    pools = []
    for folder in folders:
        found = golden_folder(listed(os.path.join(root, folder)), suffixes, layout.extension).names
        found = found or ["*"]  # a file that there is not, whose rows are told so
        pools.append(numbered([folder] * len(found), found))
    golden_id = np.array([folders[cell] for cell in cells], np.int64) if folders else numbered(cells, names)
    paths = [os.path.join(root, folder, name + suffix) for folder, name in numbers for suffix in suffixes]
    of_part = np.arange(len(paths), dtype=np.int64).reshape(-1, len(suffixes))
    if not folders:
        return PartPictures(paths, of_part[sample], golden_id, of_part[:, None])
    chosen = np.stack([of_part[fixed_choice(pool, layout.goldens)] for pool in pools])
    return PartPictures(paths, of_part[sample], golden_id, chosen, [of_part[pool] for pool in pools])
