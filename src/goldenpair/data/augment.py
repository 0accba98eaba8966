"""From uint8 pictures to what a network reads: augmentation, joining of the lights, normalisation.

Everything works on a whole batch on its device. Shapes: N pairs, L lights, H x W per picture; a joined picture is
[N, 3, rows * H, columns * W]; several goldens are [N, G, ...]. Random values are drawn on the CPU from a generator, so
they do not depend on the device.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from goldenpair.data.table import Layout
from goldenpair.specs.augmentation import AugmentationConfig, RandomColor

_BLUR_REACH = 3  # pixels; three standard deviations of the widest blur
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma


def join(pictures: Tensor, layout: Layout) -> Tensor:
    """[..., L, 3, H, W] -> [..., 3, rows * H, columns * W], lights row by row; TAO's linear is one column."""
    *several, _, c, h, w = pictures.shape
    grid = pictures.reshape(*several, layout.rows, layout.columns, c, h, w)
    by_line = grid.movedim((-5, -4, -3), (-4, -2, -5))
    return by_line.reshape(*several, c, layout.joined_height, layout.joined_width)


class Preparation:
    """Joins and normalises: uint8 or float32 (0..255) [..., L, 3, H, W] -> float32 [..., 3, rows * H, columns * W]."""

    def __init__(self, layout: Layout, mean: list[float], std: list[float]):
        self.layout = layout
        deviation = torch.tensor(std, dtype=torch.float64)
        self._scale = (1 / (255 * deviation)).float()[:, None, None]
        self._shift = (-torch.tensor(mean, dtype=torch.float64) / deviation).float()[:, None, None]

    def __call__(self, pictures: Tensor) -> Tensor:
        joined = join(pictures, self.layout).float()
        return joined * self._scale.to(joined.device) + self._shift.to(joined.device)


@dataclass(frozen=True)
class _Draws:
    """Uniform random values in 0..1 for one batch, each [N]."""

    generator: torch.Generator
    count: int

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        return torch.rand(self.count, generator=self.generator) * (high - low) + low

    def happens(self, probability: float) -> Tensor:
        return self.uniform() < probability


class Augmentation:
    """Random changes of pairs. All lights of a picture change alike; goldens and sample too, but for the jitter.

    With a `scale_range` pairs are enlarged by a factor from there, and a random part as large as the picture is kept.
    """

    def __init__(self, config: AugmentationConfig, layout: Layout, scale_range: tuple[float, float] | None = None):
        self.config = config
        self.layout = layout
        self.scale_range = scale_range

    def __call__(self, sample: Tensor, golden: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """uint8 [N, L, 3, H, W], golden also [N, G, L, 3, H, W] -> float32 0..255 of the same shapes.

        Off, it only hands them through.
        """
        if not self.config.augment:
            return sample, golden
        draws = _Draws(generator, len(sample))
        return self._changed(sample, golden, self._place(draws), draws)

    def with_mask(
        self, sample: Tensor, golden: Tensor, mask: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The same with the uint8 [N, H, W] mask of each pair of joined pictures, which moves with them.

        Only for pairs without jitter, of one light.
        """
        if not self.config.augment:
            return sample, golden, mask
        draws = _Draws(generator, len(sample))
        place = self._place(draws)
        moved = move(mask[:, None, None], place, mode="nearest")[:, 0, 0].to(mask.dtype)
        return *self._changed(sample, golden, place, draws), moved

    def _changed(self, sample: Tensor, golden: Tensor, together: Tensor, draws: _Draws) -> tuple[Tensor, Tensor]:
        config, n, generator, several = self.config, draws.count, draws.generator, golden.shape[1:-4]
        jitter = config.relative_jitter
        # all samples, then the first golden of all, then the second
        pair = torch.cat([sample, golden.transpose(0, 1).flatten(0, 1) if several else golden])
        times = len(pair) // n
        moves = together.repeat(times, 1, 1)
        # half of each difference to either side; a pair that is not jittered stays as sharp as at inspection
        half = draws.happens(jitter.jitter_probability).repeat(times) / 2 if jitter.enable else None
        apart = _Draws(generator, times * n)
        if half is not None:
            moves = self._jitter(apart, half) @ moves
        moved = move(pair, moves)
        if config.with_random_blur:
            sigma = draws.uniform() * draws.happens(0.5)
            moved = blur(moved, sigma.repeat(times))
        if config.random_color.enable:
            changed = draws.happens(config.random_color.color_probability)
            moved = _recolour(moved, config.random_color, draws, changed)
        if half is not None:
            exposure = 1 + apart.uniform(-jitter.max_exposure, jitter.max_exposure) * half
            moved = moved * exposure.to(moved.device)[:, None, None, None, None]
        moved = moved.clamp(0, 255)
        goldens = moved[n:]
        return moved[:n], goldens.reshape(-1, n, *sample.shape[1:]).transpose(0, 1) if several else goldens

    def _place(self, draws: _Draws) -> Tensor:
        """Flip, turn and crop as one [N, 3, 3] map from places in the new picture to places in the old.

        Places are in pixels from the centre, x first.
        """
        config = self.config
        n = draws.count
        maps = torch.eye(3).repeat(n, 1, 1)
        if config.random_flip.enable:
            maps[:, 0, 0] = 1 - 2 * draws.happens(config.random_flip.hflip_probability).float()
            maps[:, 1, 1] = 1 - 2 * draws.happens(config.random_flip.vflip_probability).float()
        if config.random_rotate.enable:
            angles = torch.tensor(config.random_rotate.angle_list)
            drawn = angles[(draws.uniform() * len(angles)).long().clamp(max=len(angles) - 1)]
            maps = rotation(drawn * draws.happens(config.random_rotate.rotate_probability)) @ maps
        if config.with_random_crop:
            side = draws.uniform(0.8, 1.0).sqrt()
            side = torch.where(draws.happens(0.5), side, torch.ones(n))
            maps = maps @ self._crop(side, draws)
        if self.scale_range:
            maps = maps @ self._crop(1 / draws.uniform(*self.scale_range), draws)
        return maps

    def _crop(self, side: Tensor, draws: _Draws) -> Tensor:
        """A random part of the picture that has these shares [N] of its sides."""
        crop = torch.zeros(len(side), 3, 3)
        crop[:, 0, 0] = crop[:, 1, 1] = side
        crop[:, 2, 2] = 1
        crop[:, 0, 2] = draws.uniform(-0.5, 0.5) * (1 - side) * self.layout.width
        crop[:, 1, 2] = draws.uniform(-0.5, 0.5) * (1 - side) * self.layout.height
        return crop

    def _jitter(self, draws: _Draws, part: Tensor) -> Tensor:
        """A turn and a shift for each picture, of at most this `part` of what is allowed between the two."""
        jitter = self.config.relative_jitter
        maps = rotation(draws.uniform(-jitter.max_rotation, jitter.max_rotation) * part)
        maps[:, 0, 2] = draws.uniform(-jitter.max_shift, jitter.max_shift) * part * self.layout.width
        maps[:, 1, 2] = draws.uniform(-jitter.max_shift, jitter.max_shift) * part * self.layout.height
        return maps


def rotation(degrees: Tensor) -> Tensor:
    """[N] degrees -> [N, 3, 3]."""
    radians = degrees * (math.pi / 180)
    maps = torch.zeros(len(degrees), 3, 3)
    maps[:, 0, 0] = maps[:, 1, 1] = radians.cos()
    maps[:, 0, 1], maps[:, 1, 0] = -radians.sin(), radians.sin()
    maps[:, 2, 2] = 1
    return maps


def move(pictures: Tensor, maps: Tensor, mode: str = "bilinear", outside: str = "reflection") -> Tensor:
    """Pictures [N, L, C, H, W] resampled where [N, 3, 3] maps point; outside, they are mirrored, or as `grid_sample`
    says it.

    Mirroring leaves no black corners, which a network would learn as a sign of augmentation.
    """
    n, lights, c, h, w = pictures.shape
    flat = pictures.reshape(n, lights * c, h, w).float()
    if torch.equal(maps, torch.eye(3).expand_as(maps)):
        return flat.reshape(pictures.shape)
    size = torch.tensor([w / 2, h / 2])
    # grid_sample counts from -1 to 1 across the picture
    linear = maps[:, :2, :2] * size[None, None, :] / size[None, :, None]
    theta = torch.cat([linear, (maps[:, :2, 2] / size)[..., None]], dim=2)
    grid = F.affine_grid(theta, [n, c, h, w], align_corners=False).to(pictures.device)
    moved = F.grid_sample(flat, grid, mode=mode, padding_mode=outside, align_corners=False)
    return moved.reshape(pictures.shape)


def blur(pictures: Tensor, sigma: Tensor, farthest: int = _BLUR_REACH) -> Tensor:
    """Gaussian blur with a standard deviation of [N] pixels; 0 leaves a picture as it is. The kernel ends `farthest`
    pixels from its middle."""
    n, lights, c, h, w = pictures.shape
    flat = pictures.reshape(n, lights * c, h, w)
    for dim in (2, 3):
        reach = min(farthest, flat.shape[dim] - 1)
        offsets = torch.arange(-reach, reach + 1).float()
        kernel = torch.exp(-0.5 * (offsets[None] / sigma.clamp(min=1e-3)[:, None]) ** 2)
        kernel = (kernel / kernel.sum(1, keepdim=True)).to(pictures.device)
        padding = (0, 0, reach, reach) if dim == 2 else (reach, reach, 0, 0)
        padded = F.pad(flat, padding, mode="reflect")
        blurred = torch.zeros_like(flat)
        for i in range(-reach, reach + 1):  # a few shifts, not samples
            part = padded.narrow(dim, reach + i, flat.shape[dim])
            blurred += part * kernel[:, reach + i, None, None, None]
        flat = blurred
    return flat.reshape(pictures.shape)


def _recolour(pictures: Tensor, config: RandomColor, draws: _Draws, changed: Tensor) -> Tensor:
    """Brightness, contrast, saturation and hue of [2N, L, 3, H, W] as one colour matrix for each of N pairs.

    Contrast pulls towards the mean grey of the sample's picture and of the golden's alike, so that a pair stays
    one. With G goldens there are (1 + G) N pictures.
    """
    n = draws.count

    def factor(reach: float) -> Tensor:
        return torch.where(changed, draws.uniform(max(0.0, 1 - reach), 1 + reach), torch.ones(n))

    brightness, contrast, saturation = (
        factor(config.brightness), factor(config.contrast), factor(config.saturation),
    )  # fmt: skip
    turn = draws.uniform(-config.hue, config.hue) * changed * 360
    grey = torch.tensor(_GREY)
    desaturate = grey.expand(3, 3)[None]
    saturate = saturation[:, None, None] * torch.eye(3) + (1 - saturation)[:, None, None] * desaturate
    matrix = (_hue_matrix(turn) @ saturate) * (brightness * contrast)[:, None, None]
    matrix = matrix.to(pictures.device)
    stacked = pictures.reshape(-1, n, *pictures.shape[1:])
    mean = torch.einsum("pnlchw,c->n", stacked, grey.to(pictures.device)) / (
        len(stacked) * stacked[0, 0, :, 0].numel()
    )  # fmt: skip
    offset = mean * (brightness * (1 - contrast)).to(pictures.device)
    mixed = torch.einsum("ndc,pnlchw->pnldhw", matrix, stacked) + offset[None, :, None, None, None, None]
    result: Tensor = mixed.reshape(pictures.shape)
    return result


def _hue_matrix(degrees: Tensor) -> Tensor:
    """[N] degrees -> [N, 3, 3]: a turn of the chroma plane of YIQ, which leaves the luma as it is."""
    to_yiq = torch.tensor([_GREY, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)], dtype=torch.float64)
    turn = torch.zeros(len(degrees), 3, 3, dtype=torch.float64)
    radians = degrees.double() * (math.pi / 180)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = radians.cos()
    turn[:, 1, 2], turn[:, 2, 1] = -radians.sin(), radians.sin()
    turned: Tensor = torch.linalg.inv(to_yiq) @ turn @ to_yiq
    return turned.float()
