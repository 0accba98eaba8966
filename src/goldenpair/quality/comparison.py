"""Two models on the same parts: which of them is better, and whether that can be told from so many parts."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldenpair.errors import DataError, InputError, TableError, first_few
from goldenpair.metrics import Flag, above, cutoff_for_capture, false_alarm_rate, ranking, short
from goldenpair.quality.scored import ScoredTable

DRAWS = 1000
SURE = 0.05
_FEWEST = 6  # discordant parts below which no exact test comes below SURE: 2 * 0.5 ** 5 is 0.0625
_KEYS = ("input_path", "object_name")
_STOPPED = {"PASS": False, "REVIEW": True, "FAIL": True}
KINDS = ("escape of B only", "escape of A only", "false call of B only", "false call of A only")
"""What a change of verdict is, the worst for B first."""


@dataclass(frozen=True)
class McNemar:
    """Parts of one kind by which of two models stopped them, and McNemar's exact test of `only_a` against `only_b`."""

    both: int
    only_a: int
    only_b: int
    neither: int
    p: float
    """Two-sided: how likely a difference of this size is between two models that are equally good."""

    @classmethod
    def of(cls, a: Flag, b: Flag) -> "McNemar":
        from scipy.stats import binomtest  # slow to import, and not needed before there is something to measure

        only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
        differing = only_a + only_b
        p = float(binomtest(only_a, differing, 0.5).pvalue) if differing else 1.0
        return cls(int((a & b).sum()), only_a, only_b, int((~a & ~b).sum()), p)


@dataclass(frozen=True)
class Difference:
    """A figure of A and of B, and B - A with its 95 % interval of a bootstrap in which whole boards are drawn.

    `low` and `high` are None for fewer than two boards; all are None where a class is empty.
    """

    name: str
    a: float | None
    b: float | None
    low: float | None
    high: float | None

    @property
    def difference(self) -> float | None:
        return None if self.a is None or self.b is None else self.b - self.a


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
class Comparison:
    """What two files of scores say of the parts that both have measured."""

    source_a: str
    source_b: str
    parts: int
    only_in_a: int
    only_in_b: int
    not_measured: int
    """Parts of both files that one of them has no label or no score for."""
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
            _said(self.good, "B makes", "false call", self.good.only_b - self.good.only_a),
            _said(self.defects, "B lets", "escape", self.defects.only_a - self.defects.only_b),
        ]

    def as_dict(self) -> dict[str, Any]:
        given = asdict(replace(self, changes=()))
        return {
            **given,
            "differences": [{**asdict(one), "difference": one.difference} for one in self.differences],
            "changes": {kind: sum(one.kind == kind for one in self.changes) for kind in KINDS},
            "words": self.words,
        }


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

    Verdicts are those of the cutoffs, else of the columns `verdict`, else of each one's own cutoff for `capture`.
    Raises DataError where no part is in both, where labels contradict each other, or where parts stand there twice.
    """
    if not 0 < capture <= 1:
        raise InputError(f"capture {capture:g}: expected a share above 0 and at most 1")
    rows_a, rows_b = _common(a, b)
    _refuse_contradictions(a, b, rows_a, rows_b)
    told = a.measured[rows_a] & b.measured[rows_b]
    every_a, every_b = len(a), len(b)
    common = len(rows_a)
    rows_a, rows_b = rows_a[told], rows_b[told]
    if not len(rows_a):
        raise DataError(f"{a.source} and {b.source}: {common} parts in both, none with a label and a score in each")
    is_defect, board = a.is_defect[rows_a], a.board[rows_a]
    score_a, score_b = a.score[rows_a], b.score[rows_b]
    stopped_a, rule_a = _verdicts(a, rows_a, cutoff_a, capture)
    stopped_b, rule_b = _verdicts(b, rows_b, cutoff_b, capture)
    return Comparison(
        source_a=a.source,
        source_b=b.source,
        parts=len(rows_a),
        only_in_a=every_a - common,
        only_in_b=every_b - common,
        not_measured=common - len(rows_a),
        boards=len(np.unique(board)),
        board_source=a.board_source,
        rule_a=rule_a,
        rule_b=rule_b,
        defects=McNemar.of(stopped_a[is_defect], stopped_b[is_defect]),
        good=McNemar.of(stopped_a[~is_defect], stopped_b[~is_defect]),
        differences=_differences(score_a, score_b, is_defect, board, capture, seed),
        changes=tuple(_changes(a, b, rows_a, rows_b, stopped_a, stopped_b)),
    )


def _common(a: ScoredTable, b: ScoredTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of both tables that are the same part, in the order of `a`."""
    known_a, known_b = _rows_by_part(a), _rows_by_part(b)
    pairs = [(row, known_b[part]) for part, row in known_a.items() if part in known_b]
    if not pairs:
        raise DataError(
            f"{a.source} and {b.source} have no part in common, by {' and '.join(_KEYS)}; "
            f"the first of each: {a.describe(0)} and {b.describe(0)}"
        )
    rows = np.array(pairs, np.int64)
    return rows[:, 0], rows[:, 1]


def _rows_by_part(table: ScoredTable) -> dict[tuple[str, str], int]:
    if absent := [name for name in _KEYS if name not in table.cells]:
        raise TableError(table.source, [f"parts are found by {' and '.join(_KEYS)}; it has no {', '.join(absent)}"])
    found: dict[tuple[str, str], int] = {}
    again = []
    for row, (path, name) in enumerate(zip(*(table.cells[name] for name in _KEYS), strict=True)):
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


def _verdicts(table: ScoredTable, rows: NDArray[np.int64], cutoff: float | None, capture: float) -> tuple[Flag, str]:
    """bool [len(rows)], True for what is stopped, and by which rule."""
    score = table.score[rows]
    if cutoff is not None:
        return above(score, cutoff), f"cutoff {cutoff:g}"
    if "verdict" in table.cells:
        words = [table.cells["verdict"][row] for row in rows.tolist()]
        if strange := set(words) - _STOPPED.keys():
            told = ", ".join(map(repr, first_few(sorted(strange), 5)))
            raise TableError(table.source, [f"column verdict holds {told}; expected {', '.join(_STOPPED)} or ERROR"])
        return np.array([_STOPPED[word] for word in words], np.bool_), "column verdict"
    found = cutoff_for_capture(score, table.is_defect[rows], capture)
    if found is None:
        raise DataError(
            f"{table.source}: no column verdict and no defect to choose a cutoff by; give --cutoff-a and --cutoff-b"
        )
    return above(
        score, found
    ), f"cutoff {short(found)}, chosen on these parts for {100 * capture:.4g} % capture: optimistic"


def _differences(
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    is_defect: Flag,
    board: NDArray[np.int64],
    capture: float,
    seed: int,
) -> tuple[Difference, ...]:
    _, board = np.unique(board, return_inverse=True)
    figures = [(false_alarm_rate(one, is_defect, capture), ranking(one, is_defect)[0]) for one in (a, b)]
    low: Sequence[float | None] = (None, None)
    high: Sequence[float | None] = (None, None)
    boards = int(board.max()) + 1
    if boards > 1 and is_defect.any() and not is_defect.all():
        ranked = [_Ranked.of(one, is_defect, board) for one in (a, b)]
        rng = np.random.default_rng(seed)
        drawn = []
        for _ in range(DRAWS):
            times = np.bincount(rng.integers(0, boards, boards), minlength=boards)
            both = [one.figures(times, capture) for one in ranked]
            if both[0] is not None and both[1] is not None:
                drawn.append(np.subtract(both[1], both[0]))
        if drawn:
            low, high = np.percentile(np.array(drawn), (2.5, 97.5), axis=0).tolist()
    names = (f"false calls at {100 * capture:.4g} % capture", "AUROC")
    return tuple(Difference(name, *each) for name, *each in zip(names, *figures, low, high, strict=True))


@dataclass(frozen=True)
class _Ranked:
    """Parts as far as the defects' scores tell them apart: K of those differ.

    `defect` is each defect's place among these K, the lowest first. Good parts of one board between the same two of
    them, or beside the same one, are counted together: place 2 k lies below defect score k and 2 k + 1 beside it.
    """

    scores: int
    defect: NDArray[np.int64]
    defect_board: NDArray[np.int64]
    good: NDArray[np.int64]
    good_board: NDArray[np.int64]
    good_count: NDArray[np.int64]

    @classmethod
    def of(cls, score: NDArray[np.float32], is_defect: Flag, board: NDArray[np.int64]) -> "_Ranked":
        known, defect = np.unique(score[is_defect], return_inverse=True)
        good = score[~is_defect]
        place = np.searchsorted(known, good)
        beside = known[np.minimum(place, len(known) - 1)] == good
        code = (2 * place + beside) * (int(board.max()) + 1) + board[~is_defect]
        codes, count = np.unique(code, return_counts=True)
        places, boards = np.divmod(codes, int(board.max()) + 1)
        return cls(len(known), defect, board[is_defect], places, boards, count)

    def figures(self, times: NDArray[np.int64], capture: float) -> tuple[float, float] | None:
        """False calls at `capture` and AUROC where board i is there `times[i]` times; None without a class."""
        bad = np.bincount(self.defect, times[self.defect_board], self.scores)
        good = np.bincount(self.good, times[self.good_board] * self.good_count, 2 * self.scores + 1)
        captured, called = np.cumsum(bad[::-1])[::-1], np.cumsum(good[::-1])[::-1]
        defects, goods = captured[0], called[0]
        if not defects or not goods:
            return None
        needed = max(1.0, np.ceil(capture * defects - 1e-9))
        lowest = int(np.flatnonzero(captured >= needed)[-1])
        below = goods - called[1::2] + good[1::2] / 2  # good parts below each score, and half of those beside it
        return float(called[2 * lowest + 1] / goods), float((bad * below).sum() / defects / goods)


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
    bad = a.is_defect[rows_a[places]]
    kind = np.where(bad, np.where(stopped_a[places], 0, 1), np.where(stopped_b[places], 2, 3))
    apart = np.abs(b.score[rows_b[places]] - a.score[rows_a[places]])
    for i in np.lexsort((-apart, kind)).tolist():
        place = int(places[i])
        row = int(rows_a[place])
        yield Change(
            input_path=a.cells["input_path"][row],
            object_name=a.cells["object_name"][row],
            label=a.label[row],
            kind=KINDS[int(kind[i])],
            score_a=float(a.score[row]),
            score_b=float(b.score[rows_b[place]]),
            stopped_a=bool(stopped_a[place]),
            stopped_b=bool(stopped_b[place]),
        )


def _said(test: McNemar, verb: str, noun: str, more: int) -> str:
    parts = test.both + test.only_a + test.only_b + test.neither
    differing = test.only_a + test.only_b
    through = " through" if noun == "escape" else ""
    if not parts:
        return f"There are no {'defects' if noun == 'escape' else 'good parts'}: nothing can be said of {noun}s."
    if not differing:
        return "B captures the same defects as A." if noun == "escape" else "B makes the same false calls as A."
    if not more:
        return f"{verb} as many {noun}s{through} as A, on other parts ({test.only_a} and {test.only_b})."
    count = f"{abs(more)} {'more' if more > 0 else 'fewer'} {noun}{'s' if abs(more) > 1 else ''}{through} than A"
    if differing < _FEWEST:
        return (
            f"{verb} {count}: not provable, {differing} parts on which they differ are too few (p = {shown_p(test.p)})."
        )
    proven = "" if test.p < SURE else ": not provable, which may be chance"
    return f"{verb} {count} (p = {shown_p(test.p)}){proven}."


def shown_p(p: float) -> str:
    return "below 0.0001" if p < 0.0001 else f"{p:.2g}"
