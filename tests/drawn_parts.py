"""A part on a green board, drawn so simply that where its body and its solder are is known to the pixel."""

import numpy as np


def regions(size: int = 64) -> tuple[np.ndarray, list[np.ndarray]]:
    """bool [H, W] of the body, and of its two joints to the left and right."""
    unit = size / 64

    def box(top, bottom, left, right):
        found = np.zeros((size, size), bool)
        found[round(top * unit) : round(bottom * unit), round(left * unit) : round(right * unit)] = True
        return found

    return box(24, 40, 20, 44), [box(22, 42, 10, 20), box(22, 42, 44, 54)]


def part(
    size: int = 64, body: tuple[int, int, int] = (52, 44, 40), mark: bool = True, noise: float = 1.5, seed: int = 0
) -> np.ndarray:
    """uint8 [2, H, W, 3]: the second light sees everything half as bright, and solder as bright as the first does."""
    rng = np.random.default_rng(seed)
    where, joints = regions(size)
    picture = np.empty((size, size, 3))
    picture[:] = (30, 110, 60)
    picture[where] = body
    if mark:  # at one end, so that turning it shows
        rows, columns = np.argwhere(where).min(axis=0), np.argwhere(where).max(axis=0)
        edge, wide = size // 14, size // 16
        picture[rows[0] + edge : columns[0] - edge, rows[1] + edge : rows[1] + edge + wide] = (225, 225, 220)
    lights = [picture, picture * 0.5]
    across = np.linspace(-1, 1, size)[:, None]
    for joint in joints:
        shine = np.broadcast_to(120 + 110 * np.exp(-8 * across**2), (size, size))
        for light in lights:
            light[joint] = shine[joint][:, None]
    drawn = np.stack(lights) + rng.normal(0, noise, (2, size, size, 3))
    return np.rint(drawn).clip(0, 255).astype(np.uint8)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    return float((one & other).sum() / (one | other).sum())
