"""One part on a board, for the tests of the simulator's physics."""

from dataclasses import replace

import numpy as np

from goldenpair.simulation.camera import Camera, photograph
from goldenpair.simulation.lights import LIGHTS
from goldenpair.simulation.packages import PACKAGES
from goldenpair.simulation.parts import Joint, PartState, Place, design_marking, golden_state, good_state, part_lot
from goldenpair.simulation.scene import BoardLot, Scene, crop_window
from goldenpair.simulation.surface import Surface, surface

SIDE = 40.0


def place(name: str, turns: int = 0) -> Place:
    package = PACKAGES[name]
    marking = design_marking(package, np.random.default_rng(7))
    return Place(f"{package.prefix}7", package, SIDE / 2, SIDE / 2, turns, marking)


def good(at: Place, seed: int = 0) -> PartState:
    rng = np.random.default_rng(seed)
    return good_state(at, part_lot(at.package, rng), rng)


def scene(at: Place, state: PartState) -> Scene:
    return Scene(SIDE, SIDE, BoardLot(), ((at, state),))


def drawn(at: Place, state: PartState | None = None, pixels: int = 64) -> Surface:
    """The crop of a part alone on its board, the golden one unless a state is given."""
    return surface(scene(at, state or golden_state(at)), crop_window(at), pixels)


def pictures(seen: Surface, camera: Camera | None = None) -> dict[str, np.ndarray]:
    """By light, as numbers; sharp unless a camera is given."""
    found = photograph(seen, LIGHTS, camera or Camera(blur=0.0))
    return {light: picture.astype(float) for light, picture in zip(LIGHTS, found, strict=True)}


def soldered(state: PartState, **change: float) -> PartState:
    """The same with all its joints changed."""
    joint = replace(Joint(), **change)
    return replace(state, joints=tuple(joint for _ in state.joints))


def plain(height: np.ndarray, colour: float, metal: float, rough: float) -> Surface:
    """A surface of one material; 1 mm between points."""
    material = np.empty((5, *height.shape), np.float32)
    material[:3], material[3], material[4] = colour, metal, rough
    return Surface(1.0, height.astype(np.float32), material, np.zeros(height.shape, np.float32), (0.0, 0.0))
