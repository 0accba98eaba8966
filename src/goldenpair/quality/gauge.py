"""Repeatability: the same parts pictured several times, by the attribute rules of AIAG's measurement systems analysis.

An appraiser is whatever gives verdicts: a model, a machine, an operator. Everything is counted as in the manual's
example of 50 parts, 3 appraisers and 3 trials: a part is matched when every trial of it is right; misses and false
alarms are counted by decision.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldenpair.errors import DataError, first_few
from goldenpair.metrics import Flag, Rate

PARTS, TRIALS = 50, 3
"""Size of the study that the rules were made for."""
ACCEPTABLE, MARGINAL, UNACCEPTABLE, UNKNOWN = "acceptable", "marginal", "unacceptable", "unknown"
_EFFECTIVENESS, _MISSES, _FALSE_ALARMS = (0.9, 0.8), (0.02, 0.05), (0.05, 0.1)
_UNSTABLE = 20


@dataclass(frozen=True)
class Readings:
    """N decisions on P parts.

    `part`, `appraiser` and `trial` are int64 [N], places in `parts` and `appraisers` and the trial's number from 0 on.
    `stopped` is bool [N]. `score` is float32 [N], NaN for none. `is_defect` is bool [P], None without a reference.
    """

    source: str
    parts: tuple[str, ...]
    appraisers: tuple[str, ...]
    part: NDArray[np.int64]
    appraiser: NDArray[np.int64]
    trial: NDArray[np.int64]
    stopped: Flag
    score: NDArray[np.float32]
    is_defect: Flag | None
    errors: int = 0
    """Rows with ERROR in the place of a verdict: no decisions, and in no figure."""


@dataclass(frozen=True)
class Graded:
    """A share and what the rules call it; `proven` where its whole interval is called so.

    The interval takes decisions for independent, which several on one part are not: it is rather too narrow.
    """

    rate: Rate
    grade: str
    proven: bool


@dataclass(frozen=True)
class Appraiser:
    """How one appraiser did. The last four are None without a reference, kappas where they cannot be told."""

    name: str
    decisions: int
    repeated: Rate
    """Parts on which all trials agree, of all parts."""
    kappa_of_trials: float | None
    """Fleiss' kappa of the trials of all parts."""
    effectiveness: Graded | None
    """Parts of which every trial is right, of all parts."""
    misses: Graded | None
    """Decisions that let a defect pass, of those on defects."""
    false_alarms: Graded | None
    """Decisions that stop a good part, of those on good parts."""
    kappa_of_reference: float | None
    """Cohen's kappa of decisions and reference."""


@dataclass(frozen=True)
class Pairing:
    """Cohen's kappa of two appraisers over the trials that both have, None where it cannot be told."""

    first: str
    second: str
    kappa: float | None


@dataclass(frozen=True)
class Unstable:
    """A part that was both stopped and let pass. The scores' figures are None without scores."""

    part: str
    stopped: int
    decisions: int
    lowest: float | None
    highest: float | None


@dataclass(frozen=True)
class Scatter:
    """Standard deviations of the scores of one part by one appraiser: pooled over all, the median and the largest."""

    pooled: float
    median: float
    largest: float
    part: str
    """Whose the largest is."""


@dataclass(frozen=True)
class Gauge:
    """A study of repeated decisions."""

    source: str
    parts: int
    trials: int
    """The fewest decisions of an appraiser on a part."""
    errors: int
    appraisers: tuple[Appraiser, ...]
    pairings: tuple[Pairing, ...]
    agreed: Rate
    """Parts on which all decisions of all appraisers agree."""
    right: Rate | None
    """Parts of which all decisions of all appraisers are right; None without a reference."""
    kappa_of_all: float | None
    """Fleiss' kappa of all decisions."""
    scatter: Scatter | None
    unstable: tuple[Unstable, ...]
    """The first 20 by how evenly their decisions are divided."""
    unstable_parts: int

    @property
    def too_small(self) -> str:
        """What the study lacks, "" if nothing."""
        if self.parts >= PARTS and self.trials >= TRIALS:
            return ""
        return (
            f"{self.parts} parts x {self.trials} trials are fewer than the {PARTS} x {TRIALS} that the rules are for: "
            "take the grades as a hint"
        )

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "too_small": self.too_small}


def gauge(readings: Readings) -> Gauge:
    """Measure a study. Raises DataError where a part was decided on once only by an appraiser who has it."""
    _refuse_single(readings)
    every = range(len(readings.appraisers))
    agreed, right = _by_part(readings, np.ones(len(readings.part), np.bool_))
    counts = np.bincount(readings.appraiser * len(readings.parts) + readings.part)
    unstable = _unstable(readings)
    return Gauge(
        source=readings.source,
        parts=len(readings.parts),
        trials=int(counts[counts > 0].min()),
        errors=readings.errors,
        appraisers=tuple(_appraiser(readings, one) for one in every),
        pairings=tuple(_pairing(readings, *pair) for pair in combinations(every, 2)),
        agreed=agreed,
        right=right,
        kappa_of_all=_kappa_of_trials(readings, np.ones(len(readings.part), np.bool_)),
        scatter=_scatter(readings),
        unstable=tuple(unstable[:_UNSTABLE]),
        unstable_parts=len(unstable),
    )


def cohen_kappa(first: NDArray[np.generic], second: NDArray[np.generic]) -> float | None:
    """Agreement of two that judged the same things, beyond chance (Cohen 1960); None where chance explains all."""
    if not len(first):
        return None
    agreed = float((first == second).mean())
    kinds = np.union1d(first, second)
    by_chance = sum(float((first == kind).mean()) * float((second == kind).mean()) for kind in kinds)
    return None if by_chance == 1 else (agreed - by_chance) / (1 - by_chance)


def fleiss_kappa(counts: NDArray[np.int64]) -> float | None:
    """Agreement of several decisions beyond chance (Fleiss 1971); None where chance explains all.

    `counts` is int64 [parts, categories]: how often each part was put into each category, at least twice in all. Where
    parts have other numbers of decisions, each part counts the same (Gwet 2014, 2.4).
    """
    if not len(counts):
        return None
    times = counts.sum(axis=1)
    share = (counts / times[:, None]).mean(axis=0)
    by_chance = float((share**2).sum())
    agreed = float(((counts * (counts - 1)).sum(axis=1) / (times * (times - 1))).mean())
    return None if share.max() == 1 else (agreed - by_chance) / (1 - by_chance)


def graded(rate: Rate, limits: tuple[float, float], high_is_good: bool) -> Graded:
    """The grade of a share by its limits of acceptable and marginal."""
    if rate.value is None or rate.low is None or rate.high is None:
        return Graded(rate, UNKNOWN, False)

    def grade(share: float) -> str:
        better = [share >= limit if high_is_good else share <= limit for limit in limits]
        return ACCEPTABLE if better[0] else MARGINAL if better[1] else UNACCEPTABLE

    return Graded(rate, grade(rate.value), grade(rate.low) == grade(rate.high))


def _refuse_single(readings: Readings) -> None:
    if not len(readings.part):
        raise DataError(f"{readings.source}: no row has a verdict ({readings.errors} are ERROR)")
    parts = len(readings.parts)
    counts = np.bincount(readings.appraiser * parts + readings.part, minlength=parts * len(readings.appraisers))
    single = np.flatnonzero(counts == 1)
    if len(single):
        names = [_named(readings, int(one) // parts, int(one) % parts) for one in single.tolist()]
        errors = f" ({readings.errors} rows are ERROR)" if readings.errors else ""
        raise DataError(
            f"{readings.source}: {len(single)} parts have one verdict only{errors}, and a study of repeatability needs "
            f"two or more of each: {', '.join(first_few(names, 5))}; is the part's column the right one (--part)?"
        )


def _named(readings: Readings, appraiser: int, part: int) -> str:
    by = f" by {readings.appraisers[appraiser]}" if len(readings.appraisers) > 1 else ""
    return readings.parts[part] + by


def _appraiser(readings: Readings, number: int) -> Appraiser:
    mine = readings.appraiser == number
    repeated, matched = _by_part(readings, mine)
    kappa = effectiveness = misses = false_alarms = None
    if readings.is_defect is not None and matched is not None:
        truth, stopped = readings.is_defect[readings.part[mine]], readings.stopped[mine]
        effectiveness = graded(matched, _EFFECTIVENESS, high_is_good=True)
        missed = Rate.measured(int((truth & ~stopped).sum()), int(truth.sum()))
        alarms = Rate.measured(int((~truth & stopped).sum()), int((~truth).sum()))
        misses, false_alarms = graded(missed, _MISSES, False), graded(alarms, _FALSE_ALARMS, False)
        kappa = cohen_kappa(stopped, truth)
    return Appraiser(
        name=readings.appraisers[number],
        decisions=int(mine.sum()),
        repeated=repeated,
        kappa_of_trials=_kappa_of_trials(readings, mine),
        effectiveness=effectiveness,
        misses=misses,
        false_alarms=false_alarms,
        kappa_of_reference=kappa,
    )


def _counts(readings: Readings, rows: Flag) -> NDArray[np.int64]:
    """int64 [parts, 2]: how often each part was let pass and stopped in these rows."""
    code = readings.part[rows] * 2 + readings.stopped[rows]
    return np.bincount(code, minlength=2 * len(readings.parts)).reshape(-1, 2)


def _by_part(readings: Readings, rows: Flag) -> tuple[Rate, Rate | None]:
    """Parts on which these decisions agree, and of which they are all right too."""
    counts = _counts(readings, rows)
    there = counts.sum(axis=1) > 0
    agreed = (counts > 0).sum(axis=1) == 1
    repeated = Rate.measured(int(agreed.sum()), int(there.sum()))
    if readings.is_defect is None:
        return repeated, None
    right = agreed & ((counts[:, 1] > 0) == readings.is_defect)
    return repeated, Rate.measured(int(right.sum()), int(there.sum()))


def _kappa_of_trials(readings: Readings, rows: Flag) -> float | None:
    counts = _counts(readings, rows)
    return fleiss_kappa(counts[counts.sum(axis=1) > 0])


def _pairing(readings: Readings, first: int, second: int) -> Pairing:
    """Trial by trial, as in the manual's example."""
    keys = readings.part * (int(readings.trial.max()) + 1) + readings.trial
    rows = [np.flatnonzero(readings.appraiser == one) for one in (first, second)]
    _, i, j = np.intersect1d(keys[rows[0]], keys[rows[1]], return_indices=True)
    kappa = cohen_kappa(readings.stopped[rows[0][i]], readings.stopped[rows[1][j]])
    return Pairing(readings.appraisers[first], readings.appraisers[second], kappa)


def _scatter(readings: Readings) -> Scatter | None:
    scored = np.isfinite(readings.score)
    code = readings.appraiser[scored] * len(readings.parts) + readings.part[scored]
    score = readings.score[scored].astype(np.float64)
    times = np.bincount(code)
    some = np.maximum(times, 1)
    off = score - (np.bincount(code, score) / some)[code]
    squares = np.bincount(code, off**2)
    several = np.flatnonzero(times > 1)
    if not len(several):
        return None
    deviation = np.sqrt(squares[several] / (times[several] - 1))
    worst = int(several[deviation.argmax()])
    return Scatter(
        pooled=float(np.sqrt(squares[several].sum() / (times[several] - 1).sum())),
        median=float(np.median(deviation)),
        largest=float(deviation.max()),
        part=_named(readings, worst // len(readings.parts), worst % len(readings.parts)),
    )


def _unstable(readings: Readings) -> list[Unstable]:
    counts = _counts(readings, np.ones(len(readings.part), np.bool_))
    divided = np.flatnonzero(counts.min(axis=1) > 0)
    share = counts[divided, 1] / counts[divided].sum(axis=1)
    found = []
    for part in divided[np.argsort(np.abs(share - 0.5), kind="stable")].tolist():
        scores: Sequence[float] = readings.score[(readings.part == part) & np.isfinite(readings.score)].tolist()
        ends = (min(scores), max(scores)) if scores else (None, None)
        found.append(Unstable(readings.parts[part], int(counts[part, 1]), int(counts[part].sum()), *ends))
    return found
