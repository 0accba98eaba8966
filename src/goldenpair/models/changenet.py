"""Visual ChangeNet for classification: a backbone sees both pictures, a head compares what it found.

Layers and parameter names are those of NVIDIA TAO's visual_changenet, so its weights load as they are.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from goldenpair.models.backbone import Backbone
from goldenpair.models.differences import Differences
from goldenpair.models.losses import pair_distance
from goldenpair.models.norms import PairBatchNorm1d

_AT_ONCE = 2


class PairNetwork(nn.Module, ABC):
    """A network that looks at each picture by itself, and then compares what it found in two."""

    def forward(self, sample: Tensor, golden: Tensor) -> Tensor:
        """Two [N, 3, height, width] -> what `compare` returns. Both pictures are encoded in one pass."""
        both = [one.chunk(2) for one in self.encode(torch.cat([sample, golden]))]
        return self.compare([one[0] for one in both], self.keep([one[1] for one in both]))

    @abstractmethod
    def encode(self, pictures: Tensor) -> list[Tensor]:
        """float32 [N, 3, height, width] -> tensors [N, ...]; in training N is samples and then as many goldens."""

    @abstractmethod
    def keep(self, golden: Sequence[Tensor]) -> list[Tensor]:
        """What `encode` found in N goldens -> what is kept of them, tensors [N, ...], as `compare` takes it."""

    @abstractmethod
    def compare(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> Tensor:
        """N samples by `encode`, and their goldens by `keep` -> the network's output, [N] or [N, classes]."""


class Changenet(PairNetwork):
    """What both architectures share: the backbone.

    A `frozen` backbone keeps its weights and the statistics of its norms in training.
    """

    def __init__(self, backbone: Backbone, frozen: bool):
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

    def keep(self, golden: Sequence[Tensor]) -> list[Tensor]:
        return list(golden)

    def _maps(self, pictures: Tensor) -> list[Tensor]:
        maps: list[Tensor] = self.backbone(pictures) if self.training else a_few_at_once(self.backbone, pictures)
        return maps


def a_few_at_once(work: Callable[..., list[Tensor]], *given: Tensor) -> list[Tensor]:
    """`work` on tensors [N, ...], which treats each of N by itself. On a processor many fall out of its caches."""
    if given[0].device.type != "cpu" or torch.onnx.is_in_onnx_export() or torch.compiler.is_exporting():
        return work(*given)
    few = [work(*some) for some in zip(*(torch.split(one, _AT_ONCE) for one in given), strict=True)]
    return [torch.cat(parts) for parts in zip(*few, strict=True)]


class EuclideanChangenet(Changenet):
    """Architecture 1: the distance of two embeddings of the last feature map; the output is [N].

    `height` and `width` are those of the joined picture, `embedding` is the length of the embedding.
    """

    def __init__(self, backbone: Backbone, height: int, width: int, *, embedding: int, frozen: bool = False):
        super().__init__(backbone, frozen)
        features = backbone.channels[-1] * (height // backbone.strides[-1]) * (width // backbone.strides[-1])
        self.fc1 = nn.Sequential(
            nn.Linear(features, 512), nn.ReLU(), PairBatchNorm1d(512),
            nn.Linear(512, 512), nn.ReLU(), PairBatchNorm1d(512),
            nn.Linear(512, embedding),
        )  # fmt: skip

    def encode(self, pictures: Tensor) -> list[Tensor]:
        return [self.fc1(self._maps(pictures)[-1].flatten(1))]

    def compare(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> Tensor:
        return pair_distance(sample[0], golden[0])


class LearnableChangenet(Changenet):
    """Architecture 2: learned differences of the feature maps, summed from coarse to fine, and a classifier.

    The output is logits [N, 2] of PASS and defect. `height` and `width` are those of the joined picture, `embed_dim`
    is the width of the decoder, `hidden` that of the classifier, and `scales` (1 to 4) says how many of the four maps,
    the coarsest first, are compared.
    """

    def __init__(
        self,
        backbone: Backbone,
        height: int,
        width: int,
        *,
        embed_dim: int,
        hidden: int,
        scales: int,
        frozen: bool = False,
    ):
        super().__init__(backbone, frozen)
        self.decoder = _Decoder(backbone, height, width, embed_dim, hidden, scales)

    def encode(self, pictures: Tensor) -> list[Tensor]:
        """The four maps of the backbone, the coarsest last."""
        return self._maps(pictures)

    def compare(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> Tensor:
        logits: Tensor = self.decoder(sample, golden)
        return logits


class _Decoder(Differences):
    def __init__(self, backbone: Backbone, height: int, width: int, embed_dim: int, hidden: int, scales: int):
        super().__init__(backbone, height, width, embed_dim, scales)
        self.linear_fuse = nn.Sequential(nn.Conv2d(scales * embed_dim, embed_dim, 1), nn.BatchNorm2d(embed_dim))
        finest = self.sizes[0]
        self.classifier = nn.Sequential(
            nn.Linear(embed_dim * finest[0] * finest[1], hidden), nn.ReLU(), nn.BatchNorm1d(hidden),
            nn.Linear(hidden, hidden), nn.ReLU(), nn.BatchNorm1d(hidden),
            nn.Linear(hidden, 2),
        )  # fmt: skip

    def forward(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> Tensor:
        sums = zip(self.sums(sample, golden), self.compared, strict=True)
        fused = self.linear_fuse(torch.cat([self.resized(one, number, 1) for one, number in sums], dim=1))
        logits: Tensor = self.classifier(fused.flatten(1))
        return logits
