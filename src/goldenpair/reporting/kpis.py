"""The page's chapters on figures: verdict on the targets, shares with their counts and intervals, breakdowns."""

from collections.abc import Sequence

from goldenpair.metrics import Interval, Rate, percent, short
from goldenpair.quality.breakdown import SMALL, Breakdown, Cell
from goldenpair.quality.figures import AtCapture, Figures, Presorted
from goldenpair.quality.targets import Findings
from goldenpair.reporting.judged import REVIEW_COUNTS, VerdictCount
from goldenpair.reporting.page import Finding, Grid, Line, Section, State

_COLUMNS = ("figure", "what it is", "value", "ppm", "counted", "exact 95%", "boards 95%")
_BOARDS = (
    "Every share stands with its counts. The exact interval (Clopper and Pearson) takes each part for an independent "
    "one; the interval of boards allows for parts of one board being alike: where they differ, believe it. "
    "Intervals are two-sided, with 2.5 % on each side; the verdict on targets uses one-sided bounds, with 5 % on one."
)
_MOST_CELLS, _OPEN_CELLS = 40, 10
_ELSEWHERE = "metrics.json has them all"


def judged_targets(findings: Findings) -> tuple[State, str, list[Finding]]:
    """The verdict of the page, a sentence on it, and what was found of each target."""
    made = [Finding(one.result, one.target, one.text) for one in findings.findings]
    count = len(made)
    all_of = "the target" if count == 1 else f"all {count} targets"
    said = {
        None: "No target was given, so this page shows figures and judges nothing. "
        "Give one: evaluate.targets in a spec, --target-capture and the like for goldenpair report.",
        "MET": f"These parts prove {all_of}, with 95% confidence.",
        "NOT MET": "At least one target is missed." if count > 1 else "The target is missed.",
        "NOT PROVABLE": "The verdicts were chosen on these very parts, which prove nothing of others."
        if findings.flattered
        else "Nothing speaks against it, but these parts cannot prove it.",
    }
    return findings.result or "NO TARGET", said[findings.result], made


def figures_section(found: Figures, stated: str, by_verdict: Sequence[VerdictCount] = ()) -> Section:
    """The figures that decide whether a model may run on a line."""
    point = found.point
    shares = [
        ("capture", "defects that were stopped", point.capture, False),
        ("escapes", "defects that passed, of all defects", point.escapes, False),
        ("escapes, of parts", "defects that passed, of all parts", found.escapes_of_parts, True),
        ("false calls", "good parts that were stopped", point.false_calls, True),
        ("boards stopped for nothing", f"of {found.false_fails_of}: with a false call", found.false_fails, False),
        ("precision of a flag", "defects, of all stopped parts", found.precision, False),
        ("flags", "stopped parts, of all parts", found.flags, True),
        ("accuracy", "parts judged rightly", point.accuracy, False),
    ]
    lines = [Line((name, what, *_told(rate, ppm)), _few(rate)) for name, what, rate, ppm in shares]
    classes = f"{found.defects:,} defects, {found.good:,} good"
    for name, value, boards, what in (
        ("AUROC", found.auroc, found.auroc_boards, "a defect scores higher than a good part"),
        ("average precision", found.average_precision, found.average_precision_boards, "precision over all captures"),
    ):
        shown = "-" if value is None else f"{value:.4f}"
        between = "" if boards is None else f"{boards.low:.4f} to {boards.high:.4f}"
        lines.append(Line((name, what, shown, "", classes, "", between), found.defects < SMALL))
    grids = [
        Grid("At the cutoff", _COLUMNS, lines, f"{_BOARDS} Grey: fewer than {SMALL} parts to count.", words=2),
        _capture_grid(found.at_capture),
        _dropped_grid(found.at_capture),
        _presorted_grid(found.presorted),
    ]
    if by_verdict:
        counts = [Line((one.verdict, f"{one.defects:,}", f"{one.good:,}")) for one in by_verdict]
        grids.insert(0, Grid("By verdict", ("verdict", "defects", "good parts"), counts, REVIEW_COUNTS))
    return Section("figures", "Figures", [stated], grids=grids)


def _told(rate: Rate, ppm: bool) -> tuple[str, str, str, str, str]:
    """Value, ppm, counts, exact interval, interval of boards."""
    if rate.value is None or rate.low is None or rate.high is None:
        return "-", "", "0 of 0", "", ""
    parts = f"{rate.ppm:,.0f}" if ppm else ""
    return percent(rate.value), parts, counted(rate), percent(rate.value, rate.low, rate.high), _boards(rate)


def counted(rate: Rate) -> str:
    return f"{rate.count:,} of {rate.of:,}"


def between(interval: Interval | None, share: float) -> str:
    """In as many digits as the share itself is shown with."""
    return "" if interval is None else percent(share, interval.low, interval.high)


def _boards(rate: Rate) -> str:
    return between(rate.boards, rate.value or 0.0)


def _few(rate: Rate) -> bool:
    return rate.of < SMALL


def _capture_grid(at_capture: Sequence[AtCapture]) -> Grid:
    """What the scores could do at best, with the interval that allows for the cutoff."""
    lines = []
    for at in at_capture:
        if at.point is None or at.point.cutoff is None:
            lines.append(Line((f"{100 * at.target:.4g}%", "-", "-", "", "0 of 0", "", "no defects"), True))
            continue
        value, ppm, counts, exact, _ = _told(at.point.false_calls, True)
        free = between(at.false_calls, at.point.false_calls.value or 0.0) or _needs(at)
        few = at.point.capture.of < SMALL
        lines.append(Line((f"{100 * at.target:.4g}%", short(at.point.cutoff), value, ppm, counts, exact, free), few))
    columns = (
        "capture",
        "cutoff",
        "false calls",
        "ppm",
        "counted",
        "exact 95%, cutoff given",
        "95%, cutoff chosen here",
    )
    note = (
        "Cutoffs chosen on these very defects. One defect decides over each of them; the last column allows for that, "
        "and says how many defects it would take where these are too few to tell."
    )
    return Grid("False calls at a capture", columns, lines, note)


def _needs(at: AtCapture) -> str:
    return (
        "not to be told from any number of defects"
        if at.needed is None
        else f"not to be told below {at.needed:,} defects"
    )


def _dropped_grid(at_capture: Sequence[AtCapture]) -> Grid:
    """How much the lowest-scoring defects decide."""
    counts = list(dict.fromkeys(drop.defects for at in at_capture for drop in at.dropped))
    lines = []
    for at in at_capture:
        of = {drop.defects: drop for drop in at.dropped}
        cells = [_rate_only(of[count].false_calls if count in of else None) for count in counts]
        lines.append(Line((f"{100 * at.target:.4g}%", _rate_only(at.point.false_calls if at.point else None), *cells)))
    columns = ("capture", "all defects", *(f"without the lowest {count}" for count in counts))
    return Grid("False calls if the lowest-scoring defects were not there", columns, lines)


def _rate_only(rate: Rate | None) -> str:
    return "-" if rate is None or rate.value is None else f"{percent(rate.value)} ({rate.count:,})"


def _presorted_grid(presorted: Sequence[Presorted]) -> Grid:
    lines = [Line((f"{one.lost:.0%}", *_both(one.good_passed), *_both(one.bad_found))) for one in presorted]
    columns = ("lost", "good parts passed (PG)", "95%", "defects found (PB)", "95%")
    note = (
        "PG, presorted good: so many good parts could pass without anybody looking, if this share of the defects may "
        "pass with them. PB, presorted bad: so many defects could be rejected without anybody looking, if this share "
        "of the good parts may be rejected with them."
    )
    return Grid("Presorting: what nobody would have to look at", columns, lines, note)


def _both(rate: Rate | None) -> tuple[str, str]:
    if rate is None or rate.value is None:
        return "-", ""
    return f"{percent(rate.value)} ({counted(rate)})", _interval(rate)


def breakdown_section(found: Sequence[Breakdown]) -> Section:
    """Each column's cells, the worst first; what rests on few parts is grey."""
    grids = [_breakdown_grid(one) for one in found]
    said = [f"The worst come first. Grey: fewer than {SMALL} parts to count, which proves nothing."]
    return Section("breakdown", "By defect, type, board and other columns", said, grids=grids)


def _breakdown_grid(found: Breakdown) -> Grid:
    columns = (found.name, "parts", "captured", "95%", "false calls", "95%")
    lines = [Line((one.name, f"{one.parts:,}", *_cell(one)), one.small, _grey(one)) for one in found.cells]
    return Grid(f"By {found.name} ({found.source})", columns, lines, fold=_OPEN_CELLS).first(_MOST_CELLS, _ELSEWHERE)


def _grey(cell: Cell) -> list[int]:
    """The columns that rest on few parts."""
    return [2, 3] * cell.few_defects + [4, 5] * cell.few_good


def _cell(cell: Cell) -> tuple[str, ...]:
    shares = (cell.capture, cell.false_calls)
    return tuple(text for rate in shares for text in ((counted(rate), _interval(rate)) if rate.of else ("-", "")))


def _interval(rate: Rate) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return ""
    return percent(rate.value, rate.low, rate.high)
