"""What was decided of each part: by a policy, by the file's own verdicts, or by a cutoff chosen on the very data."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.table import harmless
from goldenpair.errors import DataError
from goldenpair.metrics import Flag, cutoff_for_capture, short
from goldenpair.quality.cfx import COLUMN, LabelMap, verification
from goldenpair.quality.parts import KEYS
from goldenpair.quality.policy import ERROR, FAIL, MARK_COLUMN, PASS, REVIEW, VERDICTS, Decision, Policy, flatters
from goldenpair.quality.scored import ScoredTable

KINDS = ("error", "unlabelled", "escape", "false call", "captured", "good")
"""What a verdict can be to a label."""


@dataclass(frozen=True, eq=False)
class Judged:
    """`code` is int8 [N], places in VERDICTS; `review` and `fail` are float64 [N], what each score was compared with,
    NaN where nobody knows. `source` says in words where the verdicts are from; `marks` must be shown with each figure.
    `flattered`: the verdicts were chosen on these very parts. With a policy there is its `decision`.
    """

    code: NDArray[np.int8]
    review: NDArray[np.float64]
    fail: NDArray[np.float64]
    source: str
    marks: tuple[str, ...] = ()
    policy: Policy | None = None
    decision: Decision | None = None
    flattered: bool = False
    explained: str = "no single cutoff explains them"
    """Of verdicts without a policy: between which scores their cutoff must have been. The cutoff itself nobody knows;
    `review` and `fail` are then the highest score below it."""

    @property
    def stopped(self) -> Flag:
        """bool [N]: REVIEW and FAIL."""
        found: Flag = (self.code == REVIEW) | (self.code == FAIL)
        return found

    @property
    def cutoffs(self) -> list[float]:
        """The cutoff that all parts have, the one for FAIL behind it if that is another; none where they differ,
        and where only the verdicts are known."""
        if self.policy is None:
            return []
        known = [np.unique(one) for one in (self.review, self.fail)]  # NaN is one value
        if any(len(one) != 1 or not np.isfinite(one[0]) for one in known):
            return []
        return list(dict.fromkeys(float(one[0]) for one in known))

    def count(self, verdict: str) -> int:
        return int((self.code == VERDICTS.index(verdict)).sum())


def by_policy(table: ScoredTable, policy: Policy) -> Judged:
    """As the policy decides; raises InputError for one of other scores, DataError if types are not to be found."""
    policy.refuse_scores_of_others(table.score_column)
    found = policy.decide(table.score, policy.kinds_of(table.cells, table.source))
    marks = [*policy.marks, *filter(None, [found.without_type()])]
    return Judged(
        found.code,
        found.review,
        found.fail,
        policy.source,
        tuple(marks),
        policy,
        found,
        flattered=flatters(policy.marks),
    )


def by_capture(table: ScoredTable, capture: float) -> Judged:
    """By the highest cutoff that captures this share of the table's own defects; DataError if it has none."""
    rows = table.measured
    cutoff = cutoff_for_capture(table.score[rows], table.is_defect[rows], capture)
    if cutoff is None:
        raise DataError(f"{table.source}: it has no defects to choose a cutoff by; give one with --cutoff or --policy")
    source = f"the highest that captures {100 * capture:.6g}% of the defects of this very table"
    mark = (
        "The cutoff was chosen on the data that are reported, so the figures flatter. Choose it on other boards "
        "(goldenpair policy) and give it with --policy or --cutoff."
    )
    return replace(by_policy(table, Policy.of_cutoff(cutoff, source)), marks=(mark,), flattered=True)


def by_column(table: ScoredTable) -> Judged:
    """By the table's own column verdict; DataError for words that are none. A row without a score is ERROR.

    Where one cutoff explains the verdicts, it is said between which scores it must be. What made the verdicts says in
    the column policy_mark if it was fitted on these parts; a file without it does not tell.
    """
    cells = table.cells["verdict"]
    known = {name: place for place, name in enumerate(VERDICTS)}
    if strange := sorted(set(cells) - set(known)):
        raise DataError(
            f"{table.source}: column verdict holds {', '.join(map(repr, strange[:5]))}, where {', '.join(VERDICTS)} "
            "are known; give --cutoff or --policy"
        )
    code = np.fromiter(map(known.__getitem__, cells), np.int8, len(cells))
    code[~np.isfinite(table.score)] = ERROR
    passed, reviewed, failed = (table.score[code == one] for one in (PASS, REVIEW, FAIL))
    review = _between(passed, np.concatenate([reviewed, failed]))
    fail = _between(np.concatenate([passed, reviewed]), failed) if len(reviewed) else review
    source = "the file's own column verdict"
    marked = table.cells.get(MARK_COLUMN)
    marks = tuple(dict.fromkeys(filter(None, map(str.strip, marked or ()))))
    flattered = flatters(marks)
    if marked is None:
        marks = ("How these verdicts were chosen is not known: perhaps on these very parts.",)
    edges = [("PASS", review, np.concatenate([reviewed, failed]))]
    edges += [("REVIEW", fail, failed)] if len(reviewed) else []
    found = Judged(code, np.full(len(code), review), np.full(len(code), fail), source, marks, flattered=flattered)
    if not all(np.isfinite(low) and len(high) for _, low, high in edges):
        return found
    told = [
        f"between {_exact(low)}, the highest {name}, and {_exact(high.min())}, the lowest above"
        for name, low, high in edges
    ]
    return replace(found, explained=f"their cutoff is {' and that of FAIL '.join(told)}")


def _between(lower: NDArray[np.float32], upper: NDArray[np.float32]) -> float:
    """A cutoff that tells these scores apart; NaN if there is none."""
    highest = float(lower.max(initial=-np.inf))
    return highest if highest < upper.min(initial=np.inf) and np.isfinite(highest) else np.nan


def _exact(score: float) -> str:
    """A score in the fewest digits that say it."""
    return str(np.float32(score))


def kinds(table: ScoredTable, judged: Judged) -> NDArray[np.int8]:
    """What each verdict is to its label: int8 [N], places in KINDS."""
    right = np.where(table.is_defect, KINDS.index("captured"), KINDS.index("good"))
    wrong = np.where(table.is_defect, KINDS.index("escape"), KINDS.index("false call"))
    found = np.where(judged.stopped == table.is_defect, right, wrong).astype(np.int8)
    found[~table.labelled] = KINDS.index("unlabelled")
    found[judged.code == ERROR] = KINDS.index("error")
    return found


@dataclass(frozen=True)
class VerdictCount:
    """How many of the measured parts got one of VERDICTS."""

    verdict: str
    defects: int
    good: int


REVIEW_COUNTS = "Stopped is REVIEW and FAIL: a good part in REVIEW is a false call too, as somebody has to look at it."


def by_verdict(table: ScoredTable, judged: Judged) -> list[VerdictCount]:
    """Of parts with a label and a score, where any of them is REVIEW; empty elsewhere, as the figures say it all."""
    if not judged.count("REVIEW"):
        return []
    there = table.measured
    return [
        VerdictCount(
            name,
            int((table.is_defect & there & (judged.code == code)).sum()),
            int((~table.is_defect & there & (judged.code == code)).sum()),
        )
        for code, name in enumerate(VERDICTS[:ERROR])
    ]


def write_scores(path: Path, table: ScoredTable, judged: Judged, names: LabelMap | None = None) -> None:
    """A line for each row in table order: row, part, board, label, score, verdict, kind, input_path, object_name, the
    last two if the table has them: by these other commands know the parts again.

    With names of IPC-CFX also the category of its label, and the state of its call.
    No cell begins as a spreadsheet's formula does: such a one gets an apostrophe before it.
    """
    boards = [harmless(name) for name in table.boards]
    keys = [name for name in KEYS if name in table.cells]
    columns: list[Iterable[object]] = [
        range(1, len(table) + 1),
        _parts(table),
        map(boards.__getitem__, table.board.tolist()),
        _all_harmless(table.label),
        _scores(table),
        map(VERDICTS.__getitem__, judged.code.tolist()),
        map(KINDS.__getitem__, kinds(table, judged).tolist()),
        *(_all_harmless(table.cells[name]) for name in keys),
    ]
    header = ["row", "part", "board", "label", "score", "verdict", "kind", *keys]
    if names:
        calls = (verification(*one) for one in zip(judged.stopped.tolist(), table.label, strict=True))
        columns += [names.column(table.label), (state or "" for state in calls)]
        header += [COLUMN, "verification"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(zip(*columns, strict=True))


def _parts(table: ScoredTable) -> Iterable[str]:
    """As `table.describe`, for a million rows."""
    names = [name for name in KEYS if name in table.cells]
    if not names:
        return map(table.describe, range(len(table)))
    first, *others = (table.cells[name] for name in names)
    return map("/".join, zip(_all_harmless(first), *others, strict=True))


def _scores(table: ScoredTable) -> Iterable[str]:
    """As the file has them, else in as few digits as say them."""
    text = table.cells.get(table.score_column)
    there = np.isfinite(table.score).tolist()
    if text is not None:
        return (cell if known else "" for cell, known in zip(text, there, strict=True))
    return (str(one) if known else "" for one, known in zip(table.score, there, strict=True))


def _all_harmless(cells: Sequence[str]) -> Iterable[str]:
    return map({cell: harmless(cell) for cell in set(cells)}.__getitem__, cells)


def stated(judged: Judged) -> str:
    """The cutoff and where it is from, in one sentence."""
    cutoffs = judged.cutoffs
    if len(cutoffs) == 2:
        return f"REVIEW above {short(cutoffs[0])}, FAIL above {short(cutoffs[1])}: {judged.source}."
    if cutoffs:
        return f"Cutoff {short(cutoffs[0])}: {judged.source}."
    if judged.policy:
        return f"Cutoffs by component type: {judged.source}."
    return f"Verdicts are those of {judged.source}; {judged.explained}."
