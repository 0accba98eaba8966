"""From a spec as it is written to one whose paths are all on this machine: what an action works with.

What is remote is fetched, archives are unpacked, and the folder that a table's paths start from is found. A spec with
local folders only comes back as it is.
"""

import logging
import os
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from goldenpair.data.table import PATH_COLUMNS, read_blocks
from goldenpair.errors import DataError, InputError, SpecError, TableError, first_few
from goldenpair.specs.common import NetworkSpec
from goldenpair.specs.dataset_convert import TABLE_FOLDERS, DatasetConvert
from goldenpair.specs.fields import MISSING, PathKind, meta
from goldenpair.specs.load import walk
from goldenpair.specs.paths import leaf
from goldenpair.specs.segment import SegmentDataset
from goldenpair.storage.archives import is_archive, stem
from goldenpair.storage.fetching import Storage
from goldenpair.storage.roots import root_of, unwrapped
from goldenpair.storage.uris import is_uri, without_query, without_secrets

log = logging.getLogger(__name__)
N = TypeVar("N", bound=NetworkSpec)
_EXPORT = "dataset_convert."
_LOOKED_AT = 20  # rows of a table whose pictures are looked for


def localised(spec: N, action: str, storage: Storage, outputs: Mapping[str, Path]) -> N:
    """The spec that `action` works with; it knows what was written in it.

    `outputs` leads from remote folders of results to the local ones that stand for them. Raises SpecError with
    everything that cannot be had, what InputError and RunError of `Storage` say, and what fits together no more.
    """
    local: dict[str, str] = {}
    problems: list[str] = []
    for path, kind, value in _read_by(spec, action):
        try:
            found = _local(spec, path, kind, value, storage, local) if kind != "output" else _output(value, outputs)
        except InputError as error:
            problems.append(f"{path}: {error}")
            continue
        if found != value:
            local[path] = found
            log.debug("%s: %s is %s", path, without_secrets(value), found)
    if problems:
        raise DataError("\n  ".join(["not everything that the spec names can be had:", *problems]))
    if not local:
        return spec
    made = spec.with_local(local)
    if action in type(spec).model_fields and (misfits := made.problems(action)):
        raise SpecError("the spec", misfits)
    return made


def _read_by(spec: NetworkSpec, action: str) -> Iterator[tuple[str, PathKind, str]]:
    """The paths that an action reads, or writes beside its folder of results: (dotted path, kind, value)."""
    splits = tuple(f"{spec.pairs_path}.{name}." for name in spec.splits(action))
    root = f"{SegmentDataset.path}.root_dir" if spec.pairs_path == SegmentDataset.path else None
    for path, field, value in walk(spec):
        kind = meta(field).path
        if not kind or kind == "results" or not isinstance(value, str) or value in ("", MISSING):
            continue
        top = path.split(".")[0]
        if (
            top == action
            or path.startswith(splits)
            or path == root
            or (action == "train" and top == "model")
            or (action == "inference" and path == "evaluate.policy")
        ):
            yield path, kind, value


def _local(spec: NetworkSpec, path: str, kind: PathKind, value: str, storage: Storage, local: Mapping[str, str]) -> str:
    if path.startswith(_EXPORT):
        wish = leaf(spec, "dataset_convert")
        assert isinstance(wish, DatasetConvert)
        return _export(wish, path.removeprefix(_EXPORT), value, storage)
    if kind == "images":
        if path == f"{SegmentDataset.path}.root_dir":
            data = leaf(spec, SegmentDataset.path)
            assert isinstance(data, SegmentDataset)
            return _segment_root(data, value, storage)
        table = path.rpartition(".")[0] + ".csv_path"
        return _images(value, local.get(table, leaf(spec, table)), storage)
    if not is_uri(value):
        return value
    if kind == "folder" or (kind == "model" and "." not in without_query(value).rpartition("/")[2]):
        return storage.folder(value)
    if kind == "model" and without_query(value).endswith(".onnx"):
        return storage.beside(value)
    return storage.file(value)


def _export(wish: DatasetConvert, name: str, value: str, storage: Storage) -> str:
    """Of the export of a factory the tables; of its pictures only what they are called, and that if it is asked."""
    if name == "images_dir":
        if not wish.check_pictures:
            return value
        if is_archive(without_query(value)):
            return unwrapped(storage.folder_or_archive(value))
        return storage.export(value, (), "") if is_uri(value) else value
    if not is_uri(value):
        return value
    if name != "root_dataset_dir":
        return storage.export(value, {""}, None)
    given = (getattr(wish, option) for option in TABLE_FOLDERS)
    tables = {posixpath.normpath(text.replace("\\", "/").strip("/")) for text in given if text and not is_uri(text)}
    pictures = "images" if wish.check_pictures and not wish.images_dir else None
    return storage.export(value, {"" if text == "." else text for text in tables}, pictures)


def _output(value: str, outputs: Mapping[str, Path]) -> str:
    """Where a file that is to lie below a remote folder of results is written first."""
    if not is_uri(value):
        return value
    for uri, folder in outputs.items():
        if value.startswith(f"{uri.rstrip('/')}/"):
            return str(folder / value[len(uri.rstrip("/")) + 1 :])
    there = " or ".join(map(without_secrets, outputs)) or "a remote results_dir"
    raise DataError(f"{without_secrets(value)}: it can be written there only below {there}")


def _images(value: str, table: str, storage: Storage) -> str:
    """The folder that the table's paths start from."""
    remote = is_uri(value) or is_archive(value)
    place = storage.folder_or_archive(value) if remote else value
    wanted = _first_parts(table)
    root, tried = root_of(place, wanted)
    if root == place or not wanted or not (remote or root):
        return place  # of a plain folder the audit tells better what is missing
    if root:
        log.info("%s: the paths of %s start from its folder %s", *map(without_secrets, (value, table)), root)
        return root
    looked = [os.path.relpath(one, place) for one in tried]
    raise DataError(
        f"{without_secrets(value)}: it has no picture of the first {_LOOKED_AT} rows of {table}, such as "
        f"{'/'.join(wanted[0])}*; looked in these folders of it: {', '.join(first_few(looked))}. See whether table and "
        "pictures belong together, and which folder input_path starts from"
    )


def _first_parts(table: str) -> list[tuple[str, str]]:
    """Folder and name of the first samples and goldens; none of a table that cannot be read, of which others tell."""
    try:
        block = next(read_blocks(table, "", _LOOKED_AT))
    except TableError:
        return []
    if block.absent(PATH_COLUMNS):
        return []
    names = block.cells["object_name"]
    return [(cell, name) for column in PATH_COLUMNS[:2] for cell, name in zip(block.cells[column], names, strict=True)]


def _segment_root(data: SegmentDataset, value: str, storage: Storage) -> str:
    """The folder that holds those of the pictures, masks and lists, each of which may be an archive."""
    parts = [
        data.image_folder_name,
        data.change_image_folder_name,
        data.list_folder_name,
        data.annotation_folder_name,
    ]
    if is_archive(without_query(value)):
        return _with_lists(data, storage.folder_or_archive(value))
    names = storage.names(value)
    packed = {stem(name): name for name in names if is_archive(name)}
    packed = {part: packed[part] for part in parts if part in packed and part not in names}
    if not is_uri(value) and not packed:
        return _with_lists(data, value)
    folder = storage.folder(value, {*parts, *packed.values()})
    if not packed:
        return folder
    there = {part: packed.get(part, part) for part in parts if part in packed or part in names}
    return storage.unpacked({part: os.path.join(folder, name) for part, name in there.items()})


def _with_lists(data: SegmentDataset, folder: str) -> str:
    names = {data.train_split, data.validation_split, data.test_split, data.predict_split}
    root, _ = root_of(folder, [(data.list_folder_name, f"{name}.txt") for name in sorted(names) if name])
    return root or folder
