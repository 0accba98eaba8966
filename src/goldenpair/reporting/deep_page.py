"""The page of the deep audit: what is suspected with its pictures, and the table of what to do."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from goldenpair.data.table import harmless
from goldenpair.deep_audit.deep import DeepAudit
from goldenpair.deep_audit.suspicion import CERTAIN, GOLDEN, KINDS, LABEL, SPLIT, Suspicion
from goldenpair.errors import DataError
from goldenpair.reporting.evidence import facts_grid
from goldenpair.reporting.page import Card, Gallery, Grid, Line, Page, Section, render
from goldenpair.reporting.tiles import Budget, TilePicture, data_uri, read_small

ACTIONS = "suggested_actions.csv"
PAGE = "deep_audit.html"
_PICTURES = 7_000_000  # bytes of all pictures together, as text: the page stays well below 10 MB
_MOST, _HEIGHT = 24, 112
_COLUMNS = (
    "split",
    "line",
    "input_path",
    "golden_path",
    "object_name",
    "label",
    "what",
    "why",
    "number",
    "sure",
    "action",
    "other_split",
    "other_line",
    "other_golden_path",
    "other_object_name",
)
_OTHER = {
    "golden_duplicate": "that other golden",
    "golden_near_duplicate": "that other golden",
    "golden_of_another": "golden that fits better",
    "sample_fits_another": "golden that fits better",
    "two_labels": "the other sample",
    "sample_in_two_splits": "the other sample",
    "sample_nearly_in_two_splits": "the other sample",
    "sample_is_golden": "that golden",
}
"""What the third picture of a light shows, by kind; a sample or a golden."""


def write_actions(path: Path, found: DeepAudit) -> None:
    """A line for each suspicion, the most certain first; `sure` is empty where files are the same."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for one in found.found:
            writer.writerow([harmless(cell) for cell in _cells(found, one)])


def _cells(found: DeepAudit, one: Suspicion) -> Iterator[str]:
    joined, row, other = found.joined, one.row, one.other_row
    yield from (joined.split[row], str(joined.line(row)))
    yield from (joined.cell(row, name) for name in ("input_path", "golden_path", "object_name", "label"))
    yield from (one.what, one.why, f"{one.number:.4g}", _sure(one), KINDS[one.what].action)
    if other is None:
        yield from ("", "", "", "")
    else:
        yield from (joined.split[other], str(joined.line(other)))
        yield from (joined.cell(other, name) for name in ("golden_path", "object_name"))


def _sure(one: Suspicion) -> str:
    return "" if one.sure == CERTAIN else f"{one.sure:.2f}"


def deep_html(found: DeepAudit, lights: Sequence[str]) -> str:
    """The page as HTML, whose pictures are within it."""
    counts = [(kind, sum(one.what == what for one in found.found)) for what, kind in KINDS.items()]
    lines = [Line((kind.said, kind.action, f"{count:,}"), small=not count) for kind, count in counts]
    summary = Grid("Suspicions", ("what", "suggested action", "how many"), lines, words=2)
    told = [f"{len(found.found):,} suspicions; all are in {ACTIONS}, the most certain first.", *found.notes]
    budget = Budget(_PICTURES)
    sections = [
        Section("summary", "What was found", told, grids=[summary, _looked_at(found)]),
        _section(found, GOLDEN, "Goldens to look at again", lights, budget),
        _section(found, LABEL, "Labels to look at again", lights, budget),
        _section(found, SPLIT, "What stands in two places", lights, budget),
        Section("limits", "What such an audit cannot tell", _LIMITS),
    ]
    joined = found.joined
    files = dict.fromkeys(Path(table.source).name for table in joined.tables.values())
    title = f"Golden and label audit: {', '.join(files)}"
    subtitle = f"{len(joined):,} pairs and {found.goldens:,} goldens were looked at, without a trained model."
    return render(Page(title, subtitle, None, "", (), (), sections))


_LIMITS = (
    "A suspicion is a reason to look, never a verdict: nothing was changed, and no picture passes or fails by it.",
    "A golden with fewer than 3 good samples is judged by the other goldens of its kind only; of a pair that differs "
    "the pictures alone do not tell which of the two is wrong.",
    "Pictures are looked at in 128 x 128 pixels, and framing in 64 x 64: what is smaller than that is not seen.",
    "A golden that is wrong in the same way as all of its samples looks right.",
)


def _looked_at(found: DeepAudit) -> Grid:
    joined = found.joined
    facts = [(name, f"{len(table):,} rows of {table.source}") for name, table in joined.tables.items() if len(table)]
    auroc = found.labels.auroc
    facts.append(("AUROC of the check of labels", "none" if auroc is None else f"{auroc:.3f}"))
    facts.append(("boards by", joined.board_source))
    return facts_grid("Looked at", facts)


def _section(found: DeepAudit, chapter: str, title: str, lights: Sequence[str], budget: Budget) -> Section:
    """Kinds of suspicions, the ones with the most certain first."""
    galleries: list[Gallery] = []
    of_chapter = [one for one in found.found if KINDS[one.what].chapter == chapter]
    for what in dict.fromkeys(one.what for one in of_chapter):
        some = [one for one in of_chapter if one.what == what]
        cards = []
        for one in some[:_MOST]:
            card = _card(found, one, lights)
            if not budget.take(sum(len(picture.uri) for picture in card.pictures)):
                break
            cards.append(card)
        out = len(some) - len(cards)
        note = f"Suggested: {KINDS[what].action}." + (f" {out:,} more are in {ACTIONS}." if out else "")
        galleries.append(Gallery(f"{_capital(KINDS[what].said)}: {len(some):,}", cards, note))
    said = [] if of_chapter else ["Nothing is suspected."]
    return Section(chapter, title, said, galleries=galleries)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _card(found: DeepAudit, one: Suspicion, lights: Sequence[str]) -> Card:
    joined = found.joined
    heading = joined.place(one.row) if one.what.startswith("golden_") else joined.describe(one.row)
    facts = [("why", one.why), ("sure", _sure(one) or "certain: same files")]
    label = joined.cell(one.row, "label")
    facts += [("label", label)] if label else []
    facts.append(("row", joined.describe(one.row)))
    try:
        return Card(heading, facts, _pictures(found, one, lights))
    except DataError as error:
        return Card(heading, facts, problem=str(error))


def _pictures(found: DeepAudit, one: Suspicion, lights: Sequence[str]) -> list[TilePicture]:
    """Light by light: sample, golden, and the other picture that it is about, if any."""
    parts = found.joined.parts
    shown = [("sample", parts.sample[one.row]), ("golden", found.golden[one.row])]
    if one.other_row is not None and one.what in _OTHER:
        role = _OTHER[one.what]
        other = parts.sample[one.other_row] if role.endswith("sample") else found.golden[one.other_row]
        shown.append((role, other))
    names = lights or ("",)
    return [
        TilePicture(role, name, data_uri(read_small(parts.paths[int(numbers[light])], _HEIGHT)))
        for light, name in enumerate(names)
        for role, numbers in shown
    ]
