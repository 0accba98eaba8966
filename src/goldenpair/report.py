"""What people look at: an evaluation's figures as a table, its parts as a contact sheet; what the cache holds."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
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
from goldenpair.metrics import Flag, Metrics, Rate, Score, WorkingPoint, above, short
from goldenpair.pages import GREY, Line, draw_page
from goldenpair.pixels import PixelMetrics
from goldenpair.specs.common import Cache

if TYPE_CHECKING:
    from goldenpair.inspection import Inspector, Verdict

TILE = 88
"""Height of a picture on a contact sheet, in pixels."""
COLOURS = {"false call": (200, 120, 0), "escape": (200, 0, 0), "error": (120, 0, 160), "right": (70, 70, 70)}
"""Of what was said of a part, by `kind_of`."""


def kpi_table(metrics: Metrics) -> Table:
    """The figures that decide whether a model may run on a line, with the counts behind them."""
    table = Table(title=_title(metrics), title_justify="left", box=SIMPLE)
    for column in ("figure", "cutoff", "value", "ppm", "from", "95 % interval"):
        table.add_column(column, justify="left" if column == "figure" else "right", no_wrap=True)
    point = metrics.point
    _add(table, "capture", point.cutoff, point.capture, ppm=False)
    _add(table, "escapes", point.cutoff, point.escapes, ppm=False)
    _add(table, "false calls", point.cutoff, point.false_calls)
    table.add_section()
    for at in metrics.at_capture:
        name = f"false calls at {at.target:.0%} capture"
        if at.point is None:
            table.add_row(name, "", "-", "", "no defects", "")
        else:
            _add(table, name, at.point.cutoff, at.point.false_calls)
    table.add_section()
    both = f"{metrics.defects} + {metrics.good}"
    for name, value in (("AUROC", metrics.auroc), ("average precision", metrics.average_precision)):
        table.add_row(name, "", "-" if value is None else f"{value:.4f}", "", both, "")
    if metrics.errors:
        table.add_row("without a score (ERROR)", "", str(metrics.errors), "", f"of {metrics.parts}", "")
    return table


def _title(metrics: Metrics) -> str:
    without = f" and {metrics.errors} without a score" if metrics.errors else ""
    return f"{metrics.parts} parts: {metrics.good} good, {metrics.defects} defective{without}"


def cutoff_table(points: Sequence[WorkingPoint]) -> Table:
    """Capture and false calls over cutoffs, as on NVIDIA's model card."""
    table = Table(title="What other cutoffs would do", title_justify="left", box=SIMPLE)
    for column in ("cutoff", "capture", "false calls"):
        table.add_column(column, justify="right")
    for point in points:
        table.add_row(f"{point.cutoff:g}", _percent(point.capture), _percent(point.false_calls))
    return table


def _add(table: Table, name: str, cutoff: float, rate: Rate, ppm: bool = True) -> None:
    if rate.value is None or rate.low is None or rate.high is None:
        table.add_row(name, short(cutoff), "-", "", "0 of 0", "")
        return
    parts = f"{rate.ppm:,.0f}" if ppm else ""
    counts, interval = f"{rate.count} of {rate.of}", f"{rate.low:.2%} to {rate.high:.2%}"
    table.add_row(name, short(cutoff), f"{rate.value:.2%}", parts, counts, interval)


def pixel_table(metrics: PixelMetrics, pairs: int) -> Table:
    """How well the masks of so many pairs were found, a class a line; n/a: neither masks nor predictions have it."""
    accuracy = "no pixels" if metrics.accuracy is None else f"{metrics.accuracy:.2%} of pixels right"
    title = f"{pairs} pairs, {metrics.pixels:,} pixels: {accuracy}"
    table = Table(title=title, title_justify="left", box=SIMPLE)
    for column in ("class", "IoU", "F1", "precision", "recall", "pixels"):
        table.add_column(column, justify="left" if column == "class" else "right", no_wrap=True)
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


def _percent(rate: Rate) -> str:
    return "-" if rate.value is None else f"{rate.value:.2%} ({rate.count} of {rate.of})"


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


def outcome(metrics: Metrics) -> str:
    """False calls and escapes at the cutoff, and how many parts have no verdict, in one line."""
    point = metrics.point
    return (
        f"cutoff {short(point.cutoff)}: {_several(point.false_calls.count, 'false call')} of "
        f"{_several(point.false_calls.of, 'good part')}, {_several(point.escapes.count, 'escape')} of "
        f"{_several(point.escapes.of, 'defect')}{f', {metrics.errors} ERROR' if metrics.errors else ''}"
    )


def _several(count: int, name: str) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


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


def _age(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return "just now"
