"""Tiles: the pictures of single parts, small enough to stand in the page itself."""

import base64
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from goldenpair.data.decoding import decode, read_size
from goldenpair.data.table import PATH_COLUMNS, Layout, PairTable, part_pictures
from goldenpair.errors import DataError
from goldenpair.quality.scored import ScoredTable

LARGEST = 160
"""Height of a picture in a tile, in pixels, where there are few."""
_SMALLER = ((200, 64), (60, 96))  # from so many tiles on, pictures of this height
_QUALITY = 82
_LOOKED_FOR = 200
Pixels = NDArray[np.uint8]
"""uint8 [H, W, 3]."""


@dataclass(frozen=True)
class Shown:
    """What a tile shows of a part: a picture for each light, and heatmaps laid over the sample where there are any."""

    golden: Sequence[Pixels]
    sample: Sequence[Pixels]
    heatmap: Sequence[Pixels] = ()
    levels: Sequence[str] = ()
    """Of each heatmap, in words: how hot its hottest place is."""


Show = Callable[[int, int], Shown]
"""The pictures of a row, at most so many pixels high; raises DataError for what cannot be read."""


@dataclass(frozen=True)
class TilePicture:
    role: str
    light: str
    uri: str
    level: str = ""

    @property
    def caption(self) -> str:
        return ", ".join(filter(None, (self.role, self.light, self.level)))


@dataclass(frozen=True)
class Tile:
    """A part with its pictures, or with the reason why there are none."""

    row: int
    pictures: Sequence[TilePicture] = ()
    problem: str = ""


@dataclass
class Budget:
    """Bytes that pictures may still take in the page."""

    left: int
    spent: int = field(default=0)

    def take(self, size: int) -> bool:
        if size > self.left:
            return False
        self.left -= size
        self.spent += size
        return True


def tiles(rows: Sequence[int], show: Show, lights: Sequence[str], budget: Budget) -> list[Tile]:
    """Tiles of the first of these rows: all of them, if the budget lasts. The more rows, the smaller the pictures."""
    height = next((size for count, size in _SMALLER if len(rows) >= count), LARGEST)
    made = []
    for row in rows:
        try:
            tile = Tile(row, _pictures(show(row, height), lights))
        except DataError as error:
            tile = Tile(row, problem=str(error))
        if not budget.take(sum(len(one.uri) for one in tile.pictures) + len(tile.problem)):
            break
        made.append(tile)
    return made


def _pictures(shown: Shown, lights: Sequence[str]) -> list[TilePicture]:
    names = lights or ("",)
    roles = [("golden", shown.golden), ("sample", shown.sample), ("heatmap", shown.heatmap)]
    return [
        TilePicture(
            role,
            names[place] if place < len(names) else "",
            data_uri(pictures[place]),
            shown.levels[place] if role == "heatmap" and place < len(shown.levels) else "",
        )
        for place in range(len(shown.sample))
        for role, pictures in roles
        if place < len(pictures)
    ]


def data_uri(pixels: Pixels) -> str:
    """A picture as JPEG within an address."""
    content = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=_QUALITY, colorspace="RGB")
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}"


def show_files(table: ScoredTable, images_dir: Path, lights: Sequence[str], extension: str) -> Show:
    """The picture files of a table's rows, found as TAO finds them. Raises DataError if a column is missing."""
    if absent := [name for name in PATH_COLUMNS if name not in table.cells]:
        raise DataError(
            f"pictures are found by {', '.join(PATH_COLUMNS)}, and {table.source} has no {', '.join(absent)}"
        )
    layout = named_layout(lights, extension)

    def show(row: int, height: int) -> Shown:
        one = PairTable(table.source, images_dir, {name: [table.cells[name][row]] for name in PATH_COLUMNS})
        parts = part_pictures(one, layout)
        golden, sample = parts.chosen[parts.golden_id[0], 0], parts.sample[0]
        both = [[read_small(parts.paths[number], height) for number in part.tolist()] for part in (golden, sample)]
        return Shown(both[0], both[1])

    return show


def no_pictures(table: ScoredTable, images_dir: Path, lights: Sequence[str], extension: str) -> str:
    """What is wrong with where pictures are looked for, and the names that do lie there; "" where all are found.

    Of up to 200 parts, evenly spread, as so many tell what a wrong folder or name does.
    """
    rows = range(0, len(table), max(1, len(table) // _LOOKED_FOR))
    one = PairTable(table.source, images_dir, {name: [table.cells[name][row] for row in rows] for name in PATH_COLUMNS})
    parts = part_pictures(one, named_layout(lights, extension))
    there = [all(os.path.isfile(parts.paths[number]) for number in part) for part in parts.sample.tolist()]
    if all(there):
        return ""
    first = there.index(False)
    wanted = next(path for path in map(parts.paths.__getitem__, parts.sample[first]) if not os.path.isfile(path))
    told = f"{there.count(False):,} of {len(there):,} parts that were looked for have no picture; the first: {wanted}."
    folder, name = Path(wanted).parent, one.cells["object_name"][first]
    if not folder.is_dir():
        return f"{told} There is no folder {folder}: is --images-dir right?"
    with os.scandir(folder) as files:
        ends = sorted({file.name.removeprefix(name) for file in files if file.name.startswith(name)})
    if not ends:
        return f"{told} No file of that folder begins with {name}: is --images-dir right?"
    return f"{told} What begins with {name} there ends in {', '.join(ends[:8])}: say so with --lights and --ext."


def named_layout(lights: Sequence[str], extension: str) -> Layout:
    """How picture files are named, where nothing is known of a network and so of sizes."""
    return Layout(tuple(lights), 1, 1, 1, 1, extension)


def read_small(path: str, height: int) -> Pixels:
    """A picture file no higher than `height`, in its own shape; raises DataError as `decode` does."""
    width, own = read_size(path)
    high = min(own, height)
    return decode(path, high, max(1, round(width * high / own))).transpose(1, 2, 0)
