"""Where body and solder are in the pictures of a part, told by their colours alone.

Nothing is known of the part, so this is a guess: the board is what the border shows, the body what differs from it in
the middle, solder what is bright without a colour of its own. What is not found is empty, and no defect is made of it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from goldenpair.specs.synthetic import SMALLEST

Pictures = NDArray[np.uint8]
"""One part under its lights: uint8 [L, H, W, 3]."""
Region = NDArray[np.bool_]
"""bool [H, W]."""

_COARSE = 64  # pixels of the side in which it is looked for: what is smaller is no part, and it takes less time
_BORDER = 0.07  # of the side: the frame that shows the board
_DISTANCE, _FARTHEST = 30.0, 110.0  # grey levels by which a part differs from its board; more counts for nothing more
_REACH, _MIDDLE, _HEART = 0.44, 0.38, 0.17  # of the side, from the centre
_LEAST_BODY, _MOST_BODY = 0.02, 0.45  # of the picture
_LEAST_JOINT, _MOST_JOINT = 0.004, 0.2
_LARGEST_MARK = 0.03
_WHITE = 70.0
_MOST_PIECES = 24


@dataclass(frozen=True)
class Anatomy:
    """The guess. `board` float32 [L, 3] is its colour under each light; `joints` are pieces of solder, apart.

    `body` has the bodies' ends that are covered with metal, which `joints` may hold too.
    """

    board: NDArray[np.float32]
    is_board: Region
    body: Region
    joints: tuple[Region, ...]

    @cached_property
    def solder(self) -> Region:
        found = np.zeros(self.body.shape, np.bool_)
        for joint in self.joints:
            found |= joint
        return found


def anatomy(pictures: Pictures) -> Anatomy:
    """Raises ValueError for pictures of fewer than SMALLEST pixels a side."""
    _, height, width, _ = pictures.shape
    if min(height, width) < SMALLEST:
        raise ValueError(f"pictures of {height} x {width} pixels are too small to find a part in")
    step = max(1, round(min(height, width) / _COARSE))
    small = _shrunk(pictures, step)
    side = min(small.shape[1:3])
    edge = max(1, round(_BORDER * side))
    ring = np.ones(small.shape[1:3], np.bool_)
    ring[edge:-edge, edge:-edge] = False
    board = np.median(small[:, ring], axis=1).astype(np.float32)
    gap = np.square(small - board[:, None, None])
    distance = np.sqrt(gap[..., 0] + gap[..., 1] + gap[..., 2]).max(axis=0).clip(max=_FARTHEST)
    part = distance > max(_DISTANCE, 0.45 * float(np.quantile(distance, 0.95)))
    bright = part & (_whiteness(small) > max(_WHITE, float(_whiteness(board)) + 30))
    core = _core(part, bright, side)
    joints = _joints(bright & ~core, core, ring, side)
    body = _with_ends(core, joints)
    shape = (height, width)
    return Anatomy(
        board,
        _grown(~widened(part, 1), step, shape),
        _grown(body, step, shape),
        tuple(_grown(joint, step, shape) for joint in joints),
    )


def _shrunk(pictures: Pictures, step: int) -> NDArray[np.float32]:
    """Means of squares of `step` pixels: float32 [L, h, w, 3]; what does not fill a square at the edges is left out."""
    lights, height, width, _ = pictures.shape
    h, w = height // step, width // step
    total = np.zeros((lights, h, w, 3), np.uint32)
    for row in range(step):
        for column in range(step):
            total += pictures[:, row : h * step : step, column : w * step : step]
    return total.astype(np.float32) / np.float32(step * step)


def _grown(region: Region, step: int, shape: tuple[int, int]) -> Region:
    """The region at the pictures' own size."""
    large = region.repeat(step, axis=0).repeat(step, axis=1)
    more = [(0, full - there) for full, there in zip(shape, large.shape, strict=True)]
    return np.pad(large, more, mode="edge")


def _whiteness(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [L, ..., 3] -> [...]: how bright without a colour, in the light that shows it best."""
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]  # faster than a minimum along a short axis
    darkest = np.minimum(np.minimum(red, green), blue)
    lightest = np.maximum(np.maximum(red, green), blue)
    white: NDArray[np.float32] = (darkest - 0.6 * (lightest - darkest)).max(axis=0)
    return white


def _within(shape: tuple[int, ...], reach: float) -> Region:
    rows, columns = (np.abs((np.arange(n) + 0.5) / n - 0.5) for n in shape)
    inside: Region = (rows[:, None] < reach) & (columns[None] < reach)
    return inside


def _joints(bright: Region, core: Region, ring: Region, side: int) -> list[Region]:
    for radius in (0.012, 0.045):  # what hangs together with silk screen comes apart when it is opened by more
        solder = _opened(bright, radius * side)
        if core.any():
            solder &= _near(core, 0.5)  # not the silk screen around it
        if joints := [piece for piece in _pieces(solder) if _is_joint(piece, ring)]:
            return joints
    return []


def _is_joint(piece: Region, ring: Region) -> bool:
    """Solder, and not silk screen: compact, in the middle, not along the border."""
    area = int(piece.sum())
    if not _LEAST_JOINT * piece.size <= area <= _MOST_JOINT * piece.size:
        return False
    rows, columns = np.flatnonzero(piece.any(axis=1)), np.flatnonzero(piece.any(axis=0))
    box = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
    in_middle = int((piece & _within(piece.shape, _MIDDLE)).sum())
    return bool(area > 0.4 * box and in_middle > 0.5 * area and not (piece & ring).sum() > 0.25 * area)


def _core(part: Region, bright: Region, side: int) -> Region:
    """The body without its ends: what is in the middle of the part, dark or coloured, else of any colour."""
    heart, middle = _within(part.shape, _HEART), _within(part.shape, _MIDDLE)
    for region, radius in ((part & ~bright, 0.06), (part & ~bright, 0.02), (part, 0.06)):
        closed = _closed(_without_marks(region), 0.025 * side)
        pieces = [one for one in _pieces(_opened(closed, radius * side)) if (one & middle).sum() > 0.7 * one.sum()]
        if not pieces:
            continue
        core = max(pieces, key=lambda piece: int((piece & heart).sum()))
        core = _box(core)
        if _LEAST_BODY < core.mean() < _MOST_BODY and (core & heart).sum() > 0.4 * heart.sum():
            return core
    return np.zeros(part.shape, np.bool_)


def _without_marks(region: Region) -> Region:
    """The region with what is small and closed in by it: letters on a body."""
    labels, _ = ndimage.label(~region)
    sizes = np.bincount(labels.reshape(-1))
    small = sizes < _LARGEST_MARK * region.size
    small[0] = False
    found: Region = region | small[labels]
    return found


def _box(region: Region) -> Region:
    """The rectangle of the rows and columns that are well filled: bodies are such, shadows beside them are not."""
    box = np.zeros(region.shape, np.bool_)
    ends = []
    for axis in (1, 0):
        filled = region.sum(axis=axis)
        ends.append(np.flatnonzero(filled > 0.5 * filled.max())[[0, -1]] + [0, 1])
    box[slice(*ends[0]), slice(*ends[1])] = True
    return box


def _near(core: Region, share: float) -> Region:
    """What is within this share of the core's shorter side from it."""
    rows, columns = np.flatnonzero(core.any(axis=1)), np.flatnonzero(core.any(axis=0))
    reach = max(1, round(share * min(np.ptp(rows) + 1, np.ptp(columns) + 1)))
    return widened(core, reach)


def _with_ends(core: Region, joints: list[Region]) -> Region:
    """The body with the metal at its ends, so that both move together."""
    if not core.any():
        return core
    near, body = _near(core, 0.3), core.copy()
    for joint in joints:
        body |= joint & near
    body = ndimage.binary_fill_holes(_closed(body, 2)) & _within(core.shape, _REACH)
    return body if body.mean() < _MOST_BODY else core


def widened(region: Region, radius: float) -> Region:
    """All within `radius` pixels of the region along rows and columns, at least within one."""
    size = 1 + 2 * max(1, round(radius))
    wide: NDArray[np.uint8] = ndimage.maximum_filter(region.view(np.uint8), size, mode="nearest")
    return wide.view(np.bool_)


def narrowed(region: Region, radius: float) -> Region:
    """What is left of the region when what surrounds it is widened."""
    return ~widened(~region, radius)


def _closed(region: Region, radius: float) -> Region:
    return narrowed(widened(region, radius), radius)


def _opened(region: Region, radius: float) -> Region:
    return widened(narrowed(region, radius), radius)


def _pieces(region: Region) -> list[Region]:
    """Its connected pieces that are large enough to mean anything, the largest ones first."""
    labels, _ = ndimage.label(region)
    sizes = np.bincount(labels.reshape(-1))
    sizes[0] = 0
    large = [number for number in np.argsort(-sizes, kind="stable")[:_MOST_PIECES] if sizes[number] > 4]
    return [labels == number for number in large]
