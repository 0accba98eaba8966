"""Several goldens made into one by attention, as in NVIDIA TAO's visual_changenet with a ViT backbone."""

import torch
from torch import Tensor, nn
from torch.nn import functional

WINDOW = 7
"""Side of the tiles, in pixels of a map."""


class GoldenAttention(nn.Module):
    """The differences of a sample to its G goldens at one scale -> one map.

    A learned map of (height / 7) x (width / 7) positions, repeated 7 x 7 times, is added to each difference. Pixels
    that lie at the same place of their 7 x 7 tile, of all tiles and all goldens, are one sequence of tokens, to which
    single-head self-attention is added. What is greatest over the goldens goes through a batch norm.
    """

    def __init__(self, width: int, size: tuple[int, int], goldens: int):
        super().__init__()
        self._goldens, self._tiles = goldens, (size[0] // WINDOW, size[1] // WINDOW)
        self.positions = nn.Parameter(torch.zeros(width, *self._tiles))
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))
        self.norm = nn.BatchNorm2d(width)

    def forward(self, differences: Tensor) -> Tensor:
        """[N * G, D, height, width], the goldens of a sample one after the other -> [N, D, height, width]."""
        (down, across), goldens, width = self._tiles, self._goldens, differences.shape[1]
        placed = differences + self.positions.repeat(1, WINDOW, WINDOW)
        tiled = placed.reshape(-1, goldens, width, down, WINDOW, across, WINDOW)
        tokens = tiled.permute(0, 4, 6, 1, 3, 5, 2).reshape(-1, WINDOW**2, goldens * down * across, width)
        # the places are where other networks have heads, so the scale is one by the root of the width
        found = functional.scaled_dot_product_attention(self.q(tokens), self.k(tokens), self.v(tokens))
        mixed = (tokens + self.o(found)).reshape(-1, WINDOW, WINDOW, goldens, down, across, width)
        maps = mixed.permute(0, 3, 6, 4, 1, 5, 2).reshape(-1, goldens, width, down * WINDOW, across * WINDOW)
        normed: Tensor = self.norm(maps.amax(dim=1))
        return normed
