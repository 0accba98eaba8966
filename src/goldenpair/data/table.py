"""Tables of pairs and the rule that leads from a row to its pictures, as TAO has them.

Row i of a table stays row i everywhere, from reading to writing.
"""

import csv
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from goldenpair.errors import DataError
from goldenpair.specs.common import Dataset

PASS = "PASS"
PATH_COLUMNS = ("input_path", "golden_path", "object_name")


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
        lights = tuple(dataset.input_map or {})
        count = len(lights) or 1
        grid = dataset.grid_map if dataset.concat_type == "grid" else None
        return cls(
            lights=lights,
            height=dataset.image_height,
            width=dataset.image_width,
            rows=grid.y if grid else count,
            columns=grid.x if grid else 1,
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
    lines: tuple[int, ...] = ()
    """Where in the file each row ends; counted from the header on where it is not known."""

    def line(self, index: int) -> int:
        return self.lines[index] if self.lines else index + 2

    def __len__(self) -> int:
        return len(next(iter(self.cells.values()), []))

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.cells)

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

    Raises DataError for a file that is missing, empty, not text, or whose rows do not have the header's length.
    """
    path = Path(csv_path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            numbered = [(reader.line_num, row) for row in reader if row]
            lines, rows = [line for line, _ in numbered], [row for _, row in numbered]
    except FileNotFoundError:
        raise DataError(f"table {path}: there is no such file (looked in {Path.cwd()})") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"table {path}: cannot be read as a CSV file in UTF-8: {error}") from None
    if not rows:
        raise DataError(f"table {path}: it is empty; expected a header row with {', '.join(PATH_COLUMNS)}, label")
    header = [name.strip() for name in rows[0]]
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise DataError(f"table {path}: column {twice[0]!r} stands there twice")
    uneven = [i for i, row in enumerate(rows) if len(row) != len(header)]
    if uneven:
        first = uneven[0]
        raise DataError(
            f"table {path}: {len(uneven)} rows do not have the header's {len(header)} cells; "
            f"the first is line {lines[first]} with {len(rows[first])}: {','.join(rows[first])[:120]}"
        )
    columns = zip(*rows[1:], strict=True) if len(rows) > 1 else ([] for _ in header)
    cells = {name: list(column) for name, column in zip(header, columns, strict=True)}
    return PairTable(str(path), Path(images_dir), cells, tuple(lines[1:]))


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
