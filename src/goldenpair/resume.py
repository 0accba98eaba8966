"""Which checkpoint training goes on from."""

import logging
import os
import zipfile
from pathlib import Path

import torch

from goldenpair.checkpoint import Checkpoint, read_checkpoint
from goldenpair.errors import CheckpointError, InputError
from goldenpair.specs.common import NetworkSpec

log = logging.getLogger(__name__)
_MARKS = {"betas": "Adam", "momentum": "SGD"}  # options that only optimisers of one type have


def checkpoint_to_resume(spec: NetworkSpec, folder: Path) -> Checkpoint | None:
    """TAO's order: the path in the spec, else what the latest link of the folder stands for, else none.

    Without a link the newest file with a name of TAO 5's serves, which had no link. Where the chosen file of the
    folder is damaged or gone, the newest whole one beside it serves, and a warning says so. Raises InputError for a
    path in the spec that cannot serve, CheckpointError if the folder has checkpoints and none of them is whole.
    """
    wish = spec.train.resume_training_checkpoint_path
    if not wish:
        return _newest_whole(spec, folder)
    path = Path(wish)
    if path.suffix not in (".pth", ".tlt"):
        raise InputError(f"train.resume_training_checkpoint_path: {wish!r} must end in .pth or .tlt")
    if not path.is_file():
        raise InputError(f"train.resume_training_checkpoint_path: there is no file {wish!r}")
    return _read_whole(path)


def refuse_other_optimiser(checkpoint: Checkpoint, optimizer: torch.optim.Optimizer) -> None:
    """InputError if the checkpoint holds the state of another type of optimiser than this one."""
    if not checkpoint.optimizer:
        return
    then, now = ({mark for mark in _MARKS if mark in options} for options in (checkpoint.optimizer, optimizer.defaults))
    if then != now:
        names = [" or ".join(_MARKS[mark] for mark in marks) or "another optimiser" for marks in (then, now)]
        raise InputError(
            f"train.optim.type: checkpoint {checkpoint.path} was trained with {names[0]}, the spec asks for "
            f"{names[1]}, which cannot go on from its state. Keep the type, or start another training from these "
            f"weights: give a new results_dir and train.pretrained_model_path={checkpoint.path}"
        )


def _newest_whole(spec: NetworkSpec, folder: Path) -> Checkpoint | None:
    link = folder / spec.latest_checkpoint
    linked = os.path.lexists(link)
    tao5 = list(folder.glob(spec.latest_checkpoint.replace("_latest.pth", "_epoch=*.pth")))
    periodic = list(folder.glob("model_epoch_*_step_*.pth"))
    if not linked and not tao5:
        if periodic:
            log.warning(
                "Starting afresh, as TAO does, because there is no %s, although %s holds %d checkpoints; to go on "
                "from one of them give train.resume_training_checkpoint_path.",
                *(link.name, folder, len(periodic)),
            )
        return None
    # by time, not by name: an older series in the same folder may have come to a higher epoch
    others = [path.resolve() for path in folder.glob("*.pth") if path != link] if linked else tao5
    others.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    found, problems = None, []
    for path in dict.fromkeys([link.resolve(), *others] if linked else others):
        try:
            found = _read_whole(path)
            break
        except CheckpointError as error:
            problems.append(str(error))
    if found is None:
        raise CheckpointError(
            "training cannot go on, since no checkpoint is whole; give another results_dir, or remove "
            f"{link if linked else 'these files'} to start afresh:\n  " + "\n  ".join(problems)
        )
    for problem in problems:
        log.warning("%s; going on from %s instead.", problem, found.path)
    return found


def _read_whole(path: Path) -> Checkpoint:
    found = read_checkpoint(path)
    if found.optimizer is None:
        raise CheckpointError(
            f"checkpoint {path}: it holds weights only, and training cannot go on without the optimiser's state; "
            "train.pretrained_model_path starts from weights"
        )
    if zipfile.is_zipfile(path):  # torch does not look at the checksums
        with zipfile.ZipFile(path) as content:
            broken = content.testzip()
        if broken:
            raise CheckpointError(f"checkpoint {path}: it is damaged (wrong checksum of {broken})")
    return found
