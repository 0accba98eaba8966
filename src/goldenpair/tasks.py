"""What differs between network families: the model, its loss and its score. The rest of the package asks a Task."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from goldenpair.data.augment import Augmentation, Preparation
from goldenpair.data.pairs import PairBatch
from goldenpair.data.table import Layout
from goldenpair.errors import InputError, SpecError
from goldenpair.models.backbone import Backbone
from goldenpair.models.changenet import EuclideanChangenet, LearnableChangenet, PairNetwork
from goldenpair.models.choice import create_backbone
from goldenpair.models.folding import FoldedChangenet
from goldenpair.models.losses import (
    contrastive_loss,
    least_and_mean_iou,
    multi_scale,
    pair_distance,
    pixel_cross_entropy,
    weighted_cross_entropy,
)
from goldenpair.models.segmentation import SegmentationChangenet, mean_probability
from goldenpair.models.siamese import Siamese
from goldenpair.seen import PairsSeen, PixelsSeen, Seen, Split
from goldenpair.specs.backbones import name_problem
from goldenpair.specs.common import NetworkSpec
from goldenpair.specs.optical_inspection import OpticalInspectionSpec, Optim
from goldenpair.specs.segment import ListedPairs
from goldenpair.specs.visual_changenet import ChangenetOptim, VisualChangenetSpec

Features = tuple[Tensor, ...]


@dataclass(frozen=True)
class Graph:
    """TAO's names in a family's ONNX files. The inputs are the sample and the golden, in this order.

    `axis` is the name of the number of pairs where it is not fixed.
    """

    inputs: tuple[str, str]
    outputs: tuple[str, ...]
    axis: str = "batch"


@dataclass(frozen=True)
class Task(ABC):
    """A family's model with what training and scoring need to know of it.

    A pair is a sample and its golden; where `layout` has several goldens, whatever is said of a golden has an axis of
    them after that of the pairs: [N, G, ...]. In eval mode `model(sample, golden)` is what is exported; the tensors
    that it returns are `graph.outputs`.
    """

    graph: ClassVar[Graph]
    model: nn.Module
    layout: Layout
    prepare: Preparation
    augment: Augmentation

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of what is told apart: pairs, or pixels where the network gives the class of each."""
        return "PASS", "defect"

    @abstractmethod
    def loss(self, sample: Tensor, golden: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        """Prepared pictures [N, 3, h, w] and the truth -> the loss, and what was found to be compared with the truth.

        That is float [N] labels and scores, or uint8 [N, h, w] masks and classes.
        """

    def truth(self, batch: PairBatch) -> Tensor:
        """What is true of the pairs of a batch."""
        return batch.label

    def augmented(self, batch: PairBatch, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Samples and goldens of a batch, changed at random but not prepared yet, and what is true of them then."""
        return *self.augment(batch.sample, batch.golden, generator), self.truth(batch)

    def seen(self, split: Split, cutoff: float) -> Seen:
        """What collects the results of `loss` over a pass."""
        return PairsSeen(split, cutoff)

    @abstractmethod
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimiser of the spec, for the model's parameters."""

    def schedule(self, optimizer: torch.optim.Optimizer) -> LambdaLR | None:
        """How the learning rate changes from epoch to epoch; None: not at all."""
        return None

    def for_scoring(self) -> Self:
        """The task, in eval mode, with the fastest network that gives the same scores; it learns no more."""
        return self

    @abstractmethod
    def features(self, pictures: Tensor) -> Features:
        """What prepared pictures [N, 3, h, w] are compared by: tensors [N, ...]."""

    def keep(self, golden: Features) -> Features:
        """The `features` of goldens -> what is kept of them for all their samples: tensors [N, ...]."""
        return golden

    @abstractmethod
    def score(self, sample: Features, golden: Features) -> Tensor:
        """The `features` of N samples, and what is kept of their goldens -> float [N], higher for pairs that differ
        more."""

    def look(self, sample: Features, golden: Features) -> tuple[Tensor, Tensor | None]:
        """The `score`, and the class of each pixel, uint8 [N, h, w], where the network tells it."""
        return self.score(sample, golden), None

    def evidence(self, sample: Features, golden: Features) -> Tensor:
        """What the `score` is made of, float [N]: it rises with the score, and never stands still near a highest one.

        Heatmaps are differences of it.
        """
        return self.score(sample, golden)

    def change(self, sample: Features, golden: Features) -> Tensor | None:
        """The probability that a pixel has changed, [N, h, w], where the network tells it."""
        return None

    @abstractmethod
    def pair_score(self, sample: Tensor, golden: Tensor) -> Tensor:
        """Prepared pictures [N, 3, h, w] -> float [N], by one call of the model."""


@dataclass(frozen=True)
class SiameseTask(Task):
    """SiameseOI: the score is the distance of two embeddings."""

    graph: ClassVar[Graph] = Graph(("input_1", "input_2"), ("output_1", "output_2"))
    margin: float
    optim: Optim

    def loss(self, sample: Tensor, golden: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        distance = self.pair_score(sample, golden)
        return contrastive_loss(distance, truth, self.margin), distance

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
    """Visual ChangeNet: what all architectures share. `_score` turns what was `_found` into scores."""

    graph: ClassVar[Graph] = Graph(("input_1", "input_2"), ("output",))
    optim: ChangenetOptim
    epochs: int

    @abstractmethod
    def _score(self, found: Tensor) -> Tensor:
        """What was found in N pairs -> float [N]."""

    def _found(self, output: Tensor | tuple[Tensor, ...]) -> Tensor:
        """What the score is told by, of the network's output for N pairs."""
        return output if isinstance(output, Tensor) else output[0]  # an exported network returns all its outputs

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
        # an exported network that takes both pictures at once has to keep the pictures themselves
        return tuple(self.model.encode(pictures)) if isinstance(self.model, PairNetwork) else (pictures,)

    def keep(self, golden: Features) -> Features:
        return tuple(self.model.keep(golden)) if isinstance(self.model, PairNetwork) else golden

    def score(self, sample: Features, golden: Features) -> Tensor:
        return self._score(self._compared(sample, golden))

    def pair_score(self, sample: Tensor, golden: Tensor) -> Tensor:
        return self._score(self._found(self.model(sample, golden)))

    def _compared(self, sample: Features, golden: Features) -> Tensor:
        if isinstance(self.model, PairNetwork):
            return self._found(self.model.compare_goldens(sample, golden))
        return self._found(self.model(*sample, *golden))


@dataclass(frozen=True)
class EuclideanTask(ChangenetTask):
    """Architecture 1: the score is the distance that the network gives."""

    margin: float

    def loss(self, sample: Tensor, golden: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        distance = self._found(self.model(sample, golden))
        return contrastive_loss(distance, truth, self.margin), distance

    def _score(self, found: Tensor) -> Tensor:
        return found


@dataclass(frozen=True)
class LearnableTask(ChangenetTask):
    """Architecture 2: the score is the probability of a defect."""

    weights: Sequence[float]

    def for_scoring(self) -> Self:
        model = self.model
        if isinstance(model, LearnableChangenet) and not model.attention:
            return replace(self, model=FoldedChangenet(model))
        return self

    def loss(self, sample: Tensor, golden: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        logits = self._found(self.model(sample, golden))
        return weighted_cross_entropy(logits, truth, self.weights), self._score(logits)

    def evidence(self, sample: Features, golden: Features) -> Tensor:
        # the logarithm of the odds: probabilities next to 1 would hide which of two defects is seen
        found = self._compared(sample, golden)
        return found[:, 1] - found[:, 0]

    def _score(self, found: Tensor) -> Tensor:
        return found.softmax(dim=1)[:, 1]


@dataclass(frozen=True)
class SegmentTask(ChangenetTask):
    """Visual ChangeNet for segmentation: the score is the largest probability of any pixel that it has changed.

    So it exceeds 0.5 if and, but for pixels that no class has for itself, only if a pixel is called changed.
    """

    graph: ClassVar[Graph] = Graph(
        ("input0", "input1"), ("output0", "output1", "output2", "output3", "output_final"), "batch_size"
    )
    criterion: Callable[[Tensor, Tensor], Tensor]
    """Of logits [N, classes, h, w] and masks [N, h, w]."""
    weights: Sequence[float] | None
    """Of the maps of all scales in the loss; None: the last one counts alone."""
    all_scales: bool
    """Whether predictions are made of the maps of all scales."""
    classes: int

    @property
    def class_names(self) -> tuple[str, ...]:
        return "no change", *(f"class {number}" for number in range(1, self.classes))

    def loss(self, sample: Tensor, golden: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.model(sample, golden)
        if self.weights is None:
            loss = self.criterion(maps[-1], truth)
        else:
            loss = multi_scale(self.criterion, maps, truth, self.weights)
        with torch.no_grad():
            return loss, self._classes(self._found(maps))

    def truth(self, batch: PairBatch) -> Tensor:
        assert batch.mask is not None
        return batch.mask

    def augmented(self, batch: PairBatch, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        return self.augment.with_mask(batch.sample, batch.golden, self.truth(batch), generator)

    def seen(self, split: Split, cutoff: float) -> Seen:
        return PixelsSeen(split, self.classes)

    def look(self, sample: Features, golden: Features) -> tuple[Tensor, Tensor | None]:
        found = self._compared(sample, golden)
        return self._score(found), self._classes(found)

    def change(self, sample: Features, golden: Features) -> Tensor:
        return _changed(self._compared(sample, golden))

    def _found(self, output: Tensor | tuple[Tensor, ...]) -> Tensor:
        """The probabilities of the classes, [N, classes, h, w]."""
        maps = (output,) if isinstance(output, Tensor) else output
        return mean_probability(maps) if self.all_scales else maps[-1].softmax(dim=1)

    def _score(self, found: Tensor) -> Tensor:
        return _changed(found).amax(dim=(1, 2))

    def _classes(self, found: Tensor) -> Tensor:
        # a tie of two classes is no change, in the score and here
        return torch.where(_changed(found) > 0.5, found.argmax(dim=1), 0).to(torch.uint8)


def _changed(found: Tensor) -> Tensor:
    """Probabilities [N, classes, h, w] -> that a pixel is of any class but the first, [N, h, w]."""
    return found[:, 1:].sum(dim=1)


def create_task(spec: NetworkSpec, exported: nn.Module | None = None) -> Task:
    """The task of a spec, with fresh random weights, or around an exported network.

    Raises SpecError for a network that is not offered.
    """
    layout = Layout.of(spec.pairs)
    config = spec.pairs.augmentation_config
    prepare = Preparation(layout, config.rgb_input_mean, config.rgb_input_std)
    augment = Augmentation(config, layout, spec.pairs.scale_range if isinstance(spec.pairs, ListedPairs) else None)
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
        if spec.task == "segment":
            data, learn = spec.dataset.segment, train.segment
            criterion = pixel_cross_entropy if learn.loss == "ce" else least_and_mean_iou
            weights = learn.weights if data.multi_scale_train else None
            return SegmentTask(*given, criterion, weights, data.multi_scale_infer, data.num_classes)
        if classify.difference_module == "learnable":
            return LearnableTask(*given, train.classify.cls_weight)
        return EuclideanTask(*given, classify.train_margin_euclid)
    raise InputError(f"{spec.network}: its specs are known, but the network itself is not offered yet")


def _changenet(spec: VisualChangenetSpec, layout: Layout) -> nn.Module:
    classify, backbone, size = spec.model.classify, spec.model.backbone, (layout.joined_height, layout.joined_width)
    sees = _backbone(spec, *size)
    if spec.task == "segment":
        return SegmentationChangenet(
            sees,
            *size,
            embed_dim=spec.model.decode_head.decoder_params["embed_dim"],
            classes=spec.dataset.segment.num_classes,
            coarse=spec.dataset.segment.multi_scale_train,
            frozen=backbone.freeze_backbone,
        )
    if classify.difference_module == "learnable":
        return LearnableChangenet(
            sees,
            *size,
            embed_dim=spec.model.decode_head.decoder_params["embed_dim"],
            hidden=classify.embed_dec,
            scales=classify.learnable_difference_modules,
            goldens=layout.goldens,
            attention=layout.goldens > 1 and classify.golden_fusion == "attention",
            frozen=backbone.freeze_backbone,
        )
    return EuclideanChangenet(
        sees, *size, embedding=classify.embedding_vectors, goldens=layout.goldens, frozen=backbone.freeze_backbone
    )


def _backbone(spec: VisualChangenetSpec, height: int, width: int) -> Backbone:
    """The backbone of a spec for pictures of this size; SpecError if there is none, or if it cannot see such ones."""
    name = spec.model.backbone.type
    if problem := name_problem(name):
        raise SpecError("the spec", [f"model.backbone.type: {problem}"])
    try:
        return create_backbone(name, height, width, summary=spec.model.decode_head.use_summary_token)
    except ValueError as error:
        raise SpecError("the spec", [f"model.backbone.type: {name} does not serve: {error}"]) from None
