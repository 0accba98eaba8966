"""The folder of what was fetched and unpacked: entries that appear whole, and are never changed.

An entry is a folder named by where its content is from and by its version. It is filled under another name by one
process at a time and renamed when it is whole, so a killed one leaves nothing that is taken for an entry, and the next
goes on with what is there. Those unused for longest go first when there is too much, but none that a process uses.
"""

import errno
import json
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from goldenpair.errors import GoldenpairError, RunError, writing_to
from goldenpair.storage.folders import FETCHED

log = logging.getLogger(__name__)
_ABOUT, _CONTENT = "about.json", "content"
_PART, _LOCK, _USE = ".part", ".lock", ".use"
_SPARE = 1e9  # bytes of the disk that are left to others


@dataclass(frozen=True)
class Kept:
    """What `goldenpair cache` tells of an entry; `size` is in bytes, `used` in seconds since the epoch."""

    path: Path
    source: str
    files: int
    size: int
    used: float
    whole: bool


class Shelf:
    """Entries below a cache folder. What this object has given is in use until it is closed."""

    def __init__(self, cache: Path, limit_gb: float):
        self._folder = cache / FETCHED
        self._limit = limit_gb * 1e9
        self._marks = ExitStack()
        self._used: set[str] = set()

    def close(self) -> None:
        self._marks.close()
        self._used.clear()

    def entry(self, key: str, source: str, fill: Callable[[Path], None]) -> Path:
        """The content of an entry, which `fill` writes into the folder it gets where there is none yet.

        `fill` may find there what a killed process has left. Raises what it raises, RunError where the disk is full
        and DataError where nothing may be written.
        """
        entry = self._folder / key
        with writing_to(f"cache {self._folder}"):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._use(key)
            if not _whole(entry):
                with _locked(self._folder / f"{key}{_LOCK}"):
                    if not _whole(entry):  # nor has another process made it meanwhile
                        self._make(entry, source, fill)
            with suppress(OSError):
                os.utime(entry / _ABOUT)
        return entry / _CONTENT

    def _make(self, entry: Path, source: str, fill: Callable[[Path], None]) -> None:
        part = entry.with_name(entry.name + _PART)
        (part / _CONTENT).mkdir(parents=True, exist_ok=True)
        (part / _ABOUT).write_text(json.dumps({"source": source}), encoding="utf-8")
        try:
            fill(part / _CONTENT)
        except GoldenpairError:
            if not any((part / _CONTENT).iterdir()):  # nothing to go on from
                shutil.rmtree(part, ignore_errors=True)
            raise
        files, size = measured(part / _CONTENT)
        about = {"source": source, "files": files, "size": size}
        (part / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
        os.replace(part, entry)

    def others(self, start: str) -> list[Path]:
        """Contents of entries, also of unfinished ones, whose key begins so."""
        return [path / _CONTENT for path in sorted(self._folder.glob(f"{start}*")) if (path / _CONTENT).is_dir()]

    def make_room(self, needed: float) -> None:
        """Remove what was unused for longest, so that `needed` bytes more stay within the limit.

        RunError if the disk has no room for them.
        """
        kept = sorted(entries(self._folder), key=lambda one: one.used)
        total = sum(one.size for one in kept) + needed
        for one in kept:
            if total <= self._limit:
                break
            if _remove(one.path):
                total -= one.size
        with writing_to(f"cache {self._folder}"):
            self._folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self._folder).free
        if free < needed + _SPARE:
            raise RunError(
                f"cache {self._folder}: {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free; make room "
                "there (`goldenpair cache clear`), or set GOLDENPAIR_CACHE to a folder on another disk"
            )

    def _use(self, key: str) -> None:
        """Mark an entry as used by this process; the system takes the mark off however that ends."""
        if key in self._used:
            return
        name = f"{key}.{os.getpid()}-{secrets.token_hex(4)}{_USE}"
        mark = FileLock(self._folder / name, fallback_to_soft=False)
        with suppress(OSError):  # some network folders have no locks
            mark.acquire()
            self._marks.callback(_take_off, mark)
        self._used.add(key)


def entries(folder: Path) -> list[Kept]:
    """All entries below `FETCHED` of a cache, unfinished ones too."""
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not path.is_dir():
            continue
        about = _about(path)
        whole = not path.name.endswith(_PART) and "size" in about
        files, size = (about["files"], about["size"]) if whole else measured(path)
        try:
            used = (path / _ABOUT).stat().st_mtime
        except OSError:
            used = 0.0
        found.append(Kept(path, str(about.get("source", path.name)), files, size, used, whole))
    return found


def clear(folder: Path) -> tuple[int, int, int]:
    """Remove all entries that no process uses; how many and how many bytes went, and how many stayed."""
    gone = freed = stayed = 0
    for one in entries(folder):
        if _remove(one.path):
            gone, freed = gone + 1, freed + one.size
        else:
            stayed += 1
    for left in [*folder.glob(f"*{_LOCK}"), *folder.glob(f"*{_USE}")]:
        if not held(left):
            with suppress(OSError):
                left.unlink(missing_ok=True)
    return gone, freed, stayed


def _about(path: Path) -> dict[str, Any]:
    try:
        found = json.loads((path / _ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _whole(entry: Path) -> bool:
    return (entry / _ABOUT).is_file()


def measured(folder: Path) -> tuple[int, int]:
    """Files below a folder and their bytes."""
    sizes = []
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                sizes.append(os.lstat(os.path.join(place, name)).st_size)
    return len(sizes), sum(sizes)


def _remove(path: Path) -> bool:
    """Remove an entry, unless a process uses or fills it; whether it is gone."""
    key = path.name.removesuffix(_PART)
    marks = list(path.parent.glob(f"{key}.*{_USE}"))
    if any(held(mark) for mark in [*marks, path.with_name(key + _LOCK)]):
        return False
    away = path.with_name(f"{key}.{secrets.token_hex(4)}{_PART}")
    try:
        os.replace(path, away)  # from here on nobody takes it for an entry
    except OSError:
        return False
    shutil.rmtree(away, ignore_errors=True)
    for mark in marks:
        with suppress(OSError):
            mark.unlink(missing_ok=True)
    return not away.exists()


def held(mark: Path) -> bool:
    """Whether a live process holds a lock."""
    if not mark.exists():
        return False
    lock = FileLock(mark, timeout=0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


def _take_off(mark: FileLock) -> None:
    mark.release()
    with suppress(OSError):
        Path(mark.lock_file).unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("Another process is making %s: waiting for it ...", path.stem)
        lock.acquire(timeout=-1)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        yield  # a file system without locks
        return
    try:
        yield
    finally:
        lock.release()
