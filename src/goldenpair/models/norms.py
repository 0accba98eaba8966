"""Batch norms for networks that see a sample and its goldens in one pass."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class PairBatchNorm1d(nn.BatchNorm1d):
    """As `PairBatchNorm2d`, of [2N, C]."""

    goldens = 1

    def forward(self, input: Tensor) -> Tensor:
        return apart(super().forward, input, self.goldens) if self.training else super().forward(input)


class PairBatchNorm2d(nn.BatchNorm2d):
    """In training a batch [2N, C, h, w] is N samples and then their N goldens, and each half has its own statistics.

    So it is in TAO, where the golden goes through the network after the sample; the running statistics take them in
    this order too. In eval mode it is a batch norm like any other, of any number of pictures. Where `expect_goldens`
    has told of G goldens, N samples are followed by all of their G * N goldens.
    """

    goldens = 1

    def forward(self, input: Tensor) -> Tensor:
        return apart(super().forward, input, self.goldens) if self.training else super().forward(input)


class PairBatchNormAct2d(PairBatchNorm2d):
    """The same, and then dropout and an activation: what timm has as one layer."""

    drop: nn.Module
    act: nn.Module

    def forward(self, input: Tensor) -> Tensor:
        found: Tensor = self.act(self.drop(super().forward(input)))
        return found


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of [N, C, h, w]."""

    def forward(self, input: Tensor) -> Tensor:
        normed: Tensor = super().forward(input.permute(0, 2, 3, 1))
        return normed.permute(0, 3, 1, 2)


def expect_goldens(model: nn.Module, goldens: int) -> None:
    """Tell the pair norms in a model how many goldens there are for each sample."""
    for module in model.modules():
        if isinstance(module, PairBatchNorm1d | PairBatchNorm2d):
            module.goldens = goldens


def with_pair_norms(network: nn.Module) -> nn.Module:
    """Every batch norm of a network made by others becomes one that sees the pictures of a pair apart.

    Weights and names stay. Raises ValueError for a kind of batch norm that is not known here.
    """
    for name, norm in list(network.named_modules()):
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            network.set_submodule(name, _paired(norm))
    return network


def _paired(norm: nn.modules.batchnorm._BatchNorm) -> nn.Module:
    kinds: dict[type[nn.Module], type[PairBatchNorm1d | PairBatchNorm2d]]
    kinds = {nn.BatchNorm1d: PairBatchNorm1d, nn.BatchNorm2d: PairBatchNorm2d}
    with_act = isinstance(norm, nn.BatchNorm2d) and {name for name, _ in norm.named_children()} == {"drop", "act"}
    kind = PairBatchNormAct2d if with_act else kinds.get(type(norm))
    if kind is None:
        raise ValueError(f"its batch norms ({type(norm).__name__}) cannot see samples and goldens apart")
    made = kind(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    for name, value in (*norm.named_parameters(recurse=False), *norm.named_buffers(recurse=False)):
        setattr(made, name, value)
    for name, module in norm.named_children():
        setattr(made, name, module)
    return made.train(norm.training)


def apart(norm: Callable[[Tensor], Tensor], pictures: Tensor, goldens: int) -> Tensor:
    samples = len(pictures) // (1 + goldens)
    # split, whose gradient is one copy; that of two slices is two zero-filled tensors and a sum
    return torch.cat([norm(part) for part in torch.split(pictures, [samples, len(pictures) - samples])])
