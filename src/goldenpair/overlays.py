"""Pictures of masks: what was predicted beside what is true, and on the sample itself."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from goldenpair.pages import GREY, Colour, Line, draw_page
from goldenpair.pixels import Confusion, Mask
from goldenpair.report import COLOURS, kind_of
from goldenpair.specs.segment import IGNORED, SegmentDataset

TILE = 192
"""Height of a picture on a sheet, and the least of one in a file, in pixels."""
BAR = 6
"""Width of the bars between pictures, in pixels."""
_BAR_COLOUR = (128, 128, 128)  # masks are black at their edges
UNKNOWN = 128
"""Grey, of what nobody judged and of what could not be read."""
_FOUND, _TRUE = (230, 80, 0), (0, 114, 178)  # orange and blue: apart for colour-blind eyes as well
_THROUGH = 0.5
_WORDS = {
    "elsewhere": "marked, but not where it changed",
    "not found": "changed, but nothing is marked",
    "false change": "marked where nothing changed",
    "no change": "nothing changed, nothing is marked",
}
_WRAP = 44  # letters of a line beside the pictures
# from dark to light, so that classes are apart in grey: points of viridis, a map made for colour-blind eyes
_SCALE = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
_LAND_SCD = (
    (255, 255, 255), (255, 165, 0), (230, 30, 100), (70, 140, 0), (218, 112, 214),
    (0, 170, 240), (127, 235, 170), (230, 80, 0), (205, 220, 57), (218, 165, 32),
)  # fmt: skip
Palette = Sequence[Colour]


def palette(data: SegmentDataset) -> Palette:
    """A colour for each class: `color_map`, or LandSCD's as in TAO, or white on black, or from dark to light."""
    classes = data.num_classes
    if data.color_map is not None:
        given = [data.color_map[str(number)] for number in range(classes)]
        return [(red, green, blue) for red, green, blue in given]
    if data.data_name == "LandSCD" and classes <= len(_LAND_SCD):
        return _LAND_SCD[:classes]
    if classes == 2:
        return [(0, 0, 0), (255, 255, 255)]
    places = np.linspace(0, len(_SCALE) - 1, classes - 1)
    bands = [
        np.interp(places, range(len(_SCALE)), band).round().astype(int).tolist() for band in zip(*_SCALE, strict=True)
    ]
    return [(0, 0, 0), *zip(*bands, strict=True)]


@dataclass(frozen=True)
class MaskedPair:
    """uint8 [3, H, W] pictures, and masks [H, W] of class numbers; `truth` is None where nobody drew one."""

    name: str
    sample: NDArray[np.uint8]
    golden: NDArray[np.uint8]
    prediction: Mask
    truth: Mask | None


@dataclass(frozen=True)
class JudgedPair:
    """A pair with its truth, and what was said of it: no `score` but an `error` where the verdict is ERROR."""

    pair: MaskedPair
    label: str
    verdict: str
    score: float | None
    error: str = ""


def mask_picture(mask: Mask, colours: Palette) -> Image.Image:
    """Each class in its colour; what nobody judged in grey."""
    table = np.full((IGNORED + 1, 3), UNKNOWN, np.uint8)
    table[: len(colours)] = colours
    return Image.fromarray(table[mask])


def overlay(pair: MaskedPair) -> Image.Image:
    """The sample with the predicted change in half-transparent orange, and with the true one outlined in blue."""
    found = _changed(pair.prediction)
    picture = pair.sample.transpose(1, 2, 0).astype(np.float32)
    picture[found] = _THROUGH * picture[found] + (1 - _THROUGH) * np.array(_FOUND, np.float32)
    picture[_around(found)] = _FOUND
    if pair.truth is not None:
        picture[_around(_changed(pair.truth))] = _TRUE
    return Image.fromarray(picture.round().astype(np.uint8))


def _changed(mask: Mask) -> NDArray[np.bool_]:
    changed: NDArray[np.bool_] = (mask > 0) & (mask != IGNORED)
    return changed


def _around(area: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels around an area, so deep that they are seen on a sheet too: what lies within stays to be seen."""
    deep = max(2, area.shape[0] // 128)
    grown = Image.fromarray(area.astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(2 * deep + 1))
    return (np.asarray(grown) > 0) & ~area


def _enlarged(pair: MaskedPair) -> MaskedPair:
    """Each pixel as so many that the picture is TILE high: on a smaller one an outline would hide what it is about."""
    times = max(1, -(-TILE // pair.prediction.shape[0]))

    def larger(pixels: NDArray[Any]) -> NDArray[Any]:
        return pixels.repeat(times, axis=-2).repeat(times, axis=-1)

    truth = None if pair.truth is None else larger(pair.truth)
    return MaskedPair(pair.name, larger(pair.sample), larger(pair.golden), larger(pair.prediction), truth)


def _columns(pair: MaskedPair, colours: Palette) -> dict[str, Image.Image]:
    pair = _enlarged(pair)
    masks = {"prediction": pair.prediction} | ({} if pair.truth is None else {"truth": pair.truth})
    return {
        "sample": Image.fromarray(pair.sample.transpose(1, 2, 0)),
        "golden": Image.fromarray(pair.golden.transpose(1, 2, 0)),
        **{name: mask_picture(mask, colours) for name, mask in masks.items()},
        "on the sample": overlay(pair),
    }


def pair_picture(pair: MaskedPair, colours: Palette) -> Image.Image:
    """Sample | golden | prediction | truth, if there is one | overlay; small ones enlarged."""
    pictures = list(_columns(pair, colours).values())
    width, height = pictures[0].size
    page = Image.new("RGB", (len(pictures) * (width + BAR) - BAR, height), _BAR_COLOUR)
    for number, picture in enumerate(pictures):
        page.paste(picture, (number * (width + BAR), 0))
    return page


def pairs_worth_seeing(found: Sequence[Confusion], kinds: Sequence[str], limit: int = 24) -> list[int]:
    """Which pairs a person should look at first, by what was counted in each, and what its verdict is to its label.

    Escapes and false calls, those of most pixels first, up to a third of `limit` each; up to `limit` pairs without a
    score, in addition to the others; then, of the right verdicts, changes of which no pixel was found and pixels called
    changed where none is, up to a quarter of what is left each; then found changes, the worst by IoU first, up to three
    quarters; then the best ones, and pairs that rightly have none. What one kind leaves free, the worst take.
    """
    rows = range(len(found))
    escapes = sorted((row for row in rows if kinds[row] == "escape"), key=lambda row: -found[row].changed)
    false_calls = sorted((row for row in rows if kinds[row] == "false call"), key=lambda row: -found[row].called)
    wrong = escapes[: limit // 3] + false_calls[: limit // 3]
    errors = [row for row in rows if kinds[row] == "error"][:limit]
    right = [row for row in rows if kinds[row] == "right"]
    return wrong + errors + _right_ones(found, right, limit - len(wrong))


def _right_ones(found: Sequence[Confusion], rows: Sequence[int], limit: int) -> list[int]:
    marks = {row: marking(found[row]) for row in rows}
    lost = [row for row in rows if marks[row] in ("elsewhere", "not found")]
    missed = sorted(lost, key=lambda row: -found[row].changed)
    false = sorted((row for row in rows if marks[row] == "false change"), key=lambda row: -found[row].called)
    worst = sorted((row for row in rows if marks[row] == "found"), key=lambda row: found[row].change_iou or 0.0)
    quiet = [row for row in rows if marks[row] == "no change"]
    quarter = max(1, limit // 4)
    first = missed[:quarter] + false[:quarter]
    good = (worst[::-1][: quarter // 2] + quiet)[:quarter]
    middle = [row for row in worst if row not in good][: max(0, limit - len(first) - len(good))]
    return (first + middle + good)[:limit]


def marking(found: Confusion) -> str:
    """Where a pair's pixels were called changed, whatever its verdict is.

    `found`, at least on a pixel of its change; only `elsewhere`; nowhere, so that its change was `not found`; or, of a
    pair without a change, `false change` and `no change`.
    """
    if not found.changed:
        return "false change" if found.called else "no change"
    if found.counts[1:, 1:].any():
        return "found"
    return "elsewhere" if found.called else "not found"


def mask_sheet(pairs: Sequence[JudgedPair], colours: Palette, title: str) -> Image.Image:
    """A page with a line for each pair: its pictures, its verdict, and how well the mask was found."""
    headings = ("sample", "golden", "prediction", "truth", "on the sample", "orange: predicted, blue: true")
    height, width = pairs[0].pair.prediction.shape if pairs else (TILE, TILE)
    lines = [
        Line([[one] for one in _columns(judged.pair, colours).values()], _said(judged, len(colours)))
        for judged in pairs
    ]
    return draw_page(title, headings, lines, (max(1, round(width * TILE / height)), TILE))


def _said(judged: JudgedPair, classes: int) -> list[tuple[str, Colour]]:
    kind = kind_of(judged.label, judged.verdict)
    score = "no score" if judged.score is None else f"score {judged.score:.4g}"
    mistake = f"{kind.upper()}; " if kind in ("escape", "false call") else ""
    told = [f"{mistake}labelled {judged.label}", *textwrap.wrap(judged.error, _WRAP, max_lines=5)]
    counts = [] if kind == "error" else _counts(judged.pair, classes)
    return [
        (f"{score}  {judged.verdict}", COLOURS[kind]),
        *((sentence, COLOURS[kind]) for sentence in told),
        *((sentence, GREY) for sentence in (*counts, judged.pair.name)),
    ]


def _counts(pair: MaskedPair, classes: int) -> list[str]:
    assert pair.truth is not None
    found = Confusion.of(pair.prediction, pair.truth, classes)
    where, both = marking(found), int(found.counts[1:, 1:].sum())
    pixels = f"{both:,} of {found.changed:,} changed pixels, {found.called - both:,} false ones"
    return [f"IoU {found.change_iou:.3f}" if where == "found" else _WORDS[where], pixels]
