"""TAO's checkpoints, older ones too, become ones of ours: weights together with the spec they were trained with."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import ClassVar, Literal

import torch
from rich.table import Table
from torch import Tensor, nn

from goldenpair.checkpoint import OF_THE_LOSS, bare_names, refuse_encrypted, save, stamp
from goldenpair.data.table import Layout
from goldenpair.errors import CheckpointError, SpecError, first_few
from goldenpair.models.changenet import EuclideanChangenet, LearnableChangenet
from goldenpair.models.fan import SIZES, STRIDES, Fan
from goldenpair.models.segmentation import SegmentationChangenet
from goldenpair.models.siamese import Siamese
from goldenpair.specs.common import NetworkSpec
from goldenpair.specs.load import walk
from goldenpair.specs.optical_inspection import OpticalInspectionSpec
from goldenpair.specs.visual_changenet import VisualChangenetSpec
from goldenpair.tasks import create_task
from goldenpair.trained import refuse_unlearnt
from goldenpair.unpickling import ForeignFile, StoredTensor

_PREFIXES = ("model.", "module.", "_orig_mod.")  # of Lightning, of several GPUs, of torch.compile
_CHANNELS = 8  # of the picture that the first linear layer sees
_KEPT = 8  # sizes that are proposed


@dataclass(frozen=True)
class Parameter:
    """A parameter's shape in the file and in the network, each None where it is absent."""

    name: str
    found: tuple[int, ...] | None
    wanted: tuple[int, ...] | None

    @property
    def state(self) -> Literal["fits", "missing", "unexpected", "wrong shape"]:
        if self.found is None:
            return "missing"
        if self.wanted is None:
            return "unexpected"
        return "fits" if self.found == self.wanted else "wrong shape"


@dataclass(frozen=True)
class EuclideanHead:
    """The sizes of architecture 1, as EuclideanChangenet takes them; `pixels` are those of the joined picture."""

    pixels: int
    embedding: int


@dataclass(frozen=True)
class LearnableHead:
    """The sizes of architecture 2, as LearnableChangenet takes them; `pixels` are those of the joined picture."""

    pixels: int
    embed_dim: int
    hidden: int
    scales: int


@dataclass(frozen=True)
class SegmentHead:
    """The sizes of the decoder for masks, as SegmentationChangenet takes them."""

    embed_dim: int
    classes: int


@dataclass(frozen=True)
class Foreign(ABC):
    """The weights of a network that others saved, under our names, and what their shapes tell.

    `left_out` names what the file holds beside weights and was not read.
    """

    network: ClassVar[str]
    path: Path
    weights: Mapping[str, Tensor]
    left_out: tuple[str, ...]

    @property
    @abstractmethod
    def pixels(self) -> int | None:
        """num_input x image_height x image_width; None for a network that takes pictures of any size."""

    @abstractmethod
    def facts(self) -> dict[str, object]:
        """What the shapes tell beside `pixels`, as path in the spec -> value."""

    @abstractmethod
    def _from_shapes(self) -> nn.Module:
        """A network of these shapes, for pictures of any height and width that have as many pixels."""

    def compare(self, spec: NetworkSpec | None) -> list[Parameter]:
        """Each parameter of the file, and of the network that `spec` describes, or else the shapes themselves."""
        with torch.device("meta"):
            network = self._from_shapes() if spec is None else create_task(spec).model
        wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        found = {name: tuple(value.shape) for name, value in self.weights.items()}
        names = [*wanted, *(name for name in found if name not in wanted)]
        return [Parameter(name, found.get(name), wanted.get(name)) for name in names]

    def advice(self, spec: NetworkSpec) -> list[str]:
        """What to change in a spec that does not fit, as lines `path: sentence`."""
        said = {path: value for path, _, value in walk(spec)}
        lines = [
            f"{path}: the file has {found}, the spec says {said[path]}"
            for path, found in self.facts().items()
            if said[path] != found
        ]
        if self.pixels is None:
            return lines
        layout = Layout.of(spec.pairs)
        given = (len(layout.suffixes), layout.height, layout.width)
        if self.pixels != layout.joined_height * layout.joined_width:
            fitting = ", ".join(map(_times, sizes(self.pixels, *given)))
            lines.append(
                f"{spec.pairs_path}: num_input x image_height x image_width is {self.pixels} in the file and "
                f"{_times(given)} in the spec; of what fits: {fitting}"
            )
        return lines


def sizes(pixels: int, lights: int, height: int, width: int) -> list[tuple[int, int, int]]:
    """Some lights, heights and widths that have so many pixels: first those that are nearest to what is given."""
    near = [(lights, height, pixels // (lights * height)), (lights, pixels // (lights * width), width)]
    near += [(n, height, width) for n in range(1, 17)]
    near += [(n, isqrt(pixels // n), isqrt(pixels // n)) for n in range(1, 17)]
    fitting = [one for one in near if one[0] * one[1] * one[2] == pixels]
    return list(dict.fromkeys(fitting))[:_KEPT] or [(1, pixels, 1)]


@dataclass(frozen=True)
class ForeignSiamese(Foreign):
    """A SiameseOI network. Siamese_1 stands for Siamese as well, which has the same layers."""

    network: ClassVar[str] = OpticalInspectionSpec.network
    features: int
    model_type: Literal["Siamese_3", "Siamese_1"]
    embedding_vectors: int

    @property
    def pixels(self) -> int:
        return self.features // _CHANNELS

    def facts(self) -> dict[str, object]:
        return {"model.model_type": self.model_type, "model.embedding_vectors": self.embedding_vectors}

    def advice(self, spec: NetworkSpec) -> list[str]:
        found = super().advice(spec)
        assert isinstance(spec, OpticalInspectionSpec)
        alike = self.model_type == "Siamese_1" and spec.model.model_type == "Siamese"
        return [line for line in found if not (alike and line.startswith("model.model_type:"))]

    def _from_shapes(self) -> nn.Module:
        return Siamese(self.model_type, self.pixels, 1, self.embedding_vectors)


@dataclass(frozen=True)
class ForeignChangenet(Foreign):
    """A Visual ChangeNet with a FAN backbone."""

    network: ClassVar[str] = VisualChangenetSpec.network
    backbone: str
    head: EuclideanHead | LearnableHead | SegmentHead

    @property
    def pixels(self) -> int | None:
        return None if isinstance(self.head, SegmentHead) else self.head.pixels

    def facts(self) -> dict[str, object]:
        head, module, width = self.head, "model.classify.difference_module", "model.decode_head.decoder_params"
        task = "segment" if isinstance(head, SegmentHead) else "classify"
        found: dict[str, object] = {"task": task, "model.backbone.type": self.backbone}
        match head:
            case EuclideanHead():
                return found | {module: "euclidean", "model.classify.embedding_vectors": head.embedding}
            case SegmentHead():
                return found | {width: {"embed_dim": head.embed_dim}, "dataset.segment.num_classes": head.classes}
        return found | {
            module: "learnable",
            width: {"embed_dim": head.embed_dim},
            "model.classify.embed_dec": head.hidden,
            "model.classify.learnable_difference_modules": head.scales,
        }

    def _from_shapes(self) -> nn.Module:
        fan, head = Fan(SIZES[self.backbone]), self.head
        if isinstance(head, SegmentHead):
            return SegmentationChangenet(fan, STRIDES[-1], STRIDES[-1], embed_dim=head.embed_dim, classes=head.classes)
        if isinstance(head, EuclideanHead):
            return EuclideanChangenet(fan, head.pixels // STRIDES[-1], STRIDES[-1], embedding=head.embedding)
        return LearnableChangenet(
            fan,
            head.pixels // STRIDES[0],
            STRIDES[0],
            embed_dim=head.embed_dim,
            hidden=head.hidden,
            scales=head.scales,
        )


def read_foreign(path: str | Path) -> Foreign:
    """Read the weights of a checkpoint of TAO, of any network that is offered. No code of the file runs.

    Raises CheckpointError if it is encrypted, damaged, ours already, or of another network.
    """
    file = Path(path)
    if file.suffix in (".tlt", ".etlt"):
        raise CheckpointError(f"checkpoint {file}: {file.suffix} files are encrypted; save a .pth with NVIDIA's tools")
    read = ForeignFile(file)
    content = read.content
    if not isinstance(content, dict):
        raise CheckpointError(f"checkpoint {file}: expected a dictionary of weights, found something else")
    refuse_encrypted(file, content)
    if "goldenpair" in content:
        raise CheckpointError(
            f"checkpoint {file}: goldenpair made it, so it needs no import; if it is refused elsewhere, it was changed "
            "since and must not be trusted"
        )
    state = content.get("state_dict", content)
    if not isinstance(state, dict):
        raise CheckpointError(f"checkpoint {file}: its state_dict is no dictionary")
    tensors = {name: value for name, value in state.items() if isinstance(value, StoredTensor)}
    if not tensors:
        raise CheckpointError(f"checkpoint {file}: it holds no model weights")
    stored = bare_names(f"checkpoint {file}", tensors, _PREFIXES)
    stored = {name: value for name, value in stored.items() if name not in OF_THE_LOSS}
    shapes = {name: value.size for name, value in stored.items()}
    told = (file, read.tensors(stored), tuple(read.left_out))
    if any(name.startswith(("backbone.", "decoder.")) for name in shapes):
        return _changenet(shapes, *told)
    if any(name.startswith(("cnn1.", "fc1.")) for name in shapes):
        return _siamese(shapes, *told)
    some = ", ".join(list(shapes)[:3])
    raise CheckpointError(f"checkpoint {file}: its parameters ({some}, ...) are those of no network known here")


Shapes = Mapping[str, tuple[int, ...]]


def _siamese(shapes: Shapes, file: Path, weights: Mapping[str, Tensor], left_out: tuple[str, ...]) -> ForeignSiamese:
    first = shapes.get("fc1.0.weight", ())
    kind: Literal["Siamese_3", "Siamese_1"] = "Siamese_3" if "fc1.6.weight" in shapes else "Siamese_1"
    last = shapes.get("fc1.6.weight" if kind == "Siamese_3" else "fc1.4.weight", ())
    if len(first) != 2 or len(last) != 2 or not first[1] or first[1] % _CHANNELS:
        raise CheckpointError(f"checkpoint {file}: its linear layers (fc1) are not those of a SiameseOI network")
    return ForeignSiamese(file, weights, left_out, first[1], kind, last[0])


def _changenet(
    shapes: Shapes, file: Path, weights: Mapping[str, Tensor], left_out: tuple[str, ...]
) -> ForeignChangenet:
    token = shapes.get("backbone.cls_token", ())
    depth = len({name.split(".")[2] for name in shapes if name.startswith("backbone.blocks.")})
    backbone = next((name for name, size in SIZES.items() if token == (1, 1, size.width) and depth == size.depth), "")
    if not backbone:
        raise CheckpointError(
            f"checkpoint {file}: its backbone (class token {list(token)}, {depth} blocks) is none of "
            f"{', '.join(SIZES)}; import takes FAN's backbones only, training others too"
        )
    width = SIZES[backbone].width
    flat, last = shapes.get("fc1.0.weight", ()), shapes.get("fc1.6.weight", ())
    if len(flat) == len(last) == 2 and flat[1] and not flat[1] % width:
        pixels = flat[1] // width * STRIDES[-1] ** 2
        return ForeignChangenet(file, weights, left_out, backbone, EuclideanHead(pixels, last[0]))
    last = shapes.get("decoder.change_probability.conv2d.weight", ())
    if len(last) == 4:
        return ForeignChangenet(file, weights, left_out, backbone, SegmentHead(last[1], last[0]))
    fuse, flat = shapes.get("decoder.linear_fuse.0.weight", ()), shapes.get("decoder.classifier.0.weight", ())
    if len(fuse) != 4 or len(flat) != 2 or not fuse[0] or not flat[1] or fuse[1] % fuse[0] or flat[1] % fuse[0]:
        raise CheckpointError(
            f"checkpoint {file}: it is a visual_changenet network, but what follows its backbone is neither that of "
            "task classify nor that of task segment"
        )
    pixels = flat[1] // fuse[0] * STRIDES[0] ** 2
    head = LearnableHead(pixels, embed_dim=fuse[0], hidden=flat[0], scales=fuse[1] // fuse[0])
    return ForeignChangenet(file, weights, left_out, backbone, head)


def refuse_existing(out: Path) -> None:
    if out.exists():
        raise CheckpointError(f"{out} exists already; give another name with --out")


def import_checkpoint(foreign: Foreign, spec: NetworkSpec, out: Path) -> None:
    """Write the weights and the spec as a checkpoint of ours, which needs nothing else.

    Raises SpecError or CheckpointError, and writes nothing, if they do not fit together or if the file exists.
    """
    refuse_existing(out)
    refuse_unlearnt(f"checkpoint {foreign.path}", None, spec)
    if problems := spec.problems("import"):
        raise SpecError("the spec", problems)
    misfits = [one for one in foreign.compare(spec) if one.state != "fits"]
    if misfits:
        lines = foreign.advice(spec) + first_few([f"{one.name}: {one.state}" for one in misfits])
        raise CheckpointError(f"checkpoint {foreign.path} does not fit the spec:\n  " + "\n  ".join(lines))
    state = {f"{_PREFIXES[0]}{name}": value for name, value in foreign.weights.items()}
    save({"state_dict": state, **stamp(_as_learnt(spec))}, out)


def _as_learnt(spec: NetworkSpec) -> NetworkSpec:
    """The spec as TAO trained by it: only the last map of a network for masks has learnt."""
    if not isinstance(spec, VisualChangenetSpec) or spec.task != "segment":
        return spec
    segment = spec.dataset.segment.model_copy(update={"multi_scale_train": False})
    return spec.model_copy(update={"dataset": spec.dataset.model_copy(update={"segment": segment})})


def import_table(parameters: list[Parameter]) -> Table:
    """What fits and what does not, a parameter a line."""
    table = Table("parameter", "in the file", "in the network", "")
    for one in parameters:
        table.add_row(one.name, _shape(one.found), _shape(one.wanted), one.state)
    return table


def _shape(shape: tuple[int, ...] | None) -> str:
    return "-" if shape is None else _times(shape) or "one number"


def _times(numbers: tuple[int, ...]) -> str:
    return " x ".join(map(str, numbers))
