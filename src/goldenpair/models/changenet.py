"""Visual ChangeNet for classification: a backbone sees both pictures, a head compares what it found.

Layers and parameter names are those of NVIDIA TAO's visual_changenet, so its weights load as they are.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from goldenpair.models.fan import STRIDES, Fan
from goldenpair.models.losses import pair_distance
from goldenpair.models.norms import PairBatchNorm1d


class Changenet(nn.Module, ABC):
    """What both architectures share: each picture is encoded by itself, then two encodings are compared.

    A `frozen` backbone keeps its weights and the statistics of its norms in training.
    """

    def __init__(self, backbone: Fan, frozen: bool):
        super().__init__()
        self.backbone = backbone
        self._frozen = frozen
        if frozen:
            backbone.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if self._frozen:
            self.backbone.eval()
        return self

    def forward(self, sample: Tensor, golden: Tensor) -> Tensor:
        """Two [N, 3, height, width] -> what `compare` returns. Both pictures are encoded in one pass."""
        both = [one.chunk(2) for one in self.encode(torch.cat([sample, golden]))]
        return self.compare([one[0] for one in both], [one[1] for one in both])

    @abstractmethod
    def encode(self, pictures: Tensor) -> list[Tensor]:
        """float32 [N, 3, height, width] -> tensors [N, ...]; in training N is samples and then as many goldens."""

    @abstractmethod
    def compare(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> Tensor:
        """What `encode` found in N samples and in their goldens -> the network's output, [N] or [N, classes]."""


class EuclideanChangenet(Changenet):
    """Architecture 1: the distance of two embeddings of the last feature map; the output is [N].

    `height` and `width` are those of the joined picture, `embedding` is the length of the embedding.
    """

    def __init__(self, backbone: Fan, height: int, width: int, *, embedding: int, frozen: bool = False):
        super().__init__(backbone, frozen)
        features = backbone.channels[-1] * (height // STRIDES[-1]) * (width // STRIDES[-1])
        self.fc1 = nn.Sequential(
            nn.Linear(features, 512), nn.ReLU(), PairBatchNorm1d(512),
            nn.Linear(512, 512), nn.ReLU(), PairBatchNorm1d(512),
            nn.Linear(512, embedding),
        )  # fmt: skip

    def encode(self, pictures: Tensor) -> list[Tensor]:
        return [self.fc1(self.backbone(pictures)[-1].flatten(1))]

    def compare(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> Tensor:
        return pair_distance(sample[0], golden[0])


class LearnableChangenet(Changenet):
    """Architecture 2: learned differences of the feature maps, summed from coarse to fine, and a classifier.

    The output is logits [N, 2] of PASS and defect. `height` and `width` are those of the joined picture, `embed_dim`
    is the width of the decoder, `hidden` that of the classifier, and `scales` (1 to 4) says how many of the four maps,
    the coarsest first, are compared.
    """

    def __init__(
        self, backbone: Fan, height: int, width: int, *, embed_dim: int, hidden: int, scales: int, frozen: bool = False
    ):
        super().__init__(backbone, frozen)
        self.decoder = _Decoder(backbone.channels, height, width, embed_dim, hidden, scales)

    def encode(self, pictures: Tensor) -> list[Tensor]:
        """The four maps of the backbone, the coarsest last."""
        maps: list[Tensor] = self.backbone(pictures)
        return maps

    def compare(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> Tensor:
        logits: Tensor = self.decoder(sample, golden)
        return logits


class _Decoder(nn.Module):
    def __init__(self, channels: tuple[int, ...], height: int, width: int, embed_dim: int, hidden: int, scales: int):
        super().__init__()
        # numbers, not the shapes of what comes: exporters follow tensors only
        self._sizes = [(height // stride, width // stride) for stride in STRIDES]
        self._compared = range(len(channels), len(channels) - scales, -1)  # numbers of maps, as they count in names
        # all exist whatever `scales` is, in the order of TAO's files
        for number in range(len(channels), 0, -1):
            self.add_module(f"linear_c{number}", _Projection(channels[number - 1], embed_dim))
        for number in range(len(channels), 0, -1):
            self.add_module(f"diff_c{number}", _difference(embed_dim))
        self.linear_fuse = nn.Sequential(nn.Conv2d(scales * embed_dim, embed_dim, 1), nn.BatchNorm2d(embed_dim))
        self.classifier = nn.Sequential(
            nn.Linear(embed_dim * self._sizes[0][0] * self._sizes[0][1], hidden), nn.ReLU(), nn.BatchNorm1d(hidden),
            nn.Linear(hidden, hidden), nn.ReLU(), nn.BatchNorm1d(hidden),
            nn.Linear(hidden, 2),
        )  # fmt: skip
        for number in set(range(1, len(channels) + 1)) - set(self._compared):
            for name in ("linear_c", "diff_c"):
                self.get_submodule(f"{name}{number}").requires_grad_(False)

    def forward(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> Tensor:
        sums: list[Tensor] = []
        for number in self._compared:
            project, difference = self.get_submodule(f"linear_c{number}"), self.get_submodule(f"diff_c{number}")
            found = difference(torch.cat([project(maps[number - 1]) for maps in (sample, golden)], dim=1))
            sums.append(found + self._resized(sums[-1], number + 1, number) if sums else found)
        kept = [self._resized(one, number, 1) for one, number in zip(sums, self._compared, strict=True)]
        fused = self.linear_fuse(torch.cat(kept, dim=1))
        logits: Tensor = self.classifier(fused.flatten(1))
        return logits

    def _resized(self, x: Tensor, since: int, to: int) -> Tensor:
        """A map of the size of map number `since`, to that of map number `to`."""
        size = self._sizes[to - 1]
        if self._sizes[since - 1] == size:
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
