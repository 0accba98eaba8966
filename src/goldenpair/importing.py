"""TAO's checkpoints, older ones too, become ones of ours: weights together with the spec they were trained with."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Literal

import torch
from rich.table import Table
from torch import Tensor

from goldenpair.checkpoint import save, stamp
from goldenpair.data.table import Layout
from goldenpair.errors import CheckpointError, SpecError
from goldenpair.models.siamese import Siamese
from goldenpair.specs.optical_inspection import OpticalInspectionSpec
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
class Foreign:
    """The weights of a SiameseOI network that others saved, under our names, and what their shapes tell.

    `pixels` is num_input x image_height x image_width. `left_out` names what the file holds beside weights and was
    not read.
    """

    path: Path
    weights: Mapping[str, Tensor]
    model_type: Literal["Siamese_3", "Siamese_1"]
    embedding_vectors: int
    pixels: int
    left_out: tuple[str, ...]

    def compare(self, spec: OpticalInspectionSpec | None) -> list[Parameter]:
        """Each parameter of the file, and of the network that `spec` describes, or else the shapes themselves."""
        with torch.device("meta"):
            if spec is None:
                network = Siamese(self.model_type, self.pixels, 1, self.embedding_vectors)
            else:
                layout, model = Layout.of(spec.dataset), spec.model
                network = Siamese(model.model_type, layout.joined_height, layout.joined_width, model.embedding_vectors)
        wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        found = {name: tuple(value.shape) for name, value in self.weights.items()}
        names = [*wanted, *(name for name in found if name not in wanted)]
        return [Parameter(name, found.get(name), wanted.get(name)) for name in names]

    def advice(self, spec: OpticalInspectionSpec) -> list[str]:
        """What to change in a spec that does not fit, as lines `path: sentence`."""
        lines = []
        if (self.model_type == "Siamese_3") != (spec.model.model_type == "Siamese_3"):
            lines.append(f"model.model_type: the file is a {self.model_type}, the spec says {spec.model.model_type}")
        if self.embedding_vectors != spec.model.embedding_vectors:
            said = spec.model.embedding_vectors
            lines.append(f"model.embedding_vectors: the file has {self.embedding_vectors}, the spec says {said}")
        layout = Layout.of(spec.dataset)
        given = (len(layout.suffixes), layout.height, layout.width)
        if self.pixels != layout.joined_height * layout.joined_width:
            fitting = ", ".join(map(_times, self.sizes(*given)))
            lines.append(
                f"dataset: num_input x image_height x image_width is {self.pixels} in the file and {_times(given)} "
                f"in the spec; of what fits: {fitting}"
            )
        return lines

    def sizes(self, lights: int, height: int, width: int) -> list[tuple[int, int, int]]:
        """Some lights, heights and widths that fit the weights: first those that are nearest to what is given."""
        near = [(lights, height, self.pixels // (lights * height)), (lights, self.pixels // (lights * width), width)]
        near += [(n, height, width) for n in range(1, 17)]
        near += [(n, isqrt(self.pixels // n), isqrt(self.pixels // n)) for n in range(1, 17)]
        fitting = [one for one in near if one[0] * one[1] * one[2] == self.pixels]
        return list(dict.fromkeys(fitting))[:_KEPT] or [(1, self.pixels, 1)]


def read_foreign(path: str | Path) -> Foreign:
    """Read the weights of a SiameseOI checkpoint of TAO, whatever else is in it. No code of the file runs.

    Raises CheckpointError if it is encrypted, damaged, ours already, or of another network.
    """
    file = Path(path)
    if file.suffix in (".tlt", ".etlt"):
        raise CheckpointError(f"checkpoint {file}: {file.suffix} files are encrypted; save a .pth with NVIDIA's tools")
    read = ForeignFile(file)
    content = read.content
    if not isinstance(content, dict):
        raise CheckpointError(f"checkpoint {file}: expected a dictionary of weights, found something else")
    if content.get("state_dict_encrypted"):
        raise CheckpointError(f"checkpoint {file}: it is encrypted, which only NVIDIA's tools can undo")
    if "goldenpair" in content:
        raise CheckpointError(
            f"checkpoint {file}: goldenpair made it, so it needs no import; if it is refused elsewhere, it was changed "
            "since and must not be trusted"
        )
    state = content.get("state_dict", content)
    if not isinstance(state, dict):
        raise CheckpointError(f"checkpoint {file}: its state_dict is no dictionary")
    stored = _bare_names(file, {name: value for name, value in state.items() if isinstance(value, StoredTensor)})
    _refuse_other_networks(file, stored)
    shapes = {name: value.size for name, value in stored.items()}
    first = shapes.get("fc1.0.weight", ())
    kind: Literal["Siamese_3", "Siamese_1"] = "Siamese_3" if "fc1.6.weight" in shapes else "Siamese_1"
    last = shapes.get("fc1.6.weight" if kind == "Siamese_3" else "fc1.4.weight", ())
    if len(first) != 2 or len(last) != 2 or not first[1] or first[1] % _CHANNELS:
        raise CheckpointError(f"checkpoint {file}: its linear layers (fc1) are not those of a SiameseOI network")
    return Foreign(file, read.tensors(stored), kind, last[0], first[1] // _CHANNELS, tuple(read.left_out))


def refuse_existing(out: Path) -> None:
    if out.exists():
        raise CheckpointError(f"{out} exists already; give another name with --out")


def import_checkpoint(foreign: Foreign, spec: OpticalInspectionSpec, out: Path) -> None:
    """Write the weights and the spec as a checkpoint of ours, which needs nothing else.

    Raises SpecError or CheckpointError, and writes nothing, if they do not fit together or if the file exists.
    """
    refuse_existing(out)
    if problems := spec.problems("inference"):
        raise SpecError("the spec", problems)
    misfits = [one for one in foreign.compare(spec) if one.state != "fits"]
    if misfits:
        lines = foreign.advice(spec) + [f"{one.name}: {one.state}" for one in misfits[:_KEPT]]
        lines += [f"... and {len(misfits) - _KEPT} more"] if len(misfits) > _KEPT else []
        raise CheckpointError(f"checkpoint {foreign.path} does not fit the spec:\n  " + "\n  ".join(lines))
    state = {f"{_PREFIXES[0]}{name}": value for name, value in foreign.weights.items()}
    save({"state_dict": state, **stamp(spec)}, out)


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


def _bare_names(file: Path, state: Mapping[object, StoredTensor]) -> dict[str, StoredTensor]:
    """Without what frameworks put before a parameter's name."""
    bare: dict[str, StoredTensor] = {}
    for given, value in state.items():
        name = str(given)
        while prefix := next((one for one in _PREFIXES if name.startswith(one)), ""):
            name = name.removeprefix(prefix)
        if name in bare:
            raise CheckpointError(f"checkpoint {file}: it holds {name} twice, under different prefixes")
        bare[name] = value
    if not bare:
        raise CheckpointError(f"checkpoint {file}: it holds no model weights")
    return bare


def _refuse_other_networks(file: Path, names: Mapping[str, StoredTensor]) -> None:
    if any(name.startswith(("backbone.", "decoder.")) for name in names):
        raise CheckpointError(
            f"checkpoint {file}: its parameters are those of a visual_changenet network, which is not offered yet"
        )
    if not any(name.startswith(("cnn1.", "fc1.")) for name in names):
        some = ", ".join(list(names)[:3])
        raise CheckpointError(f"checkpoint {file}: its parameters ({some}, ...) are those of no network known here")
