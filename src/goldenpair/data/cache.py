"""Pictures by number: decoded on demand, or decoded once and kept.

`Pictures` decodes whatever is asked for, several at a time. `decode_once` decodes what the cache lacks into it. A kept
picture is found by the hash of its file's content, so copies, moved folders and touched files need no decoding, and a
changed file never meets old pixels. That no file has to be read for this is due to links: path, size, times and number
of a file lead to the hash that its content had.
"""

import hashlib
import logging
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from goldenpair.data.decoding import decode, read
from goldenpair.data.packs import Pack, PackWriter, make_room, open_pack, open_packs
from goldenpair.data.threads import Threads
from goldenpair.errors import DataError
from goldenpair.progress import Progress
from goldenpair.specs.common import Cache
from goldenpair.storage.folders import default_folder, link

log = logging.getLogger(__name__)
T = TypeVar("T")
_CHUNK, _CHUNK_BYTES = 256, 2**26  # pictures decoded before they are written
_INDEX = 150  # bytes that a picture and its link take at most in a pack beside its pixels
_SPARE = 1e9  # bytes of the disk that are left to others
_SETTLED = 2e9  # nanoseconds after which another change of a file shows in its time, on every file system


class Pictures:
    """Files of pictures by number, decoded whenever they are asked for.

    `errors` tells for every number that could not be decoded why; such a picture reads as zeros.
    """

    def __init__(self, paths: list[str], height: int, width: int, workers: int):
        self.paths = paths
        self.height, self.width, self.workers = height, width, workers
        self.errors: dict[int, str] = {}
        self._threads = Threads(workers)

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        """uint8 [*index.shape, 3, height, width]."""
        flat = index.reshape(-1).tolist()
        out = np.empty((len(flat), 3, self.height, self.width), np.uint8)
        self._decode_into(out, flat, range(len(flat)))
        return out.reshape(*index.shape, 3, self.height, self.width)

    def each(self, work: Callable[[int], T], items: Sequence[int]) -> list[T]:
        """`work` of each item, by all threads."""
        return self._threads.each(work, items)

    def _decode_into(self, out: NDArray[np.uint8], numbers: Sequence[int], places: Sequence[int]) -> None:
        def work(place: int) -> None:
            number = numbers[place]
            try:
                out[place] = decode(self.paths[number], self.height, self.width)
            except DataError as error:
                self.errors[number] = str(error)
                out[place] = 0

        self.each(work, places)


class KeptPictures(Pictures):
    """Pictures of which most lie in packs; the others are decoded on demand."""

    def __init__(self, pictures: Pictures, where: list[tuple[Pack, int, int] | None]):
        super().__init__(pictures.paths, pictures.height, pictures.width, pictures.workers)
        self.errors = pictures.errors
        self._where = where  # pack, row and checksum of each number
        self._checked = np.zeros(len(where), np.bool_)
        self._damaged: set[Path] = set()

    def read(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        flat = index.reshape(-1).tolist()
        out = np.empty((len(flat), 3, self.height, self.width), np.uint8)
        missing = []
        for place, number in enumerate(flat):
            kept = self._kept(number)
            if kept is not None:
                out[place] = kept
            elif number in self.errors:
                out[place] = 0
            else:
                missing.append(place)
        self._decode_into(out, flat, missing)
        return out.reshape(*index.shape, 3, self.height, self.width)

    def _kept(self, number: int) -> NDArray[np.uint8] | None:
        """The pixels in the cache; when they are first read it is checked that they are those that were written."""
        found = self._where[number]
        if found is None:
            return None
        pack, row, checksum = found
        pixels: NDArray[np.uint8] = pack.pixels[row]
        if not self._checked[number]:
            if zlib.crc32(pixels.data) != checksum:
                self._where[number] = None
                if pack.path not in self._damaged:
                    log.warning("%s in the cache is damaged; it is removed and made anew by the next run.", pack.path)
                    self._damaged.add(pack.path)
                    pack.drop()
                return None
            self._checked[number] = True
        return pixels


def decode_once(pictures: Pictures, cache: Cache, progress: Progress | None = None) -> Pictures:
    """The same pictures from the cache, decoded into it first where it does not have them.

    Pictures that cannot be decoded are tried anew in every run. What the cache cannot hold, or cannot be written to
    it, is decoded on demand, which is said in the log.
    """
    if not cache.enable or not len(pictures):
        return pictures
    size = len(pictures) * (3 * pictures.height * pictures.width + _INDEX)
    limit = cache.limit_gb * 1e9
    if size > limit:
        log.warning(
            "The pictures need %.1f GB and dataset.cache.limit_gb is %g: they are decoded anew in every epoch.",
            size / 1e9,
            cache.limit_gb,
        )
        return pictures
    folder = Path(cache.dir) if cache.dir else default_folder()
    links = [link(path)[0] for path in pictures.paths]
    packs = open_packs(folder, pictures.height, pictures.width)
    known: dict[str, str] = {}
    for pack in packs:
        known.update(pack.links)
    hashes = [known.get(one) if one else None for one in links]
    now = time.time_ns()
    for pack in packs:
        if not (pack.links.keys().isdisjoint(links) and pack.pictures.keys().isdisjoint(hashes)):
            pack.used(now)
    try:
        new = _fill(pictures, packs, links, hashes, folder, limit, progress)
        if new:
            packs.append(open_pack(new))
    except (OSError, ValueError) as error:
        log.warning(
            "The cache %s cannot be used (%s): pictures that are not in it are decoded anew in every epoch.",
            folder,
            error,
        )
    rows = {digest: (pack, *place) for pack in packs for digest, place in pack.pictures.items()}
    return KeptPictures(pictures, [rows.get(one) if one else None for one in hashes])


@dataclass
class _Looked:
    """A file that was read: the hash of its content, its link if it may be remembered, its pixels if they are new."""

    digest: str = ""
    link: str = ""
    pixels: NDArray[np.uint8] | None = None
    checksum: int = 0
    error: str = ""


def _fill(
    pictures: Pictures,
    packs: list[Pack],
    before: list[str],
    hashes: list[str | None],
    folder: Path,
    limit: float,
    progress: Progress | None,
) -> Path | None:
    """Put what is not in `packs` into a new one and complete `hashes`; the new pack, None if nothing is new.

    `before` are the links of all pictures as they were when it was looked for them in `packs`.
    """
    have = {digest for pack in packs for digest in pack.pictures}
    todo = [number for number, digest in enumerate(hashes) if digest not in have]
    if not todo:
        return None
    size = 3 * pictures.height * pictures.width
    chunk = max(pictures.workers, 1, min(_CHUNK, _CHUNK_BYTES // size))
    links: dict[str, str] = {}
    folder.mkdir(parents=True, exist_ok=True)
    with PackWriter(folder, pictures.height, pictures.width) as writer:
        for start in range(0, len(todo), chunk):
            numbers = todo[start : start + chunk]
            looked = pictures.each(lambda number: _look(pictures, number, before[number], have), numbers)
            needed = sum(one.pixels is not None for one in looked) * size + len(numbers) * _INDEX
            make_room(folder, limit - needed)
            if shutil.disk_usage(folder).free < _SPARE + needed:
                log.warning("The disk of the cache %s is nearly full: not all pictures are kept in it.", folder)
                break
            for number, one in zip(numbers, looked, strict=True):
                if one.error:
                    pictures.errors[number] = one.error
                    continue
                hashes[number] = one.digest
                if one.link:
                    links[one.link] = one.digest
                if one.pixels is not None and one.digest not in have:
                    writer.add(one.digest, one.pixels, one.checksum)
                    have.add(one.digest)
            if progress:
                progress(start + len(numbers), len(todo))
        if not links and not len(writer):
            return None
        return writer.finish(links, _common_folder(pictures.paths[number] for number in todo))


def _look(pictures: Pictures, number: int, before: str, have: set[str]) -> _Looked:
    path = pictures.paths[number]
    try:
        content = read(path)
        digest = hashlib.sha256(content).hexdigest()[:32]
        after, changed = link(path)
        # not what has changed meanwhile, and not so soon that a second change could leave the same state
        settled = after == before and time.time_ns() - changed > _SETTLED
        looked = _Looked(digest, before if settled else "")
        if digest not in have:
            looked.pixels = decode(content, pictures.height, pictures.width, path)
            looked.checksum = zlib.crc32(looked.pixels.data)
    except DataError as error:
        return _Looked(error=str(error))
    return looked


def _common_folder(paths: Iterable[str]) -> str:
    try:
        folder = os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths])
    except ValueError:  # Windows: on several drives
        return ""
    return folder.encode("utf-8", "replace").decode()  # names that are no text can still be shown
