"""Repeated decisions on the same parts, from a file of anybody's, and a study of them for the terminal."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from goldenpair.data.boards import BOARD_COLUMNS
from goldenpair.data.table import PASS, PairTable, read_table
from goldenpair.errors import TableError, first_few
from goldenpair.metrics import STOPPED, Flag, Rate, above
from goldenpair.quality.gauge import Gauge, Graded, Readings
from goldenpair.quality.policy import Policy
from goldenpair.quality.scored import SCORE_COLUMNS, numbers

_ERROR = "ERROR"


@dataclass(frozen=True)
class Columns:
    """What the columns of a study are called; None for what is usual: part, trial, appraiser, label, verdict.

    Without a column part, a part is a board and an object_name; without a column trial, trials are the rows in their
    order; without a column appraiser, there is one.
    """

    part: Sequence[str] | None = None
    trial: str | None = None
    appraiser: str | None = None
    reference: str | None = None
    verdict: str | None = None
    score: str | None = None


def read_readings(csv_path: str | Path, columns: Columns, cutoff: float | None = None) -> Readings:
    """Read a CSV with a row for each decision, which is its verdict, or its score above `cutoff` where that is given.

    Raises TableError with all that is wrong, InputError for a cutoff that no score can exceed.
    """
    if cutoff is not None:
        cutoff = Policy.of_cutoff(cutoff, "--cutoff").band.review
    path = Path(csv_path)
    table = read_table(path, path.parent, of_pairs=False)
    named = (columns.trial, columns.appraiser, columns.reference, columns.verdict, columns.score)
    wanted = [*(columns.part or ()), *(name for name in named if name)]
    problems = [f"it has no column {name!r}, but {', '.join(table.columns)}" for name in table.absent(wanted)]
    problems += table.refusal()
    part = list(columns.part or _usual_part(table))
    if not part:
        problems.append(f"nothing tells which rows are of one part; name the column with --part: {_told(table)}")
    score_column = columns.score or _first(table, *SCORE_COLUMNS)
    verdict_column = columns.verdict or _first(table, "verdict")
    if cutoff is None and verdict_column is None:
        problems.append(f"it has no column 'verdict'; name it with --verdict, or give --cutoff: {_told(table)}")
    if cutoff is not None and score_column is None:
        problems.append(f"a cutoff needs scores; name their column with --score: {_told(table)}")
    if not len(table):
        problems.append("it has no rows below the header")
    if problems:
        raise TableError(path, problems)
    cells = table.cells
    score = numbers(cells[score_column], path, score_column) if score_column else np.full(len(table), np.nan, "f4")
    decided, stopped = _decided(cells[verdict_column] if verdict_column else None, score, cutoff, path)
    names = ["/".join(row) for row in zip(*(cells[name] for name in part), strict=True)]
    if empty := sum(not name.strip("/ ") for name in names):
        raise TableError(path, [f"{empty} rows have no part in {' and '.join(part)}"])
    parts, of_part = _coded(names)
    appraiser_column = columns.appraiser or _first(table, "appraiser")
    appraisers, appraiser = _coded(cells[appraiser_column] if appraiser_column else ["all"] * len(table))
    trial_column = columns.trial or _first(table, "trial")
    trial = _trials(cells[trial_column] if trial_column else None, of_part, appraiser, parts, path)
    reference = columns.reference or _first(table, "label")
    is_defect = _reference(cells[reference], of_part, parts, path) if reference else None
    return Readings(
        source=str(path),
        parts=parts,
        appraisers=appraisers,
        part=of_part[decided],
        appraiser=appraiser[decided],
        trial=trial[decided],
        stopped=stopped[decided],
        score=score[decided],
        is_defect=is_defect,
        errors=int((~decided).sum()),
    )


def _told(table: PairTable) -> str:
    return f"there are {', '.join(table.columns)}"


def _first(table: PairTable, *names: str) -> str | None:
    return next((name for name in names if name in table.cells), None)


def _usual_part(table: PairTable) -> tuple[str, ...]:
    if "part" in table.cells:
        return ("part",)
    board = _first(table, *BOARD_COLUMNS)
    return (board, "object_name") if board and "object_name" in table.cells else ()


def _coded(names: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    places = {one: place for place, one in enumerate(dict.fromkeys(names))}
    return tuple(places), np.fromiter(map(places.__getitem__, names), np.int64, len(names))


def _decided(
    verdicts: Sequence[str] | None, score: NDArray[np.float32], cutoff: float | None, path: Path
) -> tuple[Flag, Flag]:
    """bool [N] each: whether there is a decision, and whether it stops the part."""
    error = np.array([one == _ERROR for one in verdicts or [""] * len(score)], np.bool_)
    if cutoff is not None:
        return np.isfinite(score) & ~error, above(score, cutoff)
    assert verdicts is not None
    if strange := set(verdicts) - {*STOPPED, _ERROR}:
        told = ", ".join(map(repr, first_few(sorted(strange), 5)))
        raise TableError(path, [f"its verdicts are {', '.join(STOPPED)} and {_ERROR}, but there are {told}"])
    return ~error, np.array([STOPPED.get(one, False) for one in verdicts], np.bool_)


def _trials(
    cells: Sequence[str] | None,
    part: NDArray[np.int64],
    appraiser: NDArray[np.int64],
    parts: Sequence[str],
    path: Path,
) -> NDArray[np.int64]:
    """Numbers of trials; without a column they are counted in the order of the rows."""
    whose = list(zip(part.tolist(), appraiser.tolist(), strict=True))
    if cells is None:
        seen: Counter[tuple[int, int]] = Counter()
        counted = np.empty(len(part), np.int64)
        for row, one in enumerate(whose):
            counted[row] = seen[one]
            seen[one] += 1
        return counted
    names, trial = _coded(cells)
    times = Counter((*one, number) for one, number in zip(whose, trial.tolist(), strict=True))
    if twice := [f"{parts[one[0]]}, trial {names[one[2]]}" for one, count in times.items() if count > 1]:
        told = "; ".join(first_few(twice, 5))
        raise TableError(path, [f"{len(twice)} trials stand there more than once for one part and appraiser: {told}"])
    return trial


def _reference(labels: Sequence[str], part: NDArray[np.int64], parts: Sequence[str], path: Path) -> Flag:
    """bool [P]. A part is good or a defect in all of its rows, or the reference is none."""
    bad = np.array([label != PASS for label in labels], np.bool_)
    problems = []
    if empty := sum(not label.strip() for label in labels):
        problems.append(f"{empty} rows have no reference")
    share = np.bincount(part, bad, len(parts)) / np.bincount(part, minlength=len(parts))
    mixed = np.flatnonzero((share > 0) & (share < 1)).tolist()
    if mixed:
        told = ", ".join(first_few([parts[one] for one in mixed], 5))
        problems.append(f"{len(mixed)} parts are {PASS} in some rows and defects in others: {told}")
    if problems:
        raise TableError(path, problems)
    found: Flag = share > 0
    return found


def what_was_measured(study: Gauge) -> list[str]:
    """Lines that tell the size of a study, what it lacks, and how far scores scatter."""
    without = f", {study.errors} rows with ERROR left out" if study.errors else ""
    lines = [f"{study.parts} parts, at least {study.trials} trials each{without}"]
    if study.right is None:
        lines.append("No reference: only whether decisions repeat is told.")
    if study.too_small:
        lines.append(f"Note: {study.too_small}.")
    if study.scatter:
        one = study.scatter
        lines.append(
            f"Standard deviation of a part's scores: {one.pooled:.3g} pooled, {one.median:.3g} median, "
            f"{one.largest:.3g} largest ({one.part})"
        )
    return lines


def gauge_tables(study: Gauge) -> list[Table]:
    """For the terminal: each appraiser, agreement, and the parts that were judged now so, now so."""
    table = Table(box=SIMPLE)
    every = study.appraisers
    table.add_column("figure")
    for one in every:
        table.add_column(Text(one.name), justify="right")
    table.add_row("all trials agree (parts)", *(_counted(one.repeated) for one in every))
    table.add_row("kappa of the trials (Fleiss)", *(_kappa(one.kappa_of_trials) for one in every))
    table.add_row("effectiveness (parts)", *(_graded(one.effectiveness) for one in every))
    table.add_row("misses (decisions)", *(_graded(one.misses) for one in every))
    table.add_row("false alarms (decisions)", *(_graded(one.false_alarms) for one in every))
    table.add_row("kappa against the reference", *(_kappa(one.kappa_of_reference) for one in every))
    tables = [table]
    if study.pairings:
        tables.append(_between(study))
    if study.unstable:
        tables.append(_spread(study))
    return tables


def _between(study: Gauge) -> Table:
    table = Table(title="Between appraisers", title_justify="left", box=SIMPLE)
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_row("all agree (parts)", _counted(study.agreed))
    if study.right:
        table.add_row("all agree and are right (parts)", _counted(study.right))
    table.add_row("kappa of all decisions (Fleiss)", _kappa(study.kappa_of_all))
    for one in study.pairings:
        table.add_row(Text(f"kappa of {one.first} and {one.second} (Cohen)"), _kappa(one.kappa))
    return table


def _spread(study: Gauge) -> Table:
    title = f"{study.unstable_parts} parts were judged now so, now so"
    table = Table(title=title, title_justify="left", box=SIMPLE)
    for column in ("part", "stopped", "of", "lowest score", "highest score"):
        table.add_column(column, justify="left" if column == "part" else "right")
    for one in study.unstable:
        ends = ("-" if score is None else f"{score:.4g}" for score in (one.lowest, one.highest))
        table.add_row(Text(one.part), str(one.stopped), str(one.decisions), *ends)
    return table


def _counted(rate: Rate) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "-"
    return f"{rate.value:.1%} ({rate.count} of {rate.of}; {rate.low:.1%} to {rate.high:.1%})"


def _graded(graded: Graded | None) -> str:
    if graded is None:
        return "-"
    return f"{_counted(graded.rate)}\n{graded.grade}{'' if graded.proven else ', not proven'}"


def _kappa(kappa: float | None) -> str:
    return "-" if kappa is None else f"{kappa:.3f}"
