"""Visual ChangeNet for classification: a backbone sees both pictures, a head compares what it found.

Layers and parameter names are those of NVIDIA TAO's visual_changenet, so its weights load as they are.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, Self, TypeVar

import torch
from torch import Tensor, nn

from goldenpair.models.backbone import Backbone
from goldenpair.models.differences import Differences, fusion
from goldenpair.models.golden_attention import GoldenAttention
from goldenpair.models.losses import pair_distance
from goldenpair.models.norms import PairBatchNorm1d, expect_goldens

Output = TypeVar("Output", Tensor, tuple[Tensor, ...])

AT_ONCE = 2
"""Pictures, or pairs, that a processor works on at once: more fall out of its caches."""


class PairNetwork(nn.Module, ABC, Generic[Output]):
    """A network that looks at each picture by itself, and then compares what it found in two.

    A sample with several `goldens` is compared with each of them by itself, and what the one that fits best gives is
    the output.
    """

    goldens = 1

    def forward(self, sample: Tensor, golden: Tensor) -> Output:
        """Samples [N, 3, height, width] and goldens, the same or [N, G, 3, height, width] -> what
        `compare` returns, for the golden that fits best.

        All pictures are encoded in one pass.
        """
        found = self.encode(torch.cat([sample, golden.flatten(0, -4)]))
        if self.goldens == 1:
            # not `chunk`: PyTorch's newer exporter would fix the number of pairs
            both = [torch.unflatten(one, 0, (2, -1)).unbind() for one in found]
            return self.compare([one[0] for one in both], self.keep([one[1] for one in both]))
        n = sample.shape[0]
        kept = [one.reshape(-1, self.goldens, *one.shape[1:]) for one in self.keep([one[n:] for one in found])]
        return self.compare_goldens([one[:n] for one in found], kept)

    @abstractmethod
    def encode(self, pictures: Tensor) -> list[Tensor]:
        """float32 [N, 3, height, width] -> tensors [N, ...]; in training N is samples and then all their goldens."""

    @abstractmethod
    def keep(self, golden: Sequence[Tensor]) -> list[Tensor]:
        """What `encode` found in N goldens -> what is kept of them, tensors [N, ...], as `compare` takes it."""

    @abstractmethod
    def compare(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> Output:
        """N samples by `encode`, and a golden of each by `keep` -> the network's output, one tensor or several."""

    def compare_goldens(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> Output:
        """N samples by `encode`, [N, ...], and all their goldens by `keep` -> the output, as of one golden each.

        The goldens are [N, G, ...], or [N, ...] where there is one for each sample.
        """
        if self.goldens == 1:
            return self.compare(sample, golden)
        output = self.compare(*self.pairs(sample, golden))
        assert isinstance(output, Tensor)  # several goldens are for scores
        return best_match(output.reshape(-1, self.goldens, *output.shape[1:]))

    def pairs(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """[N, ...] and [N, G, ...] -> twice [N * G, ...]: each sample as often as it has goldens."""
        again = [one[:, None].expand(-1, self.goldens, *one.shape[1:]).flatten(0, 1) for one in sample]
        return again, [one.flatten(0, 1) for one in golden]


def best_match(output: Tensor) -> Tensor:
    """Distances [N, G] or logits [N, G, 2] -> those of the golden that differs least, [N] or [N, 2]."""
    # what is no number has to stay so: ONNX Runtime may take another golden's in its place, and say PASS
    if output.ndim == 2:
        return output.amin(dim=1) + 0 * output.sum(dim=1)
    best = (output[..., 1] - output[..., 0]).argmin(dim=1)
    chosen = output.gather(1, best[:, None, None].expand(-1, 1, 2))[:, 0]
    return chosen + 0 * output.sum(dim=(1, 2))[:, None]


class Changenet(PairNetwork[Output]):
    """What all architectures share: the backbone.

    The body of a `frozen` backbone keeps its weights and the statistics of its norms in training.
    """

    def __init__(self, backbone: Backbone, frozen: bool, goldens: int = 1):
        super().__init__()
        self.backbone = backbone
        self.goldens = goldens
        self._frozen = frozen
        if frozen:
            backbone.body.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if self._frozen:
            self.backbone.body.eval()
        return self

    def encode(self, pictures: Tensor) -> list[Tensor]:
        """The four maps of the backbone, the coarsest last."""
        return self._maps(pictures)

    def keep(self, golden: Sequence[Tensor]) -> list[Tensor]:
        return list(golden)

    def _maps(self, pictures: Tensor) -> list[Tensor]:
        maps: list[Tensor] = self.backbone(pictures) if self.training else a_few_at_once(self.backbone, pictures)
        return maps


def a_few_at_once(work: Callable[..., list[Tensor]], *given: Tensor) -> list[Tensor]:
    """`work` on tensors [N, ...], which treats each of N by itself. On a processor many fall out of its caches."""
    if given[0].device.type != "cpu" or torch.onnx.is_in_onnx_export() or torch.compiler.is_exporting():
        return work(*given)
    few = [work(*some) for some in zip(*(torch.split(one, AT_ONCE) for one in given), strict=True)]
    return [torch.cat(parts) for parts in zip(*few, strict=True)]


class EuclideanChangenet(Changenet[Tensor]):
    """Architecture 1: the distance of two embeddings of the last feature map; the output is [N].

    `height` and `width` are those of the joined picture, `embedding` is the length of the embedding.
    """

    def __init__(
        self, backbone: Backbone, height: int, width: int, *, embedding: int, goldens: int = 1, frozen: bool = False
    ):
        super().__init__(backbone, frozen, goldens)
        features = backbone.channels[-1] * (height // backbone.strides[-1]) * (width // backbone.strides[-1])
        self.fc1 = nn.Sequential(
            nn.Linear(features, 512), nn.ReLU(), PairBatchNorm1d(512),
            nn.Linear(512, 512), nn.ReLU(), PairBatchNorm1d(512),
            nn.Linear(512, embedding),
        )  # fmt: skip
        expect_goldens(self, goldens)

    def encode(self, pictures: Tensor) -> list[Tensor]:
        return [self.fc1(self._maps(pictures)[-1].flatten(1))]

    def compare(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> Tensor:
        return pair_distance(sample[0], golden[0])


class LearnableChangenet(Changenet[Tensor]):
    """Architecture 2: learned differences of the feature maps, summed from coarse to fine, and a classifier.

    The output is logits [N, 2] of PASS and defect. `height` and `width` are those of the joined picture, `embed_dim`
    is the width of the decoder, `hidden` that of the classifier, and `scales` (1 to 4) says how many of the four maps,
    the coarsest first, are compared. With `attention` several goldens are made into one at each scale, instead of
    choosing the one that fits best; each scale's height and width must be multiples of 7.
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
        goldens: int = 1,
        attention: bool = False,
        frozen: bool = False,
    ):
        super().__init__(backbone, frozen, goldens)
        self.attention = attention
        self.decoder = _Decoder(backbone, height, width, embed_dim, hidden, scales, goldens if attention else 1)
        expect_goldens(self, goldens)

    def compare(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> Tensor:
        logits: Tensor = self.decoder(sample, golden)
        return logits

    def compare_goldens(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> Tensor:
        if self.attention:
            return self.compare(*self.pairs(sample, golden))
        return super().compare_goldens(sample, golden)


class _Decoder(Differences):
    """With several `goldens` these are made into one by attention: [N * G, ...] pairs -> [N, 2]."""

    def __init__(
        self, backbone: Backbone, height: int, width: int, embed_dim: int, hidden: int, scales: int, goldens: int
    ):
        super().__init__(backbone, height, width, embed_dim, scales)
        self._several = goldens > 1
        if self._several:
            for number in self.compared:
                self.add_module(f"golden_c{number}", GoldenAttention(embed_dim, self.sizes[number - 1], goldens))
        self.linear_fuse = fusion(scales * embed_dim, embed_dim)
        finest = self.sizes[0]
        self.classifier = nn.Sequential(
            nn.Linear(embed_dim * finest[0] * finest[1], hidden), nn.ReLU(), nn.BatchNorm1d(hidden),
            nn.Linear(hidden, hidden), nn.ReLU(), nn.BatchNorm1d(hidden),
            nn.Linear(hidden, 2),
        )  # fmt: skip

    def forward(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> Tensor:
        sums = self.sums(sample, golden)
        if self._several:
            merges = [self.get_submodule(f"golden_c{number}") for number in self.compared]
            sums = [merge(one) for merge, one in zip(merges, sums, strict=True)]
        logits: Tensor = self.classifier(self.linear_fuse(self.joined(sums)).flatten(1))
        return logits
