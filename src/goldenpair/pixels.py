"""How good masks are: pixels counted by what they are and what they were taken for."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goldenpair.specs.segment import IGNORED

Mask = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Confusion:
    """`counts` is int64 [C, C]: pixels of class i that were taken for class j. Counts add up, of pairs and of GPUs."""

    counts: NDArray[np.int64]

    @classmethod
    def empty(cls, classes: int) -> "Confusion":
        return cls(np.zeros((classes, classes), np.int64))

    @classmethod
    def of(cls, prediction: Mask, truth: Mask, classes: int) -> "Confusion":
        """Class numbers of any one shape, such as [H, W]; pixels whose truth is IGNORED are not counted.

        Raises ValueError for other shapes, and for numbers that are not 0 to C - 1.
        """
        if prediction.shape != truth.shape:
            raise ValueError(f"expected masks of one shape, got {list(prediction.shape)} and {list(truth.shape)}")
        judged = truth != IGNORED
        said, true = prediction[judged].astype(np.int64), truth[judged].astype(np.int64)
        for name, found in (("prediction", said), ("mask", true)):
            if found.size and not 0 <= found.min() <= found.max() < classes:
                raise ValueError(f"{name}: expected classes 0 to {classes - 1}, got {found.min()} to {found.max()}")
        return cls(np.bincount(true * classes + said, minlength=classes**2).reshape(classes, classes))

    def __add__(self, other: "Confusion") -> "Confusion":
        return Confusion(self.counts + other.counts)

    @property
    def changed(self) -> int:
        """Pixels whose mask says a change, which is any class but 0."""
        return int(self.counts[1:].sum())

    @property
    def called(self) -> int:
        """Pixels that were taken for a change."""
        return int(self.counts[:, 1:].sum())

    @property
    def change_iou(self) -> float | None:
        """Pixels of a change found as the class they are, of all where mask or prediction has one; None without any."""
        either = int(self.counts.sum() - self.counts[0, 0])
        return int(self.counts.diagonal()[1:].sum()) / either if either else None


@dataclass(frozen=True)
class ClassMetrics:
    """A class's figures, 0..1; all are None for a class that neither the masks nor the predictions have.

    For a class that only one of the two has, all are 0.
    """

    iou: float | None
    f1: float | None
    precision: float | None
    recall: float | None
    pixels: int
    """Pixels of the class in the masks."""


@dataclass(frozen=True)
class PixelMetrics:
    """What TAO measures of masks, 0..1. Means are over the classes that have figures; None where no class has any."""

    pixels: int
    accuracy: float | None
    classes: tuple[ClassMetrics, ...]

    @classmethod
    def of(cls, confusion: Confusion) -> "PixelMetrics":
        counts = confusion.counts
        right, true, said = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
        found = tuple(_class_metrics(*map(int, one)) for one in zip(right, true, said, strict=True))
        total = int(counts.sum())
        return cls(total, int(right.sum()) / total if total else None, found)

    @property
    def miou(self) -> float | None:
        return _mean(one.iou for one in self.classes)

    @property
    def mf1(self) -> float | None:
        return _mean(one.f1 for one in self.classes)

    @property
    def mprecision(self) -> float | None:
        return _mean(one.precision for one in self.classes)

    @property
    def mrecall(self) -> float | None:
        return _mean(one.recall for one in self.classes)

    def as_dict(self) -> dict[str, float | int | None]:
        """Under the names of TAO's kpi, and `pixels` and `pixels_i` beside them."""
        found: dict[str, float | int | None] = {
            "acc": self.accuracy,
            "miou": self.miou,
            "mf1": self.mf1,
            "mprecision": self.mprecision,
            "mrecall": self.mrecall,
        }
        for name, figure in (("iou", "iou"), ("F1", "f1"), ("precision", "precision"), ("recall", "recall")):
            found |= {f"{name}_{number}": getattr(one, figure) for number, one in enumerate(self.classes)}
        return found | {"pixels": self.pixels} | {f"pixels_{i}": one.pixels for i, one in enumerate(self.classes)}


def _class_metrics(right: int, true: int, said: int) -> ClassMetrics:
    if not true and not said:
        return ClassMetrics(None, None, None, None, 0)
    return ClassMetrics(
        iou=right / (true + said - right),
        f1=2 * right / (true + said),
        precision=right / said if said else 0.0,
        recall=right / true if true else 0.0,
        pixels=true,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None
