"""Parts with labels and scores, from a file that anybody's model has written."""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.boards import boards_of
from goldenpair.data.table import PASS, PairTable, read_table
from goldenpair.errors import DataError, TableError
from goldenpair.quality.parts import KEYS

SCORE_COLUMNS = ("siamese_score", "output_score")
_SCORES_CSV = "score"  # as the file scores.csv of a report has it


@dataclass(frozen=True)
class ScoredTable:
    """A table with a score for each of its N rows.

    `score` is float32 [N], NaN for a row without one; `is_defect` bool [N], True where a label is there and is not
    PASS; `labelled` bool [N]. `board` is int64 [N], each row's place in `boards`. `sha256` is that of the file, "" for
    scores that were never in one.
    """

    source: str
    cells: Mapping[str, Sequence[str]]
    label: Sequence[str]
    score: NDArray[np.float32]
    is_defect: NDArray[np.bool_]
    labelled: NDArray[np.bool_]
    board: NDArray[np.int64]
    boards: tuple[str, ...]
    board_source: str
    """Where the boards are from, in words."""
    score_column: str
    sha256: str = ""
    notes: tuple[str, ...] = ()
    """What must be known of labels and scores with each figure."""

    def __len__(self) -> int:
        return len(self.score)

    @property
    def measured(self) -> NDArray[np.bool_]:
        """bool [N]: rows with a label and a score. The others are counted, and never taken for PASS."""
        return self.labelled & np.isfinite(self.score)

    def describe(self, row: int) -> str:
        """A row's place in words, from whatever of its path and name the table has."""
        there = [self.cells[name][row] for name in KEYS if name in self.cells]
        return "/".join(there) or f"row {row + 1}"


def read_scored(
    csv_path: str | Path,
    *,
    labels: str | Path | None = None,
    score_column: str | None = None,
    label_column: str = "label",
    board_column: str | None = None,
) -> ScoredTable:
    """Read a CSV with a score column: `score_column`, else one of SCORE_COLUMNS.

    `labels` is another table with input_path, object_name and `label_column`, whose labels replace those of this one.
    Boards are those of `board_column`, else those of `boards_of`. An empty
    score, one that is no finite number, and that of a row whose verdict is ERROR, is none. Raises TableError with all
    that is wrong, such as a part that stands in two rows: figures take each row for a part of its own.
    """
    path = Path(csv_path)
    table = read_table(path, path.parent, of_pairs=False)
    given = dict(table.cells)
    problems = table.refusal()
    name = score_column or next((one for one in (*SCORE_COLUMNS, _SCORES_CSV) if one in given), None)
    if name is None or name not in given:
        wanted = f"no column {score_column!r}" if score_column else f"none of the columns {', '.join(SCORE_COLUMNS)}"
        problems.append(f"it has {wanted}, but {', '.join(given)}; name its score column with --score")
    if board_column and board_column not in given:
        problems.append(f"it has no column {board_column!r} for the boards, but {', '.join(given)}")
    if labels is None and label_column not in given:
        problems.append(f"it has no column {label_column!r}; name its label column with --label, or give --labels CSV")
    if not len(table):
        problems.append("it has no rows below the header")
    if told := _repeated(given):
        problems.append(told)
    if problems:
        raise TableError(path, problems)
    if labels is not None:
        given[label_column] = _labels_of(table, Path(labels), label_column)
    assert name is not None
    exact = _exact(given[name], path, name, table.lines)
    score = _single(exact)
    if "verdict" in given:
        score[np.array([cell == "ERROR" for cell in given["verdict"]], np.bool_)] = np.nan
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return with_scores(str(path), given, score, label_column, name, board_column, digest, _lost_digits(exact))


def with_scores(
    source: str,
    cells: Mapping[str, Sequence[str]],
    score: NDArray[np.float32],
    label_column: str = "label",
    score_column: str = SCORE_COLUMNS[0],
    board_column: str | None = None,
    sha256: str = "",
    notes: Sequence[str] = (),
) -> ScoredTable:
    """The columns of a table with a score, float32 [N], for each row; `notes` are what is known of the scores."""
    label = cells[label_column]
    labelled = np.array([bool(cell.strip()) for cell in label], np.bool_)
    is_defect = np.array([cell != PASS for cell in label], np.bool_) & labelled
    names, told = _boards(cells, len(label), board_column)
    # by name, so that the order of the rows changes nothing that is drawn by board
    places = {one: place for place, one in enumerate(sorted(set(names)))}
    board = np.array([places[one] for one in names], np.int64)
    notes = (*notes, *_odd_labels(label))
    return ScoredTable(
        source, cells, label, score, is_defect, labelled, board, tuple(places), told, score_column, sha256, notes
    )


def _boards(cells: Mapping[str, Sequence[str]], rows: int, column: str | None) -> tuple[Sequence[str], str]:
    """The board of each row, "" for all where none is known, and where they are from.

    A part without one is taken for one of a board of its own: joined they would be one huge board that is none.
    """
    names, told = boards_of(cells, column)
    if names is None or not any(map(str.strip, names)):
        return [""] * rows, told if names is None else f"{told}, which is empty"
    if unknown := sum(not name.strip() for name in names):
        names = [name if name.strip() else f"(none, row {row})" for row, name in enumerate(names, 1)]
        told += f"; {unknown:,} of {rows:,} parts have none there, and each counts as a board of its own"
    return names, told


def numbers(cells: Sequence[str], path: Path, name: str, lines: Sequence[int] = ()) -> NDArray[np.float32]:
    """float32 [N], NaN for cells without a finite number; a word in the place of a number is a mistake."""
    return _single(_exact(cells, path, name, lines))


def _single(exact: NDArray[np.float64]) -> NDArray[np.float32]:
    """float32 [N], NaN for what is too large for it."""
    with np.errstate(over="ignore"):
        found = exact.astype(np.float32)
    found[~np.isfinite(found)] = np.nan
    return found


def _lost_digits(exact: NDArray[np.float64]) -> list[str]:
    """What becomes of scores when they are compared as float32, as networks give them."""
    told = []
    finite, single = np.isfinite(exact), np.isfinite(_single(exact))
    if large := int((finite & ~single).sum()):
        told.append(f"{large:,} scores are too large for float32 (3.4e38 at most) and count as ERROR.")
    values = np.unique(exact[single])
    if tied := len(values) - len(np.unique(values.astype(np.float32))):
        told.append(
            f"Scores are compared as float32, in about 7 digits: {tied:,} of {len(values):,} different scores are the "
            "same as another one by that."
        )
    return told


def _odd_labels(label: Sequence[str]) -> list[str]:
    """Whether good parts may be written in another way than as PASS."""
    counts = Counter(label)
    there = {name: count for name, count in counts.items() if name.strip()}
    near = {name: count for name, count in there.items() if name != PASS and name.strip().casefold() == PASS.casefold()}
    if near:
        named = ", ".join(f"{name!r} ({count:,})" for name, count in near.items())
        return [f"Only the label {PASS!r} is a good part: {named} count as defects. Write {PASS} if they are good."]
    if there and PASS not in there:
        named = ", ".join(f"{name!r} ({count:,})" for name, count in Counter(there).most_common(5))
        return [f"No label is {PASS!r}, so every part counts as a defect: {named}. Write {PASS} for good parts."]
    return []


def _repeated(cells: Mapping[str, Sequence[str]]) -> str:
    """How many rows are of a part that stands above them already, in words; "" for none."""
    if any(name not in cells for name in KEYS):
        return ""
    parts = list(zip(*(cells[name] for name in KEYS), strict=True))
    if not (again := len(parts) - len(set(parts))):
        return ""
    several = [f"{'/'.join(part)} ({count} times)" for part, count in Counter(parts).most_common(3)]
    more = f"{again} row repeats" if again == 1 else f"{again:,} rows repeat"
    return (
        f"{more} a part that it has already, by {' and '.join(KEYS)}: {', '.join(several)}. A part that counts twice "
        "proves more than it can; keep one row of each (`goldenpair gauge` is for repeated pictures of the same parts)"
    )


def _exact(cells: Sequence[str], path: Path, name: str, lines: Sequence[int]) -> NDArray[np.float64]:
    """float64 [N], NaN for empty cells; raises as `numbers`."""
    found = np.empty(len(cells), np.float64)
    wrong: list[str] = []
    for row, cell in enumerate(cells):
        try:
            found[row] = _number(cell)
        except ValueError:
            wrong.append(f"line {lines[row] if len(lines) else row + 2}: {cell[:40]!r}")
    if wrong:
        more = f" and {len(wrong) - 10} more" if len(wrong) > 10 else ""
        comma = any("," in one for one in wrong)
        advice = "; numbers have a point, not a comma, such as 0.5" if comma else ""
        raise TableError(path, [f"column {name!r} holds what is no number: {'; '.join(wrong[:10])}{more}{advice}"])
    return found


def _number(cell: str) -> float:
    """NaN for an empty cell. float() alone would take 1_000 and the digits of other scripts for numbers too."""
    if not cell.strip():
        return math.nan
    if not cell.isascii() or "_" in cell:
        raise ValueError(cell)
    return float(cell)


def _labels_of(table: PairTable, path: Path, column: str) -> list[str]:
    """The labels of another table by input_path and object_name, "" where it has none."""
    other = read_table(path, path.parent, of_pairs=False)
    problems = [f"it has no column {name!r}" for name in other.absent([*KEYS, column])] + other.refusal()
    if absent := table.absent(KEYS):
        problems.append(f"labels are found by {' and '.join(KEYS)}, and {table.source} has no {', '.join(absent)}")
    if problems:
        raise TableError(path, problems)
    known: dict[tuple[str, str], str] = {}
    twice = []
    for key, label in zip(zip(*(other.cells[name] for name in KEYS), strict=True), other.cells[column], strict=True):
        pair = (key[0], key[1])
        if known.setdefault(pair, label) != label:
            twice.append(f"{'/'.join(pair)}: {known[pair]} and {label}")
    if twice:
        raise TableError(path, [f"{len(twice)} parts have two different labels; the first: {twice[0]}"])
    pairs = zip(*(table.cells[name] for name in KEYS), strict=True)
    found = [known.get((pair[0], pair[1]), "") for pair in pairs]
    if not any(found):
        raise DataError(f"labels {path}: none of its parts is in {table.source}; both need the same input_path")
    return found
