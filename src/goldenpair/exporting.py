"""Export to ONNX, with proof: a file whose scores are not PyTorch's is not left behind."""

import glob
import logging
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from goldenpair import __version__
from goldenpair.checkpoint import load_task, read_checkpoint
from goldenpair.data.cache import Pictures
from goldenpair.data.goldens import evenly
from goldenpair.data.lists import read_split
from goldenpair.data.table import PASS, PATH_COLUMNS, PairTable, part_pictures
from goldenpair.deepstream import write_deepstream
from goldenpair.deployment import (
    MISSING_EXTRA,
    ExportNote,
    PictureRecipe,
    Proof,
    around,
    open_onnx,
    open_parts,
    sha256,
)
from goldenpair.errors import DataError, InputError, RunError, writing_to
from goldenpair.onnx_writing import NEWER_EXPORTER, write_onnx
from goldenpair.progress import Progress
from goldenpair.quality.policy import Policy
from goldenpair.run import whole_file, without_passphrase
from goldenpair.specs.common import PROVING, NetworkSpec, SplitFiles
from goldenpair.specs.deploy import ExportCommon
from goldenpair.tasks import Task

log = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""Largest difference of a score that passes the gate."""
BATCHES = (1, 3, 16)
"""Numbers of pairs at once with which an exported file is tried."""
_PAIRS = 64
_LARGEST = 2_000_000_000  # bytes; an ONNX file is one protobuf message


@dataclass(frozen=True)
class ProofPairs:
    """Pairs that scores are compared on, uint8 [N, L, 3, H, W] each, and where they are from.

    Several goldens are [N, G, L, 3, H, W]. `kinds` are the component types, None where they are not known.
    """

    sample: Tensor
    golden: Tensor
    origin: str
    kinds: Sequence[str] | None = None


def export_model(spec: NetworkSpec, file: Path, progress: Progress | None = None) -> ExportNote:
    """Write the checkpoint of `spec.export` as `file` (ONNX) and beside it the JSON file that describes it.

    Both appear only if ONNX Runtime gives PyTorch's scores on pairs of the spec's tables, within TOLERANCE and
    without a changed verdict. Raises InputError for what cannot be exported, RunError if the scores differ.
    """
    wish = spec.export
    _refuse(wish, file)
    policy = Policy.of_spec(spec, "inference")
    checkpoint = read_checkpoint(wish.checkpoint)
    task, _ = load_task(checkpoint, spec)
    size = sum(tensor.nbytes for tensor in task.model.state_dict().values())
    if size > _LARGEST:
        raise InputError(
            f"checkpoint {wish.checkpoint}: its weights are {size / 1e9:.1f} GB, and an ONNX file holds 2 GB at most; "
            "smaller pictures or fewer lights make a smaller network"
        )
    if not all(bool(torch.isfinite(tensor).all()) for tensor in task.model.state_dict().values()):
        raise InputError(f"checkpoint {wish.checkpoint}: some of its weights are not finite, so it gives no scores")
    pairs = _pairs(spec, checkpoint.spec, task, policy.column)
    with writing_to(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        for left in file.parent.glob(f".{glob.escape(file.name)}.*.tmp"):  # of an export that was killed
            left.unlink()
    # the network takes its name first: should the other fail, the two do not fit, which is noticed
    with whole_file(file.with_suffix(".json")) as noted, whole_file(file) as made:
        features = write_onnx(task.for_scoring(), made, wish)
        network = open_onnx(made)
        proof = prove(task, around(network, spec, made), pairs, policy, BATCHES, progress)
        if features:  # taken apart, as the file comes back
            apart = prove(task, around(open_parts(made, features), spec, made), pairs, policy, BATCHES[-1:])
            proof = max(proof, apart, key=lambda one: one.largest_difference)
        note = ExportNote(
            network=spec.network,
            onnx_file=file.name,
            onnx_sha256=sha256(made),
            inputs=list(network.inputs),
            outputs=list(network.outputs),
            batch=network.batch,
            features=features,
            opset=wish.opset_version,
            class_names=list(task.class_names),
            pictures=PictureRecipe.of(spec),
            policy=policy,
            proof=proof.model_copy(update={"batches": list(BATCHES)}),
            checkpoint=str(checkpoint.path),
            checkpoint_sha256=sha256(checkpoint.path),
            versions=_versions(),
            spec=without_passphrase(spec),
        ).signed()
        noted.write_text(note.model_dump_json(indent=1) + "\n", encoding="utf-8", newline="\n")
    if spec.export.deepstream:
        log.info("For DeepStream and Triton: %s", ", ".join(path.name for path in write_deepstream(file, note)))
    return note


def prove(
    task: Task,
    exported: Task,
    pairs: ProofPairs,
    policy: Policy,
    batches: Sequence[int] = BATCHES,
    progress: Progress | None = None,
) -> Proof:
    """Compare the scores of two tasks at so many pairs at once; RunError if they are not the same."""
    count = len(pairs.sample)
    wanted = _scores(task, pairs, max(BATCHES))
    verdicts = policy.decide(wanted, pairs.kinds).code
    largest = 0.0
    for done, batch in enumerate(batches):
        if progress:
            progress(done, len(batches))
        found = _scores(exported, pairs, batch)
        difference = float(np.abs(found - wanted).max())  # NaN is no difference that passes
        flips = np.flatnonzero(policy.decide(found, pairs.kinds).code != verdicts)
        if not difference <= TOLERANCE or len(flips):
            raise RunError(
                f"the exported file does not give PyTorch's scores and was removed: at {batch} pairs at once they "
                f"differ by up to {difference:.3g} (allowed: {TOLERANCE:g}) and {len(flips)} of {count} verdicts "
                f"change at the {policy.told()}; another export.opset_version may help"
            )
        largest = max(largest, difference)
    return Proof(pairs=count, of=pairs.origin, batches=list(batches), largest_difference=largest, tolerance=TOLERANCE)


def _refuse(wish: ExportCommon, file: Path) -> None:
    if file.suffix != ".onnx":
        raise InputError(f"export.onnx_file: {str(file)!r} must end in .onnx")
    there = [str(one) for one in (file, file.with_suffix(".json")) if one.exists()]
    folders = [one for one in there if Path(one).is_dir()]
    if folders:
        raise InputError(
            f"{folders[0]}: it is a folder, where export would write a file; give another export.onnx_file"
        )
    if there and not wish.overwrite:
        raise InputError(f"{' and '.join(there)}: there already; export.overwrite=true replaces it")
    needed = ("onnx", "onnxruntime", *(("onnxscript",) if wish.opset_version >= NEWER_EXPORTER else ()))
    if not all(map(find_spec, needed)):
        raise InputError(MISSING_EXTRA)


def _scores(task: Task, pairs: ProofPairs, batch: int) -> NDArray[np.float32]:
    """As another program would get them: so many pairs at once, all full; float32 [N]."""
    count = len(pairs.sample)
    rows = torch.arange(-(-count // batch) * batch) % count
    found = []
    with torch.inference_mode():
        for some in torch.split(rows, batch):
            sample, golden = task.prepare(pairs.sample[some]), task.prepare(pairs.golden[some])
            found.append(task.pair_score(sample, golden))
    return torch.cat(found)[:count].float().numpy()


def _pairs(spec: NetworkSpec, trained: NetworkSpec | None, task: Task, kinds: str) -> ProofPairs:
    """Pairs of the first table that can be used, of those that the spec names and those of the training.

    `kinds` is the column of their component types, which they may lack. Where no table is named at all, random pixels
    have to do. Raises DataError if the spec's tables cannot be used.
    """
    for source in filter(None, (spec, trained)):
        problems: list[str] = []
        for split in PROVING:
            files: SplitFiles = getattr(source.pairs, split)
            if not files.given:
                continue
            try:
                return _from_table(read_split(files), task, spec.pairs.workers, kinds)
            except DataError as error:
                problems.append(f"dataset.{split}: {error}")
        if problems and source is spec:  # those of the training may be on another machine
            raise DataError("\n  ".join(["no pair was found to prove the exported file with:", *problems]))
    log.warning("The spec names no table: the exported file is proved with random pixels, not with real pairs.")
    layout, random = task.layout, torch.Generator().manual_seed(0)
    picture = (len(layout.suffixes), 3, layout.height, layout.width)
    shapes = ((_PAIRS, *picture), (_PAIRS, *layout.golden_axis, *picture))
    noise = [torch.randint(0, 256, shape, dtype=torch.uint8, generator=random) for shape in shapes]
    return ProofPairs(noise[0], noise[1], "random pixels")


def _from_table(table: PairTable, task: Task, workers: int, kinds: str) -> ProofPairs:
    if absent := table.absent(PATH_COLUMNS):
        raise DataError(f"table {table.source}: column {', '.join(absent)} is missing")
    parts = part_pictures(table, task.layout)
    pictures = Pictures(parts.paths, task.layout.height, task.layout.width, workers)
    rows = _spread(table)
    sample, golden = pictures.read(parts.sample[rows]), pictures.read(parts.golden(rows))
    good = parts.whole(pictures.errors, rows)
    if not good.any():
        first = next(iter(pictures.errors.values()), "it has no rows")
        raise DataError(f"table {table.source}: none of its pairs can be read ({first})")
    types = [table.cells[kinds][row] for row in rows[good].tolist()] if kinds in table.cells else None
    return ProofPairs(torch.from_numpy(sample[good]), torch.from_numpy(golden[good]), table.source, types)


def _spread(table: PairTable) -> NDArray[np.int64]:
    """Rows from all over a table, half of them defects as far as there are any."""
    labels = np.array(table.cells.get("label", [PASS] * len(table)))
    defects, passes = np.flatnonzero(labels != PASS), np.flatnonzero(labels == PASS)
    wished = min(len(defects), max(_PAIRS // 2, _PAIRS - len(passes)))
    chosen = [kind[evenly(len(kind), count)] for kind, count in ((defects, wished), (passes, _PAIRS - wished))]
    return np.sort(np.concatenate(chosen))


def _versions() -> dict[str, str]:
    return {
        "goldenpair": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "onnx", "onnxruntime")},
    }
