"""What differs between network families: the model, its loss and its score. The rest of the package asks a Task."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from goldenpair.data.augment import Augmentation, Preparation
from goldenpair.data.table import Layout
from goldenpair.errors import InputError, SpecError
from goldenpair.models.backbone import Backbone
from goldenpair.models.changenet import Changenet, EuclideanChangenet, LearnableChangenet
from goldenpair.models.choice import create_backbone
from goldenpair.models.losses import contrastive_loss, pair_distance, weighted_cross_entropy
from goldenpair.models.siamese import Siamese
from goldenpair.specs.backbones import name_problem
from goldenpair.specs.common import NetworkSpec
from goldenpair.specs.optical_inspection import OpticalInspectionSpec, Optim
from goldenpair.specs.visual_changenet import ChangenetOptim, VisualChangenetSpec

Features = tuple[Tensor, ...]


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

    def schedule(self, optimizer: torch.optim.Optimizer) -> LambdaLR | None:
        """How the learning rate changes from epoch to epoch; None: not at all."""
        return None

    @abstractmethod
    def features(self, pictures: Tensor) -> Features:
        """What is kept of prepared pictures [N, 3, h, w] for comparing them: tensors [N, ...]."""

    @abstractmethod
    def score(self, sample: Features, golden: Features) -> Tensor:
        """The `features` of N samples and of their goldens -> float [N], higher for pairs that differ more."""

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

    def features(self, pictures: Tensor) -> Features:
        # the network takes pairs, and embeds each picture by itself: the halves of a batch will do. Those of an odd
        # number share the picture in the middle, as an exported network may want equal ones
        half = (len(pictures) + 1) // 2
        first, second = self.model(pictures[:half], pictures[-half:])
        return (torch.cat([first, second[2 * half - len(pictures) :]]),)

    def score(self, sample: Features, golden: Features) -> Tensor:
        return pair_distance(sample[0], golden[0])

    def pair_score(self, sample: Tensor, golden: Tensor) -> Tensor:
        return pair_distance(*self.model(sample, golden))


@dataclass(frozen=True)
class ChangenetTask(Task):
    """Visual ChangeNet for classification: what both architectures share. `_score` turns outputs into scores."""

    graph: ClassVar[Graph] = Graph(("input_1", "input_2"), ("output",))
    optim: ChangenetOptim
    epochs: int

    @abstractmethod
    def _score(self, output: Tensor) -> Tensor:
        """The network's output of N pairs -> float [N]."""

    def optimizer(self) -> torch.optim.Optimizer:
        # parameters that learn nothing too: TAO's optimiser states count them
        wish, parameters = self.optim, self.model.parameters()
        if wish.optim == "sgd":
            return torch.optim.SGD(
                parameters, lr=wish.lr, momentum=wish.momentum, weight_decay=wish.weight_decay, fused=True
            )
        kind = torch.optim.AdamW if wish.optim == "adamw" else torch.optim.Adam
        return kind(parameters, lr=wish.lr, weight_decay=wish.weight_decay, fused=True)

    def schedule(self, optimizer: torch.optim.Optimizer) -> LambdaLR:
        third = max(1, self.epochs // 3)
        if self.optim.policy == "step":
            return LambdaLR(optimizer, lambda epoch: 0.1 ** (epoch // third))
        return LambdaLR(optimizer, lambda epoch: 1 - epoch / (self.epochs + 1))

    def features(self, pictures: Tensor) -> Features:
        # an exported network takes both pictures at once, so the pictures themselves are kept
        return tuple(self.model.encode(pictures)) if isinstance(self.model, Changenet) else (pictures,)

    def score(self, sample: Features, golden: Features) -> Tensor:
        if isinstance(self.model, Changenet):
            return self._score(self.model.compare(sample, golden))
        return self.pair_score(*sample, *golden)

    def pair_score(self, sample: Tensor, golden: Tensor) -> Tensor:
        return self._score(self._output(sample, golden))

    def _output(self, sample: Tensor, golden: Tensor) -> Tensor:
        found = self.model(sample, golden)
        return found if isinstance(found, Tensor) else found[0]  # an exported network returns all its outputs


@dataclass(frozen=True)
class EuclideanTask(ChangenetTask):
    """Architecture 1: the score is the distance that the network gives."""

    margin: float

    def loss(self, sample: Tensor, golden: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        distance = self._output(sample, golden)
        return contrastive_loss(distance, label, self.margin), distance

    def _score(self, output: Tensor) -> Tensor:
        return output


@dataclass(frozen=True)
class LearnableTask(ChangenetTask):
    """Architecture 2: the score is the probability of a defect."""

    weights: Sequence[float]

    def loss(self, sample: Tensor, golden: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        logits = self._output(sample, golden)
        return weighted_cross_entropy(logits, label, self.weights), self._score(logits)

    def _score(self, output: Tensor) -> Tensor:
        return output.softmax(dim=1)[:, 1]


def create_task(spec: NetworkSpec, exported: nn.Module | None = None) -> Task:
    """The task of a spec, with fresh random weights, or around an exported network.

    Raises SpecError for a network that is not offered.
    """
    layout = Layout.of(spec.pairs)
    config = spec.pairs.augmentation_config
    prepare = Preparation(layout, config.rgb_input_mean, config.rgb_input_std)
    augment = Augmentation(config, layout)
    if isinstance(spec, OpticalInspectionSpec):
        wish, size = spec.model, (layout.joined_height, layout.joined_width)
        model = exported or Siamese(wish.model_type, *size, wish.embedding_vectors)
        return SiameseTask(model, layout, prepare, augment, wish.margin, spec.train.optim)
    if isinstance(spec, VisualChangenetSpec):
        if problems := spec.not_offered():
            raise SpecError("the spec", problems)
        train, classify = spec.train, spec.model.classify
        model = exported or _changenet(spec, layout)
        given = (model, layout, prepare, augment, train.optim, train.num_epochs)
        if classify.difference_module == "learnable":
            return LearnableTask(*given, train.classify.cls_weight)
        return EuclideanTask(*given, classify.train_margin_euclid)
    raise InputError(f"{spec.network}: its specs are known, but the network itself is not offered yet")


def _changenet(spec: VisualChangenetSpec, layout: Layout) -> Changenet:
    classify, backbone, size = spec.model.classify, spec.model.backbone, (layout.joined_height, layout.joined_width)
    sees = _backbone(spec, *size)
    if classify.difference_module == "learnable":
        return LearnableChangenet(
            sees,
            *size,
            embed_dim=spec.model.decode_head.decoder_params["embed_dim"],
            hidden=classify.embed_dec,
            scales=classify.learnable_difference_modules,
            frozen=backbone.freeze_backbone,
        )
    return EuclideanChangenet(sees, *size, embedding=classify.embedding_vectors, frozen=backbone.freeze_backbone)


def _backbone(spec: VisualChangenetSpec, height: int, width: int) -> Backbone:
    """The backbone of a spec for pictures of this size; SpecError if there is none, or if it cannot see such ones."""
    name = spec.model.backbone.type
    if problem := name_problem(name):
        raise SpecError("the spec", [f"model.backbone.type: {problem}"])
    try:
        return create_backbone(name, height, width, summary=spec.model.decode_head.use_summary_token)
    except ValueError as error:
        raise SpecError("the spec", [f"model.backbone.type: {name} does not serve: {error}"]) from None
