"""Learned differences of the feature maps of two pictures, summed from coarse to fine.

Layers and parameter names are those of NVIDIA TAO's visual_changenet.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from goldenpair.models.backbone import Backbone


class Differences(nn.Module):
    """The base of decoders. `height` and `width` are those of the joined picture, `embed_dim` is the width.

    `scales` (1 to 4) says how many of the four maps, the coarsest first, are compared; the layers of the others exist
    as they do in TAO's files, and learn nothing. `compared` are the numbers of the compared maps, the coarsest first,
    as they count in names: from 1. `sizes` are the heights and widths of the maps.
    """

    def __init__(self, backbone: Backbone, height: int, width: int, embed_dim: int, scales: int):
        super().__init__()
        # numbers, not the shapes of what comes: exporters follow tensors only
        self.sizes = [(height // stride, width // stride) for stride in backbone.strides]
        channels = backbone.channels
        self.compared = range(len(channels), len(channels) - scales, -1)
        for number in range(len(channels), 0, -1):  # in the order of TAO's files
            self.add_module(f"linear_c{number}", _Projection(channels[number - 1], embed_dim))
        for number in range(len(channels), 0, -1):
            self.add_module(f"diff_c{number}", _difference(embed_dim))
        for number in set(range(1, len(channels) + 1)) - set(self.compared):
            for name in ("linear_c", "diff_c"):
                self.get_submodule(f"{name}{number}").requires_grad_(False)

    def sums(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> list[Tensor]:
        """Maps of N samples and of their goldens -> one sum [N, embed_dim, ...] for each scale, the coarsest first."""
        found = []
        for number in self.compared:
            project, difference = self.get_submodule(f"linear_c{number}"), self.get_submodule(f"diff_c{number}")
            found.append(difference(torch.cat([project(maps[number - 1]) for maps in (sample, golden)], dim=1)))
        return self.summed(found)

    def summed(self, differences: Sequence[Tensor]) -> list[Tensor]:
        """What the blocks found, the coarsest first -> the sums."""
        found: list[Tensor] = []
        for number, one in zip(self.compared, differences, strict=True):
            found.append(one + self.resized(found[-1], number + 1, number) if found else one)
        return found

    def resized(self, x: Tensor, since: int, to: int) -> Tensor:
        """A map of the size of map number `since`, to that of map number `to`, bilinear."""
        size = self.sizes[to - 1]
        if self.sizes[since - 1] == size:
            return x
        return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)


class _Projection(nn.Module):
    """A linear layer over the channels of a map."""

    def __init__(self, given: int, made: int):
        super().__init__()
        self.proj = nn.Linear(given, made)

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.proj.weight[:, :, None, None], self.proj.bias)


def _difference(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2 * width, width, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(width),
        nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
    )  # fmt: skip
