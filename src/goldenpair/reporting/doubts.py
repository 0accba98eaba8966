"""The page's chapters on the data themselves: labels and goldens to look at again, and what splits have in common."""

from collections.abc import Mapping
from pathlib import Path

from goldenpair.data.duplicates import Duplicates, Twin
from goldenpair.data.table import PairTable
from goldenpair.errors import DataError
from goldenpair.metrics import WorkingPoint
from goldenpair.quality.policy import VERDICTS
from goldenpair.quality.scored import ScoredTable
from goldenpair.quality.suspects import (
    BetterGoldens,
    OddGolden,
    OddGoldens,
    SuspectLabel,
    SuspectLabels,
    suspect_labels,
)
from goldenpair.reporting.context import Context
from goldenpair.reporting.judged import Judged
from goldenpair.reporting.page import Card, Gallery, Grid, Line, Section
from goldenpair.reporting.tiles import Budget, TilePicture, data_uri, read_small, tiles

_PICTURES = 1_200_000  # bytes of the pictures of suspected labels, as text
_HEIGHT = 120


def doubts_section(table: ScoredTable, judged: Judged, context: Context) -> Section:
    """Suspected labels with the figures without them, and odd goldens where pictures are known."""
    found = suspect_labels(table)
    said, grids, galleries = [], [], []
    if found.listed:
        said.append(
            f"{found.found:,} parts have scores that speak against their labels. The network's own mistakes look "
            "the same; look at them before you blame either."
        )
        said += _with_and_without(table, judged, found)
        if context.show:
            galleries.append(_suspects(table, judged, found, context))
        else:
            grids.append(_suspects_grid(table, judged, found))
    else:
        said.append("No label is contradicted by its score.")
    if context.odd_goldens:
        odd = context.odd_goldens
        said.append(
            f"{odd.found:,} of {odd.pictures:,} pictures of goldens {'is' if odd.found == 1 else 'are'} unlike their "
            f"siblings; {odd.not_judged:,} could not be judged, having too few."
        )
        if odd.listed:
            galleries.append(_goldens(table, odd))
    if context.better_goldens:
        better = context.better_goldens
        said.append(
            f"{better.found:,} of {better.samples:,} good parts look much more like the golden of another part than "
            "like their own: goldens may be swapped, or there is a second make."
        )
        if better.listed and context.show:
            galleries.append(_better(table, better, context))
    return Section("doubts", "Suspected labels and odd goldens", said, grids=grids, galleries=galleries)


def _with_and_without(table: ScoredTable, judged: Judged, found: SuspectLabels) -> list[str]:
    kept = table.measured
    every = WorkingPoint.of(judged.stopped[kept], table.is_defect[kept], None)
    kept[[one.row for one in found.listed]] = False
    less = WorkingPoint.of(judged.stopped[kept], table.is_defect[kept], None)
    return [
        f"With all parts: capture {every.capture}; false calls {every.false_calls}.",
        f"Without the {len(found.listed)} listed ones: capture {less.capture}; false calls {less.false_calls}.",
    ]


def _rest(count: int) -> str:
    """How many a list leaves out, "" for none."""
    return f"{count:,} more are not shown." if count else ""


def _why(one: SuspectLabel) -> str:
    good = one.label == "PASS"
    others, side = ("defects", "above") if good else ("good parts", "below")
    return f"{side} {one.beyond:.0%} of the {others}"


def _suspects(table: ScoredTable, judged: Judged, found: SuspectLabels, context: Context) -> Gallery:
    assert context.show
    by_row = {one.row: one for one in found.listed}
    made = tiles(list(by_row), context.show, context.lights, Budget(_PICTURES))
    cards = []
    for tile in made:
        one = by_row[tile.row]
        facts = [("label", one.label), ("score", f"{one.score:.4g}"), ("verdict", VERDICTS[judged.code[tile.row]])]
        cards.append(Card(table.describe(tile.row), [*facts, ("score is", _why(one))], tile.pictures, tile.problem))
    return Gallery("Suspected labels", cards, _rest(found.found - len(made)))


def _suspects_grid(table: ScoredTable, judged: Judged, found: SuspectLabels) -> Grid:
    lines = [
        Line((table.describe(one.row), one.label, VERDICTS[judged.code[one.row]], _why(one), f"{one.score:.4g}"))
        for one in found.listed
    ]
    note = _rest(found.found - len(lines))
    return Grid("Suspected labels", ("part", "label", "verdict", "its score is", "score"), lines, note, words=4)


def _goldens(table: ScoredTable, found: OddGoldens) -> Gallery:
    cards = [_golden(table, one) for one in found.listed]
    return Gallery("Odd goldens", cards, _rest(found.found - len(cards)))


def _golden(table: ScoredTable, one: OddGolden) -> Card:
    folder = table.cells["golden_path"][one.row] if "golden_path" in table.cells else ""
    heading = "/".join(filter(None, (folder, Path(one.path).name)))
    facts = [("why", "; ".join(one.reasons)), ("siblings", f"{one.siblings:,}"), ("part", table.describe(one.row))]
    try:
        picture = TilePicture("golden", "", data_uri(read_small(one.path, _HEIGHT)))
    except DataError as error:
        return Card(heading, facts, problem=str(error))
    return Card(heading, facts, [picture])


def _better(table: ScoredTable, found: BetterGoldens, context: Context) -> Gallery:
    assert context.show
    by_row = {one.row: one for one in found.listed}
    made = tiles(list(by_row), context.show, context.lights, Budget(_PICTURES))
    cards = []
    for tile in made:
        one = by_row[tile.row]
        facts = [
            ("looks like the golden of", table.describe(one.other_row)),
            ("distance from it", f"{one.other_distance:.3f}"),
            ("from its own golden", f"{one.distance:.3f}"),
        ]
        cards.append(Card(table.describe(tile.row), facts, tile.pictures, tile.problem))
    return Gallery("Parts unlike their golden", cards, _rest(found.found - len(made)))


def twins_grid(found: Duplicates, tables: Mapping[str, PairTable]) -> Grid:
    """Parts that are in two splits."""
    groups = (("same file", found.same), ("near", found.near), ("a golden", found.golden_samples))
    lines = [
        Line((_of(tables, twin.split, twin.row), _of(tables, twin.other_split, twin.other_row), kind, _distance(twin)))
        for kind, twins in groups
        for twin in twins
    ]
    total = found.same_count + found.near_count + found.golden_samples_count
    note = f"Of {found.parts:,} different samples. {_rest(total - len(lines))}".rstrip()
    return Grid("Parts that stand in two places", ("part", "is like", "how", "distance"), lines, note, words=3)


def twins_told(found: Duplicates) -> list[str]:
    """What splits have in common, in sentences."""
    near = (
        "not told, as no good part could be compared with a golden"
        if found.threshold is None
        else f"{found.near_count:,}"
    )
    said = [
        f"Between the tables of the run: {found.same_count:,} samples with the same files, near-duplicates: {near}; "
        f"{found.golden_samples_count:,} samples are files of a golden."
    ]
    for pair, boards in found.boards.items():
        named = ", ".join(boards[:8]) + (f" and {len(boards) - 8} more" if len(boards) > 8 else "")
        shared = "1 board" if len(boards) == 1 else f"{len(boards):,} boards"
        said.append(f"{pair} share {shared} ({found.board_source}): {named}. Figures may flatter.")
    if found.unreadable:
        said.append(f"{found.unreadable:,} pictures could not be read, and their parts are compared with none.")
    return said


def _of(tables: Mapping[str, PairTable], split: str, row: int) -> str:
    return f"{split}, {tables[split].describe(row)}"


def _distance(twin: Twin) -> str:
    return f"{twin.distance:.3f}"
