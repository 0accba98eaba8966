"""The page as data, and as HTML: sections of sentences, plots, tables and tiles, in one file that needs no network."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from goldenpair.reporting.plots import Plot
from goldenpair.reporting.tiles import TilePicture

State = Literal["MET", "NOT MET", "NOT PROVABLE", "NO TARGET"]
_SIGNS = {"MET": "✓", "NOT MET": "✗", "NOT PROVABLE": "?", "NO TARGET": "–"}


@dataclass(frozen=True)
class Line:
    """A line of a table. What rests on few parts is shown in grey: a `small` line, or its `grey` cells."""

    cells: Sequence[str]
    small: bool = False
    grey: Sequence[int] = ()


@dataclass(frozen=True)
class Grid:
    """A table. The first column names its line; the columns that hold numbers stand to the right."""

    caption: str
    columns: Sequence[str]
    lines: Sequence[Line]
    note: str = ""
    words: int = 1
    """So many columns from the left hold words."""
    fold: int | None = None
    """With more lines than this the rest is folded away, to be opened."""

    @property
    def open_lines(self) -> Sequence[Line]:
        return self.lines[: self.fold]

    @property
    def folded_lines(self) -> Sequence[Line]:
        return [] if self.fold is None else self.lines[self.fold :]

    def first(self, most: int, where: str) -> "Grid":
        """At most so many lines, and a note that tells how many are left out and `where` they are."""
        out = len(self.lines) - most
        if out <= 0:
            return self
        note = f"{self.note} {out:,} more not shown; {where}.".strip()
        return replace(self, lines=self.lines[:most], note=note)


@dataclass(frozen=True)
class Card:
    """A part with its pictures, and what is known of it; `problem` says why there are no pictures."""

    heading: str
    facts: Sequence[tuple[str, str]]
    pictures: Sequence[TilePicture] = ()
    problem: str = ""

    @property
    def across(self) -> int:
        """How many pictures of one light stand beside each other."""
        return len({one.role for one in self.pictures})


@dataclass(frozen=True)
class Gallery:
    heading: str
    cards: Sequence[Card]
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A chapter of the page. `anchor` is its address within it."""

    anchor: str
    title: str
    said: Sequence[str] = ()
    plots: Sequence[Plot] = ()
    grids: Sequence[Grid] = ()
    galleries: Sequence[Gallery] = ()
    listed: Sequence[str] = ()


@dataclass(frozen=True)
class Finding:
    """What is said of one target."""

    state: State
    target: str
    found: str

    @property
    def sign(self) -> str:
        return _SIGNS[self.state]


@dataclass(frozen=True)
class Page:
    """`verdict` is that on all the targets together, None on a page that is about none; `warnings` stand at the top."""

    title: str
    subtitle: str
    verdict: State | None
    verdict_said: str
    findings: Sequence[Finding]
    warnings: Sequence[str]
    sections: Sequence[Section]

    @property
    def sign(self) -> str:
        return _SIGNS[self.verdict] if self.verdict else ""


def render(page: Page) -> str:
    """HTML in which every text is escaped, whatever names and labels hold."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("goldenpair.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html").render(page=page)
