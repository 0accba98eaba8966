"""What differs between network families: the model, its loss and its score. The rest of the package asks a Task."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from goldenpair.data.augment import Augmentation, Preparation
from goldenpair.data.table import Layout
from goldenpair.errors import InputError
from goldenpair.models.losses import contrastive_loss, pair_distance
from goldenpair.models.siamese import Siamese
from goldenpair.specs.common import NetworkSpec
from goldenpair.specs.optical_inspection import OpticalInspectionSpec, Optim


@dataclass(frozen=True)
class Task(ABC):
    """A family's model with what training and scoring need to know of it."""

    model: nn.Module
    layout: Layout
    prepare: Preparation
    augment: Augmentation

    @abstractmethod
    def loss(self, sample: Tensor, golden: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Prepared pictures [N, 3, h, w] and float [N] labels -> the loss and the float [N] scores."""

    @abstractmethod
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimiser of the spec, for the model's parameters."""

    @abstractmethod
    def features(self, pictures: Tensor) -> Tensor:
        """What is kept of prepared pictures [N, 3, h, w] for comparing them: float [N, ...]."""

    @abstractmethod
    def score(self, sample: Tensor, golden: Tensor) -> Tensor:
        """Two `features` -> float [N], higher for pairs that differ more."""


@dataclass(frozen=True)
class SiameseTask(Task):
    """SiameseOI: the score is the distance of two embeddings."""

    model: Siamese
    margin: float
    optim: Optim

    def loss(self, sample: Tensor, golden: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        distance = pair_distance(*self.model(sample, golden))
        return contrastive_loss(distance, label, self.margin), distance

    def optimizer(self) -> torch.optim.Optimizer:
        wish, parameters = self.optim, self.model.parameters()
        if wish.type == "Adam":
            return torch.optim.Adam(parameters, lr=wish.lr, fused=True)
        return torch.optim.SGD(
            parameters, lr=wish.lr, momentum=wish.momentum, weight_decay=wish.weight_decay, fused=True
        )

    def features(self, pictures: Tensor) -> Tensor:
        return self.model.embed(pictures)

    def score(self, sample: Tensor, golden: Tensor) -> Tensor:
        return pair_distance(sample, golden)


def create_task(spec: NetworkSpec) -> Task:
    """The task of a spec, with fresh random weights. InputError for a network that is not offered."""
    match spec:
        case OpticalInspectionSpec():
            layout = Layout.of(spec.dataset)
            config = spec.dataset.augmentation_config
            return SiameseTask(
                model=Siamese(
                    spec.model.model_type,
                    layout.joined_height,
                    layout.joined_width,
                    spec.model.embedding_vectors,
                ),
                layout=layout,
                prepare=Preparation(layout, config.rgb_input_mean, config.rgb_input_std),
                augment=Augmentation(config, layout),
                margin=spec.model.margin,
                optim=spec.train.optim,
            )
    raise InputError(f"{spec.network}: its specs are known, but the network itself is not offered yet")
