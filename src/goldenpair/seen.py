"""What a pass over a split has seen so far, kept on the device: losses, and results beside the truth."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from goldenpair.metrics import false_alarm_rate, ranking, working_point
from goldenpair.pixels import PixelMetrics, confusion


class Seen(ABC):
    """Losses and results of the batches of a pass."""

    names: ClassVar[tuple[str, ...]]
    """Of all metrics that `metrics` may give for `train` and `val`."""

    def __init__(self) -> None:
        self.losses: list[Tensor] = []
        """Each the sum over a batch."""

    @abstractmethod
    def add(self, loss: Tensor, found: Tensor, truth: Tensor) -> None:
        """What `Task.loss` gave for a batch."""

    @abstractmethod
    def state_dict(self) -> dict[str, Tensor]:
        """What a checkpoint within an epoch keeps, so that going on ends in the same metrics."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """Go on from there."""

    @abstractmethod
    def metrics(self, split: str) -> dict[str, float]:
        """What is defined of the metrics of `train` or `val`, by name."""


class PairsSeen(Seen):
    """Scores, and labels: 1 for a defect. val_far is the false-call rate at 100 % capture. All but the losses and
    val_auroc are percent."""

    names = ("train_loss", "train_acc", "train_fpr", "val_loss", "val_acc", "val_fpr", "val_far", "val_auroc")

    def __init__(self, cutoff: float) -> None:
        super().__init__()
        self._cutoff = cutoff
        self._scores: list[Tensor] = []
        self._labels: list[Tensor] = []

    def add(self, loss: Tensor, found: Tensor, truth: Tensor) -> None:
        self.losses.append(loss * len(truth))
        self._scores.append(found)
        self._labels.append(truth)

    def state_dict(self) -> dict[str, Tensor]:
        if not self.losses:
            return {}
        return {"loss": torch.stack(self.losses), "score": torch.cat(self._scores), "label": torch.cat(self._labels)}

    def load_state_dict(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        if state:
            self.losses = list(state["loss"].to(device))
            self._scores, self._labels = [state["score"].to(device)], [state["label"].to(device)]

    def metrics(self, split: str) -> dict[str, float]:
        """Loss, accuracy and false-call rate, and for `val` how well the scores rank; what is defined of them."""
        score = torch.cat(self._scores).float().cpu().numpy()
        is_defect = torch.cat(self._labels).bool().cpu().numpy()
        point = working_point(score, is_defect, self._cutoff)
        found: dict[str, float | None] = {
            "loss": float(torch.stack(self.losses).double().sum()) / len(score),
            "acc": 100 * (point.accuracy.value or 0.0),
            "fpr": 100 * (point.false_calls.value or 0.0),
        }
        if split == "val":
            far = false_alarm_rate(score, is_defect)
            found |= {"far": None if far is None else 100 * far, "auroc": ranking(score, is_defect)[0]}
        return {f"{split}_{name}": value for name, value in found.items() if value is not None}


class PixelsSeen(Seen):
    """Classes of pixels, counted against those of masks, for the validation only. All but the losses are 0 to 1."""

    names = ("train_loss", "val_loss", "val_acc", "val_miou", "val_mf1", "val_mprecision", "val_mrecall")

    def __init__(self, classes: int) -> None:
        super().__init__()
        self._classes = classes
        self._pairs: list[int] = []
        self._matrix: Tensor | int = 0

    def add(self, loss: Tensor, found: Tensor, truth: Tensor) -> None:
        self.losses.append(loss * len(truth))
        self._pairs.append(len(truth))
        self._matrix = self._matrix + confusion(found, truth, self._classes)

    def state_dict(self) -> dict[str, Tensor]:
        if isinstance(self._matrix, int):
            return {}
        return {"loss": torch.stack(self.losses), "pairs": torch.tensor(self._pairs), "confusion": self._matrix}

    def load_state_dict(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        if state:
            self.losses, self._pairs = list(state["loss"].to(device)), state["pairs"].tolist()
            self._matrix = state["confusion"].to(device)

    def metrics(self, split: str) -> dict[str, float]:
        """Mean loss of the pairs, and for `val` what the confusion matrix of all pixels tells."""
        loss = float(torch.stack(self.losses).double().sum()) / sum(self._pairs)
        found = {f"{split}_loss": loss}
        if split == "val" and not isinstance(self._matrix, int):
            measured = PixelMetrics.of(self._matrix.cpu().numpy())
            found |= {
                f"val_{name}": getattr(measured, name) for name in ("acc", "miou", "mf1", "mprecision", "mrecall")
            }
        return found
