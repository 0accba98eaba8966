"""A board as it comes off the line, with its lots, its parts and their defects; and what a camera sees of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from goldenpair.simulation.camera import Camera, camera, photograph
from goldenpair.simulation.defects import spoil
from goldenpair.simulation.designs import Design
from goldenpair.simulation.masks import Box, defect_mask
from goldenpair.simulation.packages import PACKAGES
from goldenpair.simulation.parts import PartState, golden_state, good_state, part_lot
from goldenpair.simulation.plan import Board
from goldenpair.simulation.scene import BoardLot, Scene, Window, board_lot, board_window, crop_window
from goldenpair.simulation.streams import Stream, draws
from goldenpair.simulation.surface import surface
from goldenpair.specs.simulate import Light

_REACH = 2.0  # mm around a window from which shadows and shifted parts may come in
_BOARD_PIXELS, _PER_MM = 1600, 20  # of a picture of a whole board: at most so many across, and for each mm


@dataclass(frozen=True)
class Built:
    """A board: its parts as they would be if all were good, and those that are not."""

    design: Design
    number: int
    lot: BoardLot
    camera: Camera
    good: tuple[PartState, ...]
    bad: dict[int, PartState]


def golden_board(design: Design) -> Built:
    """As the drawing says; number 0."""
    lot = BoardLot(mask=design.mask, gold=design.gold)
    return Built(design, 0, lot, Camera(), tuple(golden_state(place) for place in design.places), {})


def build(board: Board, seed: int) -> Built:
    number, one = board.number, board.design
    lot = _lot(one, draws(seed, Stream.BOARD, number))
    names = list(PACKAGES)
    used = sorted({place.package.name for place in one.places})
    reels = {name: part_lot(PACKAGES[name], draws(seed, Stream.REEL, number, names.index(name))) for name in used}
    good = tuple(
        good_state(place, reels[place.package.name], draws(seed, Stream.GOOD, number, index), lot.paste)
        for index, place in enumerate(one.places)
    )
    bad = {
        place: spoil(
            one.places[place], good[place], defect.label, defect.severity, draws(seed, Stream.SPOIL, number, place)
        )
        for place, defect in board.defects.items()
    }
    return Built(one, number, lot, camera(draws(seed, Stream.CAMERA, number)), good, bad)


def _lot(one: Design, rng: np.random.Generator) -> BoardLot:
    lot = board_lot(rng)
    red, green, blue = (
        nominal * found / usual for nominal, found, usual in zip(one.mask, lot.mask, BoardLot.mask, strict=True)
    )
    return replace(lot, mask=(red, green, blue), gold=one.gold)


@dataclass(frozen=True)
class Crop:
    """Pictures of one part, [lights, rows, columns, 3]; of a bad one where the defect is, [rows, columns] and box."""

    pictures: NDArray[np.uint8]
    mask: NDArray[np.uint8] | None
    box: Box | None


def crop(built: Built, place: int, lights: Sequence[Light], pixels: int, seed: int) -> Crop:
    """What the machine cuts out for a part. Its neighbours are shown good: their defects are on their own crops."""
    rng = draws(seed, Stream.NOISE, built.number, place) if built.number else None
    window = crop_window(built.design.places[place], rng)
    good = _around(built, window)
    bad = built.bad.get(place)
    if bad is None:
        return Crop(photograph(surface(good, window, pixels), lights, built.camera, rng), None, None)
    found = built.design.places[place]
    parts = tuple((other, bad if other is found else state) for other, state in good.parts)
    spoilt = replace(good, parts=parts)
    pictures = photograph(surface(spoilt, window, pixels), lights, built.camera, rng)
    return Crop(pictures, *defect_mask(spoilt, good, window, pixels))


def _around(built: Built, window: Window) -> Scene:
    """The scene of good parts, without what is far from the window."""
    one = built.design
    places, traces, vias = one.near(window, _REACH)
    parts = tuple((one.places[place], built.good[place]) for place in places)
    return Scene(one.width, one.height, built.lot, parts, traces, vias)


def whole_board(built: Built, lights: Sequence[Light], seed: int) -> NDArray[np.uint8]:
    """Pictures of all of a board with all its defects, [lights, rows, columns, 3]."""
    one = built.design
    states = [built.bad.get(place, state) for place, state in enumerate(built.good)]
    scene = Scene(one.width, one.height, built.lot, tuple(zip(one.places, states, strict=True)), one.traces, one.vias)
    window = board_window(scene)
    pixels = min(_BOARD_PIXELS, round(_PER_MM * window.width))
    rng = draws(seed, Stream.WHOLE, built.number)
    return photograph(surface(scene, window, pixels), lights, built.camera, rng)
