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
            self.add_module(f"diff_c{number}", nn.Sequential(*convolutions(2 * embed_dim, embed_dim), nn.ReLU()))
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

    def joined(self, sums: Sequence[Tensor]) -> Tensor:
        """What `sums` gives -> all of it at the size of the finest map, [N, scales * embed_dim, height, width]."""
        pairs = zip(sums, self.compared, strict=True)
        return torch.cat([self.resized(one, number, 1) for one, number in pairs], dim=1)

    def resized(self, x: Tensor, since: int, to: int) -> Tensor:
        """A map of the size of map number `since`, to that of map number `to`, bilinear."""
        return resized(x, self.sizes[since - 1], self.sizes[to - 1])


def resized(x: Tensor, since: tuple[int, int], to: tuple[int, int]) -> Tensor:
    """Maps [N, C, *since] -> [N, C, *to], bilinear."""
    return x if since == to else functional.interpolate(x, size=to, mode="bilinear", align_corners=False)


def fusion(given: int, made: int) -> nn.Sequential:
    """What makes one map of those that are `joined`."""
    return nn.Sequential(nn.Conv2d(given, made, 1), nn.BatchNorm2d(made))


def convolutions(given: int, made: int) -> list[nn.Module]:
    """The layers that differences and predictions have in common."""
    return [
        nn.Conv2d(given, made, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(made),
        nn.Conv2d(made, made, 3, padding=1),
    ]  # fmt: skip


class _Projection(nn.Module):
    """A linear layer over the channels of a map."""

    def __init__(self, given: int, made: int):
        super().__init__()
        self.proj = nn.Linear(given, made)

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.proj.weight[:, :, None, None], self.proj.bias)
