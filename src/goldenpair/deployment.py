"""Exported models: an ONNX file, and a JSON file beside it with all else that a verdict needs."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, nn

from goldenpair.checkpoint import own_spec
from goldenpair.data.table import Layout
from goldenpair.errors import CheckpointError, InputError, first_line
from goldenpair.models.changenet import AT_ONCE, PairNetwork
from goldenpair.quality.policy import Policy
from goldenpair.quality.scored import SCORE_COLUMNS
from goldenpair.run import write_text
from goldenpair.specs.common import NetworkSpec
from goldenpair.tasks import Task, create_task
from goldenpair.trained import refuse_other_pictures, refuse_other_scores

if TYPE_CHECKING:
    import onnx
    import onnxruntime

# names of the tensors where the file of a PairNetwork is taken apart; all but PICTURES have a number behind
PICTURES, FEATURES, SAMPLE, GOLDEN, KEPT = "pictures", "features", "sample_features", "golden_features", "kept"
MISSING_EXTRA = "ONNX Runtime is not installed: pip install 'goldenpair[onnx]'"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PictureRecipe(_Part):
    """How the pictures of a part become an input of the network.

    Each light's picture is resized to `height` x `width` (Pillow, bilinear, antialiased), RGB. They are joined row by
    row into `rows` x `columns`; then every channel of v in 0..255 becomes (v / 255 - mean) / std. With more than one of
    `goldens` the second input has an axis of them after that of the pairs, where fewer are repeated.
    """

    lights: list[str]
    height: int
    width: int
    rows: int
    columns: int
    mean: list[float]
    std: list[float]
    goldens: int = 1

    @classmethod
    def of(cls, spec: NetworkSpec) -> "PictureRecipe":
        layout, config = Layout.of(spec.pairs), spec.pairs.augmentation_config
        return cls(
            lights=list(layout.lights),
            height=layout.height,
            width=layout.width,
            rows=layout.rows,
            columns=layout.columns,
            mean=config.rgb_input_mean,
            std=config.rgb_input_std,
            goldens=layout.goldens,
        )


class Proof(_Part):
    """How the exported file was shown to give PyTorch's scores."""

    pairs: int
    of: str
    batches: list[int]
    largest_difference: float
    tolerance: float
    flipped_verdicts: Literal[0] = 0


class ExportNote(_Part):
    """The JSON file of an exported model. `batch` is None where any number of pairs can be given at once; `features`
    says how many tensors the network makes of a picture where its file can be taken apart."""

    format: Literal[1] = 1
    network: str
    onnx_file: str
    onnx_sha256: str
    inputs: list[str]
    outputs: list[str]
    batch: int | None
    features: int | None
    opset: int
    class_names: list[str]
    pictures: PictureRecipe
    policy: Policy
    """What a score becomes. The only part of the file that may be changed after the export."""
    proof: Proof
    checkpoint: str
    checkpoint_sha256: str
    versions: dict[str, str]
    spec: dict[str, Any]
    note_sha256: str = ""
    """Of everything here but itself and the policy, so that a change is noticed."""

    def signed(self) -> "ExportNote":
        return self.model_copy(update={"note_sha256": _fingerprint(json.loads(self.model_dump_json()))})


class OnnxNetwork(nn.Module):
    """A network in an ONNX file, or a part of one, called as what it was made from; it runs on the CPU.

    Takes tensors [N, ...], such as samples and goldens ([N, 3, H, W], several goldens [N, G, 3, H, W]), and returns the
    file's outputs. A file for a fixed number gets as many batches as are needed, the last one filled up; without a
    fixed number `at_once` is the largest batch.
    """

    def __init__(self, session: "onnxruntime.InferenceSession", at_once: int | None = None):
        super().__init__()
        self._session = session
        self._at_once = at_once
        self.inputs = tuple(one.name for one in session.get_inputs())
        self.outputs = tuple(one.name for one in session.get_outputs())
        self.shapes = tuple(tuple(one.shape) for one in session.get_inputs())
        """Of each input: batch, goldens if there are several, channels, height, width; a text stands for any size."""
        first = self.shapes[0][:1] if self.shapes else ()
        self.batch = first[0] if first and isinstance(first[0], int) else None

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        count = len(given[0])
        step = self.batch or self._at_once or max(1, count)
        parts = [self._run([one[i : i + step] for one in given]) for i in range(0, count, step)]
        return tuple(torch.cat(output) for output in zip(*parts, strict=True))

    def _run(self, given: Sequence[Tensor]) -> list[Tensor]:
        count = len(given[0])
        if self.batch and count < self.batch:
            given = [torch.cat([one, one[-1:].expand(self.batch - count, *one.shape[1:])]) for one in given]
        feeds = {name: one.contiguous().cpu().numpy() for name, one in zip(self.inputs, given, strict=True)}
        return [torch.from_numpy(found)[:count] for found in self._session.run(list(self.outputs), feeds)]


class OnnxParts(PairNetwork[Tensor]):
    """An ONNX file taken apart, so that what its network finds in a picture can be kept."""

    def __init__(self, parts: tuple[OnnxNetwork, OnnxNetwork, OnnxNetwork], whole: "onnx.GraphProto"):
        super().__init__()
        self._encode, self._keep, self._compare = parts
        self.inputs = tuple(one.name for one in whole.input)
        self.outputs = tuple(one.name for one in whole.output)
        dims = [one.type.tensor_type.shape.dim for one in whole.input]
        self.shapes = tuple(tuple(one.dim_param or one.dim_value for one in each) for each in dims)

    def encode(self, pictures: Tensor) -> list[Tensor]:
        return list(self._encode(pictures))

    def keep(self, golden: Sequence[Tensor]) -> list[Tensor]:
        return list(self._keep(*golden))

    def compare(self, sample: Sequence[Tensor], golden: Sequence[Tensor]) -> Tensor:
        output: Tensor = self._compare(*sample, *golden)[0]
        return output


def numbered(name: str, count: int) -> list[str]:
    return [f"{name}_{number}" for number in range(count)]


def open_onnx(file: Path) -> OnnxNetwork:
    """Raises CheckpointError for a file that ONNX Runtime cannot use, InputError if that is not installed."""
    return OnnxNetwork(_session(file, str(file)))


def open_parts(file: Path, features: int) -> OnnxParts:
    """A file as `onnx_writing` makes them of a PairNetwork, whose pictures become so many tensors; raises as
    `open_onnx`."""
    try:
        import onnx
        from onnx.utils import Extractor
    except ImportError:
        raise InputError(MISSING_EXTRA) from None
    model = onnx.load(str(file))
    extractor = Extractor(model)
    made, sample, golden, kept = (numbered(name, features) for name in (FEATURES, SAMPLE, GOLDEN, KEPT))
    outputs = [one.name for one in model.graph.output]

    def part(since: list[str], to: list[str], at_once: int | None = None) -> OnnxNetwork:
        return OnnxNetwork(_session(file, extractor.extract_model(since, to).SerializeToString()), at_once)

    parts = (part([PICTURES], made, AT_ONCE), part(golden, kept), part([*sample, *kept], outputs))
    return OnnxParts(parts, model.graph)


def _session(file: Path, model: str | bytes) -> "onnxruntime.InferenceSession":
    """`model` is a path or the content of a file."""
    try:
        import onnxruntime
    except ImportError:
        raise InputError(MISSING_EXTRA) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised
    options.intra_op_num_threads = torch.get_num_threads()
    # a waiting thread must not hold a core that decodes the next pictures
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own exceptions have no common base but this
        raise CheckpointError(f"exported model {file}: ONNX Runtime cannot use it ({first_line(error)})") from None


def around(network: OnnxNetwork | OnnxParts, spec: NetworkSpec, file: Path) -> Task:
    """The task of a spec with an exported network; CheckpointError if the two do not fit."""
    task = create_task(spec, network)
    graph, layout = task.graph, task.layout
    picture = (3, layout.joined_height, layout.joined_width)
    shapes = (picture, (*layout.golden_axis, *picture))
    wanted = [graph.inputs, graph.outputs, shapes]
    found = [network.inputs, network.outputs, tuple(shape[1:] for shape in network.shapes)]
    if wanted != found:
        told = [f"inputs {one[0]} of {one[2]}, outputs {one[1]}" for one in (found, wanted)]
        raise CheckpointError(f"exported model {file}: it is of another network: {told[0]}; expected {told[1]}")
    return task


def is_exported(path: str | Path) -> bool:
    """Whether a path is meant as an exported model: a folder or an `.onnx` file."""
    return Path(path).suffix == ".onnx" or Path(path).is_dir()


def load_exported(path: str | Path, spec: NetworkSpec | None = None) -> tuple[Task, NetworkSpec, Policy]:
    """The task of an exported model, its spec (or `spec`, of the same pictures and scores) and its policy.

    `path` is the folder or the `.onnx` file in it. Raises CheckpointError if something is missing, was changed, or
    does not belong together.
    """
    file, note = _read_note(Path(path))
    if sha256(file) != note.onnx_sha256:
        raise CheckpointError(
            f"exported model {file}: it is not the file that was exported (its SHA-256 is not the one in "
            f"{file.with_suffix('.json').name}); export again"
        )
    trained = own_spec({"network": note.network, "spec": note.spec}, f"exported model {file}")
    if spec is not None:
        refuse_other_pictures(f"exported model {file}", trained, spec)
        refuse_other_scores(f"exported model {file}", trained, spec)
    chosen = spec or trained
    network = open_parts(file, note.features) if note.features else open_onnx(file)
    return around(network, chosen, file), chosen, note.policy


def model_for_policy(path: str | Path, policy: Policy) -> Path:
    """The `.onnx` file of an exported model that a policy may be written into. Raises CheckpointError for what
    `load_exported` would refuse of its JSON file, InputError for a policy of other scores than the model gives."""
    file, note = _read_note(Path(path))
    trained = own_spec({"network": note.network, "spec": note.spec}, f"exported model {file}")
    policy.refuse_scores_of_others(SCORE_COLUMNS[0], trained.scores_are_probabilities)
    return file


def replace_policy(path: str | Path, policy: Policy) -> Path:
    """Write a policy into an exported model, which is its folder or its `.onnx` file; returns the JSON file.

    Nothing else changes. Raises as `model_for_policy`.
    """
    file = model_for_policy(path, policy)
    beside = file.with_suffix(".json")
    content = json.loads(beside.read_text(encoding="utf-8"))  # as it is: its fingerprint is of what it says
    write_text(beside, json.dumps({**content, "policy": policy.model_dump(mode="json")}, indent=1) + "\n")
    return beside


def sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _read_note(path: Path) -> tuple[Path, ExportNote]:
    if path.is_dir():
        pairs = [file for file in sorted(path.glob("*.onnx")) if file.with_suffix(".json").is_file()]
        if len(pairs) != 1:
            found = f"{len(pairs)} of them ({', '.join(file.name for file in pairs)}); name one" if pairs else "none"
            raise CheckpointError(f"exported model {path}: expected one .onnx file with its .json in it, found {found}")
        file = pairs[0]
    else:
        file = path
    beside = file.with_suffix(".json")
    if not file.is_file():
        raise CheckpointError(f"exported model {file}: there is no such file (looked in {Path.cwd()})")
    if not beside.is_file():
        raise CheckpointError(
            f"exported model {file}: {beside.name} is not beside it, and without that file its pictures and cutoff are "
            "not known; `goldenpair NETWORK export` writes both"
        )
    try:
        content = json.loads(beside.read_text(encoding="utf-8"))
        note = ExportNote.model_validate(content)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise CheckpointError(f"exported model {beside}: it cannot be used:\n  " + "\n  ".join(lines)) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"exported model {beside}: it cannot be read ({error})") from None
    if _fingerprint(content) != note.note_sha256:
        raise CheckpointError(
            f"exported model {beside}: it was changed; only 'policy' may be changed after the export. Export again"
        )
    return file, note


def _fingerprint(content: Mapping[str, Any]) -> str:
    kept = {name: value for name, value in content.items() if name not in ("policy", "note_sha256")}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
