"""Distances and losses of pairs, and of masks."""

from collections.abc import Callable, Sequence

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


IGNORED = 255
"""The class of mask pixels that nobody judges."""


def pixel_cross_entropy(logits: Tensor, mask: Tensor) -> Tensor:
    """Mean cross entropy of logits [N, classes, H, W] over the pixels of a mask [N, H, W] that are not ignored.

    It is 0 where all are. Raises ValueError for any other shapes.
    """
    _check_maps(logits, mask)
    total = torch.nn.functional.cross_entropy(_precise(logits), mask.long(), ignore_index=IGNORED, reduction="sum")
    return total / (mask != IGNORED).sum().clamp(min=1)


def least_and_mean_iou(logits: Tensor, mask: Tensor) -> Tensor:
    """TAO's mmiou, -(least IoU + mean IoU): of probabilities, of each class in each picture of a batch.

    Shapes are those of `pixel_cross_entropy`, and ignored pixels count in no class. A class that a picture's mask
    lacks is left out: its IoU would be 0 whatever is predicted, and so would be the least.
    Raises ValueError for any other shapes.
    """
    _check_maps(logits, mask)
    judged = (mask != IGNORED)[:, None]
    classes = torch.arange(logits.shape[1], device=logits.device)[:, None, None]
    found = _precise(logits).softmax(dim=1) * judged
    truth = ((mask[:, None] == classes) & judged).to(found.dtype)
    both = (found * truth).sum(dim=(2, 3))
    size = truth.sum(dim=(2, 3))
    present = size > 0
    iou = both / (found.sum(dim=(2, 3)) + size - both).clamp(min=1e-8)
    least = torch.where(present, iou, 1.0).min()
    return -(least + (iou * present).sum() / present.sum().clamp(min=1))


def multi_scale(
    loss: Callable[[Tensor, Tensor], Tensor], maps: Sequence[Tensor], mask: Tensor, weights: Sequence[float]
) -> Tensor:
    """The sum of a loss over maps [N, classes, ...] of several sizes, each counted by its weight.

    A map is compared with the mask [N, H, W] resized to it, each pixel to the nearest. Raises ValueError unless there
    is a weight for each map.
    """
    total = _precise(maps[-1].new_zeros(()))
    for one, weight in zip(maps, weights, strict=True):
        size = one.shape[2:]
        near = mask if mask.shape[1:] == size else _nearest(mask, size)
        total = total + weight * loss(one, near)
    return total


def _nearest(mask: Tensor, size: torch.Size) -> Tensor:
    # exact: `nearest` would take the corner of what a coarse pixel stands for, not its middle
    return torch.nn.functional.interpolate(mask[:, None].float(), size=size, mode="nearest-exact")[:, 0].to(mask.dtype)


def _check_maps(logits: Tensor, mask: Tensor) -> None:
    if logits.ndim != 4 or mask.shape != (len(logits), *logits.shape[2:]):
        raise ValueError(
            f"expected [N, classes, H, W] and [N, H, W] tensors, got {list(logits.shape)} and {list(mask.shape)}"
        )


def _precise(x: Tensor) -> Tensor:
    """In float32 at least: a network may compute in shorter numbers."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
