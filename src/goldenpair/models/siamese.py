"""SiameseOI: three small convolutions at full resolution and a stack of linear layers, one embedding a picture.

Layers, their order and the parameter names (`cnn1.*`, `fc1.*`) are those of NVIDIA TAO's optical_inspection, so
its weights load as they are.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from goldenpair.models.norms import PairBatchNorm1d, PairBatchNorm2d

Variant = Literal["Siamese", "Siamese_1", "Siamese_3"]
_CHANNELS = (3, 4, 8, 8)


class Siamese(nn.Module):
    """Embeds both pictures of a pair with the same weights.

    `height` and `width` are those of the joined picture. `Siamese_3` has batch norms in its head;
    `Siamese_1` and `Siamese` have none.
    """

    def __init__(self, variant: Variant, height: int, width: int, embedding: int):
        super().__init__()
        convolutions: list[nn.Module] = []
        for given, made in zip(_CHANNELS, _CHANNELS[1:], strict=False):
            # the norm comes after the ReLU: so it is in TAO
            convolutions += [
                nn.ReflectionPad2d(1), nn.Conv2d(given, made, 3), nn.ReLU(inplace=True), PairBatchNorm2d(made),
            ]  # fmt: skip
        self.cnn1 = nn.Sequential(*convolutions)
        features = _CHANNELS[-1] * height * width
        head: list[nn.Module]
        if variant == "Siamese_3":
            head = [
                nn.Linear(features, 512), nn.ReLU(inplace=True), PairBatchNorm1d(512),
                nn.Linear(512, 512), nn.ReLU(inplace=True), PairBatchNorm1d(512),
                nn.Linear(512, embedding),
            ]  # fmt: skip
        else:
            head = [
                nn.Linear(features, 500), nn.ReLU(inplace=True),
                nn.Linear(500, 500), nn.ReLU(inplace=True),
                nn.Linear(500, embedding),
            ]  # fmt: skip
        self.fc1 = nn.Sequential(*head)

    def embed(self, pictures: Tensor) -> Tensor:
        """float32 [N, 3, height, width] -> [N, embedding]; in training N is samples and then as many goldens."""
        embedding: Tensor = self.fc1(self.cnn1(pictures).flatten(1))
        return embedding

    def forward(self, sample: Tensor, golden: Tensor) -> tuple[Tensor, Tensor]:
        """Two [N, 3, height, width] -> two [N, embedding], the sample's first.

        Both go through in one pass, so that each weight is read once, and stands once in an exported file.
        """
        n = sample.shape[0]
        both = self.embed(torch.cat([sample, golden]))
        return both[:n], both[n:]
