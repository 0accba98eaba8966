"""Remote files and archives as local paths: fetched and unpacked once, looked for again only where they changed."""

import hashlib
import json
import logging
import os
import shutil
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from goldenpair.errors import DataError, GoldenpairError, first_line, writing_to
from goldenpair.progress import transfer_bar
from goldenpair.storage.archives import is_archive, unpack
from goldenpair.storage.downloads import download_all
from goldenpair.storage.folders import default_folder, link
from goldenpair.storage.limits import Limits
from goldenpair.storage.shelf import Shelf
from goldenpair.storage.stores import Found, Store
from goldenpair.storage.uris import (
    canonical,
    is_uri,
    last_name,
    local_path,
    without_query,
    without_secrets,
    without_signature,
)

log = logging.getLogger(__name__)
_INDEX = "index.json"
_UNPACKED = "v1"  # of how archives are unpacked: a change must change it
_TOLD = 10_000_000  # bytes from which on it is said that something is fetched


class Storage:
    """To be used as a context: until its end nothing that it gave is removed from the cache.

    Every method takes a local path or a URI as text and gives a local path; a local one comes back as it is, and
    nothing is looked at for it. All raise DataError where something is not to be had, which names the URI and what to
    do, InputError for a scheme that is not offered or whose package is missing, RunError where the disk is full.
    """

    def __init__(self, limits: Limits | None = None, folder: Path | None = None):
        self.limits = limits or Limits()
        self._shelf = Shelf(folder or default_folder(), self.limits.limit_gb)

    def __enter__(self) -> "Storage":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shelf.close()

    def file(self, place: str) -> str:
        """A file."""
        local = _local(place)
        if local is not None:
            return local
        store = Store(place)
        found = store.file()
        name = last_name(store.uri)
        return str(self._fetched("file", store, [Found(name, found.path, found.size, found.version)]) / name)

    def beside(self, place: str) -> str:
        """A file, and with it those beside it whose names begin with the same stem, as an exported model has them."""
        local = _local(place)
        if local is not None:
            return local
        parent, _, name = canonical(place).rpartition("/")
        store, start = Store(parent), name.rpartition(".")[0] + "."
        files = [one for one in store.files() if "/" not in one.name and one.name.startswith(start)]
        if name not in [one.name for one in files]:
            raise DataError(f"{without_secrets(place)}: there is no such file; see to the name")
        return str(self._fetched("files", store, files, start) / name)

    def folder(self, place: str, only: Collection[str] | None = None) -> str:
        """A folder with all that is below it, or of its direct members `only` these."""
        local = _local(place)
        if local is not None:
            return local
        store = Store(place)
        files = store.files()
        if only is not None:
            files = [one for one in files if one.name.partition("/")[0] in only]
        if not files:
            raise DataError(f"{store.told}: there is no such folder, or nothing is in it; see to the name")
        return str(self._fetched("folder", store, files, ",".join(sorted(only or ()))))

    def export(self, place: str, tables: Collection[str], pictures: str | None) -> str:
        """Of a remote folder the files right in its folders `tables`; and empty files in place of all that is below
        `pictures`, which tell what there is: a listing, not a download. An empty text is the folder itself."""
        store = Store(place)
        files = store.files()
        wanted = [one for one in files if one.name.rpartition("/")[0] in tables]
        start = None if pictures is None else pictures and f"{pictures}/"
        shown = [one.name for one in files if start is not None and one.name.startswith(start) and one not in wanted]
        if not wanted and not shown:
            raise DataError(f"{store.told}: there is no such folder, or nothing of an export is in it; see to the name")
        return str(self._fetched("export", store, wanted, f"{sorted(tables)} {pictures}", shown))

    def names(self, place: str) -> list[str]:
        """What a folder holds; nothing where it is no folder."""
        local = _local(place)
        if local is not None:
            return sorted(os.listdir(local)) if os.path.isdir(local) else []
        return Store(place).names()

    def folder_or_archive(self, place: str) -> str:
        """A folder; of an archive the one that it was unpacked to."""
        if not is_archive(without_query(place)):
            return self.folder(place)
        path = self.file(place)
        try:
            return self.unpacked({"": path})
        except DataError as error:
            # a copy in the cache is not what somebody has to mend
            raise DataError(f"{without_secrets(place)}: {error}" if is_uri(place) else str(error)) from None

    def unpacked(self, archives: Mapping[str, str]) -> str:
        """Archives (local paths) unpacked into folders of these names below one folder; a folder is copied there."""
        digests = {name: self._digest(path) for name, path in archives.items()}
        text = json.dumps([_UNPACKED, sorted(digests.items())])
        source = ", ".join(os.path.basename(path) for path in archives.values())

        def fill(folder: Path) -> None:
            _empty(folder)  # of what a killed process has left nobody knows what is whole
            self._shelf.make_room(sum(os.path.getsize(path) for path in archives.values() if os.path.isfile(path)))
            try:
                for name, path in archives.items():
                    self._unpack(Path(path), folder / name)
            except GoldenpairError:
                _empty(folder)
                raise

        return str(self._shelf.entry(f"archive-{_hash(text)}", source, fill))

    def _unpack(self, path: Path, folder: Path) -> None:
        if path.is_dir():
            with writing_to(folder):
                shutil.copytree(path, folder, copy_function=_linked, dirs_exist_ok=True)
            return
        with writing_to(folder):
            folder.mkdir(parents=True, exist_ok=True)
        log.info("Unpacking %s ...", path)
        with transfer_bar(f"Unpacking {path.name}") as progress:
            size = path.stat().st_size
            unpack(path, folder, self.limits, lambda done: progress(done, size))
        while (inner := folder / folder.name).is_dir() and len(os.listdir(folder)) == 1:
            lifted = folder.with_name(f"{folder.name}.lifted")
            os.replace(inner, lifted)
            folder.rmdir()
            os.replace(lifted, folder)

    def _digest(self, path: str) -> str:
        """The hash of an archive's content, which is not read again while its state is the same."""
        if os.path.isdir(path):
            return _hash(json.dumps(sorted(_states(path))))
        known, _ = link(path)
        if not known:
            raise DataError(f"archive {path}: there is no such file (looked in {Path.cwd()})")
        at = f"digest-{known}"

        def fill(folder: Path) -> None:
            try:
                with open(path, "rb") as file:
                    (folder / "sha256").write_text(hashlib.file_digest(file, "sha256").hexdigest(), encoding="ascii")
            except OSError as error:
                raise DataError(f"archive {path}: it cannot be read ({first_line(error)})") from None

        return (self._shelf.entry(at, os.path.basename(path), fill) / "sha256").read_text(encoding="ascii")

    def _fetched(
        self, kind: str, store: Store, files: Sequence[Found], which: str = "", shown: Sequence[str] = ()
    ) -> Path:
        """The content of the entry that holds these files of a store in their present versions, others empty."""
        start = f"{kind}-{_hash(f'{without_signature(store.uri)} {which}')}"
        weak = "" if all(one.version for one in files) else os.urandom(8).hex()  # then nothing tells of a change
        listing = json.dumps([weak, [(one.name, one.size, one.version) for one in files], *shown])

        def fill(folder: Path) -> None:
            self._take_over(start, files, folder)
            (folder.parent / _INDEX).write_text(json.dumps(_versions(files)), encoding="utf-8")
            missing = [one for one in files if not (folder / one.name).is_file()]
            self._shelf.make_room(sum(one.size or 0 for one in missing))
            self._download(store, missing, folder)
            for name in shown:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).touch()

        return self._shelf.entry(f"{start}-{_hash(listing)}", store.told, fill)

    def _download(self, store: Store, files: Sequence[Found], folder: Path) -> None:
        size, done, guard = sum(one.size or 0 for one in files), 0, threading.Lock()
        what = store.told if len(files) == 1 else f"{len(files):,} files of {store.told}"
        if size >= _TOLD:
            log.info("Fetching %s, %.1f MB ...", what, size / 1e6)
        with transfer_bar(f"Fetching {what}") as progress:

            def step(came: int) -> None:
                nonlocal done
                with guard:
                    done += came
                    progress(done, size or done)

            download_all(store, files, folder, self.limits.workers, step)
        log.debug("Fetched %s, %.1f MB, to %s", what, size / 1e6, folder)

    def _take_over(self, start: str, files: Sequence[Found], folder: Path) -> None:
        """What other entries of the same source, whole or not, hold in the versions that are wanted."""
        wanted = _versions(files)
        for other in self._shelf.others(start):
            if other == folder:
                continue
            had = _read(other.parent / _INDEX)
            for name, version in wanted.items():
                source, target = other / name, folder / name
                if version and had.get(name) == version and not target.exists() and source.is_file():
                    with suppress(OSError):  # it is fetched instead
                        target.parent.mkdir(parents=True, exist_ok=True)
                        _linked(str(source), str(target))


def _empty(folder: Path) -> None:
    for left in folder.iterdir():
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()


def _versions(files: Sequence[Found]) -> dict[str, str]:
    return {one.name: one.version for one in files}


def _read(index: Path) -> dict[str, str]:
    try:
        found = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _linked(source: str, target: str) -> None:
    """The same file under another name, or a copy where there are no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _states(folder: str) -> list[tuple[str, str]]:
    return [
        (os.path.relpath(path, folder), link(path)[0])
        for place, _, names in os.walk(folder)
        for path in (os.path.join(place, name) for name in names)
    ]


def _local(place: str) -> str | None:
    """The local path that a place is, None where it is remote."""
    if not is_uri(place):
        return place
    uri = canonical(place)
    return local_path(uri) if uri.startswith("file://") else None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def read_text(place: str) -> str:
    """The text of a remote file, which is not kept; DataError if it cannot be had or is no text."""
    local = _local(place)
    try:
        if local is not None:
            return Path(local).read_text(encoding="utf-8-sig")
        store = Store(place)
        with store.reached():
            content: bytes = store.fs.cat_file(store.path)
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{without_secrets(place)}: it is no text (UTF-8)") from None
    except OSError as error:
        raise DataError(f"{without_secrets(place)}: it cannot be read ({first_line(error)})") from None


def write_text(place: str, text: str) -> None:
    """Write a remote file; DataError if that is refused."""
    store = Store(place)
    with store.reached():
        store.fs.pipe_file(store.path, text.encode())
