"""What people look at: an evaluation's figures as a table, its parts as a contact sheet; what the cache holds."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.box import SIMPLE
from rich.table import Table

from goldenpair.data.cache import Pictures
from goldenpair.data.packs import Contents
from goldenpair.data.table import Layout, PairTable, part_pictures
from goldenpair.errors import DataError
from goldenpair.metrics import Flag, Rate, Score, WorkingPoint, above, percent, short
from goldenpair.pages import GREY, Line, draw_page
from goldenpair.pixels import PixelMetrics
from goldenpair.quality.figures import AtCapture, Figures
from goldenpair.quality.targets import Findings
from goldenpair.specs.common import Cache
from goldenpair.storage.limits import Limits
from goldenpair.storage.shelf import Kept

if TYPE_CHECKING:
    from goldenpair.inspection import Inspector, Verdict
    from goldenpair.reporting.judged import VerdictCount

TILE = 88
"""Height of a picture on a contact sheet, in pixels."""
COLOURS = {"false call": (200, 120, 0), "escape": (200, 0, 0), "error": (120, 0, 160), "right": (70, 70, 70)}
"""Of what was said of a part, by `kind_of`."""


def kpi_table(figures: Figures) -> Table:
    """The figures that decide whether a model may run on a line, with the counts behind them."""
    table = Table(
        title=figures.told(), caption=_caption(figures), title_justify="left", caption_justify="left", box=SIMPLE
    )
    for column in ("figure", "cutoff", "value", "ppm", "from", "95 %, exact", "95 %, boards"):
        # a narrow terminal breaks intervals into two lines: no number is ever cut
        table.add_column(column, justify="left" if column == "figure" else "right", overflow="fold")
    point = figures.point
    _add(table, "capture", point.cutoff, point.capture, ppm=False)
    _add(table, "escapes", point.cutoff, point.escapes, ppm=False)
    _add(table, "escapes, of parts", point.cutoff, figures.escapes_of_parts)
    _add(table, "false calls", point.cutoff, point.false_calls)
    _add(table, "boards stopped for nothing", point.cutoff, figures.false_fails, ppm=False)
    _add(table, "precision of a flag", point.cutoff, figures.precision, ppm=False)
    _add(table, "flags", point.cutoff, figures.flags)
    table.add_section()
    for at in figures.at_capture:
        _add_capture(table, at)
    table.add_section()
    for one in figures.presorted:
        _add(table, f"PG at {one.lost:.0%}: good passed", None, one.good_passed or Rate.measured(0, 0), ppm=False)
        _add(table, f"PB at {one.lost:.0%}: bad found", None, one.bad_found or Rate.measured(0, 0), ppm=False)
    table.add_section()
    both = f"{figures.defects:,} + {figures.good:,}"
    for name, value, boards in (
        ("AUROC", figures.auroc, figures.auroc_boards),
        ("average precision", figures.average_precision, figures.average_precision_boards),
    ):
        interval = f"{boards.low:.4f} to {boards.high:.4f}" if boards else ""
        table.add_row(name, "", "-" if value is None else f"{value:.4f}", "", both, "", interval)
    if figures.errors:
        table.add_row("without a score (ERROR)", "", f"{figures.errors:,}", "", f"of {figures.parts:,}", "", "")
    if figures.unlabelled:
        table.add_row("without a label", "", f"{figures.unlabelled:,}", "", f"of {figures.parts:,}", "", "")
    return table


def _caption(figures: Figures) -> str:
    if not figures.boards:
        return f"Boards are not known ({figures.board_source}): intervals take each part for an independent one."
    boards = f"{_several(figures.boards, 'board')} ({figures.board_source})"
    return (
        f"{boards}; the last column allows for parts of one board\n"
        "being alike, and is empty where too little went wrong to tell. "
        f"Stopped for nothing: of {figures.false_fails_of}.\n"
        "Exact intervals below the first line take the cutoff as given, although a few defects decide on it."
    )


def _add_capture(table: Table, at: AtCapture) -> None:
    name = f"false calls at {100 * at.target:g}% capture"
    if at.point is None:
        table.add_row(name, "", "-", "", "no defects", "", "")
        return
    _add(table, name, at.point.cutoff, replace(at.point.false_calls, boards=at.false_calls))
    for one in at.dropped if at.target == 1 else ():
        if one.false_calls is not None:
            without = f"  without the {_several(one.defects, 'lowest defect')}"
            _add(table, without.replace("the 1 ", "the "), one.cutoff, one.false_calls)


def verdict_table(counts: "Sequence[VerdictCount]") -> Table:
    """How many defects and good parts got which verdict, where some are REVIEW."""
    from goldenpair.reporting.judged import REVIEW_COUNTS

    table = Table(title="By verdict", title_justify="left", caption=REVIEW_COUNTS, caption_justify="left", box=SIMPLE)
    for column in ("verdict", "defects", "good parts"):
        table.add_column(column, justify="left" if column == "verdict" else "right")
    for one in counts:
        table.add_row(one.verdict, f"{one.defects:,}", f"{one.good:,}")
    return table


def target_table(findings: Findings) -> Table:
    """Whether each target is proven, and what is missing."""
    caption = "Bounds of targets are one-sided, with 5 % beyond; the intervals of figures have 2.5 % on each side."
    table = Table(
        title=f"Targets: {findings.result}", caption=caption, title_justify="left", caption_justify="left", box=SIMPLE
    )
    for column in ("target", "result", "why"):
        table.add_column(column)
    for one in findings.findings:
        table.add_row(one.target, one.result, one.text)
    return table


def cutoff_table(points: Sequence[WorkingPoint]) -> Table:
    """Capture and false calls over cutoffs, as on NVIDIA's model card."""
    table = Table(title="What other cutoffs would do", title_justify="left", box=SIMPLE)
    for column in ("cutoff", "capture", "false calls"):
        table.add_column(column, justify="right")
    for point in points:
        table.add_row("" if point.cutoff is None else f"{point.cutoff:g}", point.capture.told, point.false_calls.told)
    return table


def _add(table: Table, name: str, cutoff: float | None, rate: Rate, ppm: bool = True) -> None:
    at = "" if cutoff is None else short(cutoff)
    if rate.value is None or rate.low is None or rate.high is None:
        table.add_row(name, at, "-", "", "0 of 0", "", "")
        return
    parts = f"{rate.ppm:,.0f}" if ppm else ""
    boards = percent(rate.value, rate.boards.low, rate.boards.high) if rate.boards else ""
    counts, interval = f"{rate.count:,} of {rate.of:,}", percent(rate.value, rate.low, rate.high)
    table.add_row(name, at, percent(rate.value), parts, counts, interval, boards)


def pixel_table(metrics: PixelMetrics, pairs: int) -> Table:
    """How well the masks of so many pairs were found, a class a line; n/a: neither masks nor predictions have it."""
    accuracy = "no pixels" if metrics.accuracy is None else f"{metrics.accuracy:.2%} of pixels right"
    title = f"{pairs} pairs, {metrics.pixels:,} pixels: {accuracy}"
    table = Table(title=title, title_justify="left", box=SIMPLE)
    for column in ("class", "IoU", "F1", "precision", "recall", "pixels"):
        table.add_column(column, justify="left" if column == "class" else "right", overflow="fold")
    for number, one in enumerate(metrics.classes):
        name = (
            f"{number}, no change" if number == 0 else f"{number}, change" if len(metrics.classes) == 2 else f"{number}"
        )
        shares = (one.iou, one.f1, one.precision, one.recall)
        table.add_row(name, *map(_figure, shares), f"{one.pixels:,}")
    table.add_section()
    means = (metrics.miou, metrics.mf1, metrics.mprecision, metrics.mrecall)
    table.add_row("mean", *map(_figure, means), "")
    return table


def _figure(share: float | None) -> str:
    return "n/a" if share is None else f"{share:.4f}"


@dataclass(frozen=True)
class SheetRow:
    """A part on a contact sheet: uint8 [L, 3, H, W] pictures and what was said of it."""

    golden: NDArray[np.uint8]
    sample: NDArray[np.uint8]
    name: str
    label: str
    score: float
    verdict: str

    @property
    def kind(self) -> str:
        return kind_of(self.label, self.verdict)


def kind_of(label: str, verdict: str) -> str:
    """What a verdict is to a label, which may be empty: `error`, `escape`, `false call` or `right`."""
    if verdict == "ERROR":
        return "error"
    if label and (label == "PASS") != (verdict == "PASS"):
        return "escape" if verdict == "PASS" else "false call"
    return "right"


def rows_worth_seeing(score: Score, is_defect: Flag, cutoff: float | Score, limit: int = 24) -> list[int]:
    """Which parts a person should look at first; the cutoff may differ between them, float [N].

    The worst false calls and the worst escapes, up to a third of `limit` each, then the right verdicts that were
    nearest to the cutoff, defects before good parts. Parts without a score are not among them.
    """
    rows = np.flatnonzero(np.isfinite(score))
    distance = np.abs(score - cutoff)
    fails = above(score, cutoff)
    worst_first, nearest_first = rows[np.argsort(-distance[rows])], rows[np.argsort(distance[rows])]
    false_calls = [row for row in worst_first if fails[row] and not is_defect[row]][: limit // 3]
    escapes = [row for row in worst_first if not fails[row] and is_defect[row]][: limit // 3]
    right = [row for row in nearest_first if fails[row] == is_defect[row]]
    defects = [row for row in right if is_defect[row]]
    good = [row for row in right if not is_defect[row]]
    left = limit - len(false_calls) - len(escapes)
    half = max(left // 2, left - len(defects))
    chosen = [*false_calls, *escapes, *defects[: left - min(half, len(good))], *good[:half]]
    return [int(row) for row in chosen[:limit]]


def contact_sheet(rows: Sequence[SheetRow], title: str, path: Path) -> None:
    """Write a PNG with a line for each part: golden | sample | what was said of it."""
    _, _, height, width = rows[0].golden.shape if rows else (1, 3, TILE, TILE)
    lines = [
        Line(
            [[Image.fromarray(one.transpose(1, 2, 0)) for one in lights] for lights in (row.golden, row.sample)],
            [
                (f"{row.score:.4g}  {row.verdict}", COLOURS[row.kind]),
                (f"{row.kind if row.kind == 'right' else row.kind.upper()}; labelled {row.label}", COLOURS[row.kind]),
                (row.name, GREY),
            ],
        )
        for row in rows
    ]
    tile = (max(1, round(width * TILE / height)), TILE)
    draw_page(title, ("golden", "sample", "score and verdict"), lines, tile).save(path, "PNG")


def evaluation_sheet(
    path: Path, inspector: "Inspector", table: PairTable, verdicts: Sequence["Verdict"], title: str
) -> None:
    """Write the contact sheet of an evaluation; of several goldens it shows the one that matches best."""
    score = np.array([np.nan if one.score is None else one.score for one in verdicts], np.float32)
    layout, workers = Layout.of(inspector.spec.pairs), inspector.spec.pairs.workers
    parts = part_pictures(table, layout)
    # as large as the sheet shows them, not as small as the network may see them
    width = max(1, round(TILE * layout.width / layout.height))
    pictures = Pictures(parts.paths, TILE, width, workers)

    def files(part: NDArray[np.int64]) -> list[str]:
        return [parts.paths[number] for number in part.tolist()]

    def golden_of(row: int) -> NDArray[np.int64]:
        goldens = parts.chosen[parts.golden_id[row]]
        try:
            best = inspector.closest_golden(files(parts.sample[row]), [files(golden) for golden in goldens])
        except DataError:  # a file has changed since it was scored
            best = 0
        found: NDArray[np.int64] = goldens[best]
        return found

    sheet = [
        SheetRow(
            golden=pictures.read(golden_of(row)),
            sample=pictures.read(parts.sample[row]),
            name=f"{table.cells['object_name'][row]} in {table.cells['input_path'][row]}",
            label=table.cells["label"][row],
            score=float(score[row]),
            verdict=verdicts[row].verdict,
        )
        for row in rows_worth_seeing(score, table.is_defect, np.array([one.cutoff for one in verdicts]))
    ]
    contact_sheet(sheet, title, path)


def outcome(figures: Figures) -> str:
    """False calls and escapes at the cutoff, and how many parts have no verdict, in one line."""
    point = figures.point
    cutoff = "" if point.cutoff is None else f"cutoff {short(point.cutoff)}: "
    return (
        f"{cutoff}{_several(point.false_calls.count, 'false call')} of "
        f"{_several(point.false_calls.of, 'good part')}, {_several(point.escapes.count, 'escape')} of "
        f"{_several(point.escapes.of, 'defect')}{f', {figures.errors} ERROR' if figures.errors else ''}"
    )


def _several(count: int, name: str) -> str:
    return f"{count:,} {name}" if count == 1 else f"{count:,} {name}s"


def cache_table(folder: Path, contents: Contents) -> Table:
    """What lies in the cache's folder and which pictures it is of."""
    table = Table(title=f"Cache {folder}", title_justify="left", caption_justify="left", box=SIMPLE)
    for column in ("pictures of", "size", "pictures", "MB", "last used"):
        table.add_column(column, justify="left" if column == "pictures of" else "right", overflow="fold")
    for pack in contents.packs:
        table.add_row(
            pack.folder or "several drives",
            f"{pack.width} x {pack.height}",
            str(pack.pictures),
            f"{pack.size / 1e6:.1f}",
            _age(time.time() - pack.used),
        )
    limit = Cache().limit_gb
    told = [
        f"{len(contents.packs)} entries, {contents.size / 1e9:.2f} GB; the limit is {limit:g} GB unless "
        "dataset.cache.limit_gb says otherwise"
    ]
    if contents.damaged:
        told.append(f"{contents.damaged} damaged entries, which the next run removes")
    if contents.in_work:
        told.append(f"{contents.in_work} being written by a run")
    if contents.leftovers:
        told.append(f"{contents.leftovers} left by killed runs, which the next run removes")
    table.caption = "\n".join(told)
    return table


def fetched_table(kept: Sequence[Kept]) -> Table:
    """What was fetched, unpacked or sent, as it lies in the cache's folder."""
    table = Table(title="Fetched and unpacked files", title_justify="left", caption_justify="left", box=SIMPLE)
    for column in ("from", "files", "MB", "last used"):
        table.add_column(column, justify="left" if column == "from" else "right", overflow="fold")
    for one in kept:
        source = one.source if one.whole else f"{one.source} (not complete)"
        table.add_row(source, str(one.files), f"{one.size / 1e6:.1f}", _age(time.time() - one.used))
    table.caption = (
        f"{sum(one.size for one in kept) / 1e9:.2f} GB; the limit is {Limits().limit_gb:g} GB unless "
        "storage.limit_gb says otherwise"
    )
    return table


def _age(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return "just now"
