"""Files of a store on this disk: several at a time, each whole or not there, going on where an earlier try ended."""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from goldenpair.errors import DataError, writing_to
from goldenpair.storage.stores import Found, Store
from goldenpair.storage.uris import is_web

_BLOCK = 1 << 24  # bytes that are asked for at once
PARTS = ".*.part"
"""What files that are not whole are called: hidden, and by their version."""
Step = Callable[[int], None]
"""Called with the bytes that have come since the last call; threads may call it at the same time."""


def download_all(store: Store, files: Sequence[Found], folder: Path, workers: int, step: Step) -> None:
    """All files below `folder`, by their names; the first error ends it, and what is whole stays."""
    with ThreadPoolExecutor(max(1, workers)) as pool:
        running = [pool.submit(download, store, one, folder / one.name, step) for one in files]
        try:
            for each in as_completed(running):
                each.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def download(store: Store, found: Found, target: Path, step: Step) -> None:
    """One file under its true name, which it gets when it is whole; DataError if it is not had."""
    if target.is_file():
        step(found.size or 0)
        return
    part = _part(target, found)
    with writing_to(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if not found.version:  # nobody knows what was begun
            part.unlink(missing_ok=True)
    if found.size is not None and found.size <= _BLOCK:
        with store.reached(found.name):
            content: bytes = store.fs.cat_file(found.path)
        with writing_to(part):
            part.write_bytes(content)
        step(len(content))
    elif is_web(store.uri):
        _stream(store, found, part, step)
    else:
        _blocks(store, found, part, step)
    size = part.stat().st_size
    if found.size is not None and size != found.size:
        part.unlink()
        raise DataError(f"{store.told}: {size} of {found.size} bytes came of {found.name or 'it'}; try again")
    with writing_to(target):
        os.replace(part, target)


def _part(target: Path, found: Found) -> Path:
    """The name of a file until it is whole: another version of it goes on from nothing of this one."""
    mark = hashlib.sha256(f"{target.name}\n{found.size} {found.version}".encode("utf-8", "surrogatepass"))
    return target.with_name(f".{mark.hexdigest()[:24]}.part")


def _stream(store: Store, found: Found, part: Path, step: Step) -> None:
    """From the beginning: not every server of the web can send a part of a file."""

    class Counted:
        """What fsspec calls with the progress of a download."""

        def set_size(self, size: int | None) -> None:
            pass

        def relative_update(self, size: int) -> None:
            step(size)

    callback: Any = Counted()
    with store.reached(found.name), part.open("wb") as file:
        store.fs.get_file(found.path, file, callback=callback)


def _blocks(store: Store, found: Found, part: Path, step: Step) -> None:
    """Block by block, on from where an earlier try of the same version ended."""
    size = found.size
    if size is None:
        raise DataError(f"{store.told}: the store does not say how large {found.name or 'it'} is")
    done = part.stat().st_size if part.is_file() else 0
    if done > size:
        part.unlink()
        done = 0
    step(done)
    with writing_to(part):
        file = part.open("ab")
    with file:
        while done < size:
            with store.reached(found.name):
                content: bytes = store.fs.cat_file(found.path, start=done, end=min(done + _BLOCK, size))
            if not content:
                break
            with writing_to(part):
                file.write(content)
            done += len(content)
            step(len(content))
    if not store.is_still(found):
        part.unlink()
        raise DataError(f"{store.told}: it changed while it was fetched; try again")
