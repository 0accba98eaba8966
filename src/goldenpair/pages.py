"""Pages to look at: pictures in columns, and beside each line of them what was said."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
GREY = (90, 90, 90)
_GAP = 6
_TEXT = 300
_TOP = 58
_FRAME = (190, 190, 190)  # else a white picture would have no edge on the white page


@dataclass(frozen=True)
class Line:
    """Pictures by column, several of them beside each other, and sentences with their colours, the first one large."""

    pictures: Sequence[Sequence[Image.Image]]
    said: Sequence[tuple[str, Colour]]


def draw_page(title: str, headings: Sequence[str], lines: Sequence[Line], tile: tuple[int, int]) -> Image.Image:
    """A page with a heading for each column and one for the sentences; `tile` is a picture's width and height on it."""
    across = max((len(column) for line in lines for column in line.pictures), default=1)
    strip, columns = across * (tile[0] + 2), len(headings) - 1
    size = (columns * (strip + _GAP) + _TEXT + 2 * _GAP, _TOP - 2 + len(lines) * (tile[1] + _GAP) + _GAP)
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    font, small = ImageFont.load_default(15), ImageFont.load_default(12)
    draw.text((_GAP, 8), title, "black", font)
    places = [_GAP + number * (strip + _GAP) for number in range(columns + 1)]
    for place, heading in zip(places, headings, strict=True):
        draw.text((place, 36), heading, GREY, small)
    for i, line in enumerate(lines):
        top = _TOP + i * (tile[1] + _GAP)
        for place, pictures in zip(places, line.pictures, strict=False):
            for number, picture in enumerate(pictures):
                left = place + number * (tile[0] + 2)
                page.paste(picture.resize(tile, Image.Resampling.BICUBIC), (left, top))
                draw.rectangle((left - 1, top - 1, left + tile[0], top + tile[1]), outline=_FRAME)
        for number, (sentence, colour) in enumerate(line.said):
            below = 22 + 18 * (number - 1) if number else 0
            draw.text((places[-1], top + below), sentence, colour, small if number else font)
    return page
