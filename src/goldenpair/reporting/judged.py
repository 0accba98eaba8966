"""What was decided of each part: by a policy, by the file's own verdicts, or by a cutoff chosen on the very data."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from goldenpair.errors import DataError
from goldenpair.metrics import Flag, above, cutoff_for_capture, short
from goldenpair.quality.scored import ScoredTable

VERDICTS = ("PASS", "REVIEW", "FAIL", "ERROR")
_PASS, _REVIEW, _FAIL, _ERROR = range(4)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, eq=False)
class Judged:
    """`verdict` is int8 [N], places in VERDICTS; `cutoff` float32 [N], what each score was compared with, NaN where
    nobody knows. `source` says in words where the verdicts are from."""

    verdict: NDArray[np.int8]
    cutoff: NDArray[np.float32]
    source: str
    optimistic: bool
    """Whether the cutoff was chosen on the very data that are reported."""

    @property
    def stopped(self) -> Flag:
        """bool [N]: REVIEW and FAIL."""
        return (self.verdict == _REVIEW) | (self.verdict == _FAIL)

    @property
    def one_cutoff(self) -> float | None:
        """The cutoff, if all parts have the same one."""
        known = np.unique(self.cutoff)  # NaN is one value
        return float(known[0]) if len(known) == 1 and np.isfinite(known[0]) else None

    def count(self, verdict: str) -> int:
        return int((self.verdict == VERDICTS.index(verdict)).sum())


def by_cutoff(table: ScoredTable, cutoff: float, source: str, optimistic: bool = False) -> Judged:
    """FAIL for every score that exceeds the cutoff."""
    verdict = np.where(above(table.score, cutoff), _FAIL, _PASS).astype(np.int8)
    verdict[~np.isfinite(table.score)] = _ERROR
    return Judged(verdict, np.full(len(table), cutoff, np.float32), source, optimistic)


def by_capture(table: ScoredTable, capture: float) -> Judged:
    """By the highest cutoff that captures this share of the table's own defects; DataError if it has none."""
    rows = table.measured
    cutoff = cutoff_for_capture(table.score[rows], table.is_defect[rows], capture)
    if cutoff is None:
        raise DataError(f"{table.source}: it has no defects to choose a cutoff by; give one with --cutoff or --policy")
    source = f"the highest that captures {capture:.4g} of the defects of this very table: chosen on what is reported"
    return by_cutoff(table, cutoff, source, optimistic=True)


def by_column(table: ScoredTable) -> Judged:
    """By the table's own column verdict; DataError for words that are none. A row without a score is ERROR.

    Where one cutoff explains the verdicts, it is the highest score that passed.
    """
    cells = table.cells["verdict"]
    known = {name: place for place, name in enumerate(VERDICTS)}
    strange = sorted(set(cells) - set(known))
    if strange:
        raise DataError(
            f"{table.source}: column verdict holds {', '.join(map(repr, strange[:5]))}, where {', '.join(VERDICTS)} are "
            "known; give --cutoff or --policy"
        )
    verdict = np.fromiter(map(known.__getitem__, cells), np.int8, len(cells))
    verdict[~np.isfinite(table.score)] = _ERROR
    passed, failed = table.score[verdict == _PASS], table.score[(verdict == _FAIL) | (verdict == _REVIEW)]
    highest = passed.max(initial=-np.inf)
    explains = len(passed) and highest < failed.min(initial=np.inf)
    cutoff = np.full(len(table), highest if explains else np.nan, np.float32)
    return Judged(verdict, cutoff, "the file's own column verdict", optimistic=False)


def kinds(table: ScoredTable, judged: Judged) -> list[str]:
    """What each verdict is to its label: error, unlabelled, escape, false call, captured or good."""
    names = np.array(["error", "unlabelled", "escape", "false call", "captured", "good"])
    stopped, defect = judged.stopped, table.is_defect
    which = np.where(defect, np.where(stopped, 4, 2), np.where(stopped, 3, 5))
    which = np.where(table.labelled, which, 1)
    which = np.where(judged.verdict == _ERROR, 0, which)
    return [str(one) for one in names[which]]


def write_scores(path: Path, table: ScoredTable, judged: Judged) -> None:
    """A line for each row in table order: row, part, board, label, score, verdict, kind.

    No cell begins as a spreadsheet's formula does: such a one gets an apostrophe before it.
    """
    boards = [_harmless(name) for name in table.boards]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("row", "part", "board", "label", "score", "verdict", "kind"))
        writer.writerows(
            zip(
                range(1, len(table) + 1),
                (_harmless(table.describe(row)) for row in range(len(table))),
                (boards[place] for place in table.board.tolist()),
                (_harmless(label) for label in table.label),
                _scores(table),
                (VERDICTS[place] for place in judged.verdict.tolist()),
                kinds(table, judged),
                strict=True,
            )
        )


def _scores(table: ScoredTable) -> Sequence[str]:
    return ["" if one != one else str(one) for one in table.score]


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def stated(judged: Judged) -> str:
    """The cutoff and where it is from, in one sentence."""
    one = judged.one_cutoff
    if one is None:
        return f"Verdicts are those of {judged.source}; no single cutoff explains them."
    return f"Cutoff {short(one)}: {judged.source}."
