"""Print on parts and boards, in Pillow's built-in font and what can be made of it."""

import math
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from goldenpair.simulation.canvas import Array

FONTS = 4
"""Ways to print: plain, narrow, bold, dotted as by a laser."""


@lru_cache(maxsize=4096)
def letters(text: str, font: int, tall: int) -> Array:
    """A line of text as the share covered [rows, columns], `tall` points high."""
    face = ImageFont.load_default(2 * tall)
    left, top, right, bottom = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((0, 0), text, font=face)
    size = (math.ceil(right - left) + 4, math.ceil(bottom - top) + 4)
    image = Image.new("L", size)
    ImageDraw.Draw(image).text((2 - left, 2 - top), text, fill=255, font=face)
    wide = size[0] * tall / size[1] * (0.75 if font == 1 else 1.0)
    small = image.resize((max(round(wide), 1), tall), Image.Resampling.BOX)
    found = np.asarray(small, np.float32) / 255
    if font == 2:
        found = np.maximum(found, ndimage.maximum_filter(found, 1 + tall // 10))
    if font == 3:
        found = found * (0.75 + 0.25 * np.cos(np.arange(tall, dtype=np.float32) * (6.2832 * 7 / tall)))[:, None]
    found.flags.writeable = False
    return found


def text_cover(x: Array, y: Array, text: str, font: int, tall: float, widest: float, step: float) -> Array:
    """Share covered [h, w] by a line of text around the origin of x and y, `tall` mm high and narrowed where it would
    be wider than `widest`. `step` is mm between points."""
    rows = min(max(round(tall / step), 5), 64)
    drawn = letters(text, font, rows)
    per_y = rows / tall
    per_x = max(rows / tall, drawn.shape[1] / widest)
    where = np.stack(np.broadcast_arrays(y * per_y + (rows / 2 - 0.5), x * per_x + (drawn.shape[1] / 2 - 0.5)))
    found: Array = ndimage.map_coordinates(drawn, where, order=1, mode="constant", output=np.float32)
    return found
