"""Visual ChangeNet for classification: a backbone sees both pictures, a head compares what it found.

Layers and parameter names are those of NVIDIA TAO's visual_changenet, so its weights load as they are.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from goldenpair.models.fan import STRIDES, Fan
from goldenpair.models.losses import pair_distance
from goldenpair.models.norms import PairBatchNorm1d


class EuclideanChangenet(nn.Module):
    """Architecture 1: the distance of two embeddings of the last feature map.

    `height` and `width` are those of the joined picture, `embedding` is the length of the embedding.
    """

    def __init__(self, backbone: Fan, height: int, width: int, embedding: int):
        super().__init__()
        self.backbone = backbone
        features = backbone.channels[-1] * (height // STRIDES[-1]) * (width // STRIDES[-1])
        self.fc1 = nn.Sequential(
            nn.Linear(features, 512), nn.ReLU(), PairBatchNorm1d(512),
            nn.Linear(512, 512), nn.ReLU(), PairBatchNorm1d(512),
            nn.Linear(512, embedding),
        )  # fmt: skip

    def encode(self, pictures: Tensor) -> Tensor:
        """float32 [N, 3, height, width] -> [N, embedding]; in training N is samples and then as many goldens."""
        embedding: Tensor = self.fc1(self.backbone(pictures)[-1].flatten(1))
        return embedding

    def compare(self, sample: Tensor, golden: Tensor) -> Tensor:
        """Two [N, embedding] -> distances [N]."""
        return pair_distance(sample, golden)

    def forward(self, sample: Tensor, golden: Tensor) -> Tensor:
        """Two [N, 3, height, width] -> distances [N]."""
        return self.compare(*_halves(self.encode(torch.cat([sample, golden]))))


class LearnableChangenet(nn.Module):
    """Architecture 2: learned differences of the four feature maps, summed from coarse to fine, and a classifier.

    `height` and `width` are those of the joined picture, `embed_dim` is the width of the decoder, `hidden` that of
    the classifier, and `scales` (1 to 4) says how many of the maps, the coarsest first, the classifier sees.
    """

    def __init__(self, backbone: Fan, height: int, width: int, embed_dim: int, hidden: int, scales: int, classes: int):
        super().__init__()
        self.backbone = backbone
        self.decoder = _Decoder(backbone.channels, height, width, embed_dim, hidden, scales, classes)

    def encode(self, pictures: Tensor) -> list[Tensor]:
        """float32 [N, 3, height, width] -> four maps; in training N is samples and then as many goldens."""
        maps: list[Tensor] = self.backbone(pictures)
        return maps

    def compare(self, sample: list[Tensor], golden: list[Tensor]) -> Tensor:
        """Two times four maps -> logits [N, classes]."""
        logits: Tensor = self.decoder(sample, golden)
        return logits

    def forward(self, sample: Tensor, golden: Tensor) -> Tensor:
        """Two [N, 3, height, width] -> logits [N, classes]."""
        both = [_halves(one) for one in self.encode(torch.cat([sample, golden]))]
        return self.compare([one[0] for one in both], [one[1] for one in both])


class _Decoder(nn.Module):
    def __init__(
        self, channels: tuple[int, ...], height: int, width: int, embed_dim: int, hidden: int, scales: int, classes: int
    ):
        super().__init__()
        self._scales = scales
        # all four exist whatever `scales` is, as in TAO's files
        for number, given in enumerate(channels, 1):
            self.add_module(f"linear_c{number}", _Projection(given, embed_dim))
            self.add_module(f"diff_c{number}", _difference(embed_dim))
        self.linear_fuse = nn.Sequential(nn.Conv2d(scales * embed_dim, embed_dim, 1), nn.BatchNorm2d(embed_dim))
        features = embed_dim * (height // STRIDES[0]) * (width // STRIDES[0])
        self.classifier = nn.Sequential(
            nn.Linear(features, hidden), nn.ReLU(), nn.BatchNorm1d(hidden),
            nn.Linear(hidden, hidden), nn.ReLU(), nn.BatchNorm1d(hidden),
            nn.Linear(hidden, classes),
        )  # fmt: skip

    def forward(self, sample: list[Tensor], golden: list[Tensor]) -> Tensor:
        sums: list[Tensor] = []  # from coarse to fine
        for number in range(len(sample), 0, -1):
            project, difference = self.get_submodule(f"linear_c{number}"), self.get_submodule(f"diff_c{number}")
            pair = torch.cat([project(sample[number - 1]), project(golden[number - 1])], dim=1)
            found = difference(pair)
            sums.append(found + _resized(sums[-1], found) if sums else found)
        kept = [_resized(one, sums[-1]) for one in sums[: self._scales]]
        logits: Tensor = self.classifier(self.linear_fuse(torch.cat(kept, dim=1)).flatten(1))
        return logits


class _Projection(nn.Module):
    """A linear layer on the channels of a map."""

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


def _resized(x: Tensor, like: Tensor) -> Tensor:
    if x.shape[2:] == like.shape[2:]:
        return x
    return functional.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


def _halves(both: Tensor) -> tuple[Tensor, Tensor]:
    sample, golden = both.chunk(2)
    return sample, golden
