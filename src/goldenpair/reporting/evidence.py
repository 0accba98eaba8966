"""The page's chapters on single parts, on the data and on the run."""

import platform
from collections import Counter
from collections.abc import Sequence

import numpy as np

from goldenpair import __version__
from goldenpair.metrics import decimals, short
from goldenpair.quality.policy import VERDICTS
from goldenpair.quality.scored import ScoredTable
from goldenpair.reporting.context import Context
from goldenpair.reporting.doubts import twins_grid, twins_told
from goldenpair.reporting.judged import Judged
from goldenpair.reporting.page import Card, Gallery, Grid, Line, Section
from goldenpair.reporting.tiles import Budget, Tile, tiles

WORST = 20
"""False calls that are shown."""
_PICTURES = 6_500_000  # bytes of all pictures together, as text: the page stays well below 10 MB
_FOR_FALSE_CALLS = 1_500_000
_MOST_TILES, _MOST_LINES = 300, 500


def parts_section(table: ScoredTable, judged: Judged, context: Context) -> Section:
    """Every escape, the lowest scores first, and the worst false calls, the highest first: tiles, or tables without
    pictures. What does not fit is what was missed least."""
    stopped, there = judged.stopped, table.measured
    escapes = _by_score(table, there & table.is_defect & ~stopped)[::-1]
    flags = _by_score(table, there & ~table.is_defect & stopped)
    groups = [
        ("escapes", f"Escapes: {len(escapes):,} defects that passed", escapes),
        ("false calls", f"The worst of {len(flags):,} false calls", flags[:WORST]),
    ]
    title = "Escapes and the worst false calls"
    if context.show is None:
        grids = [_grid(table, judged, heading, rows) for _, heading, rows in groups if rows]
        said = [f"There are no {name}." for name, _, rows in groups if not rows]
        return Section("parts", title, said, grids=grids)
    galleries, said, digits = [], [], decimals(table.score)
    budget = Budget(_PICTURES)
    for name, heading, rows in reversed(groups):
        own = Budget(min(budget.left, _FOR_FALSE_CALLS if name == "false calls" else budget.left))
        made = tiles(rows[:_MOST_TILES], context.show, context.lights, own)
        budget.take(own.spent)
        out = len(rows) - len(made)
        note = f"{out:,} more not shown; all are in scores.csv, by the column kind." if out else ""
        if rows:
            galleries.append(Gallery(heading, [_card(table, judged, tile, digits) for tile in made], note))
        else:
            said.append(f"There are no {name}.")
    return Section("parts", title, said, galleries=galleries[::-1])


def _by_score(table: ScoredTable, chosen: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> list[int]:
    """Rows with the highest scores first."""
    rows = np.flatnonzero(chosen)
    return [int(row) for row in rows[np.argsort(-table.score[rows], kind="stable")]]


def _facts(table: ScoredTable, judged: Judged, row: int, digits: int) -> list[tuple[str, str]]:
    known = [("label", table.label[row]), ("score", f"{table.score[row]:.{digits}f}")]
    if judged.policy:
        known.append(("cutoff", short(judged.review[row])))
    known.append(("verdict", VERDICTS[judged.code[row]]))
    path = table.cells["input_path"][row] if "input_path" in table.cells else ""
    return [*known, ("path", path)] if path else known


def _card(table: ScoredTable, judged: Judged, tile: Tile, digits: int) -> Card:
    return Card(table.describe(tile.row), _facts(table, judged, tile.row, digits), tile.pictures, tile.problem)


def _grid(table: ScoredTable, judged: Judged, heading: str, rows: Sequence[int]) -> Grid:
    digits = decimals(table.score)
    lines = [
        Line((table.describe(row), table.label[row], VERDICTS[judged.code[row]], f"{table.score[row]:.{digits}f}"))
        for row in rows
    ]
    grid = Grid(heading, ("part", "label", "verdict", "score"), lines, words=3)
    return grid.first(_MOST_LINES, "all are in scores.csv, by the column kind")


def data_section(table: ScoredTable, context: Context) -> Section:
    """What was scored: counts, boards, labels, and the tables with their hashes."""
    labels = Counter(table.label)
    boards = len(table.boards) if any(table.boards) else 0
    counts = [
        ("parts", f"{len(table):,}"),
        ("measured: with a label and a score", f"{int(table.measured.sum()):,}"),
        ("good", f"{int((table.measured & ~table.is_defect).sum()):,}"),
        ("defects", f"{int((table.measured & table.is_defect).sum()):,}"),
        ("without a score (ERROR), in no figure", f"{int((~np.isfinite(table.score)).sum()):,}"),
        ("without a label, in no figure", f"{int((~table.labelled).sum()):,}"),
        ("boards", f"{boards:,} ({table.board_source})" if boards else "not known"),
        ("score column", table.score_column),
        ("file", table.source),
        ("SHA-256 of the file", table.sha256 or "never in a file"),
    ]
    grids = [facts_grid("Counts", counts)]
    named = [Line((label or "(none)", f"{count:,}")) for label, count in labels.most_common()]
    grids.append(Grid("Parts by label", ("label", "parts"), named).first(30, "see scores.csv"))
    if context.splits:
        lines = [Line((s.name, s.source, s.sha256, f"{s.parts:,}", f"{s.defects:,}")) for s in context.splits]
        columns = ("split", "file", "SHA-256", "parts", "defects")
        grids.append(Grid("Tables of the run", columns, lines, words=3))
    said = []
    if context.shared:
        said = twins_told(context.shared.found)
        twins = twins_grid(context.shared.found, context.shared.tables)
        grids += [twins] if twins.lines else []
    return Section("data", "Data card", said, grids=grids)


def run_section(context: Context) -> Section:
    """What made the scores, and on what."""
    facts = [*context.facts, ("page made by", f"goldenpair {__version__}, Python {platform.python_version()}")]
    grids = [facts_grid("Model, versions and machine", facts)]
    if (one := context.latency) is not None:
        times = [
            (f"p{share}", f"{1000 * value:.2f} ms") for share, value in ((50, one.p50), (95, one.p95), (99, one.p99))
        ]
        rate = ("the whole table, decoding included", f"{one.throughput:,.1f} pairs/s")
        grids.append(facts_grid(f"Time for one pair, of {one.pairs} pairs one at a time", [*times, rate]))
    return Section("run", "Model, versions and time", grids=grids)


def facts_grid(caption: str, facts: Sequence[tuple[str, str]]) -> Grid:
    return Grid(caption, ("what", "value"), [Line(fact) for fact in facts], words=2)
