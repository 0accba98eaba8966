"""Contact sheets of the simulator for docs/simulate.md: all packages, all defects, one board.

python benchmarks/simulation_sheets.py docs
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from goldenpair.simulation.building import build, golden_board, whole_board
from goldenpair.simulation.camera import Camera, photograph
from goldenpair.simulation.defects import spoil
from goldenpair.simulation.designs import design
from goldenpair.simulation.packages import PACKAGES
from goldenpair.simulation.parts import PartLot, PartState, Place, golden_state, good_state
from goldenpair.simulation.plan import plan
from goldenpair.simulation.scene import BoardLot, Scene, crop_window
from goldenpair.simulation.surface import surface
from goldenpair.specs.simulate import LIGHTS, Label, Light, SimulateSpec

TILE, LINE, GAP = 96, 16, 4
SEVERITIES = (0.0, 0.5, 1.0)
# where each defect is shown, and under which lights it is best seen
SHOWN: dict[Label, tuple[str, Light, Light]] = {
    "MISSING": ("C0603", "SolderLight", "WhiteLight"),
    "SHIFTED": ("R0603", "SolderLight", "UniformLight"),
    "ROTATED": ("R0603", "SolderLight", "UniformLight"),
    "WRONG_POLARITY": ("LED0805", "UniformLight", "WhiteLight"),
    "TOMBSTONE": ("R0603", "LowAngleLight", "SolderLight"),
    "BILLBOARD": ("C0805", "SolderLight", "UniformLight"),
    "FACE_DOWN": ("R0805", "UniformLight", "WhiteLight"),
    "WRONG_PART": ("R0805", "UniformLight", "WhiteLight"),
    "LIFTED_LEAD": ("SOIC8", "LowAngleLight", "SolderLight"),
    "INSUFFICIENT": ("R0805", "LowAngleLight", "SolderLight"),
    "EXCESS": ("R0805", "LowAngleLight", "SolderLight"),
    "BRIDGE": ("SOIC8", "SolderLight", "UniformLight"),
    "COLD": ("R0805", "LowAngleLight", "SolderLight"),
    "SOLDER_BALL": ("C0603", "SolderLight", "WhiteLight"),
    "CONTAMINATION": ("C0603", "UniformLight", "WhiteLight"),
    "CRACK": ("C1206", "LowAngleLight", "UniformLight"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    out: Path = parser.parse_args().out
    for name, picture in (("packages", packages()), ("defects", defects()), ("board", board())):
        path = out / f"simulate_{name}.jpg"
        picture.save(path, quality=85)
        print(f"{path}: {picture.width} x {picture.height}, {path.stat().st_size / 1000:.0f} kB")


def place_of(name: str) -> Place:
    """The first place of this package, in the middle of an empty board."""
    found = next(one for number in range(3) for one in design(number, 604, 1).places if one.package.name == name)
    return Place(found.refdes, found.package, 10, 10, 0, found.marking)


def tiles(place: Place, state: PartState, lights: Sequence[Light]) -> list[Image.Image]:
    scene = Scene(20, 20, BoardLot(), ((place, state),))
    return [Image.fromarray(one) for one in photograph(surface(scene, crop_window(place), TILE), lights, Camera())]


def sheet(rows: Sequence[tuple[str, Sequence[Image.Image]]], columns: int, headings: Sequence[str]) -> Image.Image:
    """Rows of pictures with a name above each, in columns of equally many; headings stand above all."""
    widest = max(len(pictures) for _, pictures in rows)
    wide, tall = widest * (TILE + 2) + 2 * GAP, TILE + LINE + GAP
    down = -(-len(rows) // columns)
    page = Image.new("RGB", (columns * wide, LINE + down * tall + GAP), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(11)
    for column in range(columns):
        for number, heading in enumerate(headings):
            draw.text((column * wide + GAP + number * (TILE + 2), 2), heading, "black", font)
    for index, (name, pictures) in enumerate(rows):
        left, top = index // down * wide + GAP, LINE + index % down * tall
        draw.text((left, top), name, "black", font)
        for number, picture in enumerate(pictures):
            page.paste(picture, (left + number * (TILE + 2), top + LINE))
    return page


def packages() -> Image.Image:
    """The golden of each package under the four lights."""
    places = [place_of(name) for name in PACKAGES]
    rows = [(place.package.name, tiles(place, golden_state(place), LIGHTS)) for place in places]
    return sheet(rows, 2, LIGHTS)


def defects() -> Image.Image:
    """Each defect under two lights: a good part, then barely visible, middling and plain."""
    rows = []
    for label in get_args(Label):
        name, *lights = SHOWN[label]
        place = place_of(name)
        good = good_state(place, PartLot(), np.random.default_rng(3))
        states = [good, *(spoil(place, good, label, one, np.random.default_rng(5)) for one in SEVERITIES)]
        shown = [tiles(place, state, lights) for state in states]
        rows.append((f"{label}  ({name}; {', '.join(lights)})", [pair[i] for i in (0, 1) for pair in shown]))
    return sheet(rows, 1, ["good", *(f"severity {one:g}" for one in SEVERITIES)] * 2)


def board() -> Image.Image:
    """A golden board beside one with defects, under uniform light."""
    line = plan(SimulateSpec(boards=3, parts_per_board=60, defect_rate=0.25))
    made = line.boards[0]
    pair = [whole_board(one, ["UniformLight"], 1)[0] for one in (golden_board(made.design), build(made, 1))]
    return Image.fromarray(np.concatenate(pair, axis=1)).reduce(2)


if __name__ == "__main__":
    main()
