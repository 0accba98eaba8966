"""The page as HTML: whole, closed, named, and with every text escaped."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from goldenpair.reporting.page import Card, Finding, Gallery, Grid, Line, Page, Section, render
from goldenpair.reporting.plots import Plot
from goldenpair.reporting.tiles import TilePicture

VOID = {"meta", "img", "br", "hr", "link", "input"}
EVIL = '<script>alert("x")</script>\'"&'


class Checked(HTMLParser):
    """Reads a page, and knows what a browser would forgive."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.tags, self.faults = [], [], [], [], []
        self.attributes, self.words = [], []
        self.feed(text)
        self.close()
        self.faults += [f"{tag} stays open" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self.take(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.take(tag, attrs)

    def take(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        self.attributes += [(tag, *one) for one in attrs]
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if tag == "a" else []
        if tag == "img" and not found.get("alt"):
            self.faults.append("img without words")
        if tag == "svg" and not (found.get("role") == "img" and found.get("aria-labelledby")):
            self.faults.append("svg without words")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"{tag} is closed out of order")

    def handle_data(self, data):
        self.words.append(data)


def page_of(*sections, **more):
    given = {"verdict": "NO TARGET", "verdict_said": "Nothing was asked.", "findings": [], "warnings": []}
    return Page("A title", "A subtitle", sections=sections, **{**given, **more})


SVG = '<svg viewBox="0 0 1 1" role="img" aria-labelledby="p-title"><title id="p-title">x</title></svg>'


def everything(text="words"):
    """A section with one of each, all of whose texts are `text`."""
    card = Card(text, [(text, text)], [TilePicture(text, text, "data:image/jpeg;base64,AAAA")])
    return Section(
        "one",
        text,
        [text],
        [Plot("p", text, SVG, text)],
        [Grid(text, (text, text), [Line((text, text)), Line((text, text), True), Line((text, text), grey=[1])], text)],
        [Gallery(text, [card, Card(text, [], problem=text)], text)],
        [text],
    )


def test_it_is_closed_and_named():
    read = Checked(render(page_of(everything(), Section("two", "Another"))))
    assert not read.faults
    assert len(read.ids) == len(set(read.ids))
    assert read.links == ["#one", "#two"] and {"one", "two"} <= set(read.ids)
    for tag in ("h1", "h2", "h3", "h4", "table", "caption", "figure", "nav", "main"):
        assert tag in read.tags
    assert read.tags.count("h1") == 1


def test_hostile_words_stay_words():
    text = render(page_of(everything(EVIL), verdict_said=EVIL, warnings=[EVIL], findings=[Finding("MET", EVIL, EVIL)]))
    read = Checked(text)
    assert not read.faults and "script" not in read.tags
    assert not [one for one in read.attributes if one[1].startswith("on")]
    assert EVIL in "".join(read.words)
    assert "<script" not in text


def test_nothing_is_fetched_and_nothing_can_be():
    text = render(page_of(everything()))
    assert "http://" not in text and "https://" not in text and "@import" not in text and "url(" not in text
    read = Checked(text)
    sources = [value for tag, name, value in read.attributes if name in ("src", "href")]
    assert all(one.startswith(("data:", "#")) for one in sources)
    (policy,) = [value for _, name, value in read.attributes if name == "content" and "default-src" in value]
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize(("state", "sign"), [("MET", "✓"), ("NOT MET", "✗"), ("NOT PROVABLE", "?"), ("NO TARGET", "–")])
def test_the_verdict_is_a_word_and_a_sign(state, sign):
    page = page_of(verdict=state, findings=[Finding(state, "capture at least 97 %", "36 of 37")])
    text = render(page)
    assert page.sign == page.findings[0].sign == sign
    assert f'class="verdict {state.lower().replace(" ", "-")}"' in text
    words = " ".join("".join(Checked(text).words).split())
    assert f"{sign} {state} Nothing was asked." in words
    assert f"{sign} {state} capture at least 97 %: 36 of 37" in words


def test_small_lines_and_cells_are_grey_and_numbers_stand_right():
    text = render(page_of(everything()))
    assert '<tr class="few"><th scope="row">words' in text
    assert '<td class="n grey">' in text


def test_lines_beyond_the_fold_can_be_opened():
    lines = [Line((f"board {number}", str(number))) for number in range(12)]
    grid = Grid("By board", ("board", "parts"), lines, fold=10)
    assert (len(grid.open_lines), len(grid.folded_lines)) == (10, 2)
    assert grid.first(11, "elsewhere").fold == 10
    page = replace(page_of(everything()), sections=[Section("b", "Boards", grids=[grid])])
    before, after = render(page).split("<summary>2 more</summary>")
    assert "board 9<" in before and "board 10<" not in before and "board 11<" in after


def test_a_long_table_says_what_it_leaves_out():
    grid = Grid("Boards", ("board",), [Line((str(number),)) for number in range(30)], "Of all lines.")
    cut = grid.first(10, "metrics.json has them all")
    assert len(cut.lines) == 10 and cut.note == "Of all lines. 20 more not shown; metrics.json has them all."
    assert grid.first(30, "") is grid


def test_it_prints_and_fits_a_phone():
    text = render(page_of(everything()))
    assert "@media print" in text and "@media (max-width: 640px)" in text and "width=device-width" in text


def test_the_same_page_gives_the_same_bytes():
    assert render(page_of(everything())) == render(page_of(everything()))


def test_the_template_is_in_the_package():
    from importlib.resources import files

    assert files("goldenpair.reporting").joinpath("templates/report.html").is_file()
