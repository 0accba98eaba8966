"""Checkpoints: whole files of tensors and plain data, ours and TAO's, that run no code when they are read."""

import json
import os
import pickle
import shutil
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import torch
from torch import Tensor

from goldenpair import __version__
from goldenpair.errors import CheckpointError, RunError, SpecError, first_few, first_line
from goldenpair.run import whole_file, without_passphrase
from goldenpair.specs.common import NetworkSpec
from goldenpair.specs.load import load_spec
from goldenpair.tasks import Task, create_task
from goldenpair.trained import refuse_other_pictures, refuse_unlearnt

V = TypeVar("V")
_OURS, _SUM = "goldenpair", "crc32"
# what the reader of pickles runs into when bytes are wrong
_DAMAGED = (RuntimeError, OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError)
OF_THE_LOSS = ("criterion.weight",)
"""What TAO's checkpoints hold beside the model: the loss's class weights, which come from the spec."""
_PREFIX = "model."  # of the parameter names, in TAO's files and in ours


@dataclass(frozen=True)
class Checkpoint:
    """The weights of a model without optimiser state, and the spec they were trained with if the file has it.

    `optimizer` are the options of the optimiser that training went on with, None where the file holds no state that
    training could go on from.
    """

    path: Path
    weights: Mapping[str, Tensor]
    spec: NetworkSpec | None
    optimizer: Mapping[str, Any] | None


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a `.pth` of ours or of TAO.

    Raises CheckpointError if it is missing, cut off, encrypted, or would run code.
    """
    file = Path(path)
    content = _read(file)
    refuse_encrypted(file, content)
    state = content.get("state_dict")
    if not isinstance(state, dict) or not state:
        raise CheckpointError(f"checkpoint {file}: it holds no model weights (no 'state_dict')")
    weights = {
        str(name).removeprefix(_PREFIX): value
        for name, value in state.items()
        if isinstance(value, Tensor) and name not in OF_THE_LOSS
    }
    ours = content.get(_OURS)
    if isinstance(ours, dict) and _SUM in ours and ours[_SUM] != _checksum(state):
        raise CheckpointError(f"checkpoint {file}: it is damaged (wrong checksum of its weights)")
    spec = own_spec(ours, f"checkpoint {file}") if ours is not None else None
    return Checkpoint(file, weights, spec, _optimizer(content.get("optimizer_states")))


def _optimizer(states: object) -> Mapping[str, Any] | None:
    if not isinstance(states, list):
        return None
    groups = [group for one in states if isinstance(one, dict) for group in one.get("param_groups", ())]
    return next((group for group in groups if isinstance(group, dict)), {})


def read_tensors(path: str | Path, what: str) -> dict[str, Tensor]:
    """The tensors of a file, by name, with their `state_dict` or without; CheckpointError, that calls the
    file `what`, if it cannot be read."""
    content = _read(Path(path), what)
    state = content.get("state_dict", content.get("model", content))
    if not isinstance(state, dict):
        raise CheckpointError(f"{what} {path}: it holds no weights")
    return {str(name): value for name, value in state.items() if isinstance(value, Tensor)}


def bare_names(source: str, given: Mapping[Any, V], prefixes: tuple[str, ...]) -> dict[str, V]:
    """The same without what frameworks put before a parameter's name; CheckpointError if two names become one."""
    bare: dict[str, V] = {}
    for full, value in given.items():
        name = str(full)
        while prefix := next((one for one in prefixes if name.startswith(one)), ""):
            name = name.removeprefix(prefix)
        if name in bare:
            raise CheckpointError(f"{source}: it holds {name} twice, under different prefixes")
        bare[name] = value
    return bare


def refuse_encrypted(file: Path, content: Mapping[Any, Any]) -> None:
    if content.get("state_dict_encrypted"):
        raise CheckpointError(f"checkpoint {file}: it is encrypted, which only NVIDIA's tools can undo")


def own_spec(content: object, source: str) -> NetworkSpec:
    """The spec that the file of a model holds, under `network` and `spec`; CheckpointError if it cannot be used.

    The file may be anybody's: nothing is looked up for it, neither another file nor a `${}` reference.
    """
    network, spec = (content.get("network"), content.get("spec")) if isinstance(content, dict) else (None, None)
    try:
        plain = isinstance(network, str) and isinstance(spec, dict) and "${" not in json.dumps(spec)
    except (TypeError, ValueError, RecursionError):
        plain = False
    if not plain or not isinstance(network, str) or not isinstance(spec, dict):
        raise CheckpointError(f"{source}: what it says of its own spec is damaged")
    try:
        return load_spec(network, spec)
    except SpecError as error:
        lines = "\n  ".join(error.problems)
        raise CheckpointError(
            f"{source}: its own spec cannot be used; was it made by another version of goldenpair?\n  {lines}"
        ) from None


def stamp(spec: NetworkSpec) -> dict[str, Any]:
    """What our checkpoints hold beside Lightning's: enough to use them without a spec file."""
    return {_OURS: {"version": __version__, "network": spec.network, "spec": without_passphrase(spec)}}


def load_task(checkpoint: Checkpoint, spec: NetworkSpec | None = None) -> tuple[Task, NetworkSpec]:
    """The task of `spec`, or else of the checkpoint's own spec, with the checkpoint's weights, ready to score.

    Raises CheckpointError if there is no spec, or if it asks for another network, for other pictures or for more
    than the checkpoint was trained with.
    """
    chosen = spec or checkpoint.spec
    if chosen is None:
        raise CheckpointError(
            f"checkpoint {checkpoint.path}: it holds no spec, as TAO's do not; give the spec file too"
        )
    source = f"checkpoint {checkpoint.path}"
    refuse_other_pictures(source, checkpoint.spec, chosen)
    refuse_unlearnt(source, checkpoint.spec, chosen)
    task = create_task(chosen)
    load_weights(task, checkpoint)
    task.model.eval()
    return task, chosen


def load_weights(task: Task, checkpoint: Checkpoint) -> None:
    """Copy the weights into the task's model; CheckpointError names what does not fit."""
    own = task.model.state_dict()
    problems = [f"{name}: missing" for name in own if name not in checkpoint.weights]
    problems += [f"{name}: not in this network" for name in checkpoint.weights if name not in own]
    problems += [
        f"{name}: {list(value.shape)}, but the spec's network has {list(own[name].shape)}"
        for name, value in checkpoint.weights.items()
        if name in own and own[name].shape != value.shape
    ]
    if problems:
        layout = task.layout
        raise CheckpointError(
            f"checkpoint {checkpoint.path} does not fit the spec (joined picture {layout.joined_height} x "
            f"{layout.joined_width}); compare model and dataset with those of its training:\n  "
            + "\n  ".join(first_few(problems))
        )
    task.model.load_state_dict(dict(checkpoint.weights))


def save(content: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint that appears whole or not at all.

    Raises RunError if the disk is full, or if a weight or the optimiser's state is not finite: nothing could go on
    from such a checkpoint; DataError where nothing may be written. What was there before stays.
    """
    _refuse_poison(content, path)
    if _OURS in content:  # reading a file of PyTorch's tells nothing of a bit that has flipped
        content = {**content, _OURS: {**content[_OURS], _SUM: _checksum(content["state_dict"])}}
    try:
        with whole_file(path) as temporary, temporary.open("wb") as file:
            _write(content, file)
            file.flush()
            os.fsync(file.fileno())  # the name must not be on the disk before the content
    except RunError as error:
        if "optimizer_states" not in content:  # no training's
            raise
        raise RunError(f"{error}; training goes on from the latest checkpoint when it is started again") from None


def _write(content: Mapping[str, Any], file: IO[bytes]) -> None:
    try:
        torch.save(dict(content), file)
    except RuntimeError as error:
        # torch's writer tells of a position; why the system refused stands behind it
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise OSError(first_line(error)) from None


def _refuse_poison(content: Mapping[str, Any], path: Path) -> None:
    if not all(
        bool(torch.isfinite(tensor).all())
        for tensor in _tensors([content.get("state_dict"), content.get("optimizer_states")])
    ):
        raise RunError(
            f"checkpoint {path}: it is not written, because weights or the optimiser's state are no longer finite; "
            "a smaller train.optim.lr or train.clip_grad_norm=1 often helps"
        )


def _tensors(content: object) -> Iterator[Tensor]:
    if isinstance(content, Tensor):
        yield content
    elif isinstance(content, Mapping | list | tuple):
        for inside in content.values() if isinstance(content, Mapping) else content:
            yield from _tensors(inside)


def point_at(link: Path, target: Path) -> None:
    """Make `link` stand for `target`: a relative symbolic link, or a hard link or a copy where there are none."""
    with whole_file(link) as temporary:
        try:
            temporary.symlink_to(os.path.relpath(target, link.parent))
        except OSError:  # Windows without the right to make links, or a file system that has none
            try:
                os.link(target, temporary)
            except OSError:
                shutil.copyfile(target, temporary)


def _read(file: Path, what: str = "checkpoint") -> dict[str, Any]:
    if not file.is_file():
        raise CheckpointError(f"checkpoint {file}: there is no such file (looked in {Path.cwd()}); has train been run?")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # of a file that is no checkpoint
            # mapped, so that the optimiser's state, two thirds of the file, is never read
            content = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except pickle.UnpicklingError as error:
        # PyTorch says it in the last sentence of a page of advice, or behind these words
        lines = str(error).split("WeightsUnpickler error:")[-1].splitlines()
        code = ("unsupported global", "unsupported class", "unrecognized", "was not an allowed")
        reason = next((line.strip() for line in lines if any(words in line.lower() for words in code)), "")
        if reason:
            why = f"it was refused, because reading it could run code ({reason}); `goldenpair import` takes its weights"
        else:
            why = "it is no PyTorch file or is cut off"
        raise CheckpointError(f"{what} {file}: {why}") from None
    except _DAMAGED as error:
        said = "" if isinstance(error, LookupError) else f" ({first_line(error)})"  # of a text read as a pickle
        why = f"it is no PyTorch file or is cut off{said}"
        raise CheckpointError(f"{what} {file}: {why}") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{what} {file}: expected a dictionary, found {type(content).__name__}")
    return content


def _checksum(weights: Mapping[str, Tensor]) -> int:
    found = 0
    for name in sorted(name for name, value in weights.items() if isinstance(value, Tensor)):
        raw = weights[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        found = zlib.crc32(raw.numpy().data, found)
    return found
