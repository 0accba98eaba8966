"""A policy from validation data: cutoffs by a rule, by component type, with what they prove.

Where types have cutoffs of their own, each score is first measured from its type's level (`shrinkage`), a high quantile
of good scores, so that each type has about the same share of good parts beyond it. One cutoff on these differences then
meets the rule over all types together, and the cutoff of a type is its level plus that one. Where a rule is about
defects, a type without enough of its own, or an unknown one, never has a higher cutoff than the rule would give without
types.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from goldenpair.errors import DataError, InputError, TableError, first_few
from goldenpair.quality.calibration import calibrate
from goldenpair.quality.conformal import Guarantee, guarantee, needed, rank
from goldenpair.quality.parts import KnownParts
from goldenpair.quality.policy import (
    FAIL,
    Band,
    CaptureRule,
    CostRule,
    FalseCallRule,
    FittedOn,
    MissRule,
    Policy,
    Rule,
    TypeBand,
)
from goldenpair.quality.scored import ScoredTable
from goldenpair.quality.shrinkage import LEAST_DEFECTS, Level, levels

LEAST_SHARE, MOST_SHARE = 0.01, 0.5
"""The levels of types have the share of good parts above them that the rule stops without types, but within these: of
less than a hundredth the good parts of a type tell too little."""
SAME = 1e-4
"""Scores of the same part differ by up to so much between machines, batch sizes and exported models. A cutoff right at
the score of the part that it was chosen by would be a toss-up for that part."""
_SLACK = 1e-9  # keeps 0.97 * 100 from asking for 98 defects because of a rounding error
Scores = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class _Gap:
    """Where a cutoff may be without another verdict on these scores: from `low`, which must not exceed it, up to
    `high`, which must. It is near the end that the rule asks for, SAME away or half of the gap if that is less."""

    low: float
    high: float
    near_high: bool

    @classmethod
    def below(cls, score: float, scores: Scores) -> "_Gap":
        """The highest cutoffs that a score exceeds."""
        return cls(float(scores[scores < score].max(initial=-np.inf)), score, near_high=True)

    @classmethod
    def above(cls, score: float, scores: Scores) -> "_Gap":
        """The lowest cutoffs that a score does not exceed."""
        return cls(score, float(scores[scores > score].min(initial=np.inf)), near_high=False)

    def cutoff(self, level: float = 0.0) -> float:
        """The cutoff of what has this level, as float32, as which scores are compared."""
        step = min(SAME, (self.high - self.low) / 2)
        found = np.float32(level + (self.high - step if self.near_high else self.low + step))
        found = min(found, np.nextafter(np.float32(level + self.high), np.float32(-np.inf)))
        return float(found if self.near_high else max(found, np.float32(level + self.low)))


def fit_policy(
    table: ScoredTable,
    rule: Rule,
    *,
    fail_false_call_ppm: float | None = None,
    type_column: str = "",
    package_column: str = "",
) -> Policy:
    """Fit a policy on the rows of a table that have a label and a score.

    `fail_false_call_ppm` opens a REVIEW band: above the rule's cutoff a person looks, and only where no more than so
    many of a million good parts are beyond is it FAIL at once. Raises InputError for data that cannot serve, with all
    that is wrong, and for a rule that these data cannot meet.
    """
    _refuse(table, rule, fail_false_call_ppm, type_column, package_column)
    rows = np.flatnonzero(table.measured)
    score, is_defect = table.score[rows].astype(np.float64), table.is_defect[rows]
    kinds = [table.cells[type_column][row] for row in rows.tolist()] if type_column else [""] * len(rows)
    overall, of_type, most = 0.0, dict[str, Level](), math.inf
    package_of = _package_of(table, rows, type_column, package_column)
    if type_column:
        plain = _gaps(rule, fail_false_call_ppm, score, is_defect)[0].cutoff()
        share = float(np.clip((score[~is_defect] > plain).mean(), LEAST_SHARE, MOST_SHARE))
        if isinstance(rule, CaptureRule | MissRule):
            most = plain
        goods = np.flatnonzero(~is_defect)
        defects_of = Counter(kinds[row] for row in np.flatnonzero(is_defect).tolist())
        overall, of_type = levels(score[goods], [kinds[row] for row in goods.tolist()], defects_of, package_of, share)
    level = {"": overall} | {kind: one.value for kind, one in of_type.items()}
    beyond = score - np.array([level[kind] for kind in kinds])
    lower, upper = _gaps(rule, fail_false_call_ppm, beyond, is_defect)

    def band(of: float, limit: float) -> dict[str, float]:
        review = min(limit, lower.cutoff(of))
        return {"review": review, "fail": review if upper is lower else max(review, upper.cutoff(of))}

    policy = Policy(
        source=f"goldenpair policy {Path(table.source).name}",
        band=Band(**band(overall, most)),
        rule=rule,
        fail_false_call_ppm=fail_false_call_ppm,
        column=type_column,
        package_column=package_column,
        types={
            kind: TypeBand(
                **band(one.value, most if one.defects < LEAST_DEFECTS else math.inf),
                goods=one.goods,
                defects=one.defects,
                weight=one.weight,
                package=package_of[kind],
            )
            for kind, one in of_type.items()
        },
        fitted_on=_fitted_on(table, is_defect),
    )
    review = policy.decide(score.astype(np.float32), kinds).review
    curve = calibrate(score - (review - policy.band.review), is_defect)
    policy = _with_evidence(policy.model_copy(update={"calibration": curve}), table, rows)
    return policy.model_copy(update={"notes": [*policy.notes, *_type_notes(of_type)]})


def _refuse(table: ScoredTable, rule: Rule, fail_ppm: float | None, type_column: str, package_column: str) -> None:
    problems = []
    defects = int((table.measured & table.is_defect).sum())
    goods = int((table.measured & ~table.is_defect).sum())
    left = len(table) - defects - goods
    without = f" ({left} rows have no score or no label)" if left else ""
    for count, what in ((defects, "defects"), (goods, "good parts")):
        if not count:
            problems.append(f"none of its rows with a score are {what}{without}; a policy is fitted on both kinds")
    for column, flag in ((type_column, "--type-column"), (package_column, "--package-column")):
        if column and column not in table.cells:
            problems.append(f"it has no column {column!r} ({flag}), but {', '.join(table.cells)}")
    if package_column and not type_column:
        problems.append("--package-column goes with --type-column: packages are what types belong to")
    if fail_ppm is not None and not 0 <= fail_ppm < 1e6:
        problems.append(f"the budget of automatic FAIL is {fail_ppm:g} ppm; give 0 to 1,000,000")
    if fail_ppm is not None and isinstance(rule, CostRule):
        problems.append("costs choose both cutoffs: give review=COST for a REVIEW band, and no budget beside it")
    if fail_ppm is not None and isinstance(rule, FalseCallRule) and fail_ppm > rule.ppm:
        problems.append(f"{fail_ppm:g} ppm of automatic FAIL are more than the {rule.ppm:g} ppm that may be stopped")
    if problems:
        raise TableError(table.source, problems)
    if isinstance(rule, MissRule) and not rank(defects, rule.risk):
        raise InputError(
            f"table {table.source}: its {defects} defects prove no risk of {rule.risk:g}, only {1 / (defects + 1):.2%} "
            f"and more; {needed(rule.risk):,} defects are needed for it"
        )


def _package_of(table: ScoredTable, rows: NDArray[np.int64], type_column: str, package_column: str) -> dict[str, str]:
    """The package of each type, "" without a column of packages; DataError for a type in two packages."""
    if not type_column:
        return {}
    kinds = table.cells[type_column]
    packages: Sequence[str] = table.cells[package_column] if package_column else [""] * len(kinds)
    found: dict[str, str] = {}
    twice = {}
    for row in rows.tolist():
        if kinds[row] and found.setdefault(kinds[row], packages[row]) != packages[row]:
            twice[kinds[row]] = f"{kinds[row]!r} stands with {found[kinds[row]]!r} and {packages[row]!r}"
    if twice:
        raise DataError(
            f"table {table.source}: {len(twice)} types of {type_column!r} have several packages in {package_column!r}; "
            f"the first: {next(iter(twice.values()))}"
        )
    return found


def _gaps(rule: Rule, fail_ppm: float | None, score: Scores, is_defect: Flags) -> tuple[_Gap, _Gap]:
    """What is stopped, and what is FAIL at once; the same where there is no REVIEW."""
    if isinstance(rule, CostRule):
        return cheapest(rule, score, is_defect)
    if isinstance(rule, FalseCallRule):
        lower = _budget(score, is_defect, rule.ppm)
    else:
        defects = np.sort(score[is_defect])
        lower = _Gap.below(float(defects[_may_pass(rule, len(defects))]), score)
    if fail_ppm is None:
        return lower, lower
    upper = _budget(score, is_defect, fail_ppm)
    return lower, upper if upper.low > lower.low else lower


def _may_pass(rule: CaptureRule | MissRule, defects: int) -> int:
    """How many of so many defects the rule lets pass; never all of them."""
    allowed = rank(defects, rule.risk) - 1 if isinstance(rule, MissRule) else int(defects * (1 - rule.share) + _SLACK)
    return min(allowed, defects - 1)


def _budget(score: Scores, is_defect: Flags, ppm: float) -> _Gap:
    """The lowest cutoff that no more good parts exceed."""
    good = np.sort(score[~is_defect])
    return _Gap.above(float(good[len(good) - _may_stop(ppm, len(good)) - 1]), score)


def _may_stop(ppm: float, goods: int) -> int:
    return int(goods * ppm / 1e6 + _SLACK)


def cheapest(rule: CostRule, score: Scores, is_defect: Flags) -> tuple[_Gap, _Gap]:
    """The pair of cutoffs of the lowest total cost, of all there are: at a score each, or below all of them.

    Of several with the same total it is the one with the lowest cutoff of review, so the fewest escapes; of these, the
    one with the lowest cutoff of FAIL.
    """
    values, place = np.unique(score, return_inverse=True)
    # number 0 is the cutoff below all scores, number i the one at the i-th lowest
    parts, defects = (
        np.concatenate([[0], np.cumsum(np.bincount(place, weights, len(values)))]) for weights in (None, is_defect)
    )
    false_calls = (parts[-1] - defects[-1]) - (parts - defects)
    if rule.review is None:
        low = high = first_of_lowest(rule.miss * defects + rule.false_call * false_calls)
    else:
        passed = rule.miss * defects - rule.review * parts
        failed = rule.false_call * false_calls + rule.review * parts
        low = first_of_lowest(passed + np.minimum.accumulate(failed[::-1])[::-1])
        high = low + first_of_lowest(failed[low:])
    found = [
        _Gap.above(float(values[one - 1]), values) if one else _Gap.below(float(values[0]), values)
        for one in (low, high)
    ]
    return found[0], found[1]


def first_of_lowest(total: Scores) -> int:
    """The first of the lowest, where sums that differ by rounding are the same."""
    least = float(total.min())
    return int(np.flatnonzero(total <= least + 1e-9 * (1 + float(np.abs(total).max())))[0])


def _fitted_on(table: ScoredTable, is_defect: Flags) -> FittedOn:
    return FittedOn(
        name=Path(table.source).name,
        sha256=table.sha256,
        score_column=table.score_column,
        good=int((~is_defect).sum()),
        defects=int(is_defect.sum()),
        unscored=len(table) - len(is_defect),
        boards=len(table.boards),
        parts=KnownParts.of(table.cells),
    )


@dataclass(frozen=True)
class Counts:
    """What a policy decides on the rows of a table that have a label and a score; `ERROR` rows are none of these."""

    defects: int
    good: int
    passed_defects: int
    stopped_good: int
    failed_good: int

    @classmethod
    def of(cls, policy: Policy, table: ScoredTable, rows: NDArray[np.int64]) -> "Counts":
        kinds = policy.kinds_of(table.cells, table.source)
        found = policy.decide(table.score[rows], None if kinds is None else [kinds[row] for row in rows.tolist()])
        defect, stopped = table.is_defect[rows], found.stopped
        return cls(
            defects=int(defect.sum()),
            good=int((~defect).sum()),
            passed_defects=int((defect & ~stopped).sum()),
            stopped_good=int((~defect & stopped).sum()),
            failed_good=int((~defect & (found.code == FAIL)).sum()),
        )


def _with_evidence(policy: Policy, table: ScoredTable, rows: NDArray[np.int64]) -> Policy:
    counts = Counts.of(policy, table, rows)
    rule, budget = policy.rule, policy.fail_false_call_ppm
    passing = stopping = failing = None
    if not policy.types:  # their levels follow the good parts, as cutoffs by cost follow all: no theory covers that
        passing = _may_pass(rule, counts.defects) if isinstance(rule, CaptureRule | MissRule) else None
        stopping = _may_stop(rule.ppm, counts.good) if isinstance(rule, FalseCallRule) else None
        failing = None if budget is None else _may_stop(budget, counts.good)
    proofs: list[Guarantee] = [
        guarantee("escape", counts.defects, counts.passed_defects, passing),
        guarantee("false call", counts.good, counts.stopped_good, stopping),
    ]
    if policy.band.fail > policy.band.review:
        proofs.append(guarantee("automatic FAIL of a good part", counts.good, counts.failed_good, failing))
    return policy.model_copy(update={"guarantees": proofs, "notes": _notes(policy, counts)})


def _type_notes(of_type: Mapping[str, Level]) -> list[str]:
    """Types whose cutoffs rest on good parts more than on defects."""
    capped = [kind for kind, one in of_type.items() if one.capped]
    without = [kind for kind, one in of_type.items() if not one.defects]
    notes = []
    if capped:
        notes.append(
            f"types of fewer than {LEAST_DEFECTS} defects get no cutoffs above the global ones, which hold for "
            f"{len(capped)} whose good parts score higher: {', '.join(first_few(capped, 5))}"
        )
    if without:
        notes.append(f"types without any defect here, whose cutoffs are unproven: {', '.join(first_few(without, 5))}")
    return notes


def _notes(policy: Policy, counts: Counts) -> list[str]:
    notes = []
    if counts.stopped_good == counts.good:
        notes.append("every good part is stopped: these scores do not allow better")
    if counts.passed_defects == counts.defects:
        notes.append("every defect passes: these scores, or this rule, do not allow better")
    stop = policy.rule.ppm if isinstance(policy.rule, FalseCallRule) else None
    budgets: Mapping[str, float | None] = {"false calls": stop, "automatic FAIL": policy.fail_false_call_ppm}
    for name, ppm in budgets.items():
        if ppm and counts.good * ppm < 1e6:
            notes.append(
                f"{ppm:g} ppm of {name}: {counts.good:,} good parts are too few to show it, so none is allowed"
            )
    if policy.fitted_on and policy.fitted_on.parts is None:
        notes.append(
            "its table does not name its parts by input_path and object_name: only the file itself is known again"
        )
    if policy.calibration is None:
        notes.append("no probabilities: higher scores do not mean more defects here")
    return notes
