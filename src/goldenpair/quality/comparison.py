"""Two models on the same parts: which of them is better, and whether that can be told from so many parts."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.table import read_blocks
from goldenpair.errors import DataError, InputError, TableError, first_few
from goldenpair.metrics import STOPPED, Flag, above, cutoff_for_capture, short
from goldenpair.quality.mcnemar import FEWEST, SURE, McNemar
from goldenpair.quality.paired_bootstrap import Difference, differences
from goldenpair.quality.parts import KEYS
from goldenpair.quality.policy import MARK_COLUMN, Policy
from goldenpair.quality.scored import ScoredTable, read_scored

KINDS = ("escape of B only", "escape of A only", "false call of B only", "false call of A only")
"""What a change of verdict is, the worst for B first."""


@dataclass(frozen=True)
class Change:
    """A part that only one of the two stopped; `kind` is one of KINDS. Scores are None for verdicts without one."""

    input_path: str
    object_name: str
    label: str
    kind: str
    score_a: float
    score_b: float
    stopped_a: bool
    stopped_b: bool


@dataclass(frozen=True)
class Unjudged:
    """Parts that one of two has judged, and the other one not: ERROR, no score, or not in its file."""

    defects: int
    good: int


@dataclass(frozen=True)
class Comparison:
    """What two files of scores say of the parts that both have measured."""

    source_a: str
    source_b: str
    parts: int
    only_in_a: int
    only_in_b: int
    not_measured: int
    """Parts of both files that have no label, or for which one of them has no score."""
    unjudged_a: Unjudged
    """What only B has judged."""
    unjudged_b: Unjudged
    boards: int
    board_source: str
    rule_a: str
    rule_b: str
    """What makes a verdict of each, in words."""
    defects: McNemar
    good: McNemar
    differences: tuple[Difference, ...]
    changes: tuple[Change, ...]

    @property
    def words(self) -> list[str]:
        """What may be said of B against A."""
        return [
            _said(self.good, "B makes", "false call", self.good.only_b - self.good.only_a, self._missing),
            _said(self.defects, "B lets", "escape", self.defects.only_a - self.defects.only_b, self._missing),
            *_said_unjudged("A", "B", self.unjudged_a),
            *_said_unjudged("B", "A", self.unjudged_b),
        ]

    @property
    def _missing(self) -> bool:
        return any((*asdict(self.unjudged_a).values(), *asdict(self.unjudged_b).values()))

    def as_dict(self) -> dict[str, Any]:
        given = asdict(replace(self, changes=()))
        return {
            **given,
            "differences": [{**asdict(one), "difference": one.difference} for one in self.differences],
            "changes": {kind: sum(one.kind == kind for one in self.changes) for kind in KINDS},
            "words": self.words,
        }


def read_both(
    path_a: str | Path,
    path_b: str | Path,
    *,
    labels: str | Path | None = None,
    score_column: str | None = None,
    label_column: str = "label",
    board_column: str | None = None,
) -> tuple[ScoredTable, ScoredTable]:
    """As `read_scored`, where a file without labels takes those of the other one."""

    def read(path: str | Path, other: str | Path) -> ScoredTable:
        borrowed = other if label_column not in _header(path) and label_column in _header(other) else None
        return read_scored(
            path,
            labels=labels or borrowed,
            score_column=score_column,
            label_column=label_column,
            board_column=board_column,
        )

    return read(path_a, path_b), read(path_b, path_a)


def _header(path: str | Path) -> Iterable[str]:
    return next(read_blocks(path, Path(path).parent, 1, of_pairs=False)).cells


def compare(
    a: ScoredTable,
    b: ScoredTable,
    *,
    cutoff_a: float | None = None,
    cutoff_b: float | None = None,
    capture: float = 1.0,
    seed: int = 0,
) -> Comparison:
    """Compare two tables on the parts of both, found by input_path and object_name.

    Verdicts are those of the cutoffs, else of the columns `verdict`, else of each one's own cutoff for `capture`. A
    part without a label in one table has that of the other.
    Raises DataError where no part is in both, where labels contradict each other, or where parts stand there twice.
    """
    if not 0 < capture <= 1:
        raise InputError(f"capture {capture:g}: expected a share above 0 and at most 1")
    rows_a, rows_b = _common(a, b)
    _refuse_contradictions(a, b, rows_a, rows_b)
    common = len(rows_a)
    unjudged = _unjudged(a, b, rows_a, rows_b), _unjudged(b, a, rows_b, rows_a)
    labelled = a.labelled[rows_a] | b.labelled[rows_b]
    told = labelled & np.isfinite(a.score[rows_a]) & np.isfinite(b.score[rows_b])
    rows_a, rows_b = rows_a[told], rows_b[told]
    if not len(rows_a):
        raise DataError(f"{a.source} and {b.source}: {common} parts in both, none with a label and a score in each")
    is_defect, board = a.is_defect[rows_a] | b.is_defect[rows_b], a.board[rows_a]
    stopped_a, rule_a = _verdicts(a, rows_a, is_defect, _cutoff(cutoff_a, "--cutoff-a"), capture)
    stopped_b, rule_b = _verdicts(b, rows_b, is_defect, _cutoff(cutoff_b, "--cutoff-b"), capture)
    return Comparison(
        source_a=a.source,
        source_b=b.source,
        parts=len(rows_a),
        only_in_a=len(a) - common,
        only_in_b=len(b) - common,
        not_measured=common - len(rows_a),
        unjudged_a=unjudged[0],
        unjudged_b=unjudged[1],
        boards=len(np.unique(board)),
        board_source=a.board_source,
        rule_a=rule_a,
        rule_b=rule_b,
        defects=McNemar.of(stopped_a[is_defect], stopped_b[is_defect], board[is_defect], seed),
        good=McNemar.of(stopped_a[~is_defect], stopped_b[~is_defect], board[~is_defect], seed),
        differences=differences(a.score[rows_a], b.score[rows_b], is_defect, board, capture, seed),
        changes=tuple(_changes(a, b, rows_a, rows_b, stopped_a, stopped_b)),
    )


def _cutoff(given: float | None, option: str) -> float | None:
    """Refused by InputError where no score can exceed it, as nan."""
    return None if given is None else Policy.of_cutoff(given, option).band.review


def _unjudged(one: ScoredTable, other: ScoredTable, rows: NDArray[np.int64], others: NDArray[np.int64]) -> Unjudged:
    """What only the other one has judged; `rows` and `others` are those of the parts of both."""
    judged, is_defect, labelled = np.isfinite(other.score), other.is_defect.copy(), other.labelled.copy()
    judged[others[np.isfinite(one.score[rows])]] = False
    is_defect[others] |= one.is_defect[rows]
    labelled[others] |= one.labelled[rows]
    return Unjudged(int((judged & is_defect).sum()), int((judged & labelled & ~is_defect).sum()))


def _common(a: ScoredTable, b: ScoredTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of both tables that are the same part, in the order of `a`."""
    known_a, known_b = _rows_by_part(a), _rows_by_part(b)
    pairs = [(row, known_b[part]) for part, row in known_a.items() if part in known_b]
    if not pairs:
        raise DataError(
            f"{a.source} and {b.source} have no part in common, by {' and '.join(KEYS)}; "
            f"the first of each: {a.describe(0)} and {b.describe(0)}"
        )
    rows = np.array(pairs, np.int64)
    return rows[:, 0], rows[:, 1]


def _rows_by_part(table: ScoredTable) -> dict[tuple[str, str], int]:
    if absent := [name for name in KEYS if name not in table.cells]:
        raise TableError(table.source, [f"parts are found by {' and '.join(KEYS)}; it has no {', '.join(absent)}"])
    found: dict[tuple[str, str], int] = {}
    again = []
    for row, (path, name) in enumerate(zip(*(table.cells[name] for name in KEYS), strict=True)):
        if found.setdefault((path, name), row) != row:
            again.append(row)
    if again:
        told = ", ".join(first_few([table.describe(row) for row in again], 3))
        raise TableError(table.source, [f"{len(again)} rows are of parts that stand there before: {told}"])
    return found


def _refuse_contradictions(
    a: ScoredTable, b: ScoredTable, rows_a: NDArray[np.int64], rows_b: NDArray[np.int64]
) -> None:
    differing = (a.is_defect[rows_a] != b.is_defect[rows_b]) & a.labelled[rows_a] & b.labelled[rows_b]
    if not differing.any():
        return
    lines = [
        f"{a.describe(i)}: {a.label[i]} and {b.label[j]}"
        for i, j in zip(rows_a[differing].tolist(), rows_b[differing].tolist(), strict=True)
    ]
    told = "\n  ".join(first_few(lines))
    raise DataError(
        f"{a.source} and {b.source}: {len(lines)} parts are good in one and defects in the other; see which is right "
        f"and give it as --labels CSV\n  {told}"
    )


def _verdicts(
    table: ScoredTable, rows: NDArray[np.int64], is_defect: Flag, cutoff: float | None, capture: float
) -> tuple[Flag, str]:
    """bool [len(rows)], True for what is stopped, and by which rule."""
    score = table.score[rows]
    if cutoff is not None:
        return above(score, cutoff), f"cutoff {cutoff:g}"
    if "verdict" in table.cells:
        words = [table.cells["verdict"][row] for row in rows.tolist()]
        if strange := set(words) - STOPPED.keys():
            told = ", ".join(map(repr, first_few(sorted(strange), 5)))
            raise TableError(table.source, [f"column verdict holds {told}; expected {', '.join(STOPPED)} or ERROR"])
        marks = (
            dict.fromkeys(table.cells[MARK_COLUMN][row] for row in rows.tolist()) if MARK_COLUMN in table.cells else ()
        )
        rule = "; ".join(["column verdict", *filter(None, marks)])
        return np.array([STOPPED[word] for word in words], np.bool_), rule
    found = cutoff_for_capture(score, is_defect, capture)
    if found is None:
        raise DataError(
            f"{table.source}: no column verdict and no defect to choose a cutoff by; give --cutoff-a and --cutoff-b"
        )
    return above(
        score, found
    ), f"cutoff {short(found)}, chosen on these parts for {100 * capture:.4g} % capture: optimistic"


def _changes(
    a: ScoredTable,
    b: ScoredTable,
    rows_a: NDArray[np.int64],
    rows_b: NDArray[np.int64],
    stopped_a: Flag,
    stopped_b: Flag,
) -> Iterator[Change]:
    """By kind, and by how far the scores of A lie apart from those of B within each."""
    places = np.flatnonzero(stopped_a != stopped_b)
    bad = a.is_defect[rows_a[places]] | b.is_defect[rows_b[places]]
    kind = np.where(bad, np.where(stopped_a[places], 0, 1), np.where(stopped_b[places], 2, 3))
    apart = np.abs(b.score[rows_b[places]] - a.score[rows_a[places]])
    for i in np.lexsort((-apart, kind)).tolist():
        place = int(places[i])
        row = int(rows_a[place])
        yield Change(
            input_path=a.cells["input_path"][row],
            object_name=a.cells["object_name"][row],
            label=a.label[row] or b.label[rows_b[place]],
            kind=KINDS[int(kind[i])],
            score_a=float(a.score[row]),
            score_b=float(b.score[rows_b[place]]),
            stopped_a=bool(stopped_a[place]),
            stopped_b=bool(stopped_b[place]),
        )


def _said(test: McNemar, verb: str, noun: str, more: int, some_unjudged: bool) -> str:
    differing = test.only_a + test.only_b
    through = " through" if noun == "escape" else ""
    if not test.parts:
        return f"There are no {'defects' if noun == 'escape' else 'good parts'}: nothing can be said of {noun}s."
    if not differing:
        same = "B captures the same defects as A." if noun == "escape" else "B makes the same false calls as A."
        return f"Of the parts that both have judged, {same}" if some_unjudged else same
    if not more:
        return f"{verb} as many {noun}s{through} as A, on other parts ({test.only_a} and {test.only_b})."
    count = f"{verb} {abs(more)} {'more' if more > 0 else 'fewer'} {noun}{'s' if abs(more) > 1 else ''}{through} than A"
    chances = f"(p = {shown_p(test.p)}, by board {shown_p(test.p_boards)})"
    if test.proven:
        return f"{count} {chances}."
    for found, of in ((differing, "part"), (test.boards, "board")):
        if found < FEWEST:
            are = f"{found} {of}s on which they differ are" if found > 1 else f"1 {of} on which they differ is"
            return f"{count}: not provable, {are} too few {chances}."
    chance = "boards whose parts are alike may differ so much by chance" if test.p < SURE else "it may be chance"
    return f"{count}: not provable, {chance} {chances}."


def _said_unjudged(name: str, other: str, unjudged: Unjudged) -> list[str]:
    kinds = ((unjudged.defects, "defect"), (unjudged.good, "good part"))
    told = " and ".join(f"{count:,} {noun}{'s' if count > 1 else ''}" for count, noun in kinds if count)
    if not told:
        return []
    return [f"{name} has no verdict (ERROR, no score or no row) for {told} that {other} has judged: they are left out."]


def shown_p(p: float) -> str:
    return "below 0.0001" if p < 0.0001 else f"{p:.2g}"
