"""SiameseOI: three small convolutions at full resolution and a stack of linear layers, one embedding a picture.

Layers, their order and the parameter names (`cnn1.*`, `fc1.*`) are those of NVIDIA TAO's optical_inspection, so
its weights load as they are.
"""

from typing import Literal

import torch
from torch import Tensor, nn

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
                nn.ReflectionPad2d(1), nn.Conv2d(given, made, 3), nn.ReLU(inplace=True), nn.BatchNorm2d(made),
            ]  # fmt: skip
        self.cnn1 = nn.Sequential(*convolutions)
        features = _CHANNELS[-1] * height * width
        head: list[nn.Module]
        if variant == "Siamese_3":
            head = [
                nn.Linear(features, 512), nn.ReLU(inplace=True), nn.BatchNorm1d(512),
                nn.Linear(512, 512), nn.ReLU(inplace=True), nn.BatchNorm1d(512),
                nn.Linear(512, embedding),
            ]  # fmt: skip
        else:
            head = [
                nn.Linear(features, 500), nn.ReLU(inplace=True),
                nn.Linear(500, 500), nn.ReLU(inplace=True),
                nn.Linear(500, embedding),
            ]  # fmt: skip
        self.fc1 = nn.Sequential(*head)

    def embed(self, picture: Tensor) -> Tensor:
        """float32 [N, 3, height, width] -> [N, embedding]."""
        embedding: Tensor = self.fc1(self.cnn1(picture).flatten(1))
        return embedding

    def forward(self, sample: Tensor, golden: Tensor) -> tuple[Tensor, Tensor]:
        """Two [N, 3, height, width] -> two [N, embedding], the sample's first."""
        if self.training:
            return self._embed_both(sample, golden)
        n = sample.shape[0]
        both = self.embed(torch.cat([sample, golden]))  # one pass: an exported file then holds the weights once
        return both[:n], both[n:]

    def _embed_both(self, sample: Tensor, golden: Tensor) -> tuple[Tensor, Tensor]:
        """Both pictures in one pass, so that each weight is read once; only the batch norms see them apart.

        In TAO the sample and then the golden go through the network, each with batch statistics of its own.
        """
        n = len(sample)
        x = torch.cat([sample, golden])
        for layer in (*self.cnn1, nn.Flatten(1), *self.fc1):
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                # split, whose gradient is one copy; that of two slices is two zero-filled tensors and a sum
                x = torch.cat([layer(half) for half in torch.split(x, n)])
            else:
                x = layer(x)
        return x[:n], x[n:]
