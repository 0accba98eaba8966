"""Batch norms for networks that see a sample and its goldens in one pass."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class PairBatchNorm1d(nn.BatchNorm1d):
    """As `PairBatchNorm2d`, of [2N, C]."""

    goldens = 1

    def forward(self, input: Tensor) -> Tensor:
        return _apart(super().forward, input, self.goldens) if self.training else super().forward(input)


class PairBatchNorm2d(nn.BatchNorm2d):
    """In training a batch [2N, C, h, w] is N samples and then their N goldens, and each half has its own statistics.

    So it is in TAO, where the golden goes through the network after the sample; the running statistics take them in
    this order too. In eval mode it is a batch norm like any other, of any number of pictures. Where `expect_goldens`
    has told of G goldens, N samples are followed by all of their G * N goldens.
    """

    goldens = 1

    def forward(self, input: Tensor) -> Tensor:
        return _apart(super().forward, input, self.goldens) if self.training else super().forward(input)


def expect_goldens(model: nn.Module, goldens: int) -> None:
    """Tell the pair norms in a model how many goldens there are for each sample."""
    for module in model.modules():
        if isinstance(module, PairBatchNorm1d | PairBatchNorm2d):
            module.goldens = goldens


def _apart(norm: Callable[[Tensor], Tensor], pictures: Tensor, goldens: int) -> Tensor:
    samples = len(pictures) // (1 + goldens)
    # split, whose gradient is one copy; that of two slices is two zero-filled tensors and a sum
    return torch.cat([norm(part) for part in torch.split(pictures, [samples, len(pictures) - samples])])
