"""Visual ChangeNet for segmentation: which pixels of the sample differ from the golden, and how.

Layers and parameter names are those of NVIDIA TAO's visual_changenet, so its weights load as they are.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from goldenpair.models.backbone import Backbone
from goldenpair.models.changenet import Changenet
from goldenpair.models.differences import Differences, convolutions, fusion, resized

_ENLARGED = 4  # by the two transposed convolutions
_RESIDUE = 0.1


class SegmentationChangenet(Changenet[tuple[Tensor, ...]]):
    """Learned differences of the feature maps, summed from coarse to fine, and enlarged to the size of the picture.

    The output is logits, five maps [N, classes, ...]: one for each of the backbone's, the coarsest first, and the
    final one [N, classes, height, width]. `height` and `width` are those of the joined picture, `embed_dim` is the
    width of the decoder. Without `coarse` the layers of the other four maps learn nothing.
    """

    def __init__(
        self,
        backbone: Backbone,
        height: int,
        width: int,
        *,
        embed_dim: int,
        classes: int,
        coarse: bool = True,
        frozen: bool = False,
    ):
        super().__init__(backbone, frozen)
        self.decoder = _Decoder(backbone, height, width, embed_dim, classes, coarse)

    def compare(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> tuple[Tensor, ...]:
        maps: tuple[Tensor, ...] = self.decoder(sample, golden)
        return maps


class _Decoder(Differences):
    def __init__(self, backbone: Backbone, height: int, width: int, embed_dim: int, classes: int, coarse: bool):
        scales = len(backbone.channels)
        super().__init__(backbone, height, width, embed_dim, scales)
        self._size = height, width
        for number in self.compared:
            self.add_module(
                f"make_pred_c{number}", nn.Sequential(*convolutions(embed_dim, classes)).requires_grad_(coarse)
            )
        self.linear_fuse = fusion(scales * embed_dim, embed_dim)
        self.convd2x = _Named(nn.ConvTranspose2d(embed_dim, embed_dim, 4, stride=2, padding=1))
        self.dense_2x = nn.Sequential(_Residual(embed_dim))
        self.convd1x = _Named(nn.ConvTranspose2d(embed_dim, embed_dim, 4, stride=2, padding=1))
        self.dense_1x = nn.Sequential(_Residual(embed_dim))
        self.change_probability = _Named(nn.Conv2d(embed_dim, classes, 3, padding=1))

    def forward(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> tuple[Tensor, ...]:
        sums = self.sums(sample, golden)
        coarse = [
            self.get_submodule(f"make_pred_c{number}")(one) for number, one in zip(self.compared, sums, strict=True)
        ]
        half = self.dense_2x(self.convd2x(self.linear_fuse(self.joined(sums))))
        final = self.change_probability(self.dense_1x(self.convd1x(half)))
        height, width = self.sizes[0]
        return *coarse, resized(final, (_ENLARGED * height, _ENLARGED * width), self._size)


class _Named(nn.Module):
    """A convolution under the name that it has in TAO's files."""

    def __init__(self, convolution: nn.Conv2d | nn.ConvTranspose2d):
        super().__init__()
        self.conv2d = convolution

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv2d(x)
        return found


class _Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.conv1 = _Named(nn.Conv2d(width, width, 3, padding=1))
        self.conv2 = _Named(nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv2(self.conv1(x).relu())
        return x + _RESIDUE * found


def mean_probability(maps: Sequence[Tensor]) -> Tensor:
    """All of a network's maps -> the mean of their probabilities, [N, classes, height, width].

    The logits of the coarse ones are resized to the last, bilinear, before the softmax; each map counts the same.
    """
    size = maps[-1].shape[2], maps[-1].shape[3]
    found = [resized(one, (one.shape[2], one.shape[3]), size).softmax(dim=1) for one in maps]
    return torch.stack(found).mean(dim=0)
