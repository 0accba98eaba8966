"""What a pass over a split has seen so far, kept on the device: losses, and results beside the truth."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor

from goldenpair.metrics import false_alarm_rate, ranking, working_point
from goldenpair.pixels import Confusion, PixelMetrics
from goldenpair.specs.metrics import PAIR_METRICS, PIXEL_METRICS

Split = Literal["train", "val"]


class Seen(ABC):
    """Losses and results of the batches of a pass over the training or the validation pairs."""

    names: ClassVar[tuple[str, ...]]
    """Of all metrics that `metrics` may give."""

    def __init__(self, split: Split) -> None:
        self.split = split
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
    def metrics(self) -> dict[str, float]:
        """What is defined of them, by name."""


class PairsSeen(Seen):
    """Scores, and labels: 1 for a defect. val_far is the false-call rate at 100 % capture. All but the losses and
    val_auroc are percent."""

    names = PAIR_METRICS

    def __init__(self, split: Split, cutoff: float) -> None:
        super().__init__(split)
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

    def metrics(self) -> dict[str, float]:
        """Loss, accuracy and false-call rate, and for the validation how well the scores rank."""
        score = torch.cat(self._scores).float().cpu().numpy()
        is_defect = torch.cat(self._labels).bool().cpu().numpy()
        point = working_point(score, is_defect, self._cutoff)
        found: dict[str, float | None] = {
            "loss": float(torch.stack(self.losses).double().sum()) / len(score),
            "acc": 100 * (point.accuracy.value or 0.0),
            "fpr": 100 * (point.false_calls.value or 0.0),
        }
        if self.split == "val":
            far = false_alarm_rate(score, is_defect)
            found |= {"far": None if far is None else 100 * far, "auroc": ranking(score, is_defect)[0]}
        return {f"{self.split}_{name}": value for name, value in found.items() if value is not None}


class PixelsSeen(Seen):
    """Classes of pixels beside those of masks, for the validation only. All but the losses are 0 to 1."""

    names = PIXEL_METRICS

    def __init__(self, split: Split, classes: int) -> None:
        super().__init__(split)
        self._classes = classes
        self._pairs: list[int] = []
        self._confusion = Confusion.empty(classes)

    def add(self, loss: Tensor, found: Tensor, truth: Tensor) -> None:
        self.losses.append(loss * len(truth))
        self._pairs.append(len(truth))
        if self.split == "val":
            self._confusion += Confusion.of(found.cpu().numpy(), truth.cpu().numpy(), self._classes)

    def state_dict(self) -> dict[str, Tensor]:
        if not self.losses:
            return {}
        return {"loss": torch.stack(self.losses), "pairs": torch.tensor(self._pairs)}

    def load_state_dict(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        if state:
            self.losses, self._pairs = list(state["loss"].to(device)), state["pairs"].tolist()

    def metrics(self) -> dict[str, float]:
        """Mean loss of the pairs, and for the validation what the counts of all its pixels tell."""
        found: dict[str, float | None] = {
            "loss": float(torch.stack(self.losses).double().sum()) / sum(self._pairs),
        }
        if self.split == "val":
            found |= PixelMetrics.of(self._confusion).as_dict()
        named = {f"{self.split}_{name}": value for name, value in found.items()}
        return {name: value for name in self.names if (value := named.get(name)) is not None}
