"""Pictures: decoding them, and keeping them decoded.

`Pictures` decodes on demand, several at a time. `decode_once` puts a whole list of them into one memory-mapped
file whose name is a hash of all paths, sizes and change times, so a stale file is never read: another name is
looked for. A file is written under a temporary name and renamed, so it is whole or not there.
"""

import hashlib
import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from goldenpair.errors import DataError
from goldenpair.specs.common import Cache

log = logging.getLogger(__name__)
_VERSION = 1  # of decoding and of the file format: a change of either must change it
_CHUNK = 256
_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
_ABANDONED = 24 * 3600  # seconds after which a temporary file is nobody's any more
# what Pillow's decoders raise on damaged files
_UNREADABLE = (OSError, ValueError, SyntaxError, RuntimeError, EOFError, Image.DecompressionBombError)

Progress = Callable[[int, int], None]
"""Called with (done, total) now and then."""


def decode(source: str | Path | bytes, height: int, width: int, name: str = "") -> NDArray[np.uint8]:
    """A picture as uint8 [3, height, width] RGB, resized as TAO does it (Pillow, bilinear with antialiasing).

    Raises DataError for a file that is missing, is no picture, is cut off, has more than 8 bits a channel (which
    Pillow would clip to white), or is entirely black: the score of such a picture would mean nothing. `name` is
    what the message calls a picture without a path.
    """
    name = name or "the picture" if isinstance(source, bytes) else str(source)
    try:
        content = source if isinstance(source, bytes) else Path(source).read_bytes()
        if content.startswith(_JPEG_START) and content.rfind(_JPEG_END) < content.rfind(_JPEG_SCAN):
            raise DataError(f"{name}: it is cut off (its end is missing)")  # Pillow fills the rest with grey
        with Image.open(BytesIO(content)) as image:
            if image.mode.startswith(("I", "F")):
                raise DataError(f"{name}: its pixels have more than 8 bits ({image.mode}); save it with 8 bits")
            rgb = image.convert("RGB")
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{name}: there is no such file") from None
    except UnidentifiedImageError:  # its text names an object of ours, not the file
        raise DataError(f"{name}: not a readable picture (no format that Pillow knows)") from None
    except _UNREADABLE as error:
        raise DataError(f"{name}: not a readable picture ({error})") from None
    return as_picture(np.asarray(rgb), height, width, name)


def as_picture(pixels: NDArray[np.uint8], height: int, width: int, name: str) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] pixels as uint8 [3, height, width]; DataError if they are entirely black."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise DataError(f"{name}: expected uint8 [H, W, 3], got {pixels.dtype} {list(pixels.shape)}")
    if not pixels.any():
        raise DataError(f"{name}: it is entirely black")
    if pixels.shape[:2] != (height, width):
        resized = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
        pixels = np.asarray(resized)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


class Pictures:
    """Files of pictures by number, decoded whenever they are asked for.

    `errors` tells for every number that could not be decoded why; such a picture reads as zeros.
    """

    def __init__(self, paths: list[str], height: int, width: int, workers: int):
        self.paths = paths
        self.height, self.width = height, width
        self.errors: dict[int, str] = {}
        self._threads = max(1, min(workers, os.cpu_count() or 1))
        self._pool = ThreadPoolExecutor(self._threads) if self._threads > 1 else None

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        """uint8 [*index.shape, 3, height, width]."""
        flat = index.reshape(-1)
        out = np.empty((flat.size, 3, self.height, self.width), np.uint8)
        self._decode_into(out, flat)
        return out.reshape(*index.shape, 3, self.height, self.width)

    def _decode_into(self, out: NDArray[np.uint8], numbers: NDArray[np.int64]) -> None:
        def work(part: range) -> None:
            for place in part:
                number = int(numbers[place])
                try:
                    out[place] = decode(self.paths[number], self.height, self.width)
                except DataError as error:
                    self.errors[number] = str(error)
                    out[place] = 0

        parts = [range(start, len(numbers), self._threads) for start in range(self._threads)]
        if self._pool is None:
            work(parts[0])
        else:
            list(self._pool.map(work, parts))


class DecodedPictures(Pictures):
    """Pictures that lie decoded in a file."""

    def __init__(self, paths: list[str], height: int, width: int, file: Path, errors: dict[int, str]):
        super().__init__(paths, height, width, workers=0)
        self.errors = errors
        self._map = np.memmap(file, np.uint8, "r", shape=(len(paths), 3, height, width))

    def read(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.asarray(self._map)[index]


def decode_once(pictures: Pictures, cache: Cache, progress: Progress | None = None) -> Pictures:
    """The same pictures from the cache, decoded into it first where it does not have them.

    Returns `pictures` themselves, which decode on demand, if the cache is off, cannot hold them or cannot be
    written to; the last two are said in the log.
    """
    if not cache.enable or not len(pictures):
        return pictures
    size = len(pictures) * 3 * pictures.height * pictures.width
    if size > cache.limit_gb * 1e9:
        log.warning(
            "The pictures need %.1f GB and dataset.cache.limit_gb is %g: they are decoded anew in every epoch.",
            size / 1e9,
            cache.limit_gb,
        )
        return pictures
    folder = Path(cache.dir) if cache.dir else default_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{_key(pictures)}.u8"
        found = _load(pictures, file)
        if found is None:
            _make_room(folder, int(cache.limit_gb * 1e9) - size)
            _fill(pictures, file, size, progress)
            found = _load(pictures, file)
    except OSError as error:
        log.warning("The cache %s cannot be used (%s): pictures are decoded anew in every epoch.", folder, error)
        return pictures
    return found or pictures


def default_folder() -> Path:
    """`GOLDENPAIR_CACHE`, or the user's cache folder on this system."""
    if chosen := os.environ.get("GOLDENPAIR_CACHE"):
        return Path(chosen)
    if os.name == "nt":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "goldenpair"


def _key(pictures: Pictures) -> str:
    digest = hashlib.sha256(f"{_VERSION} {pictures.height} {pictures.width}".encode())
    for path in pictures.paths:
        try:
            stat = os.stat(path)
            state = f"{stat.st_size} {stat.st_mtime_ns}"
        except OSError:
            state = "missing"
        digest.update(f"\n{os.path.abspath(path)} {state}".encode())
    return digest.hexdigest()[:32]


def _load(pictures: Pictures, file: Path) -> DecodedPictures | None:
    note = file.with_suffix(".json")
    try:
        errors = {int(number): text for number, text in json.loads(note.read_text(encoding="utf-8")).items()}
        decoded = DecodedPictures(pictures.paths, pictures.height, pictures.width, file, errors)
        os.utime(note)  # the least recently used entry goes first
    except (OSError, ValueError):
        return None
    return decoded


def _fill(pictures: Pictures, file: Path, size: int, progress: Progress | None) -> None:
    free = shutil.disk_usage(file.parent).free
    if size > free * 0.9:
        raise OSError(f"{size / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free")
    temporary = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        shape = (len(pictures), 3, pictures.height, pictures.width)
        store = np.memmap(temporary, np.uint8, "w+", shape=shape)
        for start in range(0, len(pictures), _CHUNK):
            numbers = np.arange(start, min(start + _CHUNK, len(pictures)))
            store[numbers[0] : numbers[-1] + 1] = pictures.read(numbers)
            if progress:
                progress(int(numbers[-1]) + 1, len(pictures))
        store.flush()
        del store
        os.replace(temporary, file)
        note = temporary.with_suffix(".note")
        note.write_text(json.dumps(pictures.errors), encoding="utf-8")
        os.replace(note, file.with_suffix(".json"))  # the note comes last: with it the entry is whole
    finally:
        temporary.unlink(missing_ok=True)


def _make_room(folder: Path, allowed: int) -> None:
    """Remove the least recently used entries until at most `allowed` bytes are left, and what killed runs left."""
    for leftover in folder.glob("*.tmp"):
        if time.time() - leftover.stat().st_mtime > _ABANDONED:
            leftover.unlink(missing_ok=True)
    notes = sorted(folder.glob("[0-9a-f]" * 32 + ".json"), key=lambda note: note.stat().st_mtime, reverse=True)
    total = 0
    for note in notes:
        file = note.with_suffix(".u8")
        total += file.stat().st_size if file.exists() else 0
        if total > allowed:
            try:
                note.unlink(missing_ok=True)
                file.unlink(missing_ok=True)
            except OSError:  # Windows keeps files that another process has mapped
                log.debug("%s is in use and stays in the cache", file)
