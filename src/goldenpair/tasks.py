"""What differs between network families: the model, its loss and its score. The rest of the package asks a Task."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

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
class Graph:
    """TAO's names in a family's ONNX files. The inputs are the sample and the golden, in this order."""

    inputs: tuple[str, str]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Task(ABC):
    """A family's model with what training and scoring need to know of it.

    In eval mode `model(sample, golden)` is what is exported; the tensors that it returns are `graph.outputs`.
    """

    graph: ClassVar[Graph]
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

    @abstractmethod
    def pair_score(self, sample: Tensor, golden: Tensor) -> Tensor:
        """Prepared pictures [N, 3, h, w] -> float [N], by one call of the model."""


@dataclass(frozen=True)
class SiameseTask(Task):
    """SiameseOI: the score is the distance of two embeddings."""

    graph: ClassVar[Graph] = Graph(("input_1", "input_2"), ("output_1", "output_2"))
    margin: float
    optim: Optim

    def loss(self, sample: Tensor, golden: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        distance = self.pair_score(sample, golden)
        return contrastive_loss(distance, label, self.margin), distance

    def optimizer(self) -> torch.optim.Optimizer:
        wish, parameters = self.optim, self.model.parameters()
        if wish.type == "Adam":
            return torch.optim.Adam(parameters, lr=wish.lr, fused=True)
        return torch.optim.SGD(
            parameters, lr=wish.lr, momentum=wish.momentum, weight_decay=wish.weight_decay, fused=True
        )

    def features(self, pictures: Tensor) -> Tensor:
        # the network takes pairs, and embeds each picture by itself: the halves of a batch will do. Those of an odd
        # number share the picture in the middle, as an exported network may want equal ones
        half = (len(pictures) + 1) // 2
        first, second = self.model(pictures[:half], pictures[-half:])
        return torch.cat([first, second[2 * half - len(pictures) :]])

    def score(self, sample: Tensor, golden: Tensor) -> Tensor:
        return pair_distance(sample, golden)

    def pair_score(self, sample: Tensor, golden: Tensor) -> Tensor:
        return pair_distance(*self.model(sample, golden))


def create_task(spec: NetworkSpec, exported: nn.Module | None = None) -> Task:
    """The task of a spec, with fresh random weights, or around an exported network.

    Raises InputError for a network that is not offered.
    """
    match spec:
        case OpticalInspectionSpec():
            layout = Layout.of(spec.dataset)
            config = spec.dataset.augmentation_config
            return SiameseTask(
                model=exported
                or Siamese(
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
