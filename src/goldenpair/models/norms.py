"""Batch norms for networks that see both pictures of a pair in one pass."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class PairBatchNorm1d(nn.BatchNorm1d):
    """As `PairBatchNorm2d`, of [2N, C]."""

    def forward(self, input: Tensor) -> Tensor:
        return each_half(super().forward, input) if self.training else super().forward(input)


class PairBatchNorm2d(nn.BatchNorm2d):
    """In training a batch [2N, C, h, w] is N samples and then their N goldens, and each half has its own statistics.

    So it is in TAO, where the golden goes through the network after the sample; the running statistics take them in
    this order too. In eval mode it is a batch norm like any other, of any number of pictures.
    """

    def forward(self, input: Tensor) -> Tensor:
        return each_half(super().forward, input) if self.training else super().forward(input)


def each_half(norm: Callable[[Tensor], Tensor], pictures: Tensor) -> Tensor:
    # split, whose gradient is one copy; that of two slices is two zero-filled tensors and a sum
    return torch.cat([norm(half) for half in torch.split(pictures, len(pictures) // 2)])
