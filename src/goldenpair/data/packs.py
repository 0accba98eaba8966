"""The cache's folder: files of decoded pictures, addressed by what was decoded.

A pack holds pixels one after the other, then an index, then its length and hash. It is written under a temporary name
and renamed, and never changed: what a run lacks goes into one more pack. So any number of processes may read, write
and remove packs at the same time. The oldest packs go when the folder gets too large; nothing in it is missed.
"""

import hashlib
import json
import os
import secrets
import struct
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
import PIL
from numpy.typing import NDArray

from goldenpair.errors import DataError, first_line
from goldenpair.storage.folders import FETCHED, RESULTS

if sys.platform != "win32":
    import fcntl

_VERSION = 1  # of decoding and of the file format: a change of either must change it
_TAIL = struct.Struct("<Q32s8s")  # length and hash of the index, and a mark
_MARK = b"gp-pack\n"
_MOST_PACKS = 64  # beyond that half of them go, and the next run puts their pictures together into one
_FRESH = 60  # seconds for which nobody but its writer touches a temporary file


@dataclass
class Pack:
    """A pack opened for reading.

    `pixels` uint8 [n, 3, height, width] are mapped, not read. `pictures` tells for the hash of a file's content its
    row in them and the CRC-32 of that row. `links` tells for a path and its state (see `cache.link`) the hash of the
    content. `folder` is where most of them were.
    """

    path: Path
    pixels: NDArray[np.uint8]
    pictures: Mapping[str, tuple[int, int]]
    links: Mapping[str, str]
    folder: str

    def used(self, now: int) -> None:
        """Note that it was used `now`, in nanoseconds: the pack unused for longest goes first."""
        try:
            os.utime(self.path, ns=(now, now))
        except OSError:  # a folder that may only be read
            pass

    def drop(self) -> None:
        """Remove a pack that turned out to be damaged."""
        _remove(self.path)


class PackWriter:
    """A new pack, to be used as a context; without `finish` nothing remains of it. Raises OSError, as files do."""

    def __init__(self, folder: Path, height: int, width: int):
        self._folder = folder
        self._name = f"{_prefix(height, width)}-"
        self._temporary = folder / f"{self._name}{os.getpid()}-{secrets.token_hex(4)}.tmp"
        self._file: IO[bytes] | None = None
        self._pictures: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> "PackWriter":
        self._file = self._temporary.open("xb")
        _lock(self._file)
        return self

    def __len__(self) -> int:
        return len(self._pictures)

    def add(self, digest: str, row: NDArray[np.uint8], checksum: int) -> None:
        """Append the pixels of a picture, uint8 [3, height, width]."""
        assert self._file is not None
        self._file.write(row.data)
        self._pictures[digest] = (len(self._pictures), checksum)

    def finish(self, links: Mapping[str, str], folder: str) -> Path:
        """Write the index and give the pack its name, a hash of what it holds; returns its path."""
        assert self._file is not None
        index = json.dumps({"pictures": self._pictures, "links": links, "folder": folder}).encode()
        digest = hashlib.sha256(index)
        self._file.write(index + _TAIL.pack(len(index), digest.digest(), _MARK))
        self._file.close()
        path = self._folder / f"{self._name}{digest.hexdigest()[:24]}.pack"
        try:
            os.replace(self._temporary, path)
        except PermissionError:  # Windows: another process made the same pack just now and reads it
            if not path.exists():
                raise
        return path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        try:
            self._file.close()  # which may fail too where the disk is full
        finally:
            self._temporary.unlink(missing_ok=True)


def open_pack(path: Path) -> Pack:
    """Raises ValueError for a file that is no whole pack of this version, OSError if it cannot be read."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL.size))
        tail = file.read()
        if len(tail) < _TAIL.size:
            raise ValueError("too short")
        length, digest, mark = _TAIL.unpack(tail)
        if mark != _MARK or length > size - _TAIL.size:
            raise ValueError("no pack")
        file.seek(size - _TAIL.size - length)
        text = file.read(length)
        if hashlib.sha256(text).digest() != digest:
            raise ValueError("the index is damaged")
        index = json.loads(text)
        height, width = (int(side) for side in path.name.split("-")[2].split("x"))
        shape = (len(index["pictures"]), 3, height, width)
        if size != int(np.prod(shape)) + length + _TAIL.size:
            raise ValueError("its size is not what the index says")
        # of a plain array a row is had ten times as fast as of a memmap
        pixels = np.asarray(np.memmap(file, np.uint8, "r", shape=shape)) if shape[0] else np.empty(shape, np.uint8)
    return Pack(path, pixels, index["pictures"], index["links"], index["folder"])


def open_packs(folder: Path, height: int, width: int) -> list[Pack]:
    """All whole packs of pictures of this size; damaged ones are removed."""
    found = []
    for path in sorted(folder.glob(f"{_prefix(height, width)}-*.pack")):
        try:
            found.append(open_pack(path))
        except ValueError:
            _remove(path)
        except OSError:  # removed by another process just now
            continue
    return found


def make_room(folder: Path, allowed: float) -> None:
    """Remove what killed runs left, then the packs unused for longest until at most `allowed` bytes are in use.

    What this or another process reads is removed only in name; on Windows it stays.
    """
    total = 0.0
    for path in _files(folder, "tmp"):
        state = _stat(path)
        if state and time.time() - state.st_mtime > _FRESH and not _in_work(path) and _remove(path):
            continue
        total += state.st_size if state else 0
    packs = [(state.st_mtime_ns, state.st_size, path) for path in _files(folder, "pack") if (state := _stat(path))]
    most = _MOST_PACKS if len(packs) <= _MOST_PACKS else _MOST_PACKS // 2
    for place, (_, size, path) in enumerate(sorted(packs, reverse=True)):  # of equally old ones the large stay
        total += size
        if (total > allowed or place >= most) and _remove(path):
            total -= size


@dataclass(frozen=True)
class PackInfo:
    """What `goldenpair cache` tells of a pack."""

    folder: str
    pictures: int
    height: int
    width: int
    size: int
    """Bytes."""
    used: float
    """Seconds since the epoch."""


@dataclass
class Contents:
    """What lies in a cache folder, the latest used first; sizes are bytes."""

    packs: list[PackInfo] = field(default_factory=list)
    damaged: int = 0
    in_work: int = 0
    """Temporary files of processes that are at work."""
    leftovers: int = 0
    """Temporary files that killed processes left."""
    size: int = 0
    """Of all of these."""


def contents(folder: Path) -> Contents:
    """Raises DataError if `folder` is something else."""
    found = Contents()
    _check_folder(folder)
    for path in [*_files(folder, "pack"), *_files(folder, "tmp")]:
        state = _stat(path)
        if state is None:
            continue
        found.size += state.st_size
        if path.suffix == ".tmp":
            busy = _in_work(path)
            found.in_work += busy
            found.leftovers += not busy
            continue
        try:
            pack = open_pack(path)
        except (ValueError, OSError):
            found.damaged += 1
            continue
        count, _, height, width = pack.pixels.shape
        found.packs.append(PackInfo(pack.folder, count, height, width, state.st_size, state.st_mtime))
    found.packs.sort(key=lambda info: info.used, reverse=True)
    return found


def clear(folder: Path) -> tuple[int, int, int]:
    """Remove everything but what other processes are writing; how many files and bytes went, and how many stayed.

    Raises DataError if `folder` is no folder, or one of somebody else's.
    """
    _check_folder(folder)
    gone = freed = stayed = 0
    for path in [*_files(folder, "pack"), *_files(folder, "tmp")]:
        state = _stat(path)
        if state is None:
            continue
        if (path.suffix == ".tmp" and _in_work(path)) or not _remove(path):
            stayed += 1
        else:
            gone += 1
            freed += state.st_size
    return gone, freed, stayed


def _check_folder(folder: Path) -> None:
    try:
        first = next((path for path in folder.iterdir() if path.name not in (FETCHED, RESULTS)), None)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise DataError(f"cache {folder}: it is no folder; name the one that holds the cache") from None
    except OSError as error:
        raise DataError(f"cache {folder}: it cannot be read ({first_line(error)})") from None
    if first and not any(True for suffix in ("pack", "tmp") for _ in _files(folder, suffix)):
        raise DataError(
            f"cache {folder}: nothing in this folder is of a cache of goldenpair; name the one that holds it. Nothing "
            "was touched"
        )


def _prefix(height: int, width: int) -> str:
    # other decoders may decode a little differently
    return f"v{_VERSION}-pillow{PIL.__version__}+simplejpeg{version('simplejpeg')}-{height}x{width}"


def _files(folder: Path, suffix: str) -> Iterator[Path]:
    return folder.glob(f"v*-pillow*-*x*-*.{suffix}")


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:  # removed by another process just now
        return None


def _remove(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # Windows keeps files that a process has open; a folder may be for reading only
        return False
    return True


def _lock(file: IO[bytes]) -> None:
    """Mark a temporary file as one that a live process writes; the system takes the mark off when that ends."""
    if sys.platform != "win32":  # Windows does not remove a file that is open anyway
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # some network folders have no locks
            pass


def _in_work(path: Path) -> bool:
    """Whether a live process writes a temporary file; on Windows only the attempt to remove it can tell."""
    if sys.platform != "win32":
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
    return False
