"""Archives of pictures, unpacked as if their maker meant harm.

Only plain files and folders come out, only below the folder that they are to be in, and not more than `Limits` says.
Rights, owners and times of the archive count for nothing.
"""

import gzip
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import IO

from goldenpair.errors import DataError, GoldenpairError, first_line, no_room, unwritable
from goldenpair.storage.limits import Limits

SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")
_CHUNK = 1 << 20
_HEADER = 1 << 24  # bytes of names and the like that one member may have
_ALWAYS = 1 << 26  # bytes that any archive may unpack to, however well they are packed
_BLOCK = 512  # of a tar
_FOR_WINDOWS = re.compile(r'[<>:"|?*\x00-\x1f]|[. ]$')
_DEVICES = re.compile(r"(CON|PRN|AUX|NUL|COM[0-9¹²³]|LPT[0-9¹²³])(\..*)?$", re.IGNORECASE)
_DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, OSError
)  # fmt: skip
_DEPTH = 100  # folders within folders
Step = Callable[[int], None]
"""Called with how many bytes of the archive are read."""


def is_archive(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def stem(name: str) -> str:
    """The name of an archive without what says that it is one."""
    return next(name[: -len(suffix)] for suffix in SUFFIXES if name.lower().endswith(suffix))


@dataclass
class _Count:
    """How much has come out of an archive of `packed` bytes."""

    archive: Path
    limits: Limits
    packed: int
    files: int = 0
    size: int = 0

    def one_more(self) -> None:
        self.files += 1
        if self.files > self.limits.max_files:
            raise self._too("files", f"{self.limits.max_files:,} files and folders", "storage.max_files")

    def add(self, size: int) -> None:
        self.size += size
        self.check(self.size)

    def check(self, size: int) -> None:
        """Refuse to unpack so many bytes."""
        if size > self.limits.max_gb * 1e9:
            raise self._too("bytes", f"{self.limits.max_gb:g} GB", "storage.max_gb")
        if size > _ALWAYS and size > self.packed * self.limits.max_ratio:
            times = f"{self.limits.max_ratio:g} times its own size"
            raise self._too("bytes", times, "storage.max_ratio")

    def _too(self, what: str, most: str, option: str) -> DataError:
        return DataError(
            f"archive {self.archive}: it unpacks to too many {what}, more than {most}; nothing of it is used. If you "
            f"know where it is from and it is meant to be so, raise {option}"
        )


def unpack(archive: Path, folder: Path, limits: Limits, step: Step = lambda _: None) -> None:
    """Unpack into an empty folder.

    Raises DataError for an archive that is missing, damaged, cut off, encrypted or beyond the limits, and for one with
    anything but files and folders of harmless names; then something may lie in the folder that is of no use.
    """
    try:
        packed = archive.stat().st_size
    except OSError as error:
        raise DataError(f"archive {archive}: it cannot be read ({first_line(error)})") from None
    count = _Count(archive, limits, packed)
    try:
        members = _zip(archive, count, step) if archive.name.lower().endswith(".zip") else _tar(archive, count, step)
        for name, content in members:
            _put(archive, folder, name, content, count)
    except GoldenpairError:
        raise
    except _DAMAGED as error:
        raise DataError(
            f"archive {archive}: it is damaged or cut off ({first_line(error)}); it has to be made or copied anew"
        ) from None
    except RuntimeError as error:  # zipfile's word for a password
        raise DataError(f"archive {archive}: it cannot be unpacked ({first_line(error)})") from None


def _put(archive: Path, folder: Path, name: str, content: IO[bytes] | None, count: _Count) -> None:
    count.one_more()
    target = folder.joinpath(*harmless(name, f"archive {archive}").parts)
    with _writing(archive, name):
        if content is None:
            target.mkdir(parents=True, exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.open("xb")
    with file:
        while chunk := _read(archive, name, content):
            count.add(len(chunk))
            with _writing(archive, name):
                file.write(chunk)


@contextmanager
def _writing(archive: Path, name: str) -> Iterator[None]:
    """Around the writing of a member."""
    try:
        yield
    except (FileExistsError, IsADirectoryError, NotADirectoryError):
        raise DataError(
            f"archive {archive}: {name!r} stands in it twice, or as a file and as a folder, at least for this system; "
            "which of them counts, nobody can tell"
        ) from None
    except OSError as error:
        if no_room(error):
            raise unwritable(f"archive {archive}: its member {name!r}", error) from None
        raise DataError(
            f"archive {archive}: its member {name!r} cannot be written here ({first_line(error)}); see to its name, "
            "and to the cache's folder and its permissions"
        ) from None


def _read(archive: Path, name: str, content: IO[bytes]) -> bytes:
    try:
        return content.read(_CHUNK)
    except _DAMAGED as error:
        raise DataError(
            f"archive {archive}: it is damaged or cut off in its member {name!r} ({first_line(error)}); it has to be "
            "made or copied anew"
        ) from None


def harmless(name: str, source: str, windows: bool = os.name == "nt") -> PurePosixPath:
    """A member's name as a relative path; DataError if it leads elsewhere, or where the system cannot write it."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    what = ""
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        what = "begins at the root of a disk"
    elif ".." in parts:
        what = "leads out of its folder"
    elif "\\" in name or "\0" in name:
        what = "has a sign that systems read in different ways; pack it with '/' between folders"
    elif not parts:
        return PurePosixPath()
    elif len(parts) > _DEPTH:
        name, what = f"{name[:_DEPTH]}...", f"lies {len(parts)} folders deep, more than {_DEPTH}"
    elif windows and (wrong := next((one for one in parts if _FOR_WINDOWS.search(one) or _DEVICES.match(one)), "")):
        what = f"holds {wrong!r}, which Windows cannot write; rename it, also in the table"
    if what:
        raise DataError(f"{source}: it is refused, because its member {name!r} {what}")
    return PurePosixPath(*parts)


def _zip(archive: Path, count: _Count, step: Step) -> Iterator[tuple[str, IO[bytes] | None]]:
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        if len(members) > count.limits.max_files:
            count.files = len(members)
            count.one_more()
        count.check(sum(one.file_size for one in members))
        done = 0
        for one in members:
            kind = stat.S_IFMT(one.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(archive, one.filename, "link" if kind == stat.S_IFLNK else "device")
            if one.is_dir():
                yield one.orig_filename, None
                continue
            with opened.open(one) as content:
                yield one.orig_filename, content
            done += one.compress_size
            step(done)


def _tar(archive: Path, count: _Count, step: Step) -> Iterator[tuple[str, IO[bytes] | None]]:
    with ExitStack() as stack:
        raw = stack.enter_context(archive.open("rb"))
        plain: gzip.GzipFile | BufferedReader = raw
        if not archive.name.lower().endswith(".tar"):
            plain = stack.enter_context(gzip.GzipFile(fileobj=raw))
        watched = _Watched(plain, count)
        opened = stack.enter_context(tarfile.open(fileobj=watched, mode="r:", encoding="utf-8"))  # type: ignore[call-overload]
        while one := opened.next():
            opened.members = []  # a million of them would stay in memory
            if one.isdir():
                yield one.name, None
                continue
            if not one.isreg():
                raise _refused(archive, one.name, "link" if one.issym() or one.islnk() else "device")
            content = opened.extractfile(one)
            assert content is not None
            yield one.name, content
            step(raw.tell())
        if watched.last != bytes(_BLOCK):  # tarfile takes whatever it cannot read for the end
            raise EOFError("its end is missing")
        while watched.read(_CHUNK):  # up to the checksum of gzip
            pass


def _refused(archive: Path, name: str, what: str) -> DataError:
    return DataError(
        f"archive {archive}: it is refused, because its member {name!r} is a {what}; pack files and folders only (tar "
        "--dereference packs what links lead to)"
    )


class _Watched:
    """What a tar is read from: no header may be huge, and no more come out than the limits allow."""

    def __init__(self, plain: gzip.GzipFile | BufferedReader, count: _Count):
        self._plain, self._count = plain, count
        self.last = b""

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        self._count.check(self._plain.tell() + size)
        self.last = self._plain.read(size)
        return self.last

    def seek(self, place: int) -> int:
        self._count.check(place)
        return self._plain.seek(place)

    def tell(self) -> int:
        return self._plain.tell()
