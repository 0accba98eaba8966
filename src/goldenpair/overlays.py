"""Pictures of masks: what was predicted beside what is true, and on the sample itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from goldenpair.pages import GREY, Colour, Line, draw_page
from goldenpair.pixels import Confusion, Mask
from goldenpair.specs.segment import IGNORED, SegmentDataset

TILE = 160
"""Height of a picture on a sheet, in pixels."""
BAR = 6
"""Width of the bars between pictures, in pixels."""
_BAR_COLOUR = (128, 128, 128)  # masks are black at their edges
_UNJUDGED = (128, 128, 128)
_FOUND, _TRUE = (230, 80, 0), (0, 114, 178)  # orange and blue: apart for colour-blind eyes as well
_THROUGH = 0.5
_MISSED, _FALSE, _PARTLY = (200, 0, 0), (200, 120, 0), (70, 70, 70)
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


def mask_picture(mask: Mask, colours: Palette) -> Image.Image:
    """Each class in its colour; what nobody judged in grey."""
    table = np.full((IGNORED + 1, 3), _UNJUDGED, np.uint8)
    table[: len(colours)] = colours
    return Image.fromarray(table[mask])


def overlay(pair: MaskedPair) -> Image.Image:
    """The sample with the predicted change in half-transparent orange, and with the true one outlined in blue."""
    found = pair.prediction > 0
    picture = pair.sample.transpose(1, 2, 0).astype(np.float32)
    picture[found] = _THROUGH * picture[found] + (1 - _THROUGH) * np.array(_FOUND, np.float32)
    picture[_around(found)] = _FOUND
    if pair.truth is not None:
        picture[_around((pair.truth > 0) & (pair.truth != IGNORED))] = _TRUE
    return Image.fromarray(picture.round().astype(np.uint8))


def _around(area: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels around an area, so deep that they are seen on a sheet too: what lies within stays to be seen."""
    deep = max(2, area.shape[0] // 128)
    grown = Image.fromarray(area.astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(2 * deep + 1))
    return (np.asarray(grown) > 0) & ~area


def _columns(pair: MaskedPair, colours: Palette) -> dict[str, Image.Image]:
    masks = {"prediction": pair.prediction} | ({} if pair.truth is None else {"truth": pair.truth})
    return {
        "sample": Image.fromarray(pair.sample.transpose(1, 2, 0)),
        "golden": Image.fromarray(pair.golden.transpose(1, 2, 0)),
        **{name: mask_picture(mask, colours) for name, mask in masks.items()},
        "on the sample": overlay(pair),
    }


def pair_picture(pair: MaskedPair, colours: Palette) -> Image.Image:
    """Sample | golden | prediction | truth, if there is one | overlay."""
    pictures = list(_columns(pair, colours).values())
    width, height = pictures[0].size
    page = Image.new("RGB", (len(pictures) * (width + BAR) - BAR, height), _BAR_COLOUR)
    for number, picture in enumerate(pictures):
        page.paste(picture, (number * (width + BAR), 0))
    return page


def pairs_worth_seeing(found: Sequence[Confusion], limit: int = 24) -> list[int]:
    """Which pairs a person should look at first, by what was counted in each of them.

    Changes that were missed entirely and changes that are none, the largest first, up to a quarter of `limit` each;
    then found changes, the worst by IoU first, up to three quarters; then the best ones, and pairs that rightly have
    none. What one kind leaves free, the worst found changes take.
    """
    rows = range(len(found))
    kinds = [kind_of(one) for one in found]
    missed = sorted((row for row in rows if kinds[row] == "missed"), key=lambda row: -found[row].changed)
    false = sorted((row for row in rows if kinds[row] == "false change"), key=lambda row: -found[row].called)
    worst = sorted((row for row in rows if kinds[row] == "found"), key=lambda row: found[row].change_iou or 0.0)
    quiet = [row for row in rows if kinds[row] == "no change"]
    quarter = max(1, limit // 4)
    first = missed[:quarter] + false[:quarter]
    good = (worst[::-1][: quarter // 2] + quiet)[:quarter]
    middle = [row for row in worst if row not in good][: max(0, limit - len(first) - len(good))]
    return (first + middle + good)[:limit]


def kind_of(found: Confusion) -> str:
    """What became of a pair: `found`, at least a pixel of its change; `missed`; `false change`; `no change`."""
    if not found.changed:
        return "false change" if found.called else "no change"
    return "found" if found.counts[1:, 1:].any() else "missed"


def mask_sheet(pairs: Sequence[MaskedPair], colours: Palette, title: str) -> Image.Image:
    """A page with a line for each pair: its pictures, and how well the mask was found.

    Either all of the pairs have a truth or none.
    """
    judged = any(pair.truth is not None for pair in pairs)
    headings = ["sample", "golden", "prediction", *(["truth"] if judged else []), "on the sample"]
    headings.append("orange: predicted, blue: true" if judged else "orange: predicted")
    height, width = pairs[0].prediction.shape if pairs else (TILE, TILE)
    lines = [Line([[one] for one in _columns(pair, colours).values()], _said(pair, len(colours))) for pair in pairs]
    return draw_page(title, headings, lines, (max(1, round(width * TILE / height)), TILE))


def _said(pair: MaskedPair, classes: int) -> list[tuple[str, Colour]]:
    if pair.truth is None:
        return [(f"{int((pair.prediction > 0).sum()):,} pixels changed", _PARTLY), (pair.name, GREY)]
    found = Confusion.of(pair.prediction, pair.truth, classes)
    kind, iou = kind_of(found), found.change_iou
    colour = {"missed": _MISSED, "false change": _FALSE}.get(kind, _PARTLY)
    large = f"IoU {iou:.3f}" if kind == "found" else kind if kind == "no change" else kind.upper()
    both = int(found.counts[1:, 1:].sum())
    counts = f"{both:,} of {found.changed:,} changed pixels, {found.called - both:,} false ones"
    return [(large, colour), (counts, colour), (pair.name, GREY)]
