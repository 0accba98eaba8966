"""Distances and losses of pairs."""

from collections.abc import Sequence

import torch
from torch import Tensor


def pair_distance(sample: Tensor, golden: Tensor) -> Tensor:
    """Two embeddings [N, E] -> Euclidean distance [N].

    As TAO's score: PyTorch's pairwise distance adds 1e-6 to each difference, so equal embeddings have the
    distance 1e-6 * sqrt(E).
    """
    return torch.nn.functional.pairwise_distance(_precise(sample), _precise(golden), eps=1e-6)


def contrastive_loss(distance: Tensor, label: Tensor, margin: float) -> Tensor:
    """Mean over pairs of (1 - y) d^2 + y max(0, margin - d)^2 (Hadsell, Chopra, LeCun 2006, without the 1/2).

    `distance` and `label` (1 = defect) are both [N]. Raises ValueError for any other shapes: broadcast against
    each other, [N] and [N, 1] would mix up which label belongs to which pair.
    """
    if distance.ndim != 1 or distance.shape != label.shape:
        raise ValueError(f"expected two [N] tensors, got {list(distance.shape)} and {list(label.shape)}")
    near = (1 - label) * distance.square()
    far = label * (margin - distance).clamp(min=0).square()
    return (near + far).mean()


def weighted_cross_entropy(logits: Tensor, label: Tensor, weights: Sequence[float]) -> Tensor:
    """Cross entropy of logits [N, classes], each pair counted by the weight of its class: a weighted mean.

    `label` is [N], 1 = defect. Raises ValueError for any other shapes.
    """
    if logits.ndim != 2 or label.shape != logits.shape[:1]:
        raise ValueError(f"expected [N, classes] and [N] tensors, got {list(logits.shape)} and {list(label.shape)}")
    logits = _precise(logits)
    weight = torch.tensor(weights, dtype=logits.dtype, device=logits.device)
    return torch.nn.functional.cross_entropy(logits, label.long(), weight)


def _precise(x: Tensor) -> Tensor:
    """In float32 at least: a network may compute in shorter numbers."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
